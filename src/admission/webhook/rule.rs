//! Which resources and operations a webhook is for (`predicates/rules`).

use crate::object::Value;
use crate::request::Operation;

/// What a rule is held against.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'r> {
    pub(super) group: &'r str,
    pub(super) version: &'r str,
    pub(super) resource: &'r str,
    pub(super) subresource: &'r str,
    /// "" for cluster-scoped objects; a namespace's own name for itself.
    pub(super) namespace: &'r str,
    pub(super) operation: Operation,
}

/// An item of `rules`.
#[derive(Debug)]
pub(super) struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    /// Resource and subresource.
    resources: Vec<(String, String)>,
    scope: String,
}

impl Rule {
    pub(super) fn read(rule: &Value<'_>) -> Self {
        let texts = |field: &str| {
            let items = rule.list_at(&[field]).iter().filter_map(Value::as_str);
            items.map(str::to_owned).collect::<Vec<String>>()
        };
        let resources = texts("resources").into_iter().map(|text| match text.split_once('/') {
            Some((resource, sub)) => (resource.to_owned(), sub.to_owned()),
            None => (text, String::new()),
        });
        Self {
            operations: texts("operations"),
            groups: texts("apiGroups"),
            versions: texts("apiVersions"),
            resources: resources.collect(),
            scope: rule.str_at(&["scope"]).to_owned(),
        }
    }

    /// `Matcher.Matches`.
    pub(super) fn matches(&self, asked: Asked<'_>) -> bool {
        let among = |list: &[String], wanted: &str| list.iter().any(|x| x == "*" || x == wanted);
        self.scope_matches(asked)
            && among(&self.operations, operation_name(asked.operation))
            && among(&self.groups, asked.group)
            && among(&self.versions, asked.version)
            && self.resources.iter().any(|(resource, sub)| {
                (resource == "*" || resource == asked.resource)
                    && (sub == "*" || sub == asked.subresource)
            })
    }

    /// A namespace itself counts as cluster-scoped.
    fn scope_matches(&self, asked: Asked<'_>) -> bool {
        let itself = asked.group.is_empty() && asked.resource == "namespaces";
        let namespaced = !asked.namespace.is_empty() && !itself;
        match self.scope.as_str() {
            "Namespaced" => namespaced,
            "Cluster" => !namespaced,
            _ => true,
        }
    }
}

/// As rules and reviews spell it.
pub(super) const fn operation_name(operation: Operation) -> &'static str {
    match operation {
        Operation::Connect => "CONNECT",
        Operation::Create => "CREATE",
        Operation::Delete => "DELETE",
        Operation::Update => "UPDATE",
    }
}
