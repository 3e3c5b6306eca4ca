//! kubering: a Kubernetes API server (API of v1.36), thread-per-core and share-nothing on io_uring.
#![forbid(unsafe_code)]

pub mod admission;
pub mod api;
pub mod authn;
pub mod authz;
pub mod base;
pub mod cache;
pub mod catalog;
pub mod codec;
pub mod config;
pub mod http;
pub mod metrics;
pub mod object;
pub mod registry;
pub mod request;
pub mod rt;
pub mod server;
pub mod store;
pub mod tls;
