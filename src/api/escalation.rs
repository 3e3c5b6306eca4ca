//! Nobody hands on rights that he has not got: what roles and bindings must pass before they are
//! stored (`pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased`).

use crate::authz::{Action, Authorizer, MASTERS, Rule};
use crate::object::Value;
use crate::registry::{meta, stored};
use crate::request::{Attributes, Fault, Operation, Result, Subject};
use bumpalo::Bump;

const GROUP: &str = "rbac.authorization.k8s.io";
/// Fields of metadata that the garbage collector changes.
const COLLECTED: [&str; 4] = ["finalizers", "managedFields", "ownerReferences", "resourceVersion"];

/// Checks a role or binding as it will stand there, `old` being what an update found; everything
/// else passes.
///
/// # Errors
/// 403 with the rules that the user has not got, 404 for a binding to a role that is not there.
pub async fn check(
    authorizer: &Authorizer,
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    arena: &Bump,
) -> Result<()> {
    let writes = matches!(at.operation, Operation::Create | Operation::Update);
    if at.resource.group != GROUP || !at.subresource.is_empty() || !writes {
        return Ok(());
    }
    let user = &at.context.user;
    if user.in_group(MASTERS) {
        return Ok(());
    }
    match at.resource.name {
        "roles" | "clusterroles" => {
            let name = if at.operation == Operation::Create { "" } else { at.name };
            let escalate = Action {
                verb: "escalate",
                namespace: at.namespace,
                name,
                ..rbac(at.resource.name, at.resource.version)
            };
            if authorizer.allows(user, &escalate).await || only_collected(object, old, arena) {
                return Ok(());
            }
            role(authorizer, at, object, old)
        }
        "rolebindings" | "clusterrolebindings" => {
            if only_collected(object, old, arena) {
                return Ok(());
            }
            binding(authorizer, at, object).await
        }
        _ => Ok(()),
    }
}

fn role(
    authorizer: &Authorizer,
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
) -> Result<()> {
    confirm(authorizer, at, object, &rules(object))?;
    let aggregates =
        |role: &Value<'_>| !role.list_at(&["aggregationRule", "clusterRoleSelectors"]).is_empty();
    // An aggregated role may come to hold anything.
    if !aggregates(object) && !old.is_some_and(aggregates) {
        return Ok(());
    }
    let user = &at.context.user;
    match authorizer.roles().escalation(user, at.namespace, &Rule::everything()) {
        None => Ok(()),
        Some(_) => {
            let text = "must have cluster-admin privileges to use the aggregationRule";
            Err(forbidden(at, object, text.to_owned()))
        }
    }
}

async fn binding(authorizer: &Authorizer, at: &Attributes<'_>, object: &Value<'_>) -> Result<()> {
    let (kind, name) = (object.str_at(&["roleRef", "kind"]), object.str_at(&["roleRef", "name"]));
    let (resource, namespace) = match kind {
        "ClusterRole" => ("clusterroles", ""),
        "Role" => ("roles", at.namespace),
        other => {
            let text = format!("unsupported role reference kind: {other:?}");
            return Err(Fault::Plain(text));
        }
    };
    let bind = Action {
        verb: "bind",
        group: object.str_at(&["roleRef", "apiGroup"]),
        namespace: at.namespace,
        name,
        ..Action::resource(resource)
    };
    if authorizer.allows(&at.context.user, &bind).await {
        return Ok(());
    }
    if kind == "Role" && namespace.is_empty() {
        return Err(Fault::BadRequest("Namespace parameter required.".to_owned()));
    }
    match authorizer.roles().rules_of(namespace, name) {
        Some(rules) => confirm(authorizer, at, object, &rules),
        // Upstream's words: the resource of the binding, the name of the role.
        None => Err(stored::missing(at.resource, name)),
    }
}

fn confirm(
    authorizer: &Authorizer,
    at: &Attributes<'_>,
    object: &Value<'_>,
    rules: &[Rule],
) -> Result<()> {
    match authorizer.roles().escalation(&at.context.user, at.namespace, rules) {
        None => Ok(()),
        Some(why) => Err(forbidden(at, object, why)),
    }
}

fn forbidden(at: &Attributes<'_>, object: &Value<'_>, message: String) -> Fault {
    let subject = Subject {
        group: at.resource.group.into(),
        resource: at.resource.name.into(),
        name: meta::name(object).into(),
    };
    Fault::Forbidden { subject, message, cause: None }
}

fn rules(role: &Value<'_>) -> Vec<Rule> {
    role.list_at(&["rules"]).iter().map(Rule::of).collect()
}

fn rbac(resource: &'static str, version: &'static str) -> Action<'static> {
    Action { group: GROUP, version, ..Action::resource(resource) }
}

/// True if an update changes only what the garbage collector changes (`IsOnlyMutatingGCFields`).
fn only_collected(object: &Value<'_>, old: Option<&Value<'_>>, arena: &Bump) -> bool {
    let Some(old) = old else { return false };
    let (mut object, mut old) = (object.copy_in(arena), old.copy_in(arena));
    for object in [&mut object, &mut old] {
        let metadata = meta::metadata_mut(object, arena);
        for field in COLLECTED {
            metadata.remove(field);
        }
    }
    object == old
}
