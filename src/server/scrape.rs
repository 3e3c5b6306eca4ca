//! `/metrics`: asks every shard for its figures and adds them up.

use crate::base::clock;
use crate::cache::ResourceCounts;
use crate::catalog::{Storage, catalog};
use crate::http::Body;
use crate::http::HeaderValue;
use crate::http::Method;
use crate::http::Response;
use crate::http::StatusCode;
use crate::http::header;
use crate::metrics;
use crate::metrics::{Latency, Snapshot};
use crate::seal::Sealer;
use crate::server::gather::gather;
use crate::server::health;
use crate::server::shard::Shard;
use crate::store::Histogram;
use crate::store::etcd::{Buckets, Figures};
use std::sync::atomic::Ordering::Relaxed;

/// Answers a scrape.
pub async fn answer(shard: &Shard) -> Response {
    let (mut sum, mut latency) = (Snapshot::default(), Latency::default());
    let shards = gather(shard, |shard| (snapshot(shard), shard.metrics.latency())).await;
    for (snapshot, more) in shards {
        sum.merge(snapshot);
        latency.merge(more);
    }
    for (phase, nanos) in latency.phases() {
        let (counts, total) = metrics::seconds(&nanos);
        let label = ("phase", phase.name());
        sum.add_labelled_histogram(&metrics::PHASE_SECONDS, label, counts, total);
    }
    for (resource, nanos) in &latency.deliveries {
        let (counts, total) = metrics::seconds(nanos);
        let label = ("resource", resource.clone());
        sum.add_labelled_histogram(&metrics::WATCH_DELIVERY_SECONDS, label, counts, total);
    }
    of_the_process(shard, &mut sum);
    Response::new(StatusCode::OK, Body::full(sum.render()))
        .with(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))
}

/// Answers a scrape of how health checks ended (`slis.SLIMetricsWithReset`).
pub async fn slis(shard: &Shard, method: &Method) -> Response {
    if *method == Method::DELETE {
        gather(shard, |shard| shard.outcomes.reset()).await;
        return Response::new(StatusCode::OK, Body::full("metrics reset\n"))
            .with(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    }
    let mut all: Vec<health::Outcome> = Vec::new();
    for found in gather(shard, |shard| shard.outcomes.all()).await.into_iter().flatten() {
        match all.iter_mut().find(|o| o.endpoint == found.endpoint && o.check == found.check) {
            None => all.push(found),
            Some(known) => {
                known.passed += found.passed;
                known.failed += found.failed;
                known.last = known.last.max(found.last);
            }
        }
    }
    let mut sum = Snapshot::default();
    for outcome in all {
        let name = ("name", outcome.check.into_owned());
        let of = ("type", outcome.endpoint.name().to_owned());
        let last = if outcome.last.1 { 1.0 } else { 0.0 };
        sum.add_of(&metrics::HEALTHCHECK, vec![name.clone(), of.clone()], last);
        for (status, count) in [("error", outcome.failed), ("success", outcome.passed)] {
            if count > 0 {
                let labels = vec![name.clone(), ("status", status.to_owned()), of.clone()];
                sum.add_of(&metrics::HEALTHCHECKS, labels, count as f64);
            }
        }
    }
    sum.add(&metrics::SLIS_START_SECONDS, metrics::start_seconds(clock::unix_time()));
    Response::new(StatusCode::OK, Body::full(sum.render_single()))
        .with(header::CONTENT_TYPE, HeaderValue::from_static(metrics::CONTENT_TYPE))
}

/// One shard's own figures.
fn snapshot(shard: &Shard) -> Snapshot {
    let mut snapshot = shard.metrics.snapshot();
    let listener = &shard.listener;
    snapshot.add(&metrics::CONNECTIONS, listener.connections.open() as f64);
    snapshot.add(&metrics::PANICS, listener.connections.panics() as f64);
    snapshot.add(&metrics::TLS_HANDSHAKE_ERRORS, listener.handshake_errors.get() as f64);
    snapshot.add(&metrics::TERMINATED_WATCHERS, shard.cache.slow_watchers() as f64);
    snapshot.add(&metrics::WATCH_FRAMES, shard.cache.frames_queued() as f64);
    snapshot.add(&metrics::SHARDS, 1.0);
    if let Some(auditor) = &shard.auditor {
        for (level, requests) in auditor.levels() {
            let label = ("level", level.to_owned());
            snapshot.add_labelled(&metrics::AUDIT_LEVELS, label, requests as f64);
        }
    }
    snapshot.extend(shard.gate.flow().samples());
    shard.gate.flow().histograms(&mut snapshot);
    for counts in shard.cache.counts() {
        of_resource(shard, &counts, &mut snapshot);
    }
    if shard.id == 0 {
        // What there is nothing of is told as well.
        for storage in catalog().storages() {
            of_objects(storage, (0, 0), &mut snapshot);
        }
    }
    snapshot
}

/// What a shard has of one resource.
fn of_resource(shard: &Shard, counts: &ResourceCounts, snapshot: &mut Snapshot) {
    // What servers tell each other is no resource.
    let Some(storage) = counts.storage.filter(|storage| storage.resource != "masterleases") else {
        return;
    };
    of_objects(storage, (counts.objects, counts.bytes), snapshot);
    let labels = || vec![("group", storage.group.into()), ("resource", storage.resource.into())];
    let mut add = |family, labels, value: u64| {
        snapshot.extend([metrics::Sample { family, labels, value: value as f64 }]);
    };
    let resource = named(storage);
    add(&metrics::WATCHERS, vec![("resource", resource)], counts.watchers as u64);
    add(&metrics::CACHE_EVENTS, labels(), counts.changes);
    add(&metrics::CACHE_DISPATCHED, labels(), counts.changes);
    if shard.store.etcd.is_some() {
        add(&metrics::ETCD_EVENTS, labels(), counts.changes);
    }
    if shard.id == 0 {
        add(&metrics::CACHE_REVISION, labels(), shard.cache.applied_of(storage));
        // What was lost of the store's changes is read anew.
        let again = shard.store.etcd.as_ref().map_or(0, |etcd| etcd.resyncs.load(Relaxed));
        add(&metrics::CACHE_INITIALIZATIONS, labels(), 1 + again);
    }
    let indexed = || {
        let labels = [("group", storage.group), ("index", ""), ("resource", storage.resource)];
        labels.map(|(name, text)| (name, text.to_owned())).to_vec()
    };
    let (cache, store) = (counts.lists.cache, counts.lists.store);
    if cache.count > 0 {
        let [lists, fetched, returned] = &metrics::CACHE_LISTS;
        add(lists, indexed(), cache.count);
        add(fetched, indexed(), cache.fetched);
        add(returned, labels(), cache.returned);
    }
    if store.count > 0 {
        let [lists, fetched, evaluated, returned] = &metrics::STORE_LISTS;
        add(lists, labels(), store.count);
        add(fetched, labels(), store.fetched);
        add(evaluated, labels(), store.fetched);
        add(returned, labels(), store.returned);
    }
    if !counts.waits.is_empty() {
        let (buckets, seconds) = (counts.waits.buckets(), counts.waits.seconds());
        snapshot.add_histogram_of(&metrics::CACHE_READ_WAIT_SECONDS, labels(), buckets, seconds);
    }
}

/// How many objects there are, and how large they are together.
fn of_objects(storage: &Storage, (objects, bytes): (usize, usize), snapshot: &mut Snapshot) {
    // What servers tell each other is no resource.
    if storage.resource == "masterleases" {
        return;
    }
    let labels = || vec![("group", storage.group.into()), ("resource", storage.resource.into())];
    let (objects, bytes) = (objects as f64, bytes as f64);
    snapshot.extend([
        metrics::Sample { family: &metrics::RESOURCE_OBJECTS, labels: labels(), value: objects },
        metrics::Sample { family: &metrics::RESOURCE_BYTES, labels: labels(), value: bytes },
    ]);
    snapshot.add_labelled(&metrics::STORAGE_OBJECTS, ("resource", named(storage)), objects);
}

/// `deployments.apps`.
fn named(storage: &Storage) -> String {
    match storage.group {
        "" => storage.resource.to_owned(),
        group => format!("{}.{group}", storage.resource),
    }
}

/// What there is once for the process.
fn of_the_process(shard: &Shard, sum: &mut Snapshot) {
    let store = &shard.store;
    sum.add(&metrics::INIT_SECONDS, shard.lifecycle.age().as_secs_f64());
    sum.add(&metrics::STORAGE_WRITES, store.commits.load(Relaxed) as f64);
    sum.add(&metrics::STORAGE_CONFLICTS, store.conflicts.load(Relaxed) as f64);
    sum.add(&metrics::STORAGE_EVENTS, store.history_events.load(Relaxed) as f64);
    sum.add(&metrics::STORAGE_KEYS, store.keys.load(Relaxed) as f64);
    if let Some(auditor) = &shard.auditor {
        for (at, sink) in auditor.sinks().iter().enumerate() {
            let figures = sink.journal.figures();
            if at == 0 {
                sum.add(&metrics::AUDIT_EVENTS, figures.events.load(Relaxed) as f64);
            }
            sum.add(&metrics::AUDIT_REJECTED, figures.rejected.load(Relaxed) as f64);
            let (plugin, errors) = (sink.plugin.to_owned(), figures.errors.load(Relaxed) as f64);
            sum.add_labelled(&metrics::AUDIT_ERRORS, ("plugin", plugin), errors);
        }
    }
    let scaled = |histogram: &Histogram, unit: f64| {
        let bound = |bound: u64| {
            if bound == u64::MAX { f64::INFINITY } else { bound as f64 * unit }
        };
        let buckets: Vec<(f64, u64)> = histogram.buckets().map(|(b, n)| (bound(b), n)).collect();
        (buckets, histogram.sum() as f64 * unit)
    };
    if store.etcd.is_some() {
        let stores = std::iter::once(store).chain(&shard.other_stores);
        for (number, figures) in stores.filter_map(|store| store.etcd.as_deref()).enumerate() {
            sum.merge(of_etcd(number, figures));
        }
    } else {
        let (sizes, total) = scaled(&store.group_sizes, 1.0);
        sum.add_histogram(&metrics::STORAGE_GROUP_SIZE, sizes, total);
        let (syncs, total) = scaled(&store.sync_micros, 1e-6);
        sum.add_histogram(&metrics::STORAGE_SYNC_SECONDS, syncs, total);
    }
    if let Some(sealer) = &shard.gate.api().registry.options.sealer {
        of_sealer(sealer, shard.lifecycle.id_hash(), sum);
    }
    sum.extend(shard.lifecycle.reloads().samples(shard.lifecycle.id_hash()));
    sum.extend(metrics::process_samples(clock::unix_time()));
}

/// The calls to one etcd; all members of a cluster are one.
fn of_etcd(number: usize, etcd: &Figures) -> Snapshot {
    fn scaled<const N: usize>(buckets: &Buckets<N>, units: f64) -> Vec<(f64, u64)> {
        let bound =
            |bound: u64| if bound == u64::MAX { f64::INFINITY } else { bound as f64 / units };
        buckets.counts().map(|(upper, count)| (bound(upper), count)).collect()
    }
    let mut found = Snapshot::default();
    for (operation, (group, resource), calls) in etcd.calls() {
        let labels = || {
            vec![
                ("group", group.to_owned()),
                ("operation", operation.name().to_owned()),
                ("resource", resource.to_owned()),
            ]
        };
        let (count, errors) = (calls.micros.count(), calls.errors.load(Relaxed));
        let mut add = |family, value: u64| {
            found.extend([metrics::Sample { family, labels: labels(), value: value as f64 }]);
        };
        add(&metrics::ETCD_REQUESTS, count);
        if errors > 0 {
            add(&metrics::ETCD_ERRORS, errors);
        }
        let (times, total) = (scaled(&calls.micros, 1e6), calls.micros.sum() as f64 * 1e-6);
        found.add_histogram_of(&metrics::ETCD_REQUEST_SECONDS, labels(), times, total);
    }
    if etcd.lease_keys.count() > 0 {
        let keys = scaled(&etcd.lease_keys, 1.0);
        found.add_histogram(&metrics::ETCD_LEASE_KEYS, keys, etcd.lease_keys.sum() as f64);
    }
    let label = ("storage_cluster_id", format!("etcd-{number}"));
    found.add_labelled(&metrics::ETCD_SIZE, label, etcd.db_bytes.load(Relaxed) as f64);
    found.add(&metrics::ETCD_WATCH_RESTARTS, etcd.watch_restarts.load(Relaxed) as f64);
    found.add(&metrics::ETCD_RESYNCS, etcd.resyncs.load(Relaxed) as f64);
    found
}

/// Encryption at rest: the calls of KMS plugins, their keys, and what was sealed and opened.
fn of_sealer(sealer: &Sealer, server: &str, sum: &mut Snapshot) {
    for (name, figures) in sealer.figures() {
        for (why, count) in figures.invalid_key_ids() {
            let labels = vec![("error", why.to_owned()), ("provider_name", name.clone())];
            sum.add_of(&metrics::KMS_INVALID_KEY_IDS, labels, count as f64);
        }
        let sources = figures.sources.load(Relaxed) as f64;
        sum.add_labelled(&metrics::KMS_SOURCES, ("provider_name", name.clone()), sources);
        for ((how, hash), used) in figures.keys() {
            let mut labels = vec![
                ("apiserver_id_hash", server.to_owned()),
                ("key_id_hash", hash),
                ("provider_name", name.clone()),
            ];
            let last = used.last_millis.load(Relaxed) as f64 / 1e3;
            if how == "status" {
                sum.add_of(&metrics::KMS_KEY_STATUS_TIME, labels, last);
                continue;
            }
            labels.push(("transformation_type", how.to_owned()));
            sum.add_of(&metrics::KMS_KEY_TIME, labels.clone(), last);
            sum.add_of(&metrics::KMS_KEYS, labels, used.count.load(Relaxed) as f64);
        }
        for ((method, code), latency) in figures.calls() {
            let labels = vec![
                ("grpc_status_code", code),
                ("method_name", method.to_owned()),
                ("provider_name", name.clone()),
            ];
            let (counts, total) = (latency.counts(), latency.seconds());
            sum.add_histogram_of(&metrics::KMS_SECONDS, labels, counts, total);
        }
    }
    for (kind, latency) in sealer.transformations() {
        let way = ("transformation_type", kind.way.to_owned());
        let prefix = ("transformer_prefix", kind.prefix.to_owned());
        let count = latency.counts().map(|(_, count)| count).sum::<u64>() as f64;
        let status = if kind.done { "OK" } else { "unknown-non-grpc" };
        let labels = vec![
            ("resource", kind.resource),
            ("status", status.to_owned()),
            way.clone(),
            prefix.clone(),
        ];
        sum.add_of(&metrics::TRANSFORMATIONS, labels, count);
        if kind.done {
            let (counts, total) = (latency.counts(), latency.seconds());
            sum.add_histogram_of(
                &metrics::TRANSFORMATION_SECONDS,
                vec![way, prefix],
                counts,
                total,
            );
        }
    }
}
