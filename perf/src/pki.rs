//! Certificates for the servers that a run starts: all get the same key kind, so TLS costs them
//! alike.

use crate::Fault;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use std::fs;
use std::path::{Path, PathBuf};

/// The files of one run's authority and server certificate (P-256).
#[derive(Debug)]
pub(crate) struct Pki {
    /// The authority's certificate.
    pub(crate) ca: PathBuf,
    /// The servers' certificate, for 127.0.0.1 and localhost.
    pub(crate) cert: PathBuf,
    /// Its key; it signs service account tokens too.
    pub(crate) key: PathBuf,
    /// The public half of the key.
    pub(crate) public: PathBuf,
    /// The token file: one administrator.
    pub(crate) tokens: PathBuf,
    /// The administrator's token.
    pub(crate) token: String,
}

impl Pki {
    /// Makes all of it in a folder.
    pub(crate) fn make(folder: &Path) -> Result<Self, Fault> {
        let mut params = CertificateParams::new(Vec::new())?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let key = KeyPair::generate()?;
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let cert = CertificateParams::new(names)?.signed_by(&key, &issuer)?;
        let token = "perf-administrator".to_owned();
        let this = Self {
            ca: folder.join("ca.crt"),
            cert: folder.join("server.crt"),
            key: folder.join("server.key"),
            public: folder.join("server.pub"),
            tokens: folder.join("tokens.csv"),
            token,
        };
        fs::write(&this.ca, issuer.pem())?;
        fs::write(&this.cert, cert.pem())?;
        fs::write(&this.key, key.serialize_pem())?;
        fs::write(&this.public, key.public_key_pem())?;
        fs::write(&this.tokens, format!("{},perf,perf,system:masters\n", this.token))?;
        Ok(this)
    }
}
