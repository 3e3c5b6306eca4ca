//! Joins the admission chain to the registry.

use crate::admission::Chain;
use crate::object::Value;
use crate::registry::Admit;
use crate::request::{Attributes, Result};
use bumpalo::Bump;

/// The chain, as the registry calls it.
#[derive(Debug, Clone)]
pub struct Admission(pub Chain);

impl Admit for Admission {
    async fn mutate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<()> {
        self.0.mutate(at, object, old, arena).await
    }

    async fn validate(
        &self,
        at: &Attributes<'_>,
        object: &Value<'_>,
        old: Option<&Value<'_>>,
    ) -> Result<()> {
        self.0.validate(at, object, old).await
    }
}
