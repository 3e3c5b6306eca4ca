//! The API: routes, negotiation, verb handlers and the shape of answers.

pub mod discovery;
pub mod openapi;
pub mod status;
pub mod table;
