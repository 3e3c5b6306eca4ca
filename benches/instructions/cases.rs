//! The hot paths, each as requests take it.

use bumpalo::Bump;
use bytes::Bytes;
use kubering::authz::{Action, Authorizer, Mode};
use kubering::cache::Entry;
use kubering::catalog::{Resource, Storage, catalog};
use kubering::codec::frame::{self, EventType};
use kubering::codec::json::{self, Strictness};
use kubering::codec::proto::{self, envelope};
use kubering::codec::transcode::{self, Names, Spliced};
use kubering::flow::{Digest, Flow, Known, Seats};
use kubering::metrics::{Labels, Laps, Phase, Recorder};
use kubering::object::Value;
use kubering::object::apply::{self, apply};
use kubering::object::managed::{Reset, Writer, update};
use kubering::object::patch::{json as json_patch, merge, strategic};
use kubering::object::selector::{FieldSelector, LabelSelector};
use kubering::registry::stored;
use kubering::registry::strategy::{self, Scope};
use kubering::request::{ListOptions, Query, RequestInfo, User};
use kubering::store::Item as _;
use std::hint::black_box;
use std::time::Duration;

const POD: &str = include_str!("../data/pod.json");
const DEPLOYMENT: &str = include_str!("../data/deployment.json");
const STRATEGIC: &str = r#"{"spec":{"replicas":5,"template":{"spec":{
    "$setElementOrder/containers":[{"name":"web"},{"name":"proxy"}],
    "containers":[{"name":"web","image":"registry.example/web:2"}]}}}}"#;
const MERGE: &str = r#"{"metadata":{"annotations":{"a":"8"}},"spec":{"replicas":5}}"#;
const JSON: &str = r#"[{"op":"test","path":"/spec/replicas","value":3},
    {"op":"replace","path":"/spec/replicas","value":5}]"#;
const CONFIG: &str = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},
    "spec":{"replicas":5,"template":{"spec":{"containers":[{"name":"web",
    "image":"registry.example/web:1"}]}}}}"#;
const NOW: &str = "2024-06-01T00:00:00Z";

/// Takes a case: its name and one run of it.
type Count<'c> = &'c mut dyn FnMut(&str, &mut dyn FnMut());

pub(crate) fn all(count: Count<'_>) {
    requests(count);
    figures(count);
    decisions(count);
    objects(count);
    changes(count);
    entries(count);
}

fn requests(count: Count<'_>) {
    let path = "/api/v1/namespaces/default/pods/web-6d4cf56db6-00000";
    count("request: GET of a pod", &mut || {
        let query = Query::new(black_box("resourceVersion=0"));
        black_box(RequestInfo::parse("GET", black_box(path), &query).is_ok());
    });
    let text = "labelSelector=app%3Dweb%2Ctier%20in%20(a%2Cb)&fieldSelector=spec.nodeName%3Dnode-7\
                &limit=500&resourceVersion=0";
    count("request: options of a list", &mut || {
        let query = Query::new(black_box(text));
        black_box(ListOptions::parse(query, false).is_ok());
    });
}

fn figures(count: Count<'_>) {
    let recorder = Recorder::default();
    let labels = Labels {
        verb: "GET",
        group: "",
        version: "v1",
        resource: "pods",
        subresource: "",
        scope: "resource",
        dry_run: false,
    };
    count("figures: a read with its phases", &mut || {
        let laps = Laps::default();
        for phase in [Phase::Authn, Phase::Queue, Phase::Authz, Phase::Cache, Phase::Encode] {
            laps.lap(phase);
        }
        let took = (Duration::from_micros(40), &laps);
        drop(recorder.request(black_box(&labels), 200, took, None));
    });
}

fn decisions(count: Count<'_>) {
    let groups = |groups: &[&str]| groups.iter().map(|group| (*group).to_owned()).collect();
    let node = User {
        name: "system:node:n".into(),
        groups: groups(&["system:nodes", "system:authenticated"]),
        ..User::default()
    };
    let someone = User {
        name: "user-7".into(),
        groups: groups(&["group-3", "system:authenticated"]),
        ..User::default()
    };
    let flow = Flow::with_bootstrap(Seats { process: 600, shard: 0, shards: 1 });
    let info = RequestInfo::parse("GET", "/api/v1/nodes/n", &Query::new("")).expect("a path");
    for (name, user) in [("a kubelet", &node), ("someone", &someone)] {
        count(&format!("flow: classify, {name}"), &mut || {
            let digest = Digest { user: black_box(user), info: &info, verb: "get" };
            drop(black_box(flow.classify(digest)));
        });
        let digest = Digest { user, info: &info, verb: "get" };
        let class = flow.classify(digest).expect("there is a class for all");
        count(&format!("flow: enter and leave, {name}"), &mut || {
            let wait = Duration::from_secs(1);
            let seat = flow.enter(&class, digest, Query::new(""), Known::default, wait);
            drop(black_box(futures_lite::future::block_on(seat)));
        });
    }
    let authorizer = authorizer();
    let action = Action {
        verb: "get",
        namespace: "namespace-7",
        name: "web",
        ..Action::resource("configmaps")
    };
    count("RBAC: allowed in a namespace", &mut || {
        black_box(authorizer.allows_now(black_box(&someone), &action));
    });
    let action = Action { verb: "delete", ..action };
    count("RBAC: nothing allows it", &mut || {
        black_box(authorizer.allows_now(black_box(&someone), &action));
    });
}

/// 100 roles, bound 300 times to users and groups of 20 namespaces.
fn authorizer() -> Authorizer {
    let chain = Authorizer::new(&[Mode::Node, Mode::Rbac]);
    let arena = Bump::new();
    let parse = |text: String| {
        json::parse_any(arena.alloc_str(&text).as_bytes(), &arena).expect("an object")
    };
    for number in 0..100 {
        let rule = r#"{"rules":[{"verbs":["get","list"],"apiGroups":["","apps"],
            "resources":["configmaps","deployments"]}]}"#;
        let role = parse(rule.to_owned());
        chain.roles().put_role("", &format!("role-{number}"), Some(&role));
    }
    for number in 0..300 {
        let (kind, name) = match number % 2 {
            0 => ("User", format!("user-{}", number % 50)),
            _ => ("Group", format!("group-{}", number % 20)),
        };
        let binding = parse(format!(
            r#"{{"roleRef":{{"kind":"ClusterRole","name":"role-{}"}},
                "subjects":[{{"kind":"{kind}","name":"{name}"}}]}}"#,
            number % 100
        ));
        let namespace = format!("namespace-{}", number % 20);
        chain.roles().put_binding(&namespace, &format!("binding-{number}"), Some(&binding));
    }
    // One that certainly holds.
    let own = parse(
        r#"{"roleRef":{"kind":"ClusterRole","name":"role-1"},
            "subjects":[{"kind":"User","name":"user-7"}]}"#
            .to_owned(),
    );
    chain.roles().put_binding("namespace-7", "own", Some(&own));
    chain
}

fn pods() -> (&'static Resource, &'static Storage) {
    let resource = catalog().resource("", "v1", "pods").expect("pods are served");
    (resource, resource.storage.expect("pods are stored"))
}

fn objects(count: Count<'_>) {
    let (pods, _) = pods();
    let keep = Bump::new();
    let decoded = json::decode(POD.as_bytes(), pods.ty, &keep, Strictness::Report);
    let pod = decoded.expect("the pod decodes").value;
    let mut text = Vec::new();
    json::encode(&pod, pods.ty, &mut text);
    let mut raw = Vec::new();
    proto::encode(&pod, pods.ty, &mut raw);

    let mut arena = Bump::new();
    count("pod: decode JSON", &mut || {
        arena.reset();
        let decoded = json::decode(black_box(&text), pods.ty, &arena, Strictness::Report);
        black_box(decoded.is_ok());
    });
    count("pod: decode protobuf", &mut || {
        arena.reset();
        let raw = arena.alloc_slice_copy(black_box(&raw));
        black_box(proto::decode(raw, pods.ty, &arena).is_ok());
    });
    let mut out = Vec::with_capacity(64 * 1024);
    count("pod: encode JSON", &mut || {
        out.clear();
        json::encode(black_box(&pod), pods.ty, &mut out);
    });
    count("pod: encode protobuf", &mut || {
        out.clear();
        proto::encode(black_box(&pod), pods.ty, &mut out);
    });
    count("pod: copy", &mut || {
        arena.reset();
        black_box(pod.copy_in(&arena));
    });
    count("pod: copy and defaults", &mut || {
        arena.reset();
        let mut pod = pod.copy_in(&arena);
        stored::fill_defaults(pods, &mut pod, &arena);
        black_box(pod);
    });
    validation(count, &pod, &keep);
}

fn validation<'k>(count: Count<'_>, pod: &Value<'k>, keep: &'k Bump) {
    let (pods, storage) = pods();
    let mut pod = pod.copy_in(keep);
    stored::fill_defaults(pods, &mut pod, keep);
    let mut warnings = Vec::new();
    let scope = Scope {
        arena: keep,
        group: pods.group,
        version: pods.version,
        served_group: pods.group,
        resource: pods.name,
        kind: pods.kind,
        namespaced: true,
        custom: None,
        subresource: "",
        namespace: "default",
        user: strategy::User::default(),
        now: NOW,
        allow_privileged: true,
        warnings: &mut warnings,
    };
    let strategy = stored::strategy_of(pods);
    count("pod: validation", &mut || {
        black_box(strategy.check_create(black_box(&pod), &scope));
    });
    count("pod: stored form", &mut || {
        black_box(stored::encode(storage, black_box(&pod), keep));
    });
}

fn changes(count: Count<'_>) {
    let ty = catalog().kind("apps", "v1", "Deployment").expect("deployments");
    let keep = Bump::new();
    let decoded = json::decode(DEPLOYMENT.as_bytes(), ty, &keep, Strictness::Report);
    let live = decoded.expect("the deployment decodes").value;
    let parsed = |text: &str| json::parse_any(text.as_bytes(), &keep).expect("JSON");
    let (strategic_patch, merge_patch) = (parsed(STRATEGIC), parsed(MERGE));
    let (operations, config) = (parsed(JSON), parsed(CONFIG));
    let writer = |manager: &'static str| Writer {
        manager,
        api_version: "apps/v1",
        subresource: "",
        time: NOW,
        reset: Reset::Paths(&[&["status"]]),
        versions: &[],
        convert: None,
    };
    let mut arena = Bump::new();
    let mut run = |name: &str, work: &dyn Fn(&Bump)| {
        count(name, &mut || {
            arena.reset();
            work(&arena);
        });
    };
    run("deployment: copy", &|arena| {
        black_box(live.copy_in(arena));
    });
    run("deployment: strategic merge patch", &|arena| {
        let mut new = live.copy_in(arena);
        black_box(strategic::apply(arena, ty, &mut new, &strategic_patch).is_ok());
    });
    run("deployment: merge patch", &|arena| {
        let mut new = live.copy_in(arena);
        black_box(merge::apply(arena, &mut new, &merge_patch).is_ok());
    });
    run("deployment: JSON patch", &|arena| {
        let mut new = live.copy_in(arena);
        let patch = json_patch::Patch::read(&operations, true).expect("operations");
        black_box(patch.apply(arena, Some(ty), &mut new).is_ok());
    });
    run("deployment: managed fields", &|arena| {
        let (old, mut new) = (live.copy_in(arena), live.copy_in(arena));
        new.as_map_mut().expect("an object").entry_map("spec").insert("replicas", Value::Int(9));
        update(arena, Some(ty), Some(&old), &mut new, &writer("kubectl-edit"));
        black_box(new);
    });
    run("deployment: server-side apply", &|arena| {
        let (old, config) = (live.copy_in(arena), config.copy_in(arena));
        let by = writer("applier");
        let (kind, force, last_applied) = ("Deployment", true, None);
        let request = apply::Request { writer: &by, kind, force, last_applied };
        black_box(apply(arena, Some(ty), Some(&old), &config, &request).is_ok());
    });
}

fn entries(count: Count<'_>) {
    let (pods, storage) = pods();
    let arena = Bump::new();
    let decoded = json::decode(POD.as_bytes(), pods.ty, &arena, Strictness::Report);
    let pod = decoded.expect("the pod decodes").value;
    let mut value = Vec::new();
    envelope::wrap_with("v1", "Pod", &mut value, |out| proto::encode(&pod, pods.ty, out));
    let value = Bytes::from(value);
    let key = storage.key("default", "web");
    count("entry: header of a stored pod", &mut || {
        black_box(Entry::new(key.clone(), 7, black_box(&value).clone()));
    });
    let entry = Entry::new(key.clone(), 7, value.clone());
    let names = Names { api_version: "v1", kind: "Pod" };
    let mut out = Vec::with_capacity(64 * 1024);
    count("entry: JSON", &mut || {
        out.clear();
        black_box(transcode::to_json(black_box(&value), pods.ty, Some(names), 7, &mut out).is_ok());
    });
    count("entry: protobuf", &mut || {
        out.clear();
        let spliced = transcode::message(black_box(&value))
            .and_then(|raw| Spliced::new(raw, 7))
            .map(|spliced| spliced.write_object(names, &mut out));
        black_box(spliced.is_ok());
    });
    let item = entry.json().expect("JSON").item();
    count("watch: frame in JSON", &mut || {
        out.clear();
        let written = frame::json(EventType::Modified, &mut out, |out| {
            out.extend_from_slice(black_box(&item));
            Ok::<(), ()>(())
        });
        black_box(written.is_ok());
    });
    let labels = LabelSelector::parse("app=web,tier in (front,back),!canary").expect("a selector");
    count("selector: labels of an entry", &mut || {
        black_box(labels.matches(|key| black_box(&entry).label(key)));
    });
    let fields = FieldSelector::equals("metadata.name", "web");
    count("selector: fields of an entry", &mut || {
        let lookup = |field: &str| (field == "metadata.name").then(|| black_box(&entry).name());
        black_box(fields.matches(lookup));
    });
}
