//! Where objects are kept.

use crate::base::hash::HashMap;
use crate::catalog::{Storage, catalog};
use crate::config::model::{Encryption, Override, Store};
use crate::config::parse::{FlagError, Values};
use crate::rt;
use crate::store::etcd;
use std::time::Duration;

/// How long a start waits for etcd.
const ETCD_START_PATIENCE: Duration = Duration::from_secs(60);
/// What `--storage-media-type` takes (`storageMediaTypes`).
const MEDIA_TYPES: [&str; 4] =
    ["", "application/json", "application/vnd.kubernetes.protobuf", "application/yaml"];

pub(super) fn store(
    values: &Values,
    placement: rt::Placement,
    shards: usize,
) -> Result<Store, FlagError> {
    if !["", "etcd3"].contains(&values.text("storage-backend")) {
        return Err(values.invalid("storage-backend", "must be etcd3, or empty"));
    }
    if !MEDIA_TYPES.contains(&values.text("storage-media-type")) {
        return Err(values.invalid("storage-media-type", format!("must be of {MEDIA_TYPES:?}")));
    }
    let mut etcd = etcd_servers(values, placement, shards)?;
    let (overrides, unknown) = overrides(values, etcd.as_mut())?;
    Ok(Store {
        in_memory: match values.text("store") {
            "embedded" => false,
            "memory" => true,
            _ => return Err(values.invalid("store", "must be embedded or memory")),
        },
        etcd,
        overrides,
        unknown_overrides: unknown,
        health_timeout: values.duration("etcd-healthcheck-timeout"),
        ready_timeout: values.duration("etcd-readycheck-timeout"),
        event_ttl: values.duration("event-ttl"),
        compaction_interval: values.duration("etcd-compaction-interval"),
        encryption: values.path("encryption-provider-config").map(|file| Encryption {
            file,
            reload: values.bool("encryption-provider-config-automatic-reload"),
        }),
    })
}

/// `None` without `--etcd-servers`.
fn etcd_servers(
    values: &Values,
    placement: rt::Placement,
    shards: usize,
) -> Result<Option<etcd::Servers>, FlagError> {
    let endpoints = values.list("etcd-servers");
    if endpoints.is_empty() {
        return Ok(None);
    }
    if values.is_set("store") {
        let message = "--store and --etcd-servers cannot be given together";
        return Err(FlagError::Combination(message.to_owned()));
    }
    let (certificate_file, key_file) = (values.path("etcd-certfile"), values.path("etcd-keyfile"));
    if certificate_file.is_some() != key_file.is_some() {
        let message = "--etcd-certfile and --etcd-keyfile must be given together";
        return Err(FlagError::Combination(message.to_owned()));
    }
    // A core that no shard runs on, if there is one: beside a shard the thread is better moved to
    // wherever there is room.
    let core = match placement {
        rt::Placement::Pinned => rt::cores().get(shards).copied(),
        rt::Placement::Unpinned => None,
    };
    Ok(Some(etcd::Servers {
        endpoints,
        ca_file: values.path("etcd-cafile"),
        certificate_file,
        key_file,
        prefix: format!("/{}", values.text("etcd-prefix").trim_matches('/')),
        only: Vec::new(),
        except: Vec::new(),
        compaction_interval: values.duration("etcd-compaction-interval"),
        lease_reuse_seconds: u32::try_from(values.int("lease-reuse-duration-seconds")).unwrap_or(0),
        db_poll_interval: values.duration("etcd-db-metric-poll-interval"),
        start_patience: ETCD_START_PATIENCE,
        core,
    }))
}

/// The stores of `--etcd-servers-overrides`, each with its resources, and what names none. The
/// store of all others is told to leave theirs alone. Resources with the same servers, in whatever
/// order, share a store (`addEtcdHealthEndpoint`); what names a resource goes before what names its
/// group (`DefaultStorageFactory.NewConfig`).
fn overrides(
    values: &Values,
    main: Option<&mut etcd::Servers>,
) -> Result<(Vec<Override>, Vec<String>), FlagError> {
    let flag = "etcd-servers-overrides";
    let given = values.list(flag);
    if given.is_empty() {
        return Ok((Vec::new(), Vec::new()));
    }
    let Some(main) = main else {
        let message = "--etcd-servers-overrides needs --etcd-servers";
        return Err(FlagError::Combination(message.to_owned()));
    };
    let mut chosen: HashMap<u16, (bool, Vec<String>)> = HashMap::default();
    let mut unknown = Vec::new();
    for text in &given {
        let (group, resource, servers) = parse_override(text).ok_or_else(|| {
            let form = "group/resource#servers, where servers are URLs, semicolon separated";
            values.invalid(flag, format!("must be of format: {form}"))
        })?;
        let exact = resource != "*";
        let of_group = catalog().storages().iter().filter(|row| row.group == group);
        let named = of_group.filter(|row| !exact || row.resource == resource);
        let named: Vec<&Storage> = named.collect();
        if named.is_empty() {
            unknown.push(format!("{group}/{resource}"));
        }
        for row in named {
            let known = chosen.entry(row.id).or_default();
            if exact || !known.0 {
                *known = (exact, servers.clone());
            }
        }
    }
    let mut stores: Vec<(Vec<String>, Override)> = Vec::new();
    for row in catalog().storages() {
        let Some((_, servers)) = chosen.remove(&row.id) else { continue };
        let mut same = servers.clone();
        same.sort();
        main.except.push(row.prefix);
        let at = stores.iter().position(|(known, _)| *known == same).unwrap_or_else(|| {
            let (only, except) = (Vec::new(), Vec::new());
            let servers = etcd::Servers { endpoints: servers, only, except, ..main.clone() };
            stores.push((same, Override { servers, resources: Vec::new() }));
            stores.len() - 1
        });
        if let Some((_, store)) = stores.get_mut(at) {
            store.servers.only.push(row.prefix);
            store.resources.push(row);
        }
    }
    Ok((stores.into_iter().map(|(_, store)| store).collect(), unknown))
}

/// Group, resource and servers (`ParseEtcdServersOverrides`).
fn parse_override(text: &str) -> Option<(&str, &str, Vec<String>)> {
    let (what, servers) = text.split_once('#')?;
    let (group, resource) = what.split_once('/')?;
    let servers: Vec<String> = servers.split(';').map(str::to_owned).collect();
    let wrong = resource.contains('/')
        || servers.iter().any(|server| server.is_empty() || server.contains('#'));
    (!wrong).then_some((group, resource, servers))
}
