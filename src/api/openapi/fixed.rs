//! Paths that are no resource: discovery, version, the service account issuer; and which document
//! of OpenAPI v3 every path belongs to.

use crate::api::openapi::route;
use crate::api::openapi::route::Body;
use crate::api::openapi::route::Content;
use crate::api::openapi::route::Item;
use crate::api::openapi::route::Operation;
use crate::catalog::GroupVersion;
use crate::catalog::Resource;
use crate::catalog::catalog;

const API_VERSIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIVersions";
const API_GROUP: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroup";
const API_GROUP_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIGroupList";
const API_RESOURCE_LIST: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.APIResourceList";
const VERSION: &str = "io.k8s.apimachinery.pkg.version.Info";

/// The paths of one document of OpenAPI v3.
#[derive(Debug)]
pub(super) struct Section {
    /// Its name in URLs: "api/v1", "apis/apps", "version".
    pub(super) name: String,
    /// Group and version, where it is about one.
    pub(super) group_version: Option<(&'static str, &'static str)>,
    /// Its paths.
    pub(super) items: Vec<Item>,
    /// The custom resources it is about; none for built-in paths.
    pub(super) custom: Vec<&'static Resource>,
}

/// Every document's paths, sorted by name.
pub(super) fn sections() -> Vec<Section> {
    let mut all = vec![
        single(
            "api",
            get("getCoreAPIVersions", "core", "get available API versions", API_VERSIONS),
        ),
        single("apis", get("getAPIVersions", "apis", "get available API versions", API_GROUP_LIST)),
    ];
    for group in catalog().groups() {
        let mut served = group.served().peekable();
        if served.peek().is_some() && !group.name.is_empty() {
            let (name, tag) = group_names(group.name);
            let id = format!("get{name}APIGroup");
            let operation = get(&id, &tag, "get information of a group", API_GROUP);
            all.push(single(&format!("apis/{}", group.name), operation));
        }
        all.extend(served.map(of_version));
    }
    let text = |id: &str, tag: &str, description: &str, media| Operation {
        answer: Content::Text(media),
        ..get(id, tag, description, "")
    };
    all.push(single(
        ".well-known/openid-configuration",
        text(
            "getServiceAccountIssuerOpenIDConfiguration",
            "WellKnown",
            "get service account issuer OpenID configuration, also known as the \
             'OIDC discovery doc'",
            "application/json",
        ),
    ));
    all.push(single(
        "openid/v1/jwks",
        text(
            "getServiceAccountIssuerOpenIDKeyset",
            "openid",
            "get service account issuer OpenID JSON Web Key Set (contains public token \
             verification keys)",
            "application/jwk-set+json",
        ),
    ));
    let version =
        get("getCodeVersion", "version", "get the version information for this server", "");
    all.push(single("version", Operation { answer: Content::Json(VERSION), ..version }));
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}

fn of_version(version: &GroupVersion) -> Section {
    let (name, tag) = group_names(version.group);
    let name = format!("{name}{}", route::title(version.version));
    let tag = format!("{tag}_{}", version.version);
    let path = match version.group {
        "" => format!("api/{}", version.version),
        group => format!("apis/{group}/{}", version.version),
    };
    let id = format!("get{name}APIResources");
    let mut section = single(&path, get(&id, &tag, "get available resources", API_RESOURCE_LIST));
    let root = format!("/{path}");
    for resource in version.resources.iter().filter(|resource| resource.served_by_default) {
        route::of_resource(&root, (&name, &tag), resource, &mut section.items);
    }
    section.items.sort_by(|a, b| a.path.cmp(&b.path));
    section.group_version = Some((version.group, version.version));
    section
}

/// How operations name a group, and how their tag does: "RbacAuthorization", "rbacAuthorization".
pub(super) fn group_names(group: &str) -> (String, String) {
    let group = if group.is_empty() { "core" } else { group };
    let group = group.strip_suffix(".k8s.io").unwrap_or(group);
    let name: String =
        group.split(|c: char| !c.is_ascii_alphanumeric()).map(route::title).collect();
    let mut rest = name.chars();
    let first = rest.next().map(|c| c.to_ascii_lowercase());
    let tag = first.into_iter().chain(rest).collect();
    (name, tag)
}

fn single(name: &str, operation: Operation) -> Section {
    let item = Item { path: format!("/{name}/"), common: Vec::new(), operations: vec![operation] };
    Section { name: name.to_owned(), group_version: None, items: vec![item], custom: Vec::new() }
}

fn get(id: &str, tag: &str, description: &str, answer: &'static str) -> Operation {
    Operation {
        method: "get",
        action: "",
        id: id.to_owned(),
        description: description.to_owned(),
        tag: tag.to_owned(),
        parameters: Vec::new(),
        body: Body::None,
        answer: Content::Object(answer),
        gvk: None,
        custom: false,
    }
}
