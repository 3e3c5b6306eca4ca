//! Claims and slices of `resource.k8s.io/v1beta1` (`pkg/apis/resource/v1beta1`,
//! `Convert_v1beta1_DeviceRequest_To_resource_DeviceRequest` and
//! `Convert_v1beta1_Device_To_resource_Device`).

use crate::object::{Map, Value};
use bumpalo::Bump;

/// What a request for one class of devices says beside its name.
const EXACTLY: [&str; 7] = [
    "deviceClassName",
    "selectors",
    "allocationMode",
    "count",
    "adminAccess",
    "tolerations",
    "capacity",
];

/// Requests of a claim's `spec`: what they ask for goes into `exactly`, if they say anything.
pub(super) fn split_requests<'a>(spec: Option<&mut Value<'a>>, arena: &'a Bump) {
    let requests = spec.and_then(|spec| spec.at_mut(&["devices", "requests"]));
    let requests = requests.and_then(Value::as_list_mut);
    let requests = requests.into_iter().flat_map(|list| list.iter_mut());
    for request in requests.filter_map(Value::as_map_mut) {
        let mut exactly = Map::new_in(arena);
        for name in EXACTLY {
            if let Some(value) = request.remove(name) {
                exactly.push_unique(name, value);
            }
        }
        if !exactly.is_empty() {
            request.insert("exactly", Value::Map(exactly));
        }
    }
}

/// What devices of a slice have below `basic` is theirs.
pub(super) fn lift_basic(slice: &mut Map<'_>) {
    let devices = slice.get_mut("spec").and_then(|spec| spec.get_mut("devices"));
    let devices = devices.and_then(Value::as_list_mut);
    for device in devices.into_iter().flat_map(|list| list.iter_mut()) {
        let Some(device) = device.as_map_mut() else { continue };
        let Some(Value::Map(basic)) = device.remove("basic") else { continue };
        for (name, value) in basic.into_entries() {
            device.insert(name, value);
        }
    }
}
