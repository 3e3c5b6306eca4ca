//! The flow-control objects that every server has from the start
//! (`k8s.io/apiserver/pkg/apis/flowcontrol/bootstrap`): mandatory ones, which are always set back,
//! and suggested ones, which operators may change.

/// The annotation that lets the server keep an object as it comes with it.
pub const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
/// The level that is never limited, and the schema that leads masters there.
pub const EXEMPT: &str = "exempt";
/// The level and schema for what no other matches.
pub const CATCH_ALL: &str = "catch-all";

/// One object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bootstrap {
    /// Its name.
    pub name: &'static str,
    /// The server cannot do without it.
    pub mandatory: bool,
    /// The JSON of its `spec`.
    pub spec: String,
}

const EVERYTHING: &str = r#"
    "resourceRules":[{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true,
        "namespaces":["*"]}],
    "nonResourceRules":[{"verbs":["*"],"nonResourceURLs":["*"]}]"#;
const PROBES: &str =
    r#""nonResourceRules":[{"verbs":["get"],"nonResourceURLs":["/healthz","/readyz","/livez"]}]"#;
const LEADER_ELECTION: &str = r#"
    "resourceRules":[{"verbs":["get","create","update"],"apiGroups":["coordination.k8s.io"],
        "resources":["leases"],"namespaces":["*"]}]"#;
const NODE_HIGH: &str = r#"
    "resourceRules":[{"verbs":["*"],"apiGroups":[""],"resources":["nodes","nodes/status"],
        "clusterScope":true,"namespaces":["*"]},
        {"verbs":["*"],"apiGroups":["coordination.k8s.io"],"resources":["leases"],
        "namespaces":["*"]}]"#;

const KUBE_SYSTEM: &str =
    r#"{"kind":"ServiceAccount","serviceAccount":{"namespace":"kube-system","name":"*"}}"#;
const MANAGER: &str = "system:kube-controller-manager";
const SCHEDULER: &str = "system:kube-scheduler";

/// The priority levels.
pub fn levels() -> Vec<Bootstrap> {
    let exempt = r#"{"type":"Exempt","exempt":{"nominalConcurrencyShares":0,"lendablePercent":0}}"#;
    let catch_all = r#"{"type":"Limited","limited":{"nominalConcurrencyShares":5,
        "lendablePercent":0,"limitResponse":{"type":"Reject"}}}"#;
    vec![
        Bootstrap { name: EXEMPT, mandatory: true, spec: exempt.to_owned() },
        Bootstrap { name: CATCH_ALL, mandatory: true, spec: catch_all.to_owned() },
        limited("system", (30, 33), (64, 6)),
        limited("node-high", (40, 25), (64, 6)),
        limited("leader-election", (10, 0), (16, 4)),
        limited("workload-high", (40, 50), (128, 6)),
        limited("workload-low", (100, 90), (128, 6)),
        limited("global-default", (20, 50), (128, 6)),
    ]
}

fn limited(
    name: &'static str,
    (shares, lendable): (u32, u32),
    (queues, hand): (u32, u32),
) -> Bootstrap {
    let spec = format!(
        r#"{{"type":"Limited","limited":{{"nominalConcurrencyShares":{shares},
            "lendablePercent":{lendable},"limitResponse":{{"type":"Queue","queuing":{{
            "queues":{queues},"handSize":{hand},"queueLengthLimit":50}}}}}}}}"#
    );
    Bootstrap { name, mandatory: false, spec }
}

/// The flow schemas.
pub fn schemas() -> Vec<Bootstrap> {
    let everyone = groups(&["system:unauthenticated", "system:authenticated"]);
    let nodes = groups(&["system:nodes"]);
    let leaders = format!("{},{KUBE_SYSTEM}", users(&[MANAGER, SCHEDULER]));
    let accounts = groups(&["system:serviceaccounts"]);
    let (by_user, by_namespace) = ("ByUser", "ByNamespace");
    let mandatory = |schema: Bootstrap| Bootstrap { mandatory: true, ..schema };
    vec![
        mandatory(schema(EXEMPT, (EXEMPT, 1, ""), &groups(&["system:masters"]), EVERYTHING)),
        mandatory(schema(CATCH_ALL, (CATCH_ALL, 10_000, by_user), &everyone, EVERYTHING)),
        schema("system-nodes", ("system", 500, by_user), &nodes, EVERYTHING),
        schema("system-node-high", ("node-high", 400, by_user), &nodes, NODE_HIGH),
        schema("probes", (EXEMPT, 2, ""), &everyone, PROBES),
        schema(
            "system-leader-election",
            ("leader-election", 100, by_user),
            &leaders,
            LEADER_ELECTION,
        ),
        schema(
            "kube-controller-manager",
            ("workload-high", 800, by_namespace),
            &users(&[MANAGER]),
            EVERYTHING,
        ),
        schema(
            "kube-scheduler",
            ("workload-high", 800, by_namespace),
            &users(&[SCHEDULER]),
            EVERYTHING,
        ),
        schema(
            "kube-system-service-accounts",
            ("workload-high", 900, by_namespace),
            KUBE_SYSTEM,
            EVERYTHING,
        ),
        schema("service-accounts", ("workload-low", 9_000, by_user), &accounts, EVERYTHING),
        schema("global-default", ("global-default", 9_900, by_user), &everyone, EVERYTHING),
    ]
}

fn schema(
    name: &'static str,
    (level, precedence, distinguisher): (&str, u32, &str),
    subjects: &str,
    rules: &str,
) -> Bootstrap {
    let method = match distinguisher {
        "" => String::new(),
        by => format!(r#""distinguisherMethod":{{"type":"{by}"}},"#),
    };
    let spec = format!(
        r#"{{"priorityLevelConfiguration":{{"name":"{level}"}},
            "matchingPrecedence":{precedence},{method}
            "rules":[{{"subjects":[{subjects}],{rules}}}]}}"#
    );
    Bootstrap { name, mandatory: false, spec }
}

fn groups(names: &[&str]) -> String {
    let one = |name: &&str| format!(r#"{{"kind":"Group","group":{{"name":"{name}"}}}}"#);
    names.iter().map(one).collect::<Vec<_>>().join(",")
}

fn users(names: &[&str]) -> String {
    let one = |name: &&str| format!(r#"{{"kind":"User","user":{{"name":"{name}"}}}}"#);
    names.iter().map(one).collect::<Vec<_>>().join(",")
}
