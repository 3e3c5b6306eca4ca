//! Is a webhook called for a write, and in which version (`generic.Webhook.ShouldCallHook`)?

use super::hook::Hook;
use super::rule::Asked;
use super::{Stage, conditions};
use crate::admission::Reader;
use crate::admission::times::operation;
use crate::base::clock;
use crate::catalog::{Resource, catalog, custom};
use crate::metrics::instruments;
use crate::object::Value;
use crate::object::selector::LabelSelector;
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;

/// What the hook is told that the write is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Invocation {
    /// The resource in the version that the hook's rule names.
    pub(super) resource: &'static Resource,
}

/// Group, version and kind of what is written through a resource or one of its subresources.
pub(super) fn kind_of<'r>(resource: &'r Resource, subresource: &str) -> [&'r str; 3] {
    match resource.subresource(subresource) {
        Some(sub) => [sub.group, sub.version, sub.kind],
        None => [resource.group, resource.version, resource.kind],
    }
}

/// The namespace that hooks are told: a namespace's own name for itself.
pub(super) fn namespace_of<'r>(at: &Attributes<'r>) -> &'r str {
    let itself = at.resource.group.is_empty() && at.resource.name == "namespaces";
    if itself { at.name } else { at.namespace }
}

/// Kinds that no webhook is ever asked about: those that could lock themselves, and reviews, which
/// are questions and not objects.
pub(super) fn is_exempt(at: &Attributes<'_>) -> bool {
    match at.resource.group {
        "admissionregistration.k8s.io" => matches!(
            at.resource.kind,
            "MutatingAdmissionPolicy"
                | "MutatingAdmissionPolicyBinding"
                | "MutatingWebhookConfiguration"
                | "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
                | "ValidatingWebhookConfiguration"
        ),
        "authentication.k8s.io" | "authorization.k8s.io" => at.resource.storage.is_none(),
        _ => false,
    }
}

/// The invocation if the hook is to be called for `object` and `old`.
///
/// # Errors
/// 404 if the namespace is gone that the hook selects by, 403 if its conditions fail.
pub(super) async fn invocation(
    stage: Stage<'_>,
    hook: &Hook,
    at: &Attributes<'_>,
    object: Option<&Value<'_>>,
    old: Option<&Value<'_>>,
) -> Result<Option<Invocation>> {
    // Cheap first; the order shows only in errors, which a hook without a matching rule has not.
    let Some(invocation) = by_rules(hook, at) else { return Ok(None) };
    let selected = |object: Option<&Value<'_>>| object.is_some_and(|o| selects(&hook.objects, o));
    if !hook.objects.is_everything() && !selected(object) && !selected(old) {
        return Ok(None);
    }
    if !in_namespace(hook, at, object, stage.reader).await? {
        return Ok(None);
    }
    if hook.conditions.is_empty() {
        return Ok(Some(invocation));
    }
    let arena = Bump::new();
    let converted = |object: Option<&Value<'_>>| {
        let convert =
            |object| stage.versions.convert(at.resource, invocation.resource, object, &arena);
        object.map(convert).transpose()
    };
    let (object, old) = (converted(object)?, converted(old)?);
    let objects = (object.as_ref(), old.as_ref());
    let begun = clock::now();
    let held = conditions::hold(&hook.conditions, at, invocation, objects, stage.authority).await;
    let took = clock::now().saturating_duration_since(begun);
    let kind = if hook.mutates { "admit" } else { "validate" };
    let values = ["webhook", &*hook.name, operation(at.operation), kind];
    stage.metrics.observe(&instruments::ADMISSION_MATCH_SECONDS, &values, took);
    if held.is_err() {
        stage.metrics.count(&instruments::ADMISSION_MATCH_ERRORS, &values);
    }
    match held {
        Ok(true) => Ok(Some(invocation)),
        Ok(false) => {
            stage.metrics.count(&instruments::ADMISSION_MATCH_EXCLUSIONS, &values);
            Ok(None)
        }
        Err(_) if hook.fails_open => Ok(None),
        Err(message) => {
            log::warn!(
                "Failed evaluating match conditions, failing closed {}: {message}",
                hook.name
            );
            let subject = Subject {
                group: at.resource.group.into(),
                resource: at.resource.name.into(),
                name: at.name.into(),
            };
            Err(Fault::Forbidden { subject, message, cause: None })
        }
    }
}

/// The first rule that names the resource of the request; else, where the policy is Equivalent, the
/// first that names another version of it.
fn by_rules(hook: &Hook, at: &Attributes<'_>) -> Option<Invocation> {
    let asked = |resource: &'static Resource| Asked {
        group: resource.group,
        version: resource.version,
        resource: resource.name,
        subresource: at.subresource,
        namespace: namespace_of(at),
        operation: at.operation,
    };
    if hook.rules.iter().any(|rule| rule.matches(asked(at.resource))) {
        return Some(Invocation { resource: at.resource });
    }
    if !hook.equivalent {
        return None;
    }
    let others = equivalents(at);
    hook.rules.iter().find_map(|rule| {
        let other = others.iter().find(|other| rule.matches(asked(other)))?;
        Some(Invocation { resource: other })
    })
}

/// The other resources whose objects are stored in the same place.
fn equivalents(at: &Attributes<'_>) -> Vec<&'static Resource> {
    let Some(storage) = at.resource.storage else { return Vec::new() };
    let fits = |other: &&'static Resource| {
        other.served_by_default
            && !std::ptr::eq(*other, at.resource)
            && (at.subresource.is_empty() || other.subresource(at.subresource).is_some())
    };
    if at.resource.custom.is_some() {
        let definition = custom::served().definition(at.resource);
        let rows = definition.map_or(&[][..], |definition| &definition.rows.resources);
        return rows.iter().copied().filter(fits).collect();
    }
    let same = |other: &&'static Resource| other.storage.is_some_and(|s| std::ptr::eq(s, storage));
    catalog().resources().iter().filter(same).filter(fits).collect()
}

fn selects(selector: &LabelSelector, object: &Value<'_>) -> bool {
    // What has no metadata, as the options of a connect, is no object to select.
    object.get("metadata").is_some_and(|metadata| selector.matches_labels(metadata.get("labels")))
}

/// `namespace.Matcher.MatchNamespaceSelector`.
async fn in_namespace(
    hook: &Hook,
    at: &Attributes<'_>,
    object: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<bool> {
    let (selector, name) = (&hook.namespaces, namespace_of(at));
    let itself = at.is("", "namespaces");
    if selector.is_everything() || (name.is_empty() && at.resource.name != "namespaces") {
        return Ok(true);
    }
    if itself
        && matches!(at.operation, Operation::Create | Operation::Update)
        && let Some(object) = object
    {
        return Ok(selector.matches_labels(object.at(&["metadata", "labels"])));
    }
    let labels = reader.fact("namespaces", "", name, |namespace| {
        let labels = namespace.at(&["metadata", "labels"]).and_then(Value::as_map);
        let labels = labels.map(|map| map.iter());
        let owned = |(key, value): (&str, &Value<'_>)| {
            (key.to_owned(), value.as_str().unwrap_or("").to_owned())
        };
        labels.into_iter().flatten().map(owned).collect::<Vec<(String, String)>>()
    });
    let Some(labels) = labels.await? else {
        let subject =
            Subject { resource: "namespaces".into(), name: name.into(), ..Subject::default() };
        return Err(Fault::NotFound(subject));
    };
    let value = |key: &str| labels.iter().find(|(k, _)| k == key).map(|(_, value)| value.as_str());
    Ok(selector.matches(value))
}
