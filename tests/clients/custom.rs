//! Custom resources, from their definition to their end.

use crate::tools::Bench;

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, singular: widget, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.size, statusReplicasPath: .status.n}}
    additionalPrinterColumns: [{name: Color, type: string, jsonPath: .spec.color}]
    schema:
      openAPIV3Schema:
        type: object
        properties:
          spec:
            type: object
            properties:
              color: {type: string, enum: [red, blue], default: red}
              size: {type: integer, minimum: 1}
          status: {type: object, properties: {n: {type: integer}}}
";
const WIDGET: &str = "
apiVersion: example.com/v1
kind: Widget
metadata: {name: w}
spec: {size: 2}
";

#[test]
fn custom_resources_are_applied_listed_scaled_and_gone_with_their_definition() {
    let Some(bench) = Bench::start() else { return };
    let apply = |text: &str| bench.kubectl_with(&["apply", "--validate=false", "-f", "-"], text);
    let created = "customresourcedefinition.apiextensions.k8s.io/widgets.example.com created\n";
    assert_eq!(apply(DEFINITION), created);
    bench.kubectl(&["wait", "--for=condition=Established", "crd/widgets.example.com"]);
    assert_eq!(apply(WIDGET), "widget.example.com/w created\n");
    assert_eq!(apply(WIDGET), "widget.example.com/w unchanged\n");
    let table = bench.kubectl(&["get", "wd", "--no-headers"]);
    assert_eq!(table.split_whitespace().collect::<Vec<_>>(), ["w", "red"]);
    assert_eq!(bench.kubectl(&["scale", "wd/w", "--replicas=5"]), "widget.example.com/w scaled\n");
    let size = ["get", "widget", "w", "-o", "jsonpath={.spec.size} {.metadata.generation}"];
    assert_eq!(bench.kubectl(&size), "5 2");
    let patch = r#"{"spec":{"color":"green"}}"#;
    let refused = bench.kubectl_any(&["patch", "wd/w", "--type=merge", "-p", patch]);
    let text = "spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\"";
    assert!(refused.err.contains(text), "{}", refused.err);
    let explained = bench.kubectl(&["explain", "widgets.spec", "--recursive"]);
    assert!(explained.contains("color\t<string>\n  enum: red, blue"), "{explained}");
    bench.kubectl(&["delete", "crd", "widgets.example.com"]);
    let gone = bench.kubectl_any(&["get", "widgets"]);
    assert_eq!(gone.code, Some(1), "{}", gone.err);
}
