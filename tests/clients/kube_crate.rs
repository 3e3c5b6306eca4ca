//! The `kube` crate: typed and dynamic clients, watcher and reflector.

use crate::harness::Server;
use crate::harness::client;
use futures_util::StreamExt;
use futures_util::TryStreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use kube::ResourceExt;
use kube::api::DeleteParams;
use kube::api::DynamicObject;
use kube::api::ListParams;
use kube::api::PartialObjectMeta;
use kube::api::Patch;
use kube::api::PatchParams;
use kube::api::PostParams;
use kube::runtime::WatchStreamExt;
use kube::runtime::reflector;
use kube::runtime::watcher;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a watcher may take to see a write.
const SEEN: Duration = Duration::from_secs(20);

fn map(name: &str, value: &str) -> ConfigMap {
    let mut map = ConfigMap::default();
    map.metadata.name = Some(name.to_owned());
    map.data = Some(BTreeMap::from([("value".to_owned(), value.to_owned())]));
    map
}

async fn maps(server: &Server) -> Api<ConfigMap> {
    Api::namespaced(client(&server.kubeconfig()).await.expect("a client"), "default")
}

#[tokio::test]
async fn a_typed_object_from_create_to_delete() {
    let server = Server::start(&[]);
    let api = maps(&server).await;
    let made = api.create(&PostParams::default(), &map("a", "1")).await.expect("created");
    assert!(made.uid().is_some() && made.resource_version().is_some());
    let mut read = api.get("a").await.expect("there");
    assert_eq!(read, made);
    read.data = map("a", "2").data;
    let replaced = api.replace("a", &PostParams::default(), &read).await.expect("replaced");
    assert_ne!(replaced.resource_version(), made.resource_version());
    let stale = api.replace("a", &PostParams::default(), &made).await.expect_err("stale");
    assert!(matches!(&stale, kube::Error::Api(status) if status.code == 409), "{stale:?}");
    let patch = Patch::Merge(serde_json::json!({"data": {"more": "3"}}));
    let patched = api.patch("a", &PatchParams::default(), &patch).await.expect("patched");
    assert_eq!(patched.data.map(|data| data.len()), Some(2));
    let meta = api.get_metadata("a").await.expect("its metadata");
    assert_eq!(meta.uid(), made.uid());
    api.delete("a", &DeleteParams::default()).await.expect("deleted");
    assert!(api.get_opt("a").await.expect("an answer").is_none());
}

#[tokio::test]
async fn lists_page_by_page() {
    let server = Server::start(&[]);
    let api = maps(&server).await;
    for number in 0..25 {
        let map = map(&format!("m-{number:02}"), "x");
        api.create(&PostParams::default(), &map).await.expect("created");
    }
    let mut names = Vec::new();
    let mut page = ListParams::default().limit(10).fields("metadata.name!=m-07");
    loop {
        let list = api.list(&page).await.expect("a page");
        assert!(list.items.len() <= 10);
        names.extend(list.items.iter().map(ResourceExt::name_any));
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => page = page.continue_token(&token),
            None => break,
        }
    }
    names.retain(|name| name.starts_with("m-"));
    let expected = (0..25).filter(|number| *number != 7).map(|number| format!("m-{number:02}"));
    assert_eq!(names, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn discovery_finds_kinds_for_dynamic_objects() {
    let server = Server::start(&[]);
    let client = client(&server.kubeconfig()).await.expect("a client");
    let gvk = kube::core::GroupVersionKind::gvk("apps", "v1", "Deployment");
    let (resource, capabilities) = kube::discovery::pinned_kind(&client, &gvk).await.expect("it");
    assert_eq!(resource.plural, "deployments");
    assert!(capabilities.supports_operation(kube::discovery::verbs::WATCH));
    let dynamic: Api<DynamicObject> = Api::namespaced_with(client.clone(), "default", &resource);
    let labels = serde_json::json!({"app": "web"});
    let object = serde_json::from_value(serde_json::json!({
        "metadata": {"name": "web"},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        },
    }));
    dynamic.create(&PostParams::default(), &object.expect("an object")).await.expect("created");
    let typed: Api<Deployment> = Api::namespaced(client, "default");
    let scale = typed.get_scale("web").await.expect("its scale");
    assert_eq!(scale.spec.and_then(|spec| spec.replicas), Some(1));
}

/// Values of the maps named `w-…` in a reflector's store.
fn mirrored(store: &reflector::Store<ConfigMap>) -> BTreeMap<String, String> {
    let state = store.state();
    let ours = state.iter().filter(|map| map.name_any().starts_with("w-"));
    ours.map(|map| {
        let value = map.data.as_ref().and_then(|data| data.get("value").cloned());
        (map.name_any(), value.unwrap_or_default())
    })
    .collect()
}

async fn reflect(config: watcher::Config) {
    let server = Server::start(&[]);
    let api = maps(&server).await;
    for number in 0..5 {
        let map = map(&format!("w-{number}"), "before");
        api.create(&PostParams::default(), &map).await.expect("created");
    }
    let (store, writer) = reflector::store();
    let stream = reflector(writer, watcher(api.clone(), config)).default_backoff();
    let events = tokio::spawn(stream.applied_objects().for_each(|_| async {}));
    store.wait_until_ready().await.expect("its first list");
    assert_eq!(mirrored(&store).len(), 5);

    let patch = Patch::Merge(serde_json::json!({"data": {"value": "after"}}));
    api.patch("w-1", &PatchParams::default(), &patch).await.expect("patched");
    api.delete("w-2", &DeleteParams::default()).await.expect("deleted");
    api.create(&PostParams::default(), &map("w-9", "new")).await.expect("created");
    let expected = [("w-0", "before"), ("w-1", "after"), ("w-3", "before"), ("w-4", "before")];
    let expected = expected.into_iter().chain([("w-9", "new")]);
    let expected: BTreeMap<_, _> =
        expected.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let seen = tokio::time::timeout(SEEN, async {
        while mirrored(&store) != expected {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    assert!(seen.await.is_ok(), "the store stays at {:?}", mirrored(&store));
    events.abort();
}

#[tokio::test]
async fn a_reflector_follows_by_list_and_watch() {
    reflect(watcher::Config::default().page_size(2)).await;
}

#[tokio::test]
async fn a_reflector_follows_by_a_streaming_list() {
    reflect(watcher::Config::default().streaming_lists()).await;
}

#[tokio::test]
async fn a_watch_of_metadata_alone() {
    let server = Server::start(&[]);
    let api = maps(&server).await;
    let config = watcher::Config::default().fields("metadata.name=only");
    let client = client(&server.kubeconfig()).await.expect("a client");
    let metadata: Api<PartialObjectMeta<ConfigMap>> = Api::namespaced(client, "default");
    let mut stream = watcher(metadata, config).applied_objects().boxed();
    let watching = tokio::spawn(async move { stream.try_next().await });
    api.create(&PostParams::default(), &map("other", "1")).await.expect("created");
    api.create(&PostParams::default(), &map("only", "1")).await.expect("created");
    let first = tokio::time::timeout(SEEN, watching).await.expect("in time").expect("no panic");
    assert_eq!(first.expect("an event").map(|meta| meta.name_any()), Some("only".to_owned()));
}
