//! Bodies of another kind or version than the URL asks for, with upstream's words for each.

use super::body::{EXTENSIONS_SCHEME, Expected, SCHEME};
use crate::catalog::catalog;
use crate::object::Value;
use crate::object::field::{FieldError, Path};
use crate::request::{Fault, Subject};

/// The table of the server for APIServices.
const AGGREGATOR_SCHEME: &str = "k8s.io/kube-aggregator/pkg/apiserver/scheme/scheme.go:28";
/// Versions of a Scale that no resource has any more, but whose bodies are known for what they are.
const OLD_SCALES: [(&str, &str); 3] =
    [("apps", "v1beta1"), ("apps", "v1beta2"), ("extensions", "v1beta1")];

/// The table that kinds of `group` are looked up in.
fn scheme(group: &str) -> &'static str {
    match group {
        "apiextensions.k8s.io" => EXTENSIONS_SCHEME,
        "apiregistration.k8s.io" => AGGREGATOR_SCHEME,
        _ => SCHEME,
    }
}

/// A custom resource of another kind (`customResourceValidator.ValidateTypeMeta`).
pub(super) fn other_kind(object: &Value<'_>, kind: &str, wanted: &str) -> Fault {
    let api_version = object.str_at(&["apiVersion"]);
    let (group, _) = api_version.split_once('/').unwrap_or(("", api_version));
    let name = super::meta::name(object);
    let subject = Subject { group: group.into(), resource: kind.into(), name: name.into() };
    let detail = format!("must be {wanted}");
    let error = FieldError::invalid(&Path::root("kind"), kind, &detail);
    Fault::Invalid { subject, errors: vec![error] }
}

/// Groups whose v1beta1 upstream still knows, though nothing is served in it.
const STILL_KNOWN: [&str; 2] = ["apiextensions.k8s.io", "apiregistration.k8s.io"];

/// A kind that is known elsewhere cannot be converted; any other is not registered.
pub(super) fn wrong_kind(
    expected: &Expected,
    api_version: &str,
    kind: &str,
    fail: &impl Fn(&str) -> Fault,
) -> Fault {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let scale = expected.kind == "Scale" && kind == "Scale";
    let older = group == expected.group && kind == expected.kind && version == "v1beta1";
    if (scale && OLD_SCALES.contains(&(group, version))) || (older && STILL_KNOWN.contains(&group))
    {
        return Fault::BadRequest(format!(
            "the API version in the data ({api_version}) does not match the expected API version \
             ({})",
            expected.api_version()
        ));
    }
    // `List` is known to every version without being a kind of any.
    if kind != "List" && catalog().kind(group, version, kind).is_none() {
        return fail(&format!(
            "no kind {kind:?} is registered for version {api_version:?} in scheme {:?}",
            scheme(expected.group)
        ));
    }
    if group == expected.group && kind == expected.kind {
        return Fault::BadRequest(format!(
            "the API version in the data ({api_version}) does not match the expected API version \
             ({})",
            expected.api_version()
        ));
    }
    let internal = if expected.group.is_empty() {
        "core"
    } else {
        expected.group.split('.').next().unwrap_or("")
    };
    fail(&format!(
        "converting ({version}.{kind}) to ({internal}.{}): unknown conversion",
        expected.kind
    ))
}

#[cfg(test)]
mod tests {
    use super::{other_kind, wrong_kind};
    use crate::catalog::catalog;
    use crate::object::json_text;
    use crate::registry::body::Expected;
    use crate::request::Fault;
    use bumpalo::Bump;

    #[test]
    fn the_older_version_of_definitions_is_known_though_it_is_not_served() {
        let (group, kind) = ("apiextensions.k8s.io", "CustomResourceDefinition");
        let ty = catalog().kind(group, "v1", kind).unwrap();
        let expected = Expected { group, version: "v1", kind, ty };
        let told = |version: &str| {
            let fail = |why: &str| Fault::BadRequest(why.to_owned());
            match wrong_kind(&expected, version, kind, &fail) {
                Fault::BadRequest(text) => text,
                other => panic!("{other:?}"),
            }
        };
        let older = told("apiextensions.k8s.io/v1beta1");
        assert!(older.starts_with("the API version in the data (apiextensions.k8s.io/v1beta1)"));
        assert!(told("apiextensions.k8s.io/v9").starts_with("no kind"));
    }

    #[test]
    fn a_custom_resource_of_another_kind_is_invalid() {
        let arena = Bump::new();
        let text = r#"{"apiVersion":"g.io/v1","kind":"Foo","metadata":{"name":"a"}}"#;
        let object = json_text::parse(text, &arena).unwrap();
        let Fault::Invalid { subject, errors } = other_kind(&object, "Foo", "Bar") else {
            panic!("it is invalid")
        };
        assert_eq!((&*subject.group, &*subject.resource, &*subject.name), ("g.io", "Foo", "a"));
        assert_eq!(errors[0].to_string(), "kind: Invalid value: \"Foo\": must be Bar");
    }
}
