//! The command line as a whole.

use crate::config::Config;
use crate::config::FlagError;
use crate::config::Values;
use crate::config::flags::FLAGS;
use crate::config::flags::Kind;
use crate::config::flags::find;
use crate::config::help;
use std::ffi::OsString;
use std::time::Duration;

/// kube-apiserver's flags (v1.36), by name.
const UPSTREAM: &str = "
advertise-address cors-allowed-origins external-hostname strict-transport-security-directives
max-requests-inflight max-mutating-requests-inflight request-timeout min-request-timeout
goaway-chance livez-grace-period storage-initialization-timeout shutdown-delay-duration
shutdown-send-retry-after shutdown-watch-termination-grace-period feature-gates emulated-version
min-compatibility-version emulation-forward-compatible runtime-config-emulation-forward-compatible
etcd-servers etcd-servers-overrides etcd-prefix etcd-cafile etcd-certfile etcd-keyfile
etcd-compaction-interval etcd-count-metric-poll-period etcd-db-metric-poll-interval
etcd-healthcheck-timeout etcd-readycheck-timeout storage-backend storage-media-type
delete-collection-workers enable-garbage-collector watch-cache default-watch-cache-size
watch-cache-sizes encryption-provider-config encryption-provider-config-automatic-reload
lease-reuse-duration-seconds bind-address secure-port cert-dir tls-cert-file tls-private-key-file
tls-cipher-suites tls-min-version tls-curve-preferences tls-sni-cert-key
http2-max-streams-per-connection disable-http2-serving permit-port-sharing permit-address-sharing
audit-policy-file audit-log-path audit-log-maxage audit-log-maxbackup audit-log-maxsize
audit-log-format audit-log-version audit-log-compress audit-log-mode audit-log-batch-buffer-size
audit-log-batch-max-size audit-log-batch-max-wait audit-log-batch-throttle-enable
audit-log-batch-throttle-qps audit-log-batch-throttle-burst audit-log-truncate-enabled
audit-log-truncate-max-batch-size audit-log-truncate-max-event-size audit-webhook-config-file
audit-webhook-initial-backoff audit-webhook-mode audit-webhook-version
audit-webhook-batch-buffer-size audit-webhook-batch-max-size audit-webhook-batch-max-wait
audit-webhook-batch-throttle-enable audit-webhook-batch-throttle-qps
audit-webhook-batch-throttle-burst audit-webhook-truncate-enabled
audit-webhook-truncate-max-batch-size audit-webhook-truncate-max-event-size profiling
contention-profiling debug-socket-path enable-priority-and-fairness anonymous-auth api-audiences
client-ca-file enable-bootstrap-token-auth oidc-ca-file oidc-client-id oidc-groups-claim
oidc-groups-prefix oidc-issuer-url oidc-required-claim oidc-signing-algs oidc-username-claim
oidc-username-prefix authentication-config requestheader-allowed-names
requestheader-client-ca-file requestheader-extra-headers-prefix requestheader-group-headers
requestheader-uid-headers requestheader-username-headers service-account-key-file
service-account-lookup service-account-issuer service-account-jwks-uri
service-account-max-token-expiration service-account-extend-token-expiration token-auth-file
authentication-token-webhook-config-file authentication-token-webhook-version
authentication-token-webhook-cache-ttl authorization-mode authorization-config
authorization-policy-file authorization-webhook-config-file authorization-webhook-version
authorization-webhook-cache-authorized-ttl authorization-webhook-cache-unauthorized-ttl
runtime-config enable-admission-plugins disable-admission-plugins admission-control
admission-control-config-file default-not-ready-toleration-seconds
default-unreachable-toleration-seconds egress-selector-config-file show-hidden-metrics-for-version
disabled-metrics allow-metric-labels allow-metric-labels-manifest logging-format v vmodule
log-flush-frequency tracing-config-file allow-privileged event-ttl enable-logs-handler
endpoint-reconciler-type kubernetes-service-node-port max-connection-bytes-per-sec
proxy-client-cert-file proxy-client-key-file peer-ca-file peer-advertise-ip peer-advertise-port
enable-aggregator-routing aggregator-reject-forwarding-redirect service-account-signing-key-file
service-account-signing-endpoint service-cluster-ip-range service-node-port-range
coordinated-leadership-lease-duration coordinated-leadership-renew-deadline
coordinated-leadership-retry-period kubelet-port kubelet-read-only-port kubelet-timeout
kubelet-preferred-address-types kubelet-client-certificate kubelet-client-key
kubelet-certificate-authority apiserver-count help version";

fn parse(line: &str) -> Result<Values, FlagError> {
    Values::parse(line.split_whitespace().map(OsString::from))
}

fn resolve(line: &str) -> Result<Config, FlagError> {
    Config::resolve(&parse(&format!("--data-dir=state {line}"))?)
}

#[test]
fn every_upstream_flag_is_known_and_none_stands_twice() {
    for name in UPSTREAM.split_whitespace() {
        assert!(find(name).is_some(), "{name}");
    }
    let mut names: Vec<_> = FLAGS.iter().map(|flag| flag.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), FLAGS.len());
    let own = FLAGS.iter().filter(|flag| !UPSTREAM.split_whitespace().any(|n| n == flag.name));
    assert!(own.into_iter().all(|flag| flag.group == super::flags::Group::Kubering));
}

#[test]
fn every_default_is_of_its_flags_kind() {
    for flag in FLAGS.iter().filter(|flag| flag.kind != Kind::Bool && !flag.default.is_empty()) {
        parse(&format!("--{}={}", flag.name, flag.default)).expect(flag.name);
    }
    resolve("").expect("no flags are fine");
}

#[test]
fn values_come_with_an_equals_sign_or_behind_and_names_with_underscores() {
    let values = parse("--secure-port 7443 --bind_address=127.0.0.1 --anonymous-auth=false -v=3");
    let values = values.expect("they are fine");
    assert_eq!(values.text("secure-port"), "7443");
    assert_eq!(values.text("bind-address"), "127.0.0.1");
    assert!(!values.bool("anonymous-auth"));
    assert_eq!(values.int("v"), 3);
    assert!(parse("--profiling").expect("a switch").bool("profiling"));
    let lists = parse("--runtime-config=api/all=true,apps/v1=false --runtime-config=api/all=false");
    let map = lists.expect("pairs").map("runtime-config");
    assert_eq!(
        map,
        [("apps/v1", "false"), ("api/all", "false")].map(|(k, v)| (k.into(), v.into()))
    );
}

#[test]
fn what_is_wrong_is_told_in_one_line() {
    for (line, message) in [
        ("--no-such", "unknown flag: --no-such"),
        ("-x", "unknown flag: -x"),
        ("extra", "kubering takes flags only, got \"extra\""),
        ("--secure-port", "flag needs an argument: --secure-port"),
        (
            "--secure-port=70000",
            "invalid argument \"70000\" for \"--secure-port\" flag: must be a \
            port, 0 to 65535",
        ),
        (
            "--request-timeout=5",
            "invalid argument \"5\" for \"--request-timeout\" flag: must be a \
            duration, as 1m30s",
        ),
        (
            "--anonymous-auth=maybe",
            "invalid argument \"maybe\" for \"--anonymous-auth\" flag: must \
            be true or false",
        ),
        ("--tls-cert-file=a", "--tls-cert-file and --tls-private-key-file must be given together"),
        (
            "--service-cluster-ip-range=10.0.0.0",
            "invalid argument \"10.0.0.0\" for \
            \"--service-cluster-ip-range\" flag: must be a CIDR",
        ),
        (
            "--authorization-mode=RBAC,RBAC",
            "invalid argument \"RBAC,RBAC\" for \
            \"--authorization-mode\" flag: RBAC is given twice",
        ),
    ] {
        let error = resolve(line).expect_err(line).to_string();
        assert_eq!(error, message);
        assert!(!error.contains('\n'));
    }
}

#[test]
fn values_that_do_not_go_together_are_refused() {
    for line in [
        "--service-cluster-ip-range=10.0.0.0/24,10.1.0.0/24",
        "--service-cluster-ip-range=10.0.0.0/24,fd00::/108,fd01::/108",
        "--service-cluster-ip-range=10.0.0.0/31",
        "--service-cluster-ip-range=10.0.0.0/8",
        "--service-node-port-range=40000-30000",
        "--service-node-port-range=0-10",
        "--service-node-port-range=65000+1000",
        "--goaway-chance=0.5",
        "--goaway-chance=NaN",
        "--authorization-mode=Maybe",
        "--tls-min-version=VersionTLS10",
        "--tls-sni-cert-key=only-one",
        "--etcd-servers=https://localhost:2379 --store=memory",
        "--etcd-servers-overrides=/events#http://b:2379",
        "--etcd-servers=http://a:2379 --etcd-servers-overrides=events#http://b:2379",
        "--etcd-servers=http://a:2379 --etcd-servers-overrides=/events#http://b:2379;",
        "--etcd-servers=http://a:2379 --etcd-servers-overrides=/events",
        "--storage-media-type=text/plain",
        "--endpoint-reconciler-type=maybe",
        "--apiserver-count=0",
        "--etcd-servers=https://localhost:2379 --etcd-certfile=a.crt",
        "--store=paper",
        "--shards=100000",
        "--shards=-1",
        "--request-timeout=0s",
        "--advertise-address=0.0.0.0",
        "--runtime-config=apps/v1=perhaps",
        "--enable-admission-plugins=A --disable-admission-plugins=A",
        "--service-account-max-token-expiration=1s",
    ] {
        resolve(line).expect_err(line);
    }
}

#[test]
fn values_get_their_meaning() {
    let config = resolve(
        "--service-cluster-ip-range=10.96.0.0/16,fd00::/112 --service-node-port-range=30000+9 \
         --request-timeout=90s --tls-sni-cert-key=a.crt,a.key:foo.example,*.bar.example --shards=3",
    )
    .expect("they are fine");
    assert_eq!(config.services.cluster_ip_ranges.len(), 2);
    assert_eq!((config.services.node_port_first, config.services.node_port_last), (30_000, 30_009));
    assert_eq!(config.requests.timeout, Duration::from_secs(90));
    let sni = config.serving.sni.first().expect("one");
    assert_eq!(sni.names, ["foo.example", "*.bar.example"]);
    assert_eq!(config.shards, 3);
}

#[test]
fn etcd_servers_take_the_place_of_the_store() {
    let config = resolve(
        "--etcd-servers=https://a:2379,https://b:2379 --etcd-prefix=other/place/ \
         --etcd-cafile=ca.crt --etcd-certfile=a.crt --etcd-keyfile=a.key",
    );
    let etcd = config.expect("they are fine").store.etcd.expect("given");
    assert_eq!(etcd.endpoints, ["https://a:2379", "https://b:2379"]);
    assert_eq!(etcd.prefix, "/other/place");
    assert_eq!((etcd.ca_file.is_some(), etcd.lease_reuse_seconds), (true, 60));
    assert!(resolve("").expect("fine").store.etcd.is_none());
}

#[test]
fn resources_with_the_same_servers_share_a_store_of_their_own() {
    let config = resolve(
        "--etcd-servers=http://a:2379 --etcd-cafile=ca.crt --etcd-servers-overrides=\
         /events#http://b:2379;http://c:2379,apps/*#http://d:2379,\
         apps/deployments#http://c:2379;http://b:2379,example.com/widgets#http://d:2379",
    );
    let store = config.expect("they are fine").store;
    let names = |store: &crate::config::Override| {
        let names = store.resources.iter().map(|row| row.resource).collect::<Vec<_>>();
        (store.servers.endpoints.len(), names)
    };
    let found: Vec<_> = store.overrides.iter().map(names).collect();
    let [(2, first), (1, second)] = &found[..] else { panic!("{found:?}") };
    assert_eq!(first.len(), 2);
    assert!(["events", "deployments"].iter().all(|name| first.contains(name)), "{first:?}");
    assert!(second.contains(&"controllerrevisions") && !second.contains(&"deployments"));
    assert!(store.overrides.iter().all(|store| store.servers.ca_file.is_some()));
    let main = store.etcd.expect("given");
    assert!(main.only.is_empty() && main.except.contains(&"/registry/events/"));
    assert_eq!(main.except.len(), first.len() + second.len());
    assert_eq!(store.unknown_overrides, ["example.com/widgets"]);
}

#[test]
fn help_names_every_flag_under_its_heading() {
    let text = help();
    for flag in FLAGS {
        assert!(text.contains(&format!("--{}", flag.name)), "{}", flag.name);
    }
    assert!(text.lines().all(|line| line.chars().count() <= 130));
    let generic = text.find("Generic flags:").expect("the heading");
    let etcd = text.find("Etcd flags:").expect("the heading");
    let port = text.find("--secure-port").expect("the flag");
    assert!(generic < etcd && etcd < port);
}

#[test]
fn flags_that_are_not_built_are_told_once_each() {
    let values = parse("--tracing-config-file=x --v=1 --tracing-config-file=y");
    let names: Vec<_> = values.expect("they are fine").not_built().map(|flag| flag.name).collect();
    assert_eq!(names, ["tracing-config-file"]);
}
