//! Values of flags → the typed configuration.

use crate::base::cidr::Cidr;
use crate::config::audit::audit;
use crate::config::authorization::{authorization, version};
use crate::config::etcd::store;
use crate::config::model::Admission;
use crate::config::model::Authentication;
use crate::config::model::Config;
use crate::config::model::Reconciler;
use crate::config::model::RequestHeader;
use crate::config::model::Requests;
use crate::config::model::ServiceAccounts;
use crate::config::model::Services;
use crate::config::model::Serving;
use crate::config::model::Shutdown;
use crate::config::model::Sni;
use crate::config::model::TokenWebhook;
use crate::config::oidc::oidc;
use crate::config::outgoing::outgoing;
use crate::config::parse::FlagError;
use crate::config::parse::UNSAFE_DELETION;
use crate::config::parse::Values;
use crate::rt;
use crate::tls;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::path::PathBuf;
use std::time::Duration;

/// Upstream's bound of `--goaway-chance`.
const GOAWAY_CHANCE_MAX: f64 = 0.02;
/// The range for services if none is given (`DefaultServiceIPCIDR`).
const DEFAULT_CLUSTER_IP_RANGE: &str = "10.0.0.0/24";
/// Host bits that a range for services may have at most (`validateClusterIPFlags`).
const CLUSTER_IP_BITS_MAX: u8 = 20;
/// Shards at most; each is a thread with three rings.
const SHARDS_MAX: i64 = 1_024;

impl Config {
    /// Gives values their meaning and checks how they go together. Files are named, not read.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn resolve(values: &Values) -> Result<Self, FlagError> {
        let shards = match values.int("shards") {
            0 => rt::cores().len(),
            n if n <= SHARDS_MAX => usize::try_from(n).unwrap_or(1),
            _ => return Err(values.invalid("shards", format!("must be at most {SHARDS_MAX}"))),
        };
        let placement =
            if values.bool("pin-shards") { rt::Placement::Pinned } else { rt::Placement::Unpinned };
        let mut runtime_config = Vec::new();
        for (api, value) in values.map("runtime-config") {
            match value.as_str() {
                "" | "true" | "1" => runtime_config.push((api, true)),
                "false" | "0" => runtime_config.push((api, false)),
                _ => {
                    let message = format!("{api} must be true or false");
                    return Err(values.invalid("runtime-config", message));
                }
            }
        }
        Ok(Self {
            data_dir: data_dir(values)?,
            shards,
            placement,
            store: store(values, placement, shards)?,
            serving: serving(values)?,
            requests: requests(values)?,
            shutdown: Shutdown {
                delay: values.duration("shutdown-delay-duration"),
                send_retry_after: values.bool("shutdown-send-retry-after"),
                watch_grace: values.duration("shutdown-watch-termination-grace-period"),
                drain: values.duration("shutdown-drain-duration"),
            },
            authentication: authentication(values)?,
            authorization: authorization(values)?,
            admission: admission(values)?,
            audit: audit(values)?,
            services: services(values)?,
            outgoing: outgoing(values)?,
            runtime_config,
            allow_privileged: values.bool("allow-privileged"),
            verbosity: u8::try_from(values.int("v")).unwrap_or(u8::MAX),
            logs_json: match values.text("logging-format") {
                "text" => false,
                "json" => true,
                _ => return Err(values.invalid("logging-format", "must be text or json")),
            },
            profiling: values.bool("profiling"),
            unsafe_deletion: unsafe_deletion(values)?,
            flags: values.all(),
        })
    }
}

/// Whether the feature is on.
fn unsafe_deletion(values: &Values) -> Result<bool, FlagError> {
    let gates = values.map("feature-gates");
    let given = gates.iter().rev().find(|(feature, _)| feature == UNSAFE_DELETION);
    match given.map(|(_, value)| value.as_str()) {
        None | Some("false") => Ok(false),
        Some("true") => Ok(true),
        Some(value) => {
            let message = format!(
                "invalid value of {UNSAFE_DELETION}={value}, err: strconv.ParseBool: parsing \
                 {value:?}: invalid syntax"
            );
            Err(values.invalid("feature-gates", message))
        }
    }
}

fn data_dir(values: &Values) -> Result<PathBuf, FlagError> {
    if let Some(given) = values.path("data-dir") {
        return Ok(given);
    }
    let absolute = |name: &str| {
        std::env::var_os(name).map(PathBuf::from).filter(|directory| directory.is_absolute())
    };
    absolute("XDG_STATE_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/state")))
        .map(|state| state.join("kubering"))
        .ok_or_else(|| {
            let message = "--data-dir must be given: neither XDG_STATE_HOME nor HOME is set";
            FlagError::Combination(message.to_owned())
        })
}

fn serving(values: &Values) -> Result<Serving, FlagError> {
    let bind_address = values.ip("bind-address").unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let certificate_file = values.path("tls-cert-file");
    let key_file = values.path("tls-private-key-file");
    if certificate_file.is_some() != key_file.is_some() {
        let message = "--tls-cert-file and --tls-private-key-file must be given together";
        return Err(FlagError::Combination(message.to_owned()));
    }
    let advertise_address = match values.ip("advertise-address") {
        Some(address) if address.is_unspecified() => {
            return Err(values.invalid("advertise-address", "must not be the unspecified address"));
        }
        Some(address) => address,
        None if bind_address.is_unspecified() || bind_address.is_loopback() => outward_address(),
        None => bind_address,
    };
    Ok(Serving {
        bind_address,
        port: values.text("secure-port").parse().unwrap_or_default(),
        permit_port_sharing: values.bool("permit-port-sharing"),
        advertise_address,
        external_hostname: values.some_text("external-hostname"),
        certificate_file,
        key_file,
        sni: values
            .uses("tls-sni-cert-key")
            .iter()
            .map(|use_| sni(use_))
            .collect::<Result<_, _>>()?,
        min_version: match values.text("tls-min-version") {
            "" | "VersionTLS12" => tls::MinVersion::Tls12,
            "VersionTLS13" => tls::MinVersion::Tls13,
            _ => {
                let message = "must be VersionTLS12 or VersionTLS13";
                return Err(values.invalid("tls-min-version", message));
            }
        },
        cipher_suites: values.list("tls-cipher-suites"),
        curves: values.list("tls-curve-preferences"),
        http1_only: values.bool("disable-http2-serving"),
        streams_max: match values.int("http2-max-streams-per-connection") {
            0 => crate::base::limits::HTTP2_STREAMS_MAX,
            n => u32::try_from(n)
                .map_err(|_| values.invalid("http2-max-streams-per-connection", "is too large"))?,
        },
    })
}

/// `certificate,key` or `certificate,key:name,name` (`NamedCertKey.Set`).
fn sni(text: &str) -> Result<Sni, FlagError> {
    let (files, names) = text.split_once(':').unwrap_or((text, ""));
    let invalid = || FlagError::Invalid {
        flag: "tls-sni-cert-key",
        value: text.to_owned(),
        message: "must be certificate,key or certificate,key:name,name".to_owned(),
    };
    let (certificate, key) = files.split_once(',').ok_or_else(invalid)?;
    if certificate.trim().is_empty() || key.trim().is_empty() || key.contains(',') {
        return Err(invalid());
    }
    Ok(Sni {
        certificate_file: PathBuf::from(certificate.trim()),
        key_file: PathBuf::from(key.trim()),
        names: names
            .split(',')
            .map(str::trim)
            .filter(|n| !n.is_empty())
            .map(str::to_owned)
            .collect(),
    })
}

/// The address of the interface that leads out, or the loopback one. Connecting a datagram socket
/// sends nothing; it only asks the system which address it would use.
fn outward_address() -> IpAddr {
    let found = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    found.map_or(IpAddr::V4(Ipv4Addr::LOCALHOST), |address| address.ip())
}

fn requests(values: &Values) -> Result<Requests, FlagError> {
    let goaway_chance = values.float("goaway-chance");
    if !(0.0..=GOAWAY_CHANCE_MAX).contains(&goaway_chance) {
        let message = format!("must be between 0 and {GOAWAY_CHANCE_MAX}");
        return Err(values.invalid("goaway-chance", message));
    }
    let timeout = values.duration("request-timeout");
    if timeout.is_zero() {
        return Err(values.invalid("request-timeout", "must not be 0"));
    }
    let count = |name| usize::try_from(values.int(name)).unwrap_or(usize::MAX);
    let directives = values.list("strict-transport-security-directives");
    Ok(Requests {
        timeout,
        watch_timeout_min: Duration::from_secs(
            u64::try_from(values.int("min-request-timeout")).unwrap_or_default(),
        ),
        priority_and_fairness: values.bool("enable-priority-and-fairness"),
        read_only_max: count("max-requests-inflight"),
        mutating_max: count("max-mutating-requests-inflight"),
        goaway_chance,
        cors_allowed_origins: values.list("cors-allowed-origins"),
        strict_transport_security: (!directives.is_empty()).then(|| directives.join("; ")),
        livez_grace_period: values.duration("livez-grace-period"),
    })
}

fn authentication(values: &Values) -> Result<Authentication, FlagError> {
    let issuers = values.list("service-account-issuer");
    for issuer in &issuers {
        if issuer.contains(':') && !issuer.contains("://") {
            let message = "must be a URL if it contains a colon";
            return Err(values.invalid("service-account-issuer", message));
        }
    }
    let (config_file, oidc) = oidc(values)?;
    let given_audiences = values.list("api-audiences");
    let max_expiration = values.duration("service-account-max-token-expiration");
    if !max_expiration.is_zero()
        && !(Duration::from_secs(3_600)..=Duration::from_secs(1 << 32)).contains(&max_expiration)
    {
        let message = "must be between 1 hour and 2^32 seconds";
        return Err(values.invalid("service-account-max-token-expiration", message));
    }
    let client_ca_file = values.path("client-ca-file");
    let front_proxy_ca_file = values.path("requestheader-client-ca-file");
    let own_pki = client_ca_file.is_none() && front_proxy_ca_file.is_none();
    let mut request_header = RequestHeader {
        enabled: own_pki || front_proxy_ca_file.is_some(),
        client_ca_file: front_proxy_ca_file,
        allowed_names: values.list("requestheader-allowed-names"),
        username_headers: values.list("requestheader-username-headers"),
        uid_headers: values.list("requestheader-uid-headers"),
        group_headers: values.list("requestheader-group-headers"),
        extra_headers_prefixes: values.list("requestheader-extra-headers-prefix"),
    };
    if own_pki {
        // What kubeadm sets for the front proxy that it makes.
        let or_default = |list: &mut Vec<String>, default: &str| {
            if list.is_empty() {
                list.push(default.to_owned());
            }
        };
        or_default(&mut request_header.allowed_names, "front-proxy-client");
        or_default(&mut request_header.username_headers, "X-Remote-User");
        or_default(&mut request_header.uid_headers, "X-Remote-Uid");
        or_default(&mut request_header.group_headers, "X-Remote-Group");
        or_default(&mut request_header.extra_headers_prefixes, "X-Remote-Extra-");
    }
    Ok(Authentication {
        anonymous: values.bool("anonymous-auth"),
        client_ca_file,
        request_header,
        token_file: values.path("token-auth-file"),
        anonymous_given: values.is_set("anonymous-auth"),
        config_file,
        oidc,
        token_webhook: token_webhook(values)?,
        bootstrap_tokens: values.bool("enable-bootstrap-token-auth"),
        service_accounts: ServiceAccounts {
            key_files: values
                .list("service-account-key-file")
                .into_iter()
                .map(PathBuf::from)
                .collect(),
            signing_key_file: values.path("service-account-signing-key-file"),
            api_audiences: if given_audiences.is_empty() {
                issuers.clone()
            } else {
                given_audiences
            },
            issuers,
            jwks_uri: values.some_text("service-account-jwks-uri"),
            lookup: values.bool("service-account-lookup"),
            max_expiration,
            extend_expiration: values.bool("service-account-extend-token-expiration"),
        },
    })
}

/// `--authentication-token-webhook-*`.
fn token_webhook(values: &Values) -> Result<Option<TokenWebhook>, FlagError> {
    let Some(config_file) = values.path("authentication-token-webhook-config-file") else {
        return Ok(None);
    };
    let flag = "authentication-token-webhook-version";
    let version = version(values, flag, "webhook authenticator")?;
    let ttl = values.duration("authentication-token-webhook-cache-ttl");
    Ok(Some(TokenWebhook { config_file, version, ttl }))
}

fn admission(values: &Values) -> Result<Admission, FlagError> {
    let enabled = values.list("enable-admission-plugins");
    let disabled = values.list("disable-admission-plugins");
    if let Some(both) = enabled.iter().find(|plugin| disabled.contains(plugin)) {
        let message =
            format!("{both} in enable-admission-plugins and disable-admission-plugins overlapped");
        return Err(FlagError::Combination(message));
    }
    Ok(Admission {
        enabled,
        disabled,
        config_file: values.path("admission-control-config-file"),
        not_ready_toleration_seconds: values.int("default-not-ready-toleration-seconds"),
        unreachable_toleration_seconds: values.int("default-unreachable-toleration-seconds"),
    })
}

fn services(values: &Values) -> Result<Services, FlagError> {
    let name = "service-cluster-ip-range";
    let mut given = values.list(name);
    if given.is_empty() {
        given.push(DEFAULT_CLUSTER_IP_RANGE.to_owned());
    }
    let mut cluster_ip_ranges = Vec::new();
    for text in &given {
        let range: Cidr = text.parse().map_err(|_| values.invalid(name, "must be a CIDR"))?;
        let width = if range.is_ipv6() { 128 } else { 32 };
        // Wider IPv4 ranges than upstream's bitmap took are fine since addresses are objects; a
        // range must have room for the kubernetes service.
        if width - range.prefix_bits() < 2 {
            return Err(values.invalid(name, format!("{text} is too small")));
        }
        if !range.is_ipv6() && width - range.prefix_bits() > CLUSTER_IP_BITS_MAX {
            return Err(values.invalid(name, format!("{text} is larger than a /12")));
        }
        cluster_ip_ranges.push(range);
    }
    match cluster_ip_ranges.as_slice() {
        [_] => {}
        [first, second] if first.is_ipv6() != second.is_ipv6() => {}
        [_, _] => return Err(values.invalid(name, "two ranges must be of different IP families")),
        _ => return Err(values.invalid(name, "must not be more than two ranges")),
    }
    let count = u32::try_from(values.int("apiserver-count")).unwrap_or(0);
    if count == 0 {
        return Err(values.invalid("apiserver-count", "should be a positive number"));
    }
    let endpoints = match values.text("endpoint-reconciler-type") {
        "" | "lease" => Reconciler::Lease,
        "master-count" => Reconciler::MasterCount(count),
        "none" => Reconciler::Off,
        _ => {
            let message = "must be lease, master-count or none";
            return Err(values.invalid("endpoint-reconciler-type", message));
        }
    };
    let (node_port_first, node_port_last) = port_range(values.text("service-node-port-range"))
        .ok_or_else(|| {
            values.invalid("service-node-port-range", "must be ports, as 30000-32767")
        })?;
    Ok(Services { cluster_ip_ranges, node_port_first, node_port_last, endpoints })
}

/// `first-last`, `first+count` or one port (`PortRange.Set`).
fn port_range(text: &str) -> Option<(u16, u16)> {
    let text = text.trim();
    let (first, last) = if let Some((first, last)) = text.split_once('-') {
        (first.parse().ok()?, last.parse().ok()?)
    } else if let Some((first, more)) = text.split_once('+') {
        let first: u16 = first.parse().ok()?;
        (first, first.checked_add(more.parse().ok()?)?)
    } else {
        let only: u16 = text.parse().ok()?;
        (only, only)
    };
    (first > 0 && first <= last).then_some((first, last))
}
