//! What may only be taken where a quota limits it (`limitedResources` of the file).

use super::scope;
use super::usage::Evaluator;
use crate::admission::refusal::refuse;
use crate::admission::settings::{joined, texts};
use crate::codec::settings::{self, Kind, Shape};
use crate::object::Value;
use crate::object::field::{FieldError, Path};
use crate::request::{self, Attributes, Fault};
use bumpalo::Bump;
use std::collections::BTreeSet;

const KIND: Kind = Kind {
    group: "apiserver.config.k8s.io",
    versions: &["v1"],
    kind: "ResourceQuotaConfiguration",
    fields: FIELDS,
};
/// The names of the same form before.
const OLD_KIND: Kind = Kind {
    group: "resourcequota.admission.k8s.io",
    versions: &["v1beta1", "v1alpha1"],
    kind: "Configuration",
    fields: FIELDS,
};
const FIELDS: &[(&str, Shape)] = &[(
    "limitedResources",
    Shape::List(&Shape::Object(&[
        ("apiGroup", Shape::Text),
        ("resource", Shape::Text),
        ("matchContains", Shape::List(&Shape::Text)),
        (
            "matchScopes",
            Shape::List(&Shape::Object(&[
                ("scopeName", Shape::Text),
                ("operator", Shape::Text),
                ("values", Shape::List(&Shape::Text)),
            ])),
        ),
    ])),
)];

/// One of `limitedResources`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::admission) struct Limited {
    group: String,
    resource: String,
    contains: Vec<String>,
    scopes: Vec<Scope>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Scope {
    name: String,
    operator: String,
    values: Vec<String>,
}

impl Limited {
    /// From a document of the AdmissionConfiguration.
    ///
    /// # Errors
    /// Another form, or an entry without a resource.
    pub(in crate::admission) fn parse(source: &[u8]) -> Result<Vec<Self>, String> {
        let arena = Bump::new();
        let file = match settings::decode(source, &KIND, &arena) {
            Err(why) if why.starts_with("no kind") => {
                settings::decode(source, &OLD_KIND, &arena).map_err(|_| why)?
            }
            decoded => decoded?,
        };
        let root = Path::root("limitedResources");
        let mut errors = Vec::new();
        let mut all = Vec::new();
        for (at, limited) in file.list_at(&["limitedResources"]).iter().enumerate() {
            let resource = limited.str_at(&["resource"]);
            if resource.is_empty() {
                errors.push(FieldError::required(&root.index(at).child("resource"), ""));
            }
            let scope = |scope: &Value<'_>| Scope {
                name: scope.str_at(&["scopeName"]).to_owned(),
                operator: scope.str_at(&["operator"]).to_owned(),
                values: texts(scope, &["values"]),
            };
            all.push(Self {
                group: limited.str_at(&["apiGroup"]).to_owned(),
                resource: resource.to_owned(),
                contains: texts(limited, &["matchContains"]),
                scopes: limited.list_at(&["matchScopes"]).iter().map(scope).collect(),
            });
        }
        joined(&errors).map_or(Ok(all), Err)
    }
}

/// What quotas must name for the object to be taken.
#[derive(Debug, Default)]
pub(super) struct Needed {
    resources: BTreeSet<String>,
    scopes: Vec<Scope>,
}

/// What quotas name.
#[derive(Debug, Default)]
pub(super) struct Covered {
    resources: BTreeSet<String>,
    scopes: BTreeSet<String>,
}

impl Needed {
    /// What the object takes of the limited resources, and which limited scopes it is in
    /// (`limitedByDefault`, `getMatchedLimitedScopes`).
    pub(super) fn of(
        limited: &[Limited],
        evaluator: Evaluator,
        at: &Attributes<'_>,
        object: &Value<'_>,
    ) -> Self {
        let mut needed = Self::default();
        for one in limited {
            let holds = |scope: &&Scope| {
                // Only pods and claims have scopes that can be missing.
                let scoped = matches!(evaluator, Evaluator::Pods | Evaluator::Claims);
                let values: Vec<Value<'_>> =
                    scope.values.iter().map(|value| Value::Str(value)).collect();
                scoped && scope::holds(evaluator, (&scope.name, &scope.operator, &values), object)
            };
            needed.scopes.extend(one.scopes.iter().filter(holds).cloned());
            if one.resource != at.resource.name || one.group != at.resource.group {
                continue;
            }
            let usage = evaluator.usage(at, object).into_iter();
            let taken = usage.filter(|(_, quantity)| quantity.signum() > 0).map(|(name, _)| name);
            let named = |name: &String| one.contains.iter().any(|part| name.contains(part));
            needed.resources.extend(taken.filter(named));
        }
        needed
    }

    /// # Errors
    /// 403 for resources that no quota names, and 500 for scopes, as upstream.
    pub(super) fn check(&self, at: &Attributes<'_>, covered: &Covered) -> request::Result<()> {
        let missing: Vec<&str> =
            self.resources.difference(&covered.resources).map(String::as_str).collect();
        if !missing.is_empty() {
            let text = format!("insufficient quota to consume: {}", missing.join(","));
            return Err(refuse(at, text));
        }
        let missing: Vec<String> = self
            .scopes
            .iter()
            .filter(|scope| !covered.scopes.contains(&scope.name))
            .map(|scope| {
                let Scope { name, operator, values } = scope;
                format!("{{{name} {operator} [{}]}}", values.join(" "))
            })
            .collect();
        if missing.is_empty() {
            return Ok(());
        }
        let missing = missing.join(" ");
        Err(Fault::Plain(format!("insufficient quota to match these scopes: [{missing}]")))
    }
}

impl Covered {
    /// Adds the scopes of a quota that hold for the object.
    pub(super) fn scopes(&mut self, evaluator: Evaluator, quota: &Value<'_>, object: &Value<'_>) {
        let plain = quota.list_at(&["spec", "scopes"]).iter().filter_map(Value::as_str);
        let plain = plain.map(|scope| (scope, "Exists", &[][..]));
        let chosen = quota.list_at(&["spec", "scopeSelector", "matchExpressions"]).iter();
        let chosen = chosen.map(|scope| {
            let values = scope.list_at(&["values"]);
            (scope.str_at(&["scopeName"]), scope.str_at(&["operator"]), values)
        });
        let held = plain.chain(chosen).filter(|scope| scope::holds(evaluator, *scope, object));
        self.scopes.extend(held.map(|(name, ..)| name.to_owned()));
    }

    /// Adds resources that a quota limits.
    pub(super) fn resources(&mut self, limited: &BTreeSet<&str>) {
        self.resources.extend(limited.iter().map(|&name| name.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_name_a_resource() {
        let head = "apiVersion: apiserver.config.k8s.io/v1\nkind: ResourceQuotaConfiguration\n";
        let parse = |text: &str| Limited::parse(format!("{head}{text}").as_bytes());
        assert_eq!(
            parse("limitedResources: [{matchContains: [a]}]").unwrap_err(),
            "limitedResources[0].resource: Required value"
        );
        let read = parse(
            "limitedResources: [{resource: pods, matchScopes: [{scopeName: PriorityClass, \
             operator: In, values: [high]}]}]",
        );
        assert_eq!(read.unwrap()[0].scopes[0].values, ["high"]);
        let old = "apiVersion: resourcequota.admission.k8s.io/v1beta1\nkind: Configuration\n";
        assert_eq!(Limited::parse(old.as_bytes()), Ok(Vec::new()));
    }
}
