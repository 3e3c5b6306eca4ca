//! What patches, managed fields and server-side apply cost, on a Deployment as clusters have them.
//!
//! `cargo bench --bench patch`; prints nanoseconds an operation. Each includes the copy of the live
//! object that a write needs anyway; that copy stands on a line of its own.

mod measure;

use bumpalo::Bump;
use kubering::catalog::catalog;
use kubering::codec::json::{self, Strictness};
use kubering::object::Value;
use kubering::object::apply::{Request, apply};
use kubering::object::managed::{Reset, Writer, update};
use kubering::object::patch::{json as json_patch, merge, strategic};
use kubering::object::schema::Type;
use measure::show;
use std::hint::black_box;

const DEPLOYMENT: &str = include_str!("data/deployment.json");
const STRATEGIC: &str = r#"{"spec":{"replicas":5,"template":{"spec":{
    "$setElementOrder/containers":[{"name":"web"},{"name":"proxy"}],
    "containers":[{"name":"web","image":"registry.example/web:2","env":[{"name":"LEVEL",
      "value":"debug"}]}]}}}}"#;
const MERGE: &str = r#"{"metadata":{"annotations":{"deployment.kubernetes.io/revision":"8"}},
    "spec":{"replicas":5}}"#;
const JSON: &str = r#"[{"op":"test","path":"/spec/replicas","value":3},
    {"op":"replace","path":"/spec/replicas","value":5},
    {"op":"add","path":"/spec/template/spec/containers/0/env/-",
     "value":{"name":"N","value":"1"}}]"#;
const CONFIG: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},
    "spec":{"replicas":5,"template":{"spec":{"containers":[{"name":"web",
    "image":"registry.example/web:1"}]}}}}"#;

fn writer(manager: &'static str, subresource: &'static str) -> Writer<'static> {
    let (main, status): (&[&[&str]], &[&[&str]]) = (&[&["status"]], &[&["spec"]]);
    Writer {
        manager,
        api_version: "apps/v1",
        subresource,
        time: "2024-06-01T00:00:00Z",
        reset: Reset::Paths(if subresource.is_empty() { main } else { status }),
        versions: &[],
        convert: None,
    }
}

/// Works in one arena, made empty before each run.
fn run(name: &str, work: &dyn Fn(&Bump)) {
    let mut arena = Bump::new();
    show(name, || {
        arena.reset();
        work(&arena);
    });
}

fn main() {
    let ty = catalog().kind("apps", "v1", "Deployment").expect("the catalog has deployments");
    let keep = Bump::new();
    let decoded = json::decode(DEPLOYMENT.as_bytes(), ty, &keep, Strictness::Report);
    let live = decoded.expect("the deployment decodes").value;
    let parsed = |text: &str| json::parse_any(text.as_bytes(), &keep).expect("JSON");
    let (strategic_patch, merge_patch) = (parsed(STRATEGIC), parsed(MERGE));
    let (operations, config) = (parsed(JSON), parsed(CONFIG));

    run("copy of the live object", &|arena| {
        black_box(live.copy_in(arena));
    });
    run("strategic merge patch", &|arena| {
        let mut new = live.copy_in(arena);
        black_box(strategic::apply(arena, ty, &mut new, &strategic_patch).is_ok());
    });
    run("merge patch", &|arena| {
        let mut new = live.copy_in(arena);
        black_box(merge::apply(arena, &mut new, &merge_patch).is_ok());
    });
    run("JSON patch", &|arena| {
        let mut new = live.copy_in(arena);
        let patch = json_patch::Patch::read(&operations, true).expect("operations");
        black_box(patch.apply(arena, Some(ty), &mut new).is_ok());
    });
    run("conform a patched object", &|arena| {
        let new = live.copy_in(arena);
        black_box(json::conform(&new, ty, arena, Strictness::Report).is_ok());
    });
    ownership(ty, &keep, &live, &config);
    wide(ty);
}

/// A Deployment whose template sets 60 fields of its containers, and a change of one of them.
fn wide(ty: &'static Type) {
    let keep = Bump::new();
    let container = |name: &str, image: &str| {
        let env: Vec<String> =
            (0..8).map(|n| format!(r#"{{"name":"E{n}","value":"{n}"}}"#)).collect();
        let probe = r#"{"httpGet":{"path":"/healthz","port":8080,"scheme":"HTTP"},
            "periodSeconds":10,"timeoutSeconds":1}"#;
        format!(
            r#"{{"name":"{name}","image":"{image}","imagePullPolicy":"IfNotPresent",
            "ports":[{{"name":"h","containerPort":8080,"protocol":"TCP"}}],"env":[{}],
            "resources":{{"requests":{{"cpu":"1","memory":"1Gi"}},"limits":{{"cpu":"2",
            "memory":"2Gi"}}}},"livenessProbe":{probe},"readinessProbe":{probe}}}"#,
            env.join(",")
        )
    };
    let manifest = |image: &str| {
        format!(
            r#"{{"apiVersion":"apps/v1","kind":"Deployment","metadata":{{"name":"web"}},
            "spec":{{"replicas":3,"selector":{{"matchLabels":{{"a":"b"}}}},"template":{{
            "metadata":{{"labels":{{"a":"b"}}}},"spec":{{"containers":[{},{}]}}}}}}}}"#,
            container("web", image),
            container("proxy", "proxy:1")
        )
    };
    let parse =
        |text: String| json::parse_any(keep.alloc_str(&text).as_bytes(), &keep).expect("JSON");
    let (first, second) = (parse(manifest("web:1")), parse(manifest("web:2")));
    let by = writer("applier", "");
    let request = Request { writer: &by, kind: "Deployment", force: false, last_applied: None };
    let live = apply(&keep, Some(ty), None, &first, &request).expect("an object");
    run("server-side apply of 60 container fields", &|arena| {
        let (old, config) = (live.copy_in(arena), second.copy_in(arena));
        black_box(apply(arena, Some(ty), Some(&old), &config, &request).is_ok());
    });
    let patch = parse(
        r#"{"spec":{"template":{"spec":{"$setElementOrder/containers":[{"name":"web"},
        {"name":"proxy"}],"containers":[{"name":"web","image":"web:2"}]}}}}"#
            .to_owned(),
    );
    run("strategic merge patch of the same", &|arena| {
        let mut new = live.copy_in(arena);
        black_box(strategic::apply(arena, ty, &mut new, &patch).is_ok());
    });
}

/// Managed fields and apply.
fn ownership<'k>(ty: &'static Type, keep: &'k Bump, live: &Value<'k>, config: &Value<'k>) {
    let changed = |path: &[&str], value: i64| {
        let mut new = live.copy_in(keep);
        let (last, above) = path.split_last().expect("a path");
        let holder = above.iter().fold(new.as_map_mut().expect("an object"), |map, name| {
            map.entry_map(keep.alloc_str(name))
        });
        holder.insert(keep.alloc_str(last), Value::Int(value));
        new
    };
    let scaled = changed(&["spec", "replicas"], 9);
    let counted = changed(&["status", "readyReplicas"], 2);
    run("managed fields, nothing changed", &|arena| {
        let (old, mut new) = (live.copy_in(arena), live.copy_in(arena));
        update(arena, Some(ty), Some(&old), &mut new, &writer("kubectl-edit", ""));
        black_box(new);
    });
    run("managed fields, replicas changed", &|arena| {
        let (old, mut new) = (live.copy_in(arena), scaled.copy_in(arena));
        update(arena, Some(ty), Some(&old), &mut new, &writer("kubectl-edit", ""));
        black_box(new);
    });
    run("managed fields, status changed", &|arena| {
        let (old, mut new) = (live.copy_in(arena), counted.copy_in(arena));
        update(arena, Some(ty), Some(&old), &mut new, &writer("kube-controller-manager", "status"));
        black_box(new);
    });
    run("managed fields of a new object", &|arena| {
        let mut new = live.copy_in(arena);
        update(arena, Some(ty), None, &mut new, &writer("kubectl-create", ""));
        black_box(new);
    });
    run("server-side apply, forced", &|arena| {
        let (old, config) = (live.copy_in(arena), config.copy_in(arena));
        let by = writer("applier", "");
        let (kind, force, last_applied) = ("Deployment", true, None);
        let request = Request { writer: &by, kind, force, last_applied };
        black_box(apply(arena, Some(ty), Some(&old), &config, &request).is_ok());
    });
}
