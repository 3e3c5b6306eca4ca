//! The typed configuration.

use crate::audit::{JournalOptions, Mode};
use crate::authn::oidc::FlagIssuer;
use crate::base::cidr::Cidr;
use crate::catalog::Storage;
use crate::rt;
use crate::store::etcd;
use crate::tls;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// All that the operator chose, checked. Immutable while the server runs.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything durable is kept.
    pub data_dir: PathBuf,
    /// How many shards run; at least 1.
    pub shards: usize,
    /// Whether each has a core of its own.
    pub placement: rt::Placement,
    /// The store.
    pub store: Store,
    /// The listener and its certificates.
    pub serving: Serving,
    /// Limits on requests.
    pub requests: Requests,
    /// How the server stops.
    pub shutdown: Shutdown,
    /// Who clients are.
    pub authentication: Authentication,
    /// What they may do.
    pub authorization: Authorization,
    /// Admission.
    pub admission: Admission,
    /// What is told of requests.
    pub audit: Audit,
    /// Services' addresses and ports.
    pub services: Services,
    /// Requests to other servers.
    pub outgoing: Outgoing,
    /// `--runtime-config` in order: API and whether it is served.
    pub runtime_config: Vec<(String, bool)>,
    /// Pods may have privileged containers.
    pub allow_privileged: bool,
    /// Log verbosity.
    pub verbosity: u8,
    /// Logs are JSON.
    pub logs_json: bool,
    /// What the server tells of itself below `/debug/` is served.
    pub profiling: bool,
    /// Objects that cannot be read may be deleted (`AllowUnsafeMalformedObjectDeletion`).
    pub unsafe_deletion: bool,
    /// Every flag by name, with its value as text.
    pub flags: Vec<(&'static str, String)>,
}

/// The store.
#[derive(Debug, Clone)]
pub struct Store {
    /// Keep nothing on disk.
    pub in_memory: bool,
    /// The etcd to use instead of a store of the server's own.
    pub etcd: Option<etcd::Servers>,
    /// Resources that another etcd keeps.
    pub overrides: Vec<Override>,
    /// What `--etcd-servers-overrides` names and no resource is, as `group/resource`.
    pub unknown_overrides: Vec<String>,
    /// `/livez` fails if etcd has not answered for this long.
    pub health_timeout: Duration,
    /// `/readyz` fails if etcd has not answered for this long.
    pub ready_timeout: Duration,
    /// Lifetime of events.
    pub event_ttl: Duration,
    /// How often old revisions are compacted; zero for never.
    pub compaction_interval: Duration,
    /// Encryption at rest.
    pub encryption: Option<Encryption>,
}

/// A further etcd (`--etcd-servers-overrides`).
#[derive(Debug, Clone)]
pub struct Override {
    /// Which, and which of its keys are ours.
    pub servers: etcd::Servers,
    /// What it keeps.
    pub resources: Vec<&'static Storage>,
}

/// Encryption at rest.
#[derive(Debug, Clone)]
pub struct Encryption {
    /// The EncryptionConfiguration.
    pub file: PathBuf,
    /// It is read again when it changes.
    pub reload: bool,
}

/// What is told of requests.
#[derive(Debug, Clone)]
pub struct Audit {
    /// The policy; without one nothing is told.
    pub policy_file: Option<PathBuf>,
    /// Where events are written.
    pub log: Option<JournalOptions>,
    /// Events are lines in the old form.
    pub legacy: bool,
    /// Larger events in the log lose their bodies, if that is limited.
    pub event_bytes_max: Option<usize>,
    /// A service that events are sent to.
    pub webhook: Option<AuditWebhook>,
}

/// The flags `--audit-webhook-*`.
#[derive(Debug, Clone)]
pub struct AuditWebhook {
    /// Its kubeconfig.
    pub config_file: PathBuf,
    /// What requests do meanwhile.
    pub mode: Mode,
    /// Events that may wait.
    pub queue_max: usize,
    /// Events of one list.
    pub batch_max: usize,
    /// How long a list waits for more.
    pub wait_max: Duration,
    /// Lists a second, and at once.
    pub throttle: Option<(f64, u32)>,
    /// The wait before the second try.
    pub first_wait: Duration,
    /// Bytes of one list and of one event, if they are limited.
    pub bytes_max: Option<(usize, usize)>,
}

/// The listener and its certificates.
#[derive(Debug, Clone)]
pub struct Serving {
    /// IP to listen on.
    pub bind_address: IpAddr,
    /// Port to listen on; 0 lets the system choose.
    pub port: u16,
    /// Other processes may listen on the port too.
    pub permit_port_sharing: bool,
    /// IP that others are told.
    pub advertise_address: IpAddr,
    /// Host name for URLs.
    pub external_hostname: Option<String>,
    /// Certificate; the server's own PKI if none.
    pub certificate_file: Option<PathBuf>,
    /// Its key; given together with it.
    pub key_file: Option<PathBuf>,
    /// Further certificates.
    pub sni: Vec<Sni>,
    /// Lowest TLS version.
    pub min_version: tls::MinVersion,
    /// TLS 1.2 suites.
    pub cipher_suites: Vec<String>,
    /// Key exchange groups.
    pub curves: Vec<String>,
    /// No HTTP/2.
    pub http1_only: bool,
    /// HTTP/2 streams of one connection.
    pub streams_max: u32,
}

/// One `--tls-sni-cert-key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sni {
    /// Certificate.
    pub certificate_file: PathBuf,
    /// Key.
    pub key_file: PathBuf,
    /// Host names; the certificate's own if empty.
    pub names: Vec<String>,
}

/// Limits on requests.
#[derive(Debug, Clone)]
pub struct Requests {
    /// How long one may take.
    pub timeout: Duration,
    /// How long a watch lasts at least.
    pub watch_timeout_min: Duration,
    /// Requests are queued by priority; otherwise the two limits below hold.
    pub priority_and_fairness: bool,
    /// Reads at once; 0 for no limit.
    pub read_only_max: usize,
    /// Writes at once; 0 for no limit.
    pub mutating_max: usize,
    /// Chance of a GOAWAY after a request.
    pub goaway_chance: f64,
    /// Origins for CORS.
    pub cors_allowed_origins: Vec<String>,
    /// `Strict-Transport-Security`.
    pub strict_transport_security: Option<String>,
    /// Grace of /livez after the start.
    pub livez_grace_period: Duration,
}

/// How the server stops.
#[derive(Debug, Clone, Copy)]
pub struct Shutdown {
    /// Serve on for this long first.
    pub delay: Duration,
    /// Then answer 429 instead of closing the listener.
    pub send_retry_after: bool,
    /// Watches may go on for this long.
    pub watch_grace: Duration,
    /// Requests may go on for this long.
    pub drain: Duration,
}

/// Who clients are.
#[derive(Debug, Clone)]
pub struct Authentication {
    /// Requests without credentials are taken as system:anonymous.
    pub anonymous: bool,
    /// CAs of client certificates; the server's own PKI if none.
    pub client_ca_file: Option<PathBuf>,
    /// Front proxies.
    pub request_header: RequestHeader,
    /// Static tokens.
    pub token_file: Option<PathBuf>,
    /// `--anonymous-auth` was given.
    pub anonymous_given: bool,
    /// The AuthenticationConfiguration.
    pub config_file: Option<PathBuf>,
    /// The OpenID issuer of flags.
    pub oidc: Option<Oidc>,
    /// A service that knows tokens.
    pub token_webhook: Option<TokenWebhook>,
    /// Secrets of type bootstrap.kubernetes.io/token are tokens.
    pub bootstrap_tokens: bool,
    /// Service accounts.
    pub service_accounts: ServiceAccounts,
}

/// The flags `--oidc-*`.
#[derive(Debug, Clone)]
pub struct Oidc {
    /// What does not stand in a file.
    pub issuer: FlagIssuer,
    /// CAs of its server.
    pub ca_file: Option<PathBuf>,
}

/// How front proxies tell who the user is.
#[derive(Debug, Clone, Default)]
pub struct RequestHeader {
    /// Whether front proxies are trusted at all: their CA was given, or the server's own PKI has
    /// made one because no CA for clients was given either.
    pub enabled: bool,
    /// CAs of their certificates; the server's own PKI if none.
    pub client_ca_file: Option<PathBuf>,
    /// Common names of proxies that are trusted; any if empty.
    pub allowed_names: Vec<String>,
    /// Headers with the user name.
    pub username_headers: Vec<String>,
    /// Headers with the UID.
    pub uid_headers: Vec<String>,
    /// Headers with groups.
    pub group_headers: Vec<String>,
    /// Prefixes of headers with extras.
    pub extra_headers_prefixes: Vec<String>,
}

/// Tokens of service accounts.
#[derive(Debug, Clone)]
pub struct ServiceAccounts {
    /// Keys that verify; the signing key's public half if none.
    pub key_files: Vec<PathBuf>,
    /// Key that signs; the server's own PKI if none.
    pub signing_key_file: Option<PathBuf>,
    /// Issuers; the first signs.
    pub issuers: Vec<String>,
    /// Audiences of tokens for this server; the issuers if none were given.
    pub api_audiences: Vec<String>,
    /// Where the keys are published.
    pub jwks_uri: Option<String>,
    /// Check that the account still is there.
    pub lookup: bool,
    /// Longest lifetime; none if zero.
    pub max_expiration: Duration,
    /// Injected tokens live a year.
    pub extend_expiration: bool,
}

/// What clients may do.
#[derive(Debug, Clone)]
pub struct Authorization {
    /// Modes in order; none if a file tells the authorizers.
    pub modes: Vec<String>,
    /// The AuthorizationConfiguration.
    pub config_file: Option<PathBuf>,
    /// ABAC's policies.
    pub policy_file: Option<PathBuf>,
    /// How the Webhook of a mode is asked.
    pub webhook: Option<AuthorizationWebhook>,
}

/// The flags `--authorization-webhook-*`.
#[derive(Debug, Clone)]
pub struct AuthorizationWebhook {
    /// Its kubeconfig.
    pub config_file: PathBuf,
    /// Version of the review.
    pub version: String,
    /// How long consent is kept.
    pub authorized_ttl: Duration,
    /// How long refusal is kept.
    pub unauthorized_ttl: Duration,
}

/// The flags `--authentication-token-webhook-*`.
#[derive(Debug, Clone)]
pub struct TokenWebhook {
    /// Its kubeconfig.
    pub config_file: PathBuf,
    /// Version of the review.
    pub version: String,
    /// How long answers are kept.
    pub ttl: Duration,
}

/// Admission.
#[derive(Debug, Clone)]
pub struct Admission {
    /// Plugins beside the default ones.
    pub enabled: Vec<String>,
    /// Default ones that are left out.
    pub disabled: Vec<String>,
    /// The AdmissionConfiguration.
    pub config_file: Option<PathBuf>,
    /// Seconds of the notReady toleration.
    pub not_ready_toleration_seconds: i64,
    /// Seconds of the unreachable toleration.
    pub unreachable_toleration_seconds: i64,
}

/// Requests to other servers.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// What is shown to aggregated API servers: certificate and key.
    pub proxy_client: Option<(PathBuf, PathBuf)>,
    /// CA of kubelets' certificates, which are not verified without.
    pub kubelet_ca_file: Option<PathBuf>,
    /// What is shown to kubelets: certificate and key.
    pub kubelet_client: Option<(PathBuf, PathBuf)>,
    /// Where kubelets listen whose node does not say.
    pub kubelet_port: u16,
    /// Types of node addresses, the best first.
    pub kubelet_address_types: Vec<String>,
}

/// Services' addresses and ports.
#[derive(Debug, Clone)]
pub struct Services {
    /// One range, or two of different families.
    pub cluster_ip_ranges: Vec<Cidr>,
    /// First node port.
    pub node_port_first: u16,
    /// Last node port.
    pub node_port_last: u16,
    /// Who keeps the endpoints of the service `kubernetes`.
    pub endpoints: Reconciler,
}

/// How the endpoints of the service `kubernetes` are kept (`--endpoint-reconciler-type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reconciler {
    /// Those servers whose leases have not expired.
    Lease,
    /// At most so many servers, each of which adds itself (`--apiserver-count`).
    MasterCount(u32),
    /// Not by servers.
    Off,
}
