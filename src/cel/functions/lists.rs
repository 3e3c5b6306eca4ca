//! Functions of lists and sets (`library.Lists`, `ext.Lists` version 3, `ext.Sets`).

use super::super::eval::{Builtin, Outcome, Scope, equal};
use super::super::ops::{compare, is_among};
use super::super::value::{Fault, List, Val};
use std::cmp::Ordering;

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "isSorted" => |_, args| is_sorted(args),
        "sum" => |_, args| sum(args),
        "max" => |_, args| extreme(args, "max", Ordering::Greater),
        "min" => |_, args| extreme(args, "min", Ordering::Less),
        "slice" => slice,
        "flatten" => flatten,
        "sort" => |scope, args| match args {
            [Val::List(list)] => sort(scope, list, list),
            _ => Err(Fault::no_overload()),
        },
        "@sortByAssociatedKeys" => |scope, args| match args {
            [Val::List(list), Val::List(keys)] => sort(scope, list, keys),
            _ => Err(Fault::no_overload()),
        },
        "lists.range" => range,
        "reverse" => |scope, args| match args {
            [Val::List(list)] => {
                scope.work(list.len())?;
                let mut items = list.items()?;
                items.reverse();
                Ok(Val::list(items))
            }
            _ => Err(Fault::no_overload()),
        },
        "distinct" => distinct,
        "sets.contains" => |scope, args| sets(scope, args, contains),
        "sets.equivalent" => {
            |scope, args| sets(scope, args, |a, b| Ok(contains(a, b)? && contains(b, a)?))
        }
        "sets.intersects" => |scope, args| sets(scope, args, intersects),
        _ => return None,
    })
}

fn list<'a, 'v>(args: &'a [Val<'v>]) -> Result<&'a List<'v>, Fault> {
    match args {
        [Val::List(list), ..] => Ok(list),
        _ => Err(Fault::no_overload()),
    }
}

fn is_sorted<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    let items = list(args)?.items()?;
    let mut pairs = items.windows(2);
    let sorted = pairs.try_fold(true, |so_far, pair| {
        let [a, b] = pair else { return Ok(so_far) };
        let order = compare(a, b).ok_or_else(Fault::no_overload)?;
        Ok(so_far && order.is_le())
    });
    sorted.map(Val::Bool)
}

fn sum<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    let mut total: Option<Val<'v>> = None;
    let overflow = || Fault::error("integer overflow");
    for item in list(args)?.items()? {
        total = Some(match (total, item) {
            (None, item) => item,
            (Some(Val::Int(a)), Val::Int(b)) => Val::Int(a.checked_add(b).ok_or_else(overflow)?),
            (Some(Val::Uint(a)), Val::Uint(b)) => Val::Uint(a.checked_add(b).ok_or_else(overflow)?),
            (Some(Val::Double(a)), Val::Double(b)) => Val::Double(a + b),
            (Some(Val::Duration(a)), Val::Duration(b)) => {
                Val::Duration(a.checked_add(b).ok_or_else(overflow)?)
            }
            _ => return Err(Fault::no_overload()),
        });
    }
    Ok(total.unwrap_or(Val::Int(0)))
}

fn extreme<'v>(args: &[Val<'v>], name: &str, wanted: Ordering) -> Outcome<'v> {
    let mut best: Option<Val<'v>> = None;
    for item in list(args)?.items()? {
        best = Some(match best {
            None => item,
            Some(so_far) => {
                let order = compare(&item, &so_far).ok_or_else(Fault::no_overload)?;
                if order == wanted { item } else { so_far }
            }
        });
    }
    best.ok_or_else(|| Fault::error(format!("{name} called on empty list")))
}

/// The place of an item, the first or the last; -1 if it is not there.
pub(super) fn index_of<'v>(args: &[Val<'v>], last: bool) -> Outcome<'v> {
    let [Val::List(list), item] = args else { return Err(Fault::no_overload()) };
    let mut found = -1;
    for at in 0..list.len() {
        if let Some(other) = list.get(at)
            && equal(&other?, item)?
        {
            found = i64::try_from(at).unwrap_or(i64::MAX);
            if !last {
                break;
            }
        }
    }
    Ok(Val::Int(found))
}

fn slice<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [Val::List(list), Val::Int(start), Val::Int(end)] = args else {
        return Err(Fault::no_overload());
    };
    if *start < 0 || *end < 0 {
        let message = format!("cannot slice({start}, {end}), negative indexes not supported");
        return Err(Fault::error(message));
    }
    if start > end {
        let message = format!(
            "cannot slice({start}, {end}), start index must be less than or equal to end index"
        );
        return Err(Fault::error(message));
    }
    let (from, to) = (usize::try_from(*start), usize::try_from(*end));
    let (Ok(from), Ok(to)) = (from, to) else { return Err(Fault::no_overload()) };
    if to > list.len() {
        let length = list.len();
        let message = format!("cannot slice({start}, {end}), list is length {length}");
        return Err(Fault::error(message));
    }
    scope.work(to - from)?;
    let items: Result<Vec<Val<'v>>, Fault> = (from..to).filter_map(|at| list.get(at)).collect();
    Ok(Val::list(items?))
}

fn flatten<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let depth = match args.get(1) {
        None => 1,
        Some(Val::Int(depth)) if *depth >= 0 => *depth,
        Some(Val::Int(_)) => return Err(Fault::error("level must be non-negative")),
        Some(_) => return Err(Fault::no_overload()),
    };
    let mut items = list(args)?.items()?;
    for _ in 0..depth {
        if !items.iter().any(|item| matches!(item, Val::List(_))) {
            break;
        }
        let mut flat = Vec::with_capacity(items.len());
        for item in items {
            match item {
                Val::List(inner) => {
                    scope.work(inner.len() + 1)?;
                    flat.extend(inner.items()?);
                }
                item => flat.push(item),
            }
        }
        items = flat;
    }
    Ok(Val::list(items))
}

fn sort<'v>(scope: &mut Scope<'_, 'v>, list: &List<'v>, keys: &List<'v>) -> Outcome<'v> {
    scope.work(list.len().saturating_mul(2))?;
    let (items, keys) = (list.items()?, keys.items()?);
    if items.len() != keys.len() {
        let (length, other) = (items.len(), keys.len());
        let message = format!(
            "@sortByAssociatedKeys() expected a list of the same size as the associated keys \
             list, but got {length} and {other} elements respectively"
        );
        return Err(Fault::error(message));
    }
    let kind = keys.first().map(Val::type_name);
    if keys.iter().any(|key| Some(key.type_name()) != kind) {
        return Err(Fault::error("list elements must have the same type"));
    }
    if keys.iter().any(|key| compare(key, key).is_none()) {
        return Err(Fault::error("list elements must be comparable"));
    }
    let mut pairs: Vec<(Val<'v>, Val<'v>)> = keys.into_iter().zip(items).collect();
    pairs.sort_by(|(a, _), (b, _)| compare(a, b).unwrap_or(Ordering::Equal));
    Ok(Val::list(pairs.into_iter().map(|(_, item)| item).collect()))
}

fn range<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [Val::Int(count)] = args else { return Err(Fault::no_overload()) };
    // Cost is charged first: the count is the expression's own.
    let size = u64::try_from(*count).unwrap_or(0);
    scope.spend(size)?;
    scope.work(usize::try_from(size).unwrap_or(usize::MAX))?;
    Ok(Val::list((0..*count).map(Val::Int).collect()))
}

fn distinct<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let items = list(args)?.items()?;
    let size = items.len() as u64;
    scope.spend(size.saturating_mul(size) / 2)?;
    let mut kept: Vec<Val<'v>> = Vec::new();
    for item in items {
        if !is_among(&item, &kept)? {
            kept.push(item);
        }
    }
    Ok(Val::list(kept))
}

type Test = for<'v> fn(&[Val<'v>], &[Val<'v>]) -> Result<bool, Fault>;

fn sets<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>], test: Test) -> Outcome<'v> {
    let [Val::List(a), Val::List(b)] = args else { return Err(Fault::no_overload()) };
    scope.spend((a.len() as u64).saturating_mul(b.len() as u64))?;
    Ok(Val::Bool(test(&a.items()?, &b.items()?)?))
}

fn contains(all: &[Val<'_>], some: &[Val<'_>]) -> Result<bool, Fault> {
    for item in some {
        if !is_among(item, all)? {
            return Ok(false);
        }
    }
    Ok(true)
}

fn intersects(a: &[Val<'_>], b: &[Val<'_>]) -> Result<bool, Fault> {
    for item in a {
        if is_among(item, b)? {
            return Ok(true);
        }
    }
    Ok(false)
}
