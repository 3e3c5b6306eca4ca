//! The functions that expressions may call, with their overloads: CEL's own, cel-go's extensions
//! and Kubernetes' libraries, as `environment.MustBaseEnvSet` has them for new expressions.

use super::types::Type;
use crate::base::hash::HashMap;
use std::sync::LazyLock;

/// One overload of a function.
#[derive(Debug)]
pub(super) struct Overload {
    /// It is called on its first argument: `x.f(y)`.
    pub(super) member: bool,
    pub(super) args: Vec<Type>,
    pub(super) result: Type,
}

/// One line for each overload: the name, the receiver for member functions, arguments, result.
/// `[A]` is a list, `{A:B}` a map, `?A` an optional; capital letters stand for any one type.
const DECLARED: &str = include_str!("functions.txt");

static FUNCTIONS: LazyLock<HashMap<&'static str, Vec<Overload>>> = LazyLock::new(|| {
    let mut functions: HashMap<&str, Vec<Overload>> = HashMap::default();
    for line in DECLARED.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (names, signature) = line.split_once(' ').unwrap_or((line, ""));
        // `_||_` is a name of its own.
        let names = if names == "_||_" { vec![names] } else { names.split('|').collect() };
        for name in names {
            functions.entry(name).or_default().push(overload(signature));
        }
    }
    functions
});

/// The overloads of `name`; none if there is no such function.
pub(super) fn overloads(name: &str) -> Option<(&'static str, &'static [Overload])> {
    FUNCTIONS.get_key_value(name).map(|(name, overloads)| (*name, overloads.as_slice()))
}

fn overload(text: &'static str) -> Overload {
    let (call, result) = text.split_once("->").unwrap_or((text, "dyn"));
    let open = call.find('(').unwrap_or(0);
    let receiver = call.get(..open).unwrap_or("").trim_end_matches('.');
    let inner = call.get(open + 1..).unwrap_or("").trim_end_matches(')');
    let mut rest = inner;
    let mut args = Vec::new();
    if !receiver.is_empty() {
        args.push(read(&mut &*receiver));
    }
    while !rest.is_empty() {
        args.push(read(&mut rest));
        rest = rest.trim_start_matches(',');
    }
    Overload { member: !receiver.is_empty(), args, result: read(&mut &*result) }
}

/// Reads one type from the start of `text`.
fn read(text: &mut &'static str) -> Type {
    let sign = text.chars().next().unwrap_or(' ');
    let after = |text: &mut &'static str| *text = text.get(1..).unwrap_or("");
    match sign {
        '[' => {
            after(text);
            let item = read(text);
            after(text);
            Type::list(item)
        }
        '{' => {
            after(text);
            let key = read(text);
            after(text);
            let value = read(text);
            after(text);
            Type::map(key, value)
        }
        '?' => {
            after(text);
            Type::optional(read(text))
        }
        _ => {
            let end = text.find([',', ')', ']', '}', ':']).unwrap_or(text.len());
            let (name, rest) = text.split_at(end);
            *text = rest;
            named(name)
        }
    }
}

fn named(name: &'static str) -> Type {
    match name {
        "A" => Type::Param(0),
        "B" => Type::Param(1),
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "duration" => Type::Duration,
        "int" => Type::Int,
        "null" => Type::Null,
        "string" => Type::String,
        "timestamp" => Type::Timestamp,
        "type<A>" => Type::Type(Some(Type::Param(0).into())),
        "uint" => Type::Uint,
        "dyn" => Type::Dyn,
        _ => Type::Opaque(name),
    }
}

/// The type that a name stands for when it is used as a value.
pub(super) fn type_named(name: &str) -> Option<Type> {
    let parameter = || Type::Dyn;
    Some(match name {
        "bool" => Type::Bool,
        "bytes" => Type::Bytes,
        "double" => Type::Double,
        "dyn" => Type::Dyn,
        "google.protobuf.Duration" => Type::Duration,
        "google.protobuf.Timestamp" => Type::Timestamp,
        "int" => Type::Int,
        "list" => Type::list(parameter()),
        "map" => Type::map(parameter(), parameter()),
        "null_type" => Type::Null,
        "optional_type" => Type::optional(parameter()),
        "string" => Type::String,
        "type" => Type::Type(None),
        "uint" => Type::Uint,
        _ => {
            let known = [
                "kubernetes.NamedFormat",
                "kubernetes.Quantity",
                "kubernetes.Semver",
                "kubernetes.URL",
                "net.CIDR",
                "net.IP",
            ];
            return known.into_iter().find(|known| *known == name).map(Type::Opaque);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::{FUNCTIONS, overloads};

    #[test]
    fn every_line_is_read() {
        assert!(FUNCTIONS.len() > 100);
        let (_, found) = overloads("_[?_]").expect("it is declared");
        let shown: Vec<String> = found
            .iter()
            .map(|overload| {
                let args: Vec<String> = overload.args.iter().map(|arg| arg.shown()).collect();
                format!("({}) -> {}", args.join(", "), overload.result.shown())
            })
            .collect();
        assert_eq!(
            shown,
            [
                "(list(_var0), int) -> optional_type(_var0)",
                "(optional_type(list(_var0)), int) -> optional_type(_var0)",
                "(map(_var0, _var1), _var0) -> optional_type(_var1)",
                "(optional_type(map(_var0, _var1)), _var0) -> optional_type(_var1)",
            ]
        );
    }
}
