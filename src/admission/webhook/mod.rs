//! MutatingAdmissionWebhook and ValidatingAdmissionWebhook: other servers that have a say in writes
//! (features.md section 6.9, `k8s.io/apiserver/pkg/admission/plugin/webhook`).
//!
//! Each shard compiles the configurations from its cache whenever one changes; a write in a cluster
//! without webhooks only looks whether there are any. Which hooks a write is for is `rule`, what
//! they are asked and answer is `review`, the exchange itself `call`, and their order and what
//! becomes of their answers `mutate` and `validate`.

mod call;
mod conditions;
mod credentials;
mod hook;
mod matching;
mod mutate;
mod resolve;
mod review;
mod rule;
#[cfg(test)]
mod tests;
mod validate;

pub(super) use credentials::Credentials;
pub use mutate::Round;
pub use resolve::{Resolved, resolve_service};

use super::{Authority, Reader, Settings};
use crate::cache::{Cache, Mirror};
use crate::catalog::{Resource, catalog};
use crate::client::{Client, Identity, Roots, Trust};
use crate::metrics::Recorder;
use crate::object::Value;
use crate::request::Result;
use bumpalo::Bump;
use futures_lite::FutureExt as _;
use hook::Hook;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// Objects in other versions, through a bridge: admission does not know the registry.
pub trait Versions: fmt::Debug {
    /// A copy of `object`, which is in the version of `from` or in the stored one, in the version
    /// of `to`. An object of another kind, as subresources have, stays as it is.
    ///
    /// # Errors
    /// 500 if there is no conversion.
    fn convert<'a>(
        &self,
        from: &'static Resource,
        to: &'static Resource,
        object: &Value<'_>,
        arena: &'a Bump,
    ) -> Result<Value<'a>>;

    /// Fills in the defaults of the resource's version.
    fn fill_defaults<'a>(
        &self,
        resource: &'static Resource,
        object: &mut Value<'a>,
        arena: &'a Bump,
    );
}

/// The webhooks of one shard; clones share them.
#[derive(Debug, Clone)]
pub struct Webhooks {
    hooks: Rc<RefCell<Rc<Hooks>>>,
    client: Client,
    versions: Rc<dyn Versions>,
    authority: Rc<dyn Authority>,
    settings: Arc<Settings>,
    metrics: Rc<Recorder>,
}

/// All hooks, in the order of the names of their configurations.
#[derive(Debug, Default)]
struct Hooks {
    mutating: Vec<Hook>,
    validating: Vec<Hook>,
}

impl Webhooks {
    /// No webhooks until [`Webhooks::follow`] has read some.
    pub fn new(
        client: Client,
        versions: Rc<dyn Versions>,
        authority: Rc<dyn Authority>,
        settings: Arc<Settings>,
        metrics: Rc<Recorder>,
    ) -> Self {
        Self { hooks: Rc::default(), client, versions, authority, settings, metrics }
    }

    /// Follows the configurations for as long as the shard runs. `ready` is told when those that
    /// are there at first are known.
    pub async fn follow(self, cache: Cache, ready: async_channel::Sender<()>) {
        let mirror = |resource| Some(cache.mirror(catalog().storage(resource)?));
        let (Some(mut mutating), Some(mut validating)) =
            (mirror("mutatingwebhookconfigurations"), mirror("validatingwebhookconfigurations"))
        else {
            return;
        };
        mutating.changed().await;
        validating.changed().await;
        let mut trusts = Trusts::default();
        loop {
            let hooks = Hooks {
                mutating: read(&mutating, &mut trusts, &self.settings.mutating_credentials)
                    .into_iter()
                    .map(|hook| Hook { mutates: true, ..hook })
                    .collect(),
                validating: read(&validating, &mut trusts, &self.settings.validating_credentials),
            };
            trusts.forget_unused();
            *self.hooks.borrow_mut() = Rc::new(hooks);
            ready.close();
            mutating.changed().or(validating.changed()).await;
        }
    }

    /// The thread that asks them.
    pub(super) const fn client(&self) -> &Client {
        &self.client
    }

    /// Fills in what a policy that changed the object left out.
    pub(super) fn fill_defaults<'a>(
        &self,
        resource: &'static Resource,
        object: &mut Value<'a>,
        arena: &'a Bump,
    ) {
        self.versions.fill_defaults(resource, object, arena);
    }

    fn stage<'s>(&'s self, reader: &'s Reader) -> Stage<'s> {
        let Self { client, versions, authority, metrics, .. } = self;
        Stage { client, versions: &**versions, reader, authority: &**authority, metrics }
    }

    fn hooks(&self) -> Rc<Hooks> {
        Rc::clone(&self.hooks.borrow())
    }
}

fn read(mirror: &Mirror, trusts: &mut Trusts, credentials: &Credentials) -> Vec<Hook> {
    let mut hooks = Vec::new();
    for entry in mirror.entries() {
        let arena = Bump::new();
        // One that cannot be read is told of by those who read it by name.
        let Ok(object) = entry.object(&arena) else { continue };
        let configuration = object.str_at(&["metadata", "name"]);
        hooks.extend(
            object
                .list_at(&["webhooks"])
                .iter()
                .map(|webhook| Hook::read(configuration, webhook, (trusts, credentials))),
        );
    }
    hooks
}

/// One [`Trust`] for each CA bundle and client certificate: hooks of one server share its
/// connections, also across changes
/// of their configurations.
#[derive(Debug, Default)]
struct Trusts(BTreeMap<(Vec<u8>, Vec<u8>), Arc<Trust>>);

impl Trusts {
    /// Trust in the CAs of a PEM text; of the system's if it is empty.
    fn of(&mut self, bundle: Vec<u8>, identity: Option<Identity>) -> Arc<Trust> {
        let certificates = identity.as_ref().map(|identity| identity.certificates.clone());
        let key = (bundle, certificates.unwrap_or_default());
        if let Some(known) = self.0.get(&key) {
            return Arc::clone(known);
        }
        let roots = match key.0.is_empty() {
            true => Roots::System,
            false => Roots::Pem(key.0.clone()),
        };
        let made = Trust::new(roots, identity);
        self.0.insert(key, Arc::clone(&made));
        made
    }

    fn forget_unused(&mut self) {
        self.0.retain(|_, trust| Arc::strong_count(trust) > 1);
    }
}

/// What a stage of admission works with.
#[derive(Debug, Clone, Copy)]
struct Stage<'s> {
    client: &'s Client,
    versions: &'s dyn Versions,
    reader: &'s Reader,
    authority: &'s dyn Authority,
    metrics: &'s Recorder,
}
