//! Conversions, sizes, and the parts of times.

use super::super::eval::{Builtin, Outcome};
use super::super::text;
use super::super::times::Time;
use super::super::value::{Fault, Val};
use crate::base::duration;

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "bool" => |_, args| one(args, bool),
        "bytes" => |_, args| one(args, bytes),
        "double" => |_, args| one(args, double),
        "duration" => |_, args| one(args, duration),
        "dyn" => |_, args| one(args, |value| Ok(value.clone())),
        "int" => |_, args| one(args, int),
        "string" => |_, args| one(args, string),
        "timestamp" => |_, args| one(args, timestamp),
        "type" => |_, args| one(args, |value| Ok(Val::Type(value.type_of()))),
        "uint" => |_, args| one(args, uint),
        "size" => |_, args| one(args, size),
        "getFullYear" => |_, args| part(args, "getFullYear"),
        "getMonth" => |_, args| part(args, "getMonth"),
        "getDayOfYear" => |_, args| part(args, "getDayOfYear"),
        "getDayOfMonth" => |_, args| part(args, "getDayOfMonth"),
        "getDate" => |_, args| part(args, "getDate"),
        "getDayOfWeek" => |_, args| part(args, "getDayOfWeek"),
        "getHours" => |_, args| part(args, "getHours"),
        "getMinutes" => |_, args| part(args, "getMinutes"),
        "getSeconds" => |_, args| part(args, "getSeconds"),
        "getMilliseconds" => |_, args| part(args, "getMilliseconds"),
        _ => return None,
    })
}

fn one<'v>(args: &[Val<'v>], f: fn(&Val<'v>) -> Outcome<'v>) -> Outcome<'v> {
    match args {
        [value] => f(value),
        _ => Err(Fault::no_overload()),
    }
}

fn bad(value: &Val<'_>, to: &str) -> Fault {
    let from = value.type_name();
    Fault::error(format!("type conversion error from '{from}' to '{to}'"))
}

fn bool<'v>(value: &Val<'v>) -> Outcome<'v> {
    match value {
        Val::Bool(_) => Ok(value.clone()),
        Val::Str(text) => match text.as_str() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Val::Bool(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Val::Bool(false)),
            _ => Err(bad(value, "bool")),
        },
        _ => Err(Fault::no_overload()),
    }
}

fn bytes<'v>(value: &Val<'v>) -> Outcome<'v> {
    match value {
        Val::Bytes(_) => Ok(value.clone()),
        Val::Str(text) => Ok(Val::Bytes(text.as_str().as_bytes().into())),
        _ => Err(Fault::no_overload()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "as the specification converts them")]
fn double<'v>(value: &Val<'v>) -> Outcome<'v> {
    match value {
        Val::Double(_) => Ok(value.clone()),
        Val::Int(n) => Ok(Val::Double(*n as f64)),
        Val::Uint(n) => Ok(Val::Double(*n as f64)),
        Val::Str(text) => {
            let read = text.as_str().parse::<f64>();
            read.map(Val::Double).map_err(|_| parse_error("ParseFloat", text.as_str()))
        }
        _ => Err(Fault::no_overload()),
    }
}

fn parse_error(function: &str, text: &str) -> Fault {
    Fault::error(format!("strconv.{function}: parsing {text:?}: invalid syntax"))
}

fn duration<'v>(value: &Val<'v>) -> Outcome<'v> {
    match value {
        Val::Duration(_) => Ok(value.clone()),
        Val::Int(n) => Ok(Val::Duration(*n)),
        Val::Str(text) => {
            let read = duration::parse(text.as_str());
            read.map(Val::Duration).map_err(|_| bad(value, "google.protobuf.Duration"))
        }
        _ => Err(Fault::no_overload()),
    }
}

fn int<'v>(value: &Val<'v>) -> Outcome<'v> {
    let range = || Fault::error("integer overflow");
    match value {
        Val::Int(_) => Ok(value.clone()),
        Val::Uint(n) => i64::try_from(*n).map(Val::Int).map_err(|_| range()),
        Val::Double(n) => {
            // The bounds themselves are not exact as doubles, so they are out of range.
            let inside = *n > -9_223_372_036_854_775_808.0 && *n < 9_223_372_036_854_775_807.0;
            #[expect(clippy::cast_possible_truncation, reason = "it is in range; the rest is cut")]
            if inside { Ok(Val::Int(*n as i64)) } else { Err(range()) }
        }
        Val::Duration(nanos) => Ok(Val::Int(*nanos)),
        Val::Timestamp(time) => Ok(Val::Int(time.seconds)),
        Val::Str(text) => {
            let read = text.as_str().parse::<i64>();
            read.map(Val::Int).map_err(|_| parse_error("ParseInt", text.as_str()))
        }
        _ => Err(Fault::no_overload()),
    }
}

fn uint<'v>(value: &Val<'v>) -> Outcome<'v> {
    let range = || Fault::error("unsigned integer overflow");
    match value {
        Val::Uint(_) => Ok(value.clone()),
        Val::Int(n) => u64::try_from(*n).map(Val::Uint).map_err(|_| range()),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "it is in range; the rest is cut"
        )]
        Val::Double(n) if *n >= 0.0 && *n < 18_446_744_073_709_551_615.0 => {
            Ok(Val::Uint(*n as u64))
        }
        Val::Double(_) => Err(range()),
        Val::Str(text) => {
            let read = text.as_str().parse::<u64>();
            read.map(Val::Uint).map_err(|_| parse_error("ParseUint", text.as_str()))
        }
        _ => Err(Fault::no_overload()),
    }
}

fn string<'v>(value: &Val<'v>) -> Outcome<'v> {
    use super::super::opaque::Opaque;
    match value {
        Val::Str(_) => Ok(value.clone()),
        Val::Opaque(inner) => match &**inner {
            Opaque::Ip(address) => Ok(Val::string(address.to_string())),
            Opaque::Cidr(address, bits) => Ok(Val::string(format!("{address}/{bits}"))),
            _ => Err(Fault::no_overload()),
        },
        Val::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => {
            Err(Fault::error("invalid UTF-8 in bytes, cannot convert to string"))
        }
        Val::Null | Val::List(_) | Val::Map(_) | Val::Type(_) => Err(Fault::no_overload()),
        _ => text::string(value).map(Val::string).ok_or_else(Fault::no_overload),
    }
}

fn timestamp<'v>(value: &Val<'v>) -> Outcome<'v> {
    let range = || Fault::error("timestamp overflow");
    match value {
        Val::Timestamp(_) => Ok(value.clone()),
        Val::Int(n) => Time::new(*n, 0).map(Val::Timestamp).ok_or_else(range),
        Val::Str(text) => Time::parse(text.as_str())
            .map(Val::Timestamp)
            .ok_or_else(|| bad(value, "google.protobuf.Timestamp")),
        _ => Err(Fault::no_overload()),
    }
}

fn size<'v>(value: &Val<'v>) -> Outcome<'v> {
    let size = match value {
        Val::Str(text) => text.as_str().chars().count(),
        Val::Bytes(bytes) => bytes.len(),
        Val::List(list) => list.len(),
        Val::Map(map) => map.len(),
        _ => return Err(Fault::no_overload()),
    };
    Ok(Val::Int(i64::try_from(size).unwrap_or(i64::MAX)))
}

fn part<'v>(args: &[Val<'v>], function: &str) -> Outcome<'v> {
    let zone = match args.get(1) {
        Some(zone) => super::text(zone)?,
        None => "",
    };
    match args.first() {
        Some(Val::Timestamp(time)) => {
            let unknown = || Fault::error(format!("unknown time zone {zone}"));
            time.part(function, zone).map(Val::Int).ok_or_else(unknown)
        }
        Some(Val::Duration(nanos)) => {
            let unit = match function {
                "getHours" => 3_600_000_000_000,
                "getMinutes" => 60_000_000_000,
                "getSeconds" => 1_000_000_000,
                "getMilliseconds" => 1_000_000,
                _ => return Err(Fault::no_overload()),
            };
            Ok(Val::Int(nanos / unit))
        }
        _ => Err(Fault::no_overload()),
    }
}
