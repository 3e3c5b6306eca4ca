//! When tokens that stand in secrets were last used, as a label of the secret
//! (`legacyValidator.patchSecretWithLastUsedDate`).

use super::super::own::{Gvr, Own};
use crate::authn::{LAST_USED, UsedSecret};
use crate::base::{clock, timestamp};
use crate::object::Value;
use crate::registry::Change;
use crate::request::{Fault, Result};
use crate::server::shard::Shard;
use async_channel::Receiver;
use bumpalo::Bump;
use std::rc::Rc;

const SECRETS: Gvr = ("", "v1", "secrets");
const MANAGER: &str = "kube-apiserver";

/// Labels the secrets whose tokens the shard's authenticator has let in.
pub(in crate::server) async fn keep(shard: Rc<Shard>, used: Receiver<UsedSecret>) {
    while let Ok(UsedSecret { namespace, name, uid }) = used.recv().await {
        let own = Own { api: shard.gate.api(), manager: MANAGER };
        let now = timestamp::rfc3339(clock::unix_seconds());
        let today = now.split('T').next().unwrap_or_default().to_owned();
        let label = Label { today, uid };
        match own.update(SECRETS, (&namespace, &name), &label).await {
            Ok(()) | Err(Fault::NotFound(_) | Fault::Conflict { .. }) => {}
            Err(fault) => log::warn!(
                "failed to label legacy service account token {namespace}/{name} with last-used \
                 date: {fault:?}"
            ),
        }
    }
}

/// The label, on the secret of this uid.
struct Label {
    today: String,
    uid: String,
}

impl Change for Label {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let mut new = old.copy_in(arena);
        let same = old.str_at(&["metadata", "uid"]) == self.uid;
        if let Some(map) = new.as_map_mut().filter(|_| same) {
            let labels = map.entry_map("metadata").entry_map("labels");
            labels.insert(LAST_USED, Value::str_in(&self.today, arena));
        }
        Ok(new)
    }
}
