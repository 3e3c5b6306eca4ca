//! Numbers against their bounds, with upstream's texts (`validate/values.go`).

use super::{Rules, Schema};
use crate::object::Value;
use crate::object::go_text::GoText;

/// The texts that follow `PATH in body `, and for a broken range a whole message of its own.
pub(super) enum Fault {
    /// A factor that is not positive once it is an integer.
    Factor(i64),
    /// Said of the value.
    Rule(String),
    /// Said of the schema: no field is named.
    Range(String),
}

/// What is wrong with a number.
pub(super) fn faults(schema: &Schema, value: &Value<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(text) = out_of_range(schema, value) {
        faults.push(Fault::Range(text));
    }
    let Rules { multiple_of, minimum, maximum, .. } = &schema.rules;
    #[expect(clippy::cast_possible_truncation, reason = "as Go converts it")]
    let whole = multiple_of.map(|factor| factor as i64).filter(|factor| *factor <= 0);
    if let (Value::Int(_), Some(factor)) = (value, whole) {
        faults.push(Fault::Factor(factor));
    } else if let Some(factor) = multiple_of
        && !is_multiple(value, *factor)
    {
        faults.push(Fault::Rule(format!("should be a multiple of {}", shown(value, *factor))));
    }
    if let Some((bound, exclusive)) = minimum {
        let (less, equal) = compare(value, *bound);
        if less || (equal && *exclusive) {
            let text = if *exclusive { "greater than" } else { "greater than or equal to" };
            faults.push(Fault::Rule(format!("should be {text} {}", shown(value, *bound))));
        }
    }
    if let Some((bound, exclusive)) = maximum {
        let (less, equal) = compare(value, *bound);
        if !less && (!equal || *exclusive) {
            let text = if *exclusive { "less than" } else { "less than or equal to" };
            faults.push(Fault::Rule(format!("should be {text} {}", shown(value, *bound))));
        }
    }
    faults
}

/// Bounds of integers are shown as integers.
fn shown(value: &Value<'_>, bound: f64) -> String {
    match value {
        #[expect(clippy::cast_possible_truncation, reason = "as Go converts it")]
        Value::Int(_) => (bound as i64).to_string(),
        _ => GoText(&Value::Float(bound)).to_string(),
    }
}

/// Less than, equal to.
#[expect(clippy::cast_possible_truncation, reason = "bounds of integers are cut, as Go does")]
fn compare(value: &Value<'_>, bound: f64) -> (bool, bool) {
    match value {
        Value::Int(number) => (*number < bound as i64, *number == bound as i64),
        #[expect(clippy::float_cmp, reason = "the bound itself may be allowed or not")]
        Value::Float(number) => (*number < bound, *number == bound),
        _ => (false, false),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "as Go converts it")]
fn is_multiple(value: &Value<'_>, factor: f64) -> bool {
    match value {
        Value::Int(number) => match factor as i64 {
            factor if factor <= 0 => false,
            factor => number % factor == 0,
        },
        Value::Float(number) if factor > 0.0 => {
            let times = if factor < 1.0 { 1.0 / factor * number } else { number / factor };
            is_whole(times)
        }
        _ => false,
    }
}

/// True for floats that JSON would show without a fraction.
pub(super) fn is_whole(number: f64) -> bool {
    const WHOLE_MAX: f64 = 9_007_199_254_740_991.0;
    number.is_finite() && number.abs() <= WHOLE_MAX && (number - number.trunc()).abs() < 1e-9
}

fn out_of_range(schema: &Schema, value: &Value<'_>) -> Option<String> {
    let fits = match (schema.kind, &*schema.format, value) {
        _ if schema.int_or_string => return None,
        ("integer", "int32", Value::Int(number)) => i32::try_from(*number).is_ok(),
        ("integer", "int32", Value::Float(number)) => {
            is_whole(*number) && number.abs() <= f64::from(i32::MAX)
        }
        ("integer", _, Value::Float(number)) => number.trunc() == *number,
        ("number", "float", Value::Float(number)) => number.abs() <= f64::from(f32::MAX),
        _ => true,
    };
    if fits {
        return None;
    }
    Some(match &*schema.format {
        "" => format!("Checked value must be of type {} (default format) in ", schema.kind),
        format => format!("Checked value must be of type {} with format {format} in ", schema.kind),
    })
}
