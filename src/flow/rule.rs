//! Which requests a flow schema's rules mean (`matchesPolicyRule` and its parts in
//! `k8s.io/apiserver/pkg/util/flowcontrol/rule.go`).

use crate::object::Value;
use crate::request::{RequestInfo, User};

const ACCOUNT_PREFIX: &str = "system:serviceaccount:";

/// A request as rules see it.
#[derive(Debug, Clone, Copy)]
pub struct Digest<'r> {
    /// Who asks.
    pub user: &'r User,
    /// The parsed URL.
    pub info: &'r RequestInfo<'r>,
    /// The lower-case verb; for non-resource requests the lower-case method.
    pub verb: &'r str,
}

/// One element of `spec.rules`: any of the subjects with any of the rules.
#[derive(Debug)]
pub(super) struct Rule {
    subjects: Vec<Subject>,
    resources: Vec<ResourceRule>,
    paths: Vec<PathRule>,
}

#[derive(Debug)]
enum Subject {
    AnyAccount { namespace: Box<str> },
    AnyGroup,
    AnyUser,
    Account { namespace: Box<str>, name: Box<str> },
    Group(Box<str>),
    User(Box<str>),
}

#[derive(Debug)]
struct ResourceRule {
    verbs: Names,
    groups: Names,
    resources: Names,
    namespaces: Names,
    cluster_scope: bool,
}

#[derive(Debug)]
struct PathRule {
    verbs: Names,
    paths: Vec<Box<str>>,
}

/// A list of names, or `*` alone for all of them.
#[derive(Debug)]
enum Names {
    All,
    These(Vec<Box<str>>),
}

impl Rule {
    /// Compiles one element of `spec.rules`.
    pub(super) fn compile(rule: &Value<'_>) -> Self {
        let resource = |rule: &Value<'_>| ResourceRule {
            verbs: Names::of(rule.list_at(&["verbs"])),
            groups: Names::of(rule.list_at(&["apiGroups"])),
            resources: Names::of(rule.list_at(&["resources"])),
            namespaces: Names::of(rule.list_at(&["namespaces"])),
            cluster_scope: rule.bool_at(&["clusterScope"]),
        };
        let path = |rule: &Value<'_>| PathRule {
            verbs: Names::of(rule.list_at(&["verbs"])),
            paths: texts(rule.list_at(&["nonResourceURLs"])),
        };
        Self {
            subjects: rule.list_at(&["subjects"]).iter().filter_map(Subject::compile).collect(),
            resources: rule.list_at(&["resourceRules"]).iter().map(resource).collect(),
            paths: rule.list_at(&["nonResourceRules"]).iter().map(path).collect(),
        }
    }

    /// True if the request is meant. HOT: benches/flow.rs `classify`.
    pub(super) fn matches(&self, digest: Digest<'_>) -> bool {
        if !self.subjects.iter().any(|subject| subject.is(digest.user)) {
            return false;
        }
        if digest.info.is_resource {
            self.resources.iter().any(|rule| rule.matches(digest))
        } else {
            self.paths.iter().any(|rule| rule.matches(digest))
        }
    }
}

impl Subject {
    fn compile(subject: &Value<'_>) -> Option<Self> {
        let text = |path: &[&str]| Box::from(subject.str_at(path));
        Some(match subject.str_at(&["kind"]) {
            "User" => match subject.at(&["user"])?.str_at(&["name"]) {
                "*" => Self::AnyUser,
                name => Self::User(name.into()),
            },
            "Group" => match subject.at(&["group"])?.str_at(&["name"]) {
                "*" => Self::AnyGroup,
                name => Self::Group(name.into()),
            },
            "ServiceAccount" => {
                let namespace = text(&["serviceAccount", "namespace"]);
                match subject.at(&["serviceAccount"])?.str_at(&["name"]) {
                    "*" => Self::AnyAccount { namespace },
                    name => Self::Account { namespace, name: name.into() },
                }
            }
            _ => return None,
        })
    }

    fn is(&self, user: &User) -> bool {
        match self {
            Self::AnyGroup | Self::AnyUser => true,
            Self::User(name) => user.name == **name,
            Self::Group(name) => user.in_group(name),
            Self::AnyAccount { namespace } => account_of(user, namespace).is_some(),
            Self::Account { namespace, name } => account_of(user, namespace) == Some(name),
        }
    }
}

/// The name of the service account that the user is, if it is of this namespace.
fn account_of<'u>(user: &'u User, namespace: &str) -> Option<&'u str> {
    user.name.strip_prefix(ACCOUNT_PREFIX)?.strip_prefix(namespace)?.strip_prefix(':')
}

impl ResourceRule {
    fn matches(&self, digest: Digest<'_>) -> bool {
        let info = digest.info;
        let place = match info.namespace {
            "" => self.cluster_scope,
            namespace => self.namespaces.have(namespace),
        };
        place
            && self.verbs.have(digest.verb)
            && self.groups.have(info.group)
            && self.resources.have_resource(info.resource, info.subresource)
    }
}

impl PathRule {
    fn matches(&self, digest: Digest<'_>) -> bool {
        self.verbs.have(digest.verb)
            && self.paths.iter().any(|rule| path_is_below(rule, digest.info.path))
    }
}

/// A rule's path means itself and, with or without `/*` at its end, what is below.
fn path_is_below(rule: &str, path: &str) -> bool {
    if rule == "*" || rule == path {
        return true;
    }
    let prefix = rule.strip_suffix('*').unwrap_or(rule);
    match path.strip_prefix(prefix) {
        Some(rest) => prefix.ends_with('/') || rest.starts_with('/'),
        None => false,
    }
}

impl Names {
    fn of(list: &[Value<'_>]) -> Self {
        let names = texts(list);
        if names.len() == 1 && names.iter().any(|name| **name == *"*") {
            return Self::All;
        }
        Self::These(names)
    }

    fn have(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::These(names) => names.iter().any(|known| **known == *name),
        }
    }

    fn have_resource(&self, resource: &str, subresource: &str) -> bool {
        let Self::These(names) = self else { return true };
        let is = |name: &str| match subresource {
            "" => name == resource,
            _ => {
                let rest = name.strip_prefix(resource).and_then(|rest| rest.strip_prefix('/'));
                rest == Some(subresource)
            }
        };
        names.iter().any(|name| is(name))
    }
}

fn texts(list: &[Value<'_>]) -> Vec<Box<str>> {
    list.iter().filter_map(Value::as_str).map(Box::from).collect()
}

#[cfg(test)]
mod tests {
    use super::{Digest, Rule, path_is_below};
    use crate::codec::json;
    use crate::request::{Query, RequestInfo, User};
    use bumpalo::Bump;

    fn matches(rule: &str, user: &str, method: &str, path: &str) -> bool {
        let arena = Bump::new();
        let rule = Rule::compile(&json::parse_any(rule.as_bytes(), &arena).unwrap());
        let groups = vec!["system:authenticated".to_owned()];
        let user = User { name: user.into(), groups, ..User::default() };
        let info = RequestInfo::parse(method, path, &Query::new("")).unwrap();
        let verb = if info.is_resource { info.verb.name().into() } else { method.to_lowercase() };
        rule.matches(Digest { user: &user, info: &info, verb: &verb })
    }

    #[test]
    fn a_namespaced_request_needs_the_namespace_and_another_the_cluster_scope() {
        let rule = r#"{"subjects":[{"kind":"User","user":{"name":"*"}}],"resourceRules":[
            {"verbs":["get"],"apiGroups":[""],"resources":["pods","pods/log"],
            "namespaces":["a"]}]}"#;
        assert!(matches(rule, "u", "GET", "/api/v1/namespaces/a/pods/p"));
        assert!(matches(rule, "u", "GET", "/api/v1/namespaces/a/pods/p/log"));
        assert!(!matches(rule, "u", "GET", "/api/v1/namespaces/a/pods/p/status"));
        assert!(!matches(rule, "u", "GET", "/api/v1/namespaces/b/pods/p"));
        assert!(!matches(rule, "u", "GET", "/api/v1/pods"));
        assert!(!matches(rule, "u", "DELETE", "/api/v1/namespaces/a/pods/p"));
        assert!(!matches(rule, "u", "GET", "/apis/metrics/v1/namespaces/a/pods/p"));
        let rule = rule.replace(r#""namespaces":["a"]"#, r#""clusterScope":true"#);
        let rule = rule.replace("get", "list");
        assert!(matches(&rule, "u", "GET", "/api/v1/pods"));
        assert!(!matches(&rule, "u", "GET", "/api/v1/namespaces/a/pods"));
    }

    #[test]
    fn subjects_are_users_groups_and_service_accounts() {
        let rule = |subject: &str| {
            format!(
                r#"{{"subjects":[{subject}],"nonResourceRules":[
                    {{"verbs":["*"],"nonResourceURLs":["*"]}}]}}"#
            )
        };
        let account = "system:serviceaccount:kube-system:job";
        let cases = [
            (r#"{"kind":"User","user":{"name":"u"}}"#, "u", true),
            (r#"{"kind":"User","user":{"name":"u"}}"#, "v", false),
            (r#"{"kind":"Group","group":{"name":"system:authenticated"}}"#, "u", true),
            (r#"{"kind":"Group","group":{"name":"g"}}"#, "u", false),
            (r#"{"kind":"Group","group":{"name":"*"}}"#, "u", true),
        ];
        for (subject, user, expected) in cases {
            assert_eq!(matches(&rule(subject), user, "GET", "/x"), expected, "{subject} {user}");
        }
        let cases = [
            ("kube-system", "*", true),
            ("kube", "*", false),
            ("kube-system", "job", true),
            ("kube-system", "jo", false),
        ];
        for (namespace, name, expected) in cases {
            let subject = format!(
                r#"{{"kind":"ServiceAccount",
                    "serviceAccount":{{"namespace":"{namespace}","name":"{name}"}}}}"#
            );
            assert_eq!(matches(&rule(&subject), account, "GET", "/x"), expected, "{subject}");
        }
    }

    #[test]
    fn paths_mean_what_is_below_them() {
        assert!(path_is_below("/healthz", "/healthz"));
        assert!(path_is_below("/healthz", "/healthz/ping"));
        assert!(path_is_below("/healthz/*", "/healthz/ping"));
        assert!(!path_is_below("/healthz", "/healthzz"));
        assert!(!path_is_below("/healthz/*", "/livez/ping"));
        assert!(path_is_below("*", "/"));
    }
}
