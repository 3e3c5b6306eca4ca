//! What a delete does to an object: remove it now, mark it, or nothing at all.
//!
//! Follows `rest.BeforeDelete` and `Store.Delete` of `k8s.io/apiserver/pkg/registry`.

use super::meta;
use crate::catalog::{Propagation as Default, Storage};
use crate::object::Value;
use crate::request::{DeleteOptions, Propagation};
use bumpalo::Bump;

/// How a delete goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Deletion {
    /// The object is marked already and nothing changes.
    Keep,
    /// The object was changed (marked, grace shortened, finalizers set) and must be stored.
    Mark,
    /// The object goes at once.
    Remove,
}

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Decides and, for [`Deletion::Mark`], changes `object`. `now` is seconds since the epoch.
pub(super) fn decide<'a>(
    object: &mut Value<'a>,
    storage: &Storage,
    options: &DeleteOptions,
    now: i64,
    arena: &'a Bump,
) -> Deletion {
    let finalizers = finalizers_after(object, storage, options);
    let before: Vec<&str> = meta::finalizers(object).collect();
    let finalizers_change = finalizers != before;
    let held = !finalizers.is_empty();
    let grace = grace_seconds(object, storage, options);

    if meta::is_deleting(object) {
        let left = object.i64_at(&["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
        let shorter = is_graceful(storage) && grace < left;
        if grace == 0 && !held {
            return Deletion::Remove;
        }
        if !shorter && !finalizers_change {
            return Deletion::Keep;
        }
        meta::set_finalizers(object, &finalizers, arena);
        if shorter {
            let marked = object.str_at(&["metadata", "deletionTimestamp"]);
            let started = crate::base::timestamp::parse_rfc3339(marked).unwrap_or(now) - left;
            let at = crate::base::timestamp::rfc3339(started + grace);
            meta::mark_deleting(object, &at, grace, arena);
        }
        return Deletion::Mark;
    }
    if grace == 0 && !held {
        return Deletion::Remove;
    }
    meta::set_finalizers(object, &finalizers, arena);
    meta::mark_deleting(object, &crate::base::timestamp::rfc3339(now + grace), grace, arena);
    meta::bump_generation(object, arena);
    Deletion::Mark
}

/// Pods alone are given time to stop.
pub(super) fn is_graceful(storage: &Storage) -> bool {
    storage.resource == "pods"
}

/// Seconds that a pod gets; 0 for every other kind (`podStrategy.CheckGracefulDelete`).
fn grace_seconds(object: &Value<'_>, storage: &Storage, options: &DeleteOptions) -> i64 {
    if !is_graceful(storage) {
        return 0;
    }
    let unscheduled = object.str_at(&["spec", "nodeName"]).is_empty();
    let finished = matches!(object.str_at(&["status", "phase"]), "Succeeded" | "Failed");
    if unscheduled || finished {
        return 0;
    }
    let own = object.i64_at(&["spec", "terminationGracePeriodSeconds"]);
    match options.grace_seconds.or(own).unwrap_or(0) {
        seconds if seconds < 0 => 1,
        seconds => seconds,
    }
}

/// The finalizers once the propagation policy has had its say
/// (`deletionFinalizersForGarbageCollection`).
fn finalizers_after<'a>(
    object: &Value<'a>,
    storage: &Storage,
    options: &DeleteOptions,
) -> Vec<&'a str> {
    let current: Vec<&str> = meta::finalizers(object).collect();
    if storage.propagation == Default::Unsupported {
        return current;
    }
    let asked = match (options.orphan_dependents, options.propagation) {
        (Some(true), _) | (None, Some(Propagation::Orphan)) => Some(Some(ORPHAN)),
        (None, Some(Propagation::Foreground)) => Some(Some(FOREGROUND)),
        (Some(false), _) | (None, Some(Propagation::Background)) => Some(None),
        (None, None) => None,
    };
    let wanted = match asked {
        Some(wanted) => wanted,
        // Without a word from the client, what stands there stays; else the kind's own default.
        None if current.contains(&ORPHAN) || current.contains(&FOREGROUND) => return current,
        None if storage.propagation == Default::Orphan => Some(ORPHAN),
        None => None,
    };
    let mut kept: Vec<&str> =
        current.into_iter().filter(|name| *name != ORPHAN && *name != FOREGROUND).collect();
    kept.extend(wanted);
    kept
}
