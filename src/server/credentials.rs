//! Keys and tokens, read from the files that flags name or that the server made.

use crate::client::Identity;
use crate::config::Config;
use crate::server::pki;
use crate::server::pki::Pki;
use crate::tls;
use std::fmt;
use std::fs;
use std::path::Path;
use std::path::PathBuf;
use std::time::SystemTime;

/// What authentication works with; immutable.
#[derive(Clone)]
pub struct Credentials {
    /// `--token-auth-file`, CSV text.
    pub tokens: Option<String>,
    /// Private key that signs service account tokens, PEM.
    pub service_account_signing_key: Vec<u8>,
    /// Keys that verify them, PEM.
    pub service_account_keys: Vec<Vec<u8>>,
    /// CAs of client certificates, PEM; for the extension-apiserver-authentication ConfigMap.
    pub client_ca: Vec<u8>,
    /// CAs of front proxies, PEM, if front proxies are trusted.
    pub front_proxy_ca: Option<Vec<u8>>,
    /// What is shown to aggregated API servers.
    pub proxy_client: Option<Identity>,
    /// What is shown to kubelets.
    pub kubelet_client: Option<Identity>,
    /// CAs of kubelets' certificates, PEM; they are not verified without.
    pub kubelet_ca: Option<Vec<u8>>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credentials(..)")
    }
}

impl Credentials {
    /// Reads everything.
    ///
    /// # Errors
    /// The line for the operator.
    pub fn read(config: &Config, own: &Pki) -> Result<Self, String> {
        let authentication = &config.authentication;
        let accounts = &authentication.service_accounts;
        let or_own = |flag: &str, given: &Option<PathBuf>, own: &Path| {
            pki::read(flag, given.as_deref().unwrap_or(own))
        };
        let tokens = match &authentication.token_file {
            None => None,
            Some(path) => {
                let text = pki::read("token-auth-file", path)?;
                let text = String::from_utf8(text).map_err(|_| {
                    format!("--token-auth-file: {} is not valid UTF-8", path.display())
                })?;
                Some(text)
            }
        };
        let mut service_account_keys = Vec::new();
        for path in &accounts.key_files {
            service_account_keys.push(pki::read("service-account-key-file", path)?);
        }
        if service_account_keys.is_empty() {
            let signing_key = accounts.signing_key_file.as_deref();
            let path = signing_key.unwrap_or(&own.service_account_public_key);
            service_account_keys.push(pki::read("service-account-signing-key-file", path)?);
        }
        Ok(Self {
            tokens,
            service_account_signing_key: or_own(
                "service-account-signing-key-file",
                &accounts.signing_key_file,
                &own.service_account_key,
            )?,
            service_account_keys,
            client_ca: or_own("client-ca-file", &authentication.client_ca_file, &own.ca)?,
            front_proxy_ca: front_proxy_ca(config, own)?,
            proxy_client: identity(
                ["proxy-client-cert-file", "proxy-client-key-file"],
                config.outgoing.proxy_client.as_ref().or(Some(&own.front_proxy_client)),
            )?,
            kubelet_client: identity(
                ["kubelet-client-certificate", "kubelet-client-key"],
                config.outgoing.kubelet_client.as_ref(),
            )?,
            kubelet_ca: match &config.outgoing.kubelet_ca_file {
                Some(path) => Some(pki::read("kubelet-certificate-authority", path)?),
                None => None,
            },
        })
    }
}

/// A client certificate from its two files.
fn identity(
    [certificate_flag, key_flag]: [&str; 2],
    files: Option<&(PathBuf, PathBuf)>,
) -> Result<Option<Identity>, String> {
    let Some((certificate, key)) = files else { return Ok(None) };
    let certificates = pki::read(certificate_flag, certificate)?;
    Ok(Some(Identity { certificates, key: pki::read(key_flag, key)? }))
}

fn front_proxy_ca(config: &Config, own: &Pki) -> Result<Option<Vec<u8>>, String> {
    let header = &config.authentication.request_header;
    if !header.enabled {
        return Ok(None);
    }
    let path = header.client_ca_file.as_deref().unwrap_or(&own.front_proxy_ca);
    pki::read("requestheader-client-ca-file", path).map(Some)
}

/// Whether the files that flags name can be read, before anything is made or opened.
///
/// # Errors
/// The line for the operator.
pub(in crate::server) fn check(config: &Config) -> Result<(), String> {
    let serving = &config.serving;
    let authentication = &config.authentication;
    let accounts = &authentication.service_accounts;
    let mut named: Vec<(&str, &PathBuf)> = Vec::new();
    let single = [
        ("tls-cert-file", &serving.certificate_file),
        ("tls-private-key-file", &serving.key_file),
        ("client-ca-file", &authentication.client_ca_file),
        ("requestheader-client-ca-file", &authentication.request_header.client_ca_file),
        ("token-auth-file", &authentication.token_file),
        ("service-account-signing-key-file", &accounts.signing_key_file),
    ];
    named.extend(single.iter().filter_map(|(flag, path)| Some((*flag, path.as_ref()?))));
    named.extend(accounts.key_files.iter().map(|path| ("service-account-key-file", path)));
    for pair in &serving.sni {
        named.extend([&pair.certificate_file, &pair.key_file].map(|p| ("tls-sni-cert-key", p)));
    }
    named.into_iter().try_for_each(|(flag, path)| pki::read(flag, path).map(drop))
}

/// What TLS is configured from, read now.
///
/// # Errors
/// The line for the operator.
pub(in crate::server) fn tls_material(config: &Config, own: &Pki) -> Result<tls::Material, String> {
    let serving = &config.serving;
    let certificate = serving.certificate_file.as_deref().unwrap_or(&own.serving.0);
    let key = serving.key_file.as_deref().unwrap_or(&own.serving.1);
    let client_ca = config.authentication.client_ca_file.as_deref().unwrap_or(&own.ca);
    let mut sni = Vec::new();
    for pair in &serving.sni {
        sni.push(tls::SniKey {
            certificates: pki::read("tls-sni-cert-key", &pair.certificate_file)?,
            key: pki::read("tls-sni-cert-key", &pair.key_file)?,
            names: pair.names.clone(),
        });
    }
    Ok(tls::Material {
        certificates: pki::read("tls-cert-file", certificate)?,
        key: pki::read("tls-private-key-file", key)?,
        sni,
        client_ca: Some(pki::read("client-ca-file", client_ca)?),
        front_proxy_ca: front_proxy_ca(config, own)?,
        min_version: serving.min_version,
        cipher_suites: serving.cipher_suites.clone(),
        curves: serving.curves.clone(),
        http1_only: serving.http1_only,
    })
}

/// When the files behind [`tls_material`] were last written; differs once one of them changes.
pub(in crate::server) fn tls_stamps(config: &Config, own: &Pki) -> Vec<Option<SystemTime>> {
    let serving = &config.serving;
    let header = &config.authentication.request_header;
    let mut paths: Vec<&Path> = vec![
        serving.certificate_file.as_deref().unwrap_or(&own.serving.0),
        serving.key_file.as_deref().unwrap_or(&own.serving.1),
        config.authentication.client_ca_file.as_deref().unwrap_or(&own.ca),
        header.client_ca_file.as_deref().unwrap_or(&own.front_proxy_ca),
    ];
    for pair in &serving.sni {
        paths.push(&pair.certificate_file);
        paths.push(&pair.key_file);
    }
    let written = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    paths.into_iter().map(written).collect()
}
