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
    let identity = match (
        data_or_file(user, "client-certificate", near)?,
        data_or_file(user, "client-key", near)?,
    ) {
        (Some(certificates), Some(key)) => Some(Identity { certificates, key }),
        (None, None) => None,
        _ => return Err("client-certificate and client-key must be given together".to_owned()),
    };
    Ok(Trust::new(roots, identity))
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
