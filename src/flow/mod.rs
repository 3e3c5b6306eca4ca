//! Whose turn it is: API Priority and Fairness (features.md section 7).
//!
//! Every request is classified by the first flow schema that matches it, and so belongs to a
//! priority level. A level has seats; what finds none waits in the queues of its level, where the
//! flows of a schema take turns, or is refused. Each shard compiles schemas and levels for itself
//! from its cache's event stream, and deals its own part of the server's seats.

pub mod bootstrap;
mod demand;
mod dropped;
mod dump;
mod figures;
mod level;
mod plan;
mod queue;
mod register;
mod rule;
mod share;
mod width;

pub use dump::{Dump, Rows};
pub use level::{Refused, Seat, Seats};
pub use plan::Schema;
pub use rule::Digest;
pub use width::{Known, Width};

use crate::base::hash::HashMap;
use crate::cache::{Cache, Entry, Mirror};
use crate::catalog::catalog;
use crate::http::HeaderValue;
use crate::request::{Query, Verb};
use crate::rt;
use bumpalo::Bump;
use futures_lite::FutureExt as _;
use level::{Counts, Level};
use plan::{Distinguisher, LevelSpec, Schemas, imagine_level, imagine_schema};
use queue::About;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// How often seats are lent and given back (`borrowingAdjustmentPeriod`).
const ADJUSTMENT: Duration = Duration::from_secs(10);

/// The flow control of one shard; clones share it.
#[derive(Debug, Clone)]
pub struct Flow {
    inner: Rc<Inner>,
}

#[derive(Debug)]
struct Inner {
    seats: Seats,
    plan: RefCell<Plan>,
    /// By schema; it outlives changes of the schema.
    counts: RefCell<HashMap<Box<str>, Rc<Counts>>>,
    fair_part: Cell<f64>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Debug, Default)]
struct Plan {
    schemas: Schemas,
    levels: BTreeMap<Box<str>, Rc<Level>>,
}

/// What a request was found to be.
#[derive(Debug, Clone)]
pub struct Class {
    schema: Rc<Schema>,
    level: Rc<Level>,
}

impl Class {
    /// The uid of the flow schema, for the response header.
    pub fn schema_uid(&self) -> &HeaderValue {
        &self.schema.uid
    }

    /// The uid of the priority level, for the response header.
    pub fn level_uid(&self) -> HeaderValue {
        self.level.uid()
    }

    /// By what the request is told apart from others of its schema: whose turns are dealt fairly
    /// (`computeFlowDistinguisher`).
    fn distinguisher<'r>(&self, digest: Digest<'r>) -> &'r str {
        match self.schema.by {
            Distinguisher::Namespace => digest.info.namespace,
            Distinguisher::Nothing => "",
            Distinguisher::User => &digest.user.name,
        }
    }
}

impl Flow {
    /// Deals this shard's part of `seats` to the mandatory levels, until the stored ones are read.
    pub fn new(seats: Seats) -> Self {
        Self::of(seats, Vec::new(), Vec::new())
    }

    /// Knows all objects that come with the server, as if they were stored.
    pub fn with_bootstrap(seats: Seats) -> Self {
        let schemas = bootstrap::schemas().into_iter().map(|schema| imagine_schema(schema.name));
        let levels = bootstrap::levels().into_iter();
        let levels = levels.filter_map(|level| imagine_level(level.name));
        Self::of(seats, schemas.collect(), levels.collect())
    }

    fn of(seats: Seats, schemas: Vec<Schema>, levels: Vec<LevelSpec>) -> Self {
        let flow = Self {
            inner: Rc::new(Inner {
                seats: Seats {
                    process: seats.process.max(1),
                    shards: seats.shards.max(1),
                    ..seats
                },
                plan: RefCell::default(),
                counts: RefCell::default(),
                fair_part: Cell::new(0.0),
                hasher: foldhash::fast::RandomState::default(),
            }),
        };
        flow.inner.adopt(schemas, levels);
        flow
    }

    /// The class of a request; `None` only if nothing can be known of any.
    /// HOT: benches/flow.rs `classify`.
    pub fn classify(&self, digest: Digest<'_>) -> Option<Class> {
        let plan = self.inner.plan.borrow();
        let schema = plan.schemas.find(digest)?;
        let level = plan.levels.get(&schema.level)?;
        Some(Class { schema: Rc::clone(schema), level: Rc::clone(level) })
    }

    /// Waits for the seats of a request, at most for `wait`. `known` tells what is known of its
    /// resource.
    ///
    /// # Errors
    /// The request must be refused with 429.
    pub async fn enter(
        &self,
        class: &Class,
        digest: Digest<'_>,
        query: Query<'_>,
        known: impl FnOnce() -> Known,
        wait: Duration,
    ) -> Result<Seat, Refused> {
        let (level, counts) = (&class.level, &class.schema.counts);
        let flow = (&*class.schema.name, class.distinguisher(digest));
        let mut seat = if level.is_exempt() {
            level.enter(counts, 0, Width::ONE, (wait, About::default)).await?
        } else {
            let width = width::estimate(digest.info, query, known, level.seats_max());
            let hash = self.inner.hasher.hash_one(flow);
            level.enter(counts, hash, width, (wait, || about(flow, digest))).await?
        };
        seat.note(digest.info.verb == Verb::Watch, &texts(flow, digest));
        Ok(seat)
    }

    /// Follows the stored objects for as long as the shard runs.
    pub async fn follow(self, cache: Cache) {
        let mirror = |resource| Some(cache.mirror(catalog().storage(resource)?));
        let (Some(mut schemas), Some(mut levels)) =
            (mirror("flowschemas"), mirror("prioritylevelconfigurations"))
        else {
            return;
        };
        schemas.changed().await;
        levels.changed().await;
        loop {
            self.inner.adopt(read_schemas(&schemas), read_levels(&levels));
            schemas.changed().or(levels.changed()).await;
        }
    }

    /// Lends seats to levels that want them, for as long as the shard runs.
    pub async fn adjust(self) {
        loop {
            rt::sleep(ADJUSTMENT).await;
            self.inner.lend();
        }
    }
}

impl Inner {
    /// Takes on a configuration; levels that stay keep their queues.
    fn adopt(&self, mut schemas: Vec<Schema>, specs: Vec<LevelSpec>) {
        let mut specs: BTreeMap<Box<str>, LevelSpec> =
            specs.into_iter().map(|spec| (spec.name.clone(), spec)).collect();
        for name in [bootstrap::EXEMPT, bootstrap::CATCH_ALL] {
            if !specs.contains_key(name)
                && let Some(spec) = imagine_level(name)
            {
                specs.insert(spec.name.clone(), spec);
            }
        }
        for schema in &mut schemas {
            schema.counts = self.counts_of(&schema.name);
        }
        let shares: u64 = specs.values().map(|spec| u64::from(spec.shares)).sum();
        let mut plan = self.plan.borrow_mut();
        let mut levels = BTreeMap::new();
        for (name, spec) in specs {
            let known = plan.levels.get(&name).cloned();
            let level = match &known {
                Some(level) => {
                    if *level.spec.borrow() != spec {
                        level.configure(spec);
                    }
                    Rc::clone(level)
                }
                None => Rc::new(Level::new(spec)),
            };
            level.set_share(self.seats, shares, known.is_none());
            levels.insert(name, level);
        }
        plan.schemas = Schemas::order(schemas, |level| levels.contains_key(level));
        plan.levels = levels;
        drop(plan);
        self.lend();
    }

    fn counts_of(&self, schema: &str) -> Rc<Counts> {
        let mut counts = self.counts.borrow_mut();
        Rc::clone(counts.entry(schema.into()).or_default())
    }

    /// Deals the seats anew by what the levels want (`updateBorrowingLocked`).
    fn lend(&self) {
        let plan = self.plan.borrow();
        let (mut left, mut limited, mut wants) = (0.0, Vec::new(), Vec::new());
        for level in plan.levels.values() {
            left += level.nominal.get() as f64;
            let want = level.want();
            if level.spec.borrow().exempt {
                left -= want.least;
            } else {
                limited.push(level);
                wants.push(want);
            }
        }
        let least: f64 = limited.iter().map(|level| level.least.get() as f64).sum();
        let wanted: f64 = wants.iter().map(|want| want.least).sum();
        let (mut shares, mut fair_part) = (Vec::new(), 0.0);
        if left <= least {
            shares.extend(limited.iter().map(|level| level.least.get() as f64));
        } else if left <= wanted {
            let part = (left - least) / (wanted - least);
            shares.extend(limited.iter().zip(&wants).map(|(level, want)| {
                let own = level.least.get() as f64;
                own + ((want.least - own) * part).round()
            }));
        } else {
            (shares, fair_part) = share::deal(left, &wants);
        }
        self.fair_part.set(fair_part);
        for (level, share) in limited.into_iter().zip(shares) {
            let least = usize::from(level.nominal.get() > 0);
            level.set_limit((share.round() as usize).max(least));
        }
    }
}

/// What is shown of a request: flow schema, distinguisher, user, verb, path, namespace, name,
/// group, version, resource, subresource.
fn texts<'r>(flow: (&'r str, &'r str), digest: Digest<'r>) -> [&'r str; 11] {
    let ((schema, distinguisher), info) = (flow, digest.info);
    [
        schema,
        distinguisher,
        &digest.user.name,
        digest.verb,
        info.path,
        info.namespace,
        &info.name,
        info.group,
        info.version,
        info.resource,
        info.subresource,
    ]
}

/// The same of a request that waits.
fn about(flow: (&str, &str), digest: Digest<'_>) -> About {
    About { texts: texts(flow, digest).map(str::to_owned).into() }
}

fn read_schemas(mirror: &Mirror) -> Vec<Schema> {
    let read = |entry: &Arc<Entry>| {
        let arena = Bump::new();
        Some(Schema::compile(&entry.object(&arena).ok()?))
    };
    mirror.entries().filter_map(read).collect()
}

fn read_levels(mirror: &Mirror) -> Vec<LevelSpec> {
    let read = |entry: &Arc<Entry>| {
        let arena = Bump::new();
        LevelSpec::read(&entry.object(&arena).ok()?)
    };
    mirror.entries().filter_map(read).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{RequestInfo, User};

    const WAIT: Duration = Duration::from_millis(20);

    fn seats(process: usize) -> Seats {
        Seats { process, shard: 0, shards: 1 }
    }

    async fn enter(flow: &Flow, user: &str, groups: &[&str]) -> Result<Seat, Refused> {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let user = User { name: user.into(), groups, ..User::default() };
        let info = RequestInfo::parse("GET", "/api/v1/pods/x", &Query::new("")).unwrap();
        let digest = Digest { user: &user, info: &info, verb: "get" };
        let class = flow.classify(digest).unwrap();
        flow.enter(&class, digest, Query::new(""), Known::default, WAIT).await
    }

    #[test]
    fn a_level_that_is_full_refuses_and_the_exempt_one_does_not() {
        rt::block_on(async {
            // Without a stored level everybody is in the one that refuses at once.
            let flow = Flow::new(seats(2));
            let seats = [enter(&flow, "a", &[]).await, enter(&flow, "b", &[]).await];
            assert!(seats.iter().all(Result::is_ok));
            assert_eq!(enter(&flow, "c", &[]).await.unwrap_err().retry_seconds, 1);
            assert!(enter(&flow, "root", &["system:masters"]).await.is_ok());
            drop(seats);
            assert!(enter(&flow, "c", &[]).await.is_ok());
        });
    }

    #[test]
    fn who_waits_gets_the_seat_that_becomes_free_or_is_refused_in_the_end() {
        rt::block_on(async {
            let flow = Flow::with_bootstrap(seats(8));
            let groups = ["system:authenticated"];
            let mut seats = Vec::new();
            while let Ok(seat) = enter(&flow, "a", &groups).await {
                seats.push(seat);
                assert!(seats.len() <= 8, "no more than there are");
            }
            assert!(!seats.is_empty());
            let waiting = flow.clone();
            let (done_tx, done) = async_channel::bounded(1);
            rt::spawn(async move {
                let seated = enter(&waiting, "b", &["system:authenticated"]).await.is_ok();
                done_tx.send(seated).await.ok();
            });
            rt::sleep(Duration::from_millis(5)).await;
            seats.pop();
            assert_eq!(done.recv().await, Ok(true));
        });
    }

    #[test]
    fn the_parts_of_all_shards_add_up_and_no_level_is_without_a_seat() {
        for shards in [1, 2, 3, 64] {
            let flows = (0..shards).map(|shard| {
                let all = Seats { process: 600, shard, shards };
                Flow::with_bootstrap(all)
            });
            let nominal = flows.map(|flow| {
                let plan = flow.inner.plan.borrow();
                let levels = plan.levels.values().filter(|level| !level.is_exempt());
                assert!(levels.clone().all(|level| level.limit() > 0), "{shards} shards");
                plan.levels.get("system").map_or(0, |level| level.nominal.get())
            });
            assert_eq!(nominal.sum::<usize>(), 74, "{shards} shards");
        }
    }

    #[test]
    fn seats_that_nobody_wants_are_lent() {
        let flow = Flow::with_bootstrap(seats(600));
        let plan = flow.inner.plan.borrow();
        let limit = |name: &str| plan.levels.get(name).map_or(0, |level| level.limit());
        let nominal = |name: &str| plan.levels.get(name).map_or(0, |level| level.nominal.get());
        assert_eq!(
            (nominal("workload-low"), nominal("system"), nominal("catch-all")),
            (245, 74, 13)
        );
        let total: usize = plan.levels.values().map(|level| level.limit()).sum();
        assert!((595..=620).contains(&total), "{total}");
        assert!(limit("catch-all") >= 13);
    }
}
