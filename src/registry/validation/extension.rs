//! APIService and CustomResourceDefinition (names, versions, conversion; schemas are checked where
//! they are compiled).

use super::admission::{webhook_service, webhook_url};
use super::definition as defined;
use super::{Errors, IMMUTABLE, Messages, Report as _, Verbatim, format, go_form, metadata};
use crate::object::Value;
use crate::object::field::Path;
use crate::object::json_text::push_string;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;
use bumpalo::Bump;
use std::borrow::Cow;

/// APIService; its name follows from what it serves.
pub fn service(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let (group, version) = (spec.text("group"), spec.text("version"));
    let wanted = format!("{version}.{group}");
    let rule = |name: &str| -> Messages {
        let messages = format::path_segment(name);
        if !messages.is_empty() || name == wanted {
            return messages;
        }
        vec![Cow::Owned(format!("must be `spec.version+\".\"+spec.group`: {wanted:?}"))]
    };
    metadata::create(object, false, &rule, errors);
    if group.is_empty() && version != "v1" {
        let detail = "only v1 may have an empty group and it better be legacy kube";
        errors.required(&path.child("group"), detail);
    }
    if !group.is_empty() {
        errors.messages(&path.child("group"), group, format::dns_subdomain(group));
    }
    errors.messages(&path.child("version"), version, format::dns_1035_label(version));
    for (name, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1_000)] {
        let number = spec.int(name).unwrap_or(0);
        if number <= 0 || number > most {
            let detail = format!("must be positive and less than {most}");
            errors.invalid(&path.child(name), number, &detail);
        }
    }
    backend(spec, &path, errors);
}

fn backend(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let (bundle, skip) = (spec.text("caBundle"), spec.flag("insecureSkipTLSVerify"));
    let Some(service) = spec.get("service") else {
        if !bundle.is_empty() {
            let padding = bundle.bytes().rev().take_while(|byte| *byte == b'=').count();
            let shown = format!("{} bytes", bundle.len() / 4 * 3 - padding.min(2));
            let detail = "local APIServices may not have a caBundle";
            errors.invalid(&path.child("caBundle"), &shown, detail);
        }
        if skip {
            let detail = "local APIServices may not have insecureSkipTLSVerify";
            errors.invalid(&path.child("insecureSkipTLSVerify"), skip, detail);
        }
        return;
    };
    let at = path.child("service");
    for name in ["namespace", "name"] {
        if service.text(name).is_empty() {
            errors.required(&at.child(name), "");
        }
    }
    let port = service.int("port").unwrap_or(0);
    for message in format::port(port) {
        errors.invalid(&at.child("port"), port, &format!("port is not valid: {message}"));
    }
    if skip && !bundle.is_empty() {
        let detail = "may not be true if caBundle is present";
        errors.invalid(&path.child("insecureSkipTLSVerify"), skip, detail);
    }
}

/// APIService, updated.
pub fn service_update(new: &Value<'_>, _: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    service(new, scope, errors);
}

/// Status of an APIService.
pub fn service_status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("status");
    let path = root.child("conditions");
    for (index, condition) in new.list_at(&["status", "conditions"]).iter().enumerate() {
        let status = condition.text("status");
        if !matches!(status, "True" | "False" | "Unknown") {
            let at = path.index(index);
            errors.unsupported(&at.child("status"), status, &["False", "True", "Unknown"]);
        }
    }
}

/// CustomResourceDefinition.
pub fn definition(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let wanted = format!("{}.{}", spec.str_at(&["names", "plural"]), spec.text("group"));
    let rule = |name: &str| -> Messages {
        let mut messages = format::dns_subdomain(name);
        if name != wanted {
            messages.push(Cow::Borrowed("must be spec.names.plural+\".\"+spec.group"));
        }
        messages
    };
    metadata::create(object, false, &rule, errors);
    definition_spec(spec, &Path::root("spec"), errors);
    stored_versions(object, errors);
    defined::approved(object, None, errors);
    preserves(spec, errors);
}

fn preserves(spec: &Value<'_>, errors: &mut Errors) {
    if spec.flag("preserveUnknownFields") {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in \
                      spec.versions[*].schema instead";
        errors.invalid(&Path::root("spec.preserveUnknownFields"), true, detail);
    }
}

fn definition_spec(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let group = spec.text("group");
    let at = path.child("group");
    if group.is_empty() {
        errors.required(&at, "");
    } else {
        let messages = format::dns_subdomain(group);
        if !messages.is_empty() {
            errors.invalid(&at, group, &messages.join(","));
        } else if !group.contains('.') {
            errors.invalid(&at, group, "should be a domain with at least one dot");
        }
    }
    let scope = spec.text("scope");
    let at = path.child("scope");
    if scope.is_empty() {
        errors.required(&at, "");
    }
    errors.one_of(&at, scope, &["Cluster", "Namespaced"]);
    let preserves = spec.flag("preserveUnknownFields");
    let schemas = spec.items("versions").iter();
    let mut schemas = schemas.filter_map(|version| version.at(&["schema", "openAPIV3Schema"]));
    if preserves && schemas.any(defined::defaults::any) {
        let detail = "must be false in order to use defaults in the schema";
        errors.invalid(&path.child("preserveUnknownFields"), true, detail);
    }
    versions(spec, path, errors);
    names(spec.get("names"), &path.child("names"), errors);
    defined::shared(spec.items("versions"), path, errors);
    let at = path.child("conversion");
    let strategy = spec.str_at(&["conversion", "strategy"]);
    if preserves && spec.get("conversion").is_some() && strategy != "None" {
        let detail = "must be None if spec.preserveUnknownFields is true";
        errors.invalid(&at.child("strategy"), strategy, detail);
    }
    conversion(spec.get("conversion"), &at, errors);
}

fn versions(spec: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let list = spec.items("versions");
    let at = path.child("versions");
    let shown = || shown_versions(spec.get("versions"));
    for (index, version) in list.iter().enumerate() {
        if version.at(&["schema", "openAPIV3Schema"]).is_none() {
            errors.required(&at.index(index).child("schema").child("openAPIV3Schema"), "");
        }
    }
    let mut storing = 0;
    let mut unique = true;
    for (index, version) in list.iter().enumerate() {
        let at = at.index(index);
        let name = version.text("name");
        storing += usize::from(version.flag("storage"));
        unique &= !list.iter().take(index).any(|other| other.text("name") == name);
        let messages = format::dns_1035_label(name);
        if !messages.is_empty() {
            errors.invalid(&at.child("name"), name, &messages.join(","));
        }
        deprecation(version, &at, errors);
        defined::version(list, index, &at, errors);
    }
    if !unique {
        errors.invalid(&at, Verbatim(&shown()), "must contain unique version names");
    }
    if storing != 1 {
        let detail = "must have exactly one version marked as storage version";
        errors.invalid(&at, Verbatim(&shown()), detail);
    }
    // Upstream's internal form names the first version once more.
    let first = list.first().map_or("", |version| version.text("name"));
    let messages = format::dns_1035_label(first);
    if !first.is_empty() && !messages.is_empty() {
        errors.invalid(&path.child("version"), first, &messages.join(","));
    }
}

/// Versions in upstream's internal form, which has elsewhere what all have alike.
fn shown_versions(list: Option<&Value<'_>>) -> String {
    let Some(versions) = list.and_then(Value::as_list) else { return go_form::plain(list) };
    let name =
        "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionVersion";
    let arena = Bump::new();
    let one = |version: &Value<'_>| {
        let mut version = version.copy_in(&arena);
        if let Some(map) = version.as_map_mut() {
            defined::moved(versions).for_each(|part| drop(map.remove(part)));
        }
        go_form::compact(Some(&version), name)
    };
    let shown: Vec<String> = versions.iter().map(one).collect();
    format!("[{}]", shown.join(","))
}

fn deprecation(version: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let Some(text) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let at = path.child("deprecationWarning");
    // Upstream has a pointer to it, and shows it as JSON.
    let mut shown = String::new();
    push_string(&mut shown, text, true);
    let mut say = |detail: &str| errors.invalid(&at, Verbatim(&shown), detail);
    if !version.flag("deprecated") {
        say("can only be set for deprecated versions");
        return;
    }
    if text.len() > 256 {
        say("must be <= 256 characters long");
    }
    if text.is_empty() {
        say("must not be an empty string");
    }
    if let Some((index, _)) = text.char_indices().find(|(_, letter)| letter.is_control()) {
        say(&format!(
            "must only contain printable UTF-8 characters; non-printable character found at index \
             {index}"
        ));
    }
}

fn names(names: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let null = Value::Null;
    let names = names.unwrap_or(&null);
    let all = ["plural", "singular", "kind", "listKind"];
    for name in all.into_iter().filter(|name| names.text(name).is_empty()) {
        errors.required(&path.child(name), "");
    }
    given_names(names, path, errors);
}

/// `ValidateCustomResourceDefinitionNames`: those that are there.
fn given_names(names: &Value<'_>, path: &Path<'_>, errors: &mut Errors) {
    let all = ["plural", "singular", "kind", "listKind"];
    for name in all.into_iter().filter(|name| !names.text(name).is_empty()) {
        let text = names.text(name);
        let at = path.child(name);
        let mixed = matches!(name, "kind" | "listKind");
        let lower = text.to_lowercase();
        let messages = format::dns_1035_label(if mixed { &lower } else { text });
        if !messages.is_empty() {
            let joined = messages.join(",");
            let detail = if mixed {
                format!("may have mixed case, but should otherwise match: {joined}")
            } else {
                joined
            };
            errors.invalid(&at, text, &detail);
        }
    }
    for list in ["shortNames", "categories"] {
        let at = path.child(list);
        for (index, text) in names.texts(list).enumerate() {
            let messages = format::dns_1035_label(text);
            if !messages.is_empty() {
                errors.invalid(&at.index(index), text, &messages.join(","));
            }
        }
    }
    let (kind, list) = (names.text("kind"), names.text("listKind"));
    if !kind.is_empty() && kind == list {
        errors.invalid(&path.child("listKind"), list, "kind and listKind may not be the same");
    }
}

fn conversion(conversion: Option<&Value<'_>>, path: &Path<'_>, errors: &mut Errors) {
    let Some(conversion) = conversion else { return };
    let strategy = conversion.text("strategy");
    let at = path.child("strategy");
    if strategy.is_empty() {
        errors.required(&at, "");
    } else if !matches!(strategy, "None" | "Webhook") {
        errors.unsupported(&at, strategy, &["None", "Webhook"]);
    }
    let config = conversion.at(&["webhook", "clientConfig"]);
    let versions = conversion.list_at(&["webhook", "conversionReviewVersions"]);
    if strategy == "Webhook" {
        let at = path.child("webhookClientConfig");
        match config {
            None => errors.required(&at, "required when strategy is set to Webhook"),
            Some(config) => match (config.get("url"), config.get("service")) {
                (Some(url), None) => {
                    webhook_url(url.as_str().unwrap_or(""), &at.child("url"), errors);
                }
                (None, Some(service)) => {
                    // Upstream takes the one for the other here.
                    let names = ["namespace", "name"];
                    webhook_service(service, names, &at.child("service"), errors);
                }
                _ => errors.required(&at, "exactly one of url or service is required"),
            },
        }
        let at = path.child("conversionReviewVersions");
        let named = |version: &Value<'_>| version.as_str().unwrap_or("").to_owned();
        for (index, name) in versions.iter().map(named).enumerate() {
            let before = versions.iter().take(index);
            if before.map(named).any(|other| other == name) {
                errors.invalid(&at.index(index), &name, "duplicate version");
            } else {
                errors.messages(&at.index(index), &name, format::dns_1035_label(&name));
            }
        }
        if versions.is_empty() {
            errors.required(&at, "");
        } else if !versions.iter().any(|v| matches!(v.as_str(), Some("v1" | "v1beta1"))) {
            let list = conversion.at(&["webhook", "conversionReviewVersions"]);
            let shown = go_form::plain(list);
            let detail = "must include at least one of v1, v1beta1";
            errors.invalid(&at, Verbatim(&shown), detail);
        }
    } else {
        let detail = "should not be set when strategy is not set to Webhook";
        if config.is_some() {
            errors.forbidden(&path.child("webhookClientConfig"), detail);
        }
        if !versions.is_empty() {
            errors.forbidden(&path.child("conversionReviewVersions"), detail);
        }
    }
}

fn stored_versions(object: &Value<'_>, errors: &mut Errors) {
    let root = Path::root("status");
    let path = root.child("storedVersions");
    let stored = object.list_at(&["status", "storedVersions"]);
    let shown = || go_form::plain(object.at(&["status", "storedVersions"]));
    if stored.is_empty() {
        errors.invalid(&path, Verbatim(&shown()), "must have at least one stored version");
        return;
    }
    let versions = object.list_at(&["spec", "versions"]);
    for version in versions.iter().filter(|version| version.flag("storage")) {
        let name = version.text("name");
        if !stored.iter().any(|stored| stored.as_str() == Some(name)) {
            let detail = format!("must have the storage version {name}");
            errors.invalid(&path, Verbatim(&shown()), &detail);
        }
    }
    for (index, name) in stored.iter().filter_map(Value::as_str).enumerate() {
        if !versions.iter().any(|version| version.text("name") == name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must \
                 remain in spec.versions until a storage migration ensures no data remains \
                 persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.invalid(&path.index(index), name, &detail);
        }
    }
}

/// CustomResourceDefinition, updated.
pub fn definition_update(new: &Value<'_>, old: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let (now, was) = (new.get("spec").unwrap_or(&null), old.get("spec").unwrap_or(&null));
    let path = Path::root("spec");
    definition_spec(now, &path, errors);
    let established = old.list_at(&["status", "conditions"]).iter().any(|condition| {
        condition.text("type") == "Established" && condition.text("status") == "True"
    });
    let mut fixed = |steps: &[&str], shown: &str| {
        if now.str_at(steps) != was.str_at(steps) {
            errors.invalid(&path.child(shown), now.str_at(steps), IMMUTABLE);
        }
    };
    if established {
        fixed(&["scope"], "scope");
        fixed(&["names", "kind"], "names.kind");
    }
    fixed(&["group"], "group");
    fixed(&["names", "plural"], "names.plural");
    stored_versions(new, errors);
    defined::approved(new, Some(old), errors);
    if !was.flag("preserveUnknownFields") {
        preserves(now, errors);
    }
}

/// Status of a CustomResourceDefinition: only the names that were accepted are looked at.
pub fn definition_status(new: &Value<'_>, _: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let root = Path::root("status");
    let null = Value::Null;
    let accepted = new.at(&["status", "acceptedNames"]).unwrap_or(&null);
    given_names(accepted, &root.child("acceptedNames"), errors);
}

#[cfg(test)]
mod tests {
    use super::{Errors, Path, conversion, definition_spec, deprecation, versions};
    use crate::registry::sample::{lines, tree};
    use bumpalo::Bump;
    use serde_json::json;

    #[test]
    fn each_version_of_a_review_is_a_label_once() {
        let arena = Bump::new();
        let webhook = json!({"clientConfig": {"url": "https://a.b/"},
            "conversionReviewVersions": ["v1", "V", "v1"]});
        let given = tree(&arena, &json!({"strategy": "Webhook", "webhook": webhook}));
        let mut errors = Errors::new();
        conversion(Some(&given), &Path::root("c"), &mut errors);
        let found: Vec<String> =
            lines(&errors).iter().map(|line| line.chars().take(52).collect()).collect();
        assert_eq!(
            found,
            [
                "c.conversionReviewVersions[1]: Invalid value: \"V\": a",
                "c.conversionReviewVersions[2]: Invalid value: \"v1\": ",
            ]
        );
    }

    #[test]
    fn no_versions_are_null_and_a_bad_first_one_is_told_twice() {
        let arena = Bump::new();
        let told = |spec| {
            let mut errors = Errors::new();
            versions(&tree(&arena, &spec), &Path::root("spec"), &mut errors);
            lines(&errors)
        };
        let none = "spec.versions: Invalid value: null: must have exactly one version marked as \
                    storage version";
        assert_eq!(told(json!({})), [none]);
        assert_eq!(told(json!({"versions": []})), [none.replace("null", "[]")]);
        let schema = json!({"openAPIV3Schema": {"type": "object"}});
        let bad = told(json!({"versions": [{"name": "V", "storage": true, "schema": schema}]}));
        let paths: Vec<&str> = bad.iter().filter_map(|line| line.split(':').next()).collect();
        assert_eq!(paths, ["spec.versions[0].name", "spec.version"]);
    }

    #[test]
    fn versions_are_shown_without_what_all_have_alike() {
        let arena = Bump::new();
        let version = json!({"name": "v1", "served": true, "storage": false, "schema":
            {"openAPIV3Schema": {"type": "object"}}});
        let mut errors = Errors::new();
        versions(&tree(&arena, &json!({"versions": [version]})), &Path::root("spec"), &mut errors);
        let want = "spec.versions: Invalid value: [{\"Name\":\"v1\",\"Served\":true,\
                    \"Storage\":false,\"Deprecated\":false,\"DeprecationWarning\":null,\
                    \"Schema\":null,\"Subresources\":null,\"AdditionalPrinterColumns\":null,\
                    \"SelectableFields\":null}]: must have exactly one version marked as storage \
                    version";
        assert_eq!(lines(&errors), [want]);
    }

    #[test]
    fn a_deprecation_warning_tells_where_it_cannot_be_printed() {
        let arena = Bump::new();
        let version = json!({"deprecated": true, "deprecationWarning": "a\u{0}b"});
        let mut errors = Errors::new();
        deprecation(&tree(&arena, &version), &Path::root("v"), &mut errors);
        let want = "v.deprecationWarning: Invalid value: \"a\\u0000b\": must only contain \
                    printable UTF-8 characters; non-printable character found at index 1";
        assert_eq!(lines(&errors), [want]);
    }

    #[test]
    fn unknown_fields_may_not_be_kept_beside_defaults_or_a_conversion_webhook() {
        let arena = Bump::new();
        let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec":
            {"type": "object", "properties": {"a": {"type": "string", "default": "x"}}}}}});
        let names = json!({"plural": "as", "singular": "a", "kind": "A", "listKind": "AList"});
        let webhook = json!({"clientConfig": {"url": "https://a.b/"},
            "conversionReviewVersions": ["v1"]});
        let spec = json!({"group": "g.io", "scope": "Cluster", "names": names,
            "preserveUnknownFields": true,
            "conversion": {"strategy": "Webhook", "webhook": webhook},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": schema}]});
        let mut errors = Errors::new();
        definition_spec(&tree(&arena, &spec), &Path::root("spec"), &mut errors);
        let want = [
            "spec.preserveUnknownFields: Invalid value: true: must be false in order to use \
             defaults in the schema",
            "spec.conversion.strategy: Invalid value: \"Webhook\": must be None if \
             spec.preserveUnknownFields is true",
        ];
        assert_eq!(lines(&errors), want);
    }
}
