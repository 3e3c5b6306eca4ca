//! What every store backend must do, run over each of them, and what only the embedded one can.
#![cfg(test)]

#[path = "store/bed.rs"]
mod bed;
#[path = "store/contract.rs"]
mod contract;
#[path = "store/durable.rs"]
mod durable;
#[path = "harness/etcd.rs"]
#[expect(dead_code, reason = "some tests need clusters of several members")]
mod etcd;
#[path = "store/etcd.rs"]
mod etcd_only;
#[path = "store/flow.rs"]
mod flow;
#[path = "store/on_etcd.rs"]
mod on_etcd;
