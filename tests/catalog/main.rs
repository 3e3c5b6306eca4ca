//! The catalog against itself, against the facts it was made from, and against recorded answers of
//! kube-apiserver.
//!
//! Facts and recordings lie outside the repository. Without them the tables are still checked for
//! consistency. `KUBERING_FACTS` and `KUBERING_ORACLE` name their directories (default:
//! `../shared/facts` and `../shared/oracle`); `KUBERING_WRITE=1` rewrites data files that
//! are stale.
#![cfg(test)]

mod consistency;
mod discovery;
mod facts;
mod recorded;
mod wire;

use std::path::PathBuf;

/// The directory that `variable` names, or `fallback` beside the package; `None`, and a printed
/// line, if it is not there.
fn outside(variable: &str, fallback: &str) -> Option<PathBuf> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let dir = std::env::var_os(variable).map_or_else(|| root.join(fallback), PathBuf::from);
    if dir.is_dir() {
        return Some(dir);
    }
    #[expect(clippy::print_stderr, reason = "a skipped check must be visible in the test's output")]
    {
        eprintln!("skipped: no directory for {variable}");
    }
    None
}

fn oracle_dir(name: &str) -> Option<PathBuf> {
    Some(outside("KUBERING_ORACLE", "../shared/oracle")?.join(name)).filter(|dir| dir.is_dir())
}
