//! The admission chain: plugins in kube-apiserver's order, first those that change objects, then
//! those that only look (features.md section 6).
//!
//! A plugin is a file with the functions `admit` (may change the object) and `validate`; what a
//! plugin needs of other objects it reads through [`Reader`].

mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod namespace_lifecycle;
mod persistent_volume_claim_resize;
mod priority;
mod reader;
mod service_account;
mod storage_object_in_use_protection;
mod taint_nodes_by_condition;

pub use reader::Reader;

use crate::object::Value;
use crate::request::{Attributes, Result};
use bumpalo::Bump;

/// The chain of one shard.
#[derive(Debug, Clone)]
pub struct Chain {
    reader: Reader,
}

impl Chain {
    /// A chain that reads other objects through `reader`.
    pub const fn new(reader: Reader) -> Self {
        Self { reader }
    }

    /// Runs the plugins that may change `object`, in order; `old` is the state before an update
    /// or delete.
    ///
    /// # Errors
    /// The first plugin's refusal.
    pub async fn mutate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<()> {
        let reader = &self.reader;
        namespace_lifecycle::admit(at, reader).await?;
        service_account::admit(at, object, reader, arena).await?;
        taint_nodes_by_condition::admit(at, object, arena);
        priority::admit(at, object, old, reader, arena).await?;
        default_toleration_seconds::admit(at, object, arena);
        default_storage_class::admit(at, object, reader, arena).await?;
        storage_object_in_use_protection::admit(at, object, arena);
        default_ingress_class::admit(at, object, reader, arena).await
    }

    /// Runs the plugins that judge the final object.
    ///
    /// # Errors
    /// The first plugin's refusal.
    pub async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()> {
        service_account::validate(at, object, &self.reader).await?;
        priority::validate(at, object, old, &self.reader).await?;
        persistent_volume_claim_resize::validate(at, object, old, &self.reader).await
    }
}
