//! The network edge over loopback: TLS, HTTP/1.1 and HTTP/2 against clients of another make.
#![cfg(test)]

mod certificates;
mod h1;
mod h2;
mod server;
