//! What a request wants, as authorizers see it (`authorizer.Attributes`).

use crate::object::selector::{FieldRequirement, LabelRequirement};
use crate::request::{Fault, RequestInfo, Subject, User};

/// One question to the authorizers.
#[derive(Debug, Clone, Copy)]
pub struct Action<'r> {
    /// The lower-case verb; outside the API groups the lower-case method.
    pub verb: &'r str,
    /// False outside the API groups: then only the path counts.
    pub is_resource: bool,
    /// API group; "" for core.
    pub group: &'r str,
    /// API version.
    pub version: &'r str,
    /// Plural resource.
    pub resource: &'r str,
    /// Subresource; "" if none.
    pub subresource: &'r str,
    /// Namespace; "" for the cluster scope.
    pub namespace: &'r str,
    /// Object name; "" if none is asked for.
    pub name: &'r str,
    /// The path outside the API groups.
    pub path: &'r str,
    /// What the field selector of a list, watch or deletecollection requires.
    pub fields: &'r [FieldRequirement],
    /// What their label selector requires.
    pub labels: &'r [LabelRequirement],
}

impl<'r> Action<'r> {
    /// What a request asks for; without its selectors.
    pub fn of(info: &'r RequestInfo<'r>, verb: &'r str) -> Self {
        Self {
            verb,
            is_resource: info.is_resource,
            group: info.group,
            version: info.version,
            resource: info.resource,
            subresource: info.subresource,
            namespace: info.namespace,
            name: &info.name,
            path: info.path,
            fields: &[],
            labels: &[],
        }
    }

    /// A question about a resource of the core group, to be filled in.
    pub const fn resource(resource: &'r str) -> Self {
        Self {
            verb: "",
            is_resource: true,
            group: "",
            version: "",
            resource,
            subresource: "",
            namespace: "",
            name: "",
            path: "",
            fields: &[],
            labels: &[],
        }
    }

    /// A question about a path outside the API groups, to be filled in.
    pub const fn path(path: &'r str) -> Self {
        Self { is_resource: false, path, ..Self::resource("") }
    }

    /// 403 with upstream's message (`responsewriters.ForbiddenStatusError`).
    pub fn forbidden(&self, user: &User, reason: &str) -> Fault {
        let (name, verb) = (escape(&user.name), self.verb);
        let because = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        if !self.is_resource {
            let path = self.path;
            let message = format!("User \"{name}\" cannot {verb} path {path:?}{because}");
            return Fault::Forbidden { subject: Subject::default(), message, cause: None };
        }
        let resource = match self.subresource {
            "" => self.resource.to_owned(),
            subresource => format!("{}/{subresource}", self.resource),
        };
        let scope = match self.namespace {
            "" => "at the cluster scope".to_owned(),
            namespace => format!("in the namespace {namespace:?}"),
        };
        let group = self.group;
        let message = format!(
            "User \"{name}\" cannot {verb} resource {resource:?} in API group {group:?} \
             {scope}{because}"
        );
        let subject =
            Subject { group: group.into(), resource: self.resource.into(), name: self.name.into() };
        Fault::Forbidden { subject, message, cause: None }
    }
}

/// `<`, `>` and `&` are written as in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(action: &Action<'_>, reason: &str) -> String {
        let user = User { name: "u".into(), ..User::default() };
        match action.forbidden(&user, reason) {
            Fault::Forbidden { message, .. } => message,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn refusals_speak_as_upstreams_do() {
        let action = Action {
            verb: "get",
            subresource: "log",
            namespace: "d",
            name: "p",
            ..Action::resource("pods")
        };
        assert_eq!(
            message(&action, ""),
            r#"User "u" cannot get resource "pods/log" in API group "" in the namespace "d""#
        );
        let action = Action { verb: "list", group: "apps", ..Action::resource("deployments") };
        assert_eq!(
            message(&action, "because"),
            "User \"u\" cannot list resource \"deployments\" in API group \"apps\" at the cluster \
             scope: because"
        );
        let action = Action { verb: "post", ..Action::path("/metrics") };
        assert_eq!(message(&action, ""), r#"User "u" cannot post path "/metrics""#);
    }
}
