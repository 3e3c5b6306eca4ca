//! Every flag: kube-apiserver's names and defaults (v1.36), and this server's own. One table; what
//! a flag means stands in `resolve`.

/// Headings of `--help`, in kube-apiserver's order after this server's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What kube-apiserver does not have.
    Kubering,
    /// Generic.
    Generic,
    /// etcd.
    Etcd,
    /// Secure serving.
    SecureServing,
    /// Auditing.
    Auditing,
    /// Features.
    Features,
    /// Authentication.
    Authentication,
    /// Authorization.
    Authorization,
    /// API enablement.
    ApiEnablement,
    /// Egress selector.
    EgressSelector,
    /// Admission.
    Admission,
    /// Metrics.
    Metrics,
    /// Logs.
    Logs,
    /// Traces.
    Traces,
    /// Misc.
    Misc,
    /// Global.
    Global,
}

impl Group {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::Kubering,
        Self::Generic,
        Self::Etcd,
        Self::SecureServing,
        Self::Auditing,
        Self::Features,
        Self::Authentication,
        Self::Authorization,
        Self::ApiEnablement,
        Self::EgressSelector,
        Self::Admission,
        Self::Metrics,
        Self::Logs,
        Self::Traces,
        Self::Misc,
        Self::Global,
    ];

    /// The heading, as kube-apiserver prints it.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Kubering => "Kubering flags:",
            Self::Generic => "Generic flags:",
            Self::Etcd => "Etcd flags:",
            Self::SecureServing => "Secure serving flags:",
            Self::Auditing => "Auditing flags:",
            Self::Features => "Features flags:",
            Self::Authentication => "Authentication flags:",
            Self::Authorization => "Authorization flags:",
            Self::ApiEnablement => "API enablement flags:",
            Self::EgressSelector => "Egress selector flags:",
            Self::Admission => "Admission flags:",
            Self::Metrics => "Metrics flags:",
            Self::Logs => "Logs flags:",
            Self::Traces => "Traces flags:",
            Self::Misc => "Misc flags:",
            Self::Global => "Global flags:",
        }
    }
}

/// What values a flag takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `true` or `false`; the flag alone means `true`.
    Bool,
    /// A Go duration, as `1m30s`.
    Duration,
    /// A number with a fraction.
    Float,
    /// A whole number.
    Int,
    /// An IP address.
    Ip,
    /// A list, with commas or by repeating the flag.
    List,
    /// `key=value` pairs, with commas or by repeating the flag.
    Map,
    /// The name of a file or directory.
    Path,
    /// A port number; 0 where the system may choose.
    Port,
    /// Any text.
    Text,
}

/// Whether a flag does something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It does.
    Built,
    /// It will; until then it is taken, and a warning says so.
    Later,
    /// It never will: what it tunes is not there. Taken silently.
    Moot,
}

/// One flag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Name without dashes.
    pub name: &'static str,
    /// Heading.
    pub group: Group,
    /// Values.
    pub kind: Kind,
    /// Value when it is not given; empty for none.
    pub default: &'static str,
    /// Whether it does something.
    pub state: State,
    /// What it is for.
    pub help: &'static str,
}

macro_rules! flags {
    ($($group:ident {
        $($name:literal $kind:ident $default:literal $state:ident $help:literal;)*
    })*) => {
        /// The table.
        pub const FLAGS: &[Flag] = &[$($(Flag {
            name: $name,
            group: Group::$group,
            kind: Kind::$kind,
            default: $default,
            state: State::$state,
            help: $help,
        },)*)*];
    };
}

/// The flag of this name; underscores count as dashes, as upstream (`WordSepNormalizeFunc`).
#[must_use]
pub fn find(name: &str) -> Option<&'static Flag> {
    let name = name.replace('_', "-");
    FLAGS.iter().find(|flag| flag.name == name)
}

flags! {
    Kubering {
        "data-dir" Path "" Built
            "Where the embedded store, certificates and admin.kubeconfig are kept. Default: \
             $XDG_STATE_HOME/kubering, or ~/.local/state/kubering.";
        "shards" Int "0" Built
            "Shards to run, each a thread with its own io_uring. 0 means one for each core this \
             process may use.";
        "pin-shards" Bool "true" Built
            "Keep each shard on a core of its own.";
        "store" Text "embedded" Built
            "Where objects are kept: embedded (durable, in --data-dir) or memory (lost at exit).";
        "shutdown-drain-duration" Duration "1m0s" Built
            "How long requests that are being served may take to end when the server stops.";
    }
    Generic {
        "advertise-address" Ip "" Built
            "IP that members of the cluster reach this server at. Default: the address of the \
             interface that leads out.";
        "cors-allowed-origins" List "" Later
            "Regular expressions of origins for CORS. None disables CORS.";
        "emulated-version" List "" Later
            "Version whose APIs and features are emulated.";
        "emulation-forward-compatible" Bool "false" Later
            "With --emulated-version, serve API versions that are newer than it.";
        "external-hostname" Text "" Built
            "Host name for URLs that lead to this server.";
        "feature-gates" Map "" Later
            "Features to switch on or off, as Feature=true.";
        "goaway-chance" Float "0" Built
            "Chance (at most 0.02) that an HTTP/2 client is asked to connect anew after a request, \
             which spreads clients over servers.";
        "livez-grace-period" Duration "0s" Moot
            "How long /livez counts unfinished boot sequences as healthy.";
        "max-mutating-requests-inflight" Int "200" Built
            "Writes being served at once; more get 429. 0 for no limit.";
        "max-requests-inflight" Int "400" Built
            "Reads being served at once; more get 429. 0 for no limit.";
        "min-compatibility-version" List "" Later
            "Oldest version that storage and features stay compatible with.";
        "min-request-timeout" Int "1800" Built
            "Seconds a watch lasts at least; the end is drawn at random above it.";
        "request-timeout" Duration "1m0s" Built
            "How long a request may take unless it says less itself. Watches are exempt.";
        "runtime-config-emulation-forward-compatible" Bool "false" Later
            "With --runtime-config, serve API versions newer than the emulated one.";
        "shutdown-delay-duration" Duration "0s" Built
            "How long to go on serving after a stop was asked for, while /readyz already fails.";
        "shutdown-send-retry-after" Bool "false" Built
            "While stopping, answer new requests with 429 and Retry-After instead of closing.";
        "shutdown-watch-termination-grace-period" Duration "0s" Built
            "How long watches may go on while the server stops.";
        "storage-initialization-timeout" Duration "1m0s" Moot
            "How long to wait for storage before readiness is reported.";
        "strict-transport-security-directives" List "" Built
            "Directives for the Strict-Transport-Security header.";
    }
    Etcd {
        "delete-collection-workers" Int "1" Moot
            "Workers for deletecollection.";
        "default-watch-cache-size" Int "100" Moot
            "Watch cache size; windows here size themselves.";
        "enable-garbage-collector" Bool "true" Later
            "Support for the garbage collector; must agree with kube-controller-manager.";
        "encryption-provider-config" Path "" Built
            "Configuration of encryption at rest.";
        "encryption-provider-config-automatic-reload" Bool "false" Built
            "Reload the encryption configuration when it changes.";
        "etcd-cafile" Path "" Built
            "CA of etcd's certificates.";
        "etcd-certfile" Path "" Built
            "Client certificate for etcd.";
        "etcd-compaction-interval" Duration "5m0s" Built
            "How often old revisions are compacted. 0 disables it.";
        "etcd-count-metric-poll-period" Duration "1m0s" Moot
            "How often objects are counted; counts here are always present.";
        "etcd-db-metric-poll-interval" Duration "30s" Built
            "How often etcd is asked for the size of its database. 0 disables it.";
        "etcd-healthcheck-timeout" Duration "2s" Built
            "Timeout of etcd's health check.";
        "etcd-keyfile" Path "" Built
            "Client key for etcd.";
        "etcd-prefix" Text "/registry" Built
            "Prefix of all keys in etcd.";
        "etcd-readycheck-timeout" Duration "2s" Built
            "Timeout of etcd's readiness check.";
        "etcd-servers" List "" Built
            "etcd servers (scheme://host:port) to use instead of the embedded store.";
        "etcd-servers-overrides" List "" Built
            "etcd servers for single resources, as group/resource#servers.";
        "lease-reuse-duration-seconds" Int "60" Built
            "How much longer than asked an etcd lease may live, to be used for several events.";
        "storage-backend" Text "" Built
            "Storage backend: etcd3, or empty.";
        "storage-media-type" Text "application/vnd.kubernetes.protobuf" Later
            "Media type of stored objects.";
        "watch-cache" Bool "true" Moot
            "The watch cache; always on here.";
        "watch-cache-sizes" List "" Moot
            "Watch cache sizes of single resources.";
    }
    SecureServing {
        "bind-address" Ip "0.0.0.0" Built
            "IP to listen on.";
        "cert-dir" Path "/var/run/kubernetes" Moot
            "Directory for generated certificates; see --data-dir.";
        "disable-http2-serving" Bool "false" Built
            "Serve HTTP/1.1 only.";
        "http2-max-streams-per-connection" Int "0" Built
            "HTTP/2 streams a client may have open on one connection. 0 means 100.";
        "permit-address-sharing" Bool "false" Moot
            "SO_REUSEADDR on the listening socket.";
        "permit-port-sharing" Bool "false" Built
            "Let other processes listen on the same port (SO_REUSEPORT).";
        "secure-port" Port "6443" Built
            "Port for HTTPS. 0 lets the system choose one.";
        "tls-cert-file" Path "" Built
            "Serving certificate with its chain, PEM. Made by this server if not given.";
        "tls-cipher-suites" List "" Built
            "TLS 1.2 cipher suites by Go's names.";
        "tls-curve-preferences" List "" Built
            "Key exchange groups, by number: 23 (P-256), 24 (P-384), 29 (X25519).";
        "tls-min-version" Text "" Built
            "Lowest TLS version: VersionTLS12 or VersionTLS13.";
        "tls-private-key-file" Path "" Built
            "Private key of --tls-cert-file.";
        "tls-sni-cert-key" List "" Built
            "Further certificates, as certificate,key or certificate,key:name,name; repeatable.";
    }
    Auditing {
        "audit-log-batch-buffer-size" Int "10000" Built "Events kept before they are written.";
        "audit-log-batch-max-size" Int "1" Later "Events written at once.";
        "audit-log-batch-max-wait" Duration "0s" Later "Wait before a batch is written.";
        "audit-log-batch-throttle-burst" Int "0" Later "Batches written at once.";
        "audit-log-batch-throttle-enable" Bool "false" Later "Whether batches are throttled.";
        "audit-log-batch-throttle-qps" Float "0" Later "Batches a second.";
        "audit-log-compress" Bool "false" Built "Compress rotated log files.";
        "audit-log-format" Text "json" Built "json or legacy.";
        "audit-log-maxage" Int "366" Built "Days that old log files are kept.";
        "audit-log-maxbackup" Int "100" Built "Old log files that are kept.";
        "audit-log-maxsize" Int "100" Built "Megabytes of a log file before it is rotated.";
        "audit-log-mode" Text "blocking" Built "batch, blocking or blocking-strict.";
        "audit-log-path" Path "" Built "Log file; - for standard output.";
        "audit-log-truncate-enabled" Bool "false" Built "Truncate large events.";
        "audit-log-truncate-max-batch-size" Int "10485760" Built "Largest batch in bytes.";
        "audit-log-truncate-max-event-size" Int "102400" Built "Largest event in bytes.";
        "audit-log-version" Text "audit.k8s.io/v1" Built "API version of the events.";
        "audit-policy-file" Path "" Built "Audit policy.";
        "audit-webhook-batch-buffer-size" Int "10000" Built "Events kept before they are sent.";
        "audit-webhook-batch-max-size" Int "400" Built "Events sent at once.";
        "audit-webhook-batch-max-wait" Duration "30s" Built "Wait before a batch is sent.";
        "audit-webhook-batch-throttle-burst" Int "15" Built "Batches sent at once.";
        "audit-webhook-batch-throttle-enable" Bool "true" Built "Whether batches are throttled.";
        "audit-webhook-batch-throttle-qps" Float "10" Built "Batches a second.";
        "audit-webhook-config-file" Path "" Built "Kubeconfig of the audit webhook.";
        "audit-webhook-initial-backoff" Duration "10s" Built "Wait before the first retry.";
        "audit-webhook-mode" Text "batch" Built "batch, blocking or blocking-strict.";
        "audit-webhook-truncate-enabled" Bool "false" Built "Truncate large events.";
        "audit-webhook-truncate-max-batch-size" Int "10485760" Built "Largest batch in bytes.";
        "audit-webhook-truncate-max-event-size" Int "102400" Built "Largest event in bytes.";
        "audit-webhook-version" Text "audit.k8s.io/v1" Built "API version of the events.";
    }
    Features {
        "contention-profiling" Bool "false" Moot "Profiling of locks; there are none.";
        "debug-socket-path" Path "" Later "Unix socket for profiling.";
        "enable-priority-and-fairness" Bool "true" Built
            "Share the server out by priority levels, whose requests wait in queues for their \
             turn. Without it the in-flight limits hold.";
        "profiling" Bool "true" Built
            "Serve /debug/pprof, /debug/latency and /debug/shards to who is authorized.";
    }
    Authentication {
        "anonymous-auth" Bool "true" Built
            "Take requests without credentials as system:anonymous.";
        "api-audiences" List "" Built
            "Audiences that tokens must be meant for. Default: --service-account-issuer.";
        "authentication-config" Path "" Built "AuthenticationConfiguration file.";
        "authentication-token-webhook-cache-ttl" Duration "2m0s" Built
            "How long answers of the token webhook are kept.";
        "authentication-token-webhook-config-file" Path "" Built
            "Kubeconfig of the token webhook.";
        "authentication-token-webhook-version" Text "v1beta1" Built
            "API version of TokenReviews sent to the webhook.";
        "client-ca-file" Path "" Built
            "CAs of client certificates, PEM. A CA of the server's own is made if not given.";
        "enable-bootstrap-token-auth" Bool "false" Built
            "Take secrets of type bootstrap.kubernetes.io/token as tokens.";
        "oidc-ca-file" Path "" Built "CA of the OpenID issuer.";
        "oidc-client-id" Text "" Built "Client id of the OpenID issuer.";
        "oidc-groups-claim" Text "" Built "Claim with the user's groups.";
        "oidc-groups-prefix" Text "" Built "Prefix of groups.";
        "oidc-issuer-url" Text "" Built "URL of the OpenID issuer.";
        "oidc-required-claim" Map "" Built "Claims that tokens must have.";
        "oidc-signing-algs" List "RS256" Built "Signing algorithms that are taken.";
        "oidc-username-claim" Text "sub" Built "Claim with the user name.";
        "oidc-username-prefix" Text "" Built "Prefix of user names.";
        "requestheader-allowed-names" List "" Built
            "Common names of front proxies; any if empty.";
        "requestheader-client-ca-file" Path "" Built
            "CAs of front proxies' certificates, PEM.";
        "requestheader-extra-headers-prefix" List "" Built "Prefixes of headers with extras.";
        "requestheader-group-headers" List "" Built "Headers with groups.";
        "requestheader-uid-headers" List "" Built "Headers with the UID.";
        "requestheader-username-headers" List "" Built "Headers with the user name.";
        "service-account-extend-token-expiration" Bool "true" Built
            "Let injected tokens live a year, so that old clients go on working.";
        "service-account-issuer" List "https://kubernetes.default.svc.cluster.local" Built
            "Issuer of service account tokens; the first signs, all are accepted.";
        "service-account-jwks-uri" Text "" Built "URI of the keys in the discovery document.";
        "service-account-key-file" List "" Built
            "Public or private keys that verify service account tokens, PEM; repeatable.";
        "service-account-lookup" Bool "true" Built
            "Check that the service account of a token still is there.";
        "service-account-max-token-expiration" Duration "0s" Built
            "Longest lifetime of a service account token.";
        "token-auth-file" Path "" Built "Static tokens: token,user,uid,\"group1,group2\" lines.";
    }
    Authorization {
        "authorization-config" Path "" Built
            "AuthorizationConfiguration file; read again when it changes.";
        "authorization-mode" List "" Built
            "Authorizers in order: AlwaysAllow, AlwaysDeny, ABAC, Webhook, RBAC, Node. Default: \
             AlwaysAllow.";
        "authorization-policy-file" Path "" Built "ABAC policy.";
        "authorization-webhook-cache-authorized-ttl" Duration "5m0s" Built
            "How long the webhook's consent is kept.";
        "authorization-webhook-cache-unauthorized-ttl" Duration "30s" Built
            "How long the webhook's refusal is kept.";
        "authorization-webhook-config-file" Path "" Built "Kubeconfig of the webhook.";
        "authorization-webhook-version" Text "v1beta1" Built
            "API version of SubjectAccessReviews sent to the webhook.";
    }
    ApiEnablement {
        "runtime-config" Map "" Later
            "APIs to serve or not: api/all, api/ga, api/beta, api/alpha, group/version or \
             group/version/resource, as name=true.";
    }
    EgressSelector {
        "egress-selector-config-file" Path "" Later "EgressSelectorConfiguration file.";
    }
    Admission {
        "admission-control" List "" Later "Deprecated: plugins in order.";
        "admission-control-config-file" Path "" Built "AdmissionConfiguration file.";
        "default-not-ready-toleration-seconds" Int "300" Built
            "Toleration of notReady:NoExecute that pods without one get.";
        "default-unreachable-toleration-seconds" Int "300" Built
            "Toleration of unreachable:NoExecute that pods without one get.";
        "disable-admission-plugins" List "" Built "Default plugins to leave out.";
        "enable-admission-plugins" List "" Built "Plugins beside the default ones.";
    }
    Metrics {
        "allow-metric-labels" Map "" Later "Values that metric labels may have.";
        "allow-metric-labels-manifest" Path "" Later "File of --allow-metric-labels.";
        "disabled-metrics" List "" Later "Metrics to leave out.";
        "show-hidden-metrics-for-version" Text "" Moot "Show metrics hidden since this version.";
    }
    Logs {
        "log-flush-frequency" Duration "5s" Moot "How often logs are flushed; always here.";
        "logging-format" Text "text" Built "text or json.";
        "v" Int "0" Built "Log verbosity: 0 to 2 info, 3 and up debug.";
        "vmodule" Map "" Moot "Verbosity of single files.";
    }
    Traces {
        "tracing-config-file" Path "" Later "TracingConfiguration file.";
    }
    Misc {
        "aggregator-reject-forwarding-redirect" Bool "true" Later
            "Refuse redirects of aggregated API servers.";
        "allow-privileged" Bool "false" Built "Let pods have privileged containers.";
        "apiserver-count" Int "1" Built "Servers in the cluster, for the old reconciler.";
        "coordinated-leadership-lease-duration" Duration "15s" Later
            "Lease duration of coordinated leader election.";
        "coordinated-leadership-renew-deadline" Duration "10s" Later
            "Renew deadline of coordinated leader election.";
        "coordinated-leadership-retry-period" Duration "2s" Later
            "Retry period of coordinated leader election.";
        "enable-aggregator-routing" Bool "false" Later
            "Reach aggregated API servers by endpoints instead of the service IP.";
        "enable-logs-handler" Bool "false" Moot "Deprecated: serve /logs.";
        "endpoint-reconciler-type" Text "lease" Built
            "How the kubernetes service's endpoints are kept: lease, master-count or none.";
        "event-ttl" Duration "1h0m0s" Built "How long events are kept.";
        "kubelet-certificate-authority" Path "" Built "CA of kubelets' certificates.";
        "kubelet-client-certificate" Path "" Built "Client certificate for kubelets.";
        "kubelet-client-key" Path "" Built "Client key for kubelets.";
        "kubelet-port" Port "10250" Built "Deprecated: port of kubelets.";
        "kubelet-preferred-address-types" List
            "Hostname,InternalDNS,InternalIP,ExternalDNS,ExternalIP" Built
            "Node address types in order of preference.";
        "kubelet-read-only-port" Port "10255" Moot "Deprecated: read-only port of kubelets.";
        "kubelet-timeout" Duration "5s" Later "Timeout of requests to kubelets.";
        "kubernetes-service-node-port" Int "0" Later
            "Node port of the kubernetes service; 0 for a ClusterIP.";
        "max-connection-bytes-per-sec" Int "0" Later "Throughput of one exec or log connection.";
        "peer-advertise-ip" Text "" Later "IP for peers.";
        "peer-advertise-port" Text "" Later "Port for peers.";
        "peer-ca-file" Path "" Later "CA of peers' certificates.";
        "proxy-client-cert-file" Path "" Built
            "Client certificate for aggregated API servers and webhooks.";
        "proxy-client-key-file" Path "" Built "Its key.";
        "service-account-signing-endpoint" Path "" Later "Socket of an external token signer.";
        "service-account-signing-key-file" Path "" Built
            "Private key that signs service account tokens, PEM. Made if not given.";
        "service-cluster-ip-range" List "" Built
            "CIDR for cluster IPs of services, or two for dual stack. Default: 10.0.0.0/24.";
        "service-node-port-range" Text "30000-32767" Built "Ports for NodePort services.";
    }
    Global {
        "help" Bool "false" Built "Print this help.";
        "version" Bool "false" Built "Print the version.";
    }
}
