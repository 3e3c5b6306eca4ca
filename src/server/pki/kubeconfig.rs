//! The kubeconfig of the administrator.

use crate::server::pki::authority::Authority;
use crate::server::pki::authority::Leaf;
use crate::server::pki::authority::Use;
use crate::server::pki::files;
use crate::server::pki::files::Readers;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;
use std::path::Path;

/// Its name in the data directory.
pub const ADMIN_KUBECONFIG: &str = "admin.kubeconfig";

/// The server as the kubeconfig names it.
pub(in crate::server::pki) struct Cluster<'c> {
    pub(in crate::server::pki) url: String,
    /// What verifies the serving certificate, PEM.
    pub(in crate::server::pki) ca: &'c [u8],
}

/// Sees to it that the file is there, names the server and holds a certificate that is valid for a
/// while; tells whether it had to be written.
pub(in crate::server::pki) fn ensure(
    path: &Path,
    cluster: &Cluster<'_>,
    ca: &Authority,
    now: i64,
) -> Result<bool, String> {
    let admin = Leaf {
        common_name: "kubernetes-admin",
        organization: Some("system:masters"),
        names: BTreeSet::new(),
        use_: Use::Client,
    };
    let found = files::read_if_there(path)?;
    let kept = found.as_deref().and_then(|text| {
        let certificate = decoded(text, "client-certificate-data: ")?;
        let key = decoded(text, "client-key-data: ")?;
        ca.is_current(&certificate, &admin, now).then_some((certificate, key))
    });
    let (certificate, key) = match kept {
        Some(kept) => kept,
        None => ca.issue(&admin, now)?,
    };
    let text = text(cluster, &certificate, &key);
    if found.as_ref() == Some(&text) {
        return Ok(false);
    }
    files::write(path, text.as_bytes(), Readers::Owner)?;
    Ok(true)
}

fn decoded(text: &str, label: &str) -> Option<String> {
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix(label))?;
    String::from_utf8(STANDARD.decode(line.trim()).ok()?).ok()
}

fn text(cluster: &Cluster<'_>, certificate: &str, key: &str) -> String {
    format!(
        "apiVersion: v1
kind: Config
clusters:
- name: kubering
  cluster:
    server: {url}
    certificate-authority-data: {ca}
users:
- name: kubernetes-admin
  user:
    client-certificate-data: {certificate}
    client-key-data: {key}
contexts:
- name: kubernetes-admin@kubering
  context:
    cluster: kubering
    user: kubernetes-admin
current-context: kubernetes-admin@kubering
",
        url = cluster.url,
        ca = STANDARD.encode(cluster.ca),
        certificate = STANDARD.encode(certificate),
        key = STANDARD.encode(key),
    )
}
