//! What clients know of a Deployment's managed fields, in upstream's order and form.

use crate::{decoded, shown};
use bumpalo::Bump;
use kubering::catalog::catalog;
use kubering::object::managed::{Reset, Writer, update};

const BODY: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment",
    "metadata":{"name":"web","labels":{"app":"web"}},
    "spec":{"replicas":3,"revisionHistoryLimit":10,"progressDeadlineSeconds":600,
      "selector":{"matchLabels":{"app":"web"}},
      "strategy":{"type":"RollingUpdate","rollingUpdate":{"maxSurge":"25%"}},
      "template":{"metadata":{"labels":{"app":"web"}},
        "spec":{"securityContext":{},"restartPolicy":"Always","containers":[
          {"name":"nginx","image":"nginx:1","env":[{"name":"A","value":"b"}],
           "ports":[{"containerPort":80,"protocol":"TCP"}],
           "volumeMounts":[{"name":"v","mountPath":"/v"}]}],
          "volumes":[{"name":"v","emptyDir":{}}]}}}}"#;

#[test]
fn an_updater_owns_all_that_it_creates() {
    let arena = Bump::new();
    let resource = catalog().resource("apps", "v1", "deployments").unwrap();
    let ty = resource.ty;
    let mut new = decoded(&arena, resource, BODY);
    let writer = Writer {
        manager: "kubectl-create",
        api_version: "apps/v1",
        subresource: "",
        time: "2024-01-01T00:00:00Z",
        reset: Reset::Paths(&[&["status"]]),
        versions: &[],
        convert: None,
    };
    update(&arena, Some(ty), None, &mut new, &writer);
    let entry = &shown(&new, ty)["metadata"]["managedFields"][0];
    assert_eq!(entry["operation"], "Update");
    let expected: serde_json::Value = serde_json::from_str(
        r#"{"f:metadata":{"f:labels":{".":{},"f:app":{}}},
        "f:spec":{"f:progressDeadlineSeconds":{},"f:replicas":{},"f:revisionHistoryLimit":{},
          "f:selector":{},
          "f:strategy":{"f:type":{},
            "f:rollingUpdate":{".":{},"f:maxSurge":{},"f:maxUnavailable":{}}},
          "f:template":{"f:metadata":{"f:labels":{".":{},"f:app":{}}},
            "f:spec":{"f:containers":{"k:{\"name\":\"nginx\"}":{".":{},
                "f:env":{".":{},"k:{\"name\":\"A\"}":{".":{},"f:name":{},"f:value":{}}},
                "f:image":{},"f:imagePullPolicy":{},"f:name":{},
                "f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":
                  {".":{},"f:containerPort":{},"f:protocol":{}}},
                "f:resources":{},"f:terminationMessagePath":{},"f:terminationMessagePolicy":{},
                "f:volumeMounts":{".":{},"k:{\"mountPath\":\"/v\"}":
                  {".":{},"f:mountPath":{},"f:name":{}}}}},
              "f:dnsPolicy":{},"f:restartPolicy":{},"f:schedulerName":{},"f:securityContext":{},
              "f:terminationGracePeriodSeconds":{},
              "f:volumes":{".":{},"k:{\"name\":\"v\"}":{".":{},"f:emptyDir":{},"f:name":{}}}}}}}"#,
    )
    .unwrap();
    assert_eq!(entry["fieldsV1"], expected);
}
