//! The cache as a whole: several shards, one store, random orders.

mod guarantees;
mod reads;
mod sample;
mod sim;
mod watches;
