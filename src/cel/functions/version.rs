//! Semantic versions (`library.SemverLib`).

use super::super::eval::{Builtin, Outcome};
use super::super::opaque::Opaque;
use super::super::value::{Fault, Val};
use super::text;
use std::cmp::Ordering;

/// A version, without its build metadata: that has no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Semver {
    numbers: [u64; 3],
    prerelease: Vec<Part>,
}

/// One part of a pre-release: numbers come before words.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Number(u64),
    Word(Box<str>),
}

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "semver" => |_, args| {
            parse(args)?.map(|version| Val::opaque(Opaque::Semver(version))).map_err(Fault::error)
        },
        "isSemver" => |_, args| Ok(Val::Bool(parse(args)?.is_ok())),
        "major" => |_, args| number(args, 0),
        "minor" => |_, args| number(args, 1),
        "patch" => |_, args| number(args, 2),
        _ => return None,
    })
}

fn number<'v>(args: &[Val<'v>], at: usize) -> Outcome<'v> {
    let version = of(args.first()).ok_or_else(Fault::no_overload)?;
    let number = version.numbers.get(at).copied().unwrap_or(0);
    Ok(Val::Int(i64::try_from(number).unwrap_or(i64::MAX)))
}

fn of<'a>(value: Option<&'a Val<'_>>) -> Option<&'a Semver> {
    match value {
        Some(Val::Opaque(inner)) => match &**inner {
            Opaque::Semver(version) => Some(version),
            _ => None,
        },
        _ => None,
    }
}

/// The order of two versions; `None` if they are none.
pub(super) fn order(args: &[Val<'_>]) -> Option<Ordering> {
    let (a, b) = (of(args.first())?, of(args.get(1))?);
    let by_prerelease = match (a.prerelease.is_empty(), b.prerelease.is_empty()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => a.prerelease.cmp(&b.prerelease),
    };
    Some(a.numbers.cmp(&b.numbers).then(by_prerelease))
}

fn parse(args: &[Val<'_>]) -> Result<Result<Semver, String>, Fault> {
    let value = text(args.first().ok_or_else(Fault::no_overload)?)?;
    let normalize = match args.get(1) {
        None => false,
        Some(Val::Bool(normalize)) => *normalize,
        Some(_) => return Err(Fault::no_overload()),
    };
    Ok(if normalize { read(&normalized(value)) } else { read(value) })
}

/// Without `v` and leading zeros, and with all three numbers.
fn normalized(text: &str) -> String {
    let text = text.strip_prefix('v').unwrap_or(text);
    let mut parts: Vec<String> = text
        .splitn(3, '.')
        .map(|part| {
            let trimmed = part.trim_start_matches('0');
            match trimmed.as_bytes().first() {
                _ if part.len() <= 1 => part.to_owned(),
                Some(b'0'..=b'9') => trimmed.to_owned(),
                _ => format!("0{trimmed}"),
            }
        })
        .collect();
    while parts.len() < 3 {
        parts.push("0".to_owned());
    }
    parts.join(".")
}

fn read(text: &str) -> Result<Semver, String> {
    if text.is_empty() {
        return Err("Version string empty".to_owned());
    }
    let (text, build) = text.split_once('+').map_or((text, None), |(a, b)| (a, Some(b)));
    let (core, prerelease) = text.split_once('-').map_or((text, None), |(a, b)| (a, Some(b)));
    let parts: Vec<&str> = core.split('.').collect();
    let [major, minor, patch] = parts.as_slice() else {
        return Err("No Major.Minor.Patch elements found".to_owned());
    };
    let mut numbers = [0; 3];
    let names = ["major", "minor", "patch"];
    for ((slot, text), name) in numbers.iter_mut().zip([major, minor, patch]).zip(names) {
        *slot = version_number(text, name)?;
    }
    let word = |part: &&str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let mut kept = Vec::new();
    for part in prerelease.into_iter().flat_map(|text| text.split('.')) {
        if !word(&part) {
            return Err(format!("Invalid character(s) found in prerelease {part:?}"));
        }
        if part.bytes().all(|b| b.is_ascii_digit()) {
            if part.len() > 1 && part.starts_with('0') {
                let message = "Numeric PreRelease version must not contain leading zeroes";
                return Err(format!("{message} {part:?}"));
            }
            kept.push(Part::Number(part.parse().map_err(|_| "invalid prerelease".to_owned())?));
        } else {
            kept.push(Part::Word(part.into()));
        }
    }
    if let Some(part) = build.into_iter().flat_map(|text| text.split('.')).find(|p| !word(p)) {
        return Err(format!("Invalid character(s) found in build meta data {part:?}"));
    }
    Ok(Semver { numbers, prerelease: kept })
}

fn version_number(text: &str, name: &str) -> Result<u64, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("Invalid character(s) found in {name} number {text:?}"));
    }
    if text.len() > 1 && text.starts_with('0') {
        let title = format!("{}{}", name[..1].to_ascii_uppercase(), &name[1..]);
        return Err(format!("{title} number must not contain leading zeroes {text:?}"));
    }
    text.parse().map_err(|_| format!("Invalid {name} number {text:?}"))
}
