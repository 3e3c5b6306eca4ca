//! What the functions of expressions do; `functions.txt` says how they are called.

mod address;
mod authz;
mod convert;
mod formats;
mod formatting;
mod lists;
mod numbers;
mod optional;
mod pattern;
mod strings;
mod url;
mod version;

pub use formats::Format;
pub use url::Url;
pub use version::Semver;

pub(super) use pattern::is_pattern;

use super::eval::Builtin;
use super::ops;
use super::value::{Fault, Val};

/// What `name` does, whatever it is called on.
pub(super) fn builtin(name: &str) -> Option<Builtin> {
    ops::operator(name)
        .or_else(|| convert::function(name))
        .or_else(|| strings::function(name))
        .or_else(|| lists::function(name))
        .or_else(|| optional::function(name))
        .or_else(|| pattern::function(name))
        .or_else(|| numbers::function(name))
        .or_else(|| address::function(name))
        .or_else(|| url::function(name))
        .or_else(|| version::function(name))
        .or_else(|| formats::function(name))
        .or_else(|| authz::function(name))
}

/// The text of a string.
fn text<'a>(value: &'a Val<'_>) -> Result<&'a str, Fault> {
    match value {
        Val::Str(text) => Ok(text.as_str()),
        _ => Err(Fault::no_overload()),
    }
}

#[cfg(test)]
mod tests {
    use crate::cel::functions::builtin;

    #[test]
    fn every_declared_function_does_something() {
        let special = ["_?_:_", "_&&_", "_||_", "@not_strictly_false", "or", "orValue"];
        let declared = include_str!("../functions.txt");
        for line in declared.lines().filter(|line| !line.starts_with('#')) {
            let names = line.split(' ').next().unwrap_or_default().replace("_||_", "");
            for name in names.split('|').filter(|name| !name.is_empty()) {
                if !special.contains(&name) {
                    assert!(builtin(name).is_some(), "{name}");
                }
            }
        }
    }
}
