//! Discovery: which groups, versions and resources are served.
//!
//! Every document is built once from the list of groups, as JSON and as protobuf, and then handed
//! out as shared bytes: `/api`, `/apis`, `/apis/<group>` and `/apis/<group>/<version>` in the
//! legacy form, `/api` and `/apis` also in the aggregated one (`APIGroupDiscoveryList`), which
//! carries an ETag. The index `/` and `/version` are here too.

mod accept;
mod aggregated;
mod current;
mod group;
mod legacy;
mod plain;
mod remote;

pub use self::accept::Form;
pub use self::current::Current;
pub use self::group::GroupEntry;
pub use self::group::ResourceEntry;
pub use self::group::SubresourceEntry;
pub use self::group::VersionEntry;
pub use self::group::built_in;
pub use self::group::with_custom;
pub use self::plain::root_paths;
pub use self::plain::version;
pub use self::remote::RemoteList;
pub use self::remote::RemoteVersion;

use crate::base::hash::HashMap;
use crate::catalog::catalog;
use bytes::Bytes;

/// All documents of discovery, for one set of served groups.
#[derive(Debug)]
pub struct Discovery {
    legacy: HashMap<String, Document>,
    aggregated: HashMap<&'static str, Aggregated>,
}

/// One document in the forms that are made ahead.
#[derive(Debug)]
pub(super) struct Document {
    json: Bytes,
    protobuf: Bytes,
}

/// An aggregated document.
#[derive(Debug)]
struct Aggregated {
    document: Document,
    /// Hash of the content in quotes.
    etag: String,
}

/// What to answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// The document.
    Document {
        /// The encoding that the client asked for.
        form: Form,
        /// The Content-Type.
        content_type: &'static str,
        /// The body; where `form` is YAML it is JSON, to be transcoded.
        body: Bytes,
        /// The ETag with its quotes; such answers also carry `Vary: Accept` and
        /// `Cache-Control: public`.
        etag: Option<String>,
    },
    /// The client's copy is current: 304 with this ETag.
    NotModified(String),
    /// No form that the client accepts: 406.
    NotAcceptable,
}

impl Discovery {
    /// Builds all documents. `address` is what clients are told to connect to (host:port).
    pub fn new(groups: &[GroupEntry<'_>], address: &str) -> Self {
        let mut legacy = HashMap::default();
        legacy.insert("/api".to_owned(), legacy::api_versions(groups, address));
        legacy.insert("/apis".to_owned(), legacy::group_list(groups));
        for group in groups {
            if !group.name.is_empty() {
                legacy.insert(format!("/apis/{}", group.name), legacy::group(group));
            }
            for version in &group.versions {
                let path = match group.name {
                    "" => format!("/api/{}", version.version),
                    name => format!("/apis/{name}/{}", version.version),
                };
                legacy.insert(path, legacy::resource_list(group.name, version));
            }
        }
        let mut all = HashMap::default();
        for (path, core) in [("/api", true), ("/apis", false)] {
            let groups = groups.iter().filter(|group| group.name.is_empty() == core);
            let document = aggregated::list(groups);
            let etag = aggregated::etag(&document);
            all.insert(path, Aggregated { document, etag });
        }
        Self { legacy, aggregated: all }
    }

    /// True for paths below the root of a served group: unknown ones are refused with a Status
    /// there, and with plain text elsewhere.
    pub fn is_below(&self, path: &str) -> bool {
        match path.strip_prefix("/apis/").and_then(|rest| rest.split_once('/')) {
            // Groups of custom resources leave what they do not know to the server at large.
            Some((group, _)) => catalog().groups().iter().any(|known| known.name == group),
            None => path.starts_with("/api/"),
        }
    }

    /// The answer to GET `path` (a trailing slash does not matter); `None` if it is no path of
    /// discovery. `accept` and `if_none_match` are the headers, "" where missing.
    pub fn answer(&self, path: &str, accept: &str, if_none_match: &str) -> Option<Answer> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let document = self.legacy.get(path)?;
        let aggregated = self.aggregated.get(path);
        let Some((form, is_aggregated)) = accept::negotiate(accept, aggregated.is_some()) else {
            return Some(Answer::NotAcceptable);
        };
        let (document, etag) = match aggregated {
            Some(Aggregated { document, etag }) if is_aggregated => (document, Some(etag.clone())),
            _ => (document, None),
        };
        if let Some(etag) = etag.as_ref().filter(|etag| *etag == if_none_match) {
            return Some(Answer::NotModified(etag.clone()));
        }
        Some(Answer::Document {
            form,
            content_type: form.content_type(is_aggregated),
            body: match form {
                Form::Json | Form::Yaml => document.json.clone(),
                Form::Protobuf => document.protobuf.clone(),
            },
            etag,
        })
    }
}

#[cfg(test)]
mod tests;
