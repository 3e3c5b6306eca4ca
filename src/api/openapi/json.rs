//! The OpenAPI v2 document in JSON.

use crate::api::openapi::v2::Sink;
use crate::codec::json::encode_any;
use crate::codec::json::write;
use crate::object::Value;

/// Collects the parts of the document, each as the members of an object.
#[derive(Default)]
pub(super) struct Json {
    paths: Vec<u8>,
    definitions: Vec<u8>,
    parameters: Vec<u8>,
}

impl Sink for Json {
    fn path(&mut self, path: &str, item: &Value<'_>) {
        add(&mut self.paths, path, item);
    }

    fn definition(&mut self, name: &str, schema: &Value<'_>) {
        add(&mut self.definitions, name, schema);
    }

    fn parameter(&mut self, name: &str, parameter: &Value<'_>) {
        add(&mut self.parameters, name, parameter);
    }
}

fn add(part: &mut Vec<u8>, key: &str, value: &Value<'_>) {
    if !part.is_empty() {
        part.push(b',');
    }
    write::string(key, part);
    part.push(b':');
    encode_any(value, part);
}

impl Json {
    /// The whole document.
    pub(super) fn finish(self) -> Vec<u8> {
        let size = self.paths.len() + self.definitions.len() + self.parameters.len() + 1024;
        let mut out = Vec::with_capacity(size);
        out.extend_from_slice(
            br#"{"swagger":"2.0","info":{"title":"Kubernetes","version":"1.36"}"#,
        );
        let parts = [
            ("paths", self.paths),
            ("definitions", self.definitions),
            ("parameters", self.parameters),
        ];
        for (name, part) in parts {
            out.push(b',');
            write::string(name, &mut out);
            out.extend_from_slice(b":{");
            out.extend_from_slice(&part);
            out.push(b'}');
        }
        out.extend_from_slice(br#","securityDefinitions":{"BearerToken":{"description":"#);
        out.extend_from_slice(br#""Bearer Token authentication","type":"apiKey","#);
        out.extend_from_slice(br#""name":"authorization","in":"header"}},"#);
        out.extend_from_slice(br#""security":[{"BearerToken":[]}]}"#);
        out
    }
}
