//! PodSecurity: pods keep to the standard that the labels of their namespace ask for (features.md
//! section 6.5; `k8s.io/pod-security-admission/admission`).
//!
//! Exemptions and defaults of `--admission-control-config-file` are not read: every namespace
//! without labels is privileged.

mod checks;
mod level;

use super::Reader;
use crate::object::Value;
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;
use checks::{Pod, Violations, evaluate};
use level::{Level, Policies, Policy};
use std::collections::BTreeMap;

/// Pods of a namespace that are looked at when its labels change (`namespaceMaxPodsToCheck`).
const PODS_MAX: usize = 3_000;
/// Subresources of pods that cannot change what is checked.
const IGNORED: [&str; 8] =
    ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];
const AUDIT_ENFORCED: &str = "pod-security.kubernetes.io/enforce-policy";
const AUDIT_VIOLATIONS: &str = "pod-security.kubernetes.io/audit-violations";
const AUDIT_ERROR: &str = "pod-security.kubernetes.io/error";

/// Judges pods, pod templates and the labels of namespaces.
///
/// # Errors
/// 403 for a pod that violates what is enforced, 422 for labels of a namespace that mean nothing.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    if !matches!(at.operation, Operation::Create | Operation::Update) {
        return Ok(());
    }
    match (at.resource.group, at.resource.name) {
        ("", "namespaces") if at.subresource.is_empty() => namespace(at, object, old, reader).await,
        ("", "pods") if !IGNORED.contains(&at.subresource) => pod(at, object, old, reader).await,
        _ if !at.subresource.is_empty() => Ok(()),
        (group, resource) => match template_path(group, resource) {
            Some(path) => template(at, object.at(path), reader).await,
            None => Ok(()),
        },
    }
}

/// Where a kind has its pod template.
fn template_path(group: &str, resource: &str) -> Option<&'static [&'static str]> {
    match (group, resource) {
        ("", "podtemplates") => Some(&["template"]),
        ("", "replicationcontrollers")
        | ("apps", "daemonsets" | "deployments" | "replicasets" | "statefulsets")
        | ("batch", "jobs") => Some(&["spec", "template"]),
        ("batch", "cronjobs") => Some(&["spec", "jobTemplate", "spec", "template"]),
        _ => None,
    }
}

/// Labels must mean something; a stricter level warns of the pods that are there already.
async fn namespace(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    let (policies, errors) = Policies::of(object);
    let invalid = |errors| {
        let subject =
            Subject { resource: "Namespace".into(), name: at.name.into(), ..Subject::default() };
        Err(Fault::Invalid { subject, errors })
    };
    let Some(old) = old else {
        return if errors.is_empty() { Ok(()) } else { invalid(errors) };
    };
    let (old_policies, old_errors) = Policies::of(old);
    if !errors.is_empty() && errors != old_errors {
        return invalid(errors);
    }
    let (new, old) = (policies.enforce, old_policies.enforce);
    let relaxed = new.minor == old.minor && new.level <= old.level;
    if new == old || new.level == Level::Privileged || relaxed {
        return Ok(());
    }
    for warning in existing(at.name, new, reader).await? {
        at.context.warn(warning);
    }
    Ok(())
}

/// What the pods of a namespace have against a policy (`EvaluatePodsInNamespace`).
async fn existing(namespace: &str, policy: Policy, reader: &Reader) -> Result<Vec<String>> {
    let arena = Bump::new();
    let pods = reader.list("", "pods", namespace, &arena).await?;
    let mut seen = Vec::new();
    let (mut first, mut others) = (Vec::new(), Vec::new());
    for pod in &pods {
        let owners = pod.list_at(&["metadata", "ownerReferences"]).iter();
        let mut owners = owners.filter(|owner| owner.bool_at(&["controller"]));
        match owners.next().map(|owner| owner.str_at(&["uid"])) {
            Some(uid) if seen.contains(&uid) => others.push(pod),
            uid => {
                seen.extend(uid);
                first.push(pod);
            }
        }
    }
    first.append(&mut others);
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in first.iter().take(PODS_MAX) {
        let Some(spec) = pod.at(&["spec"]) else { continue };
        let violations = evaluate(policy, &Pod { metadata: pod.at(&["metadata"]), spec });
        if !violations.is_empty() {
            let name = pod.str_at(&["metadata", "name"]);
            found.entry(violations.reasons()).or_default().push(name);
        }
    }
    let mut warnings = Vec::new();
    if first.len() > PODS_MAX {
        warnings.push(format!(
            "new PodSecurity enforce level only checked against the first {PODS_MAX} of {} \
             existing pods",
            first.len()
        ));
    }
    if !found.is_empty() {
        warnings.push(format!(
            "existing pods in namespace {namespace:?} violate the new PodSecurity enforce level \
             \"{policy}\""
        ));
    }
    let mut decorated: Vec<String> = found
        .into_iter()
        .map(|(reasons, names)| {
            let name = names.iter().min().copied().unwrap_or_default();
            match names.len() {
                1 => format!("{name}: {reasons}"),
                2 => format!("{name} (and 1 other pod): {reasons}"),
                count => format!("{name} (and {} other pods): {reasons}", count - 1),
            }
        })
        .collect();
    decorated.sort();
    warnings.append(&mut decorated);
    Ok(warnings)
}

async fn pod(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    let Some((policies, broken)) = policies(at, reader).await? else { return Ok(()) };
    if !broken && policies.are_free() {
        at.context.annotate(AUDIT_ENFORCED, policies.enforce.to_string());
        return Ok(());
    }
    if old.is_some_and(|old| !changes(object, old)) {
        return Ok(());
    }
    let Some(spec) = object.at(&["spec"]) else { return Ok(()) };
    let pod = Pod { metadata: object.at(&["metadata"]), spec };
    at.context.annotate(AUDIT_ENFORCED, policies.enforce.to_string());
    let enforced = evaluate(policies.enforce, &pod);
    tell(at, &policies, &pod, enforced.is_empty());
    if enforced.is_empty() {
        return Ok(());
    }
    let subject = Subject { resource: "pods".into(), name: at.title.into(), ..Subject::default() };
    let message = format!("violates PodSecurity \"{}\": {}", policies.enforce, enforced.details());
    Err(Fault::Forbidden { subject, message, cause: None })
}

async fn template(
    at: &Attributes<'_>,
    template: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    let Some(template) = template else { return Ok(()) };
    let Some((policies, broken)) = policies(at, reader).await? else { return Ok(()) };
    let free = |policy: Policy| policy.level == Level::Privileged;
    if !broken && free(policies.warn) && free(policies.audit) {
        return Ok(());
    }
    if let Some(spec) = template.at(&["spec"]) {
        tell(at, &policies, &Pod { metadata: template.at(&["metadata"]), spec }, true);
    }
    Ok(())
}

/// Audits and, unless the pod is refused anyway, warns.
fn tell(at: &Attributes<'_>, policies: &Policies, pod: &Pod<'_, '_>, warns: bool) {
    let text = |policy: Policy, violations: &Violations| {
        format!("would violate PodSecurity \"{policy}\": {}", violations.details())
    };
    let audited = evaluate(policies.audit, pod);
    if !audited.is_empty() {
        at.context.annotate(AUDIT_VIOLATIONS, text(policies.audit, &audited));
    }
    if warns {
        let warned = evaluate(policies.warn, pod);
        if !warned.is_empty() {
            at.context.warn(text(policies.warn, &warned));
        }
    }
}

/// The policies of the request's namespace, and whether its labels are broken.
async fn policies(at: &Attributes<'_>, reader: &Reader) -> Result<Option<(Policies, bool)>> {
    let asked = reader.fact("namespaces", "", at.namespace, Asked::of).await?;
    Ok(asked.map(|asked| {
        if let Some(broken) = &asked.broken {
            at.context.annotate(AUDIT_ERROR, format!("Failed to parse policy: {broken}"));
        }
        (asked.policies, asked.broken.is_some())
    }))
}

/// What the labels of a namespace say.
struct Asked {
    policies: Policies,
    /// What is wrong with them, if anything is.
    broken: Option<String>,
}

impl Asked {
    fn of(namespace: &Value<'_>) -> Self {
        let (policies, errors) = Policies::of(namespace);
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        let broken = match errors.as_slice() {
            [] => None,
            [one] => Some(one.clone()),
            many => Some(format!("[{}]", many.join(", "))),
        };
        Self { policies, broken }
    }
}

/// True if an update may change what is checked (`isSignificantPodUpdate`): containers come or go,
/// or get another image.
fn changes(new: &Value<'_>, old: &Value<'_>) -> bool {
    let listed = ["containers", "initContainers"].iter().any(|kind| {
        let (new, old) = (new.list_at(&["spec", kind]), old.list_at(&["spec", kind]));
        let image = |container: &Value<'_>| container.str_at(&["image"]).to_owned();
        new.len() != old.len() || new.iter().zip(old).any(|(new, old)| image(new) != image(old))
    });
    let path = ["spec", "ephemeralContainers"];
    listed
        || new.list_at(&path).iter().any(|container| {
            let name = container.str_at(&["name"]);
            let mut before = old.list_at(&path).iter();
            let before = before.find(|old| old.str_at(&["name"]) == name);
            before.is_none_or(|old| old.str_at(&["image"]) != container.str_at(&["image"]))
        })
}
