//! Which servers serve on a shared store: one key for each, that expires unless it is renewed
//! (`pkg/controlplane/reconcilers`, `storageLeases`). All servers of a cluster, of either kind,
//! make the endpoints of `default/kubernetes` from them.

use crate::cache::ListQuery;
use crate::catalog::{Storage, catalog};
use crate::object::{List, Map, Value};
use crate::registry::store::{Admit, Registry};
use crate::registry::stored;
use crate::request::{Fault, Result};
use crate::store::{Expected, Outcome, Txn, Write};
use bumpalo::Bump;
use std::net::IpAddr;

/// `DefaultEndpointReconcilerTTL`.
const SECONDS: u32 = 15;
/// Only another server with the same address writes the same key.
const ATTEMPTS_MAX: u32 = 5;

impl<A: Admit> Registry<A> {
    /// Says for a while that a server serves at this address.
    ///
    /// # Errors
    /// Those of a write.
    pub async fn renew_master(&self, ip: IpAddr) -> Result<()> {
        let storage = storage()?;
        let name = ip.to_string();
        let mut current = self.read(storage, "", &name).await?;
        for _ in 0..ATTEMPTS_MAX {
            let arena = Bump::new();
            let old = current.as_ref().map(|entry| entry.object(&arena)).transpose();
            let old = old.map_err(stored::unreadable)?;
            let generation = old.and_then(|old| old.i64_at(&["metadata", "generation"]));
            let generation = generation.unwrap_or(0).wrapping_add(1);
            let value = stored::encode(storage, &endpoints(&name, generation, &arena), &arena);
            let expected = match &current {
                Some(entry) => Expected::Revision(crate::store::Item::revision(&**entry)),
                None => Expected::Absent,
            };
            let write = Write::Put { value, ttl_seconds: Some(SECONDS) };
            let txn = Txn { key: storage.key("", &name), expected, write };
            match self.commit(txn).await? {
                Outcome::Applied { .. } => return Ok(()),
                Outcome::Conflict { current: newer } => current = newer,
            }
        }
        Err(Fault::Internal(format!("the key of the server at {name} changes all the time")))
    }

    /// The addresses of all servers, sorted.
    ///
    /// # Errors
    /// Those of a list.
    pub async fn masters(&self) -> Result<Vec<IpAddr>> {
        let page = self.cache.list(ListQuery::all(storage()?)).await.map_err(stored::read_fault)?;
        let mut addresses = Vec::with_capacity(page.entries.len());
        for entry in &page.entries {
            let arena = Bump::new();
            let Ok(object) = entry.object(&arena) else { continue };
            let subset = object.list_at(&["subsets"]).first();
            let address = subset.and_then(|subset| subset.list_at(&["addresses"]).first());
            addresses.extend(address.and_then(|at| at.str_at(&["ip"]).parse::<IpAddr>().ok()));
        }
        addresses.sort_unstable_by_key(ToString::to_string);
        Ok(addresses)
    }

    /// Says that no server serves at this address any more.
    ///
    /// # Errors
    /// Those of a write.
    pub async fn end_master(&self, ip: IpAddr) -> Result<()> {
        let storage = storage()?;
        let Some(entry) = self.read(storage, "", &ip.to_string()).await? else { return Ok(()) };
        let expected = Expected::Revision(crate::store::Item::revision(&*entry));
        let key = storage.key("", &ip.to_string());
        // Who has changed it meanwhile serves there.
        self.commit(Txn { key, expected, write: Write::Delete }).await.map(drop)
    }
}

fn storage() -> Result<&'static Storage> {
    let missing = || Fault::Internal("the keys of servers are not in the catalog".into());
    catalog().storage("masterleases").ok_or_else(missing)
}

fn endpoints<'a>(ip: &str, generation: i64, arena: &'a Bump) -> Value<'a> {
    let mut address = Map::new_in(arena);
    address.push_unique("ip", Value::str_in(ip, arena));
    let mut addresses = List::new_in(arena);
    addresses.push(Value::Map(address));
    let mut subset = Map::new_in(arena);
    subset.push_unique("addresses", Value::List(addresses));
    let mut subsets = List::new_in(arena);
    subsets.push(Value::Map(subset));
    let mut map = Map::new_in(arena);
    map.entry_map("metadata").push_unique("generation", Value::Int(generation));
    map.push_unique("subsets", Value::List(subsets));
    Value::Map(map)
}

#[cfg(test)]
mod tests {
    use super::{endpoints, storage};
    use crate::registry::stored;
    use bumpalo::Bump;

    #[test]
    fn a_server_is_written_as_others_write_it() {
        let arena = Bump::new();
        let storage = storage().expect("in the catalog");
        let value = stored::encode(storage, &endpoints("192.0.2.2", 1, &arena), &arena);
        let expected = b"k8s\x00\n\x0f\n\x02v1\x12\tEndpoints\x12#\n\x10\n\x00\x12\x00\x1a\x00\
            \"\x00*\x002\x008\x01B\x00\x12\x0f\n\r\n\t192.0.2.2\x1a\x00\x1a\x00\"\x00";
        assert_eq!(value[..], expected[..]);
        let key = storage.key("", "192.0.2.2");
        assert_eq!(&key[..], b"/registry/masterleases/192.0.2.2");
    }
}
