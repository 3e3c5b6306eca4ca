//! Flow schemas and priority levels, compiled: what a request is looked up in.

use super::bootstrap::{self, Bootstrap, CATCH_ALL, EXEMPT};
use super::level::Counts;
use super::rule::{Digest, Rule};
use crate::codec::json;
use crate::http::HeaderValue;
use crate::object::Value;
use bumpalo::Bump;
use std::rc::Rc;

/// A priority level as the operator wants it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct LevelSpec {
    pub(super) name: Box<str>,
    pub(super) uid: HeaderValue,
    /// Never limited.
    pub(super) exempt: bool,
    pub(super) shares: u32,
    pub(super) lendable_percent: u32,
    /// `None` for no limit.
    pub(super) borrowing_percent: Option<u32>,
    /// `None`: what cannot be served at once is refused.
    pub(super) queuing: Option<Queuing>,
}

/// `spec.limited.limitResponse.queuing`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queuing {
    pub(super) queues: usize,
    pub(super) hand_size: usize,
    pub(super) length_max: usize,
}

/// By what the requests of one schema are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distinguisher {
    Namespace,
    Nothing,
    User,
}

/// A flow schema.
#[derive(Debug)]
pub struct Schema {
    pub(super) name: Box<str>,
    pub(super) uid: HeaderValue,
    pub(super) level: Box<str>,
    pub(super) by: Distinguisher,
    pub(super) counts: Rc<Counts>,
    precedence: i64,
    rules: Vec<Rule>,
}

impl LevelSpec {
    /// Reads a PriorityLevelConfiguration; `None` for one whose parts contradict each other
    /// (`queueSetCompleterForPL`).
    pub(super) fn read(object: &Value<'_>) -> Option<Self> {
        let name = object.str_at(&["metadata", "name"]);
        let (exempt, limited) = (object.at(&["spec", "exempt"]), object.at(&["spec", "limited"]));
        let is_exempt = object.str_at(&["spec", "type"]) == "Exempt";
        if is_exempt != exempt.is_some() || is_exempt == limited.is_some() {
            return None;
        }
        if is_exempt != (name == EXEMPT) {
            return None;
        }
        let part = exempt.or(limited)?;
        let count = |value: &Value<'_>, path: &[&str]| {
            value.i64_at(path).and_then(|count| u32::try_from(count).ok())
        };
        let queuing = part.at(&["limitResponse", "queuing"]).map(|queuing| {
            let size = |field| count(queuing, &[field]).unwrap_or(0) as usize;
            Queuing {
                queues: size("queues"),
                hand_size: size("handSize"),
                length_max: size("queueLengthLimit"),
            }
        });
        let rejects = part.str_at(&["limitResponse", "type"]) == "Reject";
        if !is_exempt && rejects == queuing.is_some() {
            return None;
        }
        Some(Self {
            name: name.into(),
            uid: header(object),
            exempt: is_exempt,
            shares: count(part, &["nominalConcurrencyShares"]).unwrap_or(0),
            lendable_percent: count(part, &["lendablePercent"]).unwrap_or(0),
            borrowing_percent: count(part, &["borrowingLimitPercent"]),
            queuing,
        })
    }
}

impl Schema {
    /// Compiles a FlowSchema.
    pub(super) fn compile(object: &Value<'_>) -> Self {
        Self {
            name: object.str_at(&["metadata", "name"]).into(),
            uid: header(object),
            level: object.str_at(&["spec", "priorityLevelConfiguration", "name"]).into(),
            by: match object.str_at(&["spec", "distinguisherMethod", "type"]) {
                "ByUser" => Distinguisher::User,
                "ByNamespace" => Distinguisher::Namespace,
                _ => Distinguisher::Nothing,
            },
            counts: Rc::default(),
            precedence: object.i64_at(&["spec", "matchingPrecedence"]).unwrap_or(0),
            rules: object.list_at(&["spec", "rules"]).iter().map(Rule::compile).collect(),
        }
    }

    fn matches(&self, digest: Digest<'_>) -> bool {
        self.rules.iter().any(|rule| rule.matches(digest))
    }
}

/// The uid as the value of a response header; empty for an object that is not stored.
fn header(object: &Value<'_>) -> HeaderValue {
    HeaderValue::from_str(object.str_at(&["metadata", "uid"]))
        .unwrap_or(HeaderValue::from_static(""))
}

/// The schemas in the order of matching.
#[derive(Debug, Default)]
pub(super) struct Schemas(Vec<Rc<Schema>>);

impl Schemas {
    /// Orders the schemas by precedence, then name. Those whose level is not there match nothing;
    /// the mandatory ones are supplied where they are missing (`digestFlowSchemasLocked`).
    pub(super) fn order(schemas: Vec<Schema>, has_level: impl Fn(&str) -> bool) -> Self {
        let mut schemas: Vec<_> =
            schemas.into_iter().filter(|schema| has_level(&schema.level)).map(Rc::new).collect();
        schemas.sort_by(|a, b| (a.precedence, &a.name).cmp(&(b.precedence, &b.name)));
        let have = |name: &str| schemas.iter().any(|schema| *schema.name == *name);
        let (exempt, catch_all) = (have(EXEMPT), have(CATCH_ALL));
        if !exempt {
            schemas.insert(0, Rc::new(imagine_schema(EXEMPT)));
        }
        if !catch_all {
            schemas.push(Rc::new(imagine_schema(CATCH_ALL)));
        }
        Self(schemas)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Rc<Schema>> {
        self.0.iter()
    }

    /// The first schema that matches; the one for all others if none does (`startRequest`).
    /// HOT: benches/flow.rs `classify`.
    pub(super) fn find(&self, digest: Digest<'_>) -> Option<&Rc<Schema>> {
        let found = self.0.iter().find(|schema| schema.matches(digest));
        found.or_else(|| self.0.iter().find(|schema| *schema.name == *CATCH_ALL))
    }
}

/// A priority level that comes with the server, as if it were stored.
pub(super) fn imagine_level(name: &str) -> Option<LevelSpec> {
    let arena = Bump::new();
    LevelSpec::read(&imagine(bootstrap::levels(), name, &arena))
}

/// A flow schema that comes with the server, as if it were stored.
pub(super) fn imagine_schema(name: &str) -> Schema {
    let arena = Bump::new();
    Schema::compile(&imagine(bootstrap::schemas(), name, &arena))
}

fn imagine<'a>(objects: Vec<Bootstrap>, name: &str, arena: &'a Bump) -> Value<'a> {
    let spec = objects.into_iter().find(|object| object.name == name).map(|object| object.spec);
    let text = format!(r#"{{"metadata":{{"name":"{name}"}},"spec":{}}}"#, spec.unwrap_or_default());
    json::parse_any(text.as_bytes(), arena).unwrap_or(Value::Null)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::{Query, RequestInfo, User};

    fn built_in() -> Schemas {
        let arena = Bump::new();
        let names = bootstrap::schemas().into_iter().map(|schema| schema.name);
        let compile = |name| Schema::compile(&imagine(bootstrap::schemas(), name, &arena));
        let levels = bootstrap::levels();
        Schemas::order(names.map(compile).collect(), |level| levels.iter().any(|l| l.name == level))
    }

    fn find(schemas: &Schemas, (name, groups): (&str, &[&str]), request: (&str, &str)) -> String {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        let user = User { name: name.into(), groups, ..User::default() };
        let info = RequestInfo::parse(request.0, request.1, &Query::new("")).unwrap();
        let verb =
            if info.is_resource { info.verb.name().into() } else { request.0.to_lowercase() };
        let digest = Digest { user: &user, info: &info, verb: &verb };
        schemas.find(digest).unwrap().name.to_string()
    }

    #[test]
    fn requests_find_their_bootstrap_schema() {
        let schemas = built_in();
        let known = "system:authenticated";
        let masters: &[&str] = &["system:masters", known];
        let nodes: &[&str] = &["system:nodes", known];
        let accounts: &[&str] = &["system:serviceaccounts", known];
        let lease = "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/l";
        let in_system = "system:serviceaccount:kube-system:x";
        let cases = [
            (("admin", masters), ("GET", "/api/v1/pods"), "exempt"),
            (("system:anonymous", &["system:unauthenticated"][..]), ("GET", "/livez"), "probes"),
            (("system:kube-scheduler", &[known][..]), ("PUT", lease), "system-leader-election"),
            (("system:kube-scheduler", &[known][..]), ("GET", "/api/v1/pods"), "kube-scheduler"),
            (("system:node:n", nodes), ("GET", "/api/v1/nodes/n"), "system-node-high"),
            (("system:node:n", nodes), ("GET", "/api/v1/pods"), "system-nodes"),
            ((in_system, accounts), ("GET", "/api/v1/pods"), "kube-system-service-accounts"),
            (("system:serviceaccount:d:x", accounts), ("GET", "/version"), "service-accounts"),
            (("someone", &[known][..]), ("GET", "/api/v1/pods"), "global-default"),
            (("nobody", &[][..]), ("GET", "/api/v1/pods"), "catch-all"),
        ];
        for (user, request, schema) in cases {
            assert_eq!(find(&schemas, user, request), schema, "{user:?} {request:?}");
        }
    }

    #[test]
    fn a_dangling_schema_matches_nothing_and_mandatory_ones_are_supplied() {
        let arena = Bump::new();
        let text = br#"{"metadata":{"name":"x"},"spec":{"matchingPrecedence":1,
            "priorityLevelConfiguration":{"name":"gone"},"rules":[{"subjects":[{"kind":"User",
            "user":{"name":"*"}}],
            "nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]}]}}"#;
        let schema = Schema::compile(&json::parse_any(text, &arena).unwrap());
        let schemas = Schemas::order(vec![schema], |level| level != "gone");
        let found = find(&schemas, ("u", &["system:authenticated"]), ("GET", "/version"));
        assert_eq!(found, "catch-all");
        let found = find(&schemas, ("u", &["system:masters"]), ("GET", "/version"));
        assert_eq!(found, "exempt");
    }

    #[test]
    fn only_the_exempt_level_is_exempt() {
        let level = imagine_level(EXEMPT).unwrap();
        assert!(level.exempt && level.queuing.is_none());
        let level = imagine_level(CATCH_ALL).unwrap();
        assert_eq!((level.exempt, level.shares, level.queuing), (false, 5, None));
        let arena = Bump::new();
        let text = br#"{"metadata":{"name":"x"},"spec":{"type":"Exempt","exempt":{}}}"#;
        assert_eq!(LevelSpec::read(&json::parse_any(text, &arena).unwrap()), None);
    }
}
