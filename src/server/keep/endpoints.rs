//! The endpoints of `default/kubernetes`: which servers there are (`pkg/controlplane/reconcilers`).

use crate::api::Api;
use crate::cache::ReadAt;
use crate::catalog::catalog;
use crate::config::Reconciler;
use crate::registry::stored::{decode, read_fault};
use crate::request::Result;
use crate::server::bootstrap;
use crate::server::own::Gvr;
use crate::server::shard::Shard;
use bumpalo::Bump;
use std::net::IpAddr;

const ENDPOINTS: Gvr = ("", "v1", "endpoints");

/// Says that this server serves, and makes the endpoints of all that do. Of a machine without a
/// network no endpoint can be told.
///
/// # Errors
/// The first read or write that fails.
pub(super) async fn serve(shard: &Shard) -> Result<()> {
    let (api, config, port) = (shard.gate.api(), &shard.config, shard.port);
    let ip = config.serving.advertise_address;
    if ip.is_loopback() {
        return Ok(());
    }
    match config.services.endpoints {
        Reconciler::Off => Ok(()),
        Reconciler::Lease if !api.registry.cache.is_shared() => {
            bootstrap::endpoints(api, port, &[ip]).await
        }
        Reconciler::Lease => {
            api.registry.renew_master(ip).await?;
            let all = api.registry.masters().await?;
            if all.is_empty() {
                return Ok(());
            }
            bootstrap::endpoints(api, port, &all).await
        }
        Reconciler::MasterCount(most) => {
            let all = counted(present(api).await?, ip, most as usize);
            bootstrap::endpoints(api, port, &all).await
        }
    }
}

/// Takes back what says that this server serves. The last to go leaves its address, for nobody
/// could put it back.
///
/// # Errors
/// As [`serve`].
pub(super) async fn end(shard: &Shard) -> Result<()> {
    let (api, config, port) = (shard.gate.api(), &shard.config, shard.port);
    let ip = config.serving.advertise_address;
    if ip.is_loopback() {
        return Ok(());
    }
    let others = match config.services.endpoints {
        Reconciler::Off => return Ok(()),
        Reconciler::Lease if !api.registry.cache.is_shared() => return Ok(()),
        Reconciler::Lease => {
            api.registry.end_master(ip).await?;
            api.registry.masters().await?
        }
        Reconciler::MasterCount(_) => {
            let all = present(api).await?;
            all.into_iter().filter(|other| *other != ip).collect()
        }
    };
    if others.is_empty() {
        return Ok(());
    }
    bootstrap::endpoints(api, port, &others).await
}

/// The addresses that stand there; none if they do not stand in one subset.
async fn present(api: &Api) -> Result<Vec<IpAddr>> {
    let Some(storage) = catalog().storage(ENDPOINTS.2) else { return Ok(Vec::new()) };
    let found = api.registry.cache.get(storage, "default", "kubernetes", ReadAt::Latest).await;
    let Some(entry) = found.map_err(read_fault)? else { return Ok(Vec::new()) };
    let arena = Bump::new();
    let endpoints = decode(storage, &entry, &arena)?;
    let [subset] = endpoints.list_at(&["subsets"]) else { return Ok(Vec::new()) };
    let addresses = subset.list_at(&["addresses"]).iter();
    Ok(addresses.filter_map(|address| address.str_at(&["ip"]).parse().ok()).collect())
}

/// This server's address among those present, sorted; if they are too many, those behind it go
/// (`masterCountEndpointReconciler`).
fn counted(mut present: Vec<IpAddr>, own: IpAddr, most: usize) -> Vec<IpAddr> {
    if present.contains(&own) && present.len() <= most {
        return present;
    }
    present.push(own);
    present.sort_by_key(IpAddr::to_string);
    present.dedup();
    while present.len() > most.max(1) {
        let Some(at) = present.iter().position(|ip| *ip == own) else { break };
        present.remove((at + 1) % present.len());
    }
    present
}

#[cfg(test)]
mod tests {
    use super::counted;
    use std::net::IpAddr;

    #[test]
    fn a_counted_server_adds_itself_and_pushes_out_who_stands_behind_it() {
        let ips = |names: &[&str]| -> Vec<IpAddr> {
            names.iter().map(|name| name.parse().expect("an address")).collect()
        };
        let own: IpAddr = "10.0.0.2".parse().expect("an address");
        for (present, most, expected) in [
            (&[][..], 1, &["10.0.0.2"][..]),
            (&["10.0.0.1"], 1, &["10.0.0.2"]),
            (&["10.0.0.1"], 3, &["10.0.0.1", "10.0.0.2"]),
            (&["10.0.0.1", "10.0.0.3"], 2, &["10.0.0.1", "10.0.0.2"]),
            (&["10.0.0.0", "10.0.0.1"], 2, &["10.0.0.1", "10.0.0.2"]),
            (&["10.0.0.2", "10.0.0.1"], 2, &["10.0.0.2", "10.0.0.1"]),
            (&["10.0.0.2", "10.0.0.1"], 1, &["10.0.0.2"]),
        ] {
            assert_eq!(counted(ips(present), own, most), ips(expected), "{present:?} of {most}");
        }
    }
}
