//! CertificateSigningRequest.

use super::{Errors, Report as _, Verbatim, format, go_form};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::FromDer as _;

const SIGNER_BYTES_MAX: usize = 571;
const USAGES: [&str; 23] = [
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// A new request.
pub fn create(object: &Value<'_>, _: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let request = spec.text("request");
    if let Some(why) = request_problem(request) {
        let quoted = match spec.get("request") {
            Some(given) if given.as_str() == Some("") => "\"\"".to_owned(),
            given => go_form::plain(given),
        };
        errors.invalid(&path.child("request"), Verbatim(&quoted), why);
    }
    let usages: Vec<&str> = spec.texts("usages").collect();
    let at = path.child("usages");
    if usages.is_empty() {
        errors.required(&at, "");
    }
    for (index, usage) in usages.iter().enumerate() {
        if !USAGES.contains(usage) {
            errors.unsupported(&at.index(index), *usage, &USAGES);
        }
        if usages.get(..index).is_some_and(|before| before.contains(usage)) {
            errors.duplicate(&at.index(index), *usage);
        }
    }
    let signer = spec.text("signerName");
    let at = path.child("signerName");
    if signer == "kubernetes.io/legacy-unknown" {
        let detail = "the legacy signerName is not allowed via this API version";
        errors.invalid(&at, signer, detail);
    } else {
        signer_name(signer, &at, errors);
    }
    if let Some(seconds) = spec.int("expirationSeconds").filter(|seconds| *seconds < 600) {
        let detail = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&path.child("expirationSeconds"), seconds, detail);
    }
    conditions(object, errors);
}

/// Why the base64 text holds no certificate request in PEM.
fn request_problem(text: &str) -> Option<&'static str> {
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let wrong = "PEM block type must be CERTIFICATE REQUEST";
    let Ok((_, pem)) = x509_parser::pem::parse_x509_pem(&bytes) else { return Some(wrong) };
    if pem.label != "CERTIFICATE REQUEST" {
        return Some(wrong);
    }
    let parsed =
        x509_parser::certification_request::X509CertificationRequest::from_der(&pem.contents);
    if parsed.is_err() { Some("asn1: structure error") } else { None }
}

/// `ValidateSignerName`.
pub fn signer_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.is_empty() {
        errors.required(path, "");
        return;
    }
    let (domain, rest) = match name.split_once('/') {
        Some((domain, rest)) if !rest.contains('/') => (domain, rest),
        _ => {
            let detail = "must be a fully qualified domain and path of the form \
                          'example.com/signer-name'";
            errors.invalid(path, name, detail);
            return;
        }
    };
    if domain.len() > format::SUBDOMAIN_BYTES_MAX {
        errors.too_long(path, format::SUBDOMAIN_BYTES_MAX);
    }
    for label in domain.split('.') {
        for message in format::dns_label(label) {
            errors.invalid(path, domain, &format!("validating label {label:?}: {message}"));
        }
    }
    if !domain.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        errors.invalid(path, domain, detail);
    }
    for label in rest.split('.') {
        for message in format::dns_subdomain(label) {
            errors.invalid(path, rest, &format!("validating label {label:?}: {message}"));
        }
    }
    if name.len() > SIGNER_BYTES_MAX {
        errors.too_long(path, SIGNER_BYTES_MAX);
    }
}

fn conditions(object: &Value<'_>, errors: &mut Errors) {
    let list = object.list_at(&["status", "conditions"]);
    let root = Path::root("status");
    let path = root.child("conditions");
    let (mut approved, mut denied) = (false, false);
    for (index, condition) in list.iter().enumerate() {
        let at = path.index(index);
        let (kind, status) = (condition.text("type"), condition.text("status"));
        if kind.is_empty() {
            errors.required(&at.child("type"), "");
        }
        let fixed = matches!(kind, "Approved" | "Denied" | "Failed");
        let values: &[&str] = if fixed { &["True"] } else { &["False", "True", "Unknown"] };
        if status.is_empty() {
            errors.required(&at.child("status"), "");
        }
        errors.one_of(&at.child("status"), status, values);
        approved |= kind == "Approved";
        denied |= kind == "Denied";
        if approved && denied && matches!(kind, "Approved" | "Denied") {
            let detail = "Approved and Denied conditions are mutually exclusive";
            errors.invalid(&path, kind, detail);
        }
        if list.iter().take(index).any(|other| other.text("type") == kind) {
            errors.duplicate(&at.child("type"), kind);
        }
    }
}

/// A request, updated: the main resource or `approval`.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    create(new, scope, errors);
    changes(new, old, scope.subresource, errors);
}

/// Status of a request.
pub fn status(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    create(new, scope, errors);
    changes(new, old, "status", errors);
}

fn changes(new: &Value<'_>, old: &Value<'_>, subresource: &str, errors: &mut Errors) {
    let root = Path::root("status");
    let path = root.child("conditions");
    let (now, was) =
        (new.list_at(&["status", "conditions"]), old.list_at(&["status", "conditions"]));
    let count =
        |list: &[Value<'_>], kind: &str| list.iter().filter(|c| c.text("type") == kind).count();
    for kind in ["Approved", "Denied", "Failed"] {
        if count(now, kind) < count(was, kind) {
            let detail = format!("updates may not remove a condition of type {kind:?}");
            errors.forbidden(&path, &detail);
        }
    }
    for kind in ["Approved", "Denied"] {
        if subresource != "approval" && count(now, kind) > count(was, kind) {
            let detail = format!("updates may not add a condition of type {kind:?}");
            errors.forbidden(&path, &detail);
        }
    }
    let at = root.child("certificate");
    let (now, was) =
        (new.str_at(&["status", "certificate"]), old.str_at(&["status", "certificate"]));
    if now == was {
        return;
    }
    if subresource != "status" {
        errors.forbidden(&at, "updates may not set certificate content");
    } else if !was.is_empty() {
        errors.forbidden(&at, "updates may not modify existing certificate content");
    }
    if let Some(why) = certificate_problem(now) {
        errors.invalid(&at, "<certificate data>", &why);
    }
}

fn certificate_problem(text: &str) -> Option<String> {
    if text.is_empty() {
        return None;
    }
    let bytes = STANDARD.decode(text).unwrap_or_default();
    let mut found = false;
    for pem in x509_parser::pem::Pem::iter_from_buffer(&bytes) {
        let Ok(pem) = pem else { break };
        if pem.label != "CERTIFICATE" {
            return Some(format!("only CERTIFICATE PEM blocks are allowed, found {:?}", pem.label));
        }
        if pem.parse_x509().is_err() {
            return Some("must be a valid certificate".to_owned());
        }
        found = true;
    }
    (!found).then(|| "must contain at least one CERTIFICATE PEM block".to_owned())
}
