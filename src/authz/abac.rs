//! ABAC: the lines of `--authorization-policy-file`, each a policy that allows
//! (`pkg/auth/authorizer/abac`).

use super::action::Action;
use super::decision::Decision;
use super::rule::Rule;
use crate::codec::json::parse_any;
use crate::object::Value;
use crate::request::User;
use bumpalo::Bump;
use std::fmt;

const AUTHENTICATED: &str = "system:authenticated";
const ALL: &str = "*";
const VERSION: &str = "abac.authorization.kubernetes.io/v1beta1";
/// The version that lines without one have too.
const OLD_VERSION: &str = "abac.authorization.kubernetes.io/v0";
const NO_POLICY: &str = "No policy matched.";

/// The policies of a file, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policies {
    policies: Vec<Policy>,
    /// Lines in the form that tells no version.
    pub unversioned: usize,
}

/// `abac.PolicySpec`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Policy {
    user: String,
    group: String,
    namespace: String,
    resource: String,
    api_group: String,
    path: String,
    read_only: bool,
}

/// A line that is no policy; lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLineError {
    /// Which.
    pub line: usize,
    /// The line.
    pub text: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for PolicyLineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}: {}", self.line, self.text, self.why)
    }
}

impl Policies {
    /// Reads the file's text: a policy a line; empty lines and those that begin with `#` count only
    /// as lines (`abac.NewFromFile`).
    ///
    /// # Errors
    /// The first line that is no policy.
    pub fn parse(text: &str) -> Result<Self, PolicyLineError> {
        let mut found = Self::default();
        for (at, text) in text.lines().enumerate() {
            let trimmed = text.trim();
            if trimmed.is_empty() || trimmed.starts_with('#') {
                continue;
            }
            let (policy, versioned) = Policy::parse(trimmed).map_err(|why| PolicyLineError {
                line: at + 1,
                text: text.to_owned(),
                why,
            })?;
            found.unversioned += usize::from(!versioned);
            found.policies.push(policy);
        }
        Ok(found)
    }

    /// Allows what one of the policies allows; forbids nothing.
    pub fn decide(&self, user: &User, action: &Action<'_>) -> Decision {
        if self.policies.iter().any(|policy| policy.allows(user, action)) {
            return Decision::allow("");
        }
        Decision::no_opinion(NO_POLICY)
    }

    /// The rules of a user in a namespace.
    pub(super) fn rules_for(&self, user: &User, namespace: &str) -> Vec<Rule> {
        let policies = self.policies.iter().filter(|policy| {
            policy.is_about(user) && (policy.namespace == ALL || policy.namespace == namespace)
        });
        policies.flat_map(Policy::rules).collect()
    }
}

impl Policy {
    /// A policy, and whether it tells its version.
    fn parse(line: &str) -> Result<(Self, bool), String> {
        let arena = Bump::new();
        let object = parse_any(line.as_bytes(), &arena)
            .map_err(|error| format!("couldn't get version/kind; json parse error: {error}"))?;
        if object.as_map().is_none() {
            let text = "couldn't get version/kind; json parse error: json: cannot unmarshal a \
                        value that is no object";
            return Err(text.to_owned());
        }
        let (version, kind) = (object.str_at(&["apiVersion"]), object.str_at(&["kind"]));
        if version == VERSION && kind == "Policy" {
            let empty = Value::Null;
            let spec = object.get("spec").unwrap_or(&empty);
            return Self::of(spec, "PolicySpec.spec.").map(|policy| (policy.of_all(), true));
        }
        let old = version.is_empty() || (version == OLD_VERSION && kind == "Policy");
        if !old && !kind.is_empty() {
            return Err(format!("no kind {kind:?} is registered for version {version:?}"));
        }
        let versioned = version == OLD_VERSION && kind == "Policy";
        Self::of(&object, "Policy.").map(|policy| (policy.of_old(), versioned))
    }

    fn of(spec: &Value<'_>, place: &str) -> Result<Self, String> {
        let mismatch = |field: &str, value: &Value<'_>, wanted: &str| {
            let found = match value {
                Value::Bool(_) => "bool",
                Value::Int(_) | Value::Float(_) => "number",
                Value::List(_) => "array",
                Value::Map(_) => "object",
                _ => "string",
            };
            format!(
                "json: cannot unmarshal {found} into Go struct field {place}{field} of type \
                 {wanted}"
            )
        };
        let text = |field: &str| match spec.get(field) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(value) => match value.as_str() {
                Some(text) => Ok(text.to_owned()),
                None => Err(mismatch(field, value, "string")),
            },
        };
        let read_only = match spec.get("readonly") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(value)) => *value,
            Some(value) => return Err(mismatch("readonly", value, "bool")),
        };
        Ok(Self {
            user: text("user")?,
            group: text("group")?,
            namespace: text("namespace")?,
            resource: text("resource")?,
            api_group: text("apiGroup")?,
            path: text("nonResourcePath")?,
            read_only,
        })
    }

    /// Every user is every authenticated one (`Convert_v1beta1_Policy_To_abac_Policy`).
    fn of_all(mut self) -> Self {
        if self.user == ALL || self.group == ALL {
            self.group = AUTHENTICATED.to_owned();
            self.user.clear();
        }
        self
    }

    /// What the old form leaves out means all (`Convert_v0_Policy_To_abac_Policy`).
    fn of_old(mut self) -> Self {
        if self.user.is_empty() && self.group.is_empty() {
            self.group = AUTHENTICATED.to_owned();
        }
        let of_all = self.namespace.is_empty() && self.resource.is_empty();
        self.path = if of_all { ALL.to_owned() } else { String::new() };
        for text in [&mut self.namespace, &mut self.resource] {
            if text.is_empty() {
                text.push_str(ALL);
            }
        }
        self.api_group = ALL.to_owned();
        self.of_all()
    }

    fn allows(&self, user: &User, action: &Action<'_>) -> bool {
        let reads = matches!(action.verb, "get" | "list" | "watch");
        self.is_about(user) && (reads || !self.read_only) && self.covers(action)
    }

    fn is_about(&self, user: &User) -> bool {
        let matches_user = self.user.is_empty() || self.user == ALL || self.user == user.name;
        let matches_group =
            self.group.is_empty() || self.group == ALL || user.in_group(&self.group);
        let says = !self.user.is_empty() || !self.group.is_empty();
        says && matches_user && matches_group
    }

    fn covers(&self, action: &Action<'_>) -> bool {
        let is = |own: &str, asked: &str| own == ALL || own == asked;
        if action.is_resource {
            return is(&self.namespace, action.namespace)
                && is(&self.resource, action.resource)
                && is(&self.api_group, action.group);
        }
        let begins =
            self.path.ends_with('*') && action.path.starts_with(self.path.trim_end_matches('*'));
        self.path == action.path || begins
    }

    fn rules(&self) -> impl Iterator<Item = Rule> {
        let list = |texts: &[&str]| texts.iter().map(|text| Box::from(*text)).collect();
        let verbs = || {
            let reads: &[&str] = &["get", "list", "watch"];
            list(if self.read_only { reads } else { &[ALL] })
        };
        let none = Box::default;
        let of_resource = (!self.resource.is_empty()).then(|| {
            Rule::new(verbs(), list(&[&self.api_group]), list(&[&self.resource]), none(), none())
        });
        let of_path = (!self.path.is_empty())
            .then(|| Rule::new(verbs(), none(), none(), none(), list(&[&self.path])));
        of_resource.into_iter().chain(of_path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::authz::Verdict;

    fn policies(specs: &[&str]) -> Policies {
        let line = |spec: &&str| format!(r#"{{"apiVersion":"{VERSION}","kind":"Policy",{spec}}}"#);
        Policies::parse(&specs.iter().map(line).collect::<Vec<_>>().join("\n")).unwrap()
    }

    fn user(name: &str, groups: &[&str]) -> User {
        let groups = groups.iter().map(|&group| group.to_owned()).collect();
        User { name: name.into(), groups, ..User::default() }
    }

    fn allows(policies: &Policies, user: &User, action: Action<'_>) -> bool {
        policies.decide(user, &action).verdict == Verdict::Allow
    }

    #[test]
    fn a_policy_allows_its_subject_its_resource_and_reads_only_if_it_says_so() {
        let found = policies(&[
            r#""spec":{"user":"ann","namespace":"n","resource":"pods","readonly":true}"#,
            r#""spec":{"group":"ops","namespace":"*","resource":"*","apiGroup":"*"}"#,
        ]);
        let ask = |verb, namespace| Action { verb, namespace, ..Action::resource("pods") };
        let (ann, ops) = (user("ann", &[]), user("bob", &["ops"]));
        assert!(allows(&found, &ann, ask("list", "n")));
        assert!(
            !allows(&found, &ann, ask("delete", "n")) && !allows(&found, &ann, ask("get", "m"))
        );
        assert!(allows(&found, &ops, ask("delete", "m")));
        assert!(!allows(&found, &user("bob", &[]), ask("get", "n")));
        let grouped =
            Action { verb: "get", group: "apps", namespace: "n", ..Action::resource("pods") };
        assert!(!allows(&found, &ann, grouped) && allows(&found, &ops, grouped));
        let denied = found.decide(&ann, &ask("delete", "n"));
        assert_eq!(denied, Decision::no_opinion("No policy matched."));
    }

    #[test]
    fn every_user_is_every_authenticated_one_and_a_path_may_end_in_a_star() {
        let found = policies(&[r#""spec":{"user":"*","nonResourcePath":"/healthz*"}"#]);
        let ask = |path| Action { verb: "get", ..Action::path(path) };
        let known = user("ann", &[AUTHENTICATED]);
        assert!(allows(&found, &known, ask("/healthz/ping")));
        assert!(!allows(&found, &known, ask("/livez")));
        assert!(!allows(&found, &user("system:anonymous", &[]), ask("/healthz")));
        let rules = found.rules_for(&known, "n");
        assert!(rules.is_empty(), "a policy without namespace is for none: {rules:?}");
    }

    #[test]
    fn what_the_old_form_leaves_out_means_all() {
        let found = Policies::parse("# all\n\n{\"user\":\"ann\"}\n").unwrap();
        assert_eq!(found.unversioned, 1);
        let ask = Action { verb: "delete", group: "apps", namespace: "n", ..Action::resource("x") };
        assert!(allows(&found, &user("ann", &[]), ask));
        assert!(allows(&found, &user("ann", &[]), Action { verb: "post", ..Action::path("/x") }));
        assert_eq!(found.rules_for(&user("ann", &[]), "n").len(), 2);
    }

    #[test]
    fn the_line_that_is_no_policy_is_told() {
        let error = |text: &str| Policies::parse(text).unwrap_err().to_string();
        assert!(
            error("\n{").starts_with("line 2: {: couldn't get version/kind; json parse error:")
        );
        assert!(error("pods").contains("json parse error"));
        let other = r#"{"apiVersion":"v1","kind":"Pod"}"#;
        let registered = r#"no kind "Pod" is registered for version "v1""#;
        assert_eq!(error(other), format!("line 1: {other}: {registered}"));
        assert!(error(r#"{"readonly":"yes"}"#).ends_with(
            "json: cannot unmarshal string into Go struct field Policy.readonly of type bool"
        ));
    }
}
