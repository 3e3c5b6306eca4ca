//! Which objects a quota with scopes counts (`podMatchesScopeFunc`, `pvcMatchesScopeFunc`).

use super::usage::Evaluator;
use crate::admission::resources::is_best_effort;
use crate::object::Value;

/// True if all scopes of the quota hold for the object.
pub(super) fn matches(evaluator: Evaluator, quota: &Value<'_>, object: &Value<'_>) -> bool {
    let scopes = quota.list_at(&["spec", "scopes"]).iter().filter_map(Value::as_str);
    let mut plain = scopes.map(|scope| holds(evaluator, (scope, "Exists", &[]), object));
    let chosen = quota.list_at(&["spec", "scopeSelector", "matchExpressions"]);
    let mut chosen = chosen.iter().map(|expression| {
        let (scope, operator) =
            (expression.str_at(&["scopeName"]), expression.str_at(&["operator"]));
        holds(evaluator, (scope, operator, expression.list_at(&["values"])), object)
    });
    plain.all(|holds| holds) && chosen.all(|holds| holds)
}

/// True if a scope, chosen with an operator and values, holds for the object.
pub(super) fn holds(
    evaluator: Evaluator,
    (scope, operator, values): (&str, &str, &[Value<'_>]),
    object: &Value<'_>,
) -> bool {
    match evaluator {
        Evaluator::Pods => {
            let Some(spec) = object.at(&["spec"]) else { return false };
            match scope {
                "Terminating" => is_terminating(spec),
                "NotTerminating" => !is_terminating(spec),
                "BestEffort" => is_best_effort(spec),
                "NotBestEffort" => !is_best_effort(spec),
                "PriorityClass" => selects(spec.str_at(&["priorityClassName"]), operator, values),
                "CrossNamespacePodAffinity" => crosses_namespaces(spec),
                _ => false,
            }
        }
        Evaluator::Claims if scope == "VolumeAttributesClass" => {
            let class = object.str_at(&["spec", "volumeAttributesClassName"]);
            selects(class, operator, values)
        }
        // Other kinds are counted whatever the scopes are.
        Evaluator::Claims
        | Evaluator::Objects(_)
        | Evaluator::ResourceClaims
        | Evaluator::Services => true,
    }
}

fn is_terminating(spec: &Value<'_>) -> bool {
    spec.i64_at(&["activeDeadlineSeconds"]).is_some_and(|seconds| seconds >= 0)
}

/// A selector over one name, which may be missing.
fn selects(name: &str, operator: &str, values: &[Value<'_>]) -> bool {
    let listed = || values.iter().any(|value| value.as_str() == Some(name));
    match operator {
        "Exists" => !name.is_empty(),
        "DoesNotExist" => name.is_empty(),
        "In" => !name.is_empty() && listed(),
        "NotIn" => name.is_empty() || !listed(),
        _ => false,
    }
}

/// A term of (anti-)affinity that names or selects namespaces.
fn crosses_namespaces(spec: &Value<'_>) -> bool {
    let crosses = |term: &Value<'_>| {
        !term.list_at(&["namespaces"]).is_empty() || term.at(&["namespaceSelector"]).is_some()
    };
    ["podAffinity", "podAntiAffinity"].iter().any(|kind| {
        let field = |name| spec.list_at(&["affinity", kind, name]);
        let required = field("requiredDuringSchedulingIgnoredDuringExecution").iter();
        let preferred = field("preferredDuringSchedulingIgnoredDuringExecution").iter();
        required.chain(preferred.filter_map(|term| term.at(&["podAffinityTerm"]))).any(crosses)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;
    use bumpalo::Bump;

    fn pod_matches(quota: &str, spec: &str) -> bool {
        let arena = Bump::new();
        let parse = |text: &str| json::parse_any(text.as_bytes(), &arena).unwrap();
        let (quota, pod) = (format!(r#"{{"spec":{quota}}}"#), format!(r#"{{"spec":{spec}}}"#));
        matches(Evaluator::Pods, &parse(&quota), &parse(&pod))
    }

    #[test]
    fn scopes_of_pods() {
        let scope = |name: &str| format!(r#"{{"scopes":["{name}"]}}"#);
        let (plain, ending) = (r#"{"containers":[]}"#, r#"{"activeDeadlineSeconds":0}"#);
        assert!(pod_matches(&scope("Terminating"), ending));
        assert!(!pod_matches(&scope("Terminating"), plain));
        assert!(pod_matches(&scope("NotTerminating"), plain));
        assert!(pod_matches(&scope("BestEffort"), plain));
        let asks = r#"{"containers":[{"resources":{"limits":{"memory":"1Mi"}}}]}"#;
        assert!(!pod_matches(&scope("BestEffort"), asks));
        assert!(pod_matches(&scope("NotBestEffort"), asks));
        let crosses = r#"{"affinity":{"podAntiAffinity":{
            "requiredDuringSchedulingIgnoredDuringExecution":[{"namespaceSelector":{}}]}}}"#;
        assert!(pod_matches(&scope("CrossNamespacePodAffinity"), crosses));
        assert!(!pod_matches(&scope("CrossNamespacePodAffinity"), plain));
    }

    #[test]
    fn priority_classes_are_selected_by_name() {
        let select = |operator: &str, values: &str| {
            format!(
                r#"{{"scopeSelector":{{"matchExpressions":[{{"scopeName":"PriorityClass",
                    "operator":"{operator}","values":[{values}]}}]}}}}"#
            )
        };
        let high = r#"{"priorityClassName":"high"}"#;
        assert!(pod_matches(&select("In", r#""high""#), high));
        assert!(!pod_matches(&select("In", r#""low""#), high));
        assert!(!pod_matches(&select("In", r#""high""#), "{}"));
        assert!(pod_matches(&select("NotIn", r#""high""#), "{}"));
        assert!(pod_matches(&select("DoesNotExist", ""), "{}"));
        assert!(pod_matches(&select("Exists", ""), high));
    }
}
