//! Bootstrap tokens, with which new nodes come first: `ID.SECRET` of a secret in kube-system
//! (`plugin/pkg/auth/authenticator/token/bootstrap`).

use super::objects::{Missing, Objects, decode};
use super::{Failure, Identity, Verdict};
use crate::base::{clock, timestamp};
use crate::object::Value;
use crate::request::User;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use ring::digest::{SHA256, digest};
use std::rc::Rc;

const NAMESPACE: &str = "kube-system";
const SECRET_PREFIX: &str = "bootstrap-token-";
const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
const GROUP: &str = "system:bootstrappers";
const ID_BYTES: usize = 6;
const SECRET_BYTES: usize = 16;
/// What may follow `system:bootstrappers:` in the name of a group.
const GROUP_TAIL_BYTES_MAX: usize = 256;

/// The user of a bootstrap token; nothing for a text that is none, or does not hold.
///
/// # Errors
/// The secret cannot be read.
pub(super) async fn authenticate(objects: &Objects, token: &str) -> Verdict {
    let Some((id, secret)) = parse(token) else { return Ok(None) };
    let name = format!("{SECRET_PREFIX}{id}");
    let entry = match objects.get("secrets", NAMESPACE, &name).await {
        Ok(entry) => entry,
        Err(Missing::NotFound) => return Ok(None),
        Err(Missing::Unreadable) => {
            return Err(Failure::one(format!("secrets {name:?} cannot be read")));
        }
    };
    if entry.deleting() {
        return Ok(None);
    }
    let arena = Bump::new();
    let user = decode(&entry, &arena).and_then(|object| user(&object, id, secret));
    Ok(user.map(|user| Identity::of(Rc::new(user))))
}

/// Id and secret of `[a-z0-9]{6}.[a-z0-9]{16}`.
fn parse(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let plain = |text: &str| text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = id.len() == ID_BYTES && secret.len() == SECRET_BYTES;
    (fits && plain(id) && plain(secret)).then_some((id, secret))
}

fn user(object: &Value<'_>, id: &str, secret: &str) -> Option<User> {
    if object.str_at(&["type"]) != SECRET_TYPE {
        return None;
    }
    let data = |key: &str| {
        let bytes = STANDARD.decode(object.str_at(&["data", key])).unwrap_or_default();
        String::from_utf8(bytes).unwrap_or_default()
    };
    // Digests are compared, so that the time taken says nothing about the secret.
    let same = |a: &str, b: &str| {
        digest(&SHA256, a.as_bytes()).as_ref() == digest(&SHA256, b.as_bytes()).as_ref()
    };
    let holds = same(&data("token-secret"), secret)
        && data("token-id") == id
        && !has_expired(&data("expiration"))
        && data("usage-bootstrap-authentication") == "true";
    if !holds {
        return None;
    }
    let mut groups = vec![GROUP.to_owned()];
    let extra = data("auth-extra-groups");
    if !extra.is_empty() {
        for group in extra.split(',') {
            if !is_group(group) {
                return None;
            }
            groups.push(group.to_owned());
        }
    }
    groups.sort();
    groups.dedup();
    Some(User { name: format!("system:bootstrap:{id}"), groups, ..User::default() })
}

/// What cannot be read counts as expired.
fn has_expired(expiration: &str) -> bool {
    !expiration.is_empty()
        && timestamp::parse_rfc3339(expiration).is_none_or(|at| at <= clock::unix_seconds())
}

/// `\Asystem:bootstrappers:[a-z0-9:-]{0,255}[a-z0-9]\z`.
fn is_group(name: &str) -> bool {
    let Some(tail) = name.strip_prefix(GROUP).and_then(|rest| rest.strip_prefix(':')) else {
        return false;
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    tail.len() <= GROUP_TAIL_BYTES_MAX
        && tail.bytes().all(|b| plain(b) || matches!(b, b':' | b'-'))
        && tail.bytes().next_back().is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::Map;

    fn secret<'a>(arena: &'a Bump, pairs: &[(&'static str, &str)]) -> Value<'a> {
        let mut data = Map::new_in(arena);
        for (key, value) in pairs {
            data.insert(key, Value::str_in(&STANDARD.encode(value), arena));
        }
        let mut object = Map::new_in(arena);
        object.insert("type", Value::Str(SECRET_TYPE));
        object.insert("data", Value::Map(data));
        Value::Map(object)
    }

    const GOOD: [(&str, &str); 3] = [
        ("token-id", "abcdef"),
        ("token-secret", "0123456789abcdef"),
        ("usage-bootstrap-authentication", "true"),
    ];

    #[test]
    fn a_token_names_its_bootstrap_user() {
        let arena = Bump::new();
        let mut pairs = GOOD.to_vec();
        pairs.push(("auth-extra-groups", "system:bootstrappers:kubeadm"));
        let user = user(&secret(&arena, &pairs), "abcdef", "0123456789abcdef").unwrap();
        assert_eq!(user.name, "system:bootstrap:abcdef");
        assert_eq!(user.groups, [GROUP, "system:bootstrappers:kubeadm"]);
    }

    #[test]
    fn what_is_wrong_expired_or_not_meant_for_this_names_nobody() {
        let arena = Bump::new();
        assert_eq!(user(&secret(&arena, &GOOD), "abcdef", "0123456789abcdeX"), None);
        for more in [
            ("expiration", "2001-01-01T00:00:00Z"),
            ("expiration", "soon"),
            ("usage-bootstrap-authentication", "false"),
            ("auth-extra-groups", "system:masters"),
            ("token-id", "other1"),
        ] {
            let mut pairs = GOOD.to_vec();
            pairs.push(more);
            let secret = secret(&arena, &pairs);
            assert_eq!(user(&secret, "abcdef", "0123456789abcdef"), None, "{more:?}");
        }
        for bad in ["", "abcdef", "abcdef.short", "ABCDEF.0123456789abcdef"] {
            assert_eq!(parse(bad), None);
        }
    }
}
