//! What a delete does to an object: remove it now, mark it, or nothing at all.
//!
//! Follows `rest.BeforeDelete` and `Store.Delete` of `k8s.io/apiserver/pkg/registry`.

use super::meta;
use crate::base::timestamp;
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
    /// The object was marked without any time to stop: it is stored so, then it goes.
    MarkAndRemove,
    /// The object goes at once.
    Remove,
}

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Decides and, for [`Deletion::Mark`] and [`Deletion::MarkAndRemove`], changes `object`. `now` is
/// seconds since the epoch.
pub(super) fn decide<'a>(
    object: &mut Value<'a>,
    storage: &Storage,
    options: &DeleteOptions,
    now: i64,
    arena: &'a Bump,
) -> Deletion {
    let grace = match grace(object, storage, options, now) {
        Grace::Pending => return Deletion::Keep,
        Grace::None => None,
        Grace::Until(seconds, at) => Some((seconds, at)),
    };
    let finalizers = finalizers_after(object, storage, options);
    let held = !finalizers.is_empty();
    let change = meta::finalizers(object).ne(finalizers.iter().copied());
    if change {
        meta::set_finalizers(object, &finalizers, arena);
    }
    if let Some((seconds, at)) = grace {
        if !meta::is_deleting(object) {
            meta::bump_generation(object, arena);
        }
        meta::mark_deleting(object, &timestamp::rfc3339(at), seconds, arena);
        return if held || seconds > 0 { Deletion::Mark } else { Deletion::MarkAndRemove };
    }
    if !held {
        return Deletion::Remove;
    }
    mark_now(object, now, arena);
    Deletion::Mark
}

/// `markAsDeleting`: an object that finalizers hold is marked, once.
fn mark_now<'a>(object: &mut Value<'a>, now: i64, arena: &'a Bump) {
    let marked = object.str_at(&["metadata", "deletionTimestamp"]);
    let kept = timestamp::parse_rfc3339(marked).filter(|at| *at <= now);
    if marked.is_empty() {
        meta::bump_generation(object, arena);
    }
    meta::mark_deleting(object, &timestamp::rfc3339(kept.unwrap_or(now)), 0, arena);
}

/// What is left to a pod that is to stop.
enum Grace {
    /// It is stopping, and is not told to hurry.
    Pending,
    /// Nothing: it goes once no finalizer holds it.
    None,
    /// So many seconds, which end then.
    Until(i64, i64),
}

/// `BeforeDelete` with `podStrategy.CheckGracefulDelete`; pods alone are given time to stop.
fn grace(object: &Value<'_>, storage: &Storage, options: &DeleteOptions, now: i64) -> Grace {
    if storage.resource != "pods" {
        return Grace::None;
    }
    if !meta::is_deleting(object) {
        let seconds = grace_seconds(object, options);
        return Grace::Until(seconds, now.saturating_add(seconds));
    }
    let left = object.i64_at(&["metadata", "deletionGracePeriodSeconds"]).unwrap_or(0);
    let left = if left < 0 { 1 } else { left };
    match options.grace_seconds {
        _ if left == 0 => Grace::None,
        Some(seconds) if seconds < left => {
            let marked = object.str_at(&["metadata", "deletionTimestamp"]);
            let ends = timestamp::parse_rfc3339(marked).unwrap_or(now);
            let ends = ends.saturating_sub(left).saturating_add(seconds);
            // The time to stop does not end in the past; a second is left to who was given any.
            if ends < now { Grace::Until(seconds.min(1), now) } else { Grace::Until(seconds, ends) }
        }
        _ => Grace::Pending,
    }
}

/// Seconds that a pod gets: none if it does not run yet or any more.
fn grace_seconds(object: &Value<'_>, options: &DeleteOptions) -> i64 {
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
    let wanted = match asked(options) {
        Some(wanted) => wanted,
        // Without a word from the client, what stands there stays; else the kind's own default.
        None if current.contains(&ORPHAN) || current.contains(&FOREGROUND) => return current,
        None if storage.propagation == Default::Orphan => Some(ORPHAN),
        None => None,
    };
    let mut kept: Vec<&str> =
        current.iter().copied().filter(|name| *name != ORPHAN && *name != FOREGROUND).collect();
    kept.extend(wanted);
    let same = kept.len() == current.len() && kept.iter().all(|name| current.contains(name));
    if same { current } else { kept }
}

/// The finalizer that the client's policy sets: `None` if it names no policy.
pub(super) fn asked(options: &DeleteOptions) -> Option<Option<&'static str>> {
    match (options.orphan_dependents, options.propagation) {
        (Some(true), _) | (None, Some(Propagation::Orphan)) => Some(Some(ORPHAN)),
        (None, Some(Propagation::Foreground)) => Some(Some(FOREGROUND)),
        (Some(false), _) | (None, Some(Propagation::Background)) => Some(None),
        (None, None) => None,
    }
}

/// Gives a namespace that is being marked the finalizer of the policy; the others stay.
pub(super) fn set_asked<'a>(object: &mut Value<'a>, options: &DeleteOptions, arena: &'a Bump) {
    let Some(wanted) = asked(options) else { return };
    let current: Vec<&str> = meta::finalizers(object).collect();
    let mut kept: Vec<&str> = current
        .iter()
        .copied()
        .filter(|name| (*name != ORPHAN && *name != FOREGROUND) || Some(*name) == wanted)
        .collect();
    if let Some(wanted) = wanted.filter(|wanted| !kept.contains(wanted)) {
        kept.push(wanted);
    }
    if kept != current {
        meta::set_finalizers(object, &kept, arena);
    }
}
