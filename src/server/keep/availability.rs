//! The condition `Available` of API services that another server stands behind
//! (`AvailableConditionController` of kube-aggregator).

use super::api_services::SERVICES;
use crate::base::hash::HashMap;
use crate::base::{clock, timestamp};
use crate::cache::{Cache, Entry, ListQuery, ReadAt, ReadFault};
use crate::catalog::catalog;
use crate::object::Value;
use crate::object::selector::LabelSelector;
use crate::registry::Change;
use crate::request::{Fault, Result};
use crate::rt;
use crate::server::own::Own;
use crate::server::shard::Shard;
use bumpalo::Bump;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// How often Services and endpoints behind API services are looked at.
const INTERVAL: Duration = Duration::from_secs(1);
/// How often a server that answers is asked whether it still does.
const PROBE_INTERVAL: Duration = Duration::from_secs(30);
const MANAGER: &str = "kube-apiserver";

/// When API services were last asked, by name.
type Asked = HashMap<String, Instant>;

/// What an API service is found to be.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    status: &'static str,
    reason: &'static str,
    message: String,
}

impl Condition {
    fn not(reason: &'static str, message: String) -> Self {
        Self { status: "False", reason, message }
    }

    fn unknown(reason: &'static str, message: String) -> Self {
        Self { status: "Unknown", reason, message }
    }

    fn stands_in(&self, object: &Value<'_>) -> bool {
        object.list_at(&["status", "conditions"]).iter().any(|condition| {
            condition.str_at(&["type"]) == "Available"
                && condition.str_at(&["status"]) == self.status
                && condition.str_at(&["reason"]) == self.reason
                && condition.str_at(&["message"]) == self.message
        })
    }
}

/// Keeps the conditions true for as long as the shard runs.
pub(super) async fn keep(shard: Rc<Shard>) {
    let Some(storage) = catalog().storage(SERVICES.2) else { return };
    let mut services = shard.cache.mirror(storage);
    services.changed().await;
    let mut asked = Asked::default();
    loop {
        let mut remote = false;
        for entry in services.entries() {
            match look(&shard, entry, &mut asked).await {
                Ok(has_service) => remote |= has_service,
                Err(fault) => {
                    remote = true;
                    let name = entry.name();
                    log::warn!("the status of API service {name} cannot be set: {fault:?}");
                }
            }
        }
        if remote {
            // What stands behind it may change without a change of the API service.
            rt::timeout(INTERVAL, services.changed()).await.ok();
        } else {
            services.changed().await;
        }
    }
}

/// Sets the condition of one API service if it is wrong. False if the service is local.
async fn look(shard: &Shard, entry: &Entry, asked: &mut Asked) -> Result<bool> {
    let arena = Bump::new();
    let Ok(object) = entry.object(&arena) else { return Ok(false) };
    let Some(service) = object.at(&["spec", "service"]) else { return Ok(false) };
    let found = check(&shard.cache, service).await;
    let found = probe(shard, &object, found, asked).await;
    if found.stands_in(&object) {
        return Ok(true);
    }
    let own = Own { api: shard.gate.api(), manager: MANAGER };
    match own.update_status(SERVICES, ("", entry.name()), &SetCondition(found)).await {
        Ok(()) | Err(Fault::NotFound(_)) => Ok(true),
        Err(fault) => Err(fault),
    }
}

async fn check(cache: &Cache, reference: &Value<'_>) -> Condition {
    let (namespace, name) = (reference.str_at(&["namespace"]), reference.str_at(&["name"]));
    let what = format!("service/{name} in {namespace:?}");
    let wanted_port = reference.i64_at(&["port"]).unwrap_or(443);
    let arena = Bump::new();
    let service = match read(cache, namespace, name, &arena).await {
        Ok(Some(service)) => service,
        Ok(None) => return Condition::not("ServiceNotFound", format!("{what} is not present")),
        Err(why) => {
            let text = format!("{what} cannot be checked due to: {why}");
            return Condition::unknown("ServiceAccessError", text);
        }
    };
    if service.str_at(&["spec", "type"]) == "ClusterIP" {
        let mut ports = service.list_at(&["spec", "ports"]).iter();
        let port = ports.find(|port| port.i64_at(&["port"]) == Some(wanted_port));
        let Some(port) = port else {
            let text = format!("{what} is not listening on port {wanted_port}");
            return Condition::not("ServicePortError", text);
        };
        let port = port.str_at(&["name"]);
        match endpoints(cache, namespace, name, port).await {
            Ok(Endpoints::Ready) => {}
            Ok(Endpoints::None) => {
                let text = format!("cannot find endpointslices for {what}");
                return Condition::not("EndpointsNotFound", text);
            }
            Ok(Endpoints::Unready) => {
                let text =
                    format!("endpointslices for {what} have no addresses with port name {port:?}");
                return Condition::not("MissingEndpoints", text);
            }
            Err(fault) => {
                let text = format!("{what} cannot be checked due to: {fault:?}");
                return Condition::unknown("EndpointsAccessError", text);
            }
        }
    }
    Condition { status: "True", reason: "Passed", message: "all checks passed".to_owned() }
}

/// Whether the server behind it answers; one that does is asked again after a while only.
async fn probe(
    shard: &Shard,
    object: &Value<'_>,
    found: Condition,
    asked: &mut Asked,
) -> Condition {
    let name = object.str_at(&["metadata", "name"]);
    let recent = asked.get(name).is_some_and(|at| at.elapsed() < PROBE_INTERVAL);
    if found.reason != "Passed" || (recent && found.stands_in(object)) {
        return found;
    }
    let (group, version) = (object.str_at(&["spec", "group"]), object.str_at(&["spec", "version"]));
    let answered = shard.gate.aggregator().probe(group, version).await;
    asked.insert(name.to_owned(), clock::now());
    match answered {
        Ok(()) => found,
        Err(why) => Condition::not("FailedDiscoveryCheck", why),
    }
}

async fn read<'a>(
    cache: &Cache,
    namespace: &str,
    name: &str,
    arena: &'a Bump,
) -> std::result::Result<Option<Value<'a>>, String> {
    let Some(storage) = catalog().storage("services") else { return Ok(None) };
    let found = cache.get(storage, namespace, name, ReadAt::Latest).await;
    let found = found.map_err(|fault| format!("{fault:?}"))?;
    found.map(|entry| entry.object(arena)).transpose().map_err(|error| error.to_string())
}

enum Endpoints {
    None,
    Ready,
    Unready,
}

/// Whether a slice of the Service has an address that is ready and the port
/// (`hasAvailableEndpoint`).
async fn endpoints(
    cache: &Cache,
    namespace: &str,
    service: &str,
    port: &str,
) -> std::result::Result<Endpoints, ReadFault> {
    let Some(storage) = catalog().storage("endpointslices") else { return Ok(Endpoints::None) };
    let labels = format!("kubernetes.io/service-name={service}");
    let Ok(labels) = LabelSelector::parse(&labels) else { return Ok(Endpoints::None) };
    let namespace = Some(namespace.into());
    let page = cache.list(ListQuery { namespace, labels, ..ListQuery::all(storage) }).await?;
    if page.entries.is_empty() {
        return Ok(Endpoints::None);
    }
    let ready = page.entries.iter().any(|entry| {
        let arena = Bump::new();
        entry.object(&arena).is_ok_and(|slice| has_ready(&slice, port))
    });
    Ok(if ready { Endpoints::Ready } else { Endpoints::Unready })
}

fn has_ready(slice: &Value<'_>, port: &str) -> bool {
    let ready = |endpoint: &Value<'_>| {
        endpoint.at(&["conditions", "ready"]).and_then(Value::as_bool).unwrap_or(true)
    };
    slice.list_at(&["endpoints"]).iter().any(ready)
        && slice.list_at(&["ports"]).iter().any(|found| {
            found.at(&["name"]).and_then(Value::as_str) == Some(port)
                && found.i64_at(&["port"]).is_some()
        })
}

/// Sets the condition `Available`; its time moves only when the status does
/// (`SetAPIServiceCondition`).
#[derive(Debug)]
struct SetCondition(Condition);

impl Change for SetCondition {
    fn apply<'a>(&self, old: &Value<'a>, arena: &'a Bump) -> Result<Value<'a>> {
        let mut new = old.copy_in(arena);
        let before = old.list_at(&["status", "conditions"]).iter();
        let before = before.into_iter().find(|one| one.str_at(&["type"]) == "Available");
        let time = match before {
            Some(before) if before.str_at(&["status"]) == self.0.status => {
                before.str_at(&["lastTransitionTime"]).to_owned()
            }
            _ => timestamp::rfc3339(clock::unix_seconds()),
        };
        let mut condition = crate::object::Map::new_in(arena);
        condition.push_unique("type", Value::Str("Available"));
        condition.push_unique("status", Value::Str(self.0.status));
        condition.push_unique("lastTransitionTime", Value::str_in(&time, arena));
        condition.push_unique("reason", Value::Str(self.0.reason));
        condition.push_unique("message", Value::str_in(&self.0.message, arena));
        let Some(map) = new.as_map_mut() else { return Ok(new) };
        let status = map.entry_map("status");
        if status.get("conditions").and_then(Value::as_list).is_none() {
            status.insert("conditions", Value::list_in(arena));
        }
        if let Some(list) = status.get_mut("conditions").and_then(Value::as_list_mut) {
            match list.iter_mut().find(|one| one.str_at(&["type"]) == "Available") {
                Some(known) => *known = Value::Map(condition),
                None => list.push(Value::Map(condition)),
            }
        }
        Ok(new)
    }
}

#[cfg(test)]
mod tests {
    use super::has_ready;
    use crate::codec::json;
    use bumpalo::Bump;

    #[test]
    fn a_slice_counts_with_a_ready_address_and_the_port() {
        let arena = Bump::new();
        let ready = |text: &str, port: &str| {
            has_ready(&json::parse_any(text.as_bytes(), &arena).unwrap(), port)
        };
        let ports = r#""ports":[{"name":"https","port":443}]"#;
        let slice = |endpoints: &str| format!(r#"{{"endpoints":[{endpoints}],{ports}}}"#);
        assert!(ready(&slice(r#"{"conditions":{}}"#), "https"), "unknown counts as ready");
        assert!(ready(&slice(r#"{"conditions":{"ready":true}}"#), "https"));
        assert!(!ready(&slice(r#"{"conditions":{"ready":false}}"#), "https"));
        assert!(!ready(&slice(r#"{"conditions":{"ready":true}}"#), "http"));
        assert!(!ready(&slice(""), "https"));
    }
}
