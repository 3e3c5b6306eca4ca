//! Names, kinds and helps of metrics.

/// What a metric is to Prometheus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Buckets.
    Histogram,
    /// Quantiles.
    Summary,
}

/// One metric with all its label values.
#[derive(Debug, PartialEq, Eq)]
pub struct Family {
    /// Name.
    pub name: &'static str,
    /// Kind.
    pub kind: Kind,
    /// Explanation, with upstream's stability level before it.
    pub help: &'static str,
}

pub(in crate::metrics) const fn family(
    name: &'static str,
    kind: Kind,
    help: &'static str,
) -> Family {
    Family { name, kind, help }
}

/// Requests by what they did and how they ended.
pub(in crate::metrics) const REQUESTS: Family = family(
    "apiserver_request_total",
    Kind::Counter,
    "[STABLE] Requests by verb, dry run value, group, version, resource, scope, component, and \
     HTTP response code.",
);
/// How long requests took, in upstream's buckets.
pub(in crate::metrics) const REQUEST_SECONDS: Family = family(
    "apiserver_request_duration_seconds",
    Kind::Histogram,
    "[STABLE] Response latency in seconds by verb, dry run value, group, version, resource, \
     subresource, scope and component.",
);
/// How long requests took, exactly.
pub(in crate::metrics) const REQUEST_QUANTILES: Family = family(
    "kubering_request_duration_seconds",
    Kind::Summary,
    "[ALPHA] Quantiles of the response latency in seconds since the start, to 1 %.",
);
/// How large answers to GET and LIST were.
pub(in crate::metrics) const RESPONSE_SIZES: Family = family(
    "apiserver_response_sizes",
    Kind::Histogram,
    "[STABLE] Response size in bytes by group, version, verb, resource, subresource, scope and \
     component.",
);
/// Requests being served.
pub(in crate::metrics) const IN_FLIGHT: Family = family(
    "apiserver_current_inflight_requests",
    Kind::Gauge,
    "[STABLE] Requests being served, by kind: mutating or readOnly.",
);
/// Watches and the like.
pub(in crate::metrics) const LONG_RUNNING: Family = family(
    "apiserver_longrunning_requests",
    Kind::Gauge,
    "[STABLE] Long-running requests being served, by verb, group, version, resource, scope and \
     component.",
);
/// Events sent to watchers.
pub(in crate::metrics) const WATCH_EVENTS: Family = family(
    "apiserver_watch_events_total",
    Kind::Counter,
    "[ALPHA] Events sent in watches, by group, version and resource.",
);
/// Their sizes.
pub(in crate::metrics) const WATCH_EVENT_SIZES: Family = family(
    "apiserver_watch_events_sizes",
    Kind::Histogram,
    "[ALPHA] Sizes in bytes of events sent in watches, by group, version and resource.",
);
const AUTHENTICATION: Family = family(
    "authentication_attempts",
    Kind::Counter,
    "[ALPHA] Attempts to authenticate, by result: success, failure or error.",
);
const AUTHORIZATION: Family = family(
    "authorization_attempts_total",
    Kind::Counter,
    "[ALPHA] Decisions of the authorizers, by result: allowed, denied, no-opinion or error.",
);
const ABORTS: Family = family(
    "apiserver_request_aborts_total",
    Kind::Counter,
    "[ALPHA] Requests that ended without an answer.",
);
const TERMINATIONS: Family = family(
    "apiserver_request_terminations_total",
    Kind::Counter,
    "[ALPHA] Requests turned away in self-defence, by HTTP response code.",
);
/// Requests whose handler panicked.
pub const PANICS: Family =
    family("kubering_panics_total", Kind::Counter, "[ALPHA] Requests whose handler panicked.");
/// TLS handshakes that failed.
pub const TLS_HANDSHAKE_ERRORS: Family = family(
    "apiserver_tls_handshake_errors_total",
    Kind::Counter,
    "[ALPHA] Requests dropped with a TLS handshake error.",
);
/// Watchers ended as too slow.
pub const TERMINATED_WATCHERS: Family = family(
    "apiserver_terminated_watchers_total",
    Kind::Counter,
    "[ALPHA] Watchers closed because they did not keep up.",
);
/// Objects in the store.
pub const STORAGE_OBJECTS: Family =
    family("apiserver_storage_objects", Kind::Gauge, "[STABLE] Stored objects by resource.");
/// Objects in the store, by group and resource.
pub const RESOURCE_OBJECTS: Family = family(
    "apiserver_resource_objects",
    Kind::Gauge,
    "[ALPHA] Stored objects by group and resource.",
);
/// About how large the objects of a resource are together.
pub const RESOURCE_BYTES: Family = family(
    "apiserver_resource_size_estimate_bytes",
    Kind::Gauge,
    "[ALPHA] Estimated size of stored objects by group and resource, from the size of some.",
);
/// What the store tells of each resource.
pub const CACHE_EVENTS: Family = family(
    "apiserver_watch_cache_events_received_total",
    Kind::Counter,
    "[ALPHA] Changes taken into memory, by group and resource.",
);
/// How far the memory of a resource is.
pub const CACHE_REVISION: Family = family(
    "apiserver_watch_cache_resource_version",
    Kind::Gauge,
    "[ALPHA] The resource version that memory has reached, by group and resource.",
);
/// Lists answered from memory.
pub const CACHE_LISTS: [Family; 3] = [
    family(
        "apiserver_cache_list_total",
        Kind::Counter,
        "[ALPHA] Number of LIST requests served from watch cache",
    ),
    family(
        "apiserver_cache_list_fetched_objects_total",
        Kind::Counter,
        "[ALPHA] Number of objects read from watch cache in the course of serving a LIST request",
    ),
    family(
        "apiserver_cache_list_returned_objects_total",
        Kind::Counter,
        "[ALPHA] Number of objects returned for a LIST request from watch cache",
    ),
];
/// Lists answered from the store.
pub const STORE_LISTS: [Family; 4] = [
    family(
        "apiserver_storage_list_total",
        Kind::Counter,
        "[ALPHA] Number of LIST requests served from storage",
    ),
    family(
        "apiserver_storage_list_fetched_objects_total",
        Kind::Counter,
        "[ALPHA] Number of objects read from storage in the course of serving a LIST request",
    ),
    family(
        "apiserver_storage_list_evaluated_objects_total",
        Kind::Counter,
        "[ALPHA] Number of objects tested in the course of serving a LIST request from storage",
    ),
    family(
        "apiserver_storage_list_returned_objects_total",
        Kind::Counter,
        "[ALPHA] Number of objects returned for a LIST request from storage",
    ),
];
/// Open connections.
pub const CONNECTIONS: Family =
    family("kubering_connections", Kind::Gauge, "[ALPHA] Open connections.");
/// Watchers.
pub const WATCHERS: Family =
    family("apiserver_registered_watchers", Kind::Gauge, "[ALPHA] Watchers by resource.");
/// Frames queued for watchers.
pub const WATCH_FRAMES: Family = family(
    "kubering_watch_frames_total",
    Kind::Counter,
    "[ALPHA] Frames queued for watchers: events, bookmarks and errors.",
);
/// Shards.
pub const SHARDS: Family = family("kubering_shards", Kind::Gauge, "[ALPHA] Shards.");
/// Start-up time.
pub const INIT_SECONDS: Family =
    family("kubering_uptime_seconds", Kind::Gauge, "[ALPHA] Seconds since the process started.");
/// Writes applied by the store.
pub const STORAGE_WRITES: Family = family(
    "kubering_store_writes_total",
    Kind::Counter,
    "[ALPHA] Writes that the store made durable.",
);
/// Writes refused by the store.
pub const STORAGE_CONFLICTS: Family = family(
    "kubering_store_conflicts_total",
    Kind::Counter,
    "[ALPHA] Writes that the store refused because the key was not as expected.",
);
/// Events in the store's history.
pub const STORAGE_EVENTS: Family = family(
    "kubering_store_history_events",
    Kind::Gauge,
    "[ALPHA] Changes that the store can still tell one by one.",
);
/// Keys in the store.
pub const STORAGE_KEYS: Family =
    family("kubering_store_keys", Kind::Gauge, "[ALPHA] Keys in the store.");
/// Writes in each durable group.
pub const STORAGE_GROUP_SIZE: Family = family(
    "kubering_store_group_size",
    Kind::Histogram,
    "[ALPHA] Writes that were made durable together.",
);
/// Waits for the device.
pub const STORAGE_SYNC_SECONDS: Family = family(
    "kubering_store_sync_duration_seconds",
    Kind::Histogram,
    "[ALPHA] How long each durable group waited for the device.",
);
/// Calls to etcd.
pub const ETCD_REQUEST_SECONDS: Family = family(
    "etcd_request_duration_seconds",
    Kind::Histogram,
    "[ALPHA] Etcd request latency in seconds for each operation and object type.",
);
/// Calls to etcd.
pub const ETCD_REQUESTS: Family = family(
    "etcd_requests_total",
    Kind::Counter,
    "[ALPHA] Etcd request counts for each operation and object type.",
);
/// Failed calls to etcd.
pub const ETCD_ERRORS: Family = family(
    "etcd_request_errors_total",
    Kind::Counter,
    "[ALPHA] Etcd failed request counts for each operation and object type.",
);
/// Size of etcd's database.
pub const ETCD_SIZE: Family = family(
    "apiserver_storage_size_bytes",
    Kind::Gauge,
    "[STABLE] Size of the storage database file physically allocated in bytes.",
);
/// Keys of leases.
pub const ETCD_LEASE_KEYS: Family = family(
    "etcd_lease_object_counts",
    Kind::Histogram,
    "[ALPHA] Number of objects attached to a single etcd lease.",
);
/// What etcd tells of each resource.
pub const ETCD_EVENTS: Family = family(
    "apiserver_storage_events_received_total",
    Kind::Counter,
    "[BETA] Number of etcd events received split by kind.",
);
/// Watches of etcd that were started anew.
pub const ETCD_WATCH_RESTARTS: Family = family(
    "kubering_etcd_watch_restarts_total",
    Kind::Counter,
    "[ALPHA] Times that the watch of etcd broke and was started anew.",
);
/// States that were read anew.
pub const ETCD_RESYNCS: Family = family(
    "kubering_etcd_resyncs_total",
    Kind::Counter,
    "[ALPHA] Times that changes were lost to compaction and all keys were read anew.",
);
/// Audit events.
pub const AUDIT_EVENTS: Family = family(
    "apiserver_audit_event_total",
    Kind::Counter,
    "[ALPHA] Audit events generated and sent to the audit backend.",
);
/// Audit events that were lost.
pub const AUDIT_ERRORS: Family = family(
    "apiserver_audit_error_total",
    Kind::Counter,
    "[ALPHA] Audit events that failed to be audited properly, by plugin.",
);
/// Requests that failed for their audit.
pub const AUDIT_REJECTED: Family = family(
    "apiserver_audit_requests_rejected_total",
    Kind::Counter,
    "[ALPHA] Requests rejected due to an error in the audit logging backend.",
);
/// Requests by audit level.
pub const AUDIT_LEVELS: Family = family(
    "apiserver_audit_level_total",
    Kind::Counter,
    "[ALPHA] Requests by the policy's audit level.",
);
/// See its help.
pub const FLOW_REJECTED: Family = family(
    "apiserver_flowcontrol_rejected_requests_total",
    Kind::Counter,
    "[BETA] Requests refused, by priority level, flow schema and reason.",
);
/// See its help.
pub const FLOW_DISPATCHED: Family = family(
    "apiserver_flowcontrol_dispatched_requests_total",
    Kind::Counter,
    "[BETA] Requests let in, by priority level and flow schema.",
);
/// See its help.
pub const FLOW_IN_QUEUE: Family = family(
    "apiserver_flowcontrol_current_inqueue_requests",
    Kind::Gauge,
    "[BETA] Requests that wait, by priority level and flow schema.",
);
/// See its help.
pub const FLOW_EXECUTING: Family = family(
    "apiserver_flowcontrol_current_executing_requests",
    Kind::Gauge,
    "[BETA] Requests being served, by priority level and flow schema.",
);
/// See its help.
pub const FLOW_SEATS: Family = family(
    "apiserver_flowcontrol_current_executing_seats",
    Kind::Gauge,
    "[BETA] Seats taken, by priority level and flow schema.",
);
/// See its help.
pub const FLOW_NOMINAL_LIMIT: Family = family(
    "apiserver_flowcontrol_nominal_limit_seats",
    Kind::Gauge,
    "[BETA] Seats of each priority level by its shares.",
);
/// See its help.
pub const FLOW_CURRENT_LIMIT: Family = family(
    "apiserver_flowcontrol_current_limit_seats",
    Kind::Gauge,
    "[ALPHA] Seats of each priority level now.",
);
/// See its help.
pub const FLOW_LOWER_LIMIT: Family = family(
    "apiserver_flowcontrol_lower_limit_seats",
    Kind::Gauge,
    "[ALPHA] Fewest seats of each priority level.",
);
/// See its help.
pub const FLOW_UPPER_LIMIT: Family = family(
    "apiserver_flowcontrol_upper_limit_seats",
    Kind::Gauge,
    "[ALPHA] Most seats of each priority level.",
);
/// See its help.
pub const FLOW_DEMAND_MOST: Family = family(
    "apiserver_flowcontrol_demand_seats_high_watermark",
    Kind::Gauge,
    "[ALPHA] Most seats wanted in the last adjustment period.",
);
/// See its help.
pub const FLOW_DEMAND_MEAN: Family = family(
    "apiserver_flowcontrol_demand_seats_average",
    Kind::Gauge,
    "[ALPHA] Mean of the seats wanted in the last adjustment period.",
);
/// See its help.
pub const FLOW_DEMAND_DEVIATION: Family = family(
    "apiserver_flowcontrol_demand_seats_stdev",
    Kind::Gauge,
    "[ALPHA] Deviation of the seats wanted in the last adjustment period.",
);
/// See its help.
pub const FLOW_DEMAND_SMOOTHED: Family = family(
    "apiserver_flowcontrol_demand_seats_smoothed",
    Kind::Gauge,
    "[ALPHA] Smoothed demand for seats.",
);
/// See its help.
pub const FLOW_TARGET: Family = family(
    "apiserver_flowcontrol_target_seats",
    Kind::Gauge,
    "[ALPHA] Seats that each priority level should have.",
);
/// See its help.
pub const FLOW_FAIR_PART: Family = family(
    "apiserver_flowcontrol_seat_fair_frac",
    Kind::Gauge,
    "[ALPHA] Part of their targets that priority levels get.",
);
/// See its help.
pub const KMS_SECONDS: Family = family(
    "apiserver_envelope_encryption_kms_operations_latency_seconds",
    Kind::Histogram,
    "[ALPHA] KMS operation duration with gRPC error code status total.",
);
/// See its help.
pub const KMS_INVALID_KEY_IDS: Family = family(
    "apiserver_envelope_encryption_invalid_key_id_from_status_total",
    Kind::Counter,
    "[ALPHA] Number of times an invalid keyID is returned by the Status RPC call split by error.",
);
/// See its help.
pub(in crate::metrics) const AUTHENTICATED: Family = family(
    "authenticated_user_requests",
    Kind::Counter,
    "[ALPHA] Counter of authenticated requests broken out by username.",
);
/// See its help.
pub(in crate::metrics) const CERTIFICATES: Family = family(
    "apiserver_client_certificate_expiration_seconds",
    Kind::Histogram,
    "[ALPHA] Distribution of the remaining lifetime on the certificate used to authenticate a \
     request.",
);
/// See its help.
const LEGACY_TOKENS: Family = family(
    "serviceaccount_legacy_tokens_total",
    Kind::Counter,
    "[ALPHA] Cumulative legacy service account tokens used.",
);
/// See its help.
const STALE_TOKENS: Family = family(
    "serviceaccount_stale_tokens_total",
    Kind::Counter,
    "[ALPHA] Cumulative stale projected service account tokens used.",
);
/// See its help.
const VALID_TOKENS: Family = family(
    "serviceaccount_valid_tokens_total",
    Kind::Counter,
    "[ALPHA] Cumulative valid projected service account tokens used.",
);
/// See its help.
const AUTO_LEGACY_TOKENS: Family = family(
    "serviceaccount_legacy_auto_token_uses_total",
    Kind::Counter,
    "[ALPHA] Cumulative auto-generated legacy tokens used.",
);
/// See its help.
const MANUAL_LEGACY_TOKENS: Family = family(
    "serviceaccount_legacy_manual_token_uses_total",
    Kind::Counter,
    "[ALPHA] Cumulative manually created legacy tokens used.",
);
/// See its help.
const INVALID_LEGACY_TOKENS: Family = family(
    "serviceaccount_invalid_legacy_auto_token_uses_total",
    Kind::Counter,
    "[ALPHA] Cumulative invalid auto-generated legacy tokens used.",
);
/// Time of requests by phase.
pub const PHASE_SECONDS: Family = family(
    "kubering_request_phase_seconds",
    Kind::Histogram,
    "Time of requests by what they were at: queue, store, encode and so on.",
);
/// Time of events to watchers.
pub const WATCH_DELIVERY_SECONDS: Family = family(
    "kubering_watch_delivery_seconds",
    Kind::Histogram,
    "Time from the commit of a change until a watcher's connection is given its event.",
);
/// CPU time.
pub(in crate::metrics) const CPU_SECONDS: Family = family(
    "process_cpu_seconds_total",
    Kind::Counter,
    "Total user and system CPU time spent in seconds.",
);
/// Memory.
pub(in crate::metrics) const RESIDENT_BYTES: Family =
    family("process_resident_memory_bytes", Kind::Gauge, "Resident memory size in bytes.");
/// Address space.
pub(in crate::metrics) const VIRTUAL_BYTES: Family =
    family("process_virtual_memory_bytes", Kind::Gauge, "Virtual memory size in bytes.");
/// Files.
pub(in crate::metrics) const OPEN_FILES: Family =
    family("process_open_fds", Kind::Gauge, "Number of open file descriptors.");
/// Files allowed.
pub(in crate::metrics) const OPEN_FILES_MAX: Family =
    family("process_max_fds", Kind::Gauge, "Maximum number of open file descriptors.");
/// Start.
pub(in crate::metrics) const START_SECONDS: Family = family(
    "process_start_time_seconds",
    Kind::Gauge,
    "Start time of the process since unix epoch in seconds.",
);

/// Counters with fixed label values, each a cell of the recorder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tally {
    /// A user was found.
    AuthenticationSuccess,
    /// There were no credentials.
    AuthenticationFailure,
    /// Credentials could not be judged, or were refused.
    AuthenticationError,
    /// An authorizer allowed.
    AuthorizationAllowed,
    /// An authorizer forbade.
    AuthorizationDenied,
    /// The authorizers failed.
    AuthorizationError,
    /// No authorizer allowed.
    AuthorizationNoOpinion,
    /// The client left before the answer.
    Aborted,
    /// Answered 429 for lack of room.
    TerminatedTooMany,
    /// Answered 504 at the deadline.
    TerminatedTimeout,
    /// A token of a service account without an audience.
    LegacyTokens,
    /// One that is used after its client should have had a new one.
    StaleTokens,
    /// One that is bound and not stale.
    ValidTokens,
    /// The token of a secret that its account lists.
    AutoLegacyTokens,
    /// The token of a secret that it does not list.
    ManualLegacyTokens,
    /// The token of a secret that is marked invalid.
    InvalidLegacyTokens,
}

impl Tally {
    /// All of them, in the order of their cells.
    pub(in crate::metrics) const ALL: [Self; 16] = [
        Self::AuthenticationSuccess,
        Self::AuthenticationFailure,
        Self::AuthenticationError,
        Self::AuthorizationAllowed,
        Self::AuthorizationDenied,
        Self::AuthorizationError,
        Self::AuthorizationNoOpinion,
        Self::Aborted,
        Self::TerminatedTooMany,
        Self::TerminatedTimeout,
        Self::LegacyTokens,
        Self::StaleTokens,
        Self::ValidTokens,
        Self::AutoLegacyTokens,
        Self::ManualLegacyTokens,
        Self::InvalidLegacyTokens,
    ];

    /// The metric and its label.
    pub(in crate::metrics) const fn place(
        self,
    ) -> (&'static Family, Option<(&'static str, &'static str)>) {
        match self {
            Self::AuthenticationSuccess => (&AUTHENTICATION, Some(("result", "success"))),
            Self::AuthenticationFailure => (&AUTHENTICATION, Some(("result", "failure"))),
            Self::AuthenticationError => (&AUTHENTICATION, Some(("result", "error"))),
            Self::AuthorizationAllowed => (&AUTHORIZATION, Some(("result", "allowed"))),
            Self::AuthorizationDenied => (&AUTHORIZATION, Some(("result", "denied"))),
            Self::AuthorizationError => (&AUTHORIZATION, Some(("result", "error"))),
            Self::AuthorizationNoOpinion => (&AUTHORIZATION, Some(("result", "no-opinion"))),
            Self::Aborted => (&ABORTS, None),
            Self::TerminatedTooMany => (&TERMINATIONS, Some(("code", "429"))),
            Self::TerminatedTimeout => (&TERMINATIONS, Some(("code", "504"))),
            Self::LegacyTokens => (&LEGACY_TOKENS, None),
            Self::StaleTokens => (&STALE_TOKENS, None),
            Self::ValidTokens => (&VALID_TOKENS, None),
            Self::AutoLegacyTokens => (&AUTO_LEGACY_TOKENS, None),
            Self::ManualLegacyTokens => (&MANUAL_LEGACY_TOKENS, None),
            Self::InvalidLegacyTokens => (&INVALID_LEGACY_TOKENS, None),
        }
    }
}
