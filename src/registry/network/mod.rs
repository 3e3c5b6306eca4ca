//! Addresses and ports of Services: taken before the Service is stored, given back if it is not
//! (`pkg/registry/core/service/storage`, `Allocators`).
//!
//! An address is taken by creating its `IPAddress` object: the store lets only one writer do that,
//! so no two shards and no two servers can take the same. Node ports share one bitmap, changed by
//! compare-and-swap.

mod cidr;
mod masters;
mod plan;
mod ports;

pub use cidr::Cidr;
pub use ports::PortBitmap;

use self::plan::{Pool, PortPlan, Refusal, Slot};
use super::store::{Admit, Registry};
use super::strategy::service;
use super::{meta, stored};
use crate::base::{clock, ids, timestamp};
use crate::catalog::catalog;
use crate::object::field::{FieldError, Path};
use crate::object::managed::{self, Reset, Writer};
use crate::object::{List, Map, Value};
use crate::registry::validation::format;
use crate::request::{Attributes, Fault, Result};
use crate::store::{Expected, Item as _, Outcome, Txn, Write};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use bytes::Bytes;
use std::cell::RefCell;
use std::net::IpAddr;
use std::rc::Rc;

const PORTS_KEY: &[u8] = b"/registry/ranges/servicenodeports";
const TAKEN: &str = "provided IP is already allocated";
const OUTSIDE: &str = "the provided network does not match the current range";
const FULL: &str = "range is full";

/// What the last look at the port bitmap showed; a guess that the store corrects.
#[derive(Debug, Clone, Default)]
pub struct PortsSeen(Rc<RefCell<Option<(u64, Bytes)>>>);

/// What one write has taken, and what it gives back once it is stored.
#[derive(Debug, Default)]
#[must_use = "settle it once the write's end is known"]
pub struct Taken {
    addresses: Vec<(IpAddr, u64)>,
    ports: Vec<u16>,
    old_addresses: Vec<IpAddr>,
    old_ports: Vec<u16>,
}

impl Taken {
    /// Keeps what was taken and gives back what the object no longer uses (`kept`), or undoes all.
    pub async fn settle<A: Admit>(self, registry: &Registry<A>, kept: bool) {
        if kept {
            registry.free_addresses(&self.old_addresses).await;
            registry.free_ports(&self.old_ports).await;
            return;
        }
        for (address, revision) in self.addresses {
            registry.free_address(address, revision).await;
        }
        registry.free_ports(&self.ports).await;
    }
}

impl<A: Admit> Registry<A> {
    /// Takes what a new Service needs and writes it into the object.
    ///
    /// # Errors
    /// 422 for an address or port that is taken or outside the range, 500 if a range is full.
    pub async fn allocate<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        arena: &'a Bump,
    ) -> Result<Taken> {
        if at.resource.name != "services" || !at.subresource.is_empty() {
            return Ok(Taken::default());
        }
        let families: Vec<&str> = self.options.service_cidrs.iter().map(Cidr::family).collect();
        let errors = service::families(object, old, &families, arena);
        if !errors.is_empty() {
            return Err(stored::invalid(at.resource, meta::name(object), errors));
        }
        let mut taken = Taken::default();
        let mut result = self.take_addresses(at, object, old, &mut taken, arena).await;
        if result.is_ok() {
            result = self.take_ports(at, object, old, &mut taken, arena).await;
        }
        if let Err(fault) = result {
            taken.settle(self, false).await;
            return Err(fault);
        }
        if let Some(old) = old {
            let addresses = addresses_of(object);
            taken.old_addresses =
                addresses_of(old).into_iter().filter(|ip| !addresses.contains(ip)).collect();
            let ports = ports_of(object);
            taken.old_ports =
                ports_of(old).into_iter().filter(|port| !ports.contains(port)).collect();
        }
        Ok(taken)
    }

    /// Gives back what a removed object held.
    pub async fn release(&self, at: &Attributes<'_>, object: &Value<'_>) {
        if at.resource.name == "services" && at.resource.group.is_empty() {
            self.free_addresses(&addresses_of(object)).await;
            self.free_ports(&ports_of(object)).await;
        }
    }

    async fn take_addresses<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        taken: &mut Taken,
        arena: &'a Bump,
    ) -> Result<()> {
        let headless = object.str_at(&["spec", "clusterIP"]) == "None";
        if headless || object.str_at(&["spec", "type"]) == "ExternalName" {
            return Ok(());
        }
        let families: Vec<&str> =
            object.list_at(&["spec", "ipFamilies"]).iter().filter_map(Value::as_str).collect();
        let asked: Vec<&str> =
            object.list_at(&["spec", "clusterIPs"]).iter().filter_map(Value::as_str).collect();
        let held = old.map(addresses_of).unwrap_or_default();
        // A Service with addresses gets only those that it lacks; that it keeps the others is for
        // validation to say. One without them by its own wish gets none (`updateClusterIPs`).
        if old.is_some_and(|old| old.str_at(&["spec", "clusterIP"]) == "None") {
            return Ok(());
        }
        let mut texts = Vec::with_capacity(families.len());
        for (index, family) in families.iter().enumerate() {
            let ranges = self.options.service_cidrs.iter();
            let Some(range) = ranges.copied().find(|range| range.family() == *family) else {
                continue;
            };
            let Some(text) = asked.get(index).filter(|text| !text.is_empty()) else {
                if let Some((address, why)) = range.candidates().next().zip(unnameable(at, object))
                {
                    let unset = vec![""; families.len()];
                    return Err(bad_address(at, object, &unset, "", &why(address)));
                }
                let address = self.take_any_address(at, range, object, taken).await?;
                texts.push(address.to_string());
                continue;
            };
            let Ok(address) = text.parse::<IpAddr>() else { return Ok(()) };
            texts.push((*text).to_owned());
            if index < held.len() {
                continue;
            }
            let refuse = |why: &str| bad_address(at, object, &asked, &address.to_string(), why);
            if !range.contains(address) && at.dry_run {
                let text = "is not in the valid range. The range of valid IPs is";
                return Err(refuse(&format!("the provided IP ({address}) {text} {range}")));
            }
            if !range.contains(address) {
                return Err(refuse(OUTSIDE));
            }
            if let Some(why) = unnameable(at, object) {
                return Err(refuse(&why(address)));
            }
            match self.take_address(at, address, object).await? {
                Some(revision) => taken.addresses.push((address, revision)),
                None => return Err(refuse(TAKEN)),
            }
        }
        if let (Some(first), Some(map)) = (texts.first(), object.as_map_mut()) {
            let spec = map.entry_map("spec");
            spec.insert("clusterIP", Value::str_in(first, arena));
            let mut list = List::new_in(arena);
            list.extend(texts.iter().map(|text| Value::str_in(text, arena)));
            spec.insert("clusterIPs", Value::List(list));
        }
        Ok(())
    }

    async fn take_any_address(
        &self,
        at: &Attributes<'_>,
        range: Cidr,
        object: &Value<'_>,
        taken: &mut Taken,
    ) -> Result<IpAddr> {
        if at.dry_run {
            // Upstream looks for none: the answer is the start of the range.
            return Ok(range.network());
        }
        for address in range.candidates() {
            if let Some(revision) = self.take_address(at, address, object).await? {
                taken.addresses.push((address, revision));
                return Ok(address);
            }
        }
        Err(Fault::Internal(format!("failed to allocate a serviceIP: {FULL}")))
    }

    /// Creates the IPAddress object; `None` if it exists. A dry run does not even look.
    async fn take_address(
        &self,
        at: &Attributes<'_>,
        address: IpAddr,
        service: &Value<'_>,
    ) -> Result<Option<u64>> {
        let Some(storage) = catalog().storage("ipaddresses") else { return Ok(Some(0)) };
        let name = address.to_string();
        if at.dry_run {
            return Ok(Some(0));
        }
        let arena = Bump::new();
        let value = stored::encode(storage, &ip_address(address, service, &arena), &arena);
        let write = Write::Put { value, ttl_seconds: None };
        let txn = Txn { key: storage.key("", &name), expected: Expected::Absent, write };
        Ok(match self.commit(txn).await? {
            Outcome::Applied { revision, .. } => Some(revision),
            Outcome::Conflict { .. } => None,
        })
    }

    async fn free_addresses(&self, addresses: &[IpAddr]) {
        let Some(storage) = catalog().storage("ipaddresses") else { return };
        for address in addresses {
            if let Ok(Some(entry)) = self.read(storage, "", &address.to_string()).await {
                self.free_address(*address, entry.revision()).await;
            }
        }
    }

    async fn free_address(&self, address: IpAddr, revision: u64) {
        let Some(storage) = catalog().storage("ipaddresses").filter(|_| revision > 0) else {
            return;
        };
        let key = storage.key("", &address.to_string());
        let expected = Expected::Revision(revision);
        // Someone else's change of the object means that it is no longer ours to free.
        let _ = self.commit(Txn { key, expected, write: Write::Delete }).await;
    }

    async fn take_ports<'a>(
        &self,
        at: &Attributes<'_>,
        object: &mut Value<'a>,
        old: Option<&Value<'_>>,
        taken: &mut Taken,
        arena: &'a Bump,
    ) -> Result<()> {
        let plan = PortPlan::of(object, old);
        if plan.is_empty() {
            return Ok(());
        }
        let mut chosen = Vec::new();
        let (first, last) = self.options.node_ports;
        self.change_ports(at.dry_run, |bitmap| {
            let mut pool = Pool { bitmap, range: (first, last), dry: at.dry_run.then(Vec::new) };
            chosen = plan.choose(&mut pool).map_err(|refusal| match refusal {
                Refusal::Twice(port) => Fault::Plain(format!("duplicate nodePort: {port}")),
                Refusal::Port(Slot::HealthCheck, 0, why) => {
                    Fault::Internal(format!("failed to allocate a HealthCheck NodePort 0: {why}"))
                }
                Refusal::Port(Slot::HealthCheck, port, why) => Fault::Internal(format!(
                    "failed to allocate requested HealthCheck NodePort {port}: {why}"
                )),
                Refusal::Port(Slot::Port(index), port, why) => {
                    let path = format!("spec.ports[{index}].nodePort");
                    invalid(at, object, FieldError::invalid(&Path::root(&path), port, &why))
                }
            })?;
            Ok(())
        })
        .await?;
        for (slot, port) in chosen {
            let number = Value::Int(port);
            match slot {
                Slot::HealthCheck => {
                    if let Some(map) = object.as_map_mut() {
                        map.entry_map("spec").insert("healthCheckNodePort", number);
                    }
                }
                Slot::Port(index) => {
                    let ports = object.list_at_mut(&["spec", "ports"]);
                    if let Some(map) = ports.get_mut(index).and_then(Value::as_map_mut) {
                        map.insert("nodePort", number);
                    }
                }
            }
        }
        let _ = arena;
        let held = old.map(ports_of).unwrap_or_default();
        if !at.dry_run {
            taken.ports =
                ports_of(object).into_iter().filter(|port| !held.contains(port)).collect();
        }
        Ok(())
    }

    async fn free_ports(&self, ports: &[u16]) {
        if ports.is_empty() {
            return;
        }
        let freed = self.change_ports(false, |bitmap| {
            ports.iter().for_each(|port| bitmap.free(*port));
            Ok(())
        });
        // A failed store leaves the ports taken; nothing else depends on it.
        let _ = freed.await;
    }

    /// Changes the stored bitmap; tried again until no other writer comes between. A refusal counts
    /// only if what it was made from still stands: another shard may have freed the port.
    async fn change_ports(
        &self,
        dry_run: bool,
        mut change: impl FnMut(&mut PortBitmap) -> Result<()>,
    ) -> Result<()> {
        let mut current = false;
        loop {
            let arena = Bump::new();
            let seen = self.ports_seen.0.borrow().clone();
            let (first, last) = self.options.node_ports;
            let mut bitmap = PortBitmap::new(first, last);
            if let Some((_, value)) = &seen {
                bitmap.load(&stored_ports(value, &arena)?);
            }
            let changed = change(&mut bitmap);
            if current && (dry_run || changed.is_err()) {
                return changed;
            }
            let (expected, write) = if dry_run || changed.is_err() {
                // Never applied: it says what stands there.
                (Expected::Absent, Write::Delete)
            } else {
                let value = encode_ports(&bitmap, first, last, &arena)?;
                let expected = seen.map_or(Expected::Absent, |(rev, _)| Expected::Revision(rev));
                (expected, Write::Put { value, ttl_seconds: None })
            };
            let txn = Txn { key: Bytes::from_static(PORTS_KEY), expected, write };
            let (done, item) = match self.commit(txn).await? {
                Outcome::Applied { item, .. } => (true, Some(item)),
                Outcome::Conflict { current } => (false, current),
            };
            let now = item.map(|item| (item.revision(), item.value().clone()));
            *self.ports_seen.0.borrow_mut() = now;
            if done {
                return Ok(());
            }
            current = true;
        }
    }
}

fn addresses_of(service: &Value<'_>) -> Vec<IpAddr> {
    let list = service.list_at(&["spec", "clusterIPs"]).iter();
    list.filter_map(Value::as_str).filter_map(|text| text.parse().ok()).collect()
}

fn ports_of(service: &Value<'_>) -> Vec<u16> {
    let ports = service.list_at(&["spec", "ports"]).iter().filter_map(|p| p.i64_at(&["nodePort"]));
    let all = ports.chain(service.i64_at(&["spec", "healthCheckNodePort"]));
    let mut all: Vec<u16> = all.filter_map(|port| u16::try_from(port).ok()).collect();
    all.retain(|port| *port != 0);
    all.sort_unstable();
    all.dedup();
    all
}

/// Why no IPAddress can be made for a Service of this name, which is checked after the addresses
/// are; a dry run makes none.
fn unnameable<'v>(
    at: &Attributes<'_>,
    object: &Value<'v>,
) -> Option<impl Fn(IpAddr) -> String + 'v> {
    let name = meta::name(object);
    let why = format::path_segment(name).into_iter().next().filter(|_| !at.dry_run)?;
    Some(move |address: IpAddr| {
        format!(
            "IPAddress.networking.k8s.io \"{address}\" is invalid: spec.parentRef.name: Invalid \
             value: {name:?}: {why}"
        )
    })
}

fn bad_address(
    at: &Attributes<'_>,
    object: &Value<'_>,
    asked: &[&str],
    address: &str,
    why: &str,
) -> Fault {
    let quoted: Vec<String> = asked.iter().map(|text| format!("{text:?}")).collect();
    let error = FieldError {
        kind: crate::object::field::ErrorKind::Invalid,
        field: "spec.clusterIPs".into(),
        body: format!(
            "Invalid value: [{}]: failed to allocate IP{}{address}: {why}",
            quoted.join(","),
            if address.is_empty() { "" } else { " " }
        ),
    };
    invalid(at, object, error)
}

fn invalid(at: &Attributes<'_>, object: &Value<'_>, error: FieldError) -> Fault {
    let subject = crate::request::Subject {
        group: at.resource.group.into(),
        resource: at.resource.kind.into(),
        name: meta::name(object).into(),
    };
    Fault::Invalid { subject, errors: vec![error] }
}

/// The object that holds an address for a Service.
fn ip_address<'a>(address: IpAddr, service: &Value<'_>, arena: &'a Bump) -> Value<'a> {
    let family = if address.is_ipv4() { "IPv4" } else { "IPv6" };
    let now = clock::unix_seconds();
    let mut map = Map::new_in(arena);
    map.push_unique("kind", Value::Str("IPAddress"));
    map.push_unique("apiVersion", Value::Str("networking.k8s.io/v1"));
    let metadata = map.entry_map("metadata");
    metadata.push_unique("name", Value::str_in(&address.to_string(), arena));
    metadata.push_unique("uid", Value::str_in(&ids::uuid(), arena));
    metadata.push_unique("creationTimestamp", Value::str_in(&timestamp::rfc3339(now), arena));
    let labels = metadata.entry_map("labels");
    labels.push_unique("ipaddress.kubernetes.io/ip-family", Value::Str(family));
    let manager = Value::Str("ipallocator.k8s.io");
    labels.push_unique("ipaddress.kubernetes.io/managed-by", manager);
    let parent = map.entry_map("spec").entry_map("parentRef");
    parent.push_unique("resource", Value::Str("services"));
    parent.push_unique("namespace", Value::str_in(meta::namespace(service), arena));
    parent.push_unique("name", Value::str_in(meta::name(service), arena));
    let mut object = Value::Map(map);
    let time = timestamp::rfc3339(now);
    let writer = Writer {
        manager: "kube-apiserver",
        api_version: "networking.k8s.io/v1",
        subresource: "",
        time: &time,
        reset: Reset::Nothing,
        versions: &[],
        convert: None,
    };
    let ty = catalog().storage("ipaddresses").map(|storage| storage.ty);
    managed::update(arena, ty, None, &mut object, &writer);
    object
}

fn stored_ports(value: &Bytes, arena: &Bump) -> Result<Vec<u8>> {
    let object = stored::decode_kind(("", "v1", "RangeAllocation"), value, arena)?;
    STANDARD
        .decode(object.str_at(&["data"]))
        .map_err(|_| Fault::Internal("the stored port allocations are not readable".into()))
}

fn encode_ports(bitmap: &PortBitmap, first: u16, last: u16, arena: &Bump) -> Result<Bytes> {
    let mut map = Map::new_in(arena);
    map.push_unique("metadata", Value::map_in(arena));
    map.push_unique("range", Value::str_in(&format!("{first}-{last}"), arena));
    map.push_unique("data", Value::str_in(&STANDARD.encode(bitmap.bytes()), arena));
    stored::encode_kind(("", "v1", "RangeAllocation"), &Value::Map(map))
}
