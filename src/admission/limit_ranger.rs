//! LimitRanger: what containers ask for is filled in and kept within the LimitRanges of the
//! namespace (features.md section 6.2).

use super::Reader;
use super::refusal::refuse;
use super::resources::{List, Part, compare, of_containers, read};
use crate::object::quantity::Quantity;
use crate::object::{Map, Value};
use crate::request::{Attributes, Operation, Result};
use bumpalo::Bump;
use std::cmp::Ordering;

const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Fills in requests and limits of a new pod.
///
/// # Errors
/// Those of the cache.
pub(super) async fn admit<'a>(
    at: &Attributes<'_>,
    object: &mut Value<'a>,
    old: Option<&Value<'_>>,
    reader: &Reader,
    arena: &'a Bump,
) -> Result<()> {
    if !concerns(at, old) || at.resource.name != "pods" {
        return Ok(());
    }
    for range in reader.list("", "limitranges", at.namespace, arena).await? {
        fill(object, &range, arena);
    }
    Ok(())
}

/// Keeps pods and claims within the ranges.
///
/// # Errors
/// 403 with everything that is out of a range.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    reader: &Reader,
) -> Result<()> {
    if !concerns(at, old) {
        return Ok(());
    }
    let arena = Bump::new();
    for range in reader.list("", "limitranges", at.namespace, &arena).await? {
        let mut errors = Vec::new();
        for limit in range.list_at(&["spec", "limits"]) {
            if at.resource.name == "pods" {
                check_pod(object, limit, &mut errors);
            } else {
                check_claim(object, limit, &mut errors);
            }
        }
        if !errors.is_empty() {
            return Err(refuse(at, aggregate(errors)));
        }
    }
    Ok(())
}

/// New pods and claims, claims that change, and pods that are resized; nothing that is going
/// (`SupportsAttributes`).
fn concerns(at: &Attributes<'_>, old: Option<&Value<'_>>) -> bool {
    if !at.resource.group.is_empty()
        || !matches!(at.operation, Operation::Create | Operation::Update)
        || old.is_some_and(|old| old.at(&["metadata", "deletionTimestamp"]).is_some())
    {
        return false;
    }
    matches!(
        (at.resource.name, at.subresource, at.operation),
        ("pods", "resize", Operation::Update)
            | ("pods", "", Operation::Create)
            | ("persistentvolumeclaims", "", _)
    )
}

/// Several errors as one text, each once.
fn aggregate(errors: Vec<String>) -> String {
    let mut each: Vec<String> = Vec::new();
    for error in errors {
        if !each.contains(&error) {
            each.push(error);
        }
    }
    if each.len() == 1 { each.concat() } else { format!("[{}]", each.join(", ")) }
}

/// The defaults of a range into every container, told by an annotation.
fn fill<'a>(pod: &mut Value<'a>, range: &Value<'_>, arena: &'a Bump) {
    let (mut requests, mut limits) = (List::new(), List::new());
    for limit in range.list_at(&["spec", "limits"]) {
        if limit.str_at(&["type"]) == "Container" {
            requests.extend(read(limit.at(&["defaultRequest"])));
            limits.extend(read(limit.at(&["default"])));
        }
    }
    let mut told = Vec::new();
    for (kind, word) in [("containers", "container"), ("initContainers", "init container")] {
        for container in pod.list_at_mut(&["spec", kind]) {
            let name = container.str_at(&["name"]);
            let Some(map) = container.as_map_mut() else { continue };
            for (part, defaults) in [(Part::Requests, &requests), (Part::Limits, &limits)] {
                let set = set_missing(map, part, defaults, arena);
                if !set.is_empty() {
                    let what = part.field().trim_end_matches('s');
                    told.push(format!("{} {what} for {word} {name}", set.join(", ")));
                }
            }
        }
    }
    if told.is_empty() {
        return;
    }
    let text = format!("LimitRanger plugin set: {}", told.join("; "));
    if let Some(map) = pod.as_map_mut() {
        let annotations = map.entry_map("metadata").entry_map("annotations");
        annotations.insert(ANNOTATION, Value::str_in(&text, arena));
    }
}

fn set_missing<'a>(
    container: &mut Map<'a>,
    part: Part,
    defaults: &List,
    arena: &'a Bump,
) -> Vec<String> {
    let mut set = Vec::new();
    if defaults.is_empty() {
        return set;
    }
    let list = container.entry_map("resources").entry_map(part.field());
    for (name, quantity) in defaults {
        if list.get(name).is_none() {
            list.insert(arena.alloc_str(name), Value::str_in(&quantity.to_string(), arena));
            set.push(name.clone());
        }
    }
    set
}

fn check_pod(pod: &Value<'_>, limit: &Value<'_>, errors: &mut Vec<String>) {
    let Some(spec) = pod.at(&["spec"]) else { return };
    match limit.str_at(&["type"]) {
        "Container" => {
            for kind in ["containers", "initContainers"] {
                for container in spec.list_at(&[kind]) {
                    let of = |part: Part| read(container.at(&["resources", part.field()]));
                    bound(limit, "Container", &of(Part::Requests), &of(Part::Limits), errors);
                }
            }
        }
        "Pod" => {
            let of = |part| of_containers(spec, part);
            bound(limit, "Pod", &of(Part::Requests), &of(Part::Limits), errors);
        }
        _ => {}
    }
}

fn check_claim(claim: &Value<'_>, limit: &Value<'_>, errors: &mut Vec<String>) {
    let kind = "PersistentVolumeClaim";
    if limit.str_at(&["type"]) != kind {
        return;
    }
    let requests = read(claim.at(&["spec", "resources", "requests"]));
    for (name, least) in read(limit.at(&["min"])) {
        errors.extend(below(&name, kind, &least, requests.get(&name), None));
    }
    for (name, most) in read(limit.at(&["max"])) {
        let begin = format!("maximum {name} usage per {kind} is {most}");
        match requests.get(&name) {
            None => errors.push(format!("{begin}.  No request is specified")),
            Some(request) if compare(request, &most) == Ordering::Greater => {
                errors.push(format!("{begin}, but request is {request}"));
            }
            Some(_) => {}
        }
    }
}

fn bound(limit: &Value<'_>, kind: &str, requests: &List, limits: &List, errors: &mut Vec<String>) {
    for (name, least) in read(limit.at(&["min"])) {
        errors.extend(below(&name, kind, &least, requests.get(&name), limits.get(&name)));
    }
    for (name, most) in read(limit.at(&["max"])) {
        errors.extend(above(&name, kind, &most, requests.get(&name), limits.get(&name)));
    }
    for (name, most) in read(limit.at(&["maxLimitRequestRatio"])) {
        errors.extend(ratio(&name, kind, &most, requests.get(&name), limits.get(&name)));
    }
}

/// `minConstraint`.
fn below(
    name: &str,
    kind: &str,
    least: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let begin = format!("minimum {name} usage per {kind} is {least}");
    beyond(&begin, (least, Ordering::Less), ("request", request), ("limit", limit))
}

/// `maxConstraint`.
fn above(
    name: &str,
    kind: &str,
    most: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let begin = format!("maximum {name} usage per {kind} is {most}");
    beyond(&begin, (most, Ordering::Greater), ("limit", limit), ("request", request))
}

type Named<'a> = (&'a str, Option<&'a Quantity>);

/// What is wrong if the first quantity, which must be there, or the second lies beyond the bound.
fn beyond(
    begin: &str,
    (bound, side): (&Quantity, Ordering),
    first: Named<'_>,
    second: Named<'_>,
) -> Option<String> {
    if first.1.is_none() {
        return Some(format!("{begin}.  No {} is specified", first.0));
    }
    [first, second].into_iter().find_map(|(what, quantity)| {
        let quantity = quantity.filter(|quantity| compare(quantity, bound) == side)?;
        Some(format!("{begin}, but {what} is {quantity}"))
    })
}

/// `limitRequestRatioConstraint`.
fn ratio(
    name: &str,
    kind: &str,
    most: &Quantity,
    request: Option<&Quantity>,
    limit: Option<&Quantity>,
) -> Option<String> {
    let begin = format!("{name} max limit to request ratio per {kind} is {most}");
    let Some(request) = request.filter(|request| request.signum() != 0) else {
        return Some(format!("{begin}, but no request is specified or request is 0"));
    };
    let Some(limit) = limit.filter(|limit| limit.signum() != 0) else {
        return Some(format!("{begin}, but no limit is specified or limit is 0"));
    };
    // Thousandths as upstream, unless they do not fit.
    let fits = |quantity: &Quantity| quantity.value() <= i64::MAX / 1_000;
    let ratio = if fits(request) && fits(limit) {
        limit.milli_value() as f64 / request.milli_value() as f64
    } else {
        limit.value() as f64 / request.value() as f64
    };
    let allowed = most.milli_value() as f64 / 1_000.0;
    (ratio > allowed).then(|| format!("{begin}, but provided ratio is {ratio:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::json;

    fn errors(limit: &str, spec: &str) -> Vec<String> {
        let arena = Bump::new();
        let parse = |text: &str| json::parse_any(text.as_bytes(), &arena).unwrap();
        let mut errors = Vec::new();
        let pod = format!(r#"{{"spec":{spec}}}"#);
        check_pod(&parse(&pod), &parse(limit), &mut errors);
        errors
    }

    #[test]
    fn a_container_stays_between_minimum_and_maximum() {
        let limit = r#"{"type":"Container","min":{"cpu":"100m"},"max":{"cpu":"1"}}"#;
        let spec = |request: &str, limit: &str| {
            format!(
                r#"{{"containers":[{{"name":"c","resources":{{"requests":{{{request}}},
                    "limits":{{{limit}}}}}}}]}}"#
            )
        };
        let cpu = |value: &str| format!(r#""cpu":"{value}""#);
        assert_eq!(errors(limit, &spec(&cpu("100m"), &cpu("1"))), [""; 0]);
        assert_eq!(
            errors(limit, &spec(&cpu("50m"), &cpu("2"))),
            [
                "minimum cpu usage per Container is 100m, but request is 50m",
                "maximum cpu usage per Container is 1, but limit is 2"
            ]
        );
        assert_eq!(
            errors(limit, &spec("", "")),
            [
                "minimum cpu usage per Container is 100m.  No request is specified",
                "maximum cpu usage per Container is 1.  No limit is specified"
            ]
        );
    }

    #[test]
    fn a_limit_is_no_more_than_so_many_times_the_request() {
        let limit = r#"{"type":"Container","maxLimitRequestRatio":{"cpu":"2"}}"#;
        let spec = r#"{"containers":[{"resources":{"requests":{"cpu":"100m"},
            "limits":{"cpu":"400m"}}}]}"#;
        let text =
            "cpu max limit to request ratio per Container is 2, but provided ratio is 4.000000";
        assert_eq!(errors(limit, spec), [text]);
    }

    #[test]
    fn several_errors_are_one_list_without_repetition() {
        assert_eq!(aggregate(vec!["a".into(), "a".into()]), "a");
        assert_eq!(aggregate(vec!["a".into(), "b".into()]), "[a, b]");
    }
}
