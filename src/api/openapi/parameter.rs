//! The parameters of operations, read from `data/parameters.txt`.

use std::borrow::Cow;
use std::sync::OnceLock;

const FILE: &str = include_str!("data/parameters.txt");

/// A parameter in the path or the query.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Parameter {
    /// Name.
    pub(super) name: &'static str,
    /// `path` or `query`.
    pub(super) place: &'static str,
    /// OpenAPI type.
    pub(super) kind: &'static str,
    /// It must be given.
    pub(super) required: bool,
    /// What it does.
    pub(super) description: Cow<'static, str>,
    /// Suffix of the name under which OpenAPI v2 shares it; "" if it does not.
    pub(super) shared: &'static str,
}

impl Parameter {
    /// The `{name}` of a path to an object of this kind.
    pub(super) fn name_of(kind: &str) -> Self {
        Self {
            name: "name",
            place: "path",
            kind: "string",
            required: true,
            description: Cow::Owned(format!("name of the {kind}")),
            shared: "",
        }
    }
}

/// All parameters, each with the names of the sets it belongs to.
pub(super) fn all() -> &'static [(&'static str, Parameter)] {
    static ALL: OnceLock<Vec<(&'static str, Parameter)>> = OnceLock::new();
    ALL.get_or_init(|| FILE.lines().filter(|line| !line.starts_with('#')).map(parse).collect())
}

/// The parameters of one set: `list`, `delete`, `PodExecOptions`, …
pub(super) fn set(name: &str) -> impl Iterator<Item = Parameter> {
    let member = move |sets: &str| sets.split(',').any(|set| set == name);
    all().iter().filter(move |(sets, _)| member(sets)).map(|(_, parameter)| parameter.clone())
}

/// The file is part of the program: a malformed line is a bug that every test run meets.
fn parse(line: &'static str) -> (&'static str, Parameter) {
    let mut fields = line.split('\t');
    let mut next = || fields.next().unwrap_or_else(|| panic!("malformed parameter: {line}"));
    let (sets, name, place, kind, required) =
        (next(), next(), next(), next(), next() == "required");
    let shared = match next() {
        "-" => "",
        suffix => suffix,
    };
    // Read once and then part of hundreds of operations: not to be copied for each.
    let description = match super::enums::unescape(next()) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => text.leak(),
    };
    let description = Cow::Borrowed(description);
    (sets, Parameter { name, place, kind, required, description, shared })
}
