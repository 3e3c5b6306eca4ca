//! Optional values (`cel.OptionalTypes`); `or` and `orValue` are the evaluator's.

use super::super::eval::Builtin;
use super::super::value::{Fault, List, Val};

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "optional.of" => |_, args| match args {
            [value] => Ok(Val::optional(Some(value.clone()))),
            _ => Err(Fault::no_overload()),
        },
        "optional.ofNonZeroValue" => |_, args| match args {
            [value] if value.is_zero() => Ok(Val::Optional(None)),
            [value] => Ok(Val::optional(Some(value.clone()))),
            _ => Err(Fault::no_overload()),
        },
        "optional.none" => |_, _| Ok(Val::Optional(None)),
        "hasValue" => |_, args| match args {
            [Val::Optional(inner)] => Ok(Val::Bool(inner.is_some())),
            _ => Err(Fault::no_overload()),
        },
        "value" => |_, args| match args {
            [Val::Optional(Some(inner))] => Ok((**inner).clone()),
            [Val::Optional(None)] => Err(Fault::error("optional.none() dereference")),
            _ => Err(Fault::no_overload()),
        },
        "optional.unwrap" | "unwrapOpt" => |scope, args| match args {
            [Val::List(list)] => {
                scope.work(list.len())?;
                unwrap(list)
            }
            _ => Err(Fault::no_overload()),
        },
        "first" => |_, args| match args {
            [Val::List(list)] => Ok(Val::optional(list.get(0).transpose()?)),
            _ => Err(Fault::no_overload()),
        },
        "last" => |_, args| match args {
            [Val::List(list)] => {
                let last = list.len().checked_sub(1);
                Ok(Val::optional(last.and_then(|at| list.get(at)).transpose()?))
            }
            _ => Err(Fault::no_overload()),
        },
        _ => return None,
    })
}

fn unwrap<'v>(list: &List<'v>) -> Result<Val<'v>, Fault> {
    let mut items = Vec::new();
    for item in list.items()? {
        match item {
            Val::Optional(inner) => items.extend(inner.map(|inner| (*inner).clone())),
            _ => return Err(Fault::no_overload()),
        }
    }
    Ok(Val::list(items))
}
