//! What every store backend must do, run over each of them, and what only the embedded one can.
#![cfg(test)]

#[path = "store/bed.rs"]
mod bed;
#[path = "store/contract.rs"]
mod contract;
#[path = "store/durable.rs"]
mod durable;
#[path = "store/flow.rs"]
mod flow;
