//! Which requests a policy or binding is for (`plugin/policy/matching`).

use crate::admission::Reader;
pub(super) use crate::admission::times::operation;
use crate::object::Value;
use crate::object::selector::LabelSelector;
use crate::request::{Attributes, Operation, Result};

/// `matchConstraints` of a policy, or `matchResources` of a binding.
#[derive(Debug)]
pub(super) struct Matching {
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    namespaces: Option<LabelSelector>,
    objects: Option<LabelSelector>,
    /// `matchPolicy` is Exact: other versions of the same resource are not meant.
    exact: bool,
}

/// One of `resourceRules`.
#[derive(Debug)]
struct Rule {
    operations: Vec<Box<str>>,
    groups: Vec<Box<str>>,
    versions: Vec<Box<str>>,
    resources: Vec<Box<str>>,
    names: Vec<Box<str>>,
    scope: Box<str>,
}

/// A request that is meant, and the version of the resource in which it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Match {
    pub(super) version: &'static str,
}

fn texts(owner: &Value<'_>, name: &str) -> Vec<Box<str>> {
    owner.list_at(&[name]).iter().filter_map(Value::as_str).map(Into::into).collect()
}

fn has(list: &[Box<str>], name: &str) -> bool {
    list.iter().any(|known| matches!(&**known, "*") || **known == *name)
}

impl Rule {
    fn new(rule: &Value<'_>) -> Self {
        Self {
            operations: texts(rule, "operations"),
            groups: texts(rule, "apiGroups"),
            versions: texts(rule, "apiVersions"),
            resources: texts(rule, "resources"),
            names: texts(rule, "resourceNames"),
            scope: rule.str_at(&["scope"]).into(),
        }
    }

    fn matches(&self, at: &Attributes<'_>, version: &str) -> bool {
        let operation = operation(at.operation);
        let namespaced = !at.namespace.is_empty() && !is_namespace(at);
        let in_scope = match &*self.scope {
            "Namespaced" => namespaced,
            "Cluster" => !namespaced,
            _ => true,
        };
        in_scope
            && has(&self.operations, operation)
            && has(&self.groups, at.resource.group)
            && has(&self.versions, version)
            && self.resources.iter().any(|pattern| is_meant(pattern, at))
            && (self.names.is_empty() || self.names.iter().any(|name| **name == *at.name))
    }
}

/// `pods`, `pods/status`, `pods/*`, `*/scale`, `*/*`, `*`.
fn is_meant(pattern: &str, at: &Attributes<'_>) -> bool {
    let (resource, subresource) = pattern.split_once('/').unwrap_or((pattern, ""));
    let names_resource = resource == "*" || resource == at.resource.name;
    names_resource && (subresource == "*" || subresource == at.subresource)
}

/// The request is for a Namespace itself.
pub(super) fn is_namespace(at: &Attributes<'_>) -> bool {
    at.resource.group.is_empty() && at.resource.name == "namespaces"
}

impl Matching {
    pub(super) fn new(found: &Value<'_>) -> Self {
        let rules = |name: &str| found.list_at(&[name]).iter().map(Rule::new).collect();
        let selector = |name: &str| {
            let selector = found.get(name)?;
            LabelSelector::from_value(Some(selector)).ok().filter(|s| !s.is_everything())
        };
        Self {
            rules: rules("resourceRules"),
            excluded: rules("excludeResourceRules"),
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
            exact: found.str_at(&["matchPolicy"]) == "Exact",
        }
    }

    /// The match, if the request is meant.
    ///
    /// # Errors
    /// If its namespace cannot be read.
    pub(super) async fn of(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
        reader: &Reader,
    ) -> Result<Option<Match>> {
        if self.rule(&self.excluded, at).is_some() {
            return Ok(None);
        }
        let found = if self.rules.is_empty() {
            Some(at.resource.version)
        } else {
            self.rule(&self.rules, at)
        };
        let Some(version) = found else { return Ok(None) };
        if !self.objects_match(object, old) || !self.namespace_matches(at, object, reader).await? {
            return Ok(None);
        }
        Ok(Some(Match { version }))
    }

    /// The version of the resource that some rule means.
    fn rule(&self, rules: &[Rule], at: &Attributes<'_>) -> Option<&'static str> {
        let own = at.resource.version;
        if rules.iter().any(|rule| rule.matches(at, own)) {
            return Some(own);
        }
        if self.exact {
            return None;
        }
        versions(at).into_iter().find(|version| rules.iter().any(|rule| rule.matches(at, version)))
    }

    fn objects_match(&self, object: &Value<'_>, old: Option<&Value<'_>>) -> bool {
        let Some(selector) = &self.objects else { return true };
        let matches = |object: &Value<'_>| {
            object.get("metadata").is_some()
                && selector.matches_labels(object.at(&["metadata", "labels"]))
        };
        matches(object) || old.is_some_and(matches)
    }

    async fn namespace_matches(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        reader: &Reader,
    ) -> Result<bool> {
        let Some(selector) = &self.namespaces else { return Ok(true) };
        if is_namespace(at) {
            if at.subresource.is_empty() && at.operation != Operation::Delete {
                return Ok(selector.matches_labels(object.at(&["metadata", "labels"])));
            }
        } else if at.namespace.is_empty() {
            return Ok(true);
        }
        let name = if is_namespace(at) { at.name } else { at.namespace };
        let labels = reader.fact("namespaces", "", name, Labels::of).await?;
        Ok(labels.is_some_and(|labels| {
            selector.matches(|key| {
                let found = labels.0.iter().find(|(known, _)| **known == *key);
                found.map(|(_, value)| &**value)
            })
        }))
    }
}

/// The labels of a namespace.
#[derive(Debug)]
struct Labels(Vec<(Box<str>, Box<str>)>);

impl Labels {
    fn of(namespace: &Value<'_>) -> Self {
        let labels = namespace.at(&["metadata", "labels"]).and_then(Value::as_map);
        let labels = labels.into_iter().flat_map(crate::object::Map::iter);
        Self(labels.map(|(key, value)| (key.into(), value.as_str().unwrap_or("").into())).collect())
    }
}

/// The other versions in which the resource is served.
fn versions(at: &Attributes<'_>) -> Vec<&'static str> {
    let own = at.resource;
    if own.custom.is_some() {
        let served = crate::catalog::custom::served();
        let definition = served.definition(own);
        let rows = definition.map(|found| found.rows.resources.clone()).unwrap_or_default();
        let served = rows.into_iter().filter(|row| row.served_by_default);
        return served.map(|row| row.version).filter(|v| *v != own.version).collect();
    }
    let rows = crate::catalog::catalog().resources().iter();
    rows.filter(|row| {
        row.group == own.group
            && row.name == own.name
            && row.version != own.version
            && row.served_by_default
    })
    .map(|row| row.version)
    .collect()
}
