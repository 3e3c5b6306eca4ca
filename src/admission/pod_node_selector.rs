//! PodNodeSelector: pods run where the annotation of their namespace wants them, or else the
//! cluster's default; and on no other nodes than those that the file allows the namespace.

use super::Reader;
use super::refusal::refuse;
use crate::codec::yaml;
use crate::object::Value;
use crate::object::content::{label_key_errors, label_value_errors};
use crate::request::{Attributes, Fault, Operation, Result};
use bumpalo::Bump;
use std::collections::BTreeMap;

const ANNOTATION: &str = "scheduler.alpha.kubernetes.io/node-selector";
/// The entry of the file that is for every namespace without the annotation.
const DEFAULT: &str = "clusterDefaultNodeSelector";

/// `podNodeSelectorPluginConfig`: selectors by namespace, and the default.
#[derive(Debug, Default)]
pub(super) struct Selectors(BTreeMap<String, String>);

impl Selectors {
    /// From a document of the AdmissionConfiguration. Upstream takes no notice of one that has
    /// another form.
    pub(super) fn parse(source: &[u8]) -> Self {
        let arena = Bump::new();
        let Ok(document) = yaml::parse(source, &arena) else { return Self::default() };
        let Ok(file) = document.any(&arena) else { return Self::default() };
        let entries = file.get("podNodeSelectorPluginConfig").and_then(Value::as_map);
        let entries = entries.into_iter().flat_map(|map| map.iter());
        let text = |(name, value): (&str, &Value<'_>)| Some((name.into(), value.as_str()?.into()));
        Self(entries.filter_map(text).collect())
    }

    fn of(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }
}

/// Adds the namespace's selector to that of a new pod.
///
/// # Errors
/// 403 for a pod that contradicts it or wants nodes that its namespace may not use, 500 for a
/// selector that is none.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    reader: &Reader,
    selectors: &Selectors,
    arena: &'a Bump,
) -> Result<()> {
    if at.operation != Operation::Create || !at.is("", "pods") {
        return Ok(());
    }
    let Some(namespace) = reader.get("", "namespaces", "", at.namespace, arena).await? else {
        return Ok(());
    };
    let annotated = namespace.at(&["metadata", "annotations"]).and_then(|all| all.get(ANNOTATION));
    let text = annotated.and_then(Value::as_str).unwrap_or_else(|| selectors.of(DEFAULT));
    let wanted = labels(text)?;
    let Some(spec) = object.as_map_mut().map(|map| map.entry_map("spec")) else { return Ok(()) };
    for (key, value) in wanted {
        let selector = spec.entry_map("nodeSelector");
        let own = selector.get(key).and_then(Value::as_str);
        if own.is_some_and(|own| own != value) {
            return Err(refuse(
                at,
                "pod node label selector conflicts with its namespace node label selector",
            ));
        }
        selector.insert(arena.alloc_str(key), Value::str_in(value, arena));
    }
    let allowed = labels(selectors.of(at.namespace))?;
    let chosen = spec.get("nodeSelector").and_then(Value::as_map);
    let mut chosen = chosen.into_iter().flat_map(|map| map.iter());
    let fits = |(key, value): (&str, &Value<'_>)| allowed.get(key).copied() == value.as_str();
    if !allowed.is_empty() && !chosen.all(fits) {
        return Err(refuse(
            at,
            "pod node label selector labels conflict with its namespace whitelist",
        ));
    }
    Ok(())
}

/// `a=b,c=d` (`labels.ConvertSelectorToLabelsMap`).
fn labels(text: &str) -> Result<BTreeMap<&str, &str>> {
    let mut labels = BTreeMap::new();
    for part in text.split(',').filter(|_| !text.is_empty()) {
        let mut halves = part.split('=');
        let (Some(key), Some(value), None) = (halves.next(), halves.next(), halves.next()) else {
            let halves: Vec<&str> = part.split('=').collect();
            return Err(Fault::Plain(format!("invalid selector: [{}]", halves.join(" "))));
        };
        let (key, value) = (key.trim(), value.trim());
        let wrong = [label_key_errors(key), label_value_errors(value)].concat();
        if !wrong.is_empty() {
            return Err(Fault::Plain(format!("Invalid value: {part:?}: {}", wrong.join("; "))));
        }
        labels.insert(key, value);
    }
    Ok(labels)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_are_pairs() {
        let read = labels("a=b, c = d").unwrap();
        assert_eq!(read, BTreeMap::from([("a", "b"), ("c", "d")]));
        assert!(labels("").unwrap().is_empty());
        assert_eq!(labels("a"), Err(Fault::Plain("invalid selector: [a]".to_owned())));
        assert!(labels("a b=c").is_err());
    }

    #[test]
    fn a_document_of_another_form_selects_nothing() {
        let read = |text: &str| Selectors::parse(text.as_bytes());
        let text = "podNodeSelectorPluginConfig: {clusterDefaultNodeSelector: a=b, other: c=d}";
        assert_eq!((read(text).of(DEFAULT), read(text).of("other")), ("a=b", "c=d"));
        for text in ["podNodeSelectorPluginConfig: 5", "a: [", ""] {
            assert_eq!(read(text).of(DEFAULT), "");
        }
    }
}
