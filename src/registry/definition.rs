//! The lifecycle of a CustomResourceDefinition: names are accepted, the definition is established,
//! and it goes once its instances are gone (apiextensions-apiserver: the registry of definitions,
//! and the controllers `status`, `establish`, `finalizer` and `apiapproval`).

use super::deletion::Deletion;
use super::meta;
use crate::base::timestamp;
use crate::object::{List, Map, Value};
use crate::registry::read::same;
use bumpalo::Bump;
use std::collections::BTreeSet;

/// What holds a definition until its instances are gone.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";
/// What approves a definition in a group of the community.
pub const APPROVED: &str = "api-approved.kubernetes.io";
const LISTS: [&str; 2] = ["shortNames", "categories"];

/// Marks the definition on the first delete; a later one removes it when nothing holds it.
pub(super) fn decide_delete<'a>(object: &mut Value<'a>, now: i64, arena: &'a Bump) -> Deletion {
    if meta::is_deleting(object) {
        let free = meta::finalizers(object).next().is_none();
        return if free { Deletion::Remove } else { Deletion::Keep };
    }
    let now = timestamp::rfc3339(now);
    let mut finalizers: Vec<&str> = meta::finalizers(object).collect();
    if !finalizers.contains(&CLEANUP) {
        finalizers.push(CLEANUP);
    }
    let metadata = meta::metadata_mut(object, arena);
    metadata.insert("deletionTimestamp", Value::str_in(&now, arena));
    meta::set_finalizers(object, &finalizers, arena);
    let text = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin \
                soon";
    let condition = ("Terminating", "True", "InstanceDeletionPending", text);
    set_condition(object, condition, &now, arena);
    Deletion::Mark
}

/// Sets a condition, given as type, status, reason and message; true if that changes it.
pub fn set_condition<'a>(
    object: &mut Value<'a>,
    (kind, status, reason, message): (&str, &str, &str, &str),
    now: &str,
    arena: &'a Bump,
) -> bool {
    let Some(map) = object.as_map_mut() else { return false };
    let map = map.entry_map("status");
    if map.get("conditions").and_then(Value::as_list).is_none() {
        map.insert("conditions", Value::list_in(arena));
    }
    let Some(list) = map.get_mut("conditions").and_then(Value::as_list_mut) else { return false };
    let known = list.iter_mut().find(|condition| condition.str_at(&["type"]) == kind);
    let text = |text: &str| Value::str_in(text, arena);
    match known.and_then(Value::as_map_mut) {
        Some(known) => {
            let is = |name: &str, value: &str| {
                known.get(name).and_then(Value::as_str).unwrap_or("") == value
            };
            if is("status", status) && is("reason", reason) && is("message", message) {
                return false;
            }
            if !is("status", status) {
                known.insert("lastTransitionTime", text(now));
            }
            known.insert("status", text(status));
            known.insert("reason", text(reason));
            known.insert("message", text(message));
        }
        None => {
            let mut condition = Map::new_in(arena);
            condition.push_unique("type", text(kind));
            condition.push_unique("status", text(status));
            condition.push_unique("lastTransitionTime", text(now));
            condition.push_unique("reason", text(reason));
            condition.push_unique("message", text(message));
            list.push(Value::Map(condition));
        }
    }
    true
}

/// True if the condition `kind` is there and true.
pub fn is_true(object: &Value<'_>, kind: &str) -> bool {
    object.list_at(&["status", "conditions"]).iter().any(|condition| {
        condition.str_at(&["type"]) == kind && condition.str_at(&["status"]) == "True"
    })
}

/// True if nothing is left to be accepted or established.
pub fn is_settled(object: &Value<'_>) -> bool {
    let (wanted, accepted) = (["spec", "names"], ["status", "acceptedNames"]);
    let approved = !is_protected(object.str_at(&["spec", "group"]))
        || object.list_at(&["status", "conditions"]).iter().any(|condition| {
            condition.str_at(&["type"]) == "KubernetesAPIApprovalPolicyConformant"
        });
    approved
        && is_true(object, "NamesAccepted")
        && is_true(object, "Established")
        && same(object.at(&wanted), object.at(&accepted))
}

/// Names that other definitions of the group have: of resources, and of kinds.
#[derive(Debug, Default)]
pub struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// Adds the accepted names of a definition.
    pub fn add(&mut self, definition: &Value<'_>) {
        let Some(names) = definition.at(&["status", "acceptedNames"]) else { return };
        let short = names.list_at(&["shortNames"]).iter().filter_map(Value::as_str);
        let resources = [names.str_at(&["plural"]), names.str_at(&["singular"])];
        self.resources.extend(resources.into_iter().chain(short).map(str::to_owned));
        let kinds = [names.str_at(&["kind"]), names.str_at(&["listKind"])];
        self.kinds.extend(kinds.into_iter().map(str::to_owned));
    }
}

/// Accepts names, establishes, and tells of the approval; `taken` are the names of the group, this
/// definition's own among them.
pub fn settle<'a>(object: &mut Value<'a>, taken: &Taken, now: &str, arena: &'a Bump) {
    approve(object, now, arena);
    let null = Value::Null;
    let wanted = object.at(&["spec", "names"]).unwrap_or(&null).copy_in(arena);
    let accepted = object.at(&["status", "acceptedNames"]).unwrap_or(&null).copy_in(arena);
    if !same(Some(&wanted), Some(&accepted)) {
        let (names, problem) = accept(&wanted, &accepted, taken, arena);
        if let Some(map) = object.as_map_mut() {
            map.entry_map("status").insert("acceptedNames", names);
        }
        let (status, reason, message) = match &problem {
            Some((reason, message)) => ("False", *reason, message.as_str()),
            None => ("True", "NoConflicts", "no conflicts found"),
        };
        set_condition(object, ("NamesAccepted", status, reason, message), now, arena);
        let known = object.list_at(&["status", "conditions"]).iter();
        let known = known.filter(|c| c.str_at(&["type"]) == "Established").count() > 0;
        if problem.is_some() && !known {
            let text = "not all names are accepted";
            set_condition(object, ("Established", "False", "NotAccepted", text), now, arena);
        }
    }
    if is_true(object, "NamesAccepted") && !is_true(object, "Established") {
        let text = "the initial names have been accepted";
        set_condition(object, ("Established", "True", "InitialNamesAccepted", text), now, arena);
    }
}

/// The names that can be accepted, and what stands against the others: reason and message.
fn accept<'a>(
    wanted: &Value<'a>,
    accepted: &Value<'a>,
    taken: &Taken,
    arena: &'a Bump,
) -> (Value<'a>, Option<(&'static str, String)>) {
    let mut problem = None;
    let mut names = Map::new_in(arena);
    let mut one = |name: &'static str, reason: &'static str, used: &BTreeSet<String>| {
        let (new, old) = (wanted.str_at(&[name]), accepted.str_at(&[name]));
        if new != old && used.contains(new) {
            problem = Some((reason, format!("{new:?} is already in use")));
            return old;
        }
        new
    };
    let plural = one("plural", "PluralConflict", &taken.resources);
    let singular = one("singular", "SingularConflict", &taken.resources);
    let kind = one("kind", "KindConflict", &taken.kinds);
    let list_kind = one("listKind", "ListKindConflict", &taken.kinds);
    let texts = |from: &Value<'a>, name: &str| -> Vec<&'a str> {
        from.list_at(&[name]).iter().filter_map(Value::as_str).collect()
    };
    let own = texts(accepted, "shortNames");
    let clashes: Vec<String> = texts(wanted, "shortNames")
        .into_iter()
        .filter(|name| !own.contains(name) && taken.resources.contains(*name))
        .map(|name| format!("{name:?} is already in use"))
        .collect();
    let mut short_from = wanted;
    if !clashes.is_empty() {
        short_from = accepted;
        let text = match clashes.as_slice() {
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        if problem.is_none() {
            problem = Some(("ShortNamesConflict", text));
        }
    }
    for (name, value) in [("plural", plural), ("singular", singular)] {
        names.push_unique(name, Value::Str(value));
    }
    for (name, from) in LISTS.into_iter().zip([short_from, wanted]) {
        let all = texts(from, name);
        if !all.is_empty() {
            let mut list = List::new_in(arena);
            list.extend(all.into_iter().map(Value::Str));
            names.push_unique(name, Value::List(list));
        }
    }
    for (name, value) in [("kind", kind), ("listKind", list_kind)] {
        names.push_unique(name, Value::Str(value));
    }
    (Value::Map(names), problem)
}

/// The condition of definitions in groups of the community.
fn approve<'a>(object: &mut Value<'a>, now: &str, arena: &'a Bump) {
    if !is_protected(object.str_at(&["spec", "group"])) {
        return;
    }
    let annotation = object.at(&["metadata", "annotations", APPROVED]).and_then(Value::as_str);
    let (approval, message) = approval(annotation);
    let (status, reason) = match approval {
        Approval::Approved => ("True", "ApprovedAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
        Approval::Invalid => ("False", "InvalidAnnotation"),
        Approval::Missing => ("False", "MissingAnnotation"),
    };
    let kind = "KubernetesAPIApprovalPolicyConformant";
    set_condition(object, (kind, status, reason, &message), now, arena);
}

/// What the approval annotation says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approval {
    /// It names the approval.
    Approved,
    /// It says that there is none.
    Bypassed,
    /// It says neither.
    Invalid,
    /// It is not there.
    Missing,
}

/// True for groups that belong to the community (`IsProtectedCommunityGroup`).
pub fn is_protected(group: &str) -> bool {
    let below = |root: &str| group == root || group.ends_with(&format!(".{root}"));
    below("k8s.io") || below("kubernetes.io")
}

/// What the annotation says, and the message about it (`GetAPIApprovalState`).
pub fn approval(annotation: Option<&str>) -> (Approval, String) {
    let see = "see https://github.com/kubernetes/enhancements/pull/1111";
    let Some(text) = annotation.filter(|text| !text.is_empty()) else {
        let text = "protected groups must have approval annotation";
        return (Approval::Missing, format!("{text} {APPROVED:?}, {see}"));
    };
    if text.starts_with("unapproved") {
        return (Approval::Bypassed, format!("not approved: {text:?}"));
    }
    let scheme = |text: &str| text.starts_with(|letter: char| letter.is_ascii_alphabetic());
    let parts = text.split_once("://").filter(|(before, _)| scheme(before));
    let rest = parts.map_or("", |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or("");
    if host.is_empty() {
        let text = format!(
            "protected groups must have approval annotation {APPROVED:?} with either a URL or a \
             reason starting with \"unapproved\", {see}"
        );
        return (Approval::Invalid, text);
    }
    (Approval::Approved, format!("approved in {text}"))
}
