//! Rows of sample objects, and the headers against the recorded ones.

use crate::api::table::ListMeta;
use crate::api::table::MetaVersion;
use crate::api::table::Moment;
use crate::api::table::RowObject;
use crate::api::table::Source;
use crate::api::table::Table;
use crate::api::table::printer;
use crate::object::Map;
use crate::object::Value;
use bumpalo::Bump;
use serde_json::json;

/// 2024-01-01T01:00:00Z; the samples are made an hour before.
const NOW: Moment = Moment(1_704_070_800_000);

pub(super) fn value<'a>(json: &serde_json::Value, arena: &'a Bump) -> Value<'a> {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(flag) => Value::Bool(*flag),
        serde_json::Value::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap_or(0.0)),
        },
        serde_json::Value::String(text) => Value::str_in(text, arena),
        serde_json::Value::Array(list) => {
            let mut copy = bumpalo::collections::Vec::new_in(arena);
            copy.extend(list.iter().map(|item| value(item, arena)));
            Value::List(copy)
        }
        serde_json::Value::Object(map) => {
            let mut copy = Map::new_in(arena);
            for (key, item) in map {
                copy.insert(arena.alloc_str(key), value(item, arena));
            }
            Value::Map(copy)
        }
    }
}

fn table(group: &str, resource: &str, object: &serde_json::Value) -> serde_json::Value {
    let arena = Bump::new();
    let printer = printer(group, resource, "");
    let meta = ListMeta { resource_version: "7", ..ListMeta::default() };
    let mut table =
        Table::begin(Vec::new(), Source::BuiltIn(printer), MetaVersion::V1, meta, true, NOW);
    table.row(&value(object, &arena), RowObject::None);
    serde_json::from_slice(&table.finish()).expect("tables are JSON")
}

/// The cells of an object; name and creation time are added.
fn cells(group: &str, resource: &str, mut object: serde_json::Value) -> serde_json::Value {
    object["metadata"]["name"] = json!("x");
    object["metadata"]["creationTimestamp"] = json!("2024-01-01T00:00:00Z");
    table(group, resource, &object)["rows"][0]["cells"].take()
}

fn pod_status(spec: &serde_json::Value, status: &serde_json::Value) -> String {
    let row = cells("", "pods", json!({"spec": spec, "status": status}));
    format!("{} {} {}", row[1], row[2], row[3]).replace('"', "")
}

#[test]
fn a_pod_shows_the_state_of_its_containers() {
    let one = json!({"containers": [{"name": "c"}]});
    let running = json!({"running": {"startedAt": "2024-01-01T00:00:00Z"}});
    let state = |state| json!({"containerStatuses": [{"name": "c", "state": state}]});
    assert_eq!(
        pod_status(
            &one,
            &json!({"phase": "Running", "containerStatuses": [{"ready": true, "restartCount": 3,
                "state": running,
                "lastState": {"terminated": {"finishedAt": "2024-01-01T00:55:00Z"}}}]})
        ),
        "1/1 Running 3 (5m ago)"
    );
    let waiting = state(json!({"waiting": {"reason": "CrashLoopBackOff"}}));
    assert_eq!(pod_status(&one, &waiting), "0/1 CrashLoopBackOff 0");
    let signal = state(json!({"terminated": {"exitCode": 137, "signal": 9}}));
    assert_eq!(pod_status(&one, &signal), "0/1 Signal:9 0");
    let failed = state(json!({"terminated": {"exitCode": 1}}));
    assert_eq!(pod_status(&one, &failed), "0/1 ExitCode:1 0");
    let evicted = json!({"phase": "Failed", "reason": "Evicted"});
    assert_eq!(pod_status(&one, &evicted), "0/1 Evicted 0");
    let gated = json!({"phase": "Pending",
        "conditions": [{"type": "PodScheduled", "reason": "SchedulingGated", "status": "False"}]});
    assert_eq!(pod_status(&one, &gated), "0/1 SchedulingGated 0");
}

#[test]
fn a_pod_that_initializes_shows_how_far_it_is() {
    let spec = json!({"containers": [{"name": "c"}],
        "initContainers": [{"name": "side", "restartPolicy": "Always"}, {"name": "i"}]});
    let status = |second: serde_json::Value| {
        json!({"phase": "Pending", "initContainerStatuses": [
            {"name": "side", "started": true, "ready": true, "restartCount": 2,
                "state": {"running": {}}},
            {"name": "i", "restartCount": 1, "state": second}]})
    };
    let running = status(json!({"running": {}}));
    assert_eq!(pod_status(&spec, &running), "1/2 Init:1/2 3");
    let waiting = status(json!({"waiting": {"reason": "ImagePullBackOff"}}));
    assert_eq!(pod_status(&spec, &waiting), "1/2 Init:ImagePullBackOff 3");
    let failed = status(json!({"terminated": {"exitCode": 3}}));
    assert_eq!(pod_status(&spec, &failed), "1/2 Init:ExitCode:3 3");
    // Once all are done, only the sidecar's restarts count on.
    let done = status(json!({"terminated": {"exitCode": 0}}));
    assert_eq!(pod_status(&spec, &done), "1/2 Pending 2");
}

#[test]
fn a_completed_container_beside_a_running_one_is_running_or_not_ready() {
    let spec = json!({"containers": [{"name": "a"}, {"name": "b"}]});
    let status = |ready: &str| {
        json!({"phase": "Running", "conditions": [{"type": "Ready", "status": ready}],
            "containerStatuses": [
                {"name": "a", "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                {"name": "b", "ready": true, "state": {"running": {}}}]})
    };
    assert_eq!(pod_status(&spec, &status("True")), "1/2 Running 0");
    assert_eq!(pod_status(&spec, &status("False")), "1/2 NotReady 0");
}

#[test]
fn rows_of_finished_pods_carry_the_condition() {
    let done = table("", "pods", &json!({"metadata": {}, "status": {"phase": "Failed"}}));
    let condition = json!([{"type": "Completed", "status": "True", "reason": "Failed",
        "message": "The pod failed."}]);
    assert_eq!(done["rows"][0]["conditions"], condition);
    let alive = table("", "pods", &json!({"metadata": {}, "status": {"phase": "Running"}}));
    assert!(alive["rows"][0].get("conditions").is_none());
    assert_eq!(alive["metadata"], json!({"resourceVersion": "7"}));
}

#[test]
fn services_show_addresses_and_ports() {
    let spec = json!({"type": "LoadBalancer", "clusterIPs": ["10.0.0.1"],
        "externalIPs": ["1.1.1.1"], "ports": [
            {"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
        "selector": {"b": "2", "a": "1"}});
    let status = json!({"loadBalancer": {"ingress": [{"hostname": "z"}, {"ip": "9.9.9.9"}]}});
    assert_eq!(
        cells("", "services", json!({"spec": spec, "status": status})),
        json!([
            "x",
            "LoadBalancer",
            "10.0.0.1",
            "9.9.9.9,z,1.1.1.1",
            "80:30080/TCP,53/UDP",
            "60m",
            "a=1,b=2"
        ])
    );
}

#[test]
fn nodes_show_status_roles_and_addresses() {
    let node = json!({
        "metadata": {"labels": {"node-role.kubernetes.io/worker": "", "kubernetes.io/role": "api"}},
        "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "Unknown"}],
            "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}],
            "nodeInfo": {
                "kubeletVersion": "v1.36.0", "kernelVersion": "6.1", "architecture": "amd64"}}});
    assert_eq!(
        cells("", "nodes", node),
        json!([
            "x",
            "NotReady,SchedulingDisabled",
            "api,worker",
            "60m",
            "v1.36.0",
            "10.1.1.1",
            "<none>",
            "<unknown>",
            "6.1 (amd64)",
            "<unknown>"
        ])
    );
}

#[test]
fn endpoints_show_three_addresses() {
    let subsets = json!({"subsets": [
        {"addresses": [{"ip": "1.1.1.1"}, {"ip": "fd00::1"}], "ports": [{"port": 1}, {"port": 2}]},
        {"addresses": [{"ip": "2.2.2.2"}]}]});
    assert_eq!(cells("", "endpoints", subsets)[1], "1.1.1.1:1,[fd00::1]:1,1.1.1.1:2 + 2 more...");
    assert_eq!(cells("", "endpoints", json!({}))[1], "<none>");
}

#[test]
fn autoscalers_show_current_and_wanted_values() {
    let cpu = json!({"type": "Resource",
        "resource": {"name": "cpu", "target": {"averageUtilization": 80}}});
    let pods = json!({"type": "Pods", "pods": {"target": {"averageValue": "5"}}});
    let current = json!([{"type": "Resource",
        "resource": {"name": "cpu", "current": {"averageUtilization": 10}}}]);
    let object = json!({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "d"},
        "metrics": [cpu, pods, pods], "maxReplicas": 4}, "status": {"currentMetrics": current}});
    assert_eq!(
        cells("autoscaling", "horizontalpodautoscalers", object),
        json!([
            "x",
            "Deployment/d",
            "cpu: 10%/80%, <unknown>/5 + 1 more...",
            "<unset>",
            4,
            0,
            "60m"
        ])
    );
}

#[test]
fn jobs_show_status_completions_and_duration() {
    let job = json!({"spec": {"parallelism": 3}, "status": {"startTime": "2024-01-01T00:00:00Z",
        "completionTime": "2024-01-01T00:02:30Z", "succeeded": 1,
        "conditions": [{"type": "Complete", "status": "True"}]}});
    assert_eq!(
        cells("batch", "jobs", job),
        json!(["x", "Complete", "1/1 of 3", "2m30s", "60m", "", "", "<none>"])
    );
}

#[test]
fn events_show_when_and_what() {
    let event = json!({"eventTime": "2024-01-01T00:30:00.123456Z", "type": "Normal", "reason": "R",
        "involvedObject": {"kind": "Pod", "name": "p"}, "reportingComponent": "c",
        "reportingInstance": "i", "message": " m\n"});
    assert_eq!(
        cells("", "events", event),
        json!(["29m", "Normal", "R", "pod/p", "", "c, i", "m", "29m", 1, "x"])
    );
}

#[test]
fn selectors_are_shown_in_key_order() {
    let selector = json!({"matchLabels": {"b": "2"}, "matchExpressions": [
        {"key": "a", "operator": "In", "values": ["z", "y"]},
        {"key": "c", "operator": "DoesNotExist"}]});
    let object = json!({"spec": {"selector": selector}});
    assert_eq!(cells("apps", "deployments", object.clone())[7], "a in (y,z),b=2,!c");
    assert_eq!(cells("apps", "replicasets", object)[7], "a in (y,z),b=2,!c");
    assert_eq!(cells("apps", "deployments", json!({}))[7], "");
    assert_eq!(cells("apps", "replicasets", json!({}))[7], "<none>");
}

#[test]
fn kinds_without_a_printer_show_their_creation_time() {
    let row = cells("rbac.authorization.k8s.io", "roles", json!({}));
    assert_eq!(row, json!(["x", "2024-01-01T00:00:00Z"]));
}

/// Recorded documents, where the checkout stands beside them.
const RECORDED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/facts/resources.tsv");

#[test]
fn headers_have_the_recorded_columns() {
    let Ok(recorded) = std::fs::read_to_string(RECORDED) else { return };
    for line in recorded.lines().skip(1) {
        let fields: Vec<&str> = line.split('\t').collect();
        let [group, _, path, .., columns] = fields[..] else { panic!("{line}") };
        if columns == "-" || fields[11] != "yes" {
            continue;
        }
        let (resource, subresource) = path.split_once('/').unwrap_or((path, ""));
        let printer = printer(group.trim_matches('-'), resource, subresource);
        let object = json!({"metadata": {}});
        let table = {
            let arena = Bump::new();
            let meta = ListMeta::default();
            let mut table = Table::begin(
                Vec::new(),
                Source::BuiltIn(printer),
                MetaVersion::V1,
                meta,
                true,
                NOW,
            );
            table.row(&value(&object, &arena), RowObject::None);
            serde_json::from_slice::<serde_json::Value>(&table.finish()).expect("JSON")
        };
        let header = table["columnDefinitions"].as_array().expect("a list");
        let shown: Vec<String> = header
            .iter()
            .map(|c| {
                let text = |field| c[field].as_str().expect("text");
                format!("{}:{}:{}", text("name"), text("type"), c["priority"])
            })
            .collect();
        assert_eq!(shown.join(";"), columns, "{group} {path}");
        let cells = table["rows"][0]["cells"].as_array().expect("a list").len();
        assert!(cells == header.len() || resource == "ipaddresses", "{path}: {cells} cells");
        let described = header.iter().all(|c| c["description"] != "" || c["name"] == "Handler");
        assert!(described, "{path}: a column has no description");
    }
}
