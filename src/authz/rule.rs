//! One rule of a role, compiled for matching (`rbac/v1` `evaluation_helpers.go`).
//!
//! Each list of texts has a signature: a bit for each text, all bits for a wildcard. A rule whose
//! signatures lack a bit of what is asked cannot match, so most rules are passed over without a
//! look at their texts.

use super::action::Action;
use crate::object::Value;
use std::fmt;
use xxhash_rust::xxh3::xxh3_64;

/// The wildcard of every list.
const ALL: &str = "*";

type Texts = Box<[Box<str>]>;

/// `rbac.authorization.k8s.io/v1.PolicyRule`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rule {
    /// Verbs.
    pub verbs: Texts,
    /// API groups.
    pub groups: Texts,
    /// Resources, as `pods`, `pods/log`, `*/scale`.
    pub resources: Texts,
    /// Object names; all if there are none.
    pub names: Texts,
    /// Paths outside the API groups, as `/metrics`, `/healthz/*`.
    pub urls: Texts,
    signature: Signature,
}

/// What lists hold, one bit a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Signature {
    verbs: u64,
    groups: u64,
    resources: u64,
}

/// The rules of one role.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Rules {
    rules: Box<[Rule]>,
    /// What any of the rules holds.
    signature: Signature,
}

/// What is asked, with its bits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'r> {
    action: &'r Action<'r>,
    signature: Signature,
}

impl Signature {
    const fn holds(self, asked: Self) -> bool {
        self.verbs & asked.verbs != 0
            && self.groups & asked.groups != 0
            && self.resources & asked.resources != 0
    }

    const fn or(self, other: Self) -> Self {
        Self {
            verbs: self.verbs | other.verbs,
            groups: self.groups | other.groups,
            resources: self.resources | other.resources,
        }
    }
}

fn bit(text: &str) -> u64 {
    if text == ALL { u64::MAX } else { 1 << (xxh3_64(text.as_bytes()) % 64) }
}

/// A subresource has the bit of its resource, so that `*/scale` has all of them.
fn resource_bit(text: &str) -> u64 {
    bit(text.split('/').next().unwrap_or(text))
}

fn bits(texts: &[Box<str>], bit: impl Fn(&str) -> u64) -> u64 {
    texts.iter().fold(0, |bits, text| bits | bit(text))
}

impl<'r> Asked<'r> {
    /// Compiles what is asked.
    pub(super) fn new(action: &'r Action<'r>) -> Self {
        let signature = if action.is_resource {
            Signature {
                verbs: bit(action.verb),
                groups: bit(action.group),
                resources: resource_bit(action.resource),
            }
        } else {
            // Rules with paths have these bits, and no others do.
            Signature { verbs: bit(action.verb), groups: PATHS, resources: PATHS }
        };
        Self { action, signature }
    }
}

/// The bits of groups and resources that rules with paths have: all, as paths are not hashed.
const PATHS: u64 = u64::MAX;

impl Rule {
    /// A rule of these lists.
    pub fn new(verbs: Texts, groups: Texts, resources: Texts, names: Texts, urls: Texts) -> Self {
        let paths = if urls.is_empty() { 0 } else { PATHS };
        let signature = Signature {
            verbs: bits(&verbs, bit),
            groups: bits(&groups, bit) | paths,
            resources: bits(&resources, resource_bit) | paths,
        };
        Self { verbs, groups, resources, names, urls, signature }
    }

    /// The rule that the object's tree describes.
    pub fn of(rule: &Value<'_>) -> Self {
        let texts = |name: &str| -> Texts {
            rule.list_at(&[name]).iter().filter_map(Value::as_str).map(Box::from).collect()
        };
        Self::new(
            texts("verbs"),
            texts("apiGroups"),
            texts("resources"),
            texts("resourceNames"),
            texts("nonResourceURLs"),
        )
    }

    /// The rules of who may do everything.
    pub fn everything() -> [Self; 2] {
        let all = || -> Texts { Box::new([Box::from(ALL)]) };
        let none = || -> Texts { Box::default() };
        [
            Self::new(all(), all(), all(), none(), none()),
            Self::new(all(), none(), none(), none(), all()),
        ]
    }

    /// True if the rule allows what is asked (`RuleAllows`).
    pub(super) fn allows(&self, asked: &Asked<'_>) -> bool {
        if !self.signature.holds(asked.signature) {
            return false;
        }
        let action = asked.action;
        if !has_or_all(&self.verbs, action.verb) {
            return false;
        }
        if !action.is_resource {
            return self.urls.iter().any(|url| covers_path(url, action.path));
        }
        has_or_all(&self.groups, action.group)
            && self.resources.iter().any(|resource| is_resource(resource, action))
            && (self.names.is_empty() || has(&self.names, action.name))
    }

    /// The rule in pieces of one group, resource, verb and name, or one path and verb
    /// (`BreakdownRule`).
    pub fn pieces(&self) -> Vec<Self> {
        let one = |text: &str| -> Texts { Box::new([Box::from(text)]) };
        let none = || -> Texts { Box::default() };
        let mut pieces = Vec::new();
        for group in &self.groups {
            for resource in &self.resources {
                for verb in &self.verbs {
                    let piece =
                        |names| Self::new(one(verb), one(group), one(resource), names, none());
                    if self.names.is_empty() {
                        pieces.push(piece(none()));
                    }
                    pieces.extend(self.names.iter().map(|name| piece(one(name))));
                }
            }
        }
        for url in &self.urls {
            let verbs = self.verbs.iter();
            pieces.extend(verbs.map(|verb| Self::new(one(verb), none(), none(), none(), one(url))));
        }
        pieces
    }

    /// True if whoever has this rule has that piece (`ruleCovers`).
    pub fn covers(&self, piece: &Self) -> bool {
        let all = |own: &[Box<str>], wanted: &[Box<str>]| {
            has(own, ALL) || wanted.iter().all(|text| has(own, text))
        };
        let names = self.names.is_empty()
            || (!piece.names.is_empty() && piece.names.iter().all(|name| has(&self.names, name)));
        all(&self.verbs, &piece.verbs)
            && all(&self.groups, &piece.groups)
            && (has(&self.resources, ALL)
                || piece
                    .resources
                    .iter()
                    .all(|resource| covers_resource(&self.resources, resource)))
            && names
            && piece
                .urls
                .iter()
                .all(|url| self.urls.iter().any(|own| **own == **url || covers_prefix(own, url)))
    }
}

/// `CompactString`, as messages show a rule.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lists = [
            ("APIGroups", &self.groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.urls),
            ("ResourceNames", &self.names),
            ("Verbs", &self.verbs),
        ];
        f.write_str("{")?;
        let shown = lists.into_iter().filter(|(_, texts)| !texts.is_empty());
        for (at, (name, texts)) in shown.enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            write!(f, "{comma}{name}:{}", Quoted(texts))?;
        }
        f.write_str("}")
    }
}

/// Texts as Go's `%q` prints a slice of strings.
#[derive(Debug)]
pub struct Quoted<'t, T>(pub &'t [T]);

impl<T: AsRef<str>> fmt::Display for Quoted<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (at, text) in self.0.iter().enumerate() {
            let space = if at > 0 { " " } else { "" };
            write!(f, "{space}{:?}", text.as_ref())?;
        }
        f.write_str("]")
    }
}

impl Rules {
    /// The rules of a role, in order.
    pub(super) fn new(rules: Vec<Rule>) -> Self {
        let signature = rules.iter().fold(Signature::default(), |all, rule| all.or(rule.signature));
        Self { rules: rules.into_boxed_slice(), signature }
    }

    /// True if one of the rules allows what is asked.
    pub(super) fn allow(&self, asked: &Asked<'_>) -> bool {
        self.signature.holds(asked.signature) && self.rules.iter().any(|rule| rule.allows(asked))
    }

    /// The rules.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }
}

fn has(texts: &[Box<str>], wanted: &str) -> bool {
    texts.iter().any(|text| **text == *wanted)
}

fn has_or_all(texts: &[Box<str>], wanted: &str) -> bool {
    texts.iter().any(|text| **text == *wanted || **text == *ALL)
}

/// `ResourceMatches`.
fn is_resource(rule: &str, action: &Action<'_>) -> bool {
    if rule == ALL {
        return true;
    }
    if action.subresource.is_empty() {
        return rule == action.resource;
    }
    let Some(resource) =
        rule.strip_suffix(action.subresource).and_then(|rest| rest.strip_suffix('/'))
    else {
        return false;
    };
    resource == action.resource || resource == ALL
}

/// `NonResourceURLMatches`.
fn covers_path(rule: &str, path: &str) -> bool {
    rule == ALL || rule == path || covers_prefix(rule, path)
}

fn covers_prefix(rule: &str, path: &str) -> bool {
    rule.ends_with('*') && path.starts_with(rule.trim_end_matches('*'))
}

/// `resourceCoversAll`, for one resource.
fn covers_resource(own: &[Box<str>], wanted: &str) -> bool {
    has(own, wanted)
        || wanted.split_once('/').is_some_and(|(_, subresource)| {
            own.iter().any(|text| text.strip_prefix("*/") == Some(subresource))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(verbs: &[&str], groups: &[&str], resources: &[&str], names: &[&str]) -> Rule {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.into()).collect();
        Rule::new(texts(verbs), texts(groups), texts(resources), texts(names), Box::default())
    }

    fn urls(verbs: &[&str], urls: &[&str]) -> Rule {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.into()).collect();
        let none = || Box::default();
        Rule::new(texts(verbs), none(), none(), none(), texts(urls))
    }

    fn allows(rule: &Rule, verb: &str, group: &str, resource: &str, name: &str) -> bool {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let action = Action { verb, group, subresource, name, ..Action::resource(resource) };
        rule.allows(&Asked::new(&action))
    }

    #[test]
    fn every_list_must_hold_what_is_asked_or_a_star() {
        let plain = rule(&["get", "list"], &["", "apps"], &["pods"], &[]);
        assert!(allows(&plain, "get", "", "pods", "p"));
        assert!(allows(&plain, "list", "apps", "pods", ""));
        assert!(!allows(&plain, "watch", "", "pods", "p"));
        assert!(!allows(&plain, "get", "batch", "pods", "p"));
        assert!(!allows(&plain, "get", "", "nodes", "p"));
        assert!(allows(&rule(&["*"], &["*"], &["*"], &[]), "x", "y", "z/w", ""));
    }

    #[test]
    fn a_subresource_is_named_with_its_resource_or_with_a_star_for_it() {
        let log = rule(&["get"], &[""], &["pods/log"], &[]);
        assert!(allows(&log, "get", "", "pods/log", "p"));
        assert!(!allows(&log, "get", "", "pods", "p"));
        let scale = rule(&["get"], &["apps"], &["*/scale"], &[]);
        assert!(allows(&scale, "get", "apps", "deployments/scale", "d"));
        assert!(!allows(&scale, "get", "apps", "deployments", "d"));
        assert!(!allows(&rule(&["get"], &[""], &["pods/*"], &[]), "get", "", "pods/log", "p"));
    }

    #[test]
    fn names_limit_to_requests_with_one_of_them() {
        let named = rule(&["get", "create"], &[""], &["pods"], &["a", "b"]);
        assert!(allows(&named, "get", "", "pods", "b"));
        assert!(!allows(&named, "get", "", "pods", "c"));
        assert!(!allows(&named, "create", "", "pods", ""));
    }

    #[test]
    fn paths_match_whole_or_by_a_prefix_before_a_star() {
        let asks = |rule: &Rule, path: &str| {
            let action = Action { verb: "get", ..Action::path(path) };
            rule.allows(&Asked::new(&action))
        };
        let paths = urls(&["get"], &["/metrics", "/nope/*"]);
        assert!(asks(&paths, "/metrics") && asks(&paths, "/nope/x") && asks(&paths, "/nope/"));
        assert!(!asks(&paths, "/metrics/x") && !asks(&paths, "/nope"));
        assert!(asks(&urls(&["*"], &["*"]), "/any"));
        assert!(!asks(&rule(&["*"], &["*"], &["*"], &[]), "/metrics"));
        assert!(!allows(&urls(&["*"], &["*"]), "get", "", "pods", ""));
    }

    #[test]
    fn a_piece_is_covered_by_one_rule_that_allows_all_of_it() {
        let own = rule(&["get"], &[""], &["pods", "*/log"], &["a"]);
        let covered = |piece: &Rule| piece.pieces().iter().all(|piece| own.covers(piece));
        assert!(covered(&rule(&["get"], &[""], &["pods", "nodes/log"], &["a"])));
        assert!(!covered(&rule(&["get"], &[""], &["pods"], &[])));
        assert!(!covered(&rule(&["get"], &[""], &["pods"], &["b"])));
        assert!(urls(&["*"], &["/a/*"]).covers(&urls(&["get"], &["/a/b"])));
        assert!(!urls(&["*"], &["/a/*"]).covers(&urls(&["get"], &["/b"])));
    }

    #[test]
    fn a_rule_is_shown_as_upstream_shows_it() {
        let shown = rule(&["get", "list"], &[""], &["pods"], &["a"]).to_string();
        let wanted = r#"{APIGroups:[""], Resources:["pods"], ResourceNames:["a"], "#;
        assert_eq!(shown, format!("{wanted}Verbs:[\"get\" \"list\"]}}"));
        assert_eq!(urls(&["*"], &["*"]).to_string(), r#"{NonResourceURLs:["*"], Verbs:["*"]}"#);
    }
}
