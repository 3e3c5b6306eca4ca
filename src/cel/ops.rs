//! Operators: equality, order and arithmetic, as the specification and Kubernetes' lists have them.

use super::eval::{Builtin, Outcome, Scope, missing};
use super::text;
use super::times::Time;
use super::value::{Entries, Fault, List, Map, Val};
use crate::object::structural::ListType;
use std::cmp::Ordering;
use std::rc::Rc;

/// The operator `name`.
pub(super) fn operator(name: &str) -> Option<Builtin> {
    Some(match name {
        "_==_" => |_, args| two(args, |a, b| Ok(Val::Bool(equal(a, b)?))),
        "_!=_" => |_, args| two(args, |a, b| Ok(Val::Bool(!equal(a, b)?))),
        "_<_" => |_, args| ordered(args, Ordering::is_lt),
        "_<=_" => |_, args| ordered(args, Ordering::is_le),
        "_>_" => |_, args| ordered(args, Ordering::is_gt),
        "_>=_" => |_, args| ordered(args, Ordering::is_ge),
        "_+_" => |scope, args| add(scope, args),
        "_-_" => |_, args| two(args, subtract),
        "_*_" => |_, args| two(args, multiply),
        "_/_" => |_, args| two(args, divide),
        "_%_" => |_, args| two(args, remainder),
        "-_" => |_, args| negate(args),
        "!_" => |_, args| match args {
            [Val::Bool(b)] => Ok(Val::Bool(!b)),
            _ => Err(Fault::no_overload()),
        },
        "_[_]" => |_, args| two(args, index),
        "_[?_]" => |_, args| two(args, optional_index),
        "@in" => |_, args| two(args, contained),
        "cel.@mapInsert" => map_insert,
        _ => return None,
    })
}

fn two<'v>(args: &[Val<'v>], f: fn(&Val<'v>, &Val<'v>) -> Outcome<'v>) -> Outcome<'v> {
    match args {
        [a, b] => f(a, b),
        _ => Err(Fault::no_overload()),
    }
}

/// `a == b`; values of different types are not equal, but numbers are compared by value.
///
/// # Errors
/// If a part of a tree is not what its schema says.
pub(super) fn equal(a: &Val<'_>, b: &Val<'_>) -> Result<bool, Fault> {
    Ok(match (a, b) {
        (Val::Null, Val::Null) => true,
        (Val::Bool(a), Val::Bool(b)) => a == b,
        (Val::Str(a), Val::Str(b)) => a.as_str() == b.as_str(),
        (Val::Bytes(a), Val::Bytes(b)) => a == b,
        (Val::Duration(a), Val::Duration(b)) => a == b,
        (Val::Timestamp(a), Val::Timestamp(b)) => a == b,
        (Val::Opaque(a), Val::Opaque(b)) => a == b,
        (Val::Type(a), Val::Type(b)) => a.name() == b.name(),
        (Val::Optional(None), Val::Optional(None)) => true,
        (Val::Optional(Some(a)), Val::Optional(Some(b))) => equal(a, b)?,
        (Val::List(a), Val::List(b)) => lists_equal(a, b)?,
        (Val::Map(a), Val::Map(b)) => maps_equal(a, b)?,
        _ => numbers(a, b).is_some_and(Ordering::is_eq),
    })
}

fn maps_equal<'v>(a: &Map<'v>, b: &Map<'v>) -> Result<bool, Fault> {
    if a.len() != b.len() {
        return Ok(false);
    }
    for at in 0..a.len() {
        let (Some(key), Some(value)) = (a.key_at(at), a.value_at(at)) else { return Ok(false) };
        let Some(other) = b.get(&key) else { return Ok(false) };
        if !equal(&value?, &other?)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Equality of lists: sets and lists of named items do not look at the order.
fn lists_equal<'v>(a: &List<'v>, b: &List<'v>) -> Result<bool, Fault> {
    if a.len() != b.len() {
        return Ok(false);
    }
    let (mut left, mut right) = (a.items()?, b.items()?);
    match a.kind() {
        Some(ListType::Set) => {
            for item in &left {
                if !is_among(item, &right)? {
                    return Ok(false);
                }
            }
            return Ok(true);
        }
        Some(ListType::Map(keys)) => {
            let key = |item: &Val<'v>| item_key(item, keys);
            left.sort_by_cached_key(key);
            right.sort_by_cached_key(key);
        }
        Some(ListType::Atomic) | None => {}
    }
    for (a, b) in left.iter().zip(&right) {
        if !equal(a, b)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The values of an item's keys, as one text.
fn item_key(item: &Val<'_>, keys: &[&'static str]) -> String {
    let Val::Map(map) = item else { return String::new() };
    let mut out = String::new();
    for key in keys {
        let value = map.get(&Val::string(*key));
        if let Some(Ok(value)) = value {
            out.push_str(&value.type_name());
            out.push_str(&text::shown(&value));
        }
        out.push('\0');
    }
    out
}

/// One of `items` equals `item`.
pub(super) fn is_among(item: &Val<'_>, items: &[Val<'_>]) -> Result<bool, Fault> {
    for other in items {
        if equal(item, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The order of two numbers of any types.
#[expect(clippy::cast_precision_loss, reason = "as far as doubles can be compared with integers")]
fn numbers(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    let whole = |value: &Val<'_>| match value {
        Val::Int(n) => Some(i128::from(*n)),
        Val::Uint(n) => Some(i128::from(*n)),
        _ => None,
    };
    if let (Some(a), Some(b)) = (whole(a), whole(b)) {
        return Some(a.cmp(&b));
    }
    let float = |value: &Val<'_>| match value {
        Val::Double(n) => Some(*n),
        other => whole(other).map(|n| n as f64),
    };
    float(a)?.partial_cmp(&float(b)?)
}

/// The order of two values that have one.
pub(super) fn compare(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    match (a, b) {
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::Str(a), Val::Str(b)) => Some(a.as_str().cmp(b.as_str())),
        (Val::Bytes(a), Val::Bytes(b)) => Some(a.cmp(b)),
        (Val::Duration(a), Val::Duration(b)) => Some(a.cmp(b)),
        (Val::Timestamp(a), Val::Timestamp(b)) => Some(a.cmp(b)),
        _ => numbers(a, b),
    }
}

fn ordered<'v>(args: &[Val<'v>], test: fn(Ordering) -> bool) -> Outcome<'v> {
    let [a, b] = args else { return Err(Fault::no_overload()) };
    match (a, b) {
        (Val::Double(a), _) if a.is_nan() => Ok(Val::Bool(false)),
        (_, Val::Double(b)) if b.is_nan() => Ok(Val::Bool(false)),
        _ => compare(a, b).map(|order| Val::Bool(test(order))).ok_or_else(Fault::no_overload),
    }
}

fn overflow(what: &str) -> Fault {
    Fault::error(format!("{what} overflow"))
}

fn int<'v>(result: Option<i64>) -> Outcome<'v> {
    result.map(Val::Int).ok_or_else(|| overflow("integer"))
}

fn uint<'v>(result: Option<u64>) -> Outcome<'v> {
    result.map(Val::Uint).ok_or_else(|| overflow("unsigned integer"))
}

fn span<'v>(result: Option<i64>) -> Outcome<'v> {
    result.map(Val::Duration).ok_or_else(|| overflow("duration"))
}

fn point<'v>(result: Option<Time>) -> Outcome<'v> {
    result.map(Val::Timestamp).ok_or_else(|| overflow("timestamp"))
}

fn add<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [a, b] = args else { return Err(Fault::no_overload()) };
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => int(a.checked_add(*b)),
        (Val::Uint(a), Val::Uint(b)) => uint(a.checked_add(*b)),
        (Val::Double(a), Val::Double(b)) => Ok(Val::Double(a + b)),
        (Val::Str(a), Val::Str(b)) => {
            let (a, b) = (a.as_str(), b.as_str());
            scope.work_text(a.len() + b.len())?;
            Ok(Val::string([a, b].concat()))
        }
        (Val::Bytes(a), Val::Bytes(b)) => {
            scope.work_text(a.len() + b.len())?;
            Ok(Val::Bytes([&**a, &**b].concat().into()))
        }
        (Val::Duration(a), Val::Duration(b)) => span(a.checked_add(*b)),
        (Val::Timestamp(time), Val::Duration(nanos))
        | (Val::Duration(nanos), Val::Timestamp(time)) => point(time.plus(*nanos)),
        (Val::List(a), Val::List(b)) => {
            scope.work(a.len() + b.len())?;
            joined(a, b)
        }
        _ => Err(Fault::no_overload()),
    }
}

/// Two lists as one: sets take in what is new, lists of named items put the newer in place.
fn joined<'v>(a: &List<'v>, b: &List<'v>) -> Outcome<'v> {
    let (mut items, added) = (a.items()?, b.items()?);
    match a.kind() {
        Some(ListType::Set) => {
            for item in added {
                if !is_among(&item, &items)? {
                    items.push(item);
                }
            }
        }
        Some(ListType::Map(keys)) => {
            for item in added {
                let key = item_key(&item, keys);
                let known = items.iter_mut().find(|known| item_key(known, keys) == key);
                match known {
                    Some(known) => *known = item,
                    None => items.push(item),
                }
            }
        }
        Some(ListType::Atomic) | None => items.extend(added),
    }
    Ok(Val::list(items))
}

fn subtract<'v>(a: &Val<'v>, b: &Val<'v>) -> Outcome<'v> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => int(a.checked_sub(*b)),
        (Val::Uint(a), Val::Uint(b)) => uint(a.checked_sub(*b)),
        (Val::Double(a), Val::Double(b)) => Ok(Val::Double(a - b)),
        (Val::Duration(a), Val::Duration(b)) => span(a.checked_sub(*b)),
        (Val::Timestamp(time), Val::Duration(nanos)) => {
            point(nanos.checked_neg().and_then(|nanos| time.plus(nanos)))
        }
        (Val::Timestamp(a), Val::Timestamp(b)) => span(a.minus(b)),
        _ => Err(Fault::no_overload()),
    }
}

fn multiply<'v>(a: &Val<'v>, b: &Val<'v>) -> Outcome<'v> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => int(a.checked_mul(*b)),
        (Val::Uint(a), Val::Uint(b)) => uint(a.checked_mul(*b)),
        (Val::Double(a), Val::Double(b)) => Ok(Val::Double(a * b)),
        _ => Err(Fault::no_overload()),
    }
}

fn divide<'v>(a: &Val<'v>, b: &Val<'v>) -> Outcome<'v> {
    match (a, b) {
        (Val::Int(_), Val::Int(0)) | (Val::Uint(_), Val::Uint(0)) => {
            Err(Fault::error("division by zero"))
        }
        (Val::Int(a), Val::Int(b)) => int(a.checked_div(*b)),
        (Val::Uint(a), Val::Uint(b)) => uint(a.checked_div(*b)),
        (Val::Double(a), Val::Double(b)) => Ok(Val::Double(a / b)),
        _ => Err(Fault::no_overload()),
    }
}

fn remainder<'v>(a: &Val<'v>, b: &Val<'v>) -> Outcome<'v> {
    match (a, b) {
        (Val::Int(_), Val::Int(0)) | (Val::Uint(_), Val::Uint(0)) => {
            Err(Fault::error("modulus by zero"))
        }
        (Val::Int(a), Val::Int(b)) => int(a.checked_rem(*b)),
        (Val::Uint(a), Val::Uint(b)) => uint(a.checked_rem(*b)),
        _ => Err(Fault::no_overload()),
    }
}

fn negate<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    match args {
        [Val::Int(n)] => int(n.checked_neg()),
        [Val::Double(n)] => Ok(Val::Double(-n)),
        _ => Err(Fault::no_overload()),
    }
}

/// The position that a value names in a list.
fn position(at: &Val<'_>) -> Option<i64> {
    match at {
        Val::Int(n) => Some(*n),
        Val::Uint(n) => i64::try_from(*n).ok(),
        #[expect(clippy::cast_possible_truncation, reason = "the number is whole and small")]
        Val::Double(n) if n.fract() == 0.0 && n.abs() < 9e15 => Some(*n as i64),
        _ => None,
    }
}

fn found<'v>(container: &Val<'v>, at: &Val<'v>) -> Result<Option<Val<'v>>, Fault> {
    match container {
        Val::List(list) => {
            let position = position(at).ok_or_else(Fault::no_overload)?;
            usize::try_from(position).ok().and_then(|at| list.get(at)).transpose()
        }
        Val::Map(map) => map.get(at).transpose(),
        _ => Err(Fault::no_overload()),
    }
}

fn index<'v>(container: &Val<'v>, at: &Val<'v>) -> Outcome<'v> {
    match container {
        Val::Optional(None) => Ok(Val::Optional(None)),
        Val::Optional(Some(inner)) => Ok(Val::optional(found(inner, at)?)),
        _ => match (found(container, at)?, container) {
            (Some(value), _) => Ok(value),
            (None, Val::List(_)) => {
                Err(Fault::error(format!("index out of bounds: {}", text::shown(at))))
            }
            (None, _) => Err(missing(&text::shown(at))),
        },
    }
}

fn optional_index<'v>(container: &Val<'v>, at: &Val<'v>) -> Outcome<'v> {
    match container {
        Val::Optional(None) => Ok(Val::Optional(None)),
        Val::Optional(Some(inner)) => Ok(Val::optional(found(inner, at)?)),
        _ => Ok(Val::optional(found(container, at)?)),
    }
}

fn contained<'v>(item: &Val<'v>, container: &Val<'v>) -> Outcome<'v> {
    match container {
        Val::List(list) => {
            for at in 0..list.len() {
                if let Some(other) = list.get(at)
                    && equal(item, &other?)?
                {
                    return Ok(Val::Bool(true));
                }
            }
            Ok(Val::Bool(false))
        }
        Val::Map(map) => Ok(Val::Bool(map.get(item).is_some())),
        _ => Err(Fault::no_overload()),
    }
}

fn map_insert<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let (Some(Val::Map(map)), rest) = (args.first(), args.get(1..).unwrap_or_default()) else {
        return Err(Fault::no_overload());
    };
    scope.work(map.len())?;
    let mut made = Entries::default();
    let mut take = |map: &Map<'v>| -> Result<(), Fault> {
        for at in 0..map.len() {
            if let (Some(key), Some(value)) = (map.key_at(at), map.value_at(at)) {
                made.insert(key, value?)?;
            }
        }
        Ok(())
    };
    take(map)?;
    match rest {
        [Val::Map(more)] => take(more)?,
        [key, value] => made.insert(key.clone(), value.clone())?,
        _ => return Err(Fault::no_overload()),
    }
    Ok(Val::Map(Map::Made(Rc::new(made))))
}
