//! The API: routes, negotiation, verb handlers and the shape of answers.

pub mod status;
