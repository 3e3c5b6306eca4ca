//! Endpoints in canonical form (`pkg/api/v1/endpoints.RepackSubsets`): one subset for each set of
//! ports, addresses in order.

use super::Scope;
use crate::object::{List, Map, Value};
use crate::registry::read::Read as _;
use std::collections::BTreeMap;

/// An address in a subset: its text key, and whether it is ready.
type Address<'v, 'a> = (&'v Value<'a>, bool);

/// `Canonicalize`.
pub(super) fn finish<'a>(object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
    let subsets = object.items("subsets");
    if subsets.is_empty() {
        return;
    }
    let repacked = repack(subsets, scope);
    if let Some(map) = object.as_map_mut() {
        map.insert("subsets", repacked);
    }
}

fn repack<'a>(subsets: &[Value<'a>], scope: &Scope<'a, '_>) -> Value<'a> {
    let arena = scope.arena;
    let none = Value::Null;
    // Every address goes with every port of its subset; a port without addresses is dropped.
    let mut ports: Vec<(&Value<'a>, BTreeMap<String, Address<'_, 'a>>)> = Vec::new();
    for subset in subsets {
        let mut own: Vec<&Value<'a>> = subset.items("ports").iter().collect();
        if own.is_empty() {
            own.push(&none);
        }
        for port in own {
            let at = match ports.iter().position(|(known, _)| *known == port) {
                Some(at) => at,
                None => {
                    ports.push((port, BTreeMap::new()));
                    ports.len() - 1
                }
            };
            let Some((_, addresses)) = ports.get_mut(at) else { continue };
            for (list, ready) in [("notReadyAddresses", false), ("addresses", true)] {
                for address in subset.items(list) {
                    let entry = addresses.entry(address_key(address)).or_insert((address, ready));
                    // Ready in one subset and not in another is not ready.
                    entry.1 &= ready;
                }
            }
        }
    }
    group(&ports, arena)
}

/// Ports that share all their addresses stand in one subset.
fn group<'a>(
    ports: &[(&Value<'a>, BTreeMap<String, Address<'_, 'a>>)],
    arena: &'a bumpalo::Bump,
) -> Value<'a> {
    type Set<'s, 'a> = (&'s BTreeMap<String, Address<'s, 'a>>, Vec<&'s Value<'a>>);
    let mut sets: BTreeMap<String, Set<'_, 'a>> = BTreeMap::new();
    for (port, addresses) in ports {
        let key: Vec<String> =
            addresses.iter().map(|(key, (_, ready))| format!("{key}={ready}")).collect();
        sets.entry(key.join(",")).or_insert_with(|| (addresses, Vec::new())).1.push(port);
    }
    let mut subsets: Vec<(String, Value<'a>)> = Vec::new();
    for (addresses, mut ports) in sets.into_values() {
        ports.sort_by_key(|port| port_key(port));
        let mut subset = Map::new_in(arena);
        for (name, wanted) in [("addresses", true), ("notReadyAddresses", false)] {
            let mut list = List::new_in(arena);
            let chosen = addresses.values().filter(|(_, ready)| *ready == wanted);
            list.extend(chosen.map(|(address, _)| address.copy_in(arena)));
            if !list.is_empty() {
                subset.push_unique(name, Value::List(list));
            }
        }
        let mut list = List::new_in(arena);
        let given = ports.iter().filter(|port| !port.is_null());
        list.extend(given.map(|port| port.copy_in(arena)));
        if !list.is_empty() {
            subset.push_unique("ports", Value::List(list));
        }
        let order = ports.first().map_or(String::new(), |port| port_key(port));
        subsets.push((order, Value::Map(subset)));
    }
    subsets.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut list = List::with_capacity_in(subsets.len(), arena);
    list.extend(subsets.into_iter().map(|(_, subset)| subset));
    Value::List(list)
}

/// Addresses are the same if IP and target are.
fn address_key(address: &Value<'_>) -> String {
    format!("{} {}", address.text("ip"), address.str_at(&["targetRef", "uid"]))
}

fn port_key(port: &Value<'_>) -> String {
    let number = port.int("port").unwrap_or(0);
    format!("{} {} {number:05}", port.text("name"), port.text("protocol"))
}

#[cfg(test)]
mod tests {
    use crate::registry::sample::{scope, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn addresses_with_the_same_ports_share_a_subset() {
        let arena = Bump::new();
        let mut object = tree(
            &arena,
            &json!({"subsets": [
                {"addresses": [{"ip": "2.2.2.2"}], "ports": [{"port": 80, "protocol": "TCP"}]},
                {"addresses": [{"ip": "1.1.1.1"}], "ports": [{"port": 80, "protocol": "TCP"}]},
                {"addresses": [], "ports": [{"port": 81}]},
            ]}),
        );
        let mut warnings = Vec::new();
        super::finish(&mut object, &mut scope(&arena, "", "endpoints", &mut warnings));
        let expected = json!([
            {"ports": [{"port": 81}]},
            {"addresses": [{"ip": "1.1.1.1"}, {"ip": "2.2.2.2"}],
                "ports": [{"port": 80, "protocol": "TCP"}]},
        ]);
        let expected = tree(&arena, &expected);
        assert_eq!(object.get("subsets"), Some(&expected));
    }
}
