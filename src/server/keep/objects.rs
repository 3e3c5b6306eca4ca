//! The server's own ConfigMaps and its identity: how clients and other servers are recognised, and
//! which servers there are.

use crate::base::{clock, ids, timestamp};
use crate::cache::ReadAt;
use crate::catalog::catalog;
use crate::codec::json::write;
use crate::config::Config;
use crate::object::Value;
use crate::registry::Change;
use crate::registry::stored::read_fault;
use crate::request::{Fault, Result};
use crate::rt;
use crate::server::bootstrap;
use crate::server::credentials::Credentials;
use crate::server::keep::endpoints;
use crate::server::own::{Gvr, Own};
use crate::server::shard::Shard;
use bumpalo::Bump;
use ring::digest::{SHA256, digest};
use std::rc::Rc;
use std::time::Duration;

const CONFIG_MAPS: Gvr = ("", "v1", "configmaps");
const LEASES: Gvr = ("coordination.k8s.io", "v1", "leases");
const SYSTEM: &str = "kube-system";
const MANAGER: &str = "kube-apiserver";
/// Where extension servers read how the front proxy is recognised.
const AUTHENTICATION: &str = "extension-apiserver-authentication";
/// Since when uses of legacy tokens are tracked.
const TRACKING: &str = "kube-apiserver-legacy-service-account-token-tracking";
/// The label of the leases of servers.
const IDENTITY: &str = "apiserver.kubernetes.io/identity";
/// `IdentityLeaseDurationSeconds`.
const LEASE_SECONDS: i64 = 3_600;
/// `IdentityLeaseRenewIntervalPeriod`.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);
/// Renewals after which leases of servers that are gone are looked for, and trust is compared.
const RENEWALS_A_ROUND: u32 = 6;
const NAME_BYTES: usize = 16;

/// Writes the ConfigMaps and the lease.
///
/// # Errors
/// The first write that fails.
pub(super) async fn ensure(shard: &Shard) -> Result<()> {
    trust(shard).await?;
    let own = Own { api: shard.gate.api(), manager: MANAGER };
    let now = timestamp::rfc3339(clock::unix_seconds());
    let since = now.split('T').next().unwrap_or_default();
    let text = format!(
        r#"{{"metadata":{{"name":"{TRACKING}","namespace":"{SYSTEM}"}},
            "data":{{"since":"{since}"}}}}"#
    );
    if read(shard, CONFIG_MAPS, TRACKING).await?.is_none() {
        there_or(own.create(CONFIG_MAPS, SYSTEM, &text).await)?;
    }
    // Whoever had this name before has ended.
    there_or_gone(own.delete(LEASES, (SYSTEM, &Identity::new().name)).await)?;
    Identity::new().renew(shard).await
}

/// Renews the lease and looks after what must stay, for as long as the shard runs.
pub(super) async fn keep(shard: Rc<Shard>) {
    let identity = Identity::new();
    let mut renewals = 0_u32;
    loop {
        rt::sleep(RENEW_INTERVAL).await;
        if shard.lifecycle.is_stopping() {
            return;
        }
        renewals = renewals.wrapping_add(1);
        if let Err(fault) = endpoints::serve(&shard).await {
            log::warn!("the endpoints of the kubernetes Service cannot be kept: {fault:?}");
        }
        let renewed = identity.renew(&shard).await;
        let looked_after = match renewed {
            Ok(()) if renewals.is_multiple_of(RENEWALS_A_ROUND) => round(&shard).await,
            other => other,
        };
        if let Err(fault) = looked_after {
            log::warn!("the server's own objects cannot be kept: {fault:?}");
        }
    }
}

/// Takes back what says that this server serves.
pub(super) async fn end(shard: &Shard) -> Result<()> {
    let own = Own { api: shard.gate.api(), manager: MANAGER };
    there_or_gone(own.delete(LEASES, (SYSTEM, &Identity::new().name)).await)?;
    endpoints::end(shard).await
}

async fn round(shard: &Shard) -> Result<()> {
    bootstrap::namespaces(shard.gate.api()).await?;
    trust(shard).await?;
    collect(shard).await
}

/// Writes how clients and front proxies are recognised; what other servers have said stays
/// (`clusterauthenticationtrust`).
async fn trust(shard: &Shard) -> Result<()> {
    let wanted = trusted(&shard.config, &shard.credentials);
    let own = Own { api: shard.gate.api(), manager: MANAGER };
    if read(shard, CONFIG_MAPS, AUTHENTICATION).await?.is_none() {
        let mut data = Vec::new();
        for (key, said) in &wanted {
            write::string(key, &mut data);
            data.push(b':');
            write::string(&said.merged(""), &mut data);
            data.push(b',');
        }
        data.pop();
        let data = String::from_utf8_lossy(&data);
        let text = format!(
            r#"{{"metadata":{{"name":"{AUTHENTICATION}","namespace":"{SYSTEM}"}},
                "data":{{{data}}}}}"#
        );
        there_or(own.create(CONFIG_MAPS, SYSTEM, &text).await)?;
    }
    own.update(CONFIG_MAPS, (SYSTEM, AUTHENTICATION), &Merge(wanted)).await
}

fn trusted(config: &Config, credentials: &Credentials) -> Vec<(&'static str, Said)> {
    let mut said = Vec::new();
    let authorities = |pem: &[u8]| Said::Authorities(String::from_utf8_lossy(pem).into_owned());
    if config.authentication.client_ca_file.is_some()
        || config.authentication.request_header.client_ca_file.is_none()
    {
        said.push(("client-ca-file", authorities(&credentials.client_ca)));
    }
    if let Some(pem) = &credentials.front_proxy_ca {
        let header = &config.authentication.request_header;
        let names = |list: &[String]| Said::Names(list.to_vec());
        said.push(("requestheader-client-ca-file", authorities(pem)));
        said.push(("requestheader-username-headers", names(&header.username_headers)));
        if !header.uid_headers.is_empty() {
            said.push(("requestheader-uid-headers", names(&header.uid_headers)));
        }
        said.push(("requestheader-group-headers", names(&header.group_headers)));
        said.push(("requestheader-extra-headers-prefix", names(&header.extra_headers_prefixes)));
        said.push(("requestheader-allowed-names", names(&header.allowed_names)));
    }
    said
}

/// One entry of the ConfigMap.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Said {
    /// Certificates, PEM.
    Authorities(String),
    /// A list of names, in JSON.
    Names(Vec<String>),
}

impl Said {
    /// This server's word added to what stands there.
    fn merged(&self, old: &str) -> String {
        match self {
            Self::Authorities(pem) if old.contains(pem.trim()) => old.to_owned(),
            Self::Authorities(pem) if old.trim().is_empty() => pem.clone(),
            Self::Authorities(pem) => format!("{}\n{pem}", old.trim_end()),
            Self::Names(names) => {
                let arena = Bump::new();
                let known = crate::codec::json::parse_any(old.as_bytes(), &arena);
                let known = known.as_ref().ok().and_then(Value::as_list);
                let known = known.into_iter().flat_map(|list| list.iter());
                let mut all: Vec<&str> = known.filter_map(Value::as_str).collect();
                for name in names {
                    if !all.contains(&name.as_str()) {
                        all.push(name);
                    }
                }
                let quoted: Vec<String> = all.iter().map(|name| format!("{name:?}")).collect();
                format!("[{}]", quoted.join(","))
            }
        }
    }
}

/// Adds to the data of a ConfigMap.
#[derive(Debug)]
struct Merge(Vec<(&'static str, Said)>);

impl Change for Merge {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let mut new = old.copy_in(arena);
        let Some(map) = new.as_map_mut() else { return Ok(new) };
        let data = map.entry_map("data");
        for (key, said) in &self.0 {
            let before = data.get(key).and_then(Value::as_str).unwrap_or_default();
            let after = said.merged(before);
            data.insert(key, Value::str_in(&after, arena));
        }
        Ok(new)
    }
}

/// This server's lease.
struct Identity {
    name: String,
    host: String,
    holder: String,
}

impl Identity {
    fn new() -> Self {
        let host = host();
        let name = lease_name(&host);
        let holder = format!("{name}_{}", ids::uuid());
        Self { name, host, holder }
    }

    async fn renew(&self, shard: &Shard) -> Result<()> {
        let own = Own { api: shard.gate.api(), manager: MANAGER };
        match own.update(LEASES, (SYSTEM, &self.name), &Renew).await {
            Err(Fault::NotFound(_)) => {}
            other => return other,
        }
        let Self { name, host, holder } = self;
        let now = timestamp::rfc3339_micros(micros());
        let text = format!(
            r#"{{"metadata":{{"name":"{name}","namespace":"{SYSTEM}","labels":{{
                "{IDENTITY}":"kube-apiserver","kubernetes.io/hostname":"{host}"}}}},
                "spec":{{"holderIdentity":"{holder}","leaseDurationSeconds":{LEASE_SECONDS},
                "renewTime":"{now}"}}}}"#
        );
        there_or(own.create(LEASES, SYSTEM, &text).await)
    }
}

#[derive(Debug)]
struct Renew;

impl Change for Renew {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let mut new = old.copy_in(arena);
        if let Some(map) = new.as_map_mut() {
            let now = timestamp::rfc3339_micros(micros());
            map.entry_map("spec").insert("renewTime", Value::str_in(&now, arena));
        }
        Ok(new)
    }
}

fn micros() -> i64 {
    clock::unix_seconds().saturating_mul(1_000_000)
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// How this server is called among others.
pub(in crate::server) fn server_id() -> String {
    lease_name(&host())
}

/// `apiserver-` and the first bytes of the hash of host and component, in base 32.
fn lease_name(host: &str) -> String {
    let mut input = Vec::new();
    for part in [host, "kube-apiserver"] {
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        input.extend_from_slice(&length.to_be_bytes());
        input.extend_from_slice(part.as_bytes());
    }
    let hash = digest(&SHA256, &input);
    format!("apiserver-{}", base32(hash.as_ref().get(..NAME_BYTES).unwrap_or_default()))
}

/// Lower-case base 32 without padding (RFC 4648).
fn base32(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::new();
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in bytes {
        bits = (bits << 8) | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(char::from(LETTERS[(bits >> count) as usize & 31]));
        }
        bits &= (1 << count) - 1;
    }
    if count > 0 {
        text.push(char::from(LETTERS[(bits << (5 - count)) as usize & 31]));
    }
    text
}

/// Leases of servers that have not renewed them go.
async fn collect(shard: &Shard) -> Result<()> {
    let own = Own { api: shard.gate.api(), manager: MANAGER };
    let Some(storage) = catalog().storage(LEASES.2) else { return Ok(()) };
    let namespace = Some(SYSTEM.into());
    let query = crate::cache::ListQuery { namespace, ..crate::cache::ListQuery::all(storage) };
    let page = shard.cache.list(query).await.map_err(read_fault)?;
    let now = clock::unix_seconds();
    for entry in page.entries {
        if entry.label(IDENTITY) != Some("kube-apiserver") {
            continue;
        }
        let arena = Bump::new();
        let Ok(lease) = entry.object(&arena) else { continue };
        let renewed = timestamp::parse_rfc3339(lease.str_at(&["spec", "renewTime"]));
        let lasts = lease.i64_at(&["spec", "leaseDurationSeconds"]);
        let (Some(renewed), Some(lasts)) = (renewed, lasts) else { continue };
        if renewed + lasts < now {
            there_or_gone(own.delete(LEASES, (SYSTEM, entry.name())).await)?;
        }
    }
    Ok(())
}

async fn read(
    shard: &Shard,
    (_, _, resource): Gvr,
    name: &str,
) -> Result<Option<std::sync::Arc<crate::cache::Entry>>> {
    let Some(storage) = catalog().storage(resource) else { return Ok(None) };
    shard.cache.get(storage, SYSTEM, name, ReadAt::Latest).await.map_err(read_fault)
}

fn there_or_gone(result: Result<()>) -> Result<()> {
    match result {
        Err(Fault::NotFound(_)) => Ok(()),
        other => other,
    }
}

fn there_or(result: Result<()>) -> Result<()> {
    match result {
        Err(Fault::AlreadyExists { .. }) => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{Said, base32, lease_name};

    #[test]
    fn base_32_is_that_of_rfc_4648() {
        assert_eq!(base32(b""), "");
        assert_eq!(base32(b"f"), "my");
        assert_eq!(base32(b"foobar"), "mzxw6ytboi");
    }

    #[test]
    fn a_server_has_the_same_lease_at_each_start() {
        assert_eq!(lease_name("a"), lease_name("a"));
        assert_ne!(lease_name("a"), lease_name("b"));
        assert_eq!(lease_name("a").len(), "apiserver-".len() + 26);
    }

    #[test]
    fn what_other_servers_say_stays() {
        let names = Said::Names(vec!["a".into(), "b".into()]);
        assert_eq!(names.merged(""), r#"["a","b"]"#);
        assert_eq!(names.merged(r#"["c","a"]"#), r#"["c","a","b"]"#);
        assert_eq!(Said::Names(Vec::new()).merged(""), "[]");
        let pem = Said::Authorities("A\n".into());
        assert_eq!(pem.merged(""), "A\n");
        assert_eq!(pem.merged("A\n"), "A\n");
        assert_eq!(pem.merged("B\n"), "B\nA\n");
    }
}
