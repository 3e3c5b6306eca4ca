//! libfuzzer over `targets::sealed`.
#![no_main]

#[path = "../targets/mod.rs"]
#[allow(dead_code, reason = "a binary runs one target of all")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::sealed::run(data));
