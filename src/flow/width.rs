//! How many seats a request takes, and for how long after its answer (`flowcontrol/request`).

use crate::request::{Query, RequestInfo, Verb};
use std::time::Duration;

/// Lists and writes take no more seats than this, whatever the level allows.
const LIST_SEATS_MAX: usize = 100;
const WRITE_SEATS_MAX: usize = 10;
/// One seat for so many bytes of a list that are in memory at once; streams have no more of them.
const SEAT_BYTES: u64 = 100_000;
const STREAM_BYTES_MAX: u64 = 1_000_000;
/// One seat for so many watchers that are told of a write, for so long each.
const SEAT_WATCHERS: usize = 10;
const EVENT: Duration = Duration::from_millis(5);

/// The work of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Width {
    /// Seats while it is served.
    pub initial: usize,
    /// Seats after that.
    pub last: usize,
    /// For how long.
    pub additional: Duration,
}

impl Width {
    /// The narrowest.
    pub const ONE: Self = Self { initial: 1, last: 0, additional: Duration::ZERO };

    /// The most seats that it takes at once.
    pub(super) fn seats_max(self) -> usize {
        self.initial.max(self.last)
    }
}

/// What is known of the resource of a request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Known {
    /// Objects of the resource.
    pub objects: usize,
    /// Their mean size.
    pub object_bytes: usize,
    /// Watchers of the resource.
    pub watchers: usize,
}

/// Estimates a request. `seats_max` is what its level lets one request take.
pub(super) fn estimate(
    info: &RequestInfo<'_>,
    query: Query<'_>,
    known: impl FnOnce() -> Known,
    seats_max: usize,
) -> Width {
    if !info.is_resource {
        return Width::ONE;
    }
    match info.verb {
        Verb::List => list(info, query, known(), seats_max),
        Verb::Watch if wants_state(query) => list(info, query, known(), seats_max),
        Verb::Create | Verb::Update | Verb::Patch | Verb::Delete => {
            if info.resource == "serviceaccounts" && info.subresource == "token" {
                return Width::ONE;
            }
            write(known().watchers, seats_max)
        }
        _ => Width::ONE,
    }
}

/// A watch that begins with the state that is there.
fn wants_state(query: Query<'_>) -> bool {
    let version = query.text("resourceVersion");
    query.flag("sendInitialEvents") == Some(true) || version.is_empty() || version == "0"
}

fn list(info: &RequestInfo<'_>, query: Query<'_>, known: Known, seats_max: usize) -> Width {
    let limit = query.int("limit").ok().flatten().and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let objects = if info.name.is_empty() { known.objects.min(limit) } else { 1 };
    let bytes = (objects as u64).saturating_mul(known.object_bytes as u64).min(STREAM_BYTES_MAX);
    let seats = usize::try_from(bytes.div_ceil(SEAT_BYTES)).unwrap_or(usize::MAX);
    Width { initial: seats.clamp(1, seats_max.clamp(1, LIST_SEATS_MAX)), ..Width::ONE }
}

fn write(watchers: usize, seats_max: usize) -> Width {
    if watchers < SEAT_WATCHERS {
        return Width::ONE;
    }
    let wanted = watchers.div_ceil(SEAT_WATCHERS);
    let last = wanted.min(seats_max.clamp(1, WRITE_SEATS_MAX));
    // The same work in fewer seats takes longer.
    let additional = EVENT.mul_f64(wanted as f64 / last as f64);
    Width { initial: 1, last, additional }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(method: &str, path: &str, query: &str, known: Known) -> Width {
        let query = Query::new(query);
        let info = RequestInfo::parse(method, path, &query).unwrap();
        estimate(&info, query, || known, 10)
    }

    #[test]
    fn lists_take_seats_by_their_size() {
        let known = Known { objects: 500, object_bytes: 1_000, watchers: 0 };
        let pods = "/api/v1/pods";
        assert_eq!(of("GET", pods, "", known).initial, 5);
        assert_eq!(of("GET", pods, "limit=100", known).initial, 1);
        assert_eq!(of("GET", pods, "", Known { objects: 100_000, ..known }).initial, 10);
        assert_eq!(of("GET", pods, "fieldSelector=metadata.name%3Dx", known).initial, 1);
        assert_eq!(of("GET", pods, "watch=1&resourceVersion=7", known), Width::ONE);
        assert_eq!(of("GET", pods, "watch=1", known).initial, 5);
    }

    #[test]
    fn writes_take_seats_for_their_watchers_afterwards() {
        let pod = "/api/v1/namespaces/a/pods/p";
        let known = |watchers| Known { watchers, ..Known::default() };
        assert_eq!(of("PUT", pod, "", known(9)), Width::ONE);
        let width = of("PUT", pod, "", known(45));
        assert_eq!((width.initial, width.last, width.additional), (1, 5, EVENT));
        let width = of("PUT", pod, "", known(200));
        assert_eq!((width.last, width.additional), (10, EVENT * 2));
        assert_eq!(of("GET", pod, "", known(200)), Width::ONE);
    }
}
