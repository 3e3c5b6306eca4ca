//! kubering: a Kubernetes API server (API of v1.36), thread-per-core, share-nothing, on io_uring.
//!
//! # The map
//! A module imports only modules of the lines above its own; `tests/tidy.rs` holds this list and
//! fails on a breach.
//!
//! | layer | modules |
//! |---|---|
//! | 0 | `base`: limits, ids, clocks, hash maps · `metrics`: counters, where time goes, and their text |
//! | 1 | `rt`: executors on io_uring, names glommio and compio's driver · `object`: values, schema rows, patches, selectors; no I/O · `http`: connections and messages, names hyper |
//! | 2 | `codec`: JSON, YAML, protobuf, watch frames, media types · `cel`: expressions, their types, cost and values · `catalog`: the one table of types, resources and defaults, and the snapshot of custom resources that are served · `tls`: records and certificates |
//! | 3 | `request`: URL → verb, resource, options; faults as data · `seal`: encryption at rest, KMS plugins on a thread of their own · `client`: requests to other servers, on a thread of their own · `convert`: between the versions of a kind, served or only stored |
//! | 4 | `store`: bytes and revisions; backends: embedded, etcd, memory |
//! | 5 | `cache`: entries, windows, lists at a revision, watchers |
//! | 6 | `authn` · `authz` · `audit`: who asked what, told outside · `flow`: what priority a request has, and whose turn it is · `admission` · `registry`: what verbs do to resources, and what each kind adds |
//! | 7 | `api`: routes, negotiation, answers, discovery, OpenAPI, tables |
//! | 8 | `config`: the command line |
//! | 9 | `server`: boot, shards, the handler chain, draining |
//!
//! # A shard
//! One core and all it owns: executor, listener, connections, TLS sessions, counters, a part of the
//! cache, its watchers. What crosses shards is bounded messages and immutable reference-counted
//! bytes. No lock is waited on: the one there is, around an entry's kept encodings, is only tried,
//! and who misses it encodes for himself. A slow shard does not stop another.
//!
//! # A request's way
//! `rt` → `tls` → `http` → `request` → `authn` → `flow` → `authz` → `api` → `admission` and
//! `registry` → `store`; and back `store` → `cache` → watchers. Reads end at the cache, with bytes
//! that were encoded once; nothing on GET, LIST or watch decodes an object. Writes decode, default,
//! admit and validate one `object` tree, then send one transaction to the store's thread.
//!
//! # What always holds
//! - Nothing is acknowledged, and no watcher told, before it is durable.
//! - A read without `resourceVersion` is linearizable; a watch is ordered, unique and resumable.
//! - Every limit stands in `base` and is kept; every queue says what it does when it is full.
//! - A panic ends one request with 500. A fault while the store or cache is mid-change ends the
//!   process, rather than serving a wrong state.
//!
//! # Where a measurement decided
//! A shard lives in glommio's executor, but its tasks, timers and sockets are on one ring of its
//! own (`rt`): a wake by way of glommio is ten system calls and more than twice the CPU, which is
//! what a request that comes alone costs most (`benches/wake.rs`). Sockets are waited for in the
//! ring, and read and written directly.
//!
//! # Left out on purpose
//! No struct for each kind: a kind is a row of `catalog`, and has code only where its behaviour is
//! special. No `unsafe`, no locks between shards, no second object model for custom resources.
#![forbid(unsafe_code)]

pub mod admission;
pub mod api;
pub mod audit;
pub mod authn;
pub mod authz;
pub mod base;
pub mod cache;
pub mod catalog;
pub mod cel;
pub mod client;
pub mod codec;
pub mod config;
pub mod convert;
pub mod flow;
pub mod http;
pub mod metrics;
pub mod object;
pub mod registry;
pub mod request;
pub mod rt;
pub mod seal;
pub mod server;
pub mod store;
pub mod tls;
