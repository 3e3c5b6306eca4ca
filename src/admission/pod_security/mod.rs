//! PodSecurity: pods keep to the standard that the labels of their namespace ask for (features.md
//! section 6.5; `k8s.io/pod-security-admission/admission`).
//!
//! A namespace without labels has the defaults of [`Settings`].

mod checks;
mod level;
mod settings;

pub(super) use settings::{Settings, is_late};

use super::Reader;
use super::settings::joined;
use crate::metrics::{Recorder, instruments};
use crate::object::Value;
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;
use checks::{Pod, Violations, evaluate};
use level::{Level, Policies, Policy};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Pods of a namespace that are looked at when its labels change (`namespaceMaxPodsToCheck`).
const PODS_MAX: usize = 3_000;
/// Of this version of the API; policies of a later one are those of the latest.
const OWN_MINOR: u32 = 36;
/// Subresources of pods that cannot change what is checked.
const IGNORED: [&str; 8] =
    ["exec", "attach", "binding", "eviction", "log", "portforward", "proxy", "status"];
const AUDIT_ENFORCED: &str = "pod-security.kubernetes.io/enforce-policy";
const AUDIT_VIOLATIONS: &str = "pod-security.kubernetes.io/audit-violations";
const AUDIT_EXEMPT: &str = "pod-security.kubernetes.io/exempt";
const AUDIT_ERROR: &str = "pod-security.kubernetes.io/error";

/// What pods are judged with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judge<'j> {
    /// Other objects.
    pub(super) reader: &'j Reader,
    /// What holds beside labels.
    pub(super) settings: &'j Settings,
    /// Where judgements are counted.
    pub(super) metrics: &'j Recorder,
}

impl Judge<'_> {
    /// Counts the judgement of a policy (`RecordEvaluation`); `mode` is `enforce`, `audit` or
    /// `warn`.
    fn judged(self, at: &Attributes<'_>, allowed: bool, policy: Policy, mode: &str) {
        let version = match policy {
            Policy { level: Level::Privileged, .. } | Policy { minor: None, .. } => {
                Cow::Borrowed("latest")
            }
            Policy { minor: Some(minor), .. } if minor > OWN_MINOR => Cow::Borrowed("future"),
            Policy { minor: Some(minor), .. } => Cow::Owned(format!("v1.{minor}")),
        };
        let decision = if allowed { "allow" } else { "deny" };
        let [operation, resource, subresource] = labels(at);
        let level = policy.level.name();
        let values = [decision, level, &version, mode, operation, resource, subresource];
        self.metrics.count(&instruments::POD_SECURITY_EVALUATIONS, &values);
    }

    /// Whether a rule excepts the request; it is counted and told to audit.
    fn exempts(self, at: &Attributes<'_>, reason: Option<&'static str>) -> bool {
        let Some(reason) = reason else { return false };
        self.metrics.count(&instruments::POD_SECURITY_EXEMPTIONS, &labels(at));
        at.context.annotate(AUDIT_EXEMPT, reason);
        true
    }

    /// Counts labels that cannot be understood (`RecordError`).
    fn failed(self, at: &Attributes<'_>, fatal: bool) {
        let [operation, resource, subresource] = labels(at);
        let fatal = if fatal { "true" } else { "false" };
        let values = [fatal, operation, resource, subresource];
        self.metrics.count(&instruments::POD_SECURITY_ERRORS, &values);
    }
}

/// Operation, resource and subresource, as figures name them.
fn labels<'a>(at: &Attributes<'a>) -> [&'a str; 3] {
    let operation = match at.operation {
        Operation::Connect => "connect",
        Operation::Create => "create",
        Operation::Delete => "delete",
        Operation::Update => "update",
    };
    let resource = match at.resource.name {
        "namespaces" => "namespace",
        "pods" => "pod",
        _ => "controller",
    };
    [operation, resource, at.subresource]
}

/// Judges pods, pod templates and the labels of namespaces.
///
/// # Errors
/// 403 for a pod that violates what is enforced, 422 for labels of a namespace that mean nothing.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    judge: Judge<'_>,
) -> Result<()> {
    if !matches!(at.operation, Operation::Create | Operation::Update) {
        return Ok(());
    }
    match (at.resource.group, at.resource.name) {
        ("", "namespaces") if at.subresource.is_empty() => namespace(at, object, old, judge).await,
        ("", "pods") if !IGNORED.contains(&at.subresource) => pod(at, object, old, judge).await,
        _ if !at.subresource.is_empty() => Ok(()),
        (group, resource) => match template_path(group, resource) {
            Some(path) => template(at, object.at(path), judge).await,
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
    judge: Judge<'_>,
) -> Result<()> {
    let defaults = judge.settings.defaults();
    let (policies, errors) = Policies::of(object, defaults);
    let invalid = |errors| {
        let subject =
            Subject { resource: "Namespace".into(), name: at.name.into(), ..Subject::default() };
        Err(Fault::Invalid { subject, errors })
    };
    let name = object.str_at(&["metadata", "name"]);
    let exempt = judge.settings.exempts_namespace(name);
    let tell_exempt = || {
        if let Some(warning) = policies.exempt_warning(object, name, defaults) {
            at.context.warn(warning);
        }
    };
    let Some(old) = old else {
        if !errors.is_empty() {
            return invalid(errors);
        }
        if exempt {
            tell_exempt();
        }
        return Ok(());
    };
    let (old_policies, old_errors) = Policies::of(old, defaults);
    if !errors.is_empty() && errors != old_errors {
        return invalid(errors);
    }
    let (new, old) = (policies.enforce, old_policies.enforce);
    let relaxed = new.minor == old.minor && new.level <= old.level;
    if new == old || new.level == Level::Privileged || relaxed {
        return Ok(());
    }
    if exempt {
        tell_exempt();
        return Ok(());
    }
    for warning in existing(at.name, new, judge).await? {
        at.context.warn(warning);
    }
    Ok(())
}

/// What the pods of a namespace have against a policy (`EvaluatePodsInNamespace`).
async fn existing(namespace: &str, policy: Policy, judge: Judge<'_>) -> Result<Vec<String>> {
    let arena = Bump::new();
    let mut pods = judge.reader.list("", "pods", namespace, &arena).await?;
    pods.retain(|pod| !pod.at(&["spec"]).is_some_and(|s| judge.settings.exempts_runtime_class(s)));
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
    judge: Judge<'_>,
) -> Result<()> {
    if judge.exempts(at, judge.settings.exempt(at.namespace, &at.context.user.name)) {
        return Ok(());
    }
    let Some(asked) = asked(at, judge).await? else { return Ok(()) };
    let policies = asked.policies;
    if asked.broken.is_none() && policies.are_free() {
        at.context.annotate(AUDIT_ENFORCED, policies.enforce.to_string());
        judge.judged(at, true, policies.enforce, "enforce");
        return Ok(());
    }
    if old.is_some_and(|old| !changes(object, old)) {
        return Ok(());
    }
    let Some(spec) = object.at(&["spec"]) else { return Ok(()) };
    if judge.exempts(at, judge.settings.exempts_runtime_class(spec).then_some("runtimeClass")) {
        return Ok(());
    }
    asked.tell_broken(at, judge);
    let pod = Pod { metadata: object.at(&["metadata"]), spec };
    at.context.annotate(AUDIT_ENFORCED, policies.enforce.to_string());
    let enforced = evaluate(policies.enforce, &pod);
    judge.judged(at, enforced.is_empty(), policies.enforce, "enforce");
    tell(at, &policies, &pod, enforced.is_empty(), judge);
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
    judge: Judge<'_>,
) -> Result<()> {
    if judge.exempts(at, judge.settings.exempt(at.namespace, &at.context.user.name)) {
        return Ok(());
    }
    let Some(template) = template else { return Ok(()) };
    let Some(asked) = asked(at, judge).await? else { return Ok(()) };
    let free = |policy: Policy| policy.level == Level::Privileged;
    let policies = asked.policies;
    if asked.broken.is_none() && free(policies.warn) && free(policies.audit) {
        return Ok(());
    }
    let Some(spec) = template.at(&["spec"]) else { return Ok(()) };
    if judge.exempts(at, judge.settings.exempts_runtime_class(spec).then_some("runtimeClass")) {
        return Ok(());
    }
    asked.tell_broken(at, judge);
    tell(at, &policies, &Pod { metadata: template.at(&["metadata"]), spec }, true, judge);
    Ok(())
}

/// Audits and, unless the pod is refused anyway, warns.
fn tell(
    at: &Attributes<'_>,
    policies: &Policies,
    pod: &Pod<'_, '_>,
    warns: bool,
    judge: Judge<'_>,
) {
    let text = |policy: Policy, violations: &Violations| {
        format!("would violate PodSecurity \"{policy}\": {}", violations.details())
    };
    let audited = evaluate(policies.audit, pod);
    if !audited.is_empty() {
        at.context.annotate(AUDIT_VIOLATIONS, text(policies.audit, &audited));
        judge.judged(at, false, policies.audit, "audit");
    }
    if warns {
        let warned = evaluate(policies.warn, pod);
        if !warned.is_empty() {
            at.context.warn(text(policies.warn, &warned));
            judge.judged(at, false, policies.warn, "warn");
        }
    }
}

/// What the request's namespace asks for.
async fn asked(at: &Attributes<'_>, judge: Judge<'_>) -> Result<Option<Rc<Asked>>> {
    let derive = |namespace: &Value<'_>| Asked::of(namespace, judge.settings.defaults());
    judge.reader.fact("namespaces", "", at.namespace, derive).await
}

/// What the labels of a namespace say.
struct Asked {
    policies: Policies,
    /// What is wrong with them, if anything is.
    broken: Option<String>,
}

impl Asked {
    fn of(namespace: &Value<'_>, defaults: &Policies) -> Self {
        let (policies, errors) = Policies::of(namespace, defaults);
        Self { policies, broken: joined(&errors) }
    }

    fn tell_broken(&self, at: &Attributes<'_>, judge: Judge<'_>) {
        if let Some(broken) = &self.broken {
            at.context.annotate(AUDIT_ERROR, format!("Failed to parse policy: {broken}"));
            judge.failed(at, false);
        }
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
