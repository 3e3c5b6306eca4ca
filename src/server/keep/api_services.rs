//! API services of what this server serves itself: made for every group version
//! (`autoregister`, `crdregistration`).

use crate::cache::{Entry, Mirror};
use crate::catalog::catalog;
use crate::object::Value;
use crate::registry::stored::read_fault;
use crate::request::{Fault, Result};
use crate::rt;
use crate::server::own::{Gvr, Own, SetSpec, defaulted};
use crate::server::shard::Shard;
use bumpalo::Bump;
use futures_lite::FutureExt as _;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

pub(super) const SERVICES: Gvr = ("apiregistration.k8s.io", "v1", "apiservices");
/// The label of those that the server keeps: `onstart` looked at only then, `true` always.
const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
const ON_START: &str = "onstart";
const ALWAYS: &str = "true";
/// What every group of custom resources gets.
const CUSTOM_PRIORITIES: (i32, i32) = (1_000, 100);
const MANAGER: &str = "kube-apiserver";
const RETRY: Duration = Duration::from_secs(1);

/// An API service that must be there.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wanted {
    group: String,
    version: String,
    /// `groupPriorityMinimum` and `versionPriority`.
    priorities: (i32, i32),
    managed: &'static str,
}

impl Wanted {
    fn name(&self) -> String {
        format!("{}.{}", self.version, self.group)
    }

    fn text(&self) -> String {
        let Self { group, version, priorities: (group_priority, version_priority), managed } = self;
        let name = self.name();
        let group = match group.as_str() {
            "" => String::new(),
            group => format!(r#""group":"{group}","#),
        };
        format!(
            r#"{{"metadata":{{"name":"{name}","labels":{{"{MANAGED}":"{managed}"}}}},
                "spec":{{{group}"version":"{version}","groupPriorityMinimum":{group_priority},
                "versionPriority":{version_priority}}}}}"#
        )
    }
}

/// One for each built-in group version that is served; the registration API has none itself.
fn built_in() -> Vec<Wanted> {
    let groups = catalog().groups().iter().filter(|group| group.name != SERVICES.0);
    let wanted = groups.flat_map(|group| {
        group.served().map(|version| Wanted {
            group: group.name.to_owned(),
            version: version.version.to_owned(),
            priorities: (group.priority, version.priority),
            managed: ON_START,
        })
    });
    wanted.collect()
}

/// Makes those of built-in groups, sets back those that were changed, and removes those of groups
/// that are no longer served.
///
/// # Errors
/// The first write that fails.
pub(super) async fn ensure(shard: &Shard) -> Result<()> {
    let Some(storage) = catalog().storage(SERVICES.2) else { return Ok(()) };
    let own = Own { api: shard.gate.api(), manager: MANAGER };
    let query = crate::cache::ListQuery::all(storage);
    let page = shard.cache.list(query).await.map_err(read_fault)?;
    let wanted = built_in();
    for entry in &page.entries {
        let known = wanted.iter().any(|service| service.name() == entry.name());
        if !known && entry.label(MANAGED) == Some(ON_START) {
            gone_or(own.delete(SERVICES, ("", entry.name())).await)?;
        }
    }
    // At once, so that they share a commit of the store.
    let mut writes = Vec::with_capacity(wanted.len());
    for service in &wanted {
        let name = service.name();
        let current = page.entries.iter().find(|entry| entry.name() == name);
        writes.push(register(own, service, current.map(|entry| &**entry)));
    }
    rt::all(writes).await.into_iter().collect()
}

/// Makes the service, or sets its spec back. One without the label is its user's.
async fn register(own: Own<'_>, wanted: &Wanted, current: Option<&Entry>) -> Result<()> {
    let text = wanted.text();
    let Some(current) = current else {
        return match own.create(SERVICES, "", &text).await {
            Err(Fault::AlreadyExists { .. }) => Ok(()),
            other => other,
        };
    };
    if !matches!(current.label(MANAGED), Some(ON_START | ALWAYS)) {
        return Ok(());
    }
    let arena = Bump::new();
    let object = defaulted(SERVICES, &text, &arena)?;
    let Ok(stored) = current.object(&arena) else { return Ok(()) };
    let spec = object.at(&["spec"]).map(|spec| spec.copy_in(&arena));
    if spec.as_ref() == stored.at(&["spec"]) {
        return Ok(());
    }
    let change = SetSpec { spec, annotation: None };
    gone_or(own.update(SERVICES, ("", current.name()), &change).await)
}

fn gone_or(result: Result<()>) -> Result<()> {
    match result {
        Err(Fault::NotFound(_)) => Ok(()),
        other => other,
    }
}

/// Keeps one for every served version of custom resources, for as long as the shard runs.
pub(super) async fn keep_custom(shard: Rc<Shard>) {
    let mirror = |resource| Some(shard.cache.mirror(catalog().storage(resource)?));
    let (Some(mut services), Some(mut definitions)) =
        (mirror(SERVICES.2), mirror("customresourcedefinitions"))
    else {
        return;
    };
    services.changed().await;
    definitions.changed().await;
    loop {
        match Box::pin(sync(&shard, &services, &definitions)).await {
            Ok(()) => services.changed().or(definitions.changed()).await,
            Err(fault) => {
                log::warn!("the API services of custom resources cannot be kept: {fault:?}");
                rt::sleep(RETRY).await;
            }
        }
    }
}

async fn sync(shard: &Shard, services: &Mirror, definitions: &Mirror) -> Result<()> {
    let own = Own { api: shard.gate.api(), manager: MANAGER };
    let wanted = custom(definitions);
    for (name, service) in &wanted {
        register(own, service, services.get(name).map(|entry| &**entry)).await?;
    }
    for entry in services.entries() {
        if entry.label(MANAGED) == Some(ALWAYS) && !wanted.contains_key(entry.name()) {
            gone_or(own.delete(SERVICES, ("", entry.name())).await)?;
        }
    }
    Ok(())
}

fn custom(definitions: &Mirror) -> BTreeMap<String, Wanted> {
    let mut wanted = BTreeMap::new();
    for entry in definitions.entries() {
        let arena = Bump::new();
        let Ok(definition) = entry.object(&arena) else { continue };
        let served = |version: &&Value<'_>| version.bool_at(&["served"]);
        for version in definition.list_at(&["spec", "versions"]).iter().filter(served) {
            let service = Wanted {
                group: definition.str_at(&["spec", "group"]).to_owned(),
                version: version.str_at(&["name"]).to_owned(),
                priorities: CUSTOM_PRIORITIES,
                managed: ALWAYS,
            };
            wanted.insert(service.name(), service);
        }
    }
    wanted
}

#[cfg(test)]
mod tests {
    use super::{Wanted, built_in};

    #[test]
    fn every_served_group_version_has_a_service_but_the_registration_itself() {
        let services = built_in();
        let find = |name: &str| services.iter().find(|service| service.name() == name);
        assert_eq!(find("v1.").map(|service| service.priorities), Some((18_000, 1)));
        assert_eq!(find("v2.autoscaling").map(|service| service.priorities), Some((17_500, 30)));
        assert!(find("v1.apiregistration.k8s.io").is_none());
        assert!(find("v1alpha1.storagemigration.k8s.io").is_none());
    }

    #[test]
    fn the_core_group_is_left_out_of_the_spec() {
        let core = Wanted {
            group: String::new(),
            version: "v1".into(),
            priorities: (18_000, 1),
            managed: super::ON_START,
        };
        assert!(!core.text().contains("\"group\""), "{}", core.text());
    }
}
