//! Every form in which objects come and go: JSON, YAML, protobuf; media types, watch frames, gzip;
//! and the direct way from stored bytes to answers, which builds no object.
//!
//! Decoders give the canonical form that `object` describes; encoders take it. Nothing in here does
//! I/O or knows a kind by name.

pub mod frame;
pub mod gzip;
pub mod json;
pub mod media;
pub mod proto;
pub mod scalar;
pub mod settings;
pub mod spdy;
pub mod transcode;
pub mod websocket;
pub mod yaml;
