//! Roles and bindings: who may do what (`plugin/pkg/auth/authorizer/rbac`).
//!
//! Every shard has an [`Index`] of all roles and bindings, changed by each event as the shard
//! applies it: what a shard has applied, it decides by. A decision looks up the bindings of the
//! user and of each of his groups, first those of the cluster, then those of the namespace.

mod index;
mod subjects;

pub use index::{Found, Index, RuleSource};

use crate::authz::action::Action;
use crate::authz::decision::Decision;
use crate::authz::rule::{Quoted, Rule};
use crate::request::User;
use std::collections::BTreeMap;
use std::collections::BTreeSet;

impl Index {
    /// Decides (`RBACAuthorizer.Authorize`). `explain` asks for the reason of an approval, too.
    /// HOT: benches/authorize.rs
    pub fn decide(&self, user: &User, action: &Action<'_>, explain: bool) -> Decision {
        if let Some(source) = self.find(user, action, explain) {
            return Decision::allow(
                source.map_or_else(String::new, |source| format!("RBAC: allowed by {source}")),
            );
        }
        let errors = self.errors(user, action.namespace);
        if errors.is_empty() {
            return Decision::no_opinion("");
        }
        Decision::no_opinion(format!("RBAC: {}", aggregate(&errors)))
    }

    /// Says why `user` may not hand on these rules in the namespace, `None` if he has them all
    /// (`ConfirmNoEscalation`).
    pub fn escalation(&self, user: &User, namespace: &str, rules: &[Rule]) -> Option<String> {
        let (mut own, mut errors) = (Vec::new(), Vec::new());
        self.visit(user, namespace, &mut |found| match found {
            Ok((_, rule)) => own.push(rule.clone()),
            Err(error) => errors.push(error),
        });
        let pieces = rules.iter().flat_map(Rule::pieces);
        let missing: Vec<Rule> =
            pieces.filter(|piece| !own.iter().any(|rule| rule.covers(piece))).collect();
        if missing.is_empty() {
            return None;
        }
        let shown: BTreeSet<String> = compact(missing).iter().map(Rule::to_string).collect();
        let shown: Vec<String> = shown.into_iter().collect();
        let mut text = format!(
            "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
            user.name,
            Quoted(&user.groups),
            shown.join("\n")
        );
        if !errors.is_empty() {
            text.push_str(&format!("; resolution errors: [{}]", aggregate(&errors)));
        }
        Some(text)
    }
}

/// Several errors as one text (`utilerrors.NewAggregate`): each once.
pub fn aggregate(errors: &[String]) -> String {
    let mut seen = BTreeSet::new();
    let errors: Vec<&str> =
        errors.iter().map(String::as_str).filter(|error| seen.insert(*error)).collect();
    match errors.as_slice() {
        [one] => (*one).to_owned(),
        several => format!("[{}]", several.join(", ")),
    }
}

/// Joins pieces that differ by their verb alone (`CompactRules`).
fn compact(pieces: Vec<Rule>) -> Vec<Rule> {
    let mut joined: BTreeMap<[String; 3], Vec<Box<str>>> = BTreeMap::new();
    let mut rules = Vec::new();
    for piece in pieces {
        let ([group], [resource]) = (&*piece.groups, &*piece.resources) else {
            rules.push(piece);
            continue;
        };
        let name = piece.names.first().map_or_else(String::new, |name| format!("/{name}"));
        let key = [group.to_string(), resource.to_string(), name];
        joined.entry(key).or_default().extend(piece.verbs);
    }
    rules.extend(joined.into_iter().map(|([group, resource, name], verbs)| {
        let one = |text: String| Box::new([text.into_boxed_str()]) as Box<[Box<str>]>;
        let names = name.strip_prefix('/').map_or_else(Box::default, |name| one(name.to_owned()));
        Rule::new(verbs.into(), one(group), one(resource), names, Box::default())
    }));
    rules
}

#[cfg(test)]
pub(in crate::authz) mod tests;
