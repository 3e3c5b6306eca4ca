//! How often files of configuration were read again, and which ones hold
//! (`{authentication,authorization,encryption}_config_controller` metrics).

use crate::base::clock;
use crate::metrics::{Family, Kind, Sample};
use arc_swap::ArcSwapOption;
use ring::digest::{SHA256, digest};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// `sha256:` and the digest in hexadecimal.
pub(in crate::server) fn hashed(data: &[u8]) -> String {
    let hash = digest(&SHA256, data);
    let hex: String = hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// One file.
#[derive(Debug)]
pub(in crate::server) struct Reload {
    families: &'static [Family; 3],
    /// How often it was taken and how often not, each with the time of the last, milliseconds.
    outcomes: [(AtomicU64, AtomicU64); 2],
    hash: ArcSwapOption<String>,
}

impl Reload {
    fn new(families: &'static [Family; 3]) -> Self {
        Self { families, outcomes: Default::default(), hash: ArcSwapOption::empty() }
    }

    /// The file holds from the start.
    pub(in crate::server) fn holds(&self, data: &[u8]) {
        self.hash.store(Some(Arc::new(hashed(data))));
    }

    /// It was read again, and holds if it could be taken.
    pub(in crate::server) fn read_again(&self, data: &[u8], taken: bool) {
        let [success, failure] = &self.outcomes;
        let (count, at) = if taken { success } else { failure };
        count.fetch_add(1, Relaxed);
        at.store(u64::try_from(clock::unix_time().as_millis()).unwrap_or(0), Relaxed);
        if taken {
            self.holds(data);
        }
    }

    fn samples(&self, server: &str, out: &mut Vec<Sample>) {
        let [total, last, info] = self.families;
        let mut add = |family, labels, value| out.push(Sample { family, labels, value });
        let id = || ("apiserver_id_hash", server.to_owned());
        for ((count, at), status) in self.outcomes.iter().zip(["success", "failure"]) {
            if count.load(Relaxed) > 0 {
                let labels = vec![id(), ("status", status.to_owned())];
                add(total, labels.clone(), count.load(Relaxed) as f64);
                add(last, labels, at.load(Relaxed) as f64 / 1e3);
            }
        }
        if let Some(hash) = &*self.hash.load() {
            add(info, vec![id(), ("hash", String::clone(hash))], 1.0);
        }
    }
}

/// All files of the process.
#[derive(Debug)]
pub struct Reloads {
    pub(in crate::server) authentication: Reload,
    pub(in crate::server) authorization: Reload,
    pub(in crate::server) encryption: Reload,
}

/// The counter of a file's reloads, the time of the last, and the hash of the one that holds.
const fn families(total: &'static str, last: &'static str, info: &'static str) -> [Family; 3] {
    [
        Family {
            name: total,
            kind: Kind::Counter,
            help: "[BETA] Total number of automatic reloads of the configuration split by status \
                   and apiserver identity.",
        },
        Family {
            name: last,
            kind: Kind::Gauge,
            help: "[BETA] Timestamp of the last automatic reload of the configuration split by \
                   status and apiserver identity.",
        },
        Family {
            name: info,
            kind: Kind::Gauge,
            help: "[ALPHA] Information about the last applied configuration with hash as label, \
                   split by apiserver identity.",
        },
    ]
}

static AUTHENTICATION: [Family; 3] = families(
    "apiserver_authentication_config_controller_automatic_reloads_total",
    "apiserver_authentication_config_controller_automatic_reload_last_timestamp_seconds",
    "apiserver_authentication_config_controller_last_config_info",
);
static AUTHORIZATION: [Family; 3] = families(
    "apiserver_authorization_config_controller_automatic_reloads_total",
    "apiserver_authorization_config_controller_automatic_reload_last_timestamp_seconds",
    "apiserver_authorization_config_controller_last_config_info",
);
static ENCRYPTION: [Family; 3] = families(
    "apiserver_encryption_config_controller_automatic_reloads_total",
    "apiserver_encryption_config_controller_automatic_reload_last_timestamp_seconds",
    "apiserver_encryption_config_controller_last_config_info",
);

impl Default for Reloads {
    fn default() -> Self {
        Self {
            authentication: Reload::new(&AUTHENTICATION),
            authorization: Reload::new(&AUTHORIZATION),
            encryption: Reload::new(&ENCRYPTION),
        }
    }
}

impl Reloads {
    /// The figures of all files, of a server by the hash of its identity.
    pub(in crate::server) fn samples(&self, server: &str) -> Vec<Sample> {
        let mut out = Vec::new();
        for reload in [&self.authentication, &self.authorization, &self.encryption] {
            reload.samples(server, &mut out);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reloads_are_counted_by_how_they_ended_and_the_hash_is_that_of_the_one_that_holds() {
        let reloads = Reloads::default();
        assert!(reloads.samples("s").is_empty());
        reloads.encryption.holds(b"one");
        reloads.encryption.read_again(b"bad", false);
        let told = |name: &str| {
            let samples = reloads.samples("s").into_iter();
            let mut found = samples.filter(|sample| sample.family.name.ends_with(name));
            found.next().map(|sample| (sample.labels[1].1.clone(), sample.value))
        };
        let total = "encryption_config_controller_automatic_reloads_total";
        assert_eq!(told(total), Some(("failure".to_owned(), 1.0)));
        assert_eq!(told("last_config_info"), Some((hashed(b"one"), 1.0)));
        reloads.encryption.read_again(b"two", true);
        assert_eq!(told(total), Some(("success".to_owned(), 1.0)));
        assert_eq!(told("last_config_info"), Some((hashed(b"two"), 1.0)));
    }
}
