//! Formats of names, labels and other short texts (`apimachinery util/validation`,
//! `api/validate/content`): each rule says what is wrong, in upstream's words.

use super::{Errors, Messages, Report as _};
use crate::object::field::Path;
use std::borrow::Cow;

/// Longest DNS-1123 subdomain, bytes.
pub const SUBDOMAIN_BYTES_MAX: usize = 253;
/// Longest DNS label and longest label value, bytes.
pub const LABEL_BYTES_MAX: usize = 63;

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters \
    or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
    regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character \
    (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const SUBDOMAIN_UNDERSCORE: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
    alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric \
    character (e.g. 'example.com', regex used for validation is \
    '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')";
const WILDCARD: &str = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid \
    DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end \
    with an alphanumeric character (e.g. '*.example.com', regex used for validation is \
    '\\*\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or \
    '-', start with an alphabetic character, and end with an alphanumeric character \
    (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const KEY_NAME: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start \
    and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex \
    used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character \
    (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const CONFIG_KEY: &str = "a valid config key must consist of alphanumeric characters, '-', '_' or \
    '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is \
    '[-._a-zA-Z0-9]+')";
const C_IDENTIFIER: &str = "a valid C identifier must start with alphabetic character or '_', \
    followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or \
    'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')";
const PERCENT: &str = "a valid percent string must be a numeric string followed by an ending '%' \
    (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')";
const HTTP_HEADER: &str = "a valid HTTP header must consist of alphanumeric characters or '-' \
    (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')";
const CONDITION_REASON: &str = "a condition reason must start with alphabetic character, \
    optionally followed by a string of alphanumeric characters or '_,:', and must end with an \
    alphanumeric character or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName',  or \
    'ReasonA,ReasonB',  or 'ReasonA:ReasonB', regex used for validation is \
    '[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?')";

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

/// `first` … `inner`* … `last`, at least one byte.
fn framed(text: &str, edge: fn(u8) -> bool, inner: fn(u8) -> bool) -> bool {
    match text.as_bytes() {
        [] => false,
        [one] => edge(*one),
        [first, middle @ .., last] => {
            edge(*first) && edge(*last) && middle.iter().all(|byte| inner(*byte))
        }
    }
}

/// True for a DNS-1123 label of any length.
pub fn is_label(text: &str) -> bool {
    framed(text, lower_or_digit, |byte| lower_or_digit(byte) || byte == b'-')
}

/// True for a DNS-1123 subdomain of any length.
pub fn is_subdomain(text: &str) -> bool {
    text.split('.').all(is_label)
}

fn is_key_name(text: &str) -> bool {
    framed(
        text,
        |byte| byte.is_ascii_alphanumeric(),
        |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'),
    )
}

fn too_long(characters_max: usize) -> Cow<'static, str> {
    Cow::Owned(format!("must be no more than {characters_max} characters"))
}

/// `IsDNS1123Label`.
pub fn dns_label(text: &str) -> Messages {
    let mut messages = Messages::new();
    if text.len() > LABEL_BYTES_MAX {
        messages.push(too_long(LABEL_BYTES_MAX));
    }
    if !is_label(text) {
        let dots = is_subdomain(text);
        messages.push(Cow::Borrowed(if dots { "must not contain dots" } else { LABEL }));
    }
    messages
}

/// `IsDNS1123Subdomain`.
pub fn dns_subdomain(text: &str) -> Messages {
    limited(text, SUBDOMAIN_BYTES_MAX, is_subdomain(text), SUBDOMAIN)
}

/// `IsDNS1123SubdomainWithUnderscore`.
pub fn dns_subdomain_underscore(text: &str) -> Messages {
    let label = |label: &str| {
        framed(label.strip_prefix('_').unwrap_or(label), lower_or_digit, |byte| {
            lower_or_digit(byte) || matches!(byte, b'-' | b'_')
        })
    };
    limited(text, SUBDOMAIN_BYTES_MAX, text.split('.').all(label), SUBDOMAIN_UNDERSCORE)
}

/// `IsWildcardDNS1123Subdomain`.
pub fn wildcard_subdomain(text: &str) -> Messages {
    let fine = text.strip_prefix("*.").is_some_and(is_subdomain);
    limited(text, SUBDOMAIN_BYTES_MAX, fine, WILDCARD)
}

/// `IsDNS1035Label`.
pub fn dns_1035_label(text: &str) -> Messages {
    let fine = is_label(text) && text.as_bytes().first().is_some_and(u8::is_ascii_lowercase);
    limited(text, LABEL_BYTES_MAX, fine, LABEL_1035)
}

fn limited(text: &str, bytes_max: usize, fine: bool, message: &'static str) -> Messages {
    let mut messages = Messages::new();
    if text.len() > bytes_max {
        messages.push(too_long(bytes_max));
    }
    if !fine {
        messages.push(Cow::Borrowed(message));
    }
    messages
}

/// `content.IsLabelKey`, also known as a qualified name.
pub fn label_key(text: &str) -> Messages {
    let mut messages = Messages::new();
    let mut parts = text.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                messages.push(Cow::Borrowed("prefix part must be non-empty"));
            } else {
                if prefix.len() > SUBDOMAIN_BYTES_MAX {
                    let message = "prefix part must be no more than 253 bytes";
                    messages.push(Cow::Borrowed(message));
                }
                if !is_subdomain(prefix) {
                    messages.push(Cow::Owned(format!("prefix part {SUBDOMAIN}")));
                }
            }
            name
        }
        _ => {
            return vec![Cow::Owned(format!(
                "a valid label key {KEY_NAME} with an optional DNS subdomain prefix and '/' \
                 (e.g. 'example.com/MyName')"
            ))];
        }
    };
    if name.is_empty() {
        messages.push(Cow::Borrowed("name part must be non-empty"));
    } else if name.len() > LABEL_BYTES_MAX {
        messages.push(Cow::Borrowed("name part must be no more than 63 bytes"));
    }
    if !is_key_name(name) {
        messages.push(Cow::Owned(format!("name part {KEY_NAME}")));
    }
    messages
}

/// `content.IsLabelValue`.
pub fn label_value(text: &str) -> Messages {
    let mut messages = Messages::new();
    if text.len() > LABEL_BYTES_MAX {
        messages.push(Cow::Borrowed("must be no more than 63 bytes"));
    }
    if !text.is_empty() && !is_key_name(text) {
        messages.push(Cow::Borrowed(LABEL_VALUE));
    }
    messages
}

/// `content.IsPathSegmentName`.
pub fn path_segment(text: &str) -> Messages {
    match text {
        "." => vec![Cow::Borrowed("may not be '.'")],
        ".." => vec![Cow::Borrowed("may not be '..'")],
        _ => path_segment_prefix(text),
    }
}

/// `content.IsPathSegmentPrefix`.
pub fn path_segment_prefix(text: &str) -> Messages {
    let mut messages = Messages::new();
    if text.contains('/') {
        messages.push(Cow::Borrowed("may not contain '/'"));
    }
    if text.contains('%') {
        messages.push(Cow::Borrowed("may not contain '%'"));
    }
    messages
}

/// `IsValidPortName` (IANA_SVC_NAME).
pub fn port_name(text: &str) -> Messages {
    let mut messages = Messages::new();
    if text.len() > 15 {
        messages.push(too_long(15));
    }
    if text.is_empty() || !text.bytes().all(|byte| lower_or_digit(byte) || byte == b'-') {
        messages.push(Cow::Borrowed(
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
        ));
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        messages.push(Cow::Borrowed("must contain at least one letter (a-z)"));
    }
    if text.contains("--") {
        messages.push(Cow::Borrowed("must not contain consecutive hyphens"));
    }
    if text.starts_with('-') || text.ends_with('-') {
        messages.push(Cow::Borrowed("must not begin or end with a hyphen"));
    }
    messages
}

/// `IsConfigMapKey`.
pub fn config_key(text: &str) -> Messages {
    let fine = !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let mut messages = limited(text, SUBDOMAIN_BYTES_MAX, fine, CONFIG_KEY);
    match text {
        "." => messages.push(Cow::Borrowed("must not be '.'")),
        ".." => messages.push(Cow::Borrowed("must not be '..'")),
        _ if text.starts_with("..") => messages.push(Cow::Borrowed("must not start with '..'")),
        _ => {}
    }
    messages
}

/// `IsRelaxedEnvVarName`.
pub fn env_name(text: &str) -> Messages {
    if text.is_empty() {
        return vec![Cow::Borrowed("environment variable name must be non-empty")];
    }
    if text.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=') {
        return Messages::new();
    }
    vec![Cow::Borrowed(
        "a valid environment variable name must consist only of printable ASCII characters other \
         than '='",
    )]
}

/// `IsCIdentifier`.
pub fn c_identifier(text: &str) -> Messages {
    let first = text.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let fine = first && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    plain(fine, C_IDENTIFIER)
}

/// `IsValidPercent`.
pub fn percent(text: &str) -> Messages {
    let fine = text
        .strip_suffix('%')
        .is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()));
    plain(fine, PERCENT)
}

/// `IsHTTPHeaderName`.
pub fn http_header(text: &str) -> Messages {
    let fine = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    plain(fine, HTTP_HEADER)
}

/// The reason of a `metav1.Condition`.
pub fn condition_reason(text: &str) -> Messages {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let fine = match text.as_bytes() {
        [] => false,
        [first, rest @ ..] => {
            first.is_ascii_alphabetic()
                && rest.iter().all(|b| word(*b) || matches!(b, b',' | b':'))
                && rest.last().is_none_or(|last| word(*last))
        }
    };
    plain(fine, CONDITION_REASON)
}

fn plain(fine: bool, message: &'static str) -> Messages {
    if fine { Messages::new() } else { vec![Cow::Borrowed(message)] }
}

/// `IsValidPortNum`.
pub fn port(number: i64) -> Messages {
    range(number, 1, 65_535)
}

/// `IsValidUserID`, `IsValidGroupID`.
pub fn user_id(number: i64) -> Messages {
    range(number, 0, i64::from(i32::MAX))
}

/// `IsInRange`.
pub fn range(number: i64, low: i64, high: i64) -> Messages {
    if (low..=high).contains(&number) {
        return Messages::new();
    }
    vec![Cow::Owned(format!("must be between {low} and {high}, inclusive"))]
}

/// `IsFullyQualifiedDomainName`.
pub fn full_domain(text: &str, path: &Path<'_>, errors: &mut Errors) {
    if text.is_empty() {
        errors.required(path, "");
        return;
    }
    let name = text.strip_suffix('.').unwrap_or(text);
    let messages = dns_subdomain(name);
    if !messages.is_empty() {
        errors.invalid(path, name, &messages.join(","));
    } else if !name.contains('.') {
        let detail = "should be a domain with at least two segments separated by dots";
        errors.invalid(path, name, detail);
    } else if let Some((label, messages)) = name
        .split('.')
        .map(|label| (label, dns_label(label)))
        .find(|(_, messages)| !messages.is_empty())
    {
        errors.invalid(path, label, &messages.join(","));
    }
}

/// `IsDomainPrefixedPath`.
pub fn domain_path(text: &str, path: &Path<'_>, errors: &mut Errors) {
    const PATH: &str = "Invalid path (regex used for validation is \
        '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
    if text.is_empty() {
        errors.required(path, "");
        return;
    }
    let (host, rest) = match text.split_once('/') {
        Some((host, rest)) if !host.is_empty() && !rest.is_empty() => (host, rest),
        _ => {
            let detail = "must be a domain-prefixed path (such as \"acme.io/foo\")";
            errors.invalid(path, text, detail);
            return;
        }
    };
    errors.messages(path, host, dns_subdomain(host));
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&b);
    if !rest.bytes().all(allowed) {
        errors.invalid(path, rest, PATH);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fine(rule: fn(&str) -> Messages, texts: &[&str]) {
        for text in texts {
            assert_eq!(rule(text), Messages::new(), "{text}");
        }
    }

    fn wrong(rule: fn(&str) -> Messages, texts: &[(&str, &str)]) {
        for (text, start) in texts {
            let messages = rule(text);
            assert!(messages.iter().any(|m| m.starts_with(start)), "{text}: {messages:?}");
        }
    }

    #[test]
    fn dns_names_follow_rfc_1123_and_1035() {
        fine(dns_label, &["a", "a-b", "0", &"a".repeat(63)]);
        wrong(
            dns_label,
            &[
                ("", "a lowercase RFC 1123 label"),
                ("-a", "a lowercase RFC 1123 label"),
                ("a.b", "must not contain dots"),
                (&"a".repeat(64), "must be no more than 63 characters"),
            ],
        );
        fine(dns_subdomain, &["a.b", "a-b.c0"]);
        wrong(dns_subdomain, &[("a..b", "a lowercase RFC 1123 subdomain"), ("A", "a lowercase")]);
        fine(dns_1035_label, &["a0"]);
        wrong(dns_1035_label, &[("0a", "a DNS-1035 label")]);
        fine(wildcard_subdomain, &["*.a.b"]);
        wrong(wildcard_subdomain, &[("*.*.a", "a wildcard"), ("a.b", "a wildcard")]);
        fine(dns_subdomain_underscore, &["_a.b_c"]);
    }

    #[test]
    fn label_keys_have_a_prefix_and_a_name() {
        fine(label_key, &["a", "A.b_c", "example.com/x"]);
        wrong(
            label_key,
            &[
                ("a b", "name part must consist"),
                ("a/b/c", "a valid label key must consist"),
                ("A.B/c", "prefix part a lowercase RFC 1123 subdomain"),
                ("/c", "prefix part must be non-empty"),
                ("", "name part must be non-empty"),
            ],
        );
        fine(label_value, &["", "a", "A_b.c"]);
        wrong(label_value, &[("not ok!", "a valid label must be an empty string")]);
    }

    #[test]
    fn keys_of_config_maps_are_file_names() {
        fine(config_key, &["a", ".a", "a..b"]);
        wrong(
            config_key,
            &[
                ("", "a valid config key"),
                ("..", "must not be '..'"),
                ("..a", "must not start with '..'"),
                (".", "must not be '.'"),
            ],
        );
    }

    #[test]
    fn ports_percents_and_reasons() {
        fine(port_name, &["http", "a-1"]);
        wrong(
            port_name,
            &[
                ("bad port", "must contain only alpha-numeric"),
                ("1", "must contain at least one letter"),
                ("a--b", "must not contain consecutive"),
                ("waytoolongportname", "must be no more than 15 characters"),
            ],
        );
        fine(percent, &["0%", "150%"]);
        wrong(percent, &[("%", "a valid percent"), ("1", "a valid percent")]);
        fine(condition_reason, &["A", "a:b", "A_"]);
        wrong(condition_reason, &[("a:", "a condition reason"), ("1", "a condition reason")]);
        assert_eq!(port(0), vec!["must be between 1 and 65535, inclusive"]);
    }
}
