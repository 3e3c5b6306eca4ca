//! Messages: those of a KMS plugin (`k8s.io/kms/apis/v2`), and the one that is stored
//! (`kmsv2/v2/api.proto`).

use bytes::Bytes;
use std::collections::BTreeMap;

/// What is stored behind the provider's prefix.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EncryptedObject {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) data: Bytes,
    /// Names the plugin's key.
    #[prost(string, tag = "2")]
    pub(super) key_id: String,
    /// What the plugin opens to the seed or the key.
    #[prost(bytes = "bytes", tag = "3")]
    pub(super) source: Bytes,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub(super) annotations: BTreeMap<String, Vec<u8>>,
    /// How keys come of it.
    #[prost(int32, tag = "5")]
    pub(super) source_type: i32,
}

/// The plain text of the source is the key.
pub(super) const KEY: i32 = 0;
/// Keys are derived from it, one for each value.
pub(super) const SEED: i32 = 1;

#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(super) struct StatusRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct StatusResponse {
    #[prost(string, tag = "1")]
    pub(super) version: String,
    #[prost(string, tag = "2")]
    pub(super) healthz: String,
    #[prost(string, tag = "3")]
    pub(super) key_id: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DecryptRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) ciphertext: Bytes,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
    #[prost(string, tag = "3")]
    pub(super) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "4")]
    pub(super) annotations: BTreeMap<String, Vec<u8>>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct DecryptResponse {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) plaintext: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EncryptRequest {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) plaintext: Bytes,
    #[prost(string, tag = "2")]
    pub(super) uid: String,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct EncryptResponse {
    #[prost(bytes = "bytes", tag = "1")]
    pub(super) ciphertext: Bytes,
    #[prost(string, tag = "2")]
    pub(super) key_id: String,
    #[prost(btree_map = "string, bytes", tag = "3")]
    pub(super) annotations: BTreeMap<String, Vec<u8>>,
}

/// Largest key id and source.
const ID_BYTES_MAX: usize = 1_024;
const ANNOTATIONS_BYTES_MAX: usize = 32 * 1_024;

/// What is wrong with a key id (`ValidateKeyID`).
pub(super) fn check_key_id(id: &str) -> Result<(), String> {
    match id.len() {
        0 => Err("keyID is empty".to_owned()),
        length if length > ID_BYTES_MAX => {
            Err(format!("keyID is {length} bytes, which exceeds the max size of {ID_BYTES_MAX}"))
        }
        _ => Ok(()),
    }
}

impl EncryptedObject {
    /// What is wrong with it (`ValidateEncryptedObject`).
    pub(super) fn check(&self) -> Result<(), String> {
        if !matches!(self.source_type, KEY | SEED) {
            return Err(format!("unknown encryptedDEKSourceType: {}", self.source_type));
        }
        if self.data.is_empty() {
            return Err("encrypted data is empty".to_owned());
        }
        match self.source.len() {
            0 => {
                return Err(
                    "failed to validate encrypted DEK source: encrypted DEK source is empty"
                        .to_owned(),
                );
            }
            length if length > ID_BYTES_MAX => {
                return Err(format!(
                    "failed to validate encrypted DEK source: encrypted DEK source is {length} \
                     bytes, which exceeds the max size of {ID_BYTES_MAX}"
                ));
            }
            _ => {}
        }
        check_key_id(&self.key_id).map_err(|why| format!("failed to validate key id: {why}"))?;
        let size: usize = self.annotations.iter().map(|(key, value)| key.len() + value.len()).sum();
        if let Some(key) = self.annotations.keys().find(|key| !is_qualified(key)) {
            return Err(format!(
                "failed to validate annotations: annotations: Invalid value: {key:?}: should be a \
                 domain with at least two segments separated by dots"
            ));
        }
        if size > ANNOTATIONS_BYTES_MAX {
            return Err(format!(
                "failed to validate annotations: total size of annotations is {size}, which \
                 exceeds the max size of {ANNOTATIONS_BYTES_MAX}"
            ));
        }
        Ok(())
    }
}

/// A DNS name of several labels.
fn is_qualified(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let inner = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        !label.is_empty()
            && label.len() <= 63
            && label.bytes().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.contains('.') && name.len() <= 253 && name.split('.').all(is_label)
}
