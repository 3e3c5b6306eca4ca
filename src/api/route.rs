//! From a parsed URL to the handler: which resource, which verb, or which refusal.

use crate::catalog::{Resource, Subresource, catalog, custom};
use crate::request::{RequestInfo, RouterFault, Verb};

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub enum Route {
    /// A verb on a resource.
    Resource(Target),
    /// The custom resource has no such subresource.
    Missing(&'static Resource),
    /// The custom resource has no such verb.
    Unsupported(&'static Resource, Verb),
    /// What only objects have was asked of a collection of custom resources.
    Nameless,
    /// The group version is not served: plain `404 page not found`.
    Unknown,
}

/// A verb on a resource or subresource.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The resource.
    pub resource: &'static Resource,
    /// The subresource, if the URL names one.
    pub subresource: Option<&'static Subresource>,
    /// The verb, which the resource has.
    pub verb: Verb,
}

impl Target {
    /// The subresource's name; "" if there is none.
    pub fn subresource_name(&self) -> &'static str {
        self.subresource.map_or("", |subresource| subresource.name)
    }
}

/// Finds the route for `method` and `info`.
///
/// # Errors
/// 404 for a path and 405 for a method that no route of a served group version has.
pub fn route(method: &str, info: &RequestInfo<'_>) -> Result<Route, RouterFault> {
    let served = catalog()
        .groups()
        .iter()
        .filter(|group| group.name == info.group)
        .flat_map(|group| &group.versions)
        .any(|version| version.version == info.version && version.served_by_default());
    if let Some(resource) = custom(info) {
        return route_custom(method, info, resource);
    }
    if !served {
        // Below a group that is served everything else is the router's to refuse.
        let known = catalog().groups().iter().any(|group| group.name == info.group);
        return if known { Err(RouterFault::NotFound) } else { Ok(Route::Unknown) };
    }
    let resource = catalog()
        .resource(info.group, info.version, info.resource)
        .filter(|resource| resource.served_by_default)
        .ok_or(RouterFault::NotFound)?;
    let own_namespace = info.resource == "namespaces" && info.group.is_empty();
    let named_namespace = !info.namespace.is_empty() && !own_namespace;
    if named_namespace && !resource.namespaced {
        return Err(RouterFault::NotFound);
    }
    if resource.namespaced
        && info.namespace.is_empty()
        && (info.named || resource.storage.is_none())
    {
        // Without a namespace there are only the collections of all namespaces.
        return Err(RouterFault::NotFound);
    }
    let subresource = match info.subresource {
        "" => None,
        name => Some(resource.subresource(name).ok_or(RouterFault::NotFound)?),
    };
    if !info.rest.is_empty() && info.subresource != "proxy" {
        return Err(RouterFault::NotFound);
    }
    let verb = match (info.watch_prefix, method) {
        (true, "GET" | "HEAD") => Verb::Watch,
        (true, _) => Verb::None,
        (false, _) => verb_of(method, info),
    };
    let verbs = subresource.map_or(&resource.verbs, |subresource| &subresource.verbs);
    let known = verbs.contains(&verb.name());
    if info.named && subresource.is_none() && *verbs == ["create"] {
        // What is only made, as reviews are, has no names.
        return Err(RouterFault::NotFound);
    }
    let everywhere = resource.namespaced && info.namespace.is_empty();
    let reads = matches!(verb, Verb::List | Verb::Watch);
    if !known || (everywhere && !reads) || (method == "HEAD" && info.subresource != "proxy") {
        return Err(RouterFault::MethodNotAllowed);
    }
    Ok(Route::Resource(Target { resource, subresource, verb }))
}

/// The custom resource of the path. Built-in resources are found without looking here.
fn custom(info: &RequestInfo<'_>) -> Option<&'static Resource> {
    if !info.group.contains('.') {
        return None;
    }
    custom::served().resource(info.group, info.version, info.resource)
}

/// Routes of custom resources: what does not fit the definition is not there at all
/// (`crdHandler.ServeHTTP`).
fn route_custom(
    method: &str,
    info: &RequestInfo<'_>,
    resource: &'static Resource,
) -> Result<Route, RouterFault> {
    let verb = if info.watch_prefix { Verb::Watch } else { info.verb };
    let everywhere = resource.namespaced && info.namespace.is_empty();
    let reads = matches!(verb, Verb::List | Verb::Watch);
    if (!resource.namespaced && !info.namespace.is_empty()) || (everywhere && !reads) {
        return Ok(Route::Unknown);
    }
    let subresource = match info.subresource {
        "" => None,
        name => match resource.subresource(name) {
            Some(found) => Some(found),
            None => return Ok(Route::Missing(resource)),
        },
    };
    let verb = if reads { verb } else { verb_of(method, info) };
    if !info.named && matches!(method, "PUT" | "PATCH") {
        return Ok(Route::Nameless);
    }
    let verbs = subresource.map_or(&resource.verbs, |subresource| &subresource.verbs);
    if !verbs.contains(&verb.name()) {
        return Ok(Route::Unsupported(resource, info.verb));
    }
    Ok(Route::Resource(Target { resource, subresource, verb }))
}

/// The verb by shape of the path: what stands in a field selector does not name an object here.
fn verb_of(method: &str, info: &RequestInfo<'_>) -> Verb {
    match (method, info.named) {
        ("POST", false) => Verb::Create,
        ("POST", true) if !info.subresource.is_empty() => Verb::Create,
        ("PUT", true) => Verb::Update,
        ("PATCH", true) => Verb::Patch,
        ("DELETE", true) => Verb::Delete,
        ("DELETE", false) => Verb::DeleteCollection,
        ("GET" | "HEAD", true) if info.subresource.is_empty() && info.verb == Verb::Watch => {
            Verb::Watch
        }
        ("GET" | "HEAD", true) => Verb::Get,
        ("GET" | "HEAD", false) if info.verb == Verb::Watch => Verb::Watch,
        ("GET" | "HEAD", false) => Verb::List,
        _ => Verb::None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::Query;

    fn find(method: &str, path: &str) -> Result<Route, RouterFault> {
        route(method, &RequestInfo::parse(method, path, &Query::new("")).unwrap())
    }

    fn verb(method: &str, path: &str) -> Result<Verb, RouterFault> {
        match find(method, path)? {
            Route::Resource(target) => Ok(target.verb),
            _ => panic!("{path} is not served"),
        }
    }

    #[test]
    fn collections_and_objects_have_their_verbs() {
        assert_eq!(verb("POST", "/api/v1/namespaces/d/pods"), Ok(Verb::Create));
        assert_eq!(verb("GET", "/api/v1/pods"), Ok(Verb::List));
        assert_eq!(verb("DELETE", "/api/v1/namespaces/d/pods"), Ok(Verb::DeleteCollection));
        assert_eq!(verb("PATCH", "/api/v1/namespaces/d/pods/p/status"), Ok(Verb::Patch));
        assert_eq!(verb("POST", "/api/v1/namespaces/d/pods/p/eviction"), Ok(Verb::Create));
        assert_eq!(verb("GET", "/api/v1/namespaces/d"), Ok(Verb::Get));
    }

    #[test]
    fn writes_to_all_namespaces_have_no_route() {
        assert_eq!(verb("POST", "/api/v1/configmaps"), Err(RouterFault::MethodNotAllowed));
        assert_eq!(verb("DELETE", "/api/v1/configmaps"), Err(RouterFault::MethodNotAllowed));
        assert_eq!(verb("GET", "/api/v1/configmaps/x"), Err(RouterFault::NotFound));
        assert_eq!(verb("GET", "/api/v1/bindings"), Err(RouterFault::NotFound));
    }

    #[test]
    fn unknown_paths_and_methods_are_told_apart() {
        assert_eq!(verb("GET", "/api/v1/nopes"), Err(RouterFault::NotFound));
        let review = "/apis/authentication.k8s.io/v1/tokenreviews";
        assert_eq!(verb("GET", review), Err(RouterFault::MethodNotAllowed));
        assert_eq!(verb("PUT", &format!("{review}/x")), Err(RouterFault::NotFound));
        assert_eq!(verb("DELETE", "/api/v1/namespaces"), Err(RouterFault::MethodNotAllowed));
        assert_eq!(verb("PUT", "/api/v1/namespaces/d/pods"), Err(RouterFault::MethodNotAllowed));
        assert_eq!(verb("HEAD", "/api/v1/namespaces/d"), Err(RouterFault::MethodNotAllowed));
        assert_eq!(verb("GET", "/api/v1/watch/pods"), Ok(Verb::Watch));
        assert_eq!(verb("POST", "/api/v1/watch/pods"), Err(RouterFault::MethodNotAllowed));
        assert!(matches!(find("GET", "/apis/nope/v1/things"), Ok(Route::Unknown)));
    }
}
