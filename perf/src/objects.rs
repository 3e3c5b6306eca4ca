//! The objects that loads are made of: sizes and shapes as clusters have them.

/// The node a numbered pod stands on, of so many.
pub(crate) fn node_name(n: usize) -> String {
    format!("node-{n:05}")
}

/// A pod of a Deployment, 1.6 KB as sent, 3 KB defaulted: two containers, probes, volumes.
pub(crate) fn pod(name: &str, node: Option<&str>, team: usize) -> String {
    let node = node.map(|node| format!(r#""nodeName":"{node}","#)).unwrap_or_default();
    format!(
        concat!(
            r#"{{"apiVersion":"v1","kind":"Pod","metadata":{{"name":"{name}","labels":{{"#,
            r#""app.kubernetes.io/name":"shop","app.kubernetes.io/component":"front","#,
            r#""team":"team-{team}","pod-template-hash":"5d8f9c7b64"}},"annotations":{{"#,
            r#""prometheus.io/scrape":"true","prometheus.io/port":"8080"}}}},"spec":{{{node}"#,
            r#""automountServiceAccountToken":false,"containers":[{{"name":"app","#,
            r#""image":"registry.example.com/shop/front:2.14.0","args":["--listen=:8080","#,
            r#""--upstream=http://cart:8080"],"env":[{{"name":"LOG","value":"info"}},"#,
            r#"{{"name":"POD","valueFrom":{{"fieldRef":{{"fieldPath":"metadata.name"}}}}}}],"#,
            r#""ports":[{{"name":"http","containerPort":8080}}],"resources":{{"requests":"#,
            r#"{{"cpu":"250m","memory":"256Mi"}},"limits":{{"memory":"512Mi"}}}},"#,
            r#""readinessProbe":{{"httpGet":{{"path":"/ready","port":"http"}}}},"#,
            r#""livenessProbe":{{"httpGet":{{"path":"/live","port":"http"}}}},"volumeMounts":"#,
            r#"[{{"name":"config","mountPath":"/etc/shop"}}]}},{{"name":"proxy","#,
            r#""image":"registry.example.com/mesh/proxy:1.9.3","resources":{{"requests":"#,
            r#"{{"cpu":"50m","memory":"64Mi"}}}}}}],"volumes":[{{"name":"config","configMap":"#,
            r#"{{"name":"shop"}}}}]}}}}"#
        ),
        name = name,
        team = team,
        node = node,
    )
}

/// The status that a kubelet reports for a running pod, as a merge patch.
pub(crate) fn pod_running() -> &'static str {
    concat!(
        r#"{"status":{"phase":"Running","hostIP":"10.1.0.7","podIP":"10.244.3.9","conditions":["#,
        r#"{"type":"Ready","status":"True"},{"type":"ContainersReady","status":"True"}],"#,
        r#""containerStatuses":[{"name":"app","ready":true,"restartCount":0,"started":true,"#,
        r#""image":"registry.example.com/shop/front:2.14.0","imageID":"sha256:0a1b2c","#,
        r#""containerID":"containerd://1","state":{"running":{"startedAt":"#,
        r#""2026-01-01T00:00:00Z"}}}]}}"#
    )
}

/// A validating policy on ConfigMaps of a namespace, of three expressions; it refuses one name.
pub(crate) fn policy(name: &str, namespace: &str, refused: &str) -> String {
    format!(
        concat!(
            r#"{{"metadata":{{"name":"{name}"}},"spec":{{"matchConstraints":{{"#,
            r#""namespaceSelector":{{"matchLabels":{{"kubernetes.io/metadata.name":"#,
            r#""{namespace}"}}}},"resourceRules":[{{"apiGroups":[""],"apiVersions":["v1"],"#,
            r#""operations":["CREATE","UPDATE"],"resources":["configmaps"]}}]}},"#,
            r#""validations":[{{"expression":"object.metadata.name != '{refused}'"}},"#,
            r#"{{"expression":"!has(object.data) || object.data.size() < 100"}},"#,
            r#"{{"expression":"!has(object.metadata.labels) || "#,
            r#"object.metadata.labels.all(key, key.size() < 64)"}}]}}}}"#
        ),
        name = name,
        namespace = namespace,
        refused = refused,
    )
}

/// What makes a policy of the same name count.
pub(crate) fn policy_binding(name: &str) -> String {
    format!(
        concat!(
            r#"{{"metadata":{{"name":"{}"}},"spec":{{"policyName":"{}","#,
            r#""validationActions":["Deny"]}}}}"#
        ),
        name, name
    )
}

/// The binding of a pod to a node, as a scheduler makes it.
pub(crate) fn binding(pod: &str, node: &str) -> String {
    format!(
        concat!(
            r#"{{"apiVersion":"v1","kind":"Binding","metadata":{{"name":"{}"}},"#,
            r#""target":{{"kind":"Node","name":"{}"}}}}"#
        ),
        pod, node
    )
}

/// A node's lease, renewed at a time given in microseconds; revision 0 names none.
pub(crate) fn lease(name: &str, renewed_us: u64, revision: u64) -> String {
    let revision = match revision {
        0 => String::new(),
        revision => format!(r#""resourceVersion":"{revision}","#),
    };
    let (seconds, us) = (renewed_us / 1_000_000 % 60, renewed_us % 1_000_000);
    format!(
        concat!(
            r#"{{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{{"#,
            r#"{revision}"name":"{name}","namespace":"kube-node-lease"}},"#,
            r#""spec":{{"holderIdentity":"{name}","leaseDurationSeconds":40,"#,
            r#""renewTime":"2026-01-01T00:00:{seconds:02}.{us:06}Z"}}}}"#
        ),
        revision = revision,
        name = name,
        seconds = seconds,
        us = us,
    )
}

/// A node, as a kubelet registers itself.
pub(crate) fn node(name: &str) -> String {
    format!(
        concat!(
            r#"{{"apiVersion":"v1","kind":"Node","metadata":{{"name":"{name}","labels":{{"#,
            r#""kubernetes.io/hostname":"{name}","kubernetes.io/os":"linux","#,
            r#""topology.kubernetes.io/zone":"a"}}}},"spec":{{}}}}"#
        ),
        name = name
    )
}

/// What a kubelet reports of its node, as a merge patch.
pub(crate) fn node_status(beat: u64) -> String {
    format!(
        concat!(
            r#"{{"status":{{"capacity":{{"cpu":"32","memory":"128Gi"}},"conditions":["#,
            r#"{{"type":"Ready","status":"True","reason":"KubeletReady","message":"beat {}"}},"#,
            r#"{{"type":"MemoryPressure","status":"False"}}]}}}}"#
        ),
        beat
    )
}

/// A config map whose one value is padded to a size; its annotation carries when it was written.
pub(crate) fn stamped(name: &str, stamp_ns: u64, bytes: usize) -> String {
    format!(
        concat!(
            r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"{}","annotations":{{"#,
            r#""perf/stamp":"{:020}"}}}},"data":{{"fill":"{}"}}}}"#
        ),
        name,
        stamp_ns,
        "x".repeat(bytes)
    )
}

/// The stamp inside a watch event of [`stamped`].
pub(crate) fn stamp(event: &[u8]) -> Option<u64> {
    const MARK: &[u8] = br#""perf/stamp":""#;
    let at = event.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    std::str::from_utf8(event.get(at..at + 20)?).ok()?.parse().ok()
}

/// A custom kind with a small schema.
pub(crate) const WIDGETS: &str = concat!(
    r#"{"apiVersion":"apiextensions.k8s.io/v1","kind":"CustomResourceDefinition","metadata":{"#,
    r#""name":"widgets.perf.example.com"},"spec":{"group":"perf.example.com","#,
    r#""scope":"Namespaced","#,
    r#""names":{"plural":"widgets","singular":"widget","kind":"Widget"},"#,
    r#""versions":[{"name":"v1","#,
    r#""served":true,"storage":true,"schema":{"openAPIV3Schema":{"type":"object","properties":{"#,
    r#""spec":{"type":"object","properties":{"size":{"type":"integer","minimum":0},"color":{"#,
    r#""type":"string","enum":["red","green"]},"parts":{"type":"array","items":{"type":"object","#,
    r#""properties":{"name":{"type":"string"},"count":{"type":"integer"}}}}}}}}}}]}}"#
);

/// One of the custom kind.
pub(crate) fn widget(name: &str, size: u64) -> String {
    format!(
        concat!(
            r#"{{"apiVersion":"perf.example.com/v1","kind":"Widget","metadata":{{"name":"{}"}},"#,
            r#""spec":{{"size":{},"color":"red","parts":[{{"name":"bolt","count":4}},"#,
            r#"{{"name":"nut","count":4}}]}}}}"#
        ),
        name, size
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid(text: &str) {
        let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
        assert!(parsed.is_ok(), "{parsed:?}: {text}");
    }

    #[test]
    fn every_object_is_json() {
        valid(&pod("p", Some("n"), 3));
        valid(&pod("p", None, 3));
        valid(pod_running());
        valid(&binding("p", "n"));
        valid(&lease("l", 61_000_001, 0));
        valid(&lease("l", 61_000_001, 7));
        valid(&node("n"));
        valid(&node_status(7));
        valid(&stamped("c", 9, 10));
        valid(WIDGETS);
        valid(&widget("w", 1));
    }

    #[test]
    fn a_stamp_is_read_from_an_event() {
        let event = format!(r#"{{"type":"MODIFIED","object":{}}}"#, stamped("c", 123_456, 1));
        assert_eq!(stamp(event.as_bytes()), Some(123_456));
        assert_eq!(stamp(b"{}"), None);
    }
}
