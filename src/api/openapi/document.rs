//! All documents, built once on a thread of their own, and kept compressed.
//!
//! Every client library accepts gzip, so the compressed bytes are what is kept (about 1 MB for all;
//! the texts would take 10); for the rare client that does not, a document is inflated again.

use crate::api::openapi::fixed::sections;
use crate::api::openapi::json::Json;
use crate::api::openapi::swagger::Swagger;
use crate::api::openapi::v2;
use crate::api::openapi::v3;
use crate::codec::gzip;
use crate::codec::json::write;
use async_channel::Receiver;
use bytes::Bytes;
use flate2::read::GzDecoder;
use sha2::Digest as _;
use std::fmt::Write as _;
use std::io::Read as _;
use std::sync::OnceLock;
use std::thread;

/// A document as it is kept.
#[derive(Debug)]
pub(super) struct Document {
    /// Compressed.
    gzip: Bytes,
    /// Length of the text.
    length: usize,
    /// Hash of the text: upper-case hexadecimal SHA-512.
    pub(super) hash: String,
}

impl Document {
    fn new(text: &[u8]) -> Self {
        let mut hash = String::with_capacity(128);
        for byte in sha2::Sha512::digest(text) {
            let _ = write!(hash, "{byte:02X}");
        }
        Self { gzip: Bytes::from(gzip::compress(text)), length: text.len(), hash }
    }

    /// The compressed bytes.
    pub(super) fn compressed(&self) -> Bytes {
        self.gzip.clone()
    }

    /// The text.
    pub(super) fn text(&self) -> Bytes {
        let mut text = Vec::with_capacity(self.length);
        // What this process compressed itself inflates.
        let read = GzDecoder::new(&*self.gzip).read_to_end(&mut text);
        debug_assert!(read.is_ok(), "a document does not inflate");
        Bytes::from(text)
    }
}

/// All documents.
#[derive(Debug)]
pub(super) struct Documents {
    /// OpenAPI v2 in JSON.
    pub(super) v2_json: Document,
    /// OpenAPI v2 in protobuf.
    pub(super) v2_protobuf: Document,
    /// The index of OpenAPI v3.
    pub(super) index: Document,
    /// The documents of OpenAPI v3 by name, sorted.
    v3: Vec<(String, Document)>,
}

impl Documents {
    fn build() -> Self {
        let sections = sections();
        let mut both = (Json::default(), Swagger::default());
        v2::document(&sections, &mut both);
        let v2_json = Document::new(&both.0.finish());
        let v2_protobuf = Document::new(&both.1.finish());
        let v3: Vec<(String, Document)> = sections
            .iter()
            .map(|section| (section.name.clone(), Document::new(&v3::document(section))))
            .collect();
        let mut index = br#"{"paths":{"#.to_vec();
        for (at, (name, document)) in v3.iter().enumerate() {
            if at > 0 {
                index.push(b',');
            }
            write::string(name, &mut index);
            index.extend_from_slice(br#":{"serverRelativeURL":"#);
            write::string(&location(name, &document.hash), &mut index);
            index.push(b'}');
        }
        index.extend_from_slice(b"}}");
        Self { v2_json, v2_protobuf, index: Document::new(&index), v3 }
    }

    /// The document of OpenAPI v3 with this name: "api/v1", "apis/apps/v1".
    pub(super) fn v3(&self, name: &str) -> Option<&Document> {
        let at = self.v3.binary_search_by(|(other, _)| other.as_str().cmp(name)).ok()?;
        self.v3.get(at).map(|(_, document)| document)
    }
}

/// Where the present version of a document is.
pub(super) fn location(name: &str, hash: &str) -> String {
    format!("/openapi/v3/{name}?hash={hash}")
}

/// The documents; the first caller has them built, which takes a tenth of a second of a thread that
/// is no shard.
pub(super) async fn documents() -> &'static Documents {
    static DOCUMENTS: OnceLock<Documents> = OnceLock::new();
    static BUILT: OnceLock<Receiver<()>> = OnceLock::new();
    if let Some(documents) = DOCUMENTS.get() {
        return documents;
    }
    let built = BUILT.get_or_init(|| {
        let (done, built) = async_channel::bounded(1);
        // The channel closes when the thread ends, however it does, and when there is none.
        let builder = thread::Builder::new().name("openapi".to_owned());
        let started = builder.spawn(move || {
            DOCUMENTS.get_or_init(Documents::build);
            drop(done);
        });
        drop(started);
        built
    });
    let _ = built.recv().await;
    DOCUMENTS.get_or_init(Documents::build)
}
