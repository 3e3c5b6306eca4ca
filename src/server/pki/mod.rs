//! The server's own certificates and keys, for whatever the operator did not bring: made on the
//! first start in `<data-dir>/pki` under kubeadm's file names, reused after that, renewed before
//! they expire.
//!
//! Keys are readable by their owner only and never leave the directory, but for the
//! administrator's, which stands in the kubeconfig.

mod authority;
mod check;
mod files;
mod kubeconfig;

pub use check::check;
pub use kubeconfig::ADMIN_KUBECONFIG;

use crate::base::clock;
use crate::config::Config;
use authority::Authority;
use authority::Leaf;
use authority::Use;
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::Path;
use std::path::PathBuf;

/// Where the files are.
#[derive(Debug, Clone)]
pub struct Pki {
    /// The CA of the serving certificate and of client certificates.
    pub ca: PathBuf,
    /// The serving certificate with its chain.
    pub serving: (PathBuf, PathBuf),
    /// The CA of front proxies.
    pub front_proxy_ca: PathBuf,
    /// What this server shows to aggregated API servers.
    pub front_proxy_client: (PathBuf, PathBuf),
    /// Signs service account tokens.
    pub service_account_key: PathBuf,
    /// Verifies them.
    pub service_account_public_key: PathBuf,
    /// For kubectl; `None` if the operator's CA for clients is not ours, so that we cannot issue.
    pub kubeconfig: Option<PathBuf>,
    /// Whether anything was written by this call.
    pub changed: bool,
}

/// Sees to it that everything is there and valid for a while. Cheap when there is nothing to do:
/// to be called at start and now and then.
///
/// # Errors
/// The line for the operator.
pub fn ensure(config: &Config, port: u16) -> Result<Pki, String> {
    let directory = config.data_dir.join("pki");
    files::private_directory(&config.data_dir)?;
    files::private_directory(&directory)?;
    let now = i64::try_from(clock::unix_time().as_secs()).unwrap_or(i64::MAX);
    let at = |name: &str| directory.join(name);
    let pair = |name: &str| (at(&format!("{name}.crt")), at(&format!("{name}.key")));
    let mut changed = false;

    let ca = Authority::ensure("kubernetes", &pair("ca"), now, &mut changed)?;
    let front_proxy_ca =
        Authority::ensure("front-proxy-ca", &pair("front-proxy-ca"), now, &mut changed)?;
    let serving = Leaf {
        common_name: "kube-apiserver",
        organization: None,
        names: serving_names(config),
        use_: Use::Server,
    };
    changed |= ca.ensure_leaf(&serving, &pair("apiserver"), now)?;
    let front_proxy_client = Leaf {
        common_name: "front-proxy-client",
        organization: None,
        names: BTreeSet::new(),
        use_: Use::Client,
    };
    changed |= front_proxy_ca.ensure_leaf(&front_proxy_client, &pair("front-proxy-client"), now)?;
    changed |= authority::ensure_key_pair(&at("sa.key"), &at("sa.pub"))?;

    let kubeconfig = if config.authentication.client_ca_file.is_none() {
        let path = config.data_dir.join(ADMIN_KUBECONFIG);
        let trusted = match &config.serving.certificate_file {
            Some(own) => files::read("tls-cert-file", own)?,
            None => ca.certificate_pem.clone().into_bytes(),
        };
        let cluster = kubeconfig::Cluster { url: url(config, port), ca: &trusted };
        changed |= kubeconfig::ensure(&path, &cluster, &ca, now)?;
        Some(path)
    } else {
        None
    };
    Ok(Pki { kubeconfig, changed, ..place(config) })
}

/// Where everything is, whether it is there or not.
fn place(config: &Config) -> Pki {
    let directory = config.data_dir.join("pki");
    let at = |name: &str| directory.join(name);
    let pair = |name: &str| (at(&format!("{name}.crt")), at(&format!("{name}.key")));
    Pki {
        ca: at("ca.crt"),
        serving: pair("apiserver"),
        front_proxy_ca: at("front-proxy-ca.crt"),
        front_proxy_client: pair("front-proxy-client"),
        service_account_key: at("sa.key"),
        service_account_public_key: at("sa.pub"),
        kubeconfig: None,
        changed: false,
    }
}

/// Reads a file that a flag names.
///
/// # Errors
/// The line for the operator.
pub fn read(flag: &str, path: &Path) -> Result<Vec<u8>, String> {
    files::read(flag, path)
}

/// Where a client on this machine reaches the server.
#[must_use]
pub fn url(config: &Config, port: u16) -> String {
    match config.serving.bind_address {
        address if address.is_unspecified() => format!("https://127.0.0.1:{port}"),
        IpAddr::V4(address) => format!("https://{address}:{port}"),
        IpAddr::V6(address) => format!("https://[{address}]:{port}"),
    }
}

/// All names that clients may use for the server.
fn serving_names(config: &Config) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = [
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
        "localhost",
    ]
    .map(str::to_owned)
    .into();
    let host = rustix::system::uname().nodename().to_string_lossy().to_lowercase();
    names.extend(Some(host).filter(|host| authority::is_dns_name(host)));
    names.extend(config.serving.external_hostname.clone().filter(|h| authority::is_dns_name(h)));
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    addresses.push(config.serving.advertise_address);
    addresses.push(config.serving.bind_address);
    addresses.extend(config.services.cluster_ip_ranges.iter().filter_map(|range| range.nth(1)));
    addresses.retain(|address| !address.is_unspecified());
    names.extend(addresses.iter().map(IpAddr::to_string));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Values;
    use std::os::unix::fs::PermissionsExt;

    fn config(directory: &Path, more: &[&str]) -> Config {
        let data = format!("--data-dir={}", directory.display());
        let arguments = std::iter::once(data.as_str()).chain(more.iter().copied());
        let values = Values::parse(arguments.map(Into::into)).expect("flags");
        Config::resolve(&values).expect("a configuration")
    }

    #[test]
    fn second_start_reuses_everything_and_keys_are_private() {
        let directory = tempfile::tempdir().expect("a directory");
        let state = directory.path().join("state");
        let config = config(&state, &["--advertise-address=10.1.2.3"]);
        let first = ensure(&config, 6443).expect("made");
        assert!(first.changed);
        let mut contents = Vec::new();
        for entry in std::fs::read_dir(state.join("pki")).expect("the directory") {
            let path = entry.expect("an entry").path();
            let mode = path.metadata().expect("metadata").permissions().mode() & 0o777;
            let is_key = path.extension().is_some_and(|extension| extension == "key");
            assert_eq!(mode, if is_key { 0o600 } else { 0o644 }, "{}", path.display());
            contents.push((path.clone(), std::fs::read(&path).expect("readable")));
        }
        let kubeconfig = first.kubeconfig.expect("ours");
        let mode = kubeconfig.metadata().expect("metadata").permissions().mode() & 0o777;
        assert_eq!(mode, 0o600);
        let second = ensure(&config, 6443).expect("reused");
        assert!(!second.changed);
        for (path, before) in contents {
            assert_eq!(std::fs::read(&path).expect("readable"), before, "{}", path.display());
        }
    }

    #[test]
    fn another_port_or_address_renews_only_what_names_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let first = ensure(&config(directory.path(), &[]), 6443).expect("made");
        let ca = std::fs::read(&first.ca).expect("readable");
        let serving = std::fs::read(&first.serving.0).expect("readable");
        let moved = ensure(&config(directory.path(), &[]), 7443).expect("made");
        assert!(moved.changed);
        assert_eq!(std::fs::read(&moved.serving.0).expect("readable"), serving);
        let text = std::fs::read_to_string(moved.kubeconfig.expect("ours")).expect("text");
        assert!(text.contains("https://127.0.0.1:7443"));
        let renamed = config(directory.path(), &["--advertise-address=10.9.9.9"]);
        let renamed = ensure(&renamed, 7443).expect("made");
        assert_ne!(std::fs::read(&renamed.serving.0).expect("readable"), serving);
        assert_eq!(std::fs::read(&renamed.ca).expect("readable"), ca);
    }

    #[test]
    fn certificates_are_renewed_before_they_expire() {
        let directory = tempfile::tempdir().expect("a directory");
        let pair = (directory.path().join("a.crt"), directory.path().join("a.key"));
        let mut changed = false;
        let ca_pair = (directory.path().join("ca.crt"), directory.path().join("ca.key"));
        let ca = Authority::ensure("test", &ca_pair, 1_700_000_000, &mut changed).expect("made");
        let leaf = Leaf {
            common_name: "leaf",
            organization: Some("org"),
            names: BTreeSet::new(),
            use_: Use::Client,
        };
        let day = 86_400;
        assert_eq!(ca.ensure_leaf(&leaf, &pair, 1_700_000_000), Ok(true));
        assert_eq!(ca.ensure_leaf(&leaf, &pair, 1_700_000_000 + 100 * day), Ok(false));
        assert_eq!(ca.ensure_leaf(&leaf, &pair, 1_700_000_000 + 300 * day), Ok(true));
        assert_eq!(ca.ensure_leaf(&leaf, &pair, 1_700_000_000 + 301 * day), Ok(false));
    }
}
