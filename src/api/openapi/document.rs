//! All documents, built once on a thread of their own, and kept compressed.
//!
//! Every client library accepts gzip, so the compressed bytes are what is kept (about 1 MB for all;
//! the texts would take 10); for the rare client that does not, a document is inflated again.

use crate::api::openapi::fixed::sections;
use crate::api::openapi::json::Json;
use crate::api::openapi::out::Out as _;
use crate::api::openapi::out::Packed;
use crate::api::openapi::out::Packer;
use crate::api::openapi::swagger::Swagger;
use crate::api::openapi::v2;
use crate::api::openapi::v3;
use crate::codec::json::write;
use async_channel::Receiver;
use bytes::Bytes;
use flate2::read::GzDecoder;
use std::io::Read as _;
use std::sync::OnceLock;
use std::thread;

/// The text of a document.
pub(super) fn text(document: &Packed) -> Bytes {
    let mut text = Vec::with_capacity(document.length);
    // What this process compressed itself inflates.
    let read = GzDecoder::new(&*document.gzip).read_to_end(&mut text);
    debug_assert!(read.is_ok(), "a document does not inflate");
    Bytes::from(text)
}

/// All documents.
#[derive(Debug)]
pub(super) struct Documents {
    /// OpenAPI v2 in JSON.
    pub(super) v2_json: Packed,
    /// OpenAPI v2 in protobuf.
    pub(super) v2_protobuf: Packed,
    /// The index of OpenAPI v3.
    pub(super) index: Packed,
    /// The documents of OpenAPI v3 by name, sorted.
    v3: Vec<(String, Packed)>,
}

impl Documents {
    fn build() -> Self {
        let sections = sections();
        let mut both = (Json::new(Packer::default()), Swagger::new(Packer::default()));
        v2::document(&sections, &mut both);
        let (v2_json, v2_protobuf) = (both.0.finish().finish(), both.1.finish().finish());
        let packed = sections.iter().map(|section| {
            let mut packer = Packer::default();
            v3::document(section, &mut packer);
            (section.name.clone(), packer.finish())
        });
        let v3: Vec<(String, Packed)> = packed.collect();
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
        let mut packer = Packer::default();
        packer.put(&index);
        Self { v2_json, v2_protobuf, index: packer.finish(), v3 }
    }

    /// The document of OpenAPI v3 with this name: "api/v1", "apis/apps/v1".
    pub(super) fn v3(&self, name: &str) -> Option<&Packed> {
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
