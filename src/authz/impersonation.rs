//! May they act as somebody else: constrained impersonation and the older one behind it
//! (`pkg/endpoints/filters/impersonation`, gate `ConstrainedImpersonation`).
//!
//! Modes are tried in order. The constrained ones ask twice: whether the user may do with the
//! mode what the request does, and whether he may be whom he wants to be. The first refusal is
//! told if all modes refuse. The mode that let a user through is tried first the next time.

use super::action::Action;
use super::{Authorizer, MASTERS};
use crate::base::clock;
use crate::base::limits::IMPERSONATORS_MAX;
use crate::metrics::instruments;
use crate::request::{Fault, User};
use percent_encoding::percent_decode_str;
use ring::digest::{SHA256, digest};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

const AUTHENTICATED: &str = "system:authenticated";
const UNAUTHENTICATED: &str = "system:unauthenticated";
const ANONYMOUS: &str = "system:anonymous";
const NODES: &str = "system:nodes";
const IDENTITY_GROUP: &str = "authentication.k8s.io";
const NODE_NAME: &str = "authentication.kubernetes.io/node-name";
const NODE_KEYS: &str = "authentication.kubernetes.io/associated-node-keys";
const EXTRA_PREFIX: &str = "impersonate-extra-";
/// From so many groups or extra values on, one question for all of them comes first.
const MANY: usize = 4;

/// The way of impersonating that last let a user through, by the user's name; of all shards, for
/// the first refusal that is told depends on it. Users whose names meet in one place forget each
/// other, which changes the order of questions and never an answer.
#[derive(Debug)]
pub struct Successes(Box<[AtomicU64]>);

impl Default for Successes {
    fn default() -> Self {
        Self((0..IMPERSONATORS_MAX).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Successes {
    /// Bits of a name's hash that tell it from others in its place; the rest is the mode.
    const NAME: u64 = !0xff;

    fn place(&self, name: &str) -> Option<(&AtomicU64, u64)> {
        let hash = digest(&SHA256, name.as_bytes());
        let hash = u64::from_be_bytes(*hash.as_ref().first_chunk()?);
        let place = usize::try_from(hash % self.0.len() as u64).ok()?;
        Some((self.0.get(place)?, hash & Self::NAME))
    }

    fn get(&self, name: &str) -> Option<Mode> {
        let (place, hash) = self.place(name)?;
        let kept = place.load(Relaxed);
        let mode = usize::try_from(kept & !Self::NAME).ok()?.checked_sub(1)?;
        MODES.get(mode).copied().filter(|_| kept & Self::NAME == hash)
    }

    fn put(&self, name: &str, mode: Mode) {
        let Some(number) = MODES.iter().position(|known| *known == mode) else { return };
        if let Some((place, hash)) = self.place(name) {
            place.store(hash | (number as u64 + 1), Relaxed);
        }
    }

    pub(super) fn clear(&self) {
        self.0.iter().for_each(|place| place.store(0, Relaxed));
    }
}

/// A way of impersonating.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// A service account as the node that its pod runs on.
    AssociatedNode,
    /// Any node.
    ArbitraryNode,
    /// Any service account.
    ServiceAccount,
    /// Whoever is neither.
    UserInfo,
    /// With the verb `impersonate`, for whatever the user may do.
    Legacy,
}

const MODES: [Mode; 5] =
    [Mode::AssociatedNode, Mode::ArbitraryNode, Mode::ServiceAccount, Mode::UserInfo, Mode::Legacy];

/// The user that the request's headers, given by lower-case names, ask to be; `None` if they ask
/// for nobody (`processImpersonationHeaders`).
///
/// # Errors
/// 400 for headers that name groups, a uid or extra facts, but no user.
pub fn wanted_user<'h>(
    headers: impl Iterator<Item = (&'h str, &'h [u8])>,
) -> Result<Option<User>, Fault> {
    let mut wanted = User::default();
    let mut extra: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in headers.filter(|(name, _)| name.starts_with("impersonate-")) {
        let text = String::from_utf8_lossy(value);
        match name {
            "impersonate-user" if wanted.name.is_empty() => wanted.name = text.into_owned(),
            "impersonate-uid" if wanted.uid.is_empty() => wanted.uid = text.into_owned(),
            "impersonate-group" => wanted.groups.push(text.into_owned()),
            _ => {
                let Some(key) = name.strip_prefix(EXTRA_PREFIX) else { continue };
                extra.entry(unescape(key).into_owned()).or_default().push(text.into_owned());
            }
        }
    }
    wanted.extra = extra.into_iter().collect();
    let asks_more = !wanted.uid.is_empty() || !wanted.groups.is_empty() || !wanted.extra.is_empty();
    if wanted.name.is_empty() && asks_more {
        let shown = GoUser(&wanted);
        let text = format!("requested {shown} without impersonating a user name");
        return Err(Fault::BadRequest(text));
    }
    Ok((!wanted.name.is_empty()).then_some(wanted))
}

/// A key as it stands if it is not well encoded (`unescapeExtraKey`).
fn unescape(key: &str) -> Cow<'_, str> {
    let bytes = key.as_bytes();
    let is_escape = |at: usize| {
        let digits = bytes.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    let mut escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    if !escapes.all(|(at, _)| is_escape(at)) {
        return Cow::Borrowed(key);
    }
    percent_decode_str(key).decode_utf8_lossy()
}

impl Authorizer {
    /// The user that `requestor` acts as from now on, if he may do so for this action, and the verb
    /// of the constrained mode that let him.
    ///
    /// # Errors
    /// 403, with the first of the modes' refusals.
    pub async fn impersonate(
        &self,
        requestor: &User,
        wanted: &User,
        action: &Action<'_>,
    ) -> Result<(User, Option<&'static str>), Fault> {
        let begun = clock::now();
        let told = |mode: &str, decision: &str| {
            let (values, took) = ([decision, mode], clock::now().saturating_duration_since(begun));
            self.metrics.count(&instruments::IMPERSONATIONS, &values);
            self.metrics.observe(&instruments::IMPERSONATION_SECONDS, &values, took);
        };
        let last = self.successes.get(&requestor.name);
        let modes = last.into_iter().chain(MODES.into_iter().filter(|mode| Some(*mode) != last));
        let mut refusal = None;
        for mode in modes {
            match self.impersonate_by(mode, requestor, wanted, action).await {
                Some(Ok(user)) => {
                    self.successes.put(&requestor.name, mode);
                    told(mode.name().unwrap_or("legacy"), "allowed");
                    return Ok((user, mode.verb()));
                }
                Some(Err(fault)) => refusal = refusal.or(Some(fault)),
                None => {}
            }
        }
        told("", "denied");
        // The last mode applies to everybody, so there is a refusal.
        Err(refusal.unwrap_or(Fault::Internal("all impersonation modes failed".to_owned())))
    }

    /// One of the questions of a mode.
    async fn may_impersonate(
        &self,
        mode: Mode,
        requestor: &User,
        action: &Action<'_>,
    ) -> Result<(), Fault> {
        let begun = clock::now();
        let answer = self.authorize(requestor, action).await;
        let took = clock::now().saturating_duration_since(begun);
        let decision = if answer.is_ok() { "allowed" } else { "denied" };
        let values = [decision, mode.name().unwrap_or("legacy")];
        self.metrics.count(&instruments::IMPERSONATION_CHECKS, &values);
        self.metrics.observe(&instruments::IMPERSONATION_CHECK_SECONDS, &values, took);
        answer
    }

    /// `None` if the mode is not for this user.
    async fn impersonate_by(
        &self,
        mode: Mode,
        requestor: &User,
        wanted: &User,
        action: &Action<'_>,
    ) -> Option<Result<User, Fault>> {
        if !mode.applies(requestor, wanted) {
            return None;
        }
        let associated;
        let requestor = if mode == Mode::AssociatedNode {
            let keys = requestor.extra.iter().map(|(key, _)| key.clone()).collect();
            let extra = vec![(NODE_KEYS.to_owned(), keys)];
            associated = User { extra, ..requestor.clone() };
            &associated
        } else {
            requestor
        };
        if let Some(name) = mode.name() {
            let verb = format!("impersonate-on:{name}:{}", action.verb);
            let on = Action { verb: &verb, ..*action };
            if let Err(fault) = self.may_impersonate(mode, requestor, &on).await {
                return Some(Err(fault));
            }
        }
        Some(Check { authorizer: self, mode, requestor }.all(wanted).await)
    }
}

impl Mode {
    /// The verb of a constrained mode.
    const fn verb(self) -> Option<&'static str> {
        match self {
            Self::AssociatedNode => Some("impersonate:associated-node"),
            Self::ArbitraryNode => Some("impersonate:arbitrary-node"),
            Self::ServiceAccount => Some("impersonate:serviceaccount"),
            Self::UserInfo => Some("impersonate:user-info"),
            Self::Legacy => None,
        }
    }

    const fn name(self) -> Option<&'static str> {
        match self {
            Self::AssociatedNode => Some("associated-node"),
            Self::ArbitraryNode => Some("arbitrary-node"),
            Self::ServiceAccount => Some("serviceaccount"),
            Self::UserInfo => Some("user-info"),
            Self::Legacy => None,
        }
    }

    fn applies(self, requestor: &User, wanted: &User) -> bool {
        let only_name =
            wanted.uid.is_empty() && wanted.groups.is_empty() && wanted.extra.is_empty();
        let (node, account) = (node(&wanted.name), service_account(&wanted.name));
        match self {
            Self::AssociatedNode => {
                only_name
                    && node.is_some()
                    && service_account(&requestor.name).is_some()
                    && own_node(requestor) == node
            }
            Self::ArbitraryNode => only_name && node.is_some(),
            Self::ServiceAccount => only_name && account.is_some(),
            Self::UserInfo => node.is_none() && account.is_none(),
            Self::Legacy => true,
        }
    }
}

/// The questions whether the requestor may be whom he wants to be (`impersonationModeState`).
struct Check<'c> {
    authorizer: &'c Authorizer,
    mode: Mode,
    requestor: &'c User,
}

impl Check<'_> {
    async fn all(&self, wanted: &User) -> Result<User, Fault> {
        let mut user = wanted.clone();
        self.name(wanted, &mut user).await?;
        if !wanted.uid.is_empty() {
            self.ask(self.identity("uids", &wanted.uid)).await?;
        }
        self.groups(&wanted.groups).await?;
        self.extra(&wanted.extra).await?;
        if user.name == ANONYMOUS {
            ensure_group(&mut user, UNAUTHENTICATED);
        } else if !user.in_group(UNAUTHENTICATED) {
            ensure_group(&mut user, AUTHENTICATED);
        }
        Ok(user)
    }

    const fn constrained(&self) -> bool {
        !matches!(self.mode, Mode::Legacy)
    }

    async fn ask(&self, action: Action<'_>) -> Result<(), Fault> {
        let verb = match self.mode.name() {
            Some(name) => Cow::Owned(format!("impersonate:{name}")),
            None => Cow::Borrowed("impersonate"),
        };
        let action = Action { verb: &verb, ..action };
        self.authorizer.may_impersonate(self.mode, self.requestor, &action).await
    }

    /// A refusal without a question.
    fn refuse(&self, action: Action<'_>, why: &str) -> Fault {
        let verb = self
            .mode
            .name()
            .map_or_else(|| "impersonate".to_owned(), |name| format!("impersonate:{name}"));
        Action { verb: &verb, ..action }.forbidden(self.requestor, why)
    }

    /// A question about users and groups: in the core group for the older mode.
    fn subject<'r>(&self, resource: &'r str, name: &'r str) -> Action<'r> {
        if self.constrained() {
            return self.identity(resource, name);
        }
        Action { version: "v1", name, ..Action::resource(resource) }
    }

    #[expect(clippy::unused_self, reason = "reads as its sibling")]
    fn identity<'r>(&self, resource: &'r str, name: &'r str) -> Action<'r> {
        Action { group: IDENTITY_GROUP, version: "v1", name, ..Action::resource(resource) }
    }

    async fn name(&self, wanted: &User, user: &mut User) -> Result<(), Fault> {
        if let (true, Some(node)) = (self.constrained(), node(&wanted.name)) {
            user.groups = vec![NODES.to_owned()];
            let name = if self.mode == Mode::AssociatedNode { "*" } else { node };
            return self.ask(self.subject("nodes", name)).await;
        }
        let Some((namespace, name)) = service_account(&wanted.name) else {
            return self.ask(self.subject("users", &wanted.name)).await;
        };
        if wanted.groups.is_empty() {
            let own = format!("system:serviceaccounts:{namespace}");
            user.groups = vec!["system:serviceaccounts".to_owned(), own];
        }
        self.ask(Action { namespace, ..self.subject("serviceaccounts", name) }).await
    }

    async fn groups(&self, groups: &[String]) -> Result<(), Fault> {
        if self.constrained() {
            if groups.iter().any(String::is_empty) {
                let why = "impersonating the empty string group is not allowed";
                return Err(self.refuse(self.subject("groups", ""), why));
            }
            if groups.iter().any(|group| group == MASTERS) {
                let why = "impersonating the system:masters group is not allowed";
                return Err(self.refuse(self.subject("groups", MASTERS), why));
            }
            if groups.len() >= MANY && self.ask(self.subject("groups", "*")).await.is_ok() {
                return Ok(());
            }
        }
        for group in groups {
            self.ask(self.subject("groups", group)).await?;
        }
        Ok(())
    }

    async fn extra(&self, extra: &[(String, Vec<String>)]) -> Result<(), Fault> {
        let about = |key, value| Action { subresource: key, ..self.identity("userextras", value) };
        if self.constrained() {
            if let Some(why) = extra.iter().find_map(|(key, values)| bad_extra(key, values)) {
                return Err(self.refuse(about("", ""), &why));
            }
            let values = extra.iter().map(|(_, values)| values.len()).sum::<usize>();
            if values >= MANY && self.ask(about("*", "*")).await.is_ok() {
                return Ok(());
            }
        }
        for (key, values) in extra {
            for value in values {
                self.ask(about(key, value)).await?;
            }
        }
        Ok(())
    }
}

/// `validateExtra`.
fn bad_extra(key: &str, values: &[String]) -> Option<String> {
    if key.is_empty() {
        return Some("impersonating the empty string key in extra is not allowed".to_owned());
    }
    let is_path = key.split_once('/').is_some_and(|(domain, path)| {
        is_subdomain(domain) && !path.is_empty() && path.is_ascii() && !path.contains(' ')
    });
    if !is_path {
        return Some(format!(
            "impersonating an invalid key in extra is not allowed: extra.key: Invalid value: \
             {key:?}: must be a domain-prefixed path (such as \"acme.io/foo\")"
        ));
    }
    if key.chars().any(char::is_uppercase) {
        return Some(format!("impersonating a non-lowercase key in extra is not allowed: {key:?}"));
    }
    let empty = values.iter().any(String::is_empty);
    empty.then(|| "impersonating the empty string value in extra is not allowed".to_owned())
}

fn ensure_group(user: &mut User, group: &str) {
    if !user.in_group(group) {
        user.groups.push(group.to_owned());
    }
}

fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        let inside = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !part.is_empty()
            && part.bytes().all(|byte| inside(byte) || byte == b'-')
            && part.bytes().next().is_some_and(inside)
            && part.bytes().next_back().is_some_and(inside)
    };
    text.len() <= 253 && text.split('.').all(part)
}

/// The node that a user name names.
fn node(name: &str) -> Option<&str> {
    name.strip_prefix("system:node:").filter(|node| is_subdomain(node))
}

/// The node that the requestor's token is bound to.
fn own_node(user: &User) -> Option<&str> {
    let (_, values) = user.extra.iter().find(|(key, _)| key == NODE_NAME)?;
    match values.as_slice() {
        [node] => Some(node),
        _ => None,
    }
}

/// Namespace and name of the service account that a user name names
/// (`serviceaccount.SplitUsername`).
fn service_account(name: &str) -> Option<(&str, &str)> {
    let (namespace, name) = name.strip_prefix("system:serviceaccount:")?.split_once(':')?;
    let is_label = !namespace.contains('.') && namespace.len() <= 63 && is_subdomain(namespace);
    (is_label && is_subdomain(name)).then_some((namespace, name))
}

/// A user as Go's `%#v` prints `&user.DefaultInfo{}`.
struct GoUser<'u>(&'u User);

impl fmt::Display for GoUser<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let User { name, uid, groups, extra } = self.0;
        write!(f, "&user.DefaultInfo{{Name:{name:?}, UID:{uid:?}, Groups:{}", go_slice(groups))?;
        f.write_str(", Extra:map[string][]string")?;
        if extra.is_empty() {
            return f.write_str("(nil)}");
        }
        let extra = extra.iter().map(|(key, values)| format!("{key:?}:{}", go_slice(values)));
        write!(f, "{{{}}}}}", extra.collect::<Vec<_>>().join(", "))
    }
}

fn go_slice(texts: &[String]) -> String {
    if texts.is_empty() {
        return "[]string(nil)".to_owned();
    }
    let texts = texts.iter().map(|text| format!("{text:?}"));
    format!("[]string{{{}}}", texts.collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::Mode as AuthorizationMode;
    use crate::authz::rbac::tests::{binding, role};

    fn user(name: &str) -> User {
        User { name: name.into(), ..User::default() }
    }

    fn wanted(headers: &[(&str, &str)]) -> Result<Option<User>, Fault> {
        wanted_user(headers.iter().map(|(name, value)| (*name, value.as_bytes())))
    }

    /// A chain where `alice` has the rules, given as verbs, groups and resources.
    fn chain(rules: &[(&str, &str, &str)]) -> Authorizer {
        let chain = Authorizer::new(&[AuthorizationMode::Rbac]);
        role(chain.roles(), "", "r", rules);
        binding(chain.roles(), ("", "b"), ("ClusterRole", "r"), &[("User", "alice")]);
        chain
    }

    fn act(chain: &Authorizer, as_user: &User) -> Result<User, String> {
        let action = Action { verb: "list", ..Action::resource("pods") };
        let done =
            futures_lite::future::block_on(chain.impersonate(&user("alice"), as_user, &action));
        done.map(|(user, _)| user).map_err(|fault| match fault {
            Fault::Forbidden { message, .. } => message,
            other => panic!("{other:?}"),
        })
    }

    #[test]
    fn headers_tell_the_wanted_user() {
        let found = wanted(&[
            ("impersonate-user", "zoe"),
            ("impersonate-group", "a"),
            ("impersonate-group", "b"),
            ("impersonate-uid", "u"),
            ("impersonate-extra-acme.com%2fproject", "x"),
            ("impersonate-extra-bad%", "y"),
        ]);
        let extra = [("acme.com/project", "x"), ("bad%", "y")];
        let extra = extra.map(|(key, value)| (key.to_owned(), vec![value.to_owned()]));
        let groups = vec!["a".to_owned(), "b".to_owned()];
        let zoe = User { groups, uid: "u".into(), extra: extra.into(), ..user("zoe") };
        assert_eq!(found, Ok(Some(zoe)));
        assert_eq!(wanted(&[("accept", "x")]), Ok(None));
    }

    #[test]
    fn groups_without_a_user_are_refused_with_what_was_asked() {
        let refused = wanted(&[("impersonate-group", "g1"), ("impersonate-extra-k", "v")]);
        let text = "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"g1\"}, \
                    Extra:map[string][]string{\"k\":[]string{\"v\"}}} without impersonating a \
                    user name";
        assert_eq!(refused, Err(Fault::BadRequest(text.to_owned())));
    }

    #[test]
    fn the_first_mode_s_refusal_is_told() {
        let refused = act(&chain(&[]), &user("zoe")).unwrap_err();
        let verb = "impersonate-on:user-info:list";
        let of = r#"resource "pods" in API group "" at the cluster scope"#;
        assert_eq!(refused, format!("User \"alice\" cannot {verb} {of}"));
        let account = user("system:serviceaccount:a:b");
        let refused = act(&chain(&[]), &account).unwrap_err();
        assert!(refused.contains("impersonate-on:serviceaccount:list"), "{refused}");
        let refused = act(&chain(&[]), &user("system:node:n")).unwrap_err();
        assert!(refused.contains("impersonate-on:arbitrary-node:list"), "{refused}");
    }

    #[test]
    fn the_older_verb_suffices_and_is_tried_first_from_then_on() {
        let chain = chain(&[("impersonate", "", "users"), ("impersonate", "", "groups")]);
        let zoe = User { groups: vec!["g".into()], ..user("zoe") };
        let acting = act(&chain, &zoe).expect("allowed");
        assert_eq!(acting.groups, ["g", "system:authenticated"]);
        let refused = act(&chain, &user("system:serviceaccount:a:b")).unwrap_err();
        let of = r#"resource "serviceaccounts" in API group "" in the namespace "a""#;
        assert_eq!(refused, format!("User \"alice\" cannot impersonate {of}"));
    }

    #[test]
    fn a_constrained_mode_asks_for_the_deed_and_for_the_identity() {
        let on = ("impersonate-on:user-info:list", "", "pods");
        let refused = act(&chain(&[on]), &user("zoe")).unwrap_err();
        let of = r#"resource "users" in API group "authentication.k8s.io" at the cluster scope"#;
        assert_eq!(refused, format!("User \"alice\" cannot impersonate:user-info {of}"));
        let is = ("impersonate:user-info", "authentication.k8s.io", "*");
        assert_eq!(act(&chain(&[on, is]), &user("zoe")).expect("allowed").name, "zoe");
        let root = User { groups: vec![MASTERS.into()], ..user("zoe") };
        let refused = act(&chain(&[on, is]), &root).unwrap_err();
        assert!(refused.ends_with("impersonating the system:masters group is not allowed"));
    }

    #[test]
    fn a_node_has_the_group_of_nodes_only_by_a_constrained_mode() {
        let node = user("system:node:n");
        let on = ("impersonate-on:arbitrary-node:list", "", "pods");
        let is = ("impersonate:arbitrary-node", "authentication.k8s.io", "nodes");
        let acting = act(&chain(&[on, is]), &node).expect("allowed");
        assert_eq!(acting.groups, [NODES, AUTHENTICATED]);
        let acting = act(&chain(&[("impersonate", "", "users")]), &node).expect("allowed");
        assert_eq!(acting.groups, [AUTHENTICATED]);
    }
}
