//! May they: the authorizers in the order of `--authorization-mode`, after the group that may do
//! everything (features.md section 5). Node, RBAC, ABAC and Webhook have their places in the
//! chain but are not built yet: they have no opinion, so what no other mode allows is denied.

use crate::request::{Fault, RequestInfo, Subject, User};

/// The group that every mode lets pass.
pub const MASTERS: &str = "system:masters";

/// One authorizer of `--authorization-mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// A policy file.
    Abac,
    /// Everything.
    AlwaysAllow,
    /// Nothing.
    AlwaysDeny,
    /// What a kubelet needs.
    Node,
    /// Roles and bindings.
    Rbac,
    /// A remote service.
    Webhook,
}

impl Mode {
    /// The mode as the flag names it.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "ABAC" => Self::Abac,
            "AlwaysAllow" => Self::AlwaysAllow,
            "AlwaysDeny" => Self::AlwaysDeny,
            "Node" => Self::Node,
            "RBAC" => Self::Rbac,
            "Webhook" => Self::Webhook,
            _ => return None,
        })
    }

    /// True if the mode decides anything yet.
    pub const fn is_built(self) -> bool {
        matches!(self, Self::AlwaysAllow | Self::AlwaysDeny)
    }
}

/// The chain of one shard.
#[derive(Debug, Clone)]
pub struct Authorizer {
    modes: Vec<Mode>,
}

/// What a request wants, as authorizers see it.
#[derive(Debug, Clone, Copy)]
pub struct Action<'r> {
    /// The parsed URL.
    pub info: &'r RequestInfo<'r>,
    /// The lower-case verb; for non-resource requests the lower-case method.
    pub verb: &'r str,
}

impl Authorizer {
    /// The chain for these modes, in order.
    pub const fn new(modes: Vec<Mode>) -> Self {
        Self { modes }
    }

    /// Decides.
    ///
    /// # Errors
    /// 403 with upstream's message (`responsewriters.ForbiddenStatusError`).
    pub fn authorize(&self, user: &User, action: Action<'_>) -> Result<(), Fault> {
        if user.in_group(MASTERS) {
            return Ok(());
        }
        // Anonymous requests reach nothing but health and version until RBAC can say more.
        let anonymous = user.name == "system:anonymous";
        for mode in &self.modes {
            match mode {
                Mode::AlwaysAllow if !anonymous => return Ok(()),
                Mode::AlwaysDeny => break,
                Mode::Abac | Mode::AlwaysAllow | Mode::Node | Mode::Rbac | Mode::Webhook => {}
            }
        }
        if is_public(user, action) {
            return Ok(());
        }
        Err(denied(user, action))
    }
}

/// What the bootstrap roles `system:public-info-viewer` and `system:discovery` let everyone read.
fn is_public(user: &User, action: Action<'_>) -> bool {
    if action.info.is_resource || !matches!(action.verb, "get" | "head") {
        return false;
    }
    let path = action.info.path;
    if matches!(path, "/healthz" | "/livez" | "/readyz" | "/version" | "/version/") {
        return true;
    }
    let discovery = matches!(path, "/api" | "/apis" | "/openapi")
        || ["/api/", "/apis/", "/openapi/"].iter().any(|prefix| path.starts_with(prefix));
    discovery && user.in_group("system:authenticated")
}

fn denied(user: &User, action: Action<'_>) -> Fault {
    let (info, verb) = (action.info, action.verb);
    let name = escape(&user.name);
    if !info.is_resource {
        let message = format!("User \"{name}\" cannot {verb} path {:?}", info.path);
        return Fault::Forbidden { subject: Subject::default(), message, cause: None };
    }
    let resource = match info.subresource {
        "" => info.resource.to_owned(),
        subresource => format!("{}/{subresource}", info.resource),
    };
    let scope = match info.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let group = info.group;
    let message = format!(
        "User \"{name}\" cannot {verb} resource {resource:?} in API group {group:?} {scope}"
    );
    let subject = Subject {
        group: group.into(),
        resource: info.resource.into(),
        name: info.name.clone().into_owned(),
    };
    Fault::Forbidden { subject, message, cause: None }
}

/// `<`, `>` and `&` are written as in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Query;

    fn decide(groups: &[&str], modes: &[Mode], path: &str) -> Result<(), Fault> {
        let user = User {
            name: "u".into(),
            groups: groups.iter().map(|&g| g.to_owned()).collect(),
            ..User::default()
        };
        let info = RequestInfo::parse("GET", path, &Query::new("")).unwrap();
        let verb = if info.is_resource { info.verb.name() } else { "get" };
        Authorizer::new(modes.to_vec()).authorize(&user, Action { info: &info, verb })
    }

    #[test]
    fn masters_may_do_everything_under_every_mode() {
        assert_eq!(decide(&[MASTERS], &[Mode::AlwaysDeny], "/api/v1/pods"), Ok(()));
    }

    #[test]
    fn what_no_mode_allows_is_denied_with_upstreams_words() {
        let denied = decide(&[], &[Mode::Rbac], "/api/v1/namespaces/d/pods/p/log").unwrap_err();
        let Fault::Forbidden { message, .. } = denied else { panic!("not forbidden") };
        assert_eq!(
            message,
            r#"User "u" cannot get resource "pods/log" in API group "" in the namespace "d""#
        );
        let denied = decide(&[], &[Mode::Rbac], "/metrics").unwrap_err();
        let Fault::Forbidden { message, .. } = denied else { panic!("not forbidden") };
        assert_eq!(message, r#"User "u" cannot get path "/metrics""#);
    }

    #[test]
    fn always_allow_lets_everyone_but_anonymous_pass() {
        assert_eq!(decide(&[], &[Mode::AlwaysAllow], "/api/v1/pods"), Ok(()));
        let info = RequestInfo::parse("GET", "/api/v1/pods", &Query::new("")).unwrap();
        let action = Action { info: &info, verb: "list" };
        let chain = Authorizer::new(vec![Mode::AlwaysAllow]);
        assert!(chain.authorize(&User::anonymous(), action).is_err());
        let info = RequestInfo::parse("GET", "/healthz", &Query::new("")).unwrap();
        let action = Action { info: &info, verb: "get" };
        assert_eq!(chain.authorize(&User::anonymous(), action), Ok(()));
    }
}
