//! The environments of Kubernetes' uses of CEL.

use super::types::{Object, Type};
use super::{Env, Opaque, Val};
use crate::cel::authorizer::Query;
use std::sync::{Arc, LazyLock};

/// What else than the request an admission expression may name.
#[derive(Debug, Clone, Copy, Default)]
pub struct Optional {
    /// `params`.
    pub params: bool,
    /// `authorizer` and `authorizer.requestResource`.
    pub authorizer: bool,
}

/// The variables of admission expressions in the order of their values: `object`, `oldObject`,
/// `namespaceObject`, `request`, then `params`, then `authorizer` and `authorizer.requestResource`
/// (`plugin/cel/compile.go` `createEnvForOpts`).
pub fn admission(optional: Optional) -> Env {
    let mut env = Env::new()
        .with("object", Type::Dyn)
        .with("oldObject", Type::Dyn)
        .with("namespaceObject", NAMESPACE.clone())
        .with("request", REQUEST.clone());
    if optional.params {
        env = env.with("params", Type::Dyn);
    }
    if optional.authorizer {
        env = env.with("authorizer", Type::Opaque("kubernetes.authorization.Authorizer")).with(
            "authorizer.requestResource",
            Type::Opaque("kubernetes.authorization.ResourceCheck"),
        );
    }
    env
}

/// The one variable of the conditions of authorization webhooks: `request`, the spec of a
/// SubjectAccessReview (`pkg/authorization/cel` `mustBuildEnv`).
pub fn access_review() -> Env {
    Env::new().with("request", ACCESS_REVIEW.clone())
}

/// The value of `authorizer`.
pub fn authorizer<'v>() -> Val<'v> {
    Val::opaque(Opaque::Authorizer(Query::default()))
}

/// The value of `authorizer.requestResource`.
pub fn request_resource<'v>(query: Query) -> Val<'v> {
    Val::opaque(Opaque::ResourceCheck(query))
}

fn fields(list: &[(&str, Type)]) -> Vec<(Box<str>, Type)> {
    list.iter().map(|(name, field)| ((*name).into(), field.clone())).collect()
}

static REQUEST: LazyLock<Type> = LazyLock::new(|| {
    let names = |name: &str, last: &str| {
        let list = [("group", Type::String), ("version", Type::String), (last, Type::String)];
        Object::typed(name, fields(&list))
    };
    let kind = names("kubernetes.GroupVersionKind", "kind");
    let resource = names("kubernetes.GroupVersionResource", "resource");
    let texts = Type::list(Type::String);
    let user = Object::typed(
        "kubernetes.UserInfo",
        fields(&[
            ("username", Type::String),
            ("uid", Type::String),
            ("groups", texts.clone()),
            ("extra", Type::map(Type::String, texts)),
        ]),
    );
    Object::typed(
        "kubernetes.AdmissionRequest",
        fields(&[
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", Type::String),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", Type::String),
            ("name", Type::String),
            ("namespace", Type::String),
            ("operation", Type::String),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ]),
    )
});

static ACCESS_REVIEW: LazyLock<Type> = LazyLock::new(|| {
    let texts = || Type::list(Type::String);
    let strings = |names: &[&'static str]| -> Vec<(&'static str, Type)> {
        names.iter().map(|name| (*name, Type::String)).collect()
    };
    let requirement = Object::typed(
        "kubernetes.SelectorRequirement",
        fields(&[("key", Type::String), ("operator", Type::String), ("values", texts())]),
    );
    let selector = |name: &str| {
        let list =
            [("rawSelector", Type::String), ("requirements", Type::list(requirement.clone()))];
        Object::typed(name, fields(&list))
    };
    let mut of_resource =
        strings(&["namespace", "verb", "group", "version", "resource", "subresource", "name"]);
    of_resource.push(("fieldSelector", selector("kubernetes.FieldSelectorAttributes")));
    of_resource.push(("labelSelector", selector("kubernetes.LabelSelectorAttributes")));
    let of_path = fields(&strings(&["path", "verb"]));
    Object::typed(
        "kubernetes.SubjectAccessReviewSpec",
        fields(&[
            (
                "resourceAttributes",
                Object::typed("kubernetes.ResourceAttributes", fields(&of_resource)),
            ),
            ("nonResourceAttributes", Object::typed("kubernetes.NonResourceAttributes", of_path)),
            ("user", Type::String),
            ("groups", texts()),
            ("extra", Type::map(Type::String, texts())),
            ("uid", Type::String),
        ]),
    )
});

static NAMESPACE: LazyLock<Type> = LazyLock::new(|| {
    let texts = || Type::list(Type::String);
    let labels = || Type::map(Type::String, Type::String);
    let metadata = Object::typed(
        "kubernetes.NamespaceMetadata",
        fields(&[
            ("name", Type::String),
            ("generateName", Type::String),
            ("namespace", Type::String),
            ("labels", labels()),
            ("annotations", labels()),
            ("UID", Type::String),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", Type::String),
            ("finalizers", texts()),
        ]),
    );
    let condition = Object::typed(
        "kubernetes.NamespaceCondition",
        fields(&[
            ("status", Type::String),
            ("type", Type::String),
            ("lastTransitionTime", Type::Timestamp),
            ("message", Type::String),
            ("reason", Type::String),
        ]),
    );
    let status = [("conditions", Type::list(condition)), ("phase", Type::String)];
    Object::typed(
        "kubernetes.Namespace",
        fields(&[
            ("metadata", metadata),
            ("spec", Object::typed("kubernetes.NamespaceSpec", fields(&[("finalizers", texts())]))),
            ("status", Object::typed("kubernetes.NamespaceStatus", fields(&status))),
        ]),
    )
});

static JSON_PATCH: LazyLock<Arc<Object>> = LazyLock::new(|| {
    let mut fields = fields(&[
        ("op", Type::String),
        ("path", Type::String),
        ("from", Type::String),
        ("value", Type::Dyn),
    ]);
    fields.sort_by(|(a, _), (b, _)| a.cmp(b));
    Arc::new(Object { name: "JSONPatch".into(), fields, open: false })
});

/// The messages that mutating policies make: `JSONPatch`, and `Object` with any path of fields
/// (`mutation.DynamicTypeResolver`).
pub(super) fn patch_message(name: &str) -> Option<Arc<Object>> {
    if name == "JSONPatch" {
        return Some(JSON_PATCH.clone());
    }
    let is_object = name == "Object" || name.starts_with("Object.");
    is_object.then(|| Arc::new(Object { name: name.into(), fields: Vec::new(), open: true }))
}

/// What the expression of a mutation must evaluate to: patches, or an apply configuration.
pub fn patch_types(json: bool) -> Type {
    if json {
        Type::list(Type::Object(JSON_PATCH.clone()))
    } else {
        Type::Object(Arc::new(Object { name: "Object".into(), fields: Vec::new(), open: true }))
    }
}

/// The environment of device selectors: the variable `device`
/// (`dynamic-resource-allocation/cel`).
pub fn device() -> Env {
    let values = |inner: Type| Type::map(Type::String, Type::map(Type::String, inner));
    let device = Object::typed(
        "kubernetes.DRADevice",
        fields(&[
            ("driver", Type::String),
            ("attributes", values(Type::Dyn)),
            ("capacity", values(Type::Opaque("kubernetes.Quantity"))),
            ("allowMultipleAllocations", Type::Bool),
        ]),
    );
    Env::new().with("device", device)
}
