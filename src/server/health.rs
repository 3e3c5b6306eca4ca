//! `/healthz`, `/livez`, `/readyz` and their checks (`k8s.io/apiserver/pkg/server/healthz`).

use crate::base::clock;
use crate::http::StatusCode;
use crate::http::header::CONTENT_TYPE;
use crate::http::{Body, HeaderValue, Response};
use crate::server::shard::Shard;
use crate::store::Health;
use percent_encoding::percent_decode_str;
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write;
use std::time::Duration;

/// A store that has not come round for this long counts as stuck.
const STORE_SILENCE_MAX: Duration = Duration::from_secs(10);

/// How often etcd is asked at least, with some room.
const ETCD_PROBE_INTERVAL: Duration = Duration::from_millis(1_500);

/// How a check of one endpoint ended so far, for `/metrics/slis`.
#[derive(Debug, Clone)]
pub(in crate::server) struct Outcome {
    pub(in crate::server) endpoint: Endpoint,
    pub(in crate::server) check: Cow<'static, str>,
    pub(in crate::server) passed: u64,
    pub(in crate::server) failed: u64,
    /// When it was made last, and whether it passed then.
    pub(in crate::server) last: (Duration, bool),
}

/// What one shard was asked of health; as many entries as there are checks.
#[derive(Debug, Default)]
pub struct Outcomes(RefCell<Vec<Outcome>>);

impl Outcomes {
    fn note(&self, endpoint: Endpoint, check: Cow<'static, str>, is_passed: bool) {
        let mut all = self.0.borrow_mut();
        let known = all.iter().position(|o| o.endpoint == endpoint && o.check == check);
        let last = (clock::unix_time(), is_passed);
        let place = known.unwrap_or_else(|| {
            all.push(Outcome { endpoint, check, passed: 0, failed: 0, last });
            all.len() - 1
        });
        if let Some(outcome) = all.get_mut(place) {
            outcome.last = last;
            *(if is_passed { &mut outcome.passed } else { &mut outcome.failed }) += 1;
        }
    }

    pub(in crate::server) fn reset(&self) {
        self.0.borrow_mut().clear();
    }

    pub(in crate::server) fn all(&self) -> Vec<Outcome> {
        self.0.borrow().clone()
    }
}

/// Which of the three is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server) enum Endpoint {
    Healthz,
    Livez,
    Readyz,
}

impl Endpoint {
    pub(in crate::server) const fn name(self) -> &'static str {
        match self {
            Self::Healthz => "healthz",
            Self::Livez => "livez",
            Self::Readyz => "readyz",
        }
    }
}

/// One check: its name and, if it fails, why.
type Check = (Cow<'static, str>, Result<(), Cow<'static, str>>);

/// The store answers; the one of the checks below that can fail.
const STORAGE_READINESS: &str = "poststarthook/storage-readiness";

/// Checks that hold from the moment requests are served: what upstream does in the background after
/// its start is done here before. Named as upstream, since probes may name them.
const BOOT_CHECKS: [&str; 32] = [
    "poststarthook/start-apiserver-admission-initializer",
    "poststarthook/generic-apiserver-start-informers",
    "poststarthook/priority-and-fairness-config-consumer",
    "poststarthook/priority-and-fairness-filter",
    "poststarthook/storage-object-count-tracker-hook",
    "poststarthook/start-apiextensions-informers",
    "poststarthook/start-apiextensions-controllers",
    "poststarthook/crd-informer-synced",
    "poststarthook/start-system-namespaces-controller",
    "poststarthook/peer-endpoint-reconciler-controller",
    "poststarthook/start-cluster-authentication-info-controller",
    "poststarthook/start-kube-apiserver-identity-lease-controller",
    "poststarthook/start-kube-apiserver-identity-lease-garbage-collector",
    STORAGE_READINESS,
    "poststarthook/start-legacy-token-tracking-controller",
    "poststarthook/start-service-ip-repair-controllers",
    "poststarthook/rbac/bootstrap-roles",
    "poststarthook/scheduling/bootstrap-system-priority-classes",
    "poststarthook/priority-and-fairness-config-producer",
    "poststarthook/bootstrap-controller",
    "poststarthook/start-kubernetes-service-cidr-controller",
    "poststarthook/aggregator-reload-proxy-client-cert",
    "poststarthook/start-kube-aggregator-informers",
    "poststarthook/apiservice-status-local-available-controller",
    "poststarthook/apiservice-status-remote-available-controller",
    "poststarthook/apiservice-registration-controller",
    "poststarthook/apiservice-wait-for-first-sync",
    "poststarthook/apiservice-discovery-controller",
    "poststarthook/kube-apiserver-autoregistration",
    "autoregister-completion",
    "poststarthook/apiservice-openapi-controller",
    "poststarthook/apiservice-openapiv3-controller",
];

/// Answers a path that is one of the endpoints or lies under one; `None` for any other path.
pub fn answer(shard: &Shard, path: &str, query: &str) -> Option<Response> {
    let whole = path.strip_prefix('/')?;
    let (name, check) = match whole.split_once('/') {
        Some((name, check)) => (name, Some(check)),
        None => (whole, None),
    };
    let endpoint = match name {
        "healthz" => Endpoint::Healthz,
        "livez" => Endpoint::Livez,
        "readyz" => Endpoint::Readyz,
        _ => return None,
    };
    let checks = checks(shard, endpoint);
    let Some(check) = check else {
        return Some(overall(endpoint, &checks, query, &shard.outcomes));
    };
    let (_, result) = checks.into_iter().find(|(name, _)| *name == check)?;
    Some(match result {
        Ok(()) => Response::new(StatusCode::OK, Body::full("ok"))
            .with(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        Err(detail) => {
            let text = format!("internal server error: {detail}\n");
            Response::text(StatusCode::INTERNAL_SERVER_ERROR, text)
        }
    })
}

/// The paths of all checks, for the index.
pub fn paths(shard: &Shard) -> Vec<String> {
    let endpoints = [Endpoint::Healthz, Endpoint::Livez, Endpoint::Readyz];
    let each = endpoints.into_iter().flat_map(|endpoint| {
        let checks = checks(shard, endpoint).into_iter();
        checks.map(move |(name, _)| format!("/{}/{name}", endpoint.name()))
    });
    each.collect()
}

/// All checks of an endpoint, in upstream's order.
fn checks(shard: &Shard, endpoint: Endpoint) -> Vec<Check> {
    let timeout = match endpoint {
        Endpoint::Readyz => shard.config.store.ready_timeout,
        Endpoint::Healthz | Endpoint::Livez => shard.config.store.health_timeout,
    };
    let patience = timeout + ETCD_PROBE_INTERVAL;
    let store = pulse(&shard.store, patience);
    let mut checks: Vec<Check> = vec![("ping".into(), Ok(())), ("log".into(), Ok(()))];
    if endpoint != Endpoint::Readyz {
        // It is renewed in time, like the other certificates made at boot.
        checks.push(("loopback-serving-certificate".into(), Ok(())));
    }
    if endpoint == Endpoint::Readyz {
        let synced =
            if shard.lifecycle.is_ready() { Ok(()) } else { Err("shards are starting".into()) };
        checks.push(("informer-sync".into(), synced));
    } else {
        checks.push(("etcd".into(), store.clone()));
    }
    for (number, other) in shard.other_stores.iter().enumerate() {
        let found = pulse(other, patience);
        checks.push((format!("etcd-override-{number}").into(), found.clone()));
        if endpoint == Endpoint::Readyz {
            checks.push((format!("etcd-override-readiness-{number}").into(), found));
        }
    }
    let sealer = shard.gate.api().registry.options.sealer.as_deref();
    if let Some(sealer) = sealer.filter(|sealer| sealer.has_plugins()) {
        checks.push(("kms-providers".into(), sealer.health().map_err(Cow::Owned)));
    }
    checks.extend(BOOT_CHECKS.map(|name| {
        let result = if name == STORAGE_READINESS { store.clone() } else { Ok(()) };
        (name.into(), result)
    }));
    if endpoint == Endpoint::Readyz {
        let stopping = shard.lifecycle.is_stopping();
        let shutdown = if stopping { Err("process is shutting down".into()) } else { Ok(()) };
        checks.push(("shutdown".into(), shutdown));
    }
    checks
}

/// Whether a store lives and answers; `patience` is for an etcd behind it.
fn pulse(store: &Health, patience: Duration) -> Result<(), Cow<'static, str>> {
    if !store.alive() {
        return Err("the store has stopped".into());
    }
    if store.silent_for() > STORE_SILENCE_MAX {
        return Err("the store does not answer".into());
    }
    if store.etcd.as_ref().is_some_and(|etcd| etcd.silent_for() > patience) {
        return Err("etcd failed: it does not answer".into());
    }
    Ok(())
}

/// The answer for all checks together (`handleRootHealth`).
fn overall(endpoint: Endpoint, checks: &[Check], query: &str, outcomes: &Outcomes) -> Response {
    let parameter = |wanted: &'static str| {
        query.split('&').filter_map(move |pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name == wanted).then(|| percent_decode_str(value).decode_utf8_lossy().into_owned())
        })
    };
    let mut excluded: Vec<String> = parameter("exclude").collect();
    let is_verbose = parameter("verbose").next().is_some();
    let mut lines = String::new();
    let mut failed = Vec::new();
    for (name, result) in checks {
        // Writing to a String cannot fail.
        if excluded.iter().any(|excluded| excluded == name) {
            excluded.retain(|excluded| excluded != name);
            writeln!(lines, "[+]{name} excluded: ok").ok();
            continue;
        }
        outcomes.note(endpoint, name.clone(), result.is_ok());
        if result.is_ok() {
            writeln!(lines, "[+]{name} ok").ok();
        } else {
            failed.push(&**name);
            writeln!(lines, "[-]{name} failed: reason withheld").ok();
        }
    }
    if !excluded.is_empty() {
        excluded.sort_unstable();
        excluded.dedup();
        let quoted: Vec<String> = excluded.iter().map(|name| format!("{name:?}")).collect();
        writeln!(
            lines,
            "warn: some health checks cannot be excluded: no matches for {}",
            quoted.join(",")
        )
        .ok();
    }
    let name = endpoint.name();
    if !failed.is_empty() {
        log::info!("{name} check failed: {}", failed.join(","));
        let text = format!("{lines}{name} check failed\n");
        return Response::text(StatusCode::INTERNAL_SERVER_ERROR, text);
    }
    if is_verbose {
        return Response::text(StatusCode::OK, format!("{lines}{name} check passed\n"));
    }
    Response::text(StatusCode::OK, "ok")
}
