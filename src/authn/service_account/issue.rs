//! Making tokens (`pkg/serviceaccount.Claims`, `serviceaccount/storage.TokenREST`).

use super::super::sign::Signer;
use super::user_name;
use crate::base::ids;
use serde_json::{Map, Value, json};
use std::rc::Rc;

/// Tokens that ask for exactly this long are those that pods are given (`WarnOnlyBoundToken…`).
const INJECTED_SECONDS: i64 = 60 * 60 + 7;
/// They hold a year, so that clients which do not read them again go on working.
const EXTENDED_SECONDS: i64 = 365 * 24 * 60 * 60;

/// Makes tokens of service accounts.
#[derive(Debug)]
pub struct TokenIssuer {
    /// `--service-account-signing-key-file`.
    pub signer: Signer,
    /// The first `--service-account-issuer`.
    pub name: String,
    /// `--api-audiences`.
    pub audiences: Rc<[String]>,
    /// `--service-account-max-token-expiration`; 0 for none.
    pub max_seconds: i64,
    /// `--service-account-extend-token-expiration`.
    pub extends: bool,
}

/// Name and uid of an object.
#[derive(Debug, Clone, Copy, Default)]
pub struct Reference<'r> {
    /// Its name.
    pub name: &'r str,
    /// Its uid; "" if there is no such object.
    pub uid: &'r str,
}

/// What a token is to say.
#[derive(Debug, Clone, Copy, Default)]
pub struct Order<'r> {
    /// The account's namespace.
    pub namespace: &'r str,
    /// The account.
    pub account: Reference<'r>,
    /// The pod it is bound to.
    pub pod: Option<Reference<'r>>,
    /// The node of that pod, or the one it is bound to itself.
    pub node: Option<Reference<'r>>,
    /// The secret it is bound to.
    pub secret: Option<Reference<'r>>,
    /// Whom it is for.
    pub audiences: &'r [&'r str],
    /// How long it is to hold.
    pub seconds: i64,
    /// When it is made, seconds since the epoch.
    pub now: i64,
}

/// A new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Its text.
    pub token: String,
    /// Its id.
    pub id: String,
}

impl TokenIssuer {
    /// Makes a token. `None` if the system has no random bytes.
    pub fn issue(&self, order: &Order<'_>) -> Option<Issued> {
        let id = ids::uuid();
        let token = self.signer.sign(&self.claims(order, &id))?;
        Some(Issued { token, id })
    }

    fn claims(&self, order: &Order<'_>, id: &str) -> Value {
        let reference = |one: Reference<'_>| match one.uid {
            "" => json!({ "name": one.name }),
            uid => json!({ "name": one.name, "uid": uid }),
        };
        let Order { namespace, account, now, .. } = *order;
        let mut bound = Map::new();
        bound.insert("namespace".into(), namespace.into());
        bound.insert("serviceaccount".into(), reference(account));
        let others = [("pod", order.pod), ("node", order.node), ("secret", order.secret)];
        for (name, other) in others {
            if let Some(other) = other {
                bound.insert(name.into(), reference(other));
            }
        }
        let mut seconds = order.seconds;
        let own = |audience: &&str| self.audiences.iter().any(|known| known == audience);
        if self.extends
            && order.pod.is_some()
            && seconds == INJECTED_SECONDS
            && order.audiences.iter().all(own)
        {
            bound.insert("warnafter".into(), now.saturating_add(seconds).into());
            seconds = EXTENDED_SECONDS;
        }
        json!({
            "iss": self.name,
            "sub": user_name(namespace, account.name),
            "aud": order.audiences,
            "exp": now.saturating_add(seconds),
            "nbf": now,
            "iat": now,
            "jti": id,
            "kubernetes.io": bound,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn issuer() -> TokenIssuer {
        let key = rcgen::KeyPair::generate().unwrap();
        TokenIssuer {
            signer: Signer::of_pem(key.serialize_pem().as_bytes()).unwrap(),
            name: "https://me".into(),
            audiences: Rc::from(["https://me".to_owned()]),
            max_seconds: 0,
            extends: true,
        }
    }

    fn order<'r>(audiences: &'r [&'r str], seconds: i64) -> Order<'r> {
        let account = Reference { name: "robot", uid: "u" };
        let pod = Some(Reference { name: "p", uid: "v" });
        Order { namespace: "ns", account, pod, audiences, seconds, now: 1000, ..Order::default() }
    }

    #[test]
    fn injected_tokens_live_a_year_and_say_when_they_should_have_ended() {
        let claims = issuer().claims(&order(&["https://me"], 3607), "id");
        assert_eq!(claims["exp"], 1000 + EXTENDED_SECONDS);
        assert_eq!(claims["kubernetes.io"]["warnafter"], 4607);
        assert_eq!(claims["sub"], "system:serviceaccount:ns:robot");
    }

    #[test]
    fn other_tokens_live_as_long_as_was_asked_for() {
        for (audiences, seconds) in [(["https://me"], 3600), (["vault"], 3607)] {
            let claims = issuer().claims(&order(&audiences, seconds), "id");
            assert_eq!(claims["exp"], 1000 + seconds);
            assert_eq!(claims["kubernetes.io"].get("warnafter"), None);
        }
    }
}
