//! Files of the PKI: written whole or not at all.

use std::fs;
use std::fs::File;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::io::Write;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server::pki) enum Readers {
    /// Everybody on the machine.
    All,
    /// Its owner.
    Owner,
}

/// Makes a directory that only its owner may enter, unless it is there.
pub(in crate::server::pki) fn private_directory(path: &Path) -> Result<(), String> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|e| format!("cannot make the directory {}: {e}", path.display()))
}

/// Writes a file beside its place and moves it there, so that nobody ever reads half of it.
pub(in crate::server::pki) fn write(
    path: &Path,
    contents: &[u8],
    readers: Readers,
) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("cannot write {}: {e}", path.display());
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let new = Path::new(&name);
    fs::remove_file(new)
        .or_else(|e| if e.kind() == ErrorKind::NotFound { Ok(()) } else { Err(e) })
        .map_err(failed)?;
    let mode = match readers {
        Readers::All => 0o644,
        Readers::Owner => 0o600,
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(mode).open(new).map_err(failed)?;
    file.write_all(contents).and_then(|()| file.sync_all()).map_err(failed)?;
    fs::rename(new, path).map_err(failed)?;
    match path.parent() {
        Some(parent) => File::open(parent).and_then(|d| d.sync_all()).map_err(failed),
        None => Ok(()),
    }
}

/// The contents of a file, `None` if it is not there.
pub(in crate::server::pki) fn read_if_there(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

/// The contents of a file that a flag names.
pub(in crate::server::pki) fn read(flag: &str, path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(|e| format!("--{flag}: cannot read {}: {e}", path.display()))
}
