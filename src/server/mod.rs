//! The server as a whole: what starts, in which order, and how it ends.

pub mod listener;
