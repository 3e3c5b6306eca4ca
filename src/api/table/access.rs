//! Role bindings and certificate signing requests.

use crate::api::table::Printer;
use crate::api::table::column::AGE;
use crate::api::table::column::NAME;
use crate::api::table::column::text;
use crate::api::table::row::Row;
use crate::api::table::since::Human;
use crate::object::Value;

pub(super) static ROLE_BINDING: Printer = Printer {
    columns: &[
        NAME,
        text("Role").says(
            "RoleRef can reference a Role in the current namespace or a ClusterRole in the global \
             namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
        ),
        AGE,
        text("Users").says("Users in the roleBinding").wide(),
        text("Groups").says("Groups in the roleBinding").wide(),
        text("ServiceAccounts").says("ServiceAccounts in the roleBinding").wide(),
    ],
    cells: binding,
    ..Printer::PLAIN
};

pub(super) static CLUSTER_ROLE_BINDING: Printer = Printer {
    columns: &[
        NAME,
        text("Role").says(
            "RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef \
             cannot be resolved, the Authorizer must return an error.",
        ),
        AGE,
        text("Users").says("Users in the clusterRoleBinding").wide(),
        text("Groups").says("Groups in the clusterRoleBinding").wide(),
        text("ServiceAccounts").says("ServiceAccounts in the clusterRoleBinding").wide(),
    ],
    cells: binding,
    ..Printer::PLAIN
};

fn binding(binding: &Value<'_>, row: &mut Row<'_>) {
    row.name(binding);
    let role = |field| binding.str_at(&["roleRef", field]);
    row.format(format_args!("{}/{}", role("kind"), role("name")));
    row.age(binding);
    let subjects = binding.list_at(&["subjects"]);
    for kind in ["User", "Group", "ServiceAccount"] {
        let all: Vec<String> = subjects
            .iter()
            .filter(|subject| subject.str_at(&["kind"]) == kind)
            .map(|subject| match (subject.str_at(&["namespace"]), subject.str_at(&["name"])) {
                (namespace, name) if kind == "ServiceAccount" => format!("{namespace}/{name}"),
                (_, name) => name.to_owned(),
            })
            .collect();
        row.text(&all.join(", "));
    }
}

pub(super) static CERTIFICATE_SIGNING_REQUEST: Printer = Printer {
    columns: &[
        NAME,
        AGE,
        text("SignerName").says(
            "Requested signer for the request. It is a qualified name in the form: \
             `scope-hostname.io/name`. If empty, it will be defaulted:\n 1. If it's a kubelet \
             client certificate, it is assigned\n    \
             \"kubernetes.io/kube-apiserver-client-kubelet\".\n 2. If it's a kubelet serving \
             certificate, it is assigned\n    \"kubernetes.io/kubelet-serving\".\n 3. Otherwise, \
             it is assigned \"kubernetes.io/legacy-unknown\".\nDistribution of trust for signers \
             happens out of band. You can select on this field using `spec.signerName`.",
        ),
        text("Requestor").says("Base64-encoded PKCS#10 CSR data"),
        text("RequestedDuration")
            .of("certificates.v1.CertificateSigningRequestSpec", "expirationSeconds"),
        text("Condition").says("Conditions applied to the request, such as approval or denial."),
    ],
    cells: |request, row| {
        row.name(request);
        row.age(request);
        row.text_or(request.str_at(&["spec", "signerName"]), "<none>");
        row.text(request.str_at(&["spec", "username"]));
        match request.i64_at(&["spec", "expirationSeconds"]) {
            Some(seconds) => {
                row.format(format_args!("{}", Human(seconds.saturating_mul(1000))));
            }
            None => row.text("<none>"),
        }
        let conditions = request.list_at(&["status", "conditions"]);
        let has = |kind: &str| conditions.iter().any(|c| c.str_at(&["type"]) == kind);
        let decision = match (has("Denied"), has("Approved")) {
            (true, _) => "Denied",
            (false, true) => "Approved",
            (false, false) => "Pending",
        };
        let failed = if has("Failed") { ",Failed" } else { "" };
        let issued = match request.str_at(&["status", "certificate"]) {
            "" => "",
            _ => ",Issued",
        };
        row.format(format_args!("{decision}{failed}{issued}"));
    },
    ..Printer::PLAIN
};
