//! URL and method → what the request asks for.
//!
//! Follows `RequestInfoFactory.NewRequestInfo` of `k8s.io/apiserver/pkg/endpoints/request`.

use super::query::Query;
use std::borrow::Cow;

/// What a request wants to do (`RequestInfo.Verb`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// POST of a collection or a subresource.
    Create,
    /// DELETE of an object.
    Delete,
    /// DELETE of a collection.
    DeleteCollection,
    /// GET of an object.
    Get,
    /// GET of a collection.
    List,
    /// PATCH.
    Patch,
    /// The `proxy` path verb; no routes exist for it.
    Proxy,
    /// PUT.
    Update,
    /// GET of a collection with `watch`.
    Watch,
    /// Any other method.
    None,
}

impl Verb {
    /// The lower-case name that authorization and audit use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Delete => "delete",
            Self::DeleteCollection => "deletecollection",
            Self::Get => "get",
            Self::List => "list",
            Self::None => "",
            Self::Patch => "patch",
            Self::Proxy => "proxy",
            Self::Update => "update",
            Self::Watch => "watch",
        }
    }
}

/// The parsed request line; borrows from the (decoded) path.
#[derive(Debug, Clone)]
pub struct RequestInfo<'r> {
    /// The whole decoded path.
    pub path: &'r str,
    /// False for `/healthz` and everything else outside the API groups.
    pub is_resource: bool,
    /// What to do; for non-resource requests only the method counts.
    pub verb: Verb,
    /// API group; "" for core.
    pub group: &'r str,
    /// API version.
    pub version: &'r str,
    /// Namespace; "" if there is none.
    pub namespace: &'r str,
    /// Plural resource.
    pub resource: &'r str,
    /// Subresource; "" if there is none.
    pub subresource: &'r str,
    /// Object name; also taken from an exact `metadata.name` field selector.
    pub name: Cow<'r, str>,
    /// The name stood in the path.
    pub named: bool,
    /// What follows the subresource, as the path handed to a proxied server.
    pub rest: &'r str,
    /// The deprecated `/watch/` prefix was used.
    pub watch_prefix: bool,
}

/// A path that announces a resource and does not hold one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadPath(pub String);

impl<'r> RequestInfo<'r> {
    /// Parses `method` and the decoded `path`; `query` decides list against watch.
    ///
    /// # Errors
    /// `/api/v1/watch` and `/api/v1/proxy` without anything behind them.
    pub fn parse(method: &str, path: &'r str, query: &Query<'_>) -> Result<Self, BadPath> {
        let mut info = Self::non_resource(path);
        let mut parts = path.trim_matches('/').split('/');
        let (prefix, Some(first)) = (parts.next().unwrap_or(""), parts.next()) else {
            return Ok(info);
        };
        let count = path.trim_matches('/').split('/').count();
        match prefix {
            "api" if count >= 3 => info.version = first,
            "apis" if count >= 4 => {
                info.group = first;
                info.version = parts.next().unwrap_or("");
            }
            _ => return Ok(info),
        }
        info.is_resource = true;
        info.verb = Self::method_verb(method);
        let mut parts = parts.peekable();
        let special = match parts.peek() {
            Some(&"watch") => Some(Verb::Watch),
            Some(&"proxy") => Some(Verb::Proxy),
            _ => None,
        };
        if let Some(verb) = special {
            parts.next();
            if parts.peek().is_none() {
                let shape = "unable to determine kind and namespace from url";
                return Err(BadPath(format!("{shape}, {path}")));
            }
            info.verb = verb;
            info.watch_prefix = verb == Verb::Watch;
        }
        let mut head = parts.next().unwrap_or("");
        if head == "namespaces"
            && let Some(namespace) = parts.next()
        {
            info.namespace = namespace;
            match parts.peek() {
                Some(&"status" | &"finalize") | None => {
                    info.name = Cow::Borrowed(namespace);
                    info.named = true;
                }
                Some(_) => head = parts.next().unwrap_or(""),
            }
        }
        info.resource = head;
        if !info.named {
            info.take_name(parts.next());
        }
        if let Some(subresource) = parts.next()
            && special != Some(Verb::Proxy)
        {
            info.subresource = subresource;
        }
        if let Some(rest) = parts.next() {
            let offset = rest.as_ptr() as usize - path.as_ptr() as usize;
            info.rest = path.get(offset..).unwrap_or("");
        }
        info.refine_verb(query);
        Ok(info)
    }

    fn non_resource(path: &'r str) -> Self {
        Self {
            path,
            is_resource: false,
            verb: Verb::None,
            group: "",
            version: "",
            namespace: "",
            resource: "",
            subresource: "",
            name: Cow::Borrowed(""),
            named: false,
            rest: "",
            watch_prefix: false,
        }
    }

    fn take_name(&mut self, name: Option<&'r str>) {
        if let Some(name) = name {
            self.name = Cow::Borrowed(name);
            self.named = true;
        }
    }

    fn method_verb(method: &str) -> Verb {
        match method {
            "POST" => Verb::Create,
            "GET" | "HEAD" => Verb::Get,
            "PUT" => Verb::Update,
            "PATCH" => Verb::Patch,
            "DELETE" => Verb::Delete,
            _ => Verb::None,
        }
    }

    /// `get` of a collection is `list` or `watch`; `delete` of one is `deletecollection`; an exact
    /// `metadata.name` selector gives the request its name.
    fn refine_verb(&mut self, query: &Query<'_>) {
        if self.name.is_empty() {
            match self.verb {
                Verb::Get if query.flag("watch") == Some(true) => self.verb = Verb::Watch,
                Verb::Get => self.verb = Verb::List,
                Verb::Delete => self.verb = Verb::DeleteCollection,
                _ => {}
            }
        }
        let collection = matches!(self.verb, Verb::List | Verb::Watch | Verb::DeleteCollection);
        if collection
            && self.name.is_empty()
            && let Some(fields) = query.first("fieldSelector")
            && let Some(name) = exact_name(&fields)
        {
            self.name = Cow::Owned(name);
        }
    }
}

/// The name that an exact `metadata.name` term of a field selector asks for, if it can stand in a
/// path.
fn exact_name(fields: &str) -> Option<String> {
    let selector = crate::object::selector::FieldSelector::parse(fields).ok()?;
    let name = selector.requires_exact("metadata.name")?;
    let legal = !name.is_empty() && name != "." && name != ".." && !name.contains(['/', '%']);
    legal.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::{RequestInfo, Verb};
    use crate::request::query::Query;

    fn parse<'r>(method: &str, path: &'r str, query: &'r str) -> RequestInfo<'r> {
        RequestInfo::parse(method, path, &Query::new(query)).unwrap()
    }

    #[test]
    fn a_namespace_object_is_its_own_namespace() {
        let info = parse("GET", "/api/v1/namespaces/foo", "");
        assert_eq!((info.resource, &*info.name, info.namespace), ("namespaces", "foo", "foo"));
        let info = parse("PUT", "/api/v1/namespaces/foo/finalize", "");
        assert_eq!((info.resource, info.subresource), ("namespaces", "finalize"));
    }

    #[test]
    fn collections_list_watch_and_deletecollection() {
        assert_eq!(parse("GET", "/api/v1/pods", "").verb, Verb::List);
        assert_eq!(parse("GET", "/api/v1/pods", "watch=1").verb, Verb::Watch);
        assert_eq!(parse("GET", "/api/v1/pods", "watch=false").verb, Verb::List);
        let path = "/apis/apps/v1/namespaces/d/deployments";
        assert_eq!(parse("DELETE", path, "").verb, Verb::DeleteCollection);
    }

    #[test]
    fn names_subresources_and_the_rest_are_split() {
        let info = parse("GET", "/api/v1/namespaces/d/pods/p/proxy/a/b", "");
        assert_eq!((&*info.name, info.subresource, info.rest), ("p", "proxy", "a/b"));
        assert_eq!(info.verb, Verb::Get);
    }

    #[test]
    fn short_paths_are_not_resources() {
        for path in ["/", "/api", "/api/v1", "/apis/apps", "/apis/apps/v1", "/healthz/ping"] {
            assert!(!parse("GET", path, "").is_resource, "{path}");
        }
    }

    #[test]
    fn the_watch_prefix_watches() {
        let info = parse("GET", "/api/v1/watch/namespaces/d/pods/p", "");
        assert_eq!((info.verb, info.resource, &*info.name), (Verb::Watch, "pods", "p"));
        assert!(RequestInfo::parse("GET", "/api/v1/watch", &Query::new("")).is_err());
    }

    #[test]
    fn an_exact_name_selector_names_the_request() {
        let info = parse("GET", "/api/v1/secrets", "fieldSelector=metadata.name%3Dx");
        assert_eq!(&*info.name, "x");
        assert_eq!(info.verb, Verb::List);
    }
}
