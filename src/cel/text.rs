//! Values as text: what `string()` makes, what `format` makes, and how errors show keys.

use super::times;
use super::value::{Fault, List, Map, Val};

/// A value as error messages show it.
pub(super) fn shown(value: &Val<'_>) -> String {
    string(value).unwrap_or_else(|| value.type_name())
}

/// What `string(value)` makes of scalars.
pub(super) fn string(value: &Val<'_>) -> Option<String> {
    Some(match value {
        Val::Bool(b) => b.to_string(),
        Val::Bytes(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
        Val::Double(n) => double(*n),
        Val::Duration(nanos) => times::duration_text(*nanos),
        Val::Int(n) => n.to_string(),
        Val::Str(text) => text.as_str().to_owned(),
        Val::Timestamp(time) => time.text(),
        Val::Type(named) => named.name().to_owned(),
        Val::Uint(n) => n.to_string(),
        _ => return None,
    })
}

/// A double as Go's `strconv.FormatFloat(n, 'g', -1, 64)` writes it.
fn double(n: f64) -> String {
    if n.is_nan() {
        return "NaN".to_owned();
    }
    if n.is_infinite() {
        return if n > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let exponent = format!("{n:e}");
    let Some((digits, power)) = exponent.split_once('e') else { return exponent };
    let power: i32 = power.parse().unwrap_or(0);
    if (-4..21).contains(&power) {
        return n.to_string();
    }
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", power.abs())
}

/// What `%s` of `format` makes of a value (`ext.FormatString`).
pub(super) fn formatted(value: &Val<'_>) -> Result<String, Fault> {
    match value {
        Val::Null => Ok("null".to_owned()),
        Val::List(list) => list_text(list),
        Val::Map(map) => map_text(map),
        _ => string(value).ok_or_else(|| {
            let name = value.type_name();
            Fault::error(format!(
                "error during formatting: string clause can only be used on strings, bools, \
                 bytes, ints, doubles, maps, lists, types, durations, and timestamps, was given \
                 {name}"
            ))
        }),
    }
}

/// A value within a list or map, as CEL would write it.
fn literal(value: &Val<'_>) -> Result<String, Fault> {
    Ok(match value {
        Val::Str(text) => format!("{:?}", text.as_str()),
        Val::Bytes(_) => format!("b{:?}", formatted(value)?),
        Val::Timestamp(time) => format!("timestamp({:?})", time.text()),
        Val::Duration(nanos) => format!("duration({:?})", times::duration_text(*nanos)),
        Val::Double(n) if n.is_finite() => format!("{n:.6}"),
        Val::Double(n) => format!("{:?}", double(*n)),
        _ => formatted(value)?,
    })
}

fn list_text(list: &List<'_>) -> Result<String, Fault> {
    let items: Result<Vec<String>, Fault> = list.items()?.iter().map(literal).collect();
    Ok(format!("[{}]", items?.join(", ")))
}

fn map_text(map: &Map<'_>) -> Result<String, Fault> {
    let mut entries = Vec::with_capacity(map.len());
    for at in 0..map.len() {
        if let (Some(key), Some(value)) = (map.key_at(at), map.value_at(at)) {
            entries.push((literal(&key)?, literal(&value?)?));
        }
    }
    entries.sort();
    let entries: Vec<String> = entries.iter().map(|(k, v)| format!("{k}:{v}")).collect();
    Ok(format!("{{{}}}", entries.join(", ")))
}
