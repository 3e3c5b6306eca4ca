//! What `/debug/api_priority_and_fairness/dump_*` show (`apf_controller_debug.go`): a row for each
//! level, queue or request, waiting or executing.

use super::Flow;
use super::width::Width;
use crate::base::{clock, timestamp};
use std::time::{Duration, Instant};

/// Which of the three is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dump {
    /// `dump_priority_levels`.
    Levels,
    /// `dump_queues`.
    Queues,
    /// `dump_requests`, with `includeRequestDetails` or not.
    Requests {
        /// Also who asks for what.
        details: bool,
    },
}

/// Rows of cells, sorted by level.
pub type Rows = Vec<Vec<String>>;

const LEVELS: [&str; 10] = [
    "PriorityLevelName",
    "ActiveQueues",
    "IsIdle",
    "IsQuiescing",
    "WaitingRequests",
    "ExecutingRequests",
    "DispatchedRequests",
    "RejectedRequests",
    "TimedoutRequests",
    "CancelledRequests",
];
const QUEUES: [&str; 9] = [
    "PriorityLevelName",
    "Index",
    "PendingRequests",
    "ExecutingRequests",
    "SeatsInUse",
    "NextDispatchR",
    "InitialSeatsSum",
    "MaxSeatsSum",
    "TotalWorkSum",
];
const REQUESTS: [&str; 10] = [
    "PriorityLevelName",
    "FlowSchemaName",
    "QueueIndex",
    "RequestIndexInQueue",
    "FlowDistingsher",
    "ArriveTime",
    "InitialSeats",
    "FinalSeats",
    "AdditionalLatency",
    "StartTime",
];
const DETAILS: [&str; 8] =
    ["UserName", "Verb", "APIPath", "Namespace", "Name", "APIVersion", "Resource", "SubResource"];
/// Cells are at least so wide, and one wider than their text.
const CELL_MIN: usize = 8;

impl Dump {
    /// The last part of the endpoint's path; `None` for one that is not there.
    #[must_use]
    pub fn of(name: &str, details: bool) -> Option<Self> {
        match name {
            "dump_priority_levels" => Some(Self::Levels),
            "dump_queues" => Some(Self::Queues),
            "dump_requests" => Some(Self::Requests { details }),
            _ => None,
        }
    }

    /// The text of what all shards have told. Levels are added up; queues are numbered through,
    /// those of the first shard first.
    #[must_use]
    pub fn text(self, shards: Vec<Rows>) -> String {
        let (mut rows, head): (Rows, Vec<&str>) = match self {
            Self::Levels => (added(shards), LEVELS.to_vec()),
            Self::Queues => (shards.into_iter().flatten().collect(), QUEUES.to_vec()),
            Self::Requests { details } => {
                let more: &[&str] = if details { &DETAILS } else { &[] };
                (shards.into_iter().flatten().collect(), [&REQUESTS[..], more].concat())
            }
        };
        // Stable: queues and requests stay in their order.
        rows.sort_by(|a, b| a.first().cmp(&b.first()));
        rows.insert(0, head.into_iter().map(str::to_owned).collect());
        table(&rows)
    }
}

/// The levels of several shards in one row each.
fn added(shards: Vec<Rows>) -> Rows {
    let mut sum: Rows = Vec::new();
    for row in shards.into_iter().flatten() {
        match sum.iter_mut().find(|known| known.first() == row.first()) {
            Some(known) => {
                for (known, more) in known.iter_mut().zip(row).skip(1) {
                    *known = match (known.parse::<u64>(), more.parse::<u64>()) {
                        (Ok(a), Ok(b)) => (a + b).to_string(),
                        // Idle if all are.
                        _ if more == "false" => more,
                        _ => continue,
                    };
                }
            }
            None => sum.push(row),
        }
    }
    sum
}

/// Cells end with a comma and are as wide as the widest of their column.
fn table(rows: &Rows) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| cell.chars().count() + 2).max().unwrap_or(0);
        widest.max(CELL_MIN)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        for (place, (cell, width)) in row.iter().zip(&widths).enumerate() {
            if place + 1 == row.len() {
                text.push_str(cell);
            } else {
                let cell = format!("{cell},");
                text.push_str(&format!("{cell:<width$}"));
            }
        }
        text.push('\n');
    }
    text
}

impl Flow {
    /// This shard's rows.
    #[must_use]
    pub fn dump(&self, what: Dump) -> Rows {
        match what {
            Dump::Levels => self.dump_levels(),
            Dump::Queues => self.dump_queues(),
            Dump::Requests { details } => self.dump_requests(details),
        }
    }

    fn dump_levels(&self) -> Rows {
        let plan = self.inner.plan.borrow();
        let row = |name: &str, level: &super::level::Level| {
            let queues = level.queues();
            let active = queues.states().filter(|queue| queue.waiting > 0).count();
            let (waiting, executing) = queues.counts();
            let schemas = plan.schemas.iter().filter(|schema| *schema.level == *name);
            let (mut dispatched, mut refused) = (0, [0; 4]);
            for schema in schemas {
                dispatched += schema.counts.dispatched.get();
                for (sum, count) in refused.iter_mut().zip(&schema.counts.rejected) {
                    *sum += count.get();
                }
            }
            let [cancelled, limited, full, timed_out] = refused;
            let idle = waiting + executing == 0;
            let numbers = [dispatched, limited + full, timed_out, cancelled];
            let mut row =
                vec![name.to_string(), active.to_string(), idle.to_string(), "false".to_owned()];
            row.extend([waiting, executing].map(|count| count.to_string()));
            row.extend(numbers.map(|count| count.to_string()));
            row
        };
        plan.levels.iter().map(|(name, level)| row(name, level)).collect()
    }

    fn dump_queues(&self) -> Rows {
        let plan = self.inner.plan.borrow();
        let mut rows = Vec::new();
        for (name, level) in &plan.levels {
            let queues = level.queues();
            let first = self.first_queue(queues.states().count());
            for (index, queue) in queues.states().enumerate() {
                rows.push(vec![
                    name.to_string(),
                    (first + index).to_string(),
                    queue.waiting.to_string(),
                    queue.executing.to_string(),
                    queue.seats.to_string(),
                    queue.next,
                    queue.initial.to_string(),
                    queue.most.to_string(),
                    queue.work,
                ]);
            }
        }
        rows
    }

    /// The number of this shard's first queue of a level that has so many on each shard.
    fn first_queue(&self, queues: usize) -> usize {
        self.inner.seats.shard * queues
    }

    fn dump_requests(&self, details: bool) -> Rows {
        let plan = self.inner.plan.borrow();
        let clocks = (clock::now(), clock::unix_time());
        let mut rows = Vec::new();
        for (name, level) in &plan.levels {
            let queues = level.queues();
            let first = self.first_queue(queues.states().count());
            for request in queues.waiting_requests() {
                let texts: Vec<&str> = request.about.texts.iter().map(String::as_str).collect();
                let came = timestamp::rfc3339_micros(request.arrived_micros);
                let place = ((first + request.queue).to_string(), request.place.to_string());
                // It has not started: the zero of Go's time.
                let times = (came, "0001-01-01T00:00:00Z".to_owned());
                rows.push(request_row(name, place, times, request.width, (&texts, details)));
            }
            for request in level.executing().all() {
                let number = |queue: usize| (first + queue).to_string();
                let place = (request.queue.map_or("-1".to_owned(), number), "-1".to_owned());
                let times = (unix(request.came, clocks), unix(request.started, clocks));
                let texts = (&*request.texts, details);
                rows.push(request_row(name, place, times, request.width, texts));
            }
        }
        rows
    }
}

/// A moment of this process, as text; by one look at both clocks.
fn unix(moment: Instant, (now, wall): (Instant, Duration)) -> String {
    let micros = wall.saturating_sub(now.saturating_duration_since(moment)).as_micros();
    timestamp::rfc3339_micros(i64::try_from(micros).unwrap_or(i64::MAX))
}

fn request_row(
    level: &str,
    (queue, place): (String, String),
    (came, started): (String, String),
    width: Width,
    (texts, details): (&[&str], bool),
) -> Vec<String> {
    let [schema, distinguisher, user, verb, path, namespace, name, group, version, more @ ..] =
        texts
    else {
        return vec![level.to_owned()];
    };
    let additional = match width.additional.as_millis() {
        0 => "0s".to_owned(),
        millis => format!("{millis}ms"),
    };
    let mut row = vec![
        level.to_owned(),
        (*schema).to_owned(),
        queue,
        place,
        (*distinguisher).to_owned(),
        came,
        width.initial.to_string(),
        width.last.to_string(),
        additional,
        started,
    ];
    if details {
        row.extend([user, verb, path, namespace, name].map(|text| (*text).to_owned()));
        row.push(match *group {
            "" => (*version).to_owned(),
            group => format!("{group}/{version}"),
        });
        row.extend(more.iter().map(|text| (*text).to_owned()));
    }
    row
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::flow::Seats;

    #[test]
    fn levels_of_all_shards_are_added_up_and_cells_line_up() {
        let row = |cells: [&str; 10]| cells.map(str::to_owned).to_vec();
        let one = row(["system", "1", "false", "false", "3", "2", "100", "0", "0", "0"]);
        let other = row(["system", "0", "true", "false", "0", "0", "20", "1", "0", "0"]);
        let exempt = row(["exempt", "0", "true", "false", "0", "0", "7", "0", "0", "0"]);
        let text = Dump::Levels.text(vec![vec![one, exempt], vec![other]]);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines[0],
            "PriorityLevelName, ActiveQueues, IsIdle, IsQuiescing, WaitingRequests, \
             ExecutingRequests, DispatchedRequests, RejectedRequests, TimedoutRequests, \
             CancelledRequests"
        );
        assert!(lines[1].starts_with("exempt,            0,            true,   false,"));
        let cells: Vec<&str> = lines[2].split(',').map(str::trim).collect();
        assert_eq!(cells, ["system", "1", "false", "false", "3", "2", "120", "1", "0", "0"]);
    }

    #[test]
    fn queues_of_the_second_shard_are_numbered_after_those_of_the_first() {
        let flow = Flow::with_bootstrap(Seats { process: 600, shard: 1, shards: 2 });
        let rows = flow.dump(Dump::Queues);
        let system = rows.iter().find(|row| row[0] == "system").unwrap();
        assert_eq!(system[1..6], ["64", "0", "0", "0", "0.00000000ss"]);
        assert_eq!(flow.dump(Dump::Requests { details: true }), Rows::new());
    }
}
