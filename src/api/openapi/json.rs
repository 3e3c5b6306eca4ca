//! The OpenAPI v2 document in JSON.

use crate::api::openapi::out::Out;
use crate::api::openapi::v2::Part;
use crate::api::openapi::v2::Sink;
use crate::codec::json::encode_any;
use crate::codec::json::write;
use crate::object::Value;

/// Writes the parts of the document as they come.
#[derive(Debug)]
pub(super) struct Json<O> {
    out: O,
    piece: Vec<u8>,
    part: Option<Part>,
}

impl<O: Out> Sink for Json<O> {
    fn entry(&mut self, part: Part, name: &str, value: &Value<'_>) {
        self.piece.clear();
        if self.part == Some(part) {
            self.piece.push(b',');
        } else {
            if self.part.is_some() {
                self.piece.push(b'}');
            }
            self.part = Some(part);
            self.piece.push(b',');
            write::string(part.name(), &mut self.piece);
            self.piece.extend_from_slice(b":{");
        }
        write::string(name, &mut self.piece);
        self.piece.push(b':');
        encode_any(value, &mut self.piece);
        self.out.put(&self.piece);
    }
}

impl<O: Out> Json<O> {
    /// Begins the document.
    pub(super) fn new(mut out: O) -> Self {
        out.put(br#"{"swagger":"2.0","info":{"title":"Kubernetes","version":"1.36"}"#);
        Self { out, piece: Vec::with_capacity(16 * 1024), part: None }
    }

    /// Ends the document.
    pub(super) fn finish(mut self) -> O {
        if self.part.is_some() {
            self.out.put(b"}");
        }
        self.out.put(br#","securityDefinitions":{"BearerToken":{"description":"#);
        self.out.put(br#""Bearer Token authentication","type":"apiKey","#);
        self.out.put(br#""name":"authorization","in":"header"}},"#);
        self.out.put(br#""security":[{"BearerToken":[]}]}"#);
        self.out
    }
}
