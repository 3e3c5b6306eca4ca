//! Why Go's `tls.X509KeyPair` would refuse a certificate and a key.

use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use x509_parser::pem::Pem;
use x509_parser::prelude::FromDer as _;
use x509_parser::x509::SubjectPublicKeyInfo;

/// The error text for the PEM of a certificate chain and its private key; `None` if they fit, or if
/// the key is of a type that is not known here.
pub(super) fn error(certificate: &[u8], key: &[u8]) -> Option<String> {
    let (leaf, skipped) = find(certificate, |label| label == "CERTIFICATE");
    let Some(leaf) = leaf else {
        return Some(match skipped.as_slice() {
            [] => "tls: failed to find any PEM data in certificate input".into(),
            [one] if one.ends_with("PRIVATE KEY") => {
                "tls: failed to find certificate PEM data in certificate input, but did find a \
                 private key; PEM inputs may have been switched"
                    .into()
            }
            _ => format!(
                "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after \
                 skipping PEM blocks of the following types: [{}]",
                skipped.join(" ")
            ),
        });
    };
    let is_key = |label: &str| label == "PRIVATE KEY" || label.ends_with(" PRIVATE KEY");
    let (secret, skipped) = find(key, is_key);
    let Some(secret) = secret else {
        return Some(match skipped.as_slice() {
            [] => "tls: failed to find any PEM data in key input".into(),
            [one] if one == "CERTIFICATE" => {
                "tls: found a certificate rather than a key in the PEM for the private key".into()
            }
            _ => format!(
                "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input \
                 after skipping PEM blocks of the following types: [{}]",
                skipped.join(" ")
            ),
        });
    };
    let Ok((_, parsed)) = x509_parser::parse_x509_certificate(&leaf) else {
        return Some("x509: malformed certificate".into());
    };
    let Ok(secret) = PrivateKeyDer::try_from(secret) else {
        return Some("tls: failed to parse private key".into());
    };
    let secret = any_supported_type(&secret).ok()?;
    let public = secret.public_key()?;
    let (_, own) = SubjectPublicKeyInfo::from_der(&public).ok()?;
    let shown = parsed.public_key();
    if own.algorithm.algorithm != shown.algorithm.algorithm {
        return Some("tls: private key type does not match public key type".into());
    }
    let same = own.subject_public_key.data == shown.subject_public_key.data;
    (!same).then(|| "tls: private key does not match public key".into())
}

/// The contents of the first block whose label fits, and the labels before it.
fn find(text: &[u8], fits: impl Fn(&str) -> bool) -> (Option<Vec<u8>>, Vec<String>) {
    let mut skipped = Vec::new();
    for block in Pem::iter_from_buffer(text) {
        let Ok(block) = block else { break };
        if fits(&block.label) {
            return (Some(block.contents), skipped);
        }
        skipped.push(block.label);
    }
    (None, skipped)
}

#[cfg(test)]
mod tests {
    use super::error;

    fn pair() -> (String, String) {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.b".to_owned()]).unwrap();
        (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
    }

    #[test]
    fn a_key_fits_its_certificate_or_go_says_why_not() {
        let (certificate, key) = pair();
        let (_, other) = pair();
        let say = |certificate: &str, key: &str| error(certificate.as_bytes(), key.as_bytes());
        assert_eq!(say(&certificate, &key), None);
        for (certificate, key, text) in [
            (certificate.as_str(), other.as_str(), "tls: private key does not match public key"),
            ("", &key, "tls: failed to find any PEM data in certificate input"),
            (&certificate, "x", "tls: failed to find any PEM data in key input"),
            (
                &certificate,
                &certificate,
                "tls: found a certificate rather than a key in the PEM for the private key",
            ),
            (
                &key,
                &certificate,
                "tls: failed to find certificate PEM data in certificate input, but did find a \
                 private key; PEM inputs may have been switched",
            ),
        ] {
            assert_eq!(say(certificate, key).as_deref(), Some(text));
        }
    }
}
