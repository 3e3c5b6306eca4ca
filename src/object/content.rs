//! Rules for names, label keys and label values, with the texts that kube-apiserver gives when one
//! is broken (`k8s.io/apimachinery/pkg/api/validate/content`).
//!
//! Each function returns the broken rules' texts; an empty list means that the value is valid.

/// Most bytes of a label key's name part, and of a DNS label.
const NAME_BYTES_MAX: usize = 63;
/// Most bytes of a DNS subdomain.
const SUBDOMAIN_BYTES_MAX: usize = 253;

const LABEL_KEY_REGEX: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
const LABEL_KEY_TEXT: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character";
const LABEL_VALUE_TEXT: &str = "a valid label must be an empty string or consist of alphanumeric \
    characters, '-', '_' or '.', and must start and end with an alphanumeric character";
const LABEL_DNS_REGEX: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const LABEL_DNS_TEXT: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
    characters or '-', and must start and end with an alphanumeric character";
const SUBDOMAIN_TEXT: &str = "a lowercase RFC 1123 subdomain must consist of lower case \
    alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character";

/// `must be no more than N bytes` (`content.MaxLenError`).
pub fn max_len_error(bytes_max: usize) -> String {
    format!("must be no more than {bytes_max} bytes")
}

/// `TEXT (e.g. 'A',  or 'B', regex used for validation is 'REGEX')` (`content.RegexError`).
pub fn regex_error(text: &str, regex: &str, examples: &[&str]) -> String {
    let mut out = String::from(text);
    out.push_str(" (");
    for (at, example) in examples.iter().enumerate() {
        out.push_str(if at == 0 { "e.g. '" } else { " or '" });
        out.push_str(example);
        out.push_str("', ");
    }
    out.push_str("regex used for validation is '");
    out.push_str(regex);
    out.push_str("')");
    out
}

/// True if `text` starts and ends with an ASCII letter or digit and holds only those and `-_.`.
fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
}

fn is_dns_label_text(text: &str) -> bool {
    let alphanumeric = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
        && bytes.iter().all(|b| alphanumeric(b) || *b == b'-')
}

fn is_dns_subdomain_text(text: &str) -> bool {
    text.split('.').all(is_dns_label_text)
}

/// What is wrong with a label key or qualified name (`content.IsLabelKey`).
pub fn label_key_errors(key: &str) -> Vec<String> {
    let mut errors = Vec::new();
    let examples = ["MyName", "my.name", "123-abc"];
    let mut parts = key.split('/');
    let name = match (parts.next(), parts.next(), parts.next()) {
        (Some(name), None, _) => name,
        (Some(prefix), Some(name), None) => {
            if prefix.is_empty() {
                errors.push(String::from("prefix part must be non-empty"));
            } else {
                let broken = dns_subdomain_errors(prefix);
                errors.extend(broken.iter().map(|text| format!("prefix part {text}")));
            }
            name
        }
        _ => {
            let rule = regex_error(LABEL_KEY_TEXT, LABEL_KEY_REGEX, &examples);
            return vec![format!(
                "a valid label key {rule} with an optional DNS subdomain prefix and '/' \
                 (e.g. 'example.com/MyName')"
            )];
        }
    };
    if name.is_empty() {
        errors.push(String::from("name part must be non-empty"));
    } else if name.len() > NAME_BYTES_MAX {
        errors.push(format!("name part {}", max_len_error(NAME_BYTES_MAX)));
    }
    if !is_label_text(name) {
        let rule = regex_error(LABEL_KEY_TEXT, LABEL_KEY_REGEX, &examples);
        errors.push(format!("name part {rule}"));
    }
    errors
}

/// What is wrong with a label value (`content.IsLabelValue`).
pub fn label_value_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > NAME_BYTES_MAX {
        errors.push(max_len_error(NAME_BYTES_MAX));
    }
    if !value.is_empty() && !is_label_text(value) {
        let regex = format!("({LABEL_KEY_REGEX})?");
        errors.push(regex_error(LABEL_VALUE_TEXT, &regex, &["MyValue", "my_value", "12345"]));
    }
    errors
}

/// What is wrong with a lower-case DNS subdomain (`content.IsDNS1123Subdomain`).
pub fn dns_subdomain_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > SUBDOMAIN_BYTES_MAX {
        errors.push(max_len_error(SUBDOMAIN_BYTES_MAX));
    }
    if !is_dns_subdomain_text(value) {
        let regex = format!("{LABEL_DNS_REGEX}(\\.{LABEL_DNS_REGEX})*");
        errors.push(regex_error(SUBDOMAIN_TEXT, &regex, &["example.com"]));
    }
    errors
}

/// What is wrong with a lower-case DNS label (`content.IsDNS1123Label`).
pub fn dns_label_errors(value: &str) -> Vec<String> {
    let mut errors = Vec::new();
    if value.len() > NAME_BYTES_MAX {
        errors.push(max_len_error(NAME_BYTES_MAX));
    }
    if !is_dns_label_text(value) {
        errors.push(if is_dns_subdomain_text(value) {
            String::from("must not contain dots")
        } else {
            regex_error(LABEL_DNS_TEXT, LABEL_DNS_REGEX, &["my-name", "123-abc"])
        });
    }
    errors
}

#[cfg(test)]
mod tests {
    use super::{dns_label_errors, dns_subdomain_errors, label_key_errors, label_value_errors};

    #[test]
    fn valid_texts_have_no_errors() {
        for key in ["a", "a.b_C-9", "example.com/a", "x-y.z/0"] {
            assert!(label_key_errors(key).is_empty(), "{key}");
        }
        for value in ["", "a", "A_b.c-9"] {
            assert!(label_value_errors(value).is_empty(), "{value}");
        }
        assert!(dns_subdomain_errors("a-b.c").is_empty());
        assert!(dns_label_errors("a-b").is_empty());
    }

    #[test]
    fn broken_rules_are_told_as_upstream_tells_them() {
        assert_eq!(label_key_errors("/a"), ["prefix part must be non-empty"]);
        assert_eq!(label_key_errors("").len(), 2);
        assert_eq!(label_key_errors("a/b/c").len(), 1);
        assert_eq!(label_value_errors(&"x".repeat(64)), ["must be no more than 63 bytes"]);
        assert_eq!(dns_label_errors("a.b"), ["must not contain dots"]);
        assert_eq!(
            dns_subdomain_errors("A"),
            ["a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, \
              '-' or '.', and must start and end with an alphanumeric character (e.g. \
              'example.com', regex used for validation is \
              '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"]
        );
    }
}
