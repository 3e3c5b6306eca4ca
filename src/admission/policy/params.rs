//! The objects that policies are configured with (`generic.CollectParams`).

use super::compiled::{ParamKind, ParamRef};
use crate::admission::Reader;
use crate::catalog::{Resource, catalog, custom};
use crate::object::Value;
use crate::request::Result;
use bumpalo::Bump;

/// The parameters of one binding: none stands for a policy that is asked without any. The inner
/// error is one of the configuration, for the failure policy.
pub(super) type Params<'v> = std::result::Result<Vec<Option<&'v Value<'v>>>, String>;

/// Collects the parameters.
///
/// # Errors
/// If an object cannot be read.
pub(super) async fn collect<'v>(
    kind: Option<&ParamKind>,
    reference: Option<&ParamRef>,
    namespace: &str,
    reader: &Reader,
    arena: &'v Bump,
) -> Result<Params<'v>> {
    let (Some(kind), Some(reference)) = (kind, reference) else { return Ok(Ok(vec![None])) };
    let Some(resource) = resource(kind) else {
        let (version, name) = (&kind.api_version, &kind.kind);
        let text =
            format!("paramKind kind `&ParamKind{{APIVersion:{version},Kind:{name},}}` not known");
        return Ok(Err(text));
    };
    let namespace = match (resource.namespaced, &*reference.namespace) {
        (false, "") => "",
        (false, _) => {
            let text = "paramRef.namespace must not be provided for a cluster-scoped `paramKind`";
            return Ok(Err(text.to_owned()));
        }
        (true, "") if namespace.is_empty() => {
            let text = "cannot use namespaced paramRef in policy binding that matches \
                        cluster-scoped resources";
            return Ok(Err(text.to_owned()));
        }
        (true, "") => namespace,
        (true, named) => named,
    };
    let Some(storage) = resource.storage else { return Ok(Ok(vec![None])) };
    let mut objects = if reference.name.is_empty() {
        let mut objects = reader.list_stored(storage, namespace, arena).await?;
        let selector = reference.selector.as_ref();
        let labels = |object: &Value<'_>| {
            selector.is_none_or(|s| s.matches_labels(object.at(&["metadata", "labels"])))
        };
        objects.retain(labels);
        objects
    } else {
        let found = reader.get_stored(storage, namespace, &reference.name, arena).await?;
        found.into_iter().collect()
    };
    if objects.is_empty() && reference.must_exist {
        let text = "no params found for policy binding with `Deny` parameterNotFoundAction";
        return Ok(Err(text.to_owned()));
    }
    for object in &mut objects {
        if let Some(map) = object.as_map_mut() {
            map.insert("apiVersion", Value::str_in(&kind.api_version, arena));
            map.insert("kind", Value::str_in(&kind.kind, arena));
        }
    }
    Ok(Ok(objects.into_iter().map(|object| Some(&*arena.alloc(object))).collect()))
}

fn resource(kind: &ParamKind) -> Option<&'static Resource> {
    let (group, version) = kind.api_version.split_once('/').unwrap_or(("", &kind.api_version));
    catalog()
        .resource_of_kind(group, version, &kind.kind)
        .or_else(|| custom::served().resource_of_kind(group, version, &kind.kind))
}
