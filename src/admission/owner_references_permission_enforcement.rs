//! OwnerReferencesPermissionEnforcement: whoever changes owner references must be allowed to delete
//! the object, and to block an owner's deletion must be allowed to finalize that owner.

use super::authority::{Authority, Question};
use super::refusal::refuse;
use crate::catalog::catalog;
use crate::object::Value;
use crate::request::{Attributes, Operation, Result};

/// Judges owner references that are new or changed.
///
/// # Errors
/// 403 for a user who may not.
pub(super) async fn validate(
    at: &Attributes<'_>,
    object: &Value<'_>,
    old: Option<&Value<'_>>,
    authority: &dyn Authority,
) -> Result<()> {
    if !matches!(at.operation, Operation::Create | Operation::Update) {
        return Ok(());
    }
    // A kubelet makes mirror pods that belong to its node.
    let mirror = at.is("", "pods") && at.operation == Operation::Create;
    if mirror && at.context.user.in_group("system:nodes") {
        return Ok(());
    }
    let references = |object: &Value<'_>| object.at(&["metadata", "ownerReferences"]).is_some();
    let same = |old: &Value<'_>| {
        old.at(&["metadata", "ownerReferences"]) == object.at(&["metadata", "ownerReferences"])
    };
    if old.map_or(!references(object), same) {
        return Ok(());
    }
    let user = &at.context.user;
    if at.operation == Operation::Update || references(object) {
        let question = Question {
            verb: "delete",
            group: at.resource.group,
            version: at.resource.version,
            resource: at.resource.name,
            namespace: at.namespace,
            name: at.name,
            ..Question::default()
        };
        if at.operation == Operation::Update && !authority.allows(user, question).await {
            let text = "cannot set an ownerRef on a resource you can't delete: , <nil>";
            return Err(refuse(at, text));
        }
    }
    let path = ["metadata", "ownerReferences"];
    let known = old.map_or(&[][..], |old| old.list_at(&path));
    for owner in object.list_at(&path) {
        let blocks = |owner: &Value<'_>| owner.bool_at(&["blockOwnerDeletion"]);
        let uid = owner.str_at(&["uid"]);
        if !blocks(owner) || known.iter().any(|old| old.str_at(&["uid"]) == uid && blocks(old)) {
            continue;
        }
        finalizes(at, owner, authority).await?;
    }
    Ok(())
}

/// The user may update the finalizers of the owner.
async fn finalizes(
    at: &Attributes<'_>,
    owner: &Value<'_>,
    authority: &dyn Authority,
) -> Result<()> {
    let begin = "cannot set blockOwnerDeletion";
    let (group, version) = owner
        .str_at(&["apiVersion"])
        .split_once('/')
        .unwrap_or(("", owner.str_at(&["apiVersion"])));
    let kind = owner.str_at(&["kind"]);
    let groups = catalog().groups().iter().filter(|known| known.name == group);
    let versions = groups.flat_map(|known| &known.versions);
    let mut resources = versions.filter(|known| known.version == version);
    let resource = resources
        .find_map(|known| known.resources.iter().find(|resource| resource.kind == kind).copied());
    let Some(resource) = resource else {
        let text = format!(
            "{begin} in this case because cannot find RESTMapping for APIVersion \
            {} Kind {kind}",
            owner.str_at(&["apiVersion"])
        );
        return Err(refuse(at, text));
    };
    let question = Question {
        verb: "update",
        group,
        version,
        resource: resource.name,
        subresource: "finalizers",
        namespace: if resource.namespaced { at.namespace } else { "" },
        name: owner.str_at(&["name"]),
        ..Question::default()
    };
    if authority.allows(&at.context.user, question).await {
        return Ok(());
    }
    let text = format!(
        "{begin} if an ownerReference refers to a resource you can't set finalizers on: , <nil>"
    );
    Err(refuse(at, text))
}
