//! `kubering pki check`: which certificates the server would use with these flags, and when each
//! of them ends.

use super::{ADMIN_KUBECONFIG, Pki, files, place};
use crate::base::{clock, timestamp};
use crate::config::Config;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use x509_parser::prelude::{FromDer as _, X509Certificate};

const DAY_SECONDS: i64 = 24 * 60 * 60;
/// What ends sooner is marked.
const SOON_DAYS: i64 = 30;

/// A line for each certificate. True if all of them can be read and none has ended.
#[must_use]
pub fn check(config: &Config) -> (String, bool) {
    let own = place(config);
    let mut text = String::from("CERTIFICATE\tENDS\tDAYS LEFT\tSUBJECT\tFILE\n");
    let mut good = true;
    for (what, path) in listed(config, &own) {
        match ends(&path, what == "administrator") {
            Ok(found) => {
                for (subject, end) in found {
                    good &= write_row(&mut text, what, &subject, end, &path);
                }
            }
            Err(why) => {
                good = false;
                // Writing to a text does not fail.
                let _ = writeln!(text, "{what}\t-\t-\t{why}\t{}", path.display());
            }
        }
    }
    (text, good)
}

fn write_row(text: &mut String, what: &str, subject: &str, end: i64, path: &Path) -> bool {
    let left = end.saturating_sub(clock::unix_seconds());
    let days = left.div_euclid(DAY_SECONDS);
    let mark = match days {
        ..0 => " (ended)",
        0..SOON_DAYS => " (soon)",
        _ => "",
    };
    let ends = timestamp::rfc3339(end);
    let _ = writeln!(text, "{what}\t{ends}\t{days}{mark}\t{subject}\t{}", path.display());
    left >= 0
}

/// The certificates by what they are for; those of flags go before the server's own.
fn listed(config: &Config, own: &Pki) -> Vec<(&'static str, PathBuf)> {
    let serving = &config.serving;
    let authentication = &config.authentication;
    let or_own =
        |given: &Option<PathBuf>, own: &Path| given.clone().unwrap_or_else(|| own.to_path_buf());
    let mut listed = vec![
        ("serving", or_own(&serving.certificate_file, &own.serving.0)),
        ("client CA", or_own(&authentication.client_ca_file, &own.ca)),
    ];
    listed.extend(serving.sni.iter().map(|pair| ("SNI", pair.certificate_file.clone())));
    if authentication.request_header.enabled {
        let given = &authentication.request_header.client_ca_file;
        listed.push(("front proxy CA", or_own(given, &own.front_proxy_ca)));
        listed.push(("front proxy client", own.front_proxy_client.0.clone()));
    }
    if authentication.client_ca_file.is_none() {
        listed.push(("administrator", config.data_dir.join(ADMIN_KUBECONFIG)));
    }
    listed
}

/// Subjects and ends, seconds since the epoch, of the certificates of a PEM file or a kubeconfig.
fn ends(path: &Path, is_kubeconfig: bool) -> Result<Vec<(String, i64)>, String> {
    let bytes = files::read("data-dir", path)?;
    let pem = if is_kubeconfig { embedded(&bytes).ok_or("names no certificate")? } else { bytes };
    let mut found = Vec::new();
    for der in CertificateDer::pem_slice_iter(&pem) {
        let der = der.map_err(|error| error.to_string())?;
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|e| e.to_string())?;
        let end = certificate.validity().not_after.timestamp();
        found.push((certificate.subject().to_string(), end));
    }
    if found.is_empty() { Err("no certificate in it".to_owned()) } else { Ok(found) }
}

/// The user's certificate of a kubeconfig as this server writes it.
fn embedded(kubeconfig: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(kubeconfig).ok()?;
    let data =
        text.lines().find_map(|line| line.trim().strip_prefix("client-certificate-data:"))?;
    STANDARD.decode(data.trim().trim_matches('"')).ok()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::config::{Config, Values};
    use crate::server::pki::ensure;

    #[test]
    fn every_certificate_is_told_with_its_end() {
        let directory = tempfile::tempdir().expect("a directory");
        let data = format!("--data-dir={}", directory.path().display());
        let values = Values::parse([data.into()]).expect("flags");
        let config = Config::resolve(&values).expect("a configuration");
        assert!(!check(&config).1, "nothing is there yet");
        ensure(&config, 6443).expect("made");
        let (text, good) = check(&config);
        assert!(good, "{text}");
        for what in ["serving", "client CA", "front proxy CA", "administrator"] {
            assert!(text.lines().any(|line| line.starts_with(what)), "{what} in\n{text}");
        }
        std::fs::write(directory.path().join("pki/ca.crt"), "junk").expect("a file");
        assert!(!check(&config).1);
    }
}
