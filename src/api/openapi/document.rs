//! All documents, built on a thread of their own when they are first asked for after a change of
//! what is served, and kept compressed.
//!
//! Every client library accepts gzip, so the compressed bytes are what is kept (about 1 MB for all;
//! the texts would take 10); for the rare client that does not, a document is inflated again.

use crate::api::openapi::custom;
use crate::api::openapi::fixed::Section;
use crate::api::openapi::fixed::sections;
use crate::api::openapi::json::Json;
use crate::api::openapi::keep::Product;
use crate::api::openapi::keep::Published;
use crate::api::openapi::keep::same_rows;
use crate::api::openapi::out::Out as _;
use crate::api::openapi::out::Packed;
use crate::api::openapi::out::Packer;
use crate::api::openapi::swagger::Swagger;
use crate::api::openapi::v2;
use crate::api::openapi::v3;
use crate::catalog::Resource;
use crate::codec::json::write;
use bytes::Bytes;
use flate2::read::GzDecoder;
use std::io::Read as _;
use std::sync::Arc;

/// The text of a document.
pub(super) fn text(document: &Packed) -> Bytes {
    let mut text = Vec::with_capacity(document.length);
    // What this process compressed itself inflates.
    let read = GzDecoder::new(&*document.gzip).read_to_end(&mut text);
    debug_assert!(read.is_ok(), "a document does not inflate");
    Bytes::from(text)
}

/// OpenAPI v2.
#[derive(Debug)]
pub(super) struct V2 {
    /// In JSON.
    pub(super) json: Packed,
    /// In protobuf.
    pub(super) protobuf: Packed,
}

/// OpenAPI v3.
#[derive(Debug)]
pub(super) struct V3 {
    /// The index.
    pub(super) index: Packed,
    /// The documents by name, sorted.
    documents: Vec<Document>,
}

/// One document of OpenAPI v3.
#[derive(Debug)]
struct Document {
    name: String,
    /// The custom resources it is about; none for built-in paths.
    resources: Vec<&'static Resource>,
    packed: Arc<Packed>,
}

impl Product for V2 {
    fn build(published: &Published, _: Option<&Self>) -> Self {
        let mut sections = sections();
        sections.extend(published.iter().map(|(name, rows)| custom::section(name, rows)));
        let mut both = (Json::new(Packer::default()), Swagger::new(Packer::default()));
        v2::document(&sections, &mut both);
        Self { json: both.0.finish().finish(), protobuf: both.1.finish().finish() }
    }
}

impl Product for V3 {
    /// Documents that have not changed are taken over.
    fn build(published: &Published, before: Option<&Self>) -> Self {
        let mut documents: Vec<Document> = match before {
            Some(before) => before
                .documents
                .iter()
                .filter(|one| one.resources.is_empty())
                .map(Document::share)
                .collect(),
            None => sections().iter().map(Document::new).collect(),
        };
        for (name, rows) in published {
            let same = |known: &&Document| known.name == *name && same_rows(&known.resources, rows);
            let known = before.and_then(|before| before.documents.iter().find(same));
            let made = || Document::new(&custom::section(name, rows));
            documents.push(known.map_or_else(made, Document::share));
        }
        documents.sort_by(|a, b| a.name.cmp(&b.name));
        Self { index: index(&documents), documents }
    }
}

impl Document {
    fn new(section: &Section) -> Self {
        let mut packer = Packer::default();
        v3::document(section, &mut packer);
        let packed = Arc::new(packer.finish());
        Self { name: section.name.clone(), resources: section.custom.clone(), packed }
    }

    fn share(&self) -> Self {
        let packed = Arc::clone(&self.packed);
        Self { name: self.name.clone(), resources: self.resources.clone(), packed }
    }
}

impl V3 {
    /// The document with this name: "api/v1", "apis/apps/v1".
    pub(super) fn document(&self, name: &str) -> Option<&Packed> {
        let at = self.documents.binary_search_by(|other| other.name.as_str().cmp(name)).ok()?;
        self.documents.get(at).map(|document| &*document.packed)
    }
}

fn index(documents: &[Document]) -> Packed {
    let mut index = br#"{"paths":{"#.to_vec();
    for (at, document) in documents.iter().enumerate() {
        if at > 0 {
            index.push(b',');
        }
        write::string(&document.name, &mut index);
        index.extend_from_slice(br#":{"serverRelativeURL":"#);
        write::string(&location(&document.name, &document.packed.hash), &mut index);
        index.push(b'}');
    }
    index.extend_from_slice(b"}}");
    let mut packer = Packer::default();
    packer.put(&index);
    packer.finish()
}

/// Where the present version of a document is.
pub(super) fn location(name: &str, hash: &str) -> String {
    format!("/openapi/v3/{name}?hash={hash}")
}
