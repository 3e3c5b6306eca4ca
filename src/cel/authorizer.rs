//! What expressions ask the authorizer, and what it says.

/// A question (`authorizer.group(g).resource(r)….check(verb)` or `authorizer.path(p).check(verb)`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Namespace and name of the service account that is asked about; else who makes the request.
    pub service_account: Option<(String, String)>,
    /// The path, for what is no resource.
    pub path: Option<String>,
    /// The API group.
    pub group: String,
    /// The resource.
    pub resource: String,
    /// The subresource; "" if none.
    pub subresource: String,
    /// The namespace; "" for all, and for cluster-scoped resources.
    pub namespace: String,
    /// The name; "" for any.
    pub name: String,
    /// The field selector; "" if none.
    pub field_selector: String,
    /// The label selector; "" if none.
    pub label_selector: String,
    /// The verb.
    pub verb: String,
}

/// An answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decision {
    /// Allowed.
    pub allowed: bool,
    /// Why.
    pub reason: String,
    /// What went wrong; "" if nothing.
    pub error: String,
}

/// Who answers. An answer that is not there yet is `None`: the evaluation then ends with
/// [`super::Fault::Pending`], the caller gets the answer, and begins anew.
pub trait Authority {
    /// The answer to `query`, if it is known.
    fn decide(&self, query: &Query) -> Option<Decision>;
}

/// Nobody answers; for expressions without an authorizer.
#[derive(Debug, Clone, Copy)]
pub struct NoAuthority;

impl Authority for NoAuthority {
    fn decide(&self, _: &Query) -> Option<Decision> {
        let error = "authorizer: not available".to_owned();
        Some(Decision { allowed: false, reason: String::new(), error })
    }
}
