//! Status of a ResourceClaim.

use super::device::{
    LISTS_MAX, bindings, driver, duplicates, known_request, label_name, members, opaque, pool_name,
    raw_object, request_names,
};
use super::{Errors, IMMUTABLE, Report as _, Verbatim, go_form, ip, scheduling};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::{Read as _, same};
use crate::registry::strategy::Scope;

const RESERVED_MAX: usize = 256;
const CONDITIONS_MAX: usize = 8;
const DATA_BYTES_MAX: usize = 10 * 1_024;
const ADDRESSES_MAX: usize = 16;
const INTERFACE_BYTES_MAX: usize = 256;
const HARDWARE_BYTES_MAX: usize = 128;

/// A claim's status, written by the scheduler and by drivers
/// (`validateResourceClaimStatusUpdate`).
pub fn update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let (now, was) = (new.get("status").unwrap_or(&null), old.get("status").unwrap_or(&null));
    let path = Path::root("status");
    reserved(now, &path, errors);
    allocated_devices(now, &path, errors);
    let deleting = new.at(&["metadata", "deletionTimestamp"]).is_some();
    reservable(now, was, deleting, &path.child("reservedFor"), errors);
    let requests = new.list_at(&["spec", "devices", "requests"]);
    let at = path.child("allocation");
    match (was.get("allocation"), now.get("allocation")) {
        (Some(before), Some(after)) if !same(Some(before), Some(after)) => {
            let shown = go_form::compact(Some(after), "resource.v1.AllocationResult");
            errors.invalid(&at, Verbatim(&shown), IMMUTABLE);
        }
        (None, Some(allocation)) => new_allocation(allocation, requests, &at, errors),
        _ => {}
    }
}

fn reserved(now: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let reserved = now.items("reservedFor");
    let at = path.child("reservedFor");
    if reserved.len() > RESERVED_MAX {
        errors.too_many(&at, reserved.len(), RESERVED_MAX);
        return;
    }
    for (index, consumer) in reserved.iter().enumerate() {
        let at = at.index(index);
        for name in ["resource", "name", "uid"] {
            if consumer.text(name).is_empty() {
                errors.required(&at.child(name), "");
            }
        }
    }
    duplicates(&members(reserved, "uid"), &at, errors);
}

/// Only an allocated claim is reserved, and none that is being deleted for anyone new.
fn reservable(
    now: &Value<'_>,
    was: &Value<'_>,
    deleting: bool,
    at: &Path<'_>,
    errors: &mut Errors,
) {
    let reserved = now.items("reservedFor");
    let added = reserved.iter().any(|consumer| !was.items("reservedFor").contains(consumer));
    if reserved.is_empty() {
    } else if !now.has("allocation") {
        errors.forbidden(at, "may not be specified when `allocated` is not set");
    } else if deleting && added {
        let detail = "new entries may not be added while `deallocationRequested` or \
                      `deletionTimestamp` are set";
        errors.forbidden(at, detail);
    }
}

const DEVICE: [&str; 4] = ["driver", "pool", "device", "shareID"];

fn allocated_devices(status: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let results = status.list_at(&["allocation", "devices", "results"]);
    let path = path.child("devices");
    let same_device = |a: &Value<'_>, b: &Value<'_>| DEVICE.iter().all(|n| a.text(n) == b.text(n));
    let devices = status.items("devices");
    for (index, device) in devices.iter().enumerate() {
        let at = path.index(index);
        driver(device.text("driver"), &at.child("driver"), errors);
        pool_name(device.text("pool"), &at.child("pool"), errors);
        label_name(device.text("device"), &at.child("device"), errors);
        share_id(device, &at, errors);
        if !results.iter().any(|result| same_device(result, device)) {
            let shown = device_id(device);
            let detail = "must be an allocated device in the claim";
            errors.invalid(&at, Verbatim(&shown), detail);
        }
        let conditions = device.items("conditions");
        let below = at.child("conditions");
        if conditions.len() > CONDITIONS_MAX {
            errors.too_many(&below, conditions.len(), CONDITIONS_MAX);
        }
        super::metadata::conditions(conditions, &below, errors);
        raw_object(device.get("data"), DATA_BYTES_MAX, &at.child("data"), errors);
        if let Some(network) = device.get("networkData") {
            network_data(network, &at.child("networkData"), errors);
        }
    }
    for (index, device) in devices.iter().enumerate() {
        if devices.iter().take(index).any(|other| same_device(other, device)) {
            let shown = device_id(device);
            errors.duplicate(&path.index(index), Verbatim(&shown));
        }
    }
}

/// What names a device, as Go shows it (`structured.SharedDeviceID`).
fn device_id(device: &Value<'_>) -> String {
    let text = |name| go_form::plain(Some(&Value::Str(device.text(name))));
    let [driver, pool, name, share] = DEVICE.map(text);
    format!(r#"{{"Driver":{driver},"Pool":{pool},"Device":{name},"ShareID":{share}}}"#)
}

fn network_data(network: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    for (name, max) in
        [("interfaceName", INTERFACE_BYTES_MAX), ("hardwareAddress", HARDWARE_BYTES_MAX)]
    {
        if network.text(name).len() > max {
            errors.too_long(&path.child(name), max);
        }
    }
    let addresses: Vec<&str> = network.texts("ips").collect();
    let at = path.child("ips");
    if addresses.len() > ADDRESSES_MAX {
        errors.too_many(&at, addresses.len(), ADDRESSES_MAX);
        return;
    }
    for (index, address) in addresses.iter().enumerate() {
        interface_address(address, &at.index(index), errors);
    }
    for (index, address) in addresses.iter().enumerate() {
        if addresses.iter().take(index).any(|other| other == address) {
            errors.duplicate(&at.index(index), *address);
        }
    }
}

/// `IsValidInterfaceAddress`: an address with the length of its network's prefix.
fn interface_address(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let Some(cidr) = ip::parse_cidr(text) else {
        let detail = "must be a valid address in CIDR form, (e.g. 10.9.8.7/24 or \
                      2001:db8::1/64)";
        errors.invalid(path, text, detail);
        return;
    };
    let canonical = format!("{}/{}", cidr.address, cidr.bits);
    if text != canonical {
        errors.invalid(path, text, &format!("must be in canonical form ({canonical:?})"));
    }
}

fn new_allocation(
    allocation: &Value<'_>,
    requests: &[Value<'_>],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    let null = Value::Null;
    let devices = allocation.get("devices").unwrap_or(&null);
    let below = path.child("devices");
    let results = devices.items("results");
    let at = below.child("results");
    if results.len() > LISTS_MAX {
        errors.too_many(&at, results.len(), LISTS_MAX);
    } else {
        for (index, result) in results.iter().enumerate() {
            one_result(result, requests, &at.index(index), errors);
        }
    }
    let configs = devices.items("config");
    let at = below.child("config");
    if configs.len() > 2 * LISTS_MAX {
        errors.too_many(&at, configs.len(), 2 * LISTS_MAX);
    } else {
        for (index, config) in configs.iter().enumerate() {
            let at = at.index(index);
            match config.text("source") {
                "" => errors.required(&at.child("source"), ""),
                source => {
                    errors.one_of(&at.child("source"), source, &["FromClaim", "FromClass"]);
                }
            }
            request_names(config, requests, &at, errors);
            opaque(config, &at, errors);
        }
    }
    if let Some(selector) = allocation.get("nodeSelector") {
        scheduling::node_selector(selector, &path.child("nodeSelector"), errors);
    }
}

fn one_result(result: &Value<'_>, requests: &[Value<'_>], path: &Path<'_>, errors: &mut Errors) {
    known_request(result.text("request"), requests, &path.child("request"), errors);
    driver(result.text("driver"), &path.child("driver"), errors);
    pool_name(result.text("pool"), &path.child("pool"), errors);
    label_name(result.text("device"), &path.child("device"), errors);
    bindings(result, path, errors);
    share_id(result, path, errors);
}

/// `validateUID`: the one form that RFC 4122 calls normal.
fn share_id(owner: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(id) = owner.get("shareID").and_then(Value::as_str) else { return };
    let at = path.child("shareID");
    let dashes = [8, 13, 18, 23];
    let fits = |(index, byte): (usize, u8)| {
        if dashes.contains(&index) { byte == b'-' } else { byte.is_ascii_hexdigit() }
    };
    if id.len() != 36 {
        let detail = format!("error validating uid: invalid UUID length: {}", id.len());
        errors.invalid(&at, id, &detail);
    } else if !id.bytes().enumerate().all(fits) {
        errors.invalid(&at, id, "error validating uid: invalid UUID format");
    } else if id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        let detail = "uid must be in RFC 4122 normalized form, \
                      `xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx` with lowercase hexadecimal characters";
        errors.invalid(&at, id, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::{allocated_devices, new_allocation};
    use crate::object::field::Path;
    use crate::object::json_text;
    use bumpalo::Bump;

    #[test]
    fn devices_of_a_status_are_allocated_and_well_formed() {
        let arena = Bump::new();
        let device = |more: &str| {
            let text = format!(
                r#"{{"allocation":{{"devices":{{"results":[
                    {{"request":"r","driver":"d","pool":"p","device":"x"}}]}}}},
                    "devices":[{{"driver":"d","pool":"p"{more}}}]}}"#
            );
            let status = json_text::parse(&text, &arena).expect("JSON");
            let mut errors = Vec::new();
            allocated_devices(&status, &Path::root("status"), &mut errors);
            errors.iter().map(|e| format!("{}: {}", e.field, e.body)).collect::<Vec<_>>()
        };
        assert!(device(r#","device":"x""#).is_empty());
        let cases = [
            (
                r#""data":1"#,
                "data: Invalid value: \"<value omitted>\": must be a valid JSON object",
            ),
            (
                r#""networkData":{"ips":["10.0.0.1"]}"#,
                "networkData.ips[0]: Invalid value: \"10.0.0.1\": must be a valid address in CIDR \
                 form, (e.g. 10.9.8.7/24 or 2001:db8::1/64)",
            ),
            (
                r#""networkData":{"ips":["2001:DB8::1/64"]}"#,
                "networkData.ips[0]: Invalid value: \"2001:DB8::1/64\": must be in canonical form \
                 (\"2001:db8::1/64\")",
            ),
            (
                r#""networkData":{"ips":["10.0.0.1/8","10.0.0.1/8"]}"#,
                "networkData.ips[1]: Duplicate value: \"10.0.0.1/8\"",
            ),
        ];
        for (member, expected) in cases {
            let found = device(&format!(r#","device":"x",{member}"#));
            assert_eq!(found, [format!("status.devices[0].{expected}")]);
        }
        let found = device(r#","device":"y""#);
        assert!(found.iter().any(|e| e.ends_with("must be an allocated device in the claim")));
    }

    #[test]
    fn results_name_requests_of_the_claim() {
        let arena = Bump::new();
        let parse = |text: &str| json_text::parse(arena.alloc_str(text), &arena).expect("JSON");
        let requests =
            parse(r#"[{"name":"r","exactly":{}},{"name":"f","firstAvailable":[{"name":"s"}]}]"#);
        let found = |request: &str| {
            let text = format!(
                r#"{{"devices":{{"results":[{{"request":"{request}","driver":"d","pool":"p",
                    "device":"x"}}]}}}}"#
            );
            let mut errors = Vec::new();
            let path = Path::root("allocation");
            let requests = requests.as_list().expect("a list");
            new_allocation(&parse(&text), requests, &path, &mut errors);
            errors.len()
        };
        assert_eq!(
            [found("r"), found("f/s"), found("f"), found("x"), found("f/x")],
            [0, 0, 0, 1, 1]
        );
    }
}
