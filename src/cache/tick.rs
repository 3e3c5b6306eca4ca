//! What a shard does by the clock: timeouts, bookmarks, deadlines, forgetting what is old.

use crate::base::limits::{
    BOOKMARK_BEFORE_DEADLINE_SECONDS, BOOKMARK_SECONDS, ENCODED_BYTES_MAX, ENCODED_SWEEP_ENTRIES,
    WATCHER_QUEUE_MAX,
};
use crate::cache::entry::encoded_bytes;
use crate::cache::shard::{Due, Shard};
use crate::cache::watcher::{WatchCell, WatchEnd};
use std::cmp::Reverse;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

const BOOKMARK: Duration = Duration::from_secs(BOOKMARK_SECONDS);
const BEFORE_DEADLINE: Duration = Duration::from_secs(BOOKMARK_BEFORE_DEADLINE_SECONDS);

/// The shard's work for one tick.
pub(super) fn tick(shard: &Shard, now: Instant) {
    let second_began = now.saturating_duration_since(shard.trimmed.get()) >= Duration::from_secs(1);
    shard.now.set(now);
    shard.expire_parked();
    look_at_watchers(shard, now);
    if second_began {
        shard.trimmed.set(now);
        let mut state = shard.state.borrow_mut();
        let (applied, compacted) = (state.applied, shard.compacted.load(Ordering::Acquire));
        state.resources_mut().for_each(|held| held.window.trim(now, applied, compacted));
    }
    if encoded_bytes() > ENCODED_BYTES_MAX / 8 * 7 {
        sweep_encodings(shard);
    }
}

/// When the shard must look at a watcher: for the next bookmark or its end, and often enough that
/// watchers that are long gone do not pile up.
pub(super) fn due(watcher: &Rc<WatchCell>, now: Instant) -> Reverse<Due> {
    let times = [watcher.bookmark_at.get(), watcher.deadline];
    let at = times.into_iter().flatten().min().unwrap_or(now + BOOKMARK);
    Reverse(Due { at: at.min(now + BOOKMARK), watcher: Rc::clone(watcher) })
}

/// When a watcher that starts now gets its first bookmark.
pub(super) fn next_bookmark(now: Instant, deadline: Option<Instant>) -> Instant {
    let next = now + BOOKMARK;
    match deadline.and_then(|deadline| deadline.checked_sub(BEFORE_DEADLINE)) {
        // The last one comes shortly before the end, so that the client resumes from there.
        Some(last) if now < last => next.min(last),
        Some(_) => now + BOOKMARK + BOOKMARK,
        None => next,
    }
}

fn look_at_watchers(shard: &Shard, now: Instant) {
    let mut state = shard.state.borrow_mut();
    while state.due.peek().is_some_and(|Reverse(due)| due.at <= now) {
        let Some(Reverse(Due { watcher, .. })) = state.due.pop() else { return };
        if watcher.is_closed() {
            continue;
        }
        if watcher.deadline.is_some_and(|deadline| deadline <= now) {
            watcher.end(WatchEnd::Deadline);
            continue;
        }
        if watcher.bookmark_at.get().is_some_and(|at| at <= now) {
            watcher.push_bookmark(state.applied, WATCHER_QUEUE_MAX);
            watcher.bookmark_at.set(Some(next_bookmark(now, watcher.deadline)));
        }
        let next = due(&watcher, now);
        state.due.push(next);
    }
}

/// Drops encodings that nobody asked for lately, a part of the entries at a time.
fn sweep_encodings(shard: &Shard) {
    let mut state = shard.state.borrow_mut();
    let (mut number, mut place) = state.sweep;
    let count = state.resources().count();
    let mut left = ENCODED_SWEEP_ENTRIES;
    // Each resource at most once a tick.
    for _ in 0..=count {
        let Some(resource) = state.resources().nth(number) else {
            (number, place) = (0, 0);
            continue;
        };
        let (entries, next) = resource.table.sweep(place, left);
        left -= entries.map(crate::cache::Entry::cool).count();
        place = next;
        if next == 0 {
            number += 1;
        }
        if left == 0 {
            break;
        }
    }
    state.sweep = (number, place);
}

/// Ends all watches, so that their clients turn to another server.
pub(super) fn end_watches(shard: &Shard) {
    let state = shard.state.borrow();
    for resource in state.resources() {
        for watcher in resource.groups.watchers() {
            watcher.end(WatchEnd::Shutdown);
        }
    }
    for Reverse(due) in &state.due {
        due.watcher.end(WatchEnd::Shutdown);
    }
}
