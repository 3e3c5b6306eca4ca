//! Leases for keys that expire. Making one for each key would cost a write of its own, so one is
//! used for all keys of a lifetime for a while, as upstream (`leaseManager`).

use crate::base::hash::HashMap;
use crate::base::limits::ETCD_LEASE_KEYS_MAX;
use crate::store::etcd::cluster::Cluster;
use crate::store::etcd::fault::Fault;
use crate::store::etcd::figures::EVERYTHING;
use crate::store::etcd::figures::Figures;
use crate::store::etcd::figures::Operation;
use std::time::Duration;
use std::time::Instant;
use tokio::sync::Mutex;

/// The leases in use, by lifetime.
pub(super) struct Leases {
    /// How much longer than asked a lease may live.
    reuse_seconds: u32,
    // Held while one is made, so that writes that come together share it.
    leases: Mutex<HashMap<u32, Lease>>,
}

#[derive(Debug, Clone, Copy)]
struct Lease {
    id: i64,
    /// When it is gone, by our clock.
    expires: Instant,
    keys: u32,
}

impl Leases {
    pub(super) fn new(reuse_seconds: u32) -> Self {
        Self { reuse_seconds, leases: Mutex::default() }
    }

    /// A lease that lives at least `ttl_seconds` from now and not much longer.
    pub(super) async fn lease(
        &self,
        cluster: &Cluster,
        figures: &Figures,
        ttl_seconds: u32,
    ) -> Result<i64, Fault> {
        let mut leases = self.leases.lock().await;
        let now = Instant::now();
        if let Some(lease) = leases.get_mut(&ttl_seconds)
            && lease.keys < ETCD_LEASE_KEYS_MAX
            && now + Duration::from_secs(ttl_seconds.into()) < lease.expires
        {
            lease.keys += 1;
            return Ok(lease.id);
        }
        let lifetime = ttl_seconds + self.extra(ttl_seconds);
        let (member, mut client) = cluster.lease();
        let granted = client.grant(lifetime.into(), None).await;
        let granted = match granted {
            Ok(granted) => granted,
            Err(error) => {
                figures.end((Operation::Lease, EVERYTHING), now, false);
                let fault = Fault::from(error);
                if fault.is_of_the_member() {
                    cluster.failed(member);
                }
                return Err(fault);
            }
        };
        figures.end((Operation::Lease, EVERYTHING), now, true);
        let expires = now + Duration::from_secs(lifetime.into());
        leases.retain(|_, lease| lease.expires > now);
        let before = leases.insert(ttl_seconds, Lease { id: granted.id(), expires, keys: 1 });
        figures.lease_ended(before.map_or(0, |lease| lease.keys));
        Ok(granted.id())
    }

    /// Forgets a lease that etcd does not know.
    pub(super) async fn forget(&self, id: i64) {
        self.leases.lock().await.retain(|_, lease| lease.id != id);
    }

    /// At most a twentieth of the lifetime (`getReuseDurationSecondsLocked`).
    fn extra(&self, ttl_seconds: u32) -> u32 {
        self.reuse_seconds.min(ttl_seconds / 20)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lease_outlives_its_keys_by_a_twentieth_at_most() {
        let leases = Leases::new(60);
        assert_eq!(leases.extra(3_600), 60);
        assert_eq!(leases.extra(600), 30);
        assert_eq!(leases.extra(15), 0);
    }
}
