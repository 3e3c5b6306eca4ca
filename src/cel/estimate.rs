//! What a rule of a custom resource may cost at most, by the limits that its schema sets
//! (`checker.Cost` of cel-go with Kubernetes' estimators). What is not known is taken as dear as
//! upstream takes it, and never dearer.

use super::ast::{Fold, Id, Literal, Node};
use super::check::Bound;
use super::types::Type;
use super::{Program, cost};
use crate::base::limits::REQUEST_BODY_BYTES_MAX;
use crate::object::structural::{Additional, Schema};

/// The largest text of a request without a limit of its own: two bytes are quotes.
const TEXT_MAX: u64 = REQUEST_BODY_BYTES_MAX as u64 - 2;

/// Bytes that a value takes at least in JSON (`DeclType.MinSerializedSize`).
pub fn size_min(schema: &Schema) -> u64 {
    if schema.int_or_string {
        return 1;
    }
    match (schema.kind, &*schema.format) {
        ("string", "duration") => 3,
        ("string", "date") => 12,
        ("string", "date-time" | "datetime") => 21,
        ("boolean", _) => 4,
        ("integer" | "number", _) => 1,
        ("object", _) if !matches!(schema.additional, Additional::Schema(_)) => {
            let needed = schema.rules.required.iter().filter_map(|name| {
                let field = schema.property(name).filter(|field| field.default.is_none())?;
                Some(name.len() as u64 + size_min(field) + 4)
            });
            2 + needed.sum::<u64>()
        }
        _ => 2,
    }
}

/// Characters, items or entries that a value has at most (`DeclType.MaxElements`).
fn size_max(schema: &Schema) -> u64 {
    let limit = |limit: Option<i64>| limit.map(|limit| u64::try_from(limit).unwrap_or(0));
    let rules = &schema.rules;
    let chars = limit(rules.max_length);
    if schema.int_or_string {
        return chars.map_or(TEXT_MAX, |chars| chars.saturating_mul(4));
    }
    match (schema.kind, &*schema.format) {
        ("array", _) => limit(rules.max_items).unwrap_or_else(|| {
            let item = schema.items.as_deref().map_or(1, size_min);
            TEXT_MAX / (item + 1)
        }),
        ("object", _) => match &schema.additional {
            Additional::Schema(value) => {
                limit(rules.max_properties).unwrap_or(TEXT_MAX / (size_min(value) + 6))
            }
            Additional::Unset | Additional::Allowed(_) => 0,
        },
        ("string", "byte") => chars.unwrap_or(TEXT_MAX),
        ("string", "date") => 12,
        ("string", "duration" | "date-time" | "datetime") => 32,
        // One of a few values is short.
        ("string", _) if chars.is_none() && !rules.values.is_empty() => 64,
        ("string", _) => chars.map_or(TEXT_MAX, |chars| chars.saturating_mul(4)),
        _ => 0,
    }
}

/// What is known of a value: where it stands in the schema, or how large it is.
#[derive(Debug, Clone, Copy, Default)]
struct Seen<'s> {
    size: Option<u64>,
    place: Option<Place<'s>>,
    /// The size of an item or value in it.
    item: Option<u64>,
}

#[derive(Debug, Clone, Copy)]
enum Place<'s> {
    /// The root of a resource, whose kind and name are always there.
    Root(&'s Schema),
    Metadata,
    Schema(&'s Schema),
    /// A name that has no limit.
    Name,
    /// A key of a map.
    Key,
}

impl Place<'_> {
    fn size(self) -> u64 {
        match self {
            Self::Root(_) | Self::Metadata | Self::Key => 0,
            Self::Schema(schema) => size_max(schema),
            Self::Name => TEXT_MAX,
        }
    }

    fn field(self, name: &str) -> Option<Self> {
        match self {
            Self::Root(_) if matches!(name, "apiVersion" | "kind") => Some(Self::Name),
            Self::Root(_) if name == "metadata" => Some(Self::Metadata),
            Self::Metadata => Some(Self::Name),
            Self::Root(schema) | Self::Schema(schema) => {
                let name = super::unescape(name)?;
                schema.member(&name).map(Self::Schema)
            }
            Self::Key | Self::Name => None,
        }
    }

    fn item(self) -> Option<Self> {
        match self {
            Self::Schema(schema) => match (&schema.items, &schema.additional) {
                (Some(items), _) => Some(Self::Schema(items)),
                (None, Additional::Schema(value)) => Some(Self::Schema(value)),
                _ => None,
            },
            _ => None,
        }
    }
}

impl Program {
    /// The most that one evaluation costs, for `self` and `oldSelf` that follow `schema`; `root`
    /// says that it is the root of a resource.
    pub fn cost_max(&self, schema: &Schema, root: bool) -> u64 {
        let place = if root { Place::Root(schema) } else { Place::Schema(schema) };
        Estimate { program: self, place, locals: Vec::new() }.node(self.root).0
    }
}

struct Estimate<'p, 's> {
    program: &'p Program,
    place: Place<'s>,
    locals: Vec<Seen<'s>>,
}

/// `size` by a factor of a tenth, rounded up.
fn tenth(size: u64) -> u64 {
    size.div_ceil(10)
}

impl<'s> Estimate<'_, 's> {
    fn kind(&self, id: Id) -> &Type {
        self.program.types.get(id as usize).unwrap_or(&Type::Dyn)
    }

    fn size(&self, id: Id, seen: &Seen<'s>) -> u64 {
        let known = seen.size.or_else(|| seen.place.map(Place::size));
        known.unwrap_or_else(|| match self.kind(id) {
            Type::List(_) | Type::Map(_) | Type::String | Type::Bytes | Type::Dyn => u64::MAX,
            Type::Optional(_) => u64::MAX,
            _ => 1,
        })
    }

    fn node(&mut self, id: Id) -> (u64, Seen<'s>) {
        let program = self.program;
        match program.ast.node(id) {
            Node::Const(literal) => {
                let size = match literal {
                    Literal::String(text) => text.chars().count() as u64,
                    Literal::Bytes(bytes) => bytes.len() as u64,
                    _ => 1,
                };
                (0, Seen { size: Some(size), ..Seen::default() })
            }
            Node::Ident(_) => (cost::SELECT, self.name(id)),
            Node::Select { .. } if program.bound(id).is_some() => (cost::SELECT, self.name(id)),
            Node::Select { operand, field, test } => {
                let (spent, seen) = self.node(*operand);
                if *test {
                    return (spent, Seen::default());
                }
                let looks = matches!(self.kind(*operand), Type::Map(_) | Type::Object(_));
                let place = seen.place.and_then(|place| place.field(field));
                let own = if looks { cost::SELECT } else { 0 };
                (spent.saturating_add(own), Seen { place, ..Seen::default() })
            }
            Node::Call { function, target, args } => self.call(id, function, *target, args),
            Node::List(items) => {
                let mut item = 0;
                let mut sum = cost::LIST;
                for (value, _) in items {
                    let (spent, seen) = self.node(*value);
                    sum = sum.saturating_add(spent);
                    item = item.max(self.size(*value, &seen));
                }
                let size = Some(items.len() as u64);
                (sum, Seen { size, place: None, item: Some(item) })
            }
            Node::Map(entries) => {
                let mut sum = cost::MAP;
                for (key, value, _) in entries {
                    let (a, b) = (self.node(*key).0, self.node(*value).0);
                    sum = sum.saturating_add(a).saturating_add(b);
                }
                let size = Some(entries.len() as u64);
                (sum, Seen { size, ..Seen::default() })
            }
            Node::Struct { fields, .. } => {
                let costs = fields.iter().map(|field| self.node(field.value).0);
                (costs.fold(cost::STRUCT, u64::saturating_add), Seen::default())
            }
            Node::Fold(fold) => self.fold(fold),
            Node::Error => (0, Seen::default()),
        }
    }

    fn name(&self, id: Id) -> Seen<'s> {
        match self.program.bound(id) {
            Some(Bound::Local(at)) => self.locals.get(*at as usize).copied().unwrap_or_default(),
            Some(Bound::Global(_)) => Seen { place: Some(self.place), ..Seen::default() },
            _ => Seen { size: Some(1), ..Seen::default() },
        }
    }

    fn fold(&mut self, fold: &Fold) -> (u64, Seen<'s>) {
        let (range_cost, range) = self.node(fold.range);
        let (init_cost, init) = self.node(fold.init);
        let base = self.locals.len();
        self.locals.push(init);
        let is_list = matches!(self.kind(fold.range), Type::List(_));
        let item = Seen { size: range.item, place: range.place.and_then(Place::item), item: None };
        let key = Seen { place: Some(Place::Key), ..Seen::default() };
        match (&fold.var2, is_list) {
            (Some(_), true) => self.locals.extend([Seen { size: Some(1), ..key }, item]),
            (Some(_), false) => self.locals.extend([key, item]),
            (None, true) => self.locals.push(item),
            (None, false) if range.place.is_some() => self.locals.push(key),
            (None, false) => self.locals.push(Seen::default()),
        }
        let condition = self.node(fold.condition).0;
        let step = self.node(fold.step).0;
        self.locals.truncate(base + 1);
        let (result_cost, result) = self.node(fold.result);
        self.locals.truncate(base);
        let turns = self.size(fold.range, &range);
        let looped = turns.saturating_mul(condition.saturating_add(step));
        let sum = [range_cost, init_cost, looped, result_cost];
        let sum = sum.into_iter().fold(0, u64::saturating_add);
        let binds =
            matches!(self.program.ast.node(fold.condition), Node::Const(Literal::Bool(false)));
        let gathers = matches!(self.program.ast.node(fold.init), Node::List(_) | Node::Map(_));
        let seen = match () {
            () if binds => result,
            () if gathers => Seen { size: Some(turns), ..Seen::default() },
            () => Seen { size: Some(1), ..Seen::default() },
        };
        (sum, seen)
    }

    fn call(&mut self, id: Id, function: &str, target: Option<Id>, args: &[Id]) -> (u64, Seen<'s>) {
        let ids: Vec<Id> = target.iter().chain(args).copied().collect();
        let parts: Vec<(u64, Seen<'s>)> = ids.iter().map(|id| self.node(*id)).collect();
        let sum = parts.iter().fold(0_u64, |sum, (spent, _)| sum.saturating_add(*spent));
        let size = |at: usize| match (ids.get(at), parts.get(at)) {
            (Some(id), Some((_, seen))) => self.size(*id, seen),
            _ => 0,
        };
        if let ("_?_:_", [condition, yes, no]) = (function, parts.as_slice()) {
            let spent = condition.0.saturating_add(yes.0.max(no.0));
            return (spent, Seen { size: Some(size(1).max(size(2))), ..Seen::default() });
        }
        let seen_at = |at: usize| parts.get(at).map(|(_, seen)| *seen).unwrap_or_default();
        let is_text = |at: usize| {
            ids.get(at).is_some_and(|id| matches!(self.kind(*id), Type::String | Type::Bytes))
        };
        let matching = |text: u64, pattern: u64| {
            tenth(text.saturating_add(1)).saturating_mul(pattern.div_ceil(4))
        };
        let sized = |size: u64| Seen { size: Some(size), ..Seen::default() };
        let (own, seen) = match function {
            "_&&_" | "_||_" => (0, Seen::default()),
            "_[_]" | "_[?_]" | "_?._" => {
                let seen = seen_at(0);
                let field = match ids.get(1).map(|id| self.program.ast.node(*id)) {
                    Some(Node::Const(Literal::String(name))) if function == "_?._" => {
                        seen.place.and_then(|place| place.field(name))
                    }
                    _ => seen.place.and_then(Place::item),
                };
                (1, Seen { size: seen.item, place: field, item: None })
            }
            "startsWith" | "endsWith" => (tenth(size(1)), Seen::default()),
            "@in" if ids.get(1).is_some_and(|id| matches!(self.kind(*id), Type::List(_))) => {
                (size(1), Seen::default())
            }
            "matches" | "find" | "findAll" if target.is_some() => {
                (matching(size(0), size(1)), Seen::default())
            }
            "contains" => (tenth(size(0)).saturating_mul(tenth(size(1))), Seen::default()),
            "_==_" | "_!=_" => (tenth(size(0).min(size(1))), Seen::default()),
            "_<_" | "_<=_" | "_>_" | "_>=_" if is_text(0) => {
                (tenth(size(0).min(size(1))), Seen::default())
            }
            "_+_" if is_text(0) => {
                let total = size(0).saturating_add(size(1));
                (tenth(total), sized(total))
            }
            "_+_" if matches!(self.kind(id), Type::List(_)) => {
                (1, sized(size(0).saturating_add(size(1))))
            }
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => match is_text(0) {
                true => (tenth(size(0)), Seen::default()),
                false => (size(0), Seen::default()),
            },
            "url" | "lowerAscii" | "upperAscii" | "substring" | "trim" => {
                (tenth(size(0)), sized(size(0)))
            }
            "replace" => (tenth(size(0).saturating_mul(2)), sized(size(0))),
            "split" => (tenth(size(0).saturating_mul(2)), sized(size(0))),
            "dyn" | "value" | "orValue" => (1, seen_at(0)),
            "quantity" | "isQuantity" | "isIP" | "isCIDR" | "ip" | "cidr" | "isURL" => {
                (tenth(size(0)), Seen::default())
            }
            _ => (1, Seen::default()),
        };
        (sum.saturating_add(own), seen)
    }
}

#[cfg(test)]
mod tests {
    use crate::cel::{Env, Program, declared};
    use crate::object::structural::{Rules, Schema};

    fn list(items_max: Option<i64>, chars_max: Option<i64>) -> Schema {
        let rules = Rules { max_length: chars_max, ..Rules::default() };
        let item = Schema { kind: "string", rules, ..Schema::default() };
        let rules = Rules { max_items: items_max, ..Rules::default() };
        Schema { kind: "array", items: Some(item.into()), rules, ..Schema::default() }
    }

    fn cost(rule: &str, schema: &Schema) -> u64 {
        let env = Env::new().with("self", declared(schema, false, "x").expect("it has a type"));
        Program::compile(&env, rule).expect("it compiles").cost_max(schema, false)
    }

    #[test]
    fn limits_of_a_schema_bound_the_cost() {
        let bounded = list(Some(10), Some(20));
        assert!(cost("self.all(x, x.contains('abcdefghijk'))", &bounded) < 1_000);
        let open = list(None, None);
        assert!(cost("self.all(x, x.contains('abc'))", &open) > 10_000_000_000);
        assert!(cost("self.all(x, self.all(y, x == y))", &list(None, Some(5))) > 10_000_000);
        assert!(cost("self.size() < 5", &open) < 10);
    }
}
