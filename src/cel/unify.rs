//! Which types fit which, and what unknown types turn out to be (`checker/types.go` of cel-go).

use super::types::Type;

/// What the unknown types are known to be, by number.
#[derive(Debug, Clone, Default)]
pub(super) struct Known(Vec<Option<Type>>);

impl Known {
    /// A type that is not yet known.
    pub(super) fn fresh(&mut self) -> Type {
        self.0.push(None);
        Type::Param(u32::try_from(self.0.len() - 1).unwrap_or(u32::MAX))
    }

    fn of(&self, number: u32) -> Option<&Type> {
        self.0.get(number as usize).and_then(Option::as_ref)
    }

    fn set(&mut self, number: u32, found: Type) {
        if let Some(slot) = self.0.get_mut(number as usize) {
            *slot = Some(found);
        }
    }

    /// `a` may stand where `b` is wanted; if so, what that tells of unknown types is kept.
    pub(super) fn assign(&mut self, a: &Type, b: &Type) -> bool {
        self.assign_all(std::slice::from_ref(a), std::slice::from_ref(b))
    }

    /// As `assign`, for several types at once.
    pub(super) fn assign_all(&mut self, a: &[Type], b: &[Type]) -> bool {
        if a.len() != b.len() {
            return false;
        }
        let before = self.clone();
        let fits = a.iter().zip(b).all(|(a, b)| self.fits(a, b));
        if !fits {
            *self = before;
        }
        fits
    }

    fn fits(&mut self, a: &Type, b: &Type) -> bool {
        if let Type::Param(number) = b {
            let (valid, known) = self.stands_for(a, *number);
            if valid || known {
                return valid;
            }
        }
        if let Type::Param(number) = a {
            return self.stands_for(b, *number).0;
        }
        if a.is_dyn_or_error() || b.is_dyn_or_error() {
            return true;
        }
        match (a, b) {
            (Type::Null, other) | (other, Type::Null) => matches!(
                other,
                Type::Null
                    | Type::Object(_)
                    | Type::Opaque(_)
                    | Type::Optional(_)
                    | Type::Duration
                    | Type::Timestamp
            ),
            (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => {
                self.fits(a, b)
            }
            (Type::Map(a), Type::Map(b)) => self.fits(&a.0, &b.0) && self.fits(&a.1, &b.1),
            (Type::Type(_), Type::Type(_)) => true,
            _ => a.is_exact(b),
        }
    }

    /// `found` may be what the unknown type is; and whether that was known before.
    fn stands_for(&mut self, found: &Type, number: u32) -> (bool, bool) {
        if matches!(found, Type::Param(other) if *other == number) {
            return (true, true);
        }
        if let Some(known) = self.of(number).cloned() {
            if known.is_exact(found) {
                return (true, true);
            }
            if self.fits(found, &known) {
                let general = most_general(found, &known);
                if self.free_of(number, &general) {
                    self.set(number, general);
                }
                return (true, true);
            }
            return (false, true);
        }
        if self.free_of(number, found) {
            self.set(number, found.clone());
            return (true, false);
        }
        (false, false)
    }

    /// The unknown type `number` does not stand within `found`.
    fn free_of(&self, number: u32, found: &Type) -> bool {
        match found {
            Type::Param(other) => {
                *other != number && self.of(*other).is_none_or(|known| self.free_of(number, known))
            }
            Type::List(inner) | Type::Optional(inner) | Type::Type(Some(inner)) => {
                self.free_of(number, inner)
            }
            Type::Map(map) => self.free_of(number, &map.0) && self.free_of(number, &map.1),
            _ => true,
        }
    }

    /// `found` with what is known put in; what is not is dynamic if `to_dyn`.
    pub(super) fn resolve(&self, found: &Type, to_dyn: bool) -> Type {
        match found {
            Type::Param(number) => match self.of(*number) {
                Some(known) => self.resolve(known, to_dyn),
                None if to_dyn => Type::Dyn,
                None => found.clone(),
            },
            Type::List(inner) => Type::list(self.resolve(inner, to_dyn)),
            Type::Optional(inner) => Type::optional(self.resolve(inner, to_dyn)),
            Type::Map(map) => Type::map(self.resolve(&map.0, to_dyn), self.resolve(&map.1, to_dyn)),
            Type::Type(Some(inner)) => Type::Type(Some(self.resolve(inner, to_dyn).into())),
            _ => found.clone(),
        }
    }
}

/// A declared type with its capital letters replaced by `fresh` types.
pub(super) fn instance(declared: &Type, fresh: &[Type]) -> Type {
    match declared {
        Type::Param(number) => fresh.get(*number as usize).cloned().unwrap_or(Type::Dyn),
        Type::List(inner) => Type::list(instance(inner, fresh)),
        Type::Optional(inner) => Type::optional(instance(inner, fresh)),
        Type::Map(map) => Type::map(instance(&map.0, fresh), instance(&map.1, fresh)),
        Type::Type(Some(inner)) => Type::Type(Some(instance(inner, fresh).into())),
        _ => declared.clone(),
    }
}

/// The more general of two types that fit each other.
pub(super) fn most_general(a: &Type, b: &Type) -> Type {
    if is_general(a, b) { a.clone() } else { b.clone() }
}

/// `a` is `b`, or says less.
fn is_general(a: &Type, b: &Type) -> bool {
    match (a, b) {
        (Type::Dyn | Type::Param(_), _) => true,
        (_, Type::Dyn | Type::Param(_)) => false,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => is_general(a, b),
        (Type::Map(a), Type::Map(b)) => is_general(&a.0, &b.0) && is_general(&a.1, &b.1),
        (Type::Type(_), Type::Type(_)) => true,
        _ => a.is_exact(b),
    }
}
