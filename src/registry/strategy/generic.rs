//! What is the same for every kind (`rest.BeforeCreate`, `rest.BeforeUpdate`): status, generation,
//! the system's metadata fields, the order of checks.

use super::gated;
use super::{Generation, MetaCheck, Recheck, Scope, Status, StatusMeta, Strategy};
use crate::catalog::catalog;
use crate::object::Map;
use crate::object::Value;
use crate::object::schema::Type;
use crate::registry::read::{same, same_member};
use crate::registry::validation::{Errors, metadata};

/// Metadata members that an update never takes from the client once they are set.
const SYSTEM: [&str; 3] = ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds"];
/// Metadata members that `ResetObjectMetaForStatus` takes from the stored object.
const STATUS_RESET: [&str; 6] =
    ["deletionTimestamp", "generation", "selfLink", "labels", "annotations", "finalizers"];

impl Strategy {
    /// Fills the defaults that depend on other fields. `object` is decoded and has the constant
    /// defaults of its type.
    pub fn apply_defaults<'a>(&self, object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
        (self.default)(object, scope);
    }

    /// `PrepareForCreate`: drops status, sets the first generation, then what the kind does.
    pub fn begin_create<'a>(&self, object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
        if let (Status::Split(_), Some(map)) = (self.status, object.as_map_mut()) {
            map.remove("status");
        }
        match self.generation {
            Generation::Unset => {}
            Generation::SpecLate => set_generation(object, 0),
            _ => set_generation(object, 1),
        }
        gated::drop(object, None, scope.group, scope.resource);
        (self.prepare_create)(object, scope);
    }

    /// The kind's errors of a new object; if it has none, those of its metadata.
    pub fn check_create(&self, object: &Value<'_>, scope: &Scope<'_, '_>) -> Errors {
        let mut errors = Errors::new();
        if self.meta != MetaCheck::Generic {
            metadata::create(object, scope.namespaced, &self.name, &mut errors);
            if self.meta == MetaCheck::Generated {
                errors.retain(|error| error.field != "metadata.generateName");
            }
            if self.meta != MetaCheck::Plain {
                metadata::standard_finalizers(object, &mut errors);
            }
        }
        (self.validate_create)(object, scope, &mut errors);
        if errors.is_empty() {
            metadata::create_any(object, scope.namespaced, &mut errors);
        }
        errors
    }

    /// `BeforeUpdate` up to the checks: what the client may not change comes from `old`; then the
    /// kind's own preparation and the generation.
    pub fn begin_update<'a>(
        &self,
        object: &mut Value<'a>,
        old: &Value<'_>,
        scope: &mut Scope<'a, '_>,
    ) {
        copy_metadata(object, old, &["generation"], scope);
        if scope.subresource == "status" {
            self.begin_status(object, old, scope);
        } else if self.status != Status::Plain && scope.subresource != "approval" {
            copy_member(object, old, "status", scope);
        }
        let ty = catalog().kind(scope.group, scope.version, scope.kind);
        let ty = ty.filter(|_| scope.custom.is_none());
        let moves_first = self.moves_generation_first() && self.moves_generation(object, old, ty);
        gated::drop(object, Some(old), scope.group, scope.resource);
        (self.prepare_update)(object, old, scope);
        if scope.subresource != "status"
            && (moves_first
                || (!self.moves_generation_first() && self.moves_generation(object, old, ty)))
        {
            let stored = old.i64_at(&["metadata", "generation"]).unwrap_or(0);
            set_generation(object, stored.saturating_add(1));
        }
        let metadata = object.as_map_mut().map(|map| map.entry_map("metadata"));
        let Some(metadata) = metadata else { return };
        if metadata.get("uid").is_none_or(Value::is_empty) {
            let uid = old.str_at(&["metadata", "uid"]);
            if !uid.is_empty() {
                metadata.insert("uid", Value::str_in(uid, scope.arena));
            }
        }
        for name in SYSTEM {
            let keep = name != "deletionGracePeriodSeconds" || metadata.get(name).is_none();
            if let Some(value) = old.at(&["metadata", name]).filter(|_| keep) {
                metadata.insert(name, value.copy_in(scope.arena));
            }
        }
    }

    /// Generic metadata errors of an update, then the kind's. Each check of upstream's that finds
    /// an error tells it: clients see the causes as often.
    pub fn check_update(&self, new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>) -> Errors {
        let mut errors = Errors::new();
        metadata::create_any(new, scope.namespaced, &mut errors);
        metadata::update(new, old, &mut errors);
        // Signing requests are checked as a whole whatever is written.
        let whole = scope.subresource.is_empty() || scope.resource == "certificatesigningrequests";
        let recheck = if whole { self.recheck } else { Recheck::No };
        let again = |errors: &mut Errors| {
            metadata::create(new, scope.namespaced, &self.name, errors);
            metadata::standard_finalizers(new, errors);
        };
        if matches!(recheck, Recheck::Before | Recheck::Instead | Recheck::Twice) {
            again(&mut errors);
        }
        let of_changes = !matches!(recheck, Recheck::Instead | Recheck::Twice);
        if self.meta != MetaCheck::Generic && of_changes {
            metadata::update(new, old, &mut errors);
            if self.meta != MetaCheck::Plain {
                metadata::standard_finalizers(new, &mut errors);
            }
        }
        let check =
            if scope.subresource == "status" { self.validate_status } else { self.validate_update };
        check(new, old, scope, &mut errors);
        if matches!(recheck, Recheck::After | Recheck::Twice) {
            again(&mut errors);
        }
        errors
    }

    /// `WarningsOnCreate`.
    pub fn warn_create(&self, object: &Value<'_>, scope: &mut Scope<'_, '_>) {
        (self.warn)(object, None, scope.subresource, scope.warnings);
    }

    /// `WarningsOnUpdate`.
    pub fn warn_update(&self, object: &Value<'_>, old: &Value<'_>, scope: &mut Scope<'_, '_>) {
        (self.warn)(object, Some(old), scope.subresource, scope.warnings);
    }

    /// `Canonicalize`, the last step before admission checks and the write.
    pub fn finish<'a>(&self, object: &mut Value<'a>, scope: &mut Scope<'a, '_>) {
        (self.finish)(object, scope);
    }

    /// A write to `/status` takes status and metadata from the client, all else from `old`.
    fn begin_status<'a>(&self, object: &mut Value<'a>, old: &Value<'_>, scope: &Scope<'a, '_>) {
        let (Some(map), Some(stored)) = (object.as_map_mut(), old.as_map()) else { return };
        map.retain(|name, _| is_head(name) || name == "status");
        for (name, value) in stored.iter().filter(|(name, _)| !is_head(name) && *name != "status") {
            map.push_unique(scope.arena.alloc_str(name), value.copy_in(scope.arena));
        }
        let kept = match self.status {
            Status::Split(kept) | Status::SplitKeptOnCreate(kept) => kept,
            Status::Plain => StatusMeta::Free,
        };
        match kept {
            StatusMeta::Free => {}
            StatusMeta::KeepLabels => copy_metadata(object, old, &["labels"], scope),
            StatusMeta::KeepOwners => {
                copy_metadata(object, old, &["ownerReferences", "deletionTimestamp"], scope);
            }
            StatusMeta::Reset => {
                copy_metadata(object, old, &STATUS_RESET, scope);
                copy_metadata(object, old, &["ownerReferences"], scope);
            }
            StatusMeta::KeepAll => keep_metadata(object, old, scope),
        }
    }

    /// The kinds that compare what was sent, before they drop fields of it.
    fn moves_generation_first(&self) -> bool {
        matches!(self.generation, Generation::AllOrLabels | Generation::SpecAsSent)
    }

    fn moves_generation(&self, object: &Value<'_>, old: &Value<'_>, ty: Option<&Type>) -> bool {
        let differs = |name: &str| match ty {
            Some(ty) => !same_member(ty, name, object, old),
            // Without fields that are known nothing is as good as absent.
            None => object.get(name) != old.get(name),
        };
        let meta_differs =
            |name: &str| !same(object.at(&["metadata", name]), old.at(&["metadata", name]));
        let rest_differs = |status: bool| {
            let skip = |name: &str| is_head(name) || (status && name == "status");
            let maps: [Option<&Map<'_>>; 2] = [object.as_map(), old.as_map()];
            maps.into_iter().flatten().flat_map(Map::keys).any(|name| !skip(name) && differs(name))
        };
        match self.generation {
            Generation::Unset | Generation::Created => false,
            Generation::Members(members) => members.iter().any(|name| differs(name)),
            Generation::SpecAsSent | Generation::SpecLate => differs("spec"),
            Generation::SpecOrAnnotations => differs("spec") || meta_differs("annotations"),
            Generation::AllOrLabels => rest_differs(false) || meta_differs("labels"),
            Generation::AllButMetadata { status } => rest_differs(status),
        }
    }
}

fn is_head(name: &str) -> bool {
    matches!(name, "apiVersion" | "kind" | "metadata")
}

/// Sets `metadata.generation`; 0 removes it.
pub(super) fn set_generation(object: &mut Value<'_>, generation: i64) {
    let Some(map) = object.as_map_mut() else { return };
    let metadata = map.entry_map("metadata");
    if generation == 0 {
        metadata.remove("generation");
    } else {
        metadata.insert("generation", Value::Int(generation));
    }
}

/// Makes `object.name` what `old.name` is, absent if it is absent there.
pub(crate) fn copy_member<'a>(
    object: &mut Value<'a>,
    old: &Value<'_>,
    name: &'static str,
    scope: &Scope<'a, '_>,
) {
    let Some(map) = object.as_map_mut() else { return };
    match old.get(name) {
        Some(value) => {
            map.insert(name, value.copy_in(scope.arena));
        }
        None => {
            map.remove(name);
        }
    }
}

/// Makes the named metadata members what they are in `old`.
pub(crate) fn copy_metadata<'a>(
    object: &mut Value<'a>,
    old: &Value<'_>,
    names: &[&'static str],
    scope: &Scope<'a, '_>,
) {
    let Some(map) = object.as_map_mut() else { return };
    let metadata = map.entry_map("metadata");
    for name in names {
        match old.at(&["metadata", name]) {
            Some(value) => {
                metadata.insert(name, value.copy_in(scope.arena));
            }
            None => {
                metadata.remove(name);
            }
        }
    }
}

fn keep_metadata<'a>(object: &mut Value<'a>, old: &Value<'_>, scope: &Scope<'a, '_>) {
    let Some(stored) = old.get("metadata").and_then(Value::as_map) else { return };
    let Some(map) = object.as_map_mut() else { return };
    let metadata = map.entry_map("metadata");
    metadata.retain(|name, _| matches!(name, "managedFields" | "resourceVersion"));
    for (name, value) in stored.iter() {
        if !matches!(name, "managedFields" | "resourceVersion") {
            metadata.insert(scope.arena.alloc_str(name), value.copy_in(scope.arena));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::object::Value;
    use crate::registry::sample::{lines, scope, tree};
    use crate::registry::strategy::strategy;
    use bumpalo::Bump;
    use serde_json::json;

    /// The stored deployment, the sent one, and what an update through `subresource` makes of it.
    fn updated(sent: &serde_json::Value, subresource: &'static str, check: impl Fn(&Value<'_>)) {
        let arena = Bump::new();
        let old = tree(
            &arena,
            &json!({
                "metadata": {"name": "d", "uid": "u", "generation": 3, "labels": {"a": "b"},
                    "creationTimestamp": "2026-01-01T00:00:00Z"},
                "spec": {"replicas": 1}, "status": {"replicas": 1},
            }),
        );
        let mut new = tree(&arena, sent);
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "apps", "deployments", &mut warnings);
        scope.subresource = subresource;
        strategy("apps", "deployments").begin_update(&mut new, &old, &mut scope);
        check(&new);
    }

    #[test]
    fn create_drops_status_and_starts_the_generation_at_one() {
        let arena = Bump::new();
        let mut object = tree(&arena, &json!({"metadata": {"generation": 7}, "status": {"a": 1}}));
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "apps", "deployments", &mut warnings);
        strategy("apps", "deployments").begin_create(&mut object, &mut scope);
        assert!(object.get("status").is_none());
        assert_eq!(object.i64_at(&["metadata", "generation"]), Some(1));
    }

    #[test]
    fn nodes_keep_the_status_that_the_kubelet_sends() {
        let arena = Bump::new();
        let mut object = tree(&arena, &json!({"metadata": {}, "status": {"a": 1}}));
        let mut warnings = Vec::new();
        let mut scope = scope(&arena, "", "nodes", &mut warnings);
        strategy("", "nodes").begin_create(&mut object, &mut scope);
        assert_eq!(object.i64_at(&["status", "a"]), Some(1));
    }

    #[test]
    fn a_main_update_keeps_status_and_moves_the_generation_with_the_spec() {
        let sent = json!({"metadata": {"name": "d"}, "spec": {"replicas": 2}, "status": {}});
        updated(&sent, "", |new| {
            assert_eq!(new.i64_at(&["status", "replicas"]), Some(1));
            assert_eq!(new.i64_at(&["metadata", "generation"]), Some(4));
            assert_eq!(new.str_at(&["metadata", "uid"]), "u");
            assert_eq!(new.str_at(&["metadata", "creationTimestamp"]), "2026-01-01T00:00:00Z");
        });
        let same =
            json!({"metadata": {"name": "d", "labels": {"x": "y"}}, "spec": {"replicas": 1}});
        updated(&same, "", |new| {
            assert_eq!(new.i64_at(&["metadata", "generation"]), Some(3));
        });
    }

    #[test]
    fn a_status_update_keeps_spec_and_for_deployments_labels() {
        let sent = json!({"metadata": {"name": "d", "labels": {"x": "y"},
            "annotations": {"n": "1"}},
            "spec": {"replicas": 2}, "status": {"replicas": 9}});
        updated(&sent, "status", |new| {
            assert_eq!(new.i64_at(&["status", "replicas"]), Some(9));
            assert_eq!(new.i64_at(&["spec", "replicas"]), Some(1));
            assert_eq!(new.str_at(&["metadata", "labels", "a"]), "b");
            assert_eq!(new.str_at(&["metadata", "annotations", "n"]), "1");
            assert_eq!(new.i64_at(&["metadata", "generation"]), Some(3));
        });
    }

    fn created(group: &str, resource: &str, metadata: &serde_json::Value) -> Vec<String> {
        let arena = Bump::new();
        let object = tree(&arena, &json!({ "metadata": metadata }));
        let mut warnings = Vec::new();
        let scope = scope(&arena, group, resource, &mut warnings);
        lines(&strategy(group, resource).check_create(&object, &scope))
    }

    #[test]
    fn names_follow_the_rule_of_their_kind() {
        let name = |name: &str| json!({"name": name, "namespace": "ns"});
        assert!(created("", "configmaps", &name("a.b")).is_empty());
        let errors = created("", "configmaps", &name("a/b"));
        assert!(
            errors[0].starts_with("metadata.name: Invalid value: \"a/b\": a lowercase RFC 1123")
        );
        assert!(created("rbac.authorization.k8s.io", "roles", &name("system:x")).is_empty());
        let errors = created("rbac.authorization.k8s.io", "roles", &name("a/b"));
        assert_eq!(errors, ["metadata.name: Invalid value: \"a/b\": may not contain '/'"]);
        let errors = created("", "configmaps", &json!({"namespace": "ns"}));
        assert_eq!(errors, ["metadata.name: Required value: name or generateName is required"]);
    }

    #[test]
    fn owners_and_finalizers_are_checked_with_their_texts() {
        let errors = created(
            "",
            "configmaps",
            &json!({
                "name": "a", "namespace": "ns", "finalizers": ["bad"],
                "ownerReferences": [
                    {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "u",
                        "controller": true},
                    {"apiVersion": "v1", "kind": "Pod", "name": "y", "uid": "v",
                        "controller": true},
                ],
            }),
        );
        assert_eq!(
            errors,
            [
                "metadata.ownerReferences: Invalid value: [{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\
             \"name\":\"x\",\"uid\":\"u\",\"controller\":true},{\"apiVersion\":\"v1\",\"kind\":\
             \"Pod\",\"name\":\"y\",\"uid\":\"v\",\"controller\":true}]: Only one reference can \
             have Controller set to true. Found \"true\" in references for Pod/x and Pod/y",
                "metadata.finalizers[0]: Invalid value: \"bad\": name is neither a standard \
             finalizer name nor is it fully qualified",
            ]
        );
    }

    #[test]
    fn no_finalizer_is_added_once_deletion_has_begun() {
        let arena = Bump::new();
        let old = tree(
            &arena,
            &json!({"metadata": {"name": "a", "namespace": "ns", "finalizers": ["a.b/1"],
            "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        );
        let new = tree(
            &arena,
            &json!({"metadata": {"name": "a", "namespace": "ns", "resourceVersion": "1",
            "finalizers": ["a.b/1", "a.b/3"], "deletionTimestamp": "2026-01-01T00:00:00Z"}}),
        );
        let mut warnings = Vec::new();
        let scope = scope(&arena, "", "configmaps", &mut warnings);
        let errors = lines(&strategy("", "configmaps").check_update(&new, &old, &scope));
        let line = "metadata.finalizers: Forbidden: no new finalizers can be added if the object \
            is being deleted, found new finalizers []string{\"a.b/3\"}";
        assert_eq!(errors, [line, line]);
    }
}
