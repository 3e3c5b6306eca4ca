"""What a program with Python's Kubernetes client does in a day."""

import threading

from kubernetes import client, config, dynamic, watch
from kubernetes.client.rest import ApiException

config.load_kube_config()
core = client.CoreV1Api()
apps = client.AppsV1Api()

assert client.VersionApi().get_code().minor == "36"
names = {ns.metadata.name for ns in core.list_namespace().items}
assert {"default", "kube-system", "kube-public", "kube-node-lease"} <= names, names

# Create, read, patch, replace.
body = client.V1ConfigMap(metadata=client.V1ObjectMeta(name="c"), data={"a": "1"})
made = core.create_namespaced_config_map("default", body)
core.patch_namespaced_config_map("c", "default", {"data": {"b": "2"}})
read = core.read_namespaced_config_map("c", "default")
assert read.data == {"a": "1", "b": "2"}, read.data
assert read.metadata.uid == made.metadata.uid
try:
    core.replace_namespaced_config_map("c", "default", made)
    raise SystemExit("a stale replace went through")
except ApiException as refused:
    assert refused.status == 409, refused

# A watch from the list's version sees what happens after it.
listed = core.list_namespaced_config_map("default", label_selector="!hidden")
seen = []


def follow():
    stream = watch.Watch().stream(
        core.list_namespaced_config_map,
        "default",
        resource_version=listed.metadata.resource_version,
        timeout_seconds=20,
    )
    for event in stream:
        seen.append((event["type"], event["object"].metadata.name))
        if event["type"] == "DELETED":
            return


following = threading.Thread(target=follow)
following.start()
core.create_namespaced_config_map(
    "default", client.V1ConfigMap(metadata=client.V1ObjectMeta(name="d"))
)
core.delete_namespaced_config_map("d", "default")
following.join(30)
assert seen == [("ADDED", "d"), ("DELETED", "d")], seen

# Apps, scale, status.
labels = {"app": "web"}
pod = client.V1PodTemplateSpec(
    metadata=client.V1ObjectMeta(labels=labels),
    spec=client.V1PodSpec(containers=[client.V1Container(name="c", image="nginx")]),
)
spec = client.V1DeploymentSpec(selector=client.V1LabelSelector(match_labels=labels), template=pod)
deployment = client.V1Deployment(metadata=client.V1ObjectMeta(name="web"), spec=spec)
apps.create_namespaced_deployment("default", deployment)
apps.patch_namespaced_deployment_scale("web", "default", {"spec": {"replicas": 4}})
assert apps.read_namespaced_deployment("web", "default").spec.replicas == 4
apps.patch_namespaced_deployment_status("web", "default", {"status": {"replicas": 4}})
assert apps.read_namespaced_deployment_status("web", "default").status.replicas == 4

# Discovery and dynamic objects.
kinds = dynamic.DynamicClient(client.ApiClient())
leases = kinds.resources.get(api_version="coordination.k8s.io/v1", kind="Lease")
leases.create(
    namespace="default",
    body={
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "l"},
        "spec": {"holderIdentity": "me", "renewTime": "2026-01-02T03:04:05.678901Z"},
    },
)
lease = leases.get(name="l", namespace="default")
assert lease.spec.renewTime == "2026-01-02T03:04:05.678901Z", lease.spec.renewTime

# Errors carry the Status.
try:
    core.read_namespaced_config_map("missing", "default")
    raise SystemExit("what is missing was found")
except ApiException as missing:
    assert missing.status == 404 and '"reason":"NotFound"' in missing.body, missing.body

core.delete_collection_namespaced_config_map("default", field_selector="metadata.name=c")
apps.delete_namespaced_deployment("web", "default", propagation_policy="Background")
assert "c" not in {cm.metadata.name for cm in core.list_namespaced_config_map("default").items}
print("all done")
