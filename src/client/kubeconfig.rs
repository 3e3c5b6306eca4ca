//! Kubeconfig files, as webhooks are told of by them (`webhook.LoadKubeconfig`).

use crate::client::{Endpoint, Identity, Roots, Target, Trust};
use crate::codec::settings::{self, Kind, Shape};
use crate::object::Value;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use std::path::Path;

const CLUSTER: &[(&str, Shape)] = &[
    ("server", Shape::Text),
    ("tls-server-name", Shape::Text),
    ("insecure-skip-tls-verify", Shape::Bool),
    ("certificate-authority", Shape::Text),
    ("certificate-authority-data", Shape::Text),
    ("proxy-url", Shape::Text),
    ("disable-compression", Shape::Bool),
    ("extensions", Shape::Any),
];
const USER: &[(&str, Shape)] = &[
    ("client-certificate", Shape::Text),
    ("client-certificate-data", Shape::Text),
    ("client-key", Shape::Text),
    ("client-key-data", Shape::Text),
    ("token", Shape::Text),
    ("tokenFile", Shape::Text),
    ("as", Shape::Text),
    ("as-uid", Shape::Text),
    ("as-groups", Shape::List(&Shape::Text)),
    ("as-user-extra", Shape::Any),
    ("username", Shape::Text),
    ("password", Shape::Text),
    ("auth-provider", Shape::Any),
    ("exec", Shape::Any),
    ("extensions", Shape::Any),
];
const CONTEXT: &[(&str, Shape)] = &[
    ("cluster", Shape::Text),
    ("user", Shape::Text),
    ("namespace", Shape::Text),
    ("extensions", Shape::Any),
];
const KIND: Kind = Kind {
    group: "",
    versions: &["v1"],
    kind: "Config",
    fields: &[
        ("preferences", Shape::Any),
        ("extensions", Shape::Any),
        ("current-context", Shape::Text),
        ("clusters", Shape::List(&CLUSTER_ENTRY)),
        ("users", Shape::List(&USER_ENTRY)),
        ("contexts", Shape::List(&CONTEXT_ENTRY)),
    ],
};
const CLUSTER_ENTRY: Shape =
    Shape::Object(&[("name", Shape::Text), ("cluster", Shape::Object(CLUSTER))]);
const USER_ENTRY: Shape = Shape::Object(&[("name", Shape::Text), ("user", Shape::Object(USER))]);
const CONTEXT_ENTRY: Shape =
    Shape::Object(&[("name", Shape::Text), ("context", Shape::Object(CONTEXT))]);

/// Reads the file, and those that it names; the end of the current context.
///
/// # Errors
/// What cannot be read, or not be used: no context, no server, credentials from programs.
pub fn read(path: &Path) -> Result<Endpoint, String> {
    let source = file(path)?;
    let arena = Bump::new();
    let config = settings::decode(&source, &KIND, &arena)
        .map_err(|why| format!("error loading config file {:?}: {why}", path.display()))?;
    let invalid = |why: String| format!("invalid configuration: {why}");
    let find = |list: &str, part: &str, name: &str| {
        let mut entries = config.list_at(&[list]).iter().rev();
        let found = entries.find(|entry| entry.str_at(&["name"]) == name)?;
        Some(found.get(part).map_or(Value::Null, |value| value.share_in(&arena)))
    };
    let current = config.str_at(&["current-context"]);
    let context = if current.is_empty() { None } else { find("contexts", "context", current) };
    if context.is_none() && !current.is_empty() {
        return Err(invalid(format!("context was not found for specified context: {current}")));
    }
    let context = context.unwrap_or(Value::Null);
    let (cluster, user) = (context.str_at(&["cluster"]), context.str_at(&["user"]));
    let Some(cluster_of) = find("clusters", "cluster", cluster) else {
        return Err(invalid(format!("cluster {cluster:?} does not exist")));
    };
    let user_of = match find("users", "user", user) {
        Some(found) => found,
        None if user.is_empty() => Value::Null,
        None => {
            return Err(invalid(format!("user {user:?} was not found for context {current:?}")));
        }
    };
    let server = cluster_of.str_at(&["server"]);
    if server.is_empty() {
        return Err(invalid(format!("no server found for cluster {cluster:?}")));
    }
    for (part, of) in [("proxy-url", &cluster_of), ("exec", &user_of), ("auth-provider", &user_of)]
    {
        if of.get(part).is_some_and(|value| !value.is_empty()) {
            return Err(format!("{part} is not built in this version of kubering"));
        }
    }
    let near = path.parent().unwrap_or(Path::new(""));
    let trust = trust(&cluster_of, &user_of, near)?;
    let mut target = Target::of_url(trust);
    let name = cluster_of.str_at(&["tls-server-name"]);
    target.server_name = (!name.is_empty()).then(|| name.to_owned());
    let url = if server.contains("://") { server.to_owned() } else { format!("http://{server}") };
    Ok(Endpoint::new(url, target, authorization(&user_of, near)?))
}

/// Who the users of a kubeconfig are, by their names: hosts, or `*` with the end of some.
#[derive(Debug, Clone, Default)]
pub struct Users {
    users: Vec<(String, Credentials)>,
    /// The user of the current context.
    current: Option<String>,
}

/// What is shown to a server.
#[derive(Clone, Default)]
pub struct Credentials {
    /// The client certificate.
    pub identity: Option<Identity>,
    /// The `Authorization` header.
    pub authorization: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials").finish_non_exhaustive()
    }
}

impl Users {
    /// Reads the file, and those that it names.
    ///
    /// # Errors
    /// What cannot be read, or not be used.
    pub fn read(path: &Path) -> Result<Self, String> {
        let source = file(path)?;
        let arena = Bump::new();
        let config = settings::decode(&source, &KIND, &arena)
            .map_err(|why| format!("error loading config file {:?}: {why}", path.display()))?;
        let near = path.parent().unwrap_or(Path::new(""));
        let mut users = Vec::new();
        for entry in config.list_at(&["users"]) {
            let user = entry.get("user").map_or(Value::Null, |user| user.share_in(&arena));
            for part in ["exec", "auth-provider"] {
                if user.get(part).is_some_and(|value| !value.is_empty()) {
                    return Err(format!("{part} is not built in this version of kubering"));
                }
            }
            let credentials = Credentials {
                identity: identity(&user, near)?,
                authorization: authorization(&user, near)?,
            };
            users.push((entry.str_at(&["name"]).to_owned(), credentials));
        }
        let current = config.str_at(&["current-context"]);
        let mut contexts = config.list_at(&["contexts"]).iter();
        let current = contexts.find(|entry| entry.str_at(&["name"]) == current);
        let current = current.map(|entry| entry.str_at(&["context", "user"]).to_owned());
        Ok(Self { users, current })
    }

    /// What is shown to `host` at `port` (`defaultAuthenticationInfoResolver.clientConfig`).
    pub fn of(&self, host: &str, port: u16) -> Option<&Credentials> {
        let find = |name: &str| {
            self.users.iter().find(|(known, _)| known == name).map(|(_, credentials)| credentials)
        };
        let ends = |target: &str| {
            let mut rest = target.split_once('.').map(|(_, rest)| rest.to_owned());
            std::iter::from_fn(move || {
                let end = rest.take()?;
                rest = end.split_once('.').map(|(_, rest)| rest.to_owned());
                Some(format!("*.{end}"))
            })
        };
        let search =
            |target: &str| find(target).or_else(|| ends(target).find_map(|name| find(&name)));
        let with_port = search(&format!("{host}:{port}"));
        let plain = || if port == 443 { search(host) } else { None };
        let current = || self.current.as_deref().filter(|name| !name.is_empty()).and_then(find);
        with_port.or_else(plain).or_else(|| find("*")).or_else(current)
    }
}

fn trust(
    cluster: &Value<'_>,
    user: &Value<'_>,
    near: &Path,
) -> Result<std::sync::Arc<Trust>, String> {
    let roots = match data_or_file(cluster, "certificate-authority", near)? {
        _ if cluster.bool_at(&["insecure-skip-tls-verify"]) => Roots::Unverified,
        Some(pem) => Roots::Pem(pem),
        None => Roots::System,
    };
    Ok(Trust::new(roots, identity(user, near)?))
}

/// The client certificate.
fn identity(user: &Value<'_>, near: &Path) -> Result<Option<Identity>, String> {
    match (data_or_file(user, "client-certificate", near)?, data_or_file(user, "client-key", near)?)
    {
        (Some(certificates), Some(key)) => Ok(Some(Identity { certificates, key })),
        (None, None) => Ok(None),
        _ => Err("client-certificate and client-key must be given together".to_owned()),
    }
}

/// The `Authorization` header.
fn authorization(user: &Value<'_>, near: &Path) -> Result<Option<String>, String> {
    let token_file = user.str_at(&["tokenFile"]);
    let token = if token_file.is_empty() {
        user.str_at(&["token"]).to_owned()
    } else {
        String::from_utf8_lossy(&file(&near.join(token_file))?).trim().to_owned()
    };
    if !token.is_empty() {
        return Ok(Some(format!("Bearer {token}")));
    }
    let (name, password) = (user.str_at(&["username"]), user.str_at(&["password"]));
    let basic = || format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
    Ok((!name.is_empty() || !password.is_empty()).then(basic))
}

/// `NAME-data` in base64, or the file `NAME`.
fn data_or_file(of: &Value<'_>, name: &str, near: &Path) -> Result<Option<Vec<u8>>, String> {
    let data = of.str_at(&[&format!("{name}-data")]);
    if !data.is_empty() {
        let decoded = STANDARD.decode(data);
        return decoded.map(Some).map_err(|_| format!("{name}-data is no base64"));
    }
    let named = of.str_at(&[name]);
    if named.is_empty() { Ok(None) } else { file(&near.join(named)).map(Some) }
}

fn file(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            format!("stat {}: no such file or directory", path.display())
        }
        _ => format!("{}: {error}", path.display()),
    })
}

#[cfg(test)]
mod tests {
    use super::read;

    fn load(text: &str) -> Result<String, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        std::fs::write(&path, text).unwrap();
        std::fs::write(directory.path().join("token"), "abc\n").unwrap();
        read(&path).map(|endpoint| format!("{endpoint:?}"))
    }

    const HEAD: &str = "apiVersion: v1\nkind: Config\n";

    #[test]
    fn the_current_context_names_server_and_credentials() {
        let found = load(&format!(
            "{HEAD}clusters: [{{name: c, cluster: {{server: 'https://a:1/x'}}}}]\nusers: [{{name: \
             u, user: {{tokenFile: token}}}}]\ncontexts: [{{name: x, context: {{cluster: c, user: \
             u}}}}]\ncurrent-context: x\n"
        ));
        let found = found.unwrap();
        assert!(found.contains("https://a:1/x") && !found.contains("abc"), "{found}");
    }

    #[test]
    fn the_most_exact_user_is_shown_to_a_host() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("config");
        let user = |name: &str| format!("- {{name: '{name}', user: {{token: 't {name}'}}}}\n");
        let names = ["a.b.svc:443", "*.b.svc:443", "*.svc", "a.c.svc:8443", "*"];
        let users: String = names.map(user).concat();
        std::fs::write(&path, format!("{HEAD}users:\n{users}")).unwrap();
        let users = super::Users::read(&path).unwrap();
        let shown = |host: &str, port| {
            let credentials = users.of(host, port).unwrap();
            credentials.authorization.clone().unwrap().replace("Bearer t ", "")
        };
        assert_eq!(shown("a.b.svc", 443), "a.b.svc:443");
        assert_eq!(shown("x.b.svc", 443), "*.b.svc:443");
        assert_eq!(shown("x.y.svc", 443), "*.svc");
        assert_eq!(shown("x.y.svc", 8443), "*");
        assert_eq!(shown("a.c.svc", 8443), "a.c.svc:8443");
        assert!(super::Users::default().of("a", 443).is_none());
        assert!(!format!("{users:?}").contains("t a"), "credentials are not shown");
    }

    #[test]
    fn what_cannot_be_used_is_told() {
        for (text, expected) in [
            ("current-context: x", "context was not found for specified context: x"),
            ("clusters: []", r#"cluster "" does not exist"#),
            ("cluster: []", r#"unknown field "cluster""#),
            ("clusters: [{name: '', cluster: {}}]", r#"no server found for cluster """#),
        ] {
            let error = load(&format!("{HEAD}{text}\n")).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
        let error = read("no/such".as_ref()).unwrap_err();
        assert_eq!(error, "stat no/such: no such file or directory");
    }
}
