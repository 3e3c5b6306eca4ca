//! The current context of a kubeconfig: where the server is, whom to trust, who to be.

use crate::Fault;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Deserialize;
use std::fs;
use std::path::{Path, PathBuf};

/// What a client needs.
#[derive(Debug)]
pub(crate) struct Access {
    /// `https://host:port`.
    pub(crate) server: String,
    /// PEM of the authorities to trust.
    pub(crate) ca: Vec<u8>,
    /// PEM of the client's certificate chain and key.
    pub(crate) client: Option<(Vec<u8>, Vec<u8>)>,
    /// A bearer token.
    pub(crate) token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct File {
    current_context: String,
    contexts: Vec<Named<Context>>,
    clusters: Vec<Named<Cluster>>,
    users: Vec<Named<User>>,
}

#[derive(Debug, Deserialize)]
struct Named<T> {
    name: String,
    #[serde(alias = "context", alias = "cluster", alias = "user")]
    value: T,
}

#[derive(Debug, Deserialize)]
struct Context {
    cluster: String,
    user: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Cluster {
    server: String,
    certificate_authority_data: Option<String>,
    certificate_authority: Option<PathBuf>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct User {
    client_certificate_data: Option<String>,
    client_certificate: Option<PathBuf>,
    client_key_data: Option<String>,
    client_key: Option<PathBuf>,
    token: Option<String>,
}

/// Reads a kubeconfig. Fails with the file's name if it, or a file that it names, is unreadable.
pub(crate) fn read(path: &Path) -> Result<Access, Fault> {
    let named = |why: String| format!("{}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|e| named(e.to_string()))?;
    parse(&text, path.parent().unwrap_or(Path::new("."))).map_err(|e| named(e.to_string()).into())
}

fn parse(text: &str, folder: &Path) -> Result<Access, Fault> {
    let file: File = serde_saphyr::from_str(text)?;
    let context = find(&file.contexts, &file.current_context, "context")?;
    let cluster = find(&file.clusters, &context.cluster, "cluster")?;
    let user = find(&file.users, &context.user, "user")?;
    let pem = |data: &Option<String>, path: &Option<PathBuf>| -> Result<Option<Vec<u8>>, Fault> {
        match (data, path) {
            (Some(data), _) => Ok(Some(BASE64_STANDARD.decode(data.trim())?)),
            (None, Some(path)) => {
                let path = folder.join(path);
                Ok(Some(fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?))
            }
            (None, None) => Ok(None),
        }
    };
    let ca = pem(&cluster.certificate_authority_data, &cluster.certificate_authority)?;
    let cert = pem(&user.client_certificate_data, &user.client_certificate)?;
    let key = pem(&user.client_key_data, &user.client_key)?;
    Ok(Access {
        server: cluster.server.clone(),
        ca: ca.ok_or("the cluster names no certificate-authority")?,
        client: cert.zip(key),
        token: user.token.clone(),
    })
}

fn find<'a, T>(all: &'a [Named<T>], name: &str, what: &str) -> Result<&'a T, Fault> {
    let found = all.iter().find(|entry| entry.name == name);
    Ok(&found.ok_or_else(|| format!("no {what} {name:?}"))?.value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_current_context_is_taken() {
        let text = "
current-context: b
contexts:
- {name: a, context: {cluster: one, user: nobody}}
- {name: b, context: {cluster: two, user: me}}
clusters:
- {name: two, cluster: {server: 'https://h:1', certificate-authority-data: Y2E=}}
users:
- {name: me, user: {token: secret}}
";
        let access = parse(text, Path::new(".")).expect("a kubeconfig");
        assert_eq!(access.server, "https://h:1");
        assert_eq!(access.ca, b"ca");
        assert_eq!(access.token.as_deref(), Some("secret"));
    }

    #[test]
    fn a_missing_context_is_named() {
        let text = "current-context: x\ncontexts: []\nclusters: []\nusers: []\n";
        let why = parse(text, Path::new(".")).expect_err("no context").to_string();
        assert_eq!(why, "no context \"x\"");
    }
}
