//! Whose turn it is: API Priority and Fairness (features.md section 7).
//!
//! Every request is classified by the first flow schema that matches it, and so belongs to a
//! priority level. Each shard compiles schemas and levels for itself from its cache's event stream.

pub mod bootstrap;
mod plan;
mod rule;

pub use plan::Schema;
pub use rule::Digest;

use crate::cache::{Cache, Mirror};
use crate::catalog::catalog;
use crate::http::HeaderValue;
use bumpalo::Bump;
use futures_lite::FutureExt as _;
use plan::{Distinguisher, LevelSpec, Schemas, imagine_level, imagine_schema};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// The flow control of one shard; clones share it.
#[derive(Debug, Clone)]
pub struct Flow {
    plan: Rc<RefCell<Rc<Plan>>>,
}

#[derive(Debug)]
struct Plan {
    schemas: Schemas,
    levels: BTreeMap<Box<str>, Rc<LevelSpec>>,
}

/// What a request was found to be.
#[derive(Debug, Clone)]
pub struct Class {
    schema: Rc<Schema>,
    level: Rc<LevelSpec>,
}

impl Class {
    /// The uid of the flow schema, for the response header.
    pub fn schema_uid(&self) -> &HeaderValue {
        &self.schema.uid
    }

    /// By what the request is told apart from others of its schema: whose turns are dealt fairly
    /// (`computeFlowDistinguisher`).
    pub fn distinguisher<'r>(&self, digest: Digest<'r>) -> &'r str {
        match self.schema.by {
            Distinguisher::Namespace => digest.info.namespace,
            Distinguisher::Nothing => "",
            Distinguisher::User => &digest.user.name,
        }
    }

    /// The uid of the priority level, for the response header.
    pub fn level_uid(&self) -> &HeaderValue {
        &self.level.uid
    }
}

impl Default for Flow {
    /// Knows the mandatory objects until it has read the stored ones.
    fn default() -> Self {
        Self { plan: Rc::new(RefCell::new(Rc::new(Plan::new(Vec::new(), Vec::new())))) }
    }
}

impl Flow {
    /// The class of a request; `None` only if nothing can be known of any.
    /// HOT: benches/flow.rs `classify`.
    pub fn classify(&self, digest: Digest<'_>) -> Option<Class> {
        let plan = self.plan.borrow();
        let schema = plan.schemas.find(digest)?;
        let level = plan.levels.get(&schema.level)?;
        Some(Class { schema: Rc::clone(schema), level: Rc::clone(level) })
    }

    /// Knows all objects that come with the server, as if they were stored.
    pub fn with_bootstrap() -> Self {
        let schemas = bootstrap::schemas().into_iter().map(|schema| imagine_schema(schema.name));
        let levels = bootstrap::levels().into_iter();
        let levels = levels.filter_map(|level| imagine_level(level.name));
        let plan = Plan::new(schemas.collect(), levels.collect());
        Self { plan: Rc::new(RefCell::new(Rc::new(plan))) }
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
            let plan = Plan::new(read_schemas(&schemas), read_levels(&levels));
            *self.plan.borrow_mut() = Rc::new(plan);
            schemas.changed().or(levels.changed()).await;
        }
    }
}

impl Plan {
    fn new(schemas: Vec<Schema>, levels: Vec<LevelSpec>) -> Self {
        let mut by_name: BTreeMap<Box<str>, Rc<LevelSpec>> =
            levels.into_iter().map(|level| (level.name.clone(), Rc::new(level))).collect();
        for name in [bootstrap::EXEMPT, bootstrap::CATCH_ALL] {
            if !by_name.contains_key(name)
                && let Some(level) = imagine_level(name)
            {
                by_name.insert(level.name.clone(), Rc::new(level));
            }
        }
        let schemas = Schemas::order(schemas, |level| by_name.contains_key(level));
        Self { schemas, levels: by_name }
    }
}

fn read_schemas(mirror: &Mirror) -> Vec<Schema> {
    let read = |entry: &std::sync::Arc<crate::cache::Entry>| {
        let arena = Bump::new();
        Some(Schema::compile(&entry.object(&arena).ok()?))
    };
    mirror.entries().filter_map(read).collect()
}

fn read_levels(mirror: &Mirror) -> Vec<LevelSpec> {
    let read = |entry: &std::sync::Arc<crate::cache::Entry>| {
        let arena = Bump::new();
        LevelSpec::read(&entry.object(&arena).ok()?)
    };
    mirror.entries().filter_map(read).collect()
}
