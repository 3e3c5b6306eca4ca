//! ServiceAccount: a pod runs as a service account that exists, gets its image pull secrets and,
//! unless it declines, a projected token volume (features.md section 6.3).

use super::Reader;
use crate::object::{List, Map, Value};
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;
use std::rc::Rc;

const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
const MIRROR: &str = "kubernetes.io/config.mirror";
const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";
const TOKEN_SECONDS: i64 = 3607;

/// Sets the account's name, its pull secrets and the token volume of a new pod.
///
/// # Errors
/// 403 if the account is not there, or a mirror pod refers to one.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    if at.operation != Operation::Create || !at.is("", "pods") {
        return Ok(());
    }
    if is_mirror(object) {
        return validate(at, object, reader).await;
    }
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return Ok(()) };
    if spec.get("serviceAccountName").and_then(Value::as_str).is_none_or(str::is_empty) {
        spec.insert("serviceAccountName", Value::Str("default"));
        // The deprecated alias mirrors the name on output.
        spec.insert("serviceAccount", Value::Str("default"));
    }
    let account = account(at, object, reader).await?;
    let own = object.at(&["spec", "automountServiceAccountToken"]).and_then(Value::as_bool);
    if own.or(account.automount).unwrap_or(true) {
        mount_token(object, arena);
    }
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return Ok(()) };
    if spec.get("imagePullSecrets").is_none_or(Value::is_empty)
        && let Some(secrets) = &account.pull_secrets
    {
        let mut list = List::with_capacity_in(secrets.len(), arena);
        list.extend(secrets.iter().map(|name| {
            let mut reference = Map::new_in(arena);
            if let Some(name) = name {
                reference.push_unique("name", Value::str_in(name, arena));
            }
            Value::Map(reference)
        }));
        spec.insert("imagePullSecrets", Value::List(list));
    }
    // What is refused is refused before a name is made.
    validate(at, object, reader).await
}

/// Mirror pods refer to no account; an account may limit the secrets its pods use.
///
/// # Errors
/// 403 naming the reference.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    reader: &Reader,
) -> Result<()> {
    let pods = at.resource.group.is_empty() && at.resource.name == "pods";
    if pods && at.operation == Operation::Update && at.subresource == "ephemeralcontainers" {
        return validate_ephemeral(at, object, reader).await;
    }
    if at.operation != Operation::Create || !at.is("", "pods") {
        return Ok(());
    }
    if is_mirror(object) {
        if !object.str_at(&["spec", "serviceAccountName"]).is_empty() {
            return Err(refuse(at, "a mirror pod may not reference service accounts".into()));
        }
        return Ok(());
    }
    let account = account(at, object, reader).await?;
    let Some(limits) = &account.mountable else { return Ok(()) };
    let Some(what) = limits.first_breach(object) else { return Ok(()) };
    let name = object.str_at(&["spec", "serviceAccountName"]);
    let (what, kind) = what;
    let text = format!(
        "{what} is not allowed because service account {name} does not reference that {kind}"
    );
    Err(refuse(at, text))
}

/// Ephemeral containers use no other secrets than their pod's account has.
async fn validate_ephemeral(
    at: &Attributes<'_>,
    object: &Value<'_>,
    reader: &Reader,
) -> Result<()> {
    let name = object.str_at(&["spec", "serviceAccountName"]);
    if name.is_empty() {
        let (namespace, pod) = (at.namespace, object.str_at(&["metadata", "name"]));
        let text = format!("no service account specified for pod {namespace}/{pod}");
        return Err(refuse(at, text));
    }
    let account = account(at, object, reader).await?;
    let Some(limits) = &account.mountable else { return Ok(()) };
    match limits.in_containers(object, "ephemeralContainers", "ephemeral container") {
        None => Ok(()),
        Some(what) => Err(refuse(
            at,
            format!(
                "{what} is not allowed because service account {name} does not reference that \
                 secret"
            ),
        )),
    }
}

/// The secrets that pods of an account may use.
struct Limits {
    secrets: Vec<String>,
    pull_secrets: Vec<String>,
}

impl Limits {
    fn allows(&self, secret: &str) -> bool {
        self.secrets.iter().any(|name| name == secret)
    }

    /// The first reference that is not allowed, and what it refers to
    /// (`limitSecretReferences`).
    fn first_breach(&self, pod: &Value<'_>) -> Option<(String, &'static str)> {
        let volumes = pod.list_at(&["spec", "volumes"]).iter();
        let mut secrets = volumes.filter_map(|volume| volume.get("secret"));
        let of_volume = secrets.find_map(|secret| {
            let name = secret.str_at(&["secretName"]);
            (!self.allows(name)).then(|| format!("volume with secret.secretName=\"{name}\""))
        });
        let secret = of_volume
            .or_else(|| self.in_containers(pod, "initContainers", "init container"))
            .or_else(|| self.in_containers(pod, "containers", "container"));
        if let Some(what) = secret {
            return Some((what, "secret"));
        }
        let pulls = pod.list_at(&["spec", "imagePullSecrets"]).iter().enumerate();
        let mut pulls = pulls.map(|(at, pull)| (at, pull.str_at(&["name"])));
        let (at, name) =
            pulls.find(|(_, name)| !self.pull_secrets.iter().any(|known| known == name))?;
        Some((format!("imagePullSecrets[{at}].name=\"{name}\""), "imagePullSecret"))
    }

    fn in_containers(&self, pod: &Value<'_>, field: &str, kind: &str) -> Option<String> {
        pod.list_at(&["spec", field]).iter().find_map(|container| {
            let owner = container.str_at(&["name"]);
            let of_env = container.list_at(&["env"]).iter().find_map(|env| {
                let secret = env.at(&["valueFrom", "secretKeyRef"])?.str_at(&["name"]);
                let name = env.str_at(&["name"]);
                (!self.allows(secret)).then(|| {
                    format!(
                        "{kind} {owner} with envVar {name} referencing \
                         secret.secretName=\"{secret}\""
                    )
                })
            });
            of_env.or_else(|| {
                container.list_at(&["envFrom"]).iter().find_map(|from| {
                    let secret = from.get("secretRef")?.str_at(&["name"]);
                    (!self.allows(secret)).then(|| {
                        let what = "with envFrom referencing secret.secretName";
                        format!("{kind} {owner} {what}=\"{secret}\"")
                    })
                })
            })
        })
    }
}

/// What is asked of a service account.
struct Account {
    automount: Option<bool>,
    /// The names in `imagePullSecrets`, where they have one; `None` without such a list.
    pull_secrets: Option<Vec<Option<String>>>,
    /// The secrets that pods may use, if the account limits them.
    mountable: Option<Limits>,
}

impl Account {
    fn of(object: &Value<'_>) -> Self {
        let pull_secrets = object.at(&["imagePullSecrets"]).and_then(Value::as_list);
        let name =
            |secret: &Value<'_>| secret.at(&["name"]).and_then(Value::as_str).map(str::to_owned);
        let enforces = object.str_at(&["metadata", "annotations", ENFORCE]) == "true";
        let names = |field: &str| {
            let listed = object.list_at(&[field]).iter();
            listed.map(|secret| name(secret).unwrap_or_default()).collect()
        };
        let limits =
            || Limits { secrets: names("secrets"), pull_secrets: names("imagePullSecrets") };
        Self {
            automount: object.at(&["automountServiceAccountToken"]).and_then(Value::as_bool),
            pull_secrets: pull_secrets.map(|secrets| secrets.iter().map(name).collect()),
            mountable: enforces.then(limits),
        }
    }
}

async fn account(at: &Attributes<'_>, object: &Value<'_>, reader: &Reader) -> Result<Rc<Account>> {
    let name = object.str_at(&["spec", "serviceAccountName"]);
    reader.fact("serviceaccounts", at.namespace, name, Account::of).await?.ok_or_else(|| {
        let text = format!(
            "error looking up service account {}/{name}: serviceaccount {name:?} not found",
            at.namespace
        );
        refuse(at, text)
    })
}

fn is_mirror(object: &Value<'_>) -> bool {
    object.at(&["metadata", "annotations", MIRROR]).is_some()
}

/// Adds the projected volume and mounts it where nothing else is mounted.
fn mount_token<'a>(object: &mut Value<'a>, arena: &'a Bump) {
    let existing = object.list_at(&["spec", "volumes"]).iter().find_map(|volume| {
        volume.str_at(&["name"]).strip_prefix("kube-api-access-").map(|_| volume.str_at(&["name"]))
    });
    let name: &'a str = match existing {
        Some(name) => arena.alloc_str(name),
        None => arena.alloc_str(&format!("kube-api-access-{}", crate::base::ids::name_suffix())),
    };
    let mut mounted = false;
    for kind in ["initContainers", "containers"] {
        for container in object.list_at_mut(&["spec", kind]) {
            let taken = container
                .list_at(&["volumeMounts"])
                .iter()
                .any(|mount| mount.str_at(&["mountPath"]) == MOUNT_PATH);
            if taken {
                continue;
            }
            let Some(map) = container.as_map_mut() else { continue };
            mounted = true;
            let mut mount = Map::new_in(arena);
            mount.push_unique("name", Value::Str(name));
            mount.push_unique("readOnly", Value::Bool(true));
            mount.push_unique("mountPath", Value::Str(MOUNT_PATH));
            push(map, "volumeMounts", Value::Map(mount), arena);
        }
    }
    if mounted
        && existing.is_none()
        && let Some(map) = object.as_map_mut()
    {
        push(map.entry_map("spec"), "volumes", token_volume(name, arena), arena);
    }
}

fn token_volume<'a>(name: &'a str, arena: &'a Bump) -> Value<'a> {
    let one = |key: &'a str, value: Value<'a>| {
        let mut map = Map::new_in(arena);
        map.push_unique(key, value);
        map
    };
    let list = |values: Vec<Value<'a>>| {
        let mut list = List::with_capacity_in(values.len(), arena);
        list.extend(values);
        Value::List(list)
    };
    let mut token = one("expirationSeconds", Value::Int(TOKEN_SECONDS));
    token.push_unique("path", Value::Str("token"));
    let mut ca = one("key", Value::Str("ca.crt"));
    ca.push_unique("path", Value::Str("ca.crt"));
    let mut root = one("name", Value::Str("kube-root-ca.crt"));
    root.push_unique("items", list(vec![Value::Map(ca)]));
    let mut field = one("apiVersion", Value::Str("v1"));
    field.push_unique("fieldPath", Value::Str("metadata.namespace"));
    let mut item = one("path", Value::Str("namespace"));
    item.push_unique("fieldRef", Value::Map(field));
    let downward = one("items", list(vec![Value::Map(item)]));
    let sources = list(vec![
        Value::Map(one("serviceAccountToken", Value::Map(token))),
        Value::Map(one("configMap", Value::Map(root))),
        Value::Map(one("downwardAPI", Value::Map(downward))),
    ]);
    let mut projected = one("sources", sources);
    projected.push_unique("defaultMode", Value::Int(0o644));
    let mut volume = one("name", Value::Str(name));
    volume.push_unique("projected", Value::Map(projected));
    Value::Map(volume)
}

fn push<'a>(map: &mut Map<'a>, key: &'static str, value: Value<'a>, arena: &'a Bump) {
    if map.get(key).and_then(Value::as_list).is_none() {
        map.insert(key, Value::List(List::new_in(arena)));
    }
    if let Some(list) = map.get_mut(key).and_then(Value::as_list_mut) {
        list.push(value);
    }
}

fn refuse(at: &Attributes<'_>, message: String) -> Fault {
    let subject = Subject { group: "".into(), resource: "pods".into(), name: at.title.into() };
    Fault::Forbidden { subject, message, cause: None }
}
