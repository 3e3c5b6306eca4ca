//! Quantities (`library.Quantity`), and the names that they share with versions.

use super::super::eval::{Builtin, Outcome};
use super::super::opaque::Opaque;
use super::super::value::{Fault, Val};
use super::{text, version};
use crate::object::quantity::Quantity;
use std::cmp::Ordering;

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "quantity" => |_, args| match args {
            [value] => match Quantity::parse(text(value)?) {
                Ok(quantity) => Ok(Val::opaque(Opaque::Quantity(quantity))),
                Err(error) => Err(Fault::error(error.to_string())),
            },
            _ => Err(Fault::no_overload()),
        },
        "isQuantity" => |_, args| match args {
            [value] => Ok(Val::Bool(Quantity::parse(text(value)?).is_ok())),
            _ => Err(Fault::no_overload()),
        },
        "sign" => |_, args| Ok(Val::Int(i64::from(quantity(args, 0)?.signum()))),
        "isInteger" => |_, args| Ok(Val::Bool(whole(quantity(args, 0)?).is_some())),
        "asInteger" => |_, args| match whole(quantity(args, 0)?) {
            Some(value) => Ok(Val::Int(value)),
            None => Err(Fault::error("cannot convert value to integer")),
        },
        "asApproximateFloat" => |_, args| {
            let exact = quantity(args, 0)?;
            Ok(Val::Double(approximate(exact)))
        },
        "add" => |_, args| sum(args, Quantity::add),
        "sub" => |_, args| sum(args, Quantity::subtract),
        "isGreaterThan" => |_, args| Ok(Val::Bool(order(args)?.is_gt())),
        "isLessThan" => |_, args| Ok(Val::Bool(order(args)?.is_lt())),
        "compareTo" => |_, args| Ok(Val::Int(order(args)? as i64)),
        _ => return None,
    })
}

fn quantity<'a>(args: &'a [Val<'_>], at: usize) -> Result<&'a Quantity, Fault> {
    match args.get(at) {
        Some(Val::Opaque(inner)) => match &**inner {
            Opaque::Quantity(quantity) => Ok(quantity),
            _ => Err(Fault::no_overload()),
        },
        _ => Err(Fault::no_overload()),
    }
}

/// The number, if it is a whole one that fits.
fn whole(quantity: &Quantity) -> Option<i64> {
    let value = quantity.value();
    let again = Quantity::parse(&value.to_string()).ok()?;
    (again == *quantity).then_some(value)
}

#[expect(clippy::cast_precision_loss, reason = "it is asked to be approximate")]
fn approximate(quantity: &Quantity) -> f64 {
    match whole(quantity) {
        Some(value) => value as f64,
        None => quantity.milli_value() as f64 / 1000.0,
    }
}

fn sum<'v>(args: &[Val<'v>], f: fn(&Quantity, &Quantity) -> Quantity) -> Outcome<'v> {
    let left = quantity(args, 0)?;
    let result = match args.get(1) {
        Some(Val::Int(n)) => {
            let right = Quantity::parse(&n.to_string()).map_err(|_| Fault::no_overload())?;
            f(left, &right)
        }
        _ => f(left, quantity(args, 1)?),
    };
    Ok(Val::opaque(Opaque::Quantity(result)))
}

/// The order of two quantities or versions.
fn order(args: &[Val<'_>]) -> Result<Ordering, Fault> {
    if let Some(order) = version::order(args) {
        return Ok(order);
    }
    Ok(quantity(args, 0)?.cmp(quantity(args, 1)?))
}
