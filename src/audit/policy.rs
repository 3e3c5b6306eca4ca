//! The audit policy: which requests are told, how much of them, and at which stages
//! (`audit.k8s.io/v1` Policy, `pkg/audit/policy`).

use crate::codec::yaml;
use crate::object::Value;
use crate::request::{RequestInfo, User};
use bumpalo::Bump;
use std::fmt;

/// How much of a request is told; each level tells what the ones before it do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    None,
    /// Who, what and when; no bodies.
    Metadata,
    /// The request's body too.
    Request,
    /// The answer's body too.
    RequestResponse,
}

impl Level {
    const ALL: [Self; 4] = [Self::None, Self::Metadata, Self::Request, Self::RequestResponse];

    /// Its name in policies and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

/// When an event is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The request is there.
    RequestReceived,
    /// An answer that lasts has begun.
    ResponseStarted,
    /// The answer has ended.
    ResponseComplete,
    /// The handler panicked.
    Panic,
}

impl Stage {
    const ALL: [Self; 4] =
        [Self::RequestReceived, Self::ResponseStarted, Self::ResponseComplete, Self::Panic];

    /// Its name in policies and events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Panic => "Panic",
            Self::RequestReceived => "RequestReceived",
            Self::ResponseComplete => "ResponseComplete",
            Self::ResponseStarted => "ResponseStarted",
        }
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What is told of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// How much.
    pub level: Level,
    /// Managed fields are left out of bodies.
    pub omit_managed_fields: bool,
    omitted: u8,
}

impl Decision {
    /// True if the stage is told.
    pub fn tells(self, stage: Stage) -> bool {
        self.level > Level::None && self.omitted & stage.bit() == 0
    }
}

#[derive(Debug)]
struct GroupResources {
    group: String,
    resources: Vec<String>,
    names: Vec<String>,
}

#[derive(Debug)]
struct Rule {
    decision: Decision,
    users: Vec<String>,
    groups: Vec<String>,
    verbs: Vec<String>,
    resources: Vec<GroupResources>,
    namespaces: Vec<String>,
    paths: Vec<String>,
}

/// The rules in order; the first that fits decides.
#[derive(Debug)]
pub struct Policy {
    rules: Vec<Rule>,
}

/// Why a file is no policy; the text for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyError(pub String);

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Policy {
    /// Reads a policy file, YAML or JSON.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn parse(source: &[u8]) -> Result<Self, PolicyError> {
        let arena = Bump::new();
        let failed =
            |error: &dyn fmt::Display| PolicyError(format!("failed decoding file: {error}"));
        let document = yaml::parse(source, &arena).map_err(|error| failed(&error))?;
        let policy = document.any(&arena).map_err(|error| failed(&error))?;
        let version = policy.str_at(&["apiVersion"]);
        let kind = policy.str_at(&["kind"]);
        if version != "audit.k8s.io/v1" || kind != "Policy" {
            let text =
                format!("unknown group version field {version:?} or kind {kind:?} in policy");
            return Err(PolicyError(text));
        }
        known(
            &policy,
            &["apiVersion", "kind", "metadata", "omitStages", "omitManagedFields", "rules"],
        )?;
        let omitted = stages(&policy)?;
        let omit = flag(&policy, "omitManagedFields")?.unwrap_or(false);
        let rules = policy.list_at(&["rules"]);
        if rules.is_empty() {
            return Err(PolicyError("loaded illegal policy with 0 rules".to_owned()));
        }
        let rules: Result<Vec<Rule>, _> =
            rules.iter().map(|rule| Rule::of(rule, omitted, omit)).collect();
        Ok(Self { rules: rules? })
    }

    /// What is told of a request; `user` is none if nobody is authenticated.
    pub fn decide(&self, user: Option<&User>, verb: &str, info: &RequestInfo<'_>) -> Decision {
        let fits = self.rules.iter().find(|rule| rule.fits(user, verb, info));
        let nothing = Decision { level: Level::None, omit_managed_fields: false, omitted: 0 };
        fits.map_or(nothing, |rule| rule.decision)
    }
}

impl Rule {
    fn of(rule: &Value<'_>, omitted: u8, omit: bool) -> Result<Self, PolicyError> {
        known(
            rule,
            &[
                "level",
                "users",
                "userGroups",
                "verbs",
                "resources",
                "namespaces",
                "nonResourceURLs",
                "omitStages",
                "omitManagedFields",
            ],
        )?;
        let level = rule.str_at(&["level"]);
        let level = Level::ALL.into_iter().find(|known| known.name() == level).ok_or_else(|| {
            PolicyError(format!(
                "level: Unsupported value: {level:?}: supported values: \"None\", \"Metadata\", \
                 \"Request\", \"RequestResponse\""
            ))
        })?;
        let paths = texts(rule, "nonResourceURLs")?;
        let namespaces = texts(rule, "namespaces")?;
        let resources: Result<Vec<GroupResources>, PolicyError> = rule
            .list_at(&["resources"])
            .iter()
            .map(|one| {
                known(one, &["group", "resources", "resourceNames"])?;
                let names = texts(one, "resourceNames")?;
                let resources = texts(one, "resources")?;
                if !names.is_empty() && resources.is_empty() {
                    let text = "using resourceNames requires at least one resource";
                    return Err(PolicyError(text.to_owned()));
                }
                Ok(GroupResources { group: one.str_at(&["group"]).to_owned(), resources, names })
            })
            .collect();
        let resources = resources?;
        let of_resources = !namespaces.is_empty() || !resources.is_empty();
        if !paths.is_empty() && of_resources {
            let text = "rules cannot apply to both regular resources and non-resource URLs";
            return Err(PolicyError(text.to_owned()));
        }
        if let Some(path) = paths.iter().find(|path| !is_pattern(path)) {
            return Err(PolicyError(format!(
                "nonResourceURLs: Invalid value: {path:?}: must begin with / and may have * only \
                 as its last character"
            )));
        }
        let omit_managed_fields = flag(rule, "omitManagedFields")?.unwrap_or(omit);
        let decision = Decision { level, omit_managed_fields, omitted: omitted | stages(rule)? };
        Ok(Self {
            decision,
            users: texts(rule, "users")?,
            groups: texts(rule, "userGroups")?,
            verbs: texts(rule, "verbs")?,
            resources,
            namespaces,
            paths,
        })
    }

    fn fits(&self, user: Option<&User>, verb: &str, info: &RequestInfo<'_>) -> bool {
        let has = |list: &[String], text: &str| list.iter().any(|one| one == text);
        let by_name =
            self.users.is_empty() || user.is_some_and(|user| has(&self.users, &user.name));
        let by_group = self.groups.is_empty()
            || user.is_some_and(|user| user.groups.iter().any(|group| has(&self.groups, group)));
        if !by_name || !by_group || !(self.verbs.is_empty() || has(&self.verbs, verb)) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return info.is_resource
                && (self.namespaces.is_empty() || has(&self.namespaces, info.namespace))
                && (self.resources.is_empty() || self.resources.iter().any(|one| one.fits(info)));
        }
        self.paths.is_empty()
            || (!info.is_resource && self.paths.iter().any(|path| path_fits(info.path, path)))
    }
}

impl GroupResources {
    fn fits(&self, info: &RequestInfo<'_>) -> bool {
        if self.group != "*" && self.group != info.group {
            return false;
        }
        let named = self.names.is_empty() || self.names.iter().any(|name| *name == *info.name);
        let resource = |pattern: &str| match pattern.split_once('/') {
            _ if pattern == "*" => true,
            None => info.subresource.is_empty() && pattern == info.resource,
            Some(("*", sub)) => !info.subresource.is_empty() && sub == info.subresource,
            Some((resource, "*")) => resource == info.resource,
            Some((resource, sub)) => resource == info.resource && sub == info.subresource,
        };
        self.resources.is_empty() || (named && self.resources.iter().any(|one| resource(one)))
    }
}

fn path_fits(path: &str, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => path.starts_with(start),
        None => path == pattern,
    }
}

fn is_pattern(path: &str) -> bool {
    path == "*" || (path.starts_with('/') && path.find('*').is_none_or(|at| at + 1 == path.len()))
}

fn stages(object: &Value<'_>) -> Result<u8, PolicyError> {
    texts(object, "omitStages")?.iter().try_fold(0, |bits, name| {
        let stage = Stage::ALL.into_iter().find(|stage| stage.name() == name);
        let unknown = || PolicyError(format!("omitStages: Unsupported value: {name:?}"));
        stage.map(|stage| bits | stage.bit()).ok_or_else(unknown)
    })
}

fn flag(object: &Value<'_>, name: &str) -> Result<Option<bool>, PolicyError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Bool(flag)) => Ok(Some(*flag)),
        Some(_) => Err(PolicyError(format!("{name} must be true or false"))),
    }
}

fn texts(object: &Value<'_>, name: &str) -> Result<Vec<String>, PolicyError> {
    let wrong = || PolicyError(format!("{name} must be a list of texts"));
    match object.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(value) => {
            let list = value.as_list().ok_or_else(wrong)?;
            list.iter().map(|one| one.as_str().map(str::to_owned).ok_or_else(wrong)).collect()
        }
    }
}

/// A field that is not known would be a rule that is not kept.
fn known(object: &Value<'_>, names: &[&str]) -> Result<(), PolicyError> {
    let Some(map) = object.as_map() else {
        return Err(PolicyError("a map was expected".to_owned()));
    };
    match map.iter().find(|(name, _)| !names.contains(name)) {
        Some((name, _)) => {
            Err(PolicyError(format!("strict decoding error: unknown field {name:?}")))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Query;

    const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: None
  users: [quiet]
- level: Metadata
  resources: [{group: '', resources: [secrets, 'pods/log', '*/token', 'nodes/*']}]
- level: Request
  verbs: [create]
  resources: [{group: apps}]
  omitStages: [Panic]
  omitManagedFields: true
- level: Metadata
  nonResourceURLs: ['/health*']
";

    fn decide(user: &str, method: &str, path: &str) -> Decision {
        let policy = Policy::parse(POLICY.as_bytes()).unwrap();
        let user = User { name: user.into(), ..User::default() };
        let info = RequestInfo::parse(method, path, &Query::new("")).unwrap();
        let verb = if info.is_resource { info.verb.name() } else { "get" };
        policy.decide(Some(&user), verb, &info)
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        let level = |user, method, path| decide(user, method, path).level;
        assert_eq!(level("quiet", "GET", "/api/v1/secrets"), Level::None);
        assert_eq!(level("ann", "GET", "/api/v1/secrets"), Level::Metadata);
        let log = "/api/v1/namespaces/n/pods/p/log";
        assert_eq!(level("ann", "GET", log), Level::Metadata);
        assert_eq!(level("ann", "GET", "/api/v1/namespaces/n/pods/p"), Level::None);
        let token = "/api/v1/namespaces/n/serviceaccounts/s/token";
        assert_eq!(level("ann", "POST", token), Level::Metadata);
        assert_eq!(level("ann", "GET", "/api/v1/nodes/n/proxy"), Level::Metadata);
        assert_eq!(level("ann", "POST", "/apis/apps/v1/namespaces/n/deployments"), Level::Request);
        assert_eq!(level("ann", "GET", "/healthz"), Level::Metadata);
        assert_eq!(level("ann", "GET", "/version"), Level::None);
    }

    #[test]
    fn stages_of_the_policy_and_of_the_rule_are_omitted() {
        let decision = decide("ann", "POST", "/apis/apps/v1/namespaces/n/deployments");
        assert!(!decision.tells(Stage::RequestReceived));
        assert!(!decision.tells(Stage::Panic));
        assert!(decision.tells(Stage::ResponseComplete));
        assert!(decision.omit_managed_fields);
    }

    #[test]
    fn what_is_no_policy_is_refused() {
        let rule = |text: &str| {
            let head = "apiVersion: audit.k8s.io/v1\nkind: Policy\nrules:\n";
            Policy::parse(format!("{head}{text}").as_bytes()).map(drop)
        };
        assert!(rule("- level: Metadata").is_ok());
        for bad in [
            "[]",
            "- level: All",
            "- {level: None, levels: x}",
            "- {level: None, nonResourceURLs: [x]}",
            "- {level: None, nonResourceURLs: [/x], namespaces: [n]}",
            "- {level: None, omitStages: [Never]}",
            "- {level: None, users: ann}",
            "- {level: None, resources: [{resourceNames: [a]}]}",
        ] {
            assert!(rule(bad).is_err(), "{bad}");
        }
        assert!(Policy::parse(b"kind: Policy").is_err());
        assert!(Policy::parse(b"\xff").is_err());
    }
}
