//! Functions of strings: CEL's own and `ext.Strings` version 2. Positions count code points.

use super::super::eval::{Builtin, Outcome, Scope};
use super::super::value::{Fault, Val};
use super::formatting;
use super::{lists, text};

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "contains" => |_, args| test(args, |text, part| text.contains(part)),
        "startsWith" => |_, args| test(args, |text, part| text.starts_with(part)),
        "endsWith" => |_, args| test(args, |text, part| text.ends_with(part)),
        "charAt" => |_, args| char_at(args),
        "indexOf" => |_, args| match args.first() {
            Some(Val::List(_)) => lists::index_of(args, false),
            _ => index_of(args, false),
        },
        "lastIndexOf" => |_, args| match args.first() {
            Some(Val::List(_)) => lists::index_of(args, true),
            _ => index_of(args, true),
        },
        "lowerAscii" => |scope, args| map(scope, args, |text| text.to_ascii_lowercase()),
        "upperAscii" => |scope, args| map(scope, args, |text| text.to_ascii_uppercase()),
        "trim" => |scope, args| map(scope, args, |text| text.trim().to_owned()),
        "strings.quote" => |scope, args| map(scope, args, quote),
        "jsonpatch.escapeKey" => {
            |scope, args| map(scope, args, |text| text.replace('~', "~0").replace('/', "~1"))
        }
        "replace" => replace,
        "split" => split,
        "substring" => |_, args| substring(args),
        "join" => join,
        "format" => formatting::format,
        _ => return None,
    })
}

fn test<'v>(args: &[Val<'v>], f: fn(&str, &str) -> bool) -> Outcome<'v> {
    match args {
        [a, b] => Ok(Val::Bool(f(text(a)?, text(b)?))),
        _ => Err(Fault::no_overload()),
    }
}

fn map<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>], f: fn(&str) -> String) -> Outcome<'v> {
    match args {
        [value] => {
            let value = text(value)?;
            scope.work_text(value.len())?;
            Ok(Val::string(f(value)))
        }
        _ => Err(Fault::no_overload()),
    }
}

fn int(value: Option<&Val<'_>>) -> Result<Option<i64>, Fault> {
    match value {
        None => Ok(None),
        Some(Val::Int(n)) => Ok(Some(*n)),
        Some(_) => Err(Fault::no_overload()),
    }
}

fn out_of_range(at: i64) -> Fault {
    Fault::error(format!("index out of range: {at}"))
}

/// The byte at which the character `at` starts; the end counts too.
fn byte_at(text: &str, at: i64) -> Result<usize, Fault> {
    let wanted = usize::try_from(at).map_err(|_| out_of_range(at))?;
    let starts = text.char_indices().map(|(start, _)| start).chain([text.len()]);
    starts.skip(wanted).take(1).next().ok_or_else(|| out_of_range(at))
}

fn char_at<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    let [value, Val::Int(at)] = args else { return Err(Fault::no_overload()) };
    let value = text(value)?;
    let start = byte_at(value, *at)?;
    let found = value.get(start..).unwrap_or("").chars().next();
    Ok(Val::string(found.map(String::from).unwrap_or_default()))
}

fn count(text: &str) -> i64 {
    i64::try_from(text.chars().count()).unwrap_or(i64::MAX)
}

fn index_of<'v>(args: &[Val<'v>], last: bool) -> Outcome<'v> {
    let [value, part, rest @ ..] = args else { return Err(Fault::no_overload()) };
    let (value, part) = (text(value)?, text(part)?);
    let offset = int(rest.first())?;
    if part.is_empty() {
        return Ok(Val::Int(offset.unwrap_or(if last { count(value) } else { 0 })));
    }
    let found = match (offset, last) {
        (None, false) => value.find(part),
        (None, true) => value.rfind(part),
        (Some(offset), _) if offset < 0 || offset > count(value) => {
            return Err(out_of_range(offset));
        }
        (Some(offset), false) => {
            let start = byte_at(value, offset)?;
            value.get(start..).and_then(|rest| rest.find(part)).map(|at| at + start)
        }
        (Some(offset), true) => {
            let end = byte_at(value, offset)?.saturating_add(part.len()).min(value.len());
            let end = (end..=value.len()).find(|end| value.is_char_boundary(*end));
            let head = value.get(..end.unwrap_or(value.len())).unwrap_or(value);
            head.rfind(part).filter(|at| *at <= byte_at(value, offset).unwrap_or(0))
        }
    };
    Ok(Val::Int(found.map_or(-1, |at| count(value.get(..at).unwrap_or("")))))
}

fn replace<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [value, from, to, rest @ ..] = args else { return Err(Fault::no_overload()) };
    let (value, from, to) = (text(value)?, text(from)?, text(to)?);
    let times = int(rest.first())?.unwrap_or(-1);
    let places = if from.is_empty() { value.len() + 1 } else { value.len() / from.len() };
    let times = usize::try_from(times).unwrap_or(places).min(places);
    scope.work_text(value.len().saturating_add(times.saturating_mul(to.len())))?;
    Ok(Val::string(value.replacen(from, to, times)))
}

fn split<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [value, separator, rest @ ..] = args else { return Err(Fault::no_overload()) };
    let (value, separator) = (text(value)?, text(separator)?);
    scope.work_text(value.len())?;
    let times = int(rest.first())?.unwrap_or(-1);
    let limit = usize::try_from(times).unwrap_or(usize::MAX);
    let parts: Vec<Val<'v>> = if limit == 0 {
        Vec::new()
    } else if separator.is_empty() {
        characters(value, limit).into_iter().map(Val::string).collect()
    } else {
        value.splitn(limit, separator).map(Val::string).collect()
    };
    Ok(Val::list(parts))
}

/// The characters, the last part with all that is left.
fn characters(text: &str, limit: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if parts.len() + 1 >= limit {
            parts.push(rest);
            return parts;
        }
        let (head, tail) = rest.split_at(c.len_utf8());
        parts.push(head);
        rest = tail;
    }
    parts
}

fn substring<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    let [value, Val::Int(start), rest @ ..] = args else { return Err(Fault::no_overload()) };
    let value = text(value)?;
    let end = int(rest.first())?;
    if let Some(end) = end
        && *start > end
    {
        let message = format!("invalid substring range. start: {start}, end: {end}");
        return Err(Fault::error(message));
    }
    let from = byte_at(value, *start)?;
    let to = end.map_or(Ok(value.len()), |end| byte_at(value, end))?;
    Ok(Val::string(value.get(from..to).unwrap_or("")))
}

fn join<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [Val::List(list), rest @ ..] = args else { return Err(Fault::no_overload()) };
    let separator = match rest.first() {
        Some(separator) => text(separator)?,
        None => "",
    };
    let mut out = String::new();
    for at in 0..list.len() {
        let Some(item) = list.get(at) else { break };
        let item = item?;
        let part = text(&item).map_err(|_| {
            Fault::error(format!("join: invalid input: {}", super::super::text::shown(&item)))
        })?;
        scope.work_text(part.len() + separator.len())?;
        if at > 0 {
            out.push_str(separator);
        }
        out.push_str(part);
    }
    Ok(Val::string(out))
}

/// A string as a literal of CEL (`strings.quote`).
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            _ => out.push(c),
        }
    }
    out.push('"');
    out
}
