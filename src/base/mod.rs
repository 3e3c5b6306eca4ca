//! What every layer may use: limits, hashing, time, identifiers.

pub mod cidr;
pub mod clock;
pub mod duration;
pub mod expiring;
pub mod hash;
pub mod ids;
pub mod limits;
pub mod ticks;
pub mod timestamp;
