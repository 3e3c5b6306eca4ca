//! The requests of a level that execute, for those who look at them. Places are used again with the
//! memory of their texts, so a request that comes and goes allocates nothing.

use super::queue::Held;
use super::width::Width;
use std::time::Instant;

/// Stands between the texts of one request.
const SEPARATOR: char = '\u{1f}';

/// One request.
#[derive(Debug)]
struct Place {
    /// `None` for a place that is free.
    held: Option<Held>,
    came: Instant,
    texts: String,
}

/// Requests by place; there are no more than requests in flight.
#[derive(Debug, Default)]
pub(super) struct Register {
    places: Vec<Place>,
    free: Vec<usize>,
}

/// One request, to be shown.
#[derive(Debug)]
pub(super) struct Executing<'r> {
    pub(super) queue: Option<usize>,
    pub(super) came: Instant,
    pub(super) started: Instant,
    pub(super) width: Width,
    /// Flow schema, what the flow is told apart by, and the details as of those that wait.
    pub(super) texts: Vec<&'r str>,
}

impl Register {
    /// Notes a request; answers its place.
    pub(super) fn enter(&mut self, held: Held, came: Instant, texts: &[&str]) -> usize {
        let at = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place { held: None, came, texts: String::new() });
            self.places.len() - 1
        });
        if let Some(place) = self.places.get_mut(at) {
            (place.held, place.came) = (Some(held), came);
            for (number, text) in texts.iter().enumerate() {
                if number > 0 {
                    place.texts.push(SEPARATOR);
                }
                place.texts.push_str(text);
            }
        }
        at
    }

    /// Forgets the request at a place.
    pub(super) fn leave(&mut self, at: usize) {
        if let Some(place) = self.places.get_mut(at) {
            place.held = None;
            place.texts.clear();
            self.free.push(at);
        }
    }

    /// All of them, those that came first first.
    pub(super) fn all(&self) -> Vec<Executing<'_>> {
        let mut all: Vec<_> = self.places.iter().filter_map(Place::shown).collect();
        all.sort_by_key(|request| request.came);
        all
    }
}

impl Place {
    fn shown(&self) -> Option<Executing<'_>> {
        let held = self.held?;
        Some(Executing {
            queue: held.queue,
            came: self.came,
            started: held.started,
            width: held.width,
            texts: self.texts.split(SEPARATOR).collect(),
        })
    }
}
