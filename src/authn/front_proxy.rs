//! Front proxies, which say in headers who the user is (`request/headerrequest`). They prove
//! themselves with a certificate of a CA that is trusted for nothing else.

use super::certificate::common_name;
use super::{Failure, Identity};
use crate::http::{ClientCertificates, HeaderMap, HeaderName, Verification};
use crate::request::User;
use percent_encoding::percent_decode_str;
use std::rc::Rc;

/// Headers that are taken away whatever the flags name.
const STANDARD: [&str; 3] = ["X-Remote-User", "X-Remote-Uid", "X-Remote-Group"];
/// As [`STANDARD`], with anything behind it.
const STANDARD_PREFIX: &str = "x-remote-extra-";

/// How front proxies are known and what they say.
#[derive(Debug, Default)]
pub struct FrontProxy {
    /// Whether there are any.
    pub enabled: bool,
    /// Common names that are trusted; any if empty.
    pub allowed_names: Vec<String>,
    /// Headers with the user name.
    pub username_headers: Vec<String>,
    /// Headers with the UID.
    pub uid_headers: Vec<String>,
    /// Headers with groups.
    pub group_headers: Vec<String>,
    /// Prefixes of headers with extras.
    pub extra_headers_prefixes: Vec<String>,
}

impl FrontProxy {
    /// The user that a trusted proxy names; nothing if it names none.
    ///
    /// # Errors
    /// The certificate is not a proxy's, which is no more than a hint: it may be a user's.
    pub fn authenticate(
        &self,
        shown: Option<&ClientCertificates>,
        headers: &HeaderMap,
    ) -> Result<Option<Identity>, Failure> {
        let Some(shown) = shown.filter(|_| self.enabled) else { return Ok(None) };
        match &shown.front_proxy_ca {
            Verification::NotConfigured => return Ok(None),
            Verification::Failed(why) => return Err(Failure::one(why.clone())),
            Verification::Verified => {}
        }
        let name = shown.chain.first().and_then(|der| common_name(der)).unwrap_or_default();
        if !self.allowed_names.is_empty() && !self.allowed_names.contains(&name) {
            let text = format!("x509: subject with cn={name} is not in the allowed list");
            return Err(Failure::one(text));
        }
        let Some(user) = first(headers, &self.username_headers) else { return Ok(None) };
        let user = User {
            name: user,
            uid: first(headers, &self.uid_headers).unwrap_or_default(),
            groups: all(headers, &self.group_headers).collect(),
            extra: self.extra(headers),
        };
        Ok(Some(Identity::of(Rc::new(user))))
    }

    /// Takes away the headers in which proxies speak, whoever has sent them.
    pub fn clear(&self, headers: &mut HeaderMap) {
        let starts = |name: &str, prefix: &str| {
            name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
        };
        let speaks = |name: &&HeaderName| {
            let name = name.as_str();
            let is = |other: &String| name.eq_ignore_ascii_case(other);
            let mut prefixes = self.extra_headers_prefixes.iter();
            STANDARD.iter().any(|standard| name.eq_ignore_ascii_case(standard))
                || starts(name, STANDARD_PREFIX)
                || self.username_headers.iter().any(is)
                || self.uid_headers.iter().any(is)
                || self.group_headers.iter().any(is)
                || prefixes.any(|prefix| starts(name, prefix))
        };
        let gone: Vec<HeaderName> = headers.keys().filter(speaks).cloned().collect();
        for name in gone {
            headers.remove(name);
        }
    }

    fn extra(&self, headers: &HeaderMap) -> Vec<(String, Vec<String>)> {
        let mut extra: Vec<(String, Vec<String>)> = Vec::new();
        for prefix in &self.extra_headers_prefixes {
            let prefix = prefix.to_ascii_lowercase();
            for (name, value) in headers {
                let Some(key) = name.as_str().strip_prefix(&prefix) else { continue };
                let Ok(value) = value.to_str() else { continue };
                let key = unescaped(key);
                match extra.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, values)) => values.push(value.to_owned()),
                    None => extra.push((key, vec![value.to_owned()])),
                }
            }
        }
        extra.sort();
        extra
    }
}

/// The first value that is not empty.
fn first(headers: &HeaderMap, names: &[String]) -> Option<String> {
    names.iter().find_map(|name| {
        let value = headers.get(name.as_str())?.to_str().ok()?;
        (!value.is_empty()).then(|| value.to_owned())
    })
}

/// All values that are not empty.
fn all(headers: &HeaderMap, names: &[String]) -> impl Iterator<Item = String> {
    let values = names.iter().flat_map(|name| headers.get_all(name.as_str()));
    let texts = values.filter_map(|value| value.to_str().ok());
    texts.filter(|text| !text.is_empty()).map(str::to_owned)
}

/// A key of extra facts, percent-encoded for what headers cannot say; as it is if that fails.
pub fn unescaped(key: &str) -> String {
    let bytes = key.as_bytes();
    let well_formed = bytes.iter().enumerate().all(|(at, byte)| {
        let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
        *byte != b'%' || (hex(at + 1) && hex(at + 2))
    });
    match percent_decode_str(key).decode_utf8() {
        Ok(text) if well_formed => text.into_owned(),
        _ => key.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HeaderValue;
    use bytes::Bytes;

    fn proxy() -> FrontProxy {
        FrontProxy {
            enabled: true,
            allowed_names: Vec::new(),
            username_headers: vec!["X-Remote-User".into()],
            uid_headers: vec!["X-Remote-Uid".into()],
            group_headers: vec!["X-Remote-Group".into()],
            extra_headers_prefixes: vec!["X-Remote-Extra-".into()],
        }
    }

    fn headers() -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("x-remote-user", "ann"),
            ("x-remote-uid", "7"),
            ("x-remote-group", "a"),
            ("x-remote-group", "b"),
            ("x-remote-extra-Acme.com%2fproject", "p"),
        ] {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, HeaderValue::from_static(value));
        }
        headers
    }

    fn shown(front_proxy_ca: Verification) -> ClientCertificates {
        let chain = vec![Bytes::from_static(b"no certificate")];
        ClientCertificates { chain, client_ca: Verification::NotConfigured, front_proxy_ca }
    }

    #[test]
    fn a_trusted_proxy_names_the_user() {
        let shown = shown(Verification::Verified);
        let identity = proxy().authenticate(Some(&shown), &headers()).unwrap().unwrap();
        assert_eq!(identity.user.name, "ann");
        assert_eq!(identity.user.uid, "7");
        assert_eq!(identity.user.groups, ["a", "b"]);
        assert_eq!(identity.user.extra, [("acme.com/project".into(), vec!["p".into()])]);
    }

    #[test]
    fn others_name_nobody_and_their_headers_go() {
        assert_eq!(proxy().authenticate(None, &headers()), Ok(None));
        let other = shown(Verification::Failed("unknown".into()));
        assert!(proxy().authenticate(Some(&other), &headers()).is_err());
        let strict = FrontProxy { allowed_names: vec!["front".into()], ..proxy() };
        let shown = shown(Verification::Verified);
        assert!(strict.authenticate(Some(&shown), &headers()).is_err());
        let mut cleared = headers();
        proxy().clear(&mut cleared);
        assert!(cleared.is_empty());
    }

    #[test]
    fn keys_that_are_not_well_encoded_stay_as_they_are() {
        assert_eq!(unescaped("a%2fb"), "a/b");
        assert_eq!(unescaped("a%2"), "a%2");
        assert_eq!(unescaped("a%ff"), "a%ff");
    }
}
