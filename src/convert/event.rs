//! Events in core/v1 and in events.k8s.io/v1: one stored object, two sets of names
//! (`pkg/apis/events/v1`, `Convert_v1_Event_To_core_Event`).

use super::move_member;
use crate::object::Map;

/// `(core, events.k8s.io)`.
const NAMES: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// Which way the names go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// To events.k8s.io.
    Out,
    /// To core.
    In,
}

/// To events.k8s.io.
pub(super) const OUT: Way = Way::Out;
/// To core.
pub(super) const IN: Way = Way::In;

/// Renames the members that differ.
pub(super) fn rename(map: &mut Map<'_>, way: Way) {
    for (core, events) in NAMES {
        match way {
            Way::Out => move_member(map, core, events),
            Way::In => move_member(map, events, core),
        }
    }
}
