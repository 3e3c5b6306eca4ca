//! Regular expressions (`matches`, `library.Regex`).

use super::super::eval::{Builtin, Outcome, Scope};
use super::super::value::{Fault, Val};
use super::text;
use crate::base::hash::HashMap;
use crate::base::limits::CEL_PATTERNS_KEPT_MAX;
use crate::object::structural::compile_pattern;
use regex::Regex;
use std::cell::RefCell;

thread_local! {
    /// Patterns that were compiled on this thread, by text.
    static KEPT: RefCell<HashMap<Box<str>, Regex>> = RefCell::default();
}

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "matches" => |_, args| match args {
            [value, pattern] => {
                let pattern = compiled(text(pattern)?)
                    .map_err(|why| Fault::error(format!("error parsing regexp: {why}")))?;
                Ok(Val::Bool(pattern.is_match(text(value)?)))
            }
            _ => Err(Fault::no_overload()),
        },
        "find" => |_, args| match args {
            [value, pattern] => {
                let pattern = sought(text(pattern)?)?;
                let found = pattern.find(text(value)?).map_or("", |found| found.as_str());
                Ok(Val::string(found))
            }
            _ => Err(Fault::no_overload()),
        },
        "findAll" => find_all,
        _ => return None,
    })
}

fn find_all<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [value, pattern, rest @ ..] = args else { return Err(Fault::no_overload()) };
    let limit = match rest.first() {
        None => usize::MAX,
        Some(Val::Int(n)) => usize::try_from(*n).unwrap_or(usize::MAX),
        Some(_) => return Err(Fault::no_overload()),
    };
    let value = text(value)?;
    scope.work(value.len())?;
    let pattern = sought(text(pattern)?)?;
    let found = pattern.find_iter(value).take(limit);
    Ok(Val::list(found.map(|found| Val::string(found.as_str())).collect()))
}

fn sought(pattern: &str) -> Result<Regex, Fault> {
    let why = |why| Fault::error(format!("Illegal regex: error parsing regexp: {why}"));
    compiled(pattern).map_err(why)
}

/// The pattern, compiled or kept from before.
fn compiled(pattern: &str) -> Result<Regex, String> {
    KEPT.with_borrow_mut(|kept| {
        if let Some(regex) = kept.get(pattern) {
            return Ok(regex.clone());
        }
        let regex = compile_pattern(pattern)?;
        if kept.len() >= CEL_PATTERNS_KEPT_MAX {
            kept.clear();
        }
        kept.insert(pattern.into(), regex.clone());
        Ok(regex)
    })
}

/// True if `pattern` can be compiled.
pub(in super::super) fn is_pattern(pattern: &str) -> bool {
    compiled(pattern).is_ok()
}
