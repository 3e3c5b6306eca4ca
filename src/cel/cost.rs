//! What evaluating a call costs (`interpreter.CostTracker` of cel-go, `library.CostEstimator`).

use super::opaque::Opaque;
use super::value::Val;

/// Looking at a name or field.
pub(super) const SELECT: u64 = 1;
/// Making a list.
pub(super) const LIST: u64 = 10;
/// Making a map.
pub(super) const MAP: u64 = 30;
/// Making a message.
pub(super) const STRUCT: u64 = 40;

/// A tenth of `size`, rounded up: going over a string.
fn traversal(size: u64) -> u64 {
    size.div_ceil(10)
}

/// What a regular expression costs, by the sizes of text and pattern.
fn matching(text: u64, pattern: u64) -> u64 {
    traversal(text.saturating_add(1)).saturating_mul(pattern.div_ceil(4))
}

/// What calling `function` costs.
pub(super) fn of_call(function: &str, args: &[Val<'_>], result: &Val<'_>) -> u64 {
    let size_at = |at: usize| args.get(at).map_or(1, size);
    let (first, second) = (size_at(0), size_at(1));
    match function {
        "check" => 350_000,
        "fieldSelector" | "labelSelector" => {
            10 + traversal(second) + (second.div_ceil(2)).saturating_mul(50)
        }
        "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" => {
            args.first().map_or(0, walk)
        }
        "url"
        | "lowerAscii"
        | "upperAscii"
        | "substring"
        | "trim"
        | "jsonpatch.escapeKey"
        | "cidr"
        | "isIP"
        | "isCIDR"
        | "quantity"
        | "isQuantity"
        | "semver"
        | "isSemver"
        | "startsWith"
        | "endsWith"
        | "strings.quote"
        | "format" => traversal(first),
        "ip" if matches!(args.first(), Some(Val::Str(_))) => traversal(first),
        "bytes" | "string" if matches!(args.first(), Some(Val::Str(_) | Val::Bytes(_))) => {
            traversal(first)
        }
        "replace" | "split" | "ip.isCanonical" => traversal(first.saturating_mul(2)),
        "join" => traversal(size(result).saturating_mul(2)),
        "find" | "findAll" | "matches" => matching(first, second),
        "contains" => traversal(first).saturating_mul(traversal(second)),
        "containsIP" => {
            let text = matches!(args.get(1), Some(Val::Str(_)));
            traversal(first.saturating_mul(2)) + if text { traversal(second) } else { 0 }
        }
        "containsCIDR" => {
            let text = matches!(args.get(1), Some(Val::Str(_)));
            let parse = if text { traversal(second) } else { 0 };
            traversal(first.saturating_mul(2)) + traversal(first) + 1 + parse
        }
        "validate" => match args.first() {
            Some(Val::Opaque(inner)) => match &**inner {
                Opaque::Format(format) => matching(second, format.regex_size),
                _ => 1,
            },
            _ => 1,
        },
        "@in" if matches!(args.get(1), Some(Val::List(_))) => second,
        "_==_" | "_!=_" => traversal(first.min(second)),
        "_<_" | "_<=_" | "_>_" | "_>=_"
            if matches!(args.first(), Some(Val::Str(_) | Val::Bytes(_))) =>
        {
            traversal(first.min(second))
        }
        "_+_" if matches!(args.first(), Some(Val::Str(_) | Val::Bytes(_))) => {
            traversal(first.saturating_add(second))
        }
        "sets.contains" | "sets.intersects" => first.saturating_mul(second).saturating_add(1),
        "sets.equivalent" => first.saturating_mul(second).saturating_mul(2).saturating_add(1),
        "slice" | "flatten" | "lists.range" | "reverse" => LIST + size(result),
        "distinct" | "sort" | "@sortByAssociatedKeys" => {
            LIST + first.saturating_mul(first).saturating_add(size(result))
        }
        _ => 1,
    }
}

/// The size that cost is counted by: characters, bytes, items or entries; 1 for all else.
pub(super) fn size(value: &Val<'_>) -> u64 {
    match value {
        Val::Bytes(bytes) => bytes.len() as u64,
        Val::List(list) => list.len() as u64,
        Val::Map(map) => map.len() as u64,
        Val::Opaque(inner) => inner.size(),
        Val::Optional(Some(inner)) => size(inner),
        Val::Str(text) => text.as_str().chars().count() as u64,
        _ => 1,
    }
}

/// What going over a value once costs (`traversalCost`).
fn walk(value: &Val<'_>) -> u64 {
    match value {
        Val::Str(_) | Val::Bytes(_) => traversal(size(value)),
        Val::List(list) => {
            let count = list.len();
            (0..count).filter_map(|at| list.get(at)).flatten().map(|item| walk(&item)).sum()
        }
        Val::Map(map) => map.len() as u64,
        _ => 1,
    }
}
