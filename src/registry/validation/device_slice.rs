//! ResourceSlice.

use super::device::{EFFECTS, attribute_name, bindings, driver, label_name, pool_name, shortened};
use super::resources::quantity;
use super::{Errors, IMMUTABLE, Report as _, Verbatim, format, go_form, scheduling};
use crate::object::field::Path;
use crate::object::quantity::Quantity;
use crate::object::{Map, Value};
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const DEVICES_MAX: usize = 128;
/// Of a slice with taints or counters.
const ADVANCED_DEVICES_MAX: usize = 64;
const COUNTER_SETS_MAX: usize = 8;
const COUNTERS_MAX: usize = 32;
const CONSUMPTIONS_MAX: usize = 2;
const ATTRIBUTES_MAX: usize = 32;
const ATTRIBUTE_VALUES_MAX: usize = 48;
const ATTRIBUTE_BYTES_MAX: usize = 64;
const TAINTS_MAX: usize = 16;
const OPTIONS_MAX: usize = 10;
const LISTS: [&str; 4] = ["bools", "ints", "strings", "versions"];
const NOT_EMPTY: &str = "must be either unset or set to true";

/// A new slice.
pub fn create(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    check(object, None, errors);
}

/// A slice, updated: driver, pool and node stay.
pub fn update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    check(new, Some(old), errors);
}

fn check(object: &Value<'_>, old: Option<&Value<'_>>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    driver(spec.text("driver"), &path.child("driver"), errors);
    pool(spec.get("pool").unwrap_or(&null), &path.child("pool"), errors);
    if let Some(old) = old {
        immutable(object, old, &path, errors);
    }
    placement(spec, &path, errors);
    let (devices, sets) = (spec.items("devices"), spec.items("sharedCounters"));
    if spec.has("sharedCounters") && spec.has("devices") {
        errors.invalid(&path, "", "only one of `sharedCounters` or `devices` is allowed");
    }
    let advanced = |device: &Value<'_>| {
        let lists = |(_, one): (&str, &Value<'_>)| LISTS.iter().any(|name| one.has(name));
        !device.items("taints").is_empty()
            || !device.items("consumesCounters").is_empty()
            || device.entries("attributes").any(lists)
    };
    let most = if devices.iter().any(advanced) { ADVANCED_DEVICES_MAX } else { DEVICES_MAX };
    let at = path.child("devices");
    if devices.len() > most {
        errors.too_many(&at, devices.len(), most);
    } else {
        let known = old.map_or(&[][..], |old| old.list_at(&["spec", "devices"]));
        for (index, device) in devices.iter().enumerate() {
            let before = known.iter().find(|known| known.text("name") == device.text("name"));
            one_device(device, before, spec, &at.index(index), errors);
        }
        unique(devices, "name", &at, errors);
    }
    let at = path.child("sharedCounters");
    if sets.len() > COUNTER_SETS_MAX {
        errors.too_many(&at, sets.len(), COUNTER_SETS_MAX);
        return;
    }
    for (index, set) in sets.iter().enumerate() {
        counters(set, "name", &at.index(index), errors);
    }
    unique(sets, "name", &at, errors);
}

fn immutable(new: &Value<'_>, old: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for steps in [&["pool", "name"][..], &["driver"], &["nodeName"]] {
        let steps = [&["spec"], steps].concat();
        if new.at(&steps) != old.at(&steps) {
            // A name is text, and shows so even if there is none; the node's is a pointer.
            let none = if steps.contains(&"nodeName") { Value::Null } else { Value::Str("") };
            let shown = new.at(&steps).unwrap_or(&none);
            match steps.get(1..) {
                Some([first, second]) => {
                    errors.invalid(&path.child(first).child(second), shown, IMMUTABLE);
                }
                Some([first]) => errors.invalid(&path.child(first), shown, IMMUTABLE),
                _ => {}
            }
        }
    }
}

/// An error for each of `items` that has the same member as one before it.
fn unique(items: &[Value<'_>], member: &str, path: &Path<'_>, errors: &mut Errors) {
    for (index, item) in items.iter().enumerate() {
        let key = item.text(member);
        if items.iter().take(index).any(|other| other.text(member) == key) {
            errors.duplicate(&path.index(index), key);
        }
    }
}

/// A counter set, or what a device takes of one.
fn counters(owner: &Value<'_>, name: &'static str, path: &Path<'_>, errors: &mut Errors) {
    let text = owner.text(name);
    errors.required_text(&path.child(name), text, format::dns_label);
    let at = path.child("counters");
    let count = owner.entries("counters").count();
    if count == 0 {
        errors.required(&at, "");
    } else if count > COUNTERS_MAX {
        errors.too_many(&at, count, COUNTERS_MAX);
    }
    for (name, _) in owner.entries("counters").filter(|_| count <= COUNTERS_MAX) {
        errors.messages(&at, name, format::dns_label(name));
    }
}

fn pool(pool: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    pool_name(pool.text("name"), &path.child("name"), errors);
    let count = pool.int("resourceSliceCount").unwrap_or(0);
    if count <= 0 {
        errors.invalid(&path.child("resourceSliceCount"), count, "must be greater than zero");
    }
    let generation = pool.int("generation").unwrap_or(0);
    if generation < 0 {
        let detail = "must be greater than or equal to zero";
        errors.invalid(&path.child("generation"), generation, detail);
    }
}

fn placement(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let mut set: Vec<&str> = Vec::with_capacity(4);
    node_name(spec, "must be either unset or set to a non-empty string", &mut set, path, errors);
    if let Some(selector) = spec.get("nodeSelector") {
        set.push("`nodeSelector`");
        let at = path.child("nodeSelector");
        scheduling::node_selector(selector, &at, errors);
        if selector.items("nodeSelectorTerms").len() != 1 {
            let shown = node_terms(selector);
            let detail = "must have exactly one node selector term";
            errors.invalid(&at.child("nodeSelectorTerms"), Verbatim(&shown), detail);
        }
    }
    switch(spec, ("allNodes", "`allNodes`"), &mut set, path, errors);
    let per_device = ("perDeviceNodeSelection", "`perDeviceNodeSelection`");
    switch(spec, per_device, &mut set, path, errors);
    let detail = "exactly one of `nodeName`, `nodeSelector`, `allNodes`, `perDeviceNodeSelection` \
                  is required";
    match set.len() {
        0 => errors.required(path, detail),
        1 => {}
        _ => {
            let shown = format!("{{{}}}", set.join(", "));
            errors.invalid(path, &shown, &format!("{detail}, but multiple fields are set"));
        }
    }
}

/// The terms as Go shows them.
fn node_terms(selector: &Value<'_>) -> String {
    let terms = selector.items("nodeSelectorTerms").iter();
    let terms = terms.map(|term| go_form::compact(Some(term), "core.v1.NodeSelectorTerm"));
    match selector.get("nodeSelectorTerms") {
        Some(_) => format!("[{}]", terms.collect::<Vec<_>>().join(",")),
        None => "null".to_owned(),
    }
}

fn node_name(
    owner: &Value<'_>,
    empty: &str,
    set: &mut Vec<&str>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let Some(node) = owner.get("nodeName").and_then(Value::as_str) else { return };
    let at = path.child("nodeName");
    if node.is_empty() {
        errors.invalid(&at, node, empty);
    } else {
        set.push("`nodeName`");
        errors.messages(&at, node, format::dns_subdomain(node));
    }
}

/// A flag that is true or not there.
fn switch<'s>(
    owner: &Value<'_>,
    (name, shown): (&'static str, &'s str),
    set: &mut Vec<&'s str>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    match owner.get(name).and_then(Value::as_bool) {
        Some(true) => set.push(shown),
        Some(false) => errors.invalid(&path.child(name), false, NOT_EMPTY),
        None => {}
    }
}

/// `validateDevice`; taints that are as before are not looked at.
fn one_device(
    device: &Value<'_>,
    old: Option<&Value<'_>>,
    spec: &Value<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    label_name(device.text("name"), &path.child("name"), errors);
    let count = |name| device.entries(name).count();
    let total = count("attributes") + count("capacity");
    if total > ATTRIBUTES_MAX {
        let detail = format!(
            "the total number of attributes and capacities must not exceed {ATTRIBUTES_MAX}"
        );
        errors.invalid(path, i64::try_from(total).unwrap_or(i64::MAX), &detail);
    }
    let values = |(_, one): (&str, &Value<'_>)| {
        let listed: usize = LISTS.iter().map(|name| one.items(name).len()).sum();
        listed.max(1)
    };
    let total: usize = device.entries("attributes").map(values).sum();
    if total > ATTRIBUTE_VALUES_MAX {
        let detail =
            format!("the total number of attribute values must not exceed {ATTRIBUTE_VALUES_MAX}");
        errors.invalid(path, i64::try_from(total).unwrap_or(i64::MAX), &detail);
    }
    let at = path.child("attributes");
    for (name, attribute) in device.entries("attributes") {
        attribute_name(name, false, &at, errors);
        one_attribute(attribute, &at.key(&shortened(name)), errors);
    }
    let at = path.child("capacity");
    for (name, capacity) in device.entries("capacity") {
        attribute_name(name, false, &at, errors);
        let Some(policy) = capacity.get("requestPolicy") else { continue };
        let key = shortened(name);
        let at = at.key(&key);
        let at = at.child("requestPolicy");
        if device.flag("allowMultipleAllocations") {
            request_policy(capacity, policy, &at, errors);
        } else {
            errors.forbidden(&at, "allowMultipleAllocations must be true");
        }
    }
    if old.is_none_or(|old| !same(old.get("taints"), device.get("taints"))) {
        taints(device.items("taints"), &path.child("taints"), errors);
    }
    consumptions(device.items("consumesCounters"), &path.child("consumesCounters"), errors);
    device_placement(device, spec, path, errors);
    bindings(device, path, errors);
}

fn taints(taints: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    if taints.len() > TAINTS_MAX {
        errors.too_many(path, taints.len(), TAINTS_MAX);
        return;
    }
    for (index, taint) in taints.iter().enumerate() {
        let at = path.index(index);
        let (key, value, effect) = (taint.text("key"), taint.text("value"), taint.text("effect"));
        errors.messages(&at.child("key"), key, format::label_key(key));
        errors.messages(&at.child("value"), value, format::label_value(value));
        if effect.is_empty() {
            errors.required(&at.child("effect"), "");
        }
        errors.one_of(&at.child("effect"), effect, &EFFECTS);
    }
}

fn consumptions(consumptions: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    if consumptions.len() > CONSUMPTIONS_MAX {
        errors.too_many(path, consumptions.len(), CONSUMPTIONS_MAX);
        return;
    }
    for (index, consumption) in consumptions.iter().enumerate() {
        counters(consumption, "counterSet", &path.index(index), errors);
    }
    unique(consumptions, "counterSet", path, errors);
}

fn device_placement(device: &Value<'_>, spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    if !spec.flag("perDeviceNodeSelection") {
        if ["nodeName", "nodeSelector", "allNodes"].iter().any(|name| device.has(name)) {
            let detail = "`nodeName`, `nodeSelector` and `allNodes` can only be set if \
                          `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
            errors.invalid(path, &Value::Null, detail);
        }
        return;
    }
    let mut set: Vec<&str> = Vec::with_capacity(3);
    node_name(device, "must not be empty", &mut set, path, errors);
    if let Some(selector) = device.get("nodeSelector") {
        set.push("`nodeSelector`");
        scheduling::node_selector(selector, &path.child("nodeSelector"), errors);
    }
    switch(device, ("allNodes", "`allNodes`"), &mut set, path, errors);
    let detail = "exactly one of `nodeName`, `nodeSelector`, or `allNodes` is required when \
                  `perDeviceNodeSelection` is set to true in the ResourceSlice spec";
    match set.len() {
        0 => errors.required(path, detail),
        1 => {}
        _ => errors.invalid(path, &format!("{{{}}}", set.join(", ")), detail),
    }
}

/// `validateDeviceAttribute`.
fn one_attribute(attribute: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let too_long = |text: &str| text.len() > ATTRIBUTE_BYTES_MAX;
    if too_long(attribute.text("string")) {
        errors.too_long(&path.child("string"), ATTRIBUTE_BYTES_MAX);
    }
    if let Some(version) = attribute.get("version").and_then(Value::as_str) {
        let at = path.child("version");
        if !is_semver(version) {
            let detail = "must be a string compatible with semver.org spec 2.0.0";
            errors.invalid(&at, version, detail);
        }
        if too_long(version) {
            errors.too_long(&at, ATTRIBUTE_BYTES_MAX);
        }
    }
    let detail = "exactly one value must be specified";
    match attribute.as_map().map_or(0, Map::len) {
        0 => errors.invalid(path, "", detail),
        1 => {}
        _ => {
            let shown = go_form::compact(Some(attribute), "resource.v1.DeviceAttribute");
            errors.invalid(path, Verbatim(&shown), detail);
        }
    }
}

/// A semantic version, as semver.org 2.0.0 has them.
fn is_semver(text: &str) -> bool {
    let (rest, build) = match text.split_once('+') {
        Some((rest, build)) => (rest, Some(build)),
        None => (text, None),
    };
    let (core, pre) = match rest.split_once('-') {
        Some((core, pre)) => (core, Some(pre)),
        None => (rest, None),
    };
    let digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let number = |part: &str| digits(part) && (part == "0" || !part.starts_with('0'));
    let word = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    core.split('.').count() == 3
        && core.split('.').all(number)
        && pre.is_none_or(|pre| pre.split('.').all(|p| word(p) && (!digits(p) || number(p))))
        && build.is_none_or(|build| build.split('.').all(word))
}

/// `validateRequestPolicy`.
fn request_policy(capacity: &Value<'_>, policy: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let most = quantity(capacity.get("value"));
    let options = policy.items("validValues");
    let default = policy.get("default").map(|default| quantity(Some(default)));
    match (options.is_empty(), policy.get("validRange")) {
        (false, Some(_)) => {
            let detail = "exactly one policy can be specified, cannot specify \"validValues\" and \
                          \"validRange\" at the same time";
            errors.forbidden(path, detail);
        }
        (false, None) => match default {
            Some(default) => {
                valid_values(options, default, most, &path.child("validValues"), errors);
            }
            None => {
                let detail = "required when validValues is defined";
                errors.required(&path.child("default"), detail);
            }
        },
        (true, Some(range)) => match default {
            Some(default) => {
                valid_range(range, default, most, &path.child("validRange"), errors);
            }
            None => {
                errors.required(&path.child("default"), "required when validRange is defined");
            }
        },
        (true, None) => {}
    }
}

fn valid_values(
    options: &[Value<'_>],
    default: Quantity,
    most: Quantity,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let amounts: Vec<Quantity> = options.iter().map(|option| quantity(Some(option))).collect();
    for (index, pair) in amounts.windows(2).enumerate() {
        if let [before, after] = pair
            && before > after
        {
            let detail = "values must be sorted in ascending order";
            errors.invalid(&path.index(index + 1), &after.to_string(), detail);
        }
    }
    if amounts.len() > OPTIONS_MAX {
        errors.too_many(path, amounts.len(), OPTIONS_MAX);
    } else {
        for (index, amount) in amounts.iter().enumerate().filter(|(_, amount)| **amount > most) {
            let detail = format!("option is larger than capacity value: {most}");
            errors.invalid(&path.index(index), &amount.to_string(), &detail);
        }
        for (index, amount) in amounts.iter().enumerate() {
            if amounts.iter().take(index).any(|other| other.value() == amount.value()) {
                errors.duplicate(&path.index(index), &amount.value().to_string());
            }
        }
    }
    if amounts.len() > OPTIONS_MAX || !amounts.contains(&default) {
        let detail = "default value is not valid according to the requestPolicy";
        errors.invalid(path, &default.to_string(), detail);
    }
}

fn valid_range(
    range: &Value<'_>,
    default: Quantity,
    capacity: Quantity,
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let bound = |name| range.get(name).map(|value| quantity(Some(value)));
    let mut wrong = |name: &'static str, shown: Quantity, detail: String| {
        errors.invalid(&path.child(name), &shown.to_string(), &detail);
    };
    let Some(min) = bound("min") else {
        errors.required(&path.child("min"), "required when validRange is defined");
        return;
    };
    if min > capacity {
        wrong("min", min, format!("min is larger than capacity value: {capacity}"));
    }
    if default < min {
        wrong("min", default, format!("default is less than min: {min}"));
    }
    let max = bound("max");
    if let Some(max) = max {
        if min > max {
            wrong("max", min, format!("min is larger than max: {max}"));
        }
        if max > capacity {
            wrong("max", max, format!("max is larger than capacity value: {capacity}"));
        }
        if default > max {
            wrong("max", default, format!("default is more than max: {max}"));
        }
    }
    let Some(step) = bound("step") else { return };
    let one = min.add(&step);
    if one > capacity {
        wrong("step", step, format!("one step {one} is larger than capacity value: {capacity}"));
    }
    let (from, by) = (min.value(), step.value());
    for value in [Some(default), max].into_iter().flatten() {
        // Upstream divides by the step; what is no step is refused here as no multiple.
        if value.value().wrapping_sub(from).checked_rem(by) != Some(0) {
            let detail = format!("value is not a multiple of a given step ({step}) from ({min})");
            wrong("step", value, detail);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{check, is_semver};
    use crate::object::json_text;
    use bumpalo::Bump;

    /// Field and text of each error of a slice of node "n" whose spec has these members too.
    fn found(members: &str) -> Vec<String> {
        let arena = Bump::new();
        let text = format!(
            r#"{{"spec":{{"driver":"d.example.com","nodeName":"n",
                "pool":{{"name":"p","resourceSliceCount":1}},{members}}}}}"#
        );
        let object = json_text::parse(&text, &arena).expect("JSON");
        let mut errors = Vec::new();
        check(&object, None, &mut errors);
        errors.iter().map(|error| format!("{}: {}", error.field, error.body)).collect()
    }

    #[test]
    fn each_rule_of_a_slice_names_its_field() {
        let cases = [
            (
                r#""sharedCounters":[{"name":"s","counters":{}}],"devices":[]"#.to_owned(),
                vec![
                    "spec: Invalid value: \"\": only one of `sharedCounters` or `devices` is \
                     allowed"
                        .to_owned(),
                    "spec.sharedCounters[0].counters: Required value".to_owned(),
                ],
            ),
            (
                r#""devices":[{"name":"a","consumesCounters":[{"counterSet":"",
                    "counters":{"c":{"value":"1"}}}]}]"#
                    .to_owned(),
                vec!["spec.devices[0].consumesCounters[0].counterSet: Required value".to_owned()],
            ),
            (
                r#""devices":[{"name":"a","attributes":{"v":{"version":"1"}}}]"#.to_owned(),
                vec![
                    "spec.devices[0].attributes[v].version: Invalid value: \"1\": must be a \
                     string compatible with semver.org spec 2.0.0"
                        .to_owned(),
                ],
            ),
            (
                r#""devices":[{"name":"a","bindingConditions":["x"]}]"#.to_owned(),
                vec![
                    "spec.devices[0].bindingFailureConditions: Invalid value: null: \
                     bindingFailureConditions are required to use bindingConditions"
                        .to_owned(),
                ],
            ),
            (
                r#""devices":[{"name":"a","allNodes":true}]"#.to_owned(),
                vec![
                    "spec.devices[0]: Invalid value: null: `nodeName`, `nodeSelector` and \
                     `allNodes` can only be set if `perDeviceNodeSelection` is set to true in \
                     the ResourceSlice spec"
                        .to_owned(),
                ],
            ),
        ];
        for (members, expected) in cases {
            assert_eq!(found(&members), expected, "{members}");
        }
    }

    #[test]
    fn request_policies_fit_their_capacity() {
        let policy = |policy: &str| {
            format!(
                r#""devices":[{{"name":"a","allowMultipleAllocations":true,
                    "capacity":{{"m":{{"value":"10","requestPolicy":{policy}}}}}}}]"#
            )
        };
        let at = "spec.devices[0].capacity[m].requestPolicy";
        let cases = [
            (
                r#""devices":[{"name":"a","capacity":{"m":{"value":"1","requestPolicy":{}}}}]"#
                    .to_owned(),
                vec![format!("{at}: Forbidden: allowMultipleAllocations must be true")],
            ),
            (policy(r#"{"default":"2","validValues":["1","2"]}"#), vec![]),
            (
                policy(r#"{"default":"3","validValues":["1","20"]}"#),
                vec![
                    format!(
                        "{at}.validValues[1]: Invalid value: \"20\": option is larger than \
                         capacity value: 10"
                    ),
                    format!(
                        "{at}.validValues: Invalid value: \"3\": default value is not valid \
                         according to the requestPolicy"
                    ),
                ],
            ),
            (policy(r#"{"default":"4","validRange":{"min":"2","max":"8","step":"2"}}"#), vec![]),
            (
                policy(r#"{"default":"3","validRange":{"min":"2","max":"8","step":"2"}}"#),
                vec![format!(
                    "{at}.validRange.step: Invalid value: \"3\": value is not a multiple of a \
                     given step (2) from (2)"
                )],
            ),
        ];
        for (members, expected) in cases {
            assert_eq!(found(&members), expected, "{members}");
        }
    }

    #[test]
    fn versions_are_those_of_semver() {
        for version in ["1.2.3", "0.0.0", "1.0.0-alpha.1", "1.0.0+b.01", "1.0.0-0a-b+x"] {
            assert!(is_semver(version), "{version}");
        }
        for version in ["1", "1.2", "01.2.3", "1.2.3-01", "1.2.3-", "v1.2.3", "1.2.3+"] {
            assert!(!is_semver(version), "{version}");
        }
    }
}
