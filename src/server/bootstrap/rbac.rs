//! The default roles and bindings, put in order at each start (`rbac/bootstrap-roles`): what is
//! missing is made, missing rules, labels and subjects are added, nothing is taken away. An object
//! whose annotation says so is left alone.

use super::{ensure, together};
use crate::api::Api;
use crate::authz::Rule;
use crate::authz::policy::{self, Binding, Role};
use crate::cache::{Entry, ListQuery};
use crate::object::{List, Map, Value};
use crate::registry::{meta, stored};
use crate::request::{Fault, Operation, Result};
use crate::server::own::{Gvr, Own, attributes, context, resource};
use bumpalo::Bump;
use serde_json::json;
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

const GROUP: &str = "rbac.authorization.k8s.io";
/// `"false"` keeps an object as it is.
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const LABEL: (&str, &str) = ("kubernetes.io/bootstrapping", "rbac-defaults");

type Step<'s> = Pin<Box<dyn Future<Output = Result<()>> + 's>>;

/// Puts roles and bindings in order, all at once, so that the store writes them together.
pub(super) async fn run(api: &Api) -> Result<()> {
    let (roles, bindings) = (Known::read(api, ROLES).await?, Known::read(api, BINDINGS).await?);
    let mut steps: Vec<Step<'_>> = Vec::new();
    for wanted in &policy::default().roles {
        let old = roles.get(wanted.namespace, wanted.name);
        steps.push(Box::pin(role(api, wanted, old)));
    }
    for wanted in &policy::default().bindings {
        let old = bindings.get(wanted.namespace, wanted.name);
        steps.push(Box::pin(binding(api, wanted, old)));
    }
    together(steps).await
}

/// Resources by whether they are in namespaces.
const ROLES: [Gvr; 2] = [(GROUP, "v1", "clusterroles"), (GROUP, "v1", "roles")];
const BINDINGS: [Gvr; 2] = [(GROUP, "v1", "clusterrolebindings"), (GROUP, "v1", "rolebindings")];

const fn of_scope(resources: [Gvr; 2], namespace: &str) -> Gvr {
    let [cluster, namespaced] = resources;
    if namespace.is_empty() { cluster } else { namespaced }
}

/// What is there, by namespace and name.
struct Known(BTreeMap<(Box<str>, Box<str>), Arc<Entry>>);

impl Known {
    async fn read(api: &Api, resources: [Gvr; 2]) -> Result<Self> {
        let mut known = BTreeMap::new();
        for of in resources {
            let storage = stored::storage(resource(of)?)?;
            let page = api.registry.cache.list(ListQuery::all(storage)).await;
            for entry in page.map_err(stored::read_fault)?.entries {
                known.insert((entry.namespace().into(), entry.name().into()), entry);
            }
        }
        Ok(Self(known))
    }

    fn get(&self, namespace: &str, name: &str) -> Option<&Arc<Entry>> {
        self.0.get(&(namespace.into(), name.into()))
    }
}

async fn role(api: &Api, wanted: &Role, old: Option<&Arc<Entry>>) -> Result<()> {
    let of = of_scope(ROLES, wanted.namespace);
    let Some(old) = old else {
        return ensure(api, of, wanted.namespace, &role_text(wanted)).await;
    };
    let arena = Bump::new();
    let object = stored::decode_entry(old, &arena)?;
    let missing = missing_rules(wanted, &object);
    let labels = labels_missing(&object, wanted.label);
    let aggregates = wanted.aggregates.filter(|label| !aggregates(&object, *label));
    if is_kept(&object) || (missing.is_empty() && !labels && aggregates.is_none()) {
        return Ok(());
    }
    change(api, of, (wanted.namespace, wanted.name), |object, arena| {
        add_labels(object, wanted.label, arena);
        let missing = missing_rules(wanted, object);
        let Some(map) = object.as_map_mut() else { return };
        for rule in &missing {
            push(map, "rules", rule_value(rule, arena), arena);
        }
        if let Some((key, value)) = aggregates {
            let mut labels = Map::new_in(arena);
            labels.entry_map("matchLabels").insert(key, Value::Str(value));
            let rule = map.entry_map("aggregationRule");
            push(rule, "clusterRoleSelectors", Value::Map(labels), arena);
        }
    })
    .await
}

/// Pieces of the wanted rules that the role has not got; the rules of an aggregated role are its
/// controller's.
fn missing_rules(wanted: &Role, object: &Value<'_>) -> Vec<Rule> {
    if wanted.aggregates.is_some() {
        return Vec::new();
    }
    let own: Vec<Rule> = object.list_at(&["rules"]).iter().map(Rule::of).collect();
    let pieces = wanted.rules.iter().flat_map(Rule::pieces);
    pieces.filter(|piece| !own.iter().any(|rule| rule.covers(piece))).collect()
}

fn aggregates(object: &Value<'_>, (key, value): (&str, &str)) -> bool {
    let selectors = object.list_at(&["aggregationRule", "clusterRoleSelectors"]);
    selectors.iter().any(|selector| selector.str_at(&["matchLabels", key]) == value)
}

async fn binding(api: &Api, wanted: &Binding, old: Option<&Arc<Entry>>) -> Result<()> {
    let of = of_scope(BINDINGS, wanted.namespace);
    let Some(old) = old else {
        return ensure(api, of, wanted.namespace, &binding_text(wanted)).await;
    };
    let arena = Bump::new();
    let object = stored::decode_entry(old, &arena)?;
    if is_kept(&object) {
        return Ok(());
    }
    let role = (object.str_at(&["roleRef", "kind"]), object.str_at(&["roleRef", "name"]));
    if role != wanted.role {
        delete(api, of, (wanted.namespace, wanted.name)).await?;
        return ensure(api, of, wanted.namespace, &binding_text(wanted)).await;
    }
    if missing_subjects(wanted, &object).is_empty() && !labels_missing(&object, None) {
        return Ok(());
    }
    change(api, of, (wanted.namespace, wanted.name), |object, arena| {
        add_labels(object, None, arena);
        let missing = missing_subjects(wanted, object);
        let Some(map) = object.as_map_mut() else { return };
        for (kind, namespace, name) in missing {
            let mut subject = Map::new_in(arena);
            subject.insert("kind", Value::Str(kind));
            if namespace.is_empty() {
                subject.insert("apiGroup", Value::Str(GROUP));
            } else {
                subject.insert("namespace", Value::Str(namespace));
            }
            subject.insert("name", Value::Str(name));
            push(map, "subjects", Value::Map(subject), arena);
        }
    })
    .await
}

type Subject = (&'static str, &'static str, &'static str);

fn missing_subjects(wanted: &Binding, object: &Value<'_>) -> Vec<Subject> {
    let own = object.list_at(&["subjects"]);
    let is_there = |(kind, namespace, name): &Subject| {
        own.iter().any(|subject| {
            subject.str_at(&["kind"]) == *kind
                && subject.str_at(&["namespace"]) == *namespace
                && subject.str_at(&["name"]) == *name
        })
    };
    wanted.subjects.iter().filter(|subject| !is_there(subject)).copied().collect()
}

fn is_kept(object: &Value<'_>) -> bool {
    object.str_at(&["metadata", "annotations", AUTO_UPDATE]) == "false"
}

type Label = (&'static str, &'static str);

fn labels_missing(object: &Value<'_>, label: Option<Label>) -> bool {
    let labels = [Some(LABEL), label];
    let mut labels = labels.iter().flatten();
    labels.any(|(key, _)| object.at(&["metadata", "labels", key]).is_none())
        || object.at(&["metadata", "annotations", AUTO_UPDATE]).is_none()
}

/// Adds what is missing; a value that is there stays.
fn add_labels<'a>(object: &mut Value<'a>, label: Option<Label>, arena: &'a Bump) {
    let metadata = meta::metadata_mut(object, arena);
    for (key, value) in [Some(LABEL), label].into_iter().flatten() {
        let labels = metadata.entry_map("labels");
        if labels.get(key).is_none() {
            labels.insert(key, Value::Str(value));
        }
    }
    let annotations = metadata.entry_map("annotations");
    if annotations.get(AUTO_UPDATE).is_none() {
        annotations.insert(AUTO_UPDATE, Value::Str("true"));
    }
}

fn push<'a>(map: &mut Map<'a>, name: &'static str, value: Value<'a>, arena: &'a Bump) {
    if map.get(name).and_then(Value::as_list).is_none() {
        map.insert(name, Value::list_in(arena));
    }
    if let Some(list) = map.get_mut(name).and_then(Value::as_list_mut) {
        list.push(value);
    }
}

fn rule_value<'a>(rule: &Rule, arena: &'a Bump) -> Value<'a> {
    let mut map = Map::new_in(arena);
    for (name, texts) in lists(rule) {
        let mut list = List::with_capacity_in(texts.len(), arena);
        list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
        map.insert(name, Value::List(list));
    }
    Value::Map(map)
}

/// The lists of a rule that are not empty.
fn lists(rule: &Rule) -> impl Iterator<Item = (&'static str, &[Box<str>])> {
    let lists = [
        ("verbs", &*rule.verbs),
        ("apiGroups", &*rule.groups),
        ("resources", &*rule.resources),
        ("resourceNames", &*rule.names),
        ("nonResourceURLs", &*rule.urls),
    ];
    lists.into_iter().filter(|(_, texts)| !texts.is_empty())
}

fn metadata(name: &str, namespace: &str, label: Option<Label>) -> serde_json::Value {
    let labels: BTreeMap<&str, &str> = [Some(LABEL), label].into_iter().flatten().collect();
    json!({
        "name": name,
        "namespace": namespace,
        "labels": labels,
        "annotations": { AUTO_UPDATE: "true" },
    })
}

fn role_text(role: &Role) -> String {
    let rules: Vec<serde_json::Map<String, serde_json::Value>> = role
        .rules
        .iter()
        .map(|rule| lists(rule).map(|(name, list)| (name.to_owned(), json!(list))).collect())
        .collect();
    let mut object = json!({
        "metadata": metadata(role.name, role.namespace, role.label),
        "rules": rules,
    });
    if let (Some((key, value)), Some(map)) = (role.aggregates, object.as_object_mut()) {
        let selectors = json!([{ "matchLabels": { key: value } }]);
        map.insert("aggregationRule".into(), json!({ "clusterRoleSelectors": selectors }));
        map.remove("rules");
    }
    object.to_string()
}

fn binding_text(binding: &Binding) -> String {
    let subject = |(kind, namespace, name): &Subject| {
        if namespace.is_empty() {
            json!({ "kind": kind, "apiGroup": GROUP, "name": name })
        } else {
            json!({ "kind": kind, "namespace": namespace, "name": name })
        }
    };
    let subjects: Vec<serde_json::Value> = binding.subjects.iter().map(subject).collect();
    let (kind, name) = binding.role;
    let mut object = json!({
        "metadata": metadata(binding.name, binding.namespace, None),
        "roleRef": { "apiGroup": GROUP, "kind": kind, "name": name },
    });
    if let (false, Some(map)) = (subjects.is_empty(), object.as_object_mut()) {
        map.insert("subjects".into(), json!(subjects));
    }
    object.to_string()
}

/// Changes an object that is there.
async fn change(
    api: &Api,
    of: Gvr,
    at: (&str, &str),
    change: impl for<'a> Fn(&mut Value<'a>, &'a Bump),
) -> Result<()> {
    let context = context();
    let at = attributes(resource(of)?, at, Operation::Update, &context);
    let changed = api.registry.change_stored(&at, |object, arena| {
        change(object, arena);
        Ok(())
    });
    changed.await.map(drop)
}

async fn delete(api: &Api, of: Gvr, at: (&str, &str)) -> Result<()> {
    match (Own { api, manager: "kube-apiserver" }).delete(of, at).await {
        Err(Fault::NotFound(_)) => Ok(()),
        deleted => deleted,
    }
}
