//! URLs (`library.URLs`), read as Go's `url.ParseRequestURI` reads them.

use super::super::eval::{Builtin, Outcome};
use super::super::opaque::Opaque;
use super::super::value::{Entries, Fault, Map, Val};
use super::text;
use percent_encoding::percent_decode_str;
use std::rc::Rc;

/// A URL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    scheme: Box<str>,
    host: Box<str>,
    path: Box<str>,
    query: Box<str>,
}

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "url" => |_, args| match args {
            [value] => match parse(text(value)?) {
                Ok(url) => Ok(Val::opaque(Opaque::Url(url))),
                Err(why) => Err(Fault::error(format!(
                    "URL parse error during conversion from string: {why}"
                ))),
            },
            _ => Err(Fault::no_overload()),
        },
        "isURL" => |_, args| match args {
            [value] => Ok(Val::Bool(parse(text(value)?).is_ok())),
            _ => Err(Fault::no_overload()),
        },
        "getScheme" => |_, args| part(args, |url| &url.scheme),
        "getHost" => |_, args| part(args, |url| &url.host),
        "getHostname" => |_, args| {
            part(args, |url| {
                let host = split_port(&url.host).0;
                host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
            })
        },
        "getPort" => |_, args| part(args, |url| split_port(&url.host).1),
        "getEscapedPath" => |_, args| part(args, |url| &url.path),
        "getQuery" => |_, args| query(args),
        _ => return None,
    })
}

fn of<'a>(args: &'a [Val<'_>]) -> Result<&'a Url, Fault> {
    match args.first() {
        Some(Val::Opaque(inner)) => match &**inner {
            Opaque::Url(url) => Ok(url),
            _ => Err(Fault::no_overload()),
        },
        _ => Err(Fault::no_overload()),
    }
}

fn part<'v>(args: &[Val<'v>], f: for<'a> fn(&'a Url) -> &'a str) -> Outcome<'v> {
    Ok(Val::string(f(of(args)?)))
}

/// Host and port.
fn split_port(host: &str) -> (&str, &str) {
    let end = host.rfind(']').map_or(0, |at| at + 1);
    match host.get(end..).and_then(|rest| rest.rfind(':')) {
        Some(colon) => {
            let (name, port) = host.split_at(end + colon);
            (name, port.get(1..).unwrap_or(""))
        }
        None => (host, ""),
    }
}

/// Reads a URL with a scheme, or an absolute path.
pub(super) fn parse(text: &str) -> Result<Url, String> {
    let bad = |why: String| format!("parse {text:?}: {why}");
    if text.is_empty() {
        return Err(bad("empty url".to_owned()));
    }
    if text.bytes().any(|b| b < 0x20 || b == 0x7f) {
        return Err(bad("net/url: invalid control character in URL".to_owned()));
    }
    let (scheme, rest) = scheme(text).map_err(&bad)?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if !rest.starts_with('/') {
        let opaque = !scheme.is_empty();
        if opaque {
            return Ok(url(&scheme, "", "", query));
        }
        return Err(bad("invalid URI for request".to_owned()));
    }
    let (host, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
        Some(authority) => {
            let end = authority.find('/').unwrap_or(authority.len());
            authority.split_at(end)
        }
        None => ("", rest),
    };
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    check_host(host).map_err(&bad)?;
    check_escapes(path).map_err(&bad)?;
    Ok(url(&scheme, host, &escaped_path(path), query))
}

fn url(scheme: &str, host: &str, path: &str, query: &str) -> Url {
    Url { scheme: scheme.into(), host: host.into(), path: path.into(), query: query.into() }
}

fn scheme(text: &str) -> Result<(String, &str), String> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err("missing protocol scheme".to_owned()),
            b':' => {
                let (scheme, rest) = text.split_at(at);
                return Ok((scheme.to_ascii_lowercase(), rest.get(1..).unwrap_or("")));
            }
            _ => break,
        }
    }
    Ok((String::new(), text))
}

fn check_host(host: &str) -> Result<(), String> {
    let (name, port) = split_port(host);
    if !port.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("invalid port {:?} after host", format!(":{port}")));
    }
    if name.starts_with('[') && !name.ends_with(']') {
        return Err("missing ']' in host".to_owned());
    }
    let invalid = |c: &char| " \"<>^`{|}\\".contains(*c);
    match name.chars().find(invalid) {
        Some(c) => Err(format!("invalid character {:?} in host name", c.to_string())),
        None => Ok(()),
    }
}

fn check_escapes(path: &str) -> Result<(), String> {
    let mut rest = path;
    while let Some(at) = rest.find('%') {
        let tail = rest.get(at..).unwrap_or("");
        let digits = tail.as_bytes().get(1..3).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            let shown: String = tail.chars().take(3).collect();
            return Err(format!("invalid URL escape {shown:?}"));
        }
        rest = tail.get(3..).unwrap_or("");
    }
    Ok(())
}

/// The path with what must not stand in one escaped.
fn escaped_path(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@!'()*[]%".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn query<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    let query = &of(args)?.query;
    let mut names: Vec<(String, Vec<Val<'v>>)> = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (name, value) = (decoded(name), decoded(value));
        match names.iter_mut().find(|(known, _)| *known == name) {
            Some((_, values)) => values.push(Val::string(value)),
            None => names.push((name, vec![Val::string(value)])),
        }
    }
    let mut made = Entries::default();
    for (name, values) in names {
        made.insert(Val::string(name), Val::list(values))?;
    }
    Ok(Val::Map(Map::Made(Rc::new(made))))
}

fn decoded(text: &str) -> String {
    let spaces = text.replace('+', " ");
    percent_decode_str(&spaces).decode_utf8_lossy().into_owned()
}
