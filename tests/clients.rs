//! Real clients against the real binary: kubectl, helm, the `kube` crate, Python's client. What
//! they print is what they print with kube-apiserver. `tests/run` installs the programs.
#![cfg(test)]

mod harness;
#[path = "harness/tools.rs"]
mod tools;

#[path = "clients/about.rs"]
mod about;
#[path = "clients/apply.rs"]
mod apply;
#[path = "clients/audit.rs"]
mod audit;
#[path = "clients/authorize.rs"]
mod authorize;
#[path = "clients/change.rs"]
mod change;
#[path = "clients/credentials.rs"]
mod credentials;
#[path = "clients/custom.rs"]
mod custom;
#[path = "clients/debug.rs"]
mod debug;
#[path = "clients/delete.rs"]
mod delete;
#[path = "clients/fairness.rs"]
mod fairness;
#[path = "clients/get.rs"]
mod get;
#[path = "clients/helm.rs"]
mod helm;
#[path = "clients/kube_crate.rs"]
mod kube_crate;
#[path = "clients/lifecycle.rs"]
mod lifecycle;
#[path = "clients/manifests.rs"]
mod manifests;
#[path = "clients/oidc.rs"]
mod oidc;
#[path = "clients/python.rs"]
mod python;
#[path = "clients/service.rs"]
mod service;
#[path = "clients/webhooks.rs"]
mod webhooks;
