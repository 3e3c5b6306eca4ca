//! The kubering binary.
fn main() {}
