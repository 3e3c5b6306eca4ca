//! Named formats (`library.Format`), with the messages of `k8s.io/apimachinery` validation.

use super::super::eval::{Builtin, Outcome};
use super::super::opaque::Opaque;
use super::super::times::Time;
use super::super::value::{Fault, Val};
use super::{text, url};
use base64::Engine as _;

/// A named format.
#[derive(Debug)]
pub struct Format {
    pub(in super::super) name: &'static str,
    /// The size of its regular expression, by which cost is counted.
    pub(in super::super) regex_size: u64,
    check: fn(&str) -> Vec<String>,
}

const LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric \
    characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or \
    '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric \
    characters, '-' or '.', and must start and end with an alphanumeric character (e.g. \
    'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or \
    '-', start with an alphabetic character, and end with an alphanumeric character (e.g. \
    'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, \
    '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
    'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const QUALIFIED: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and \
    must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
    '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const QUALIFIED_PARTS: &str = "a valid label key must consist of alphanumeric characters, '-', \
    '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or \
    'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' \
    (e.g. 'example.com/MyName')";

static FORMATS: [Format; 13] = [
    Format { name: "dns1123Label", regex_size: 30, check: |text| label(text, LABEL, is_label) },
    Format { name: "dns1123Subdomain", regex_size: 60, check: subdomain },
    Format {
        name: "dns1035Label",
        regex_size: 30,
        check: |text| label(text, LABEL_1035, is_label_1035),
    },
    Format { name: "qualifiedName", regex_size: 60, check: qualified },
    Format {
        name: "dns1123LabelPrefix",
        regex_size: 30,
        check: |text| label(&prefix(text), LABEL, is_label),
    },
    Format {
        name: "dns1123SubdomainPrefix",
        regex_size: 60,
        check: |text| subdomain(&prefix(text)),
    },
    Format {
        name: "dns1035LabelPrefix",
        regex_size: 30,
        check: |text| label(&prefix(text), LABEL_1035, is_label_1035),
    },
    Format { name: "labelValue", regex_size: 40, check: label_value },
    Format {
        name: "uri",
        regex_size: 1000,
        check: |text| url::parse(text).err().into_iter().collect(),
    },
    Format {
        name: "uuid",
        regex_size: 80,
        check: |text| wrong_unless(is_uuid(text), "does not match the UUID format"),
    },
    Format {
        name: "byte",
        regex_size: 90,
        check: |text| {
            let decoded = base64::engine::general_purpose::STANDARD.decode(text);
            wrong_unless(decoded.is_ok() && !text.is_empty(), "invalid base64")
        },
    },
    Format {
        name: "date",
        regex_size: 100,
        check: |text| {
            let midnight = format!("{text}T00:00:00Z");
            wrong_unless(text.len() == 10 && Time::parse(&midnight).is_some(), "invalid date")
        },
    },
    Format {
        name: "datetime",
        regex_size: 100,
        check: |text| wrong_unless(Time::parse(text).is_some(), "invalid datetime"),
    },
];

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "format.named" => |_, args| match args {
            [value] => Ok(Val::optional(named(text(value)?))),
            _ => Err(Fault::no_overload()),
        },
        "validate" => |_, args| validate(args),
        "format.dns1123Label" => |_, _| constant("dns1123Label"),
        "format.dns1123Subdomain" => |_, _| constant("dns1123Subdomain"),
        "format.dns1035Label" => |_, _| constant("dns1035Label"),
        "format.qualifiedName" => |_, _| constant("qualifiedName"),
        "format.dns1123LabelPrefix" => |_, _| constant("dns1123LabelPrefix"),
        "format.dns1123SubdomainPrefix" => |_, _| constant("dns1123SubdomainPrefix"),
        "format.dns1035LabelPrefix" => |_, _| constant("dns1035LabelPrefix"),
        "format.labelValue" => |_, _| constant("labelValue"),
        "format.uri" => |_, _| constant("uri"),
        "format.uuid" => |_, _| constant("uuid"),
        "format.byte" => |_, _| constant("byte"),
        "format.date" => |_, _| constant("date"),
        "format.datetime" => |_, _| constant("datetime"),
        _ => return None,
    })
}

fn named<'v>(name: &str) -> Option<Val<'v>> {
    let format = FORMATS.iter().find(|format| format.name == name)?;
    Some(Val::opaque(Opaque::Format(format)))
}

fn constant<'v>(name: &str) -> Outcome<'v> {
    named(name).ok_or_else(Fault::no_overload)
}

fn validate<'v>(args: &[Val<'v>]) -> Outcome<'v> {
    let [Val::Opaque(inner), value] = args else { return Err(Fault::no_overload()) };
    let Opaque::Format(format) = &**inner else { return Err(Fault::no_overload()) };
    let errors = (format.check)(text(value)?);
    if errors.is_empty() {
        return Ok(Val::Optional(None));
    }
    Ok(Val::optional(Some(Val::list(errors.into_iter().map(Val::string).collect()))))
}

fn wrong_unless(good: bool, message: &str) -> Vec<String> {
    if good { Vec::new() } else { vec![message.to_owned()] }
}

/// What stands before a generated suffix.
fn prefix(text: &str) -> String {
    match text.strip_suffix('-') {
        Some(head) if !head.is_empty() => format!("{head}a"),
        _ => text.to_owned(),
    }
}

fn is_lower(b: u8) -> bool {
    b.is_ascii_lowercase() || b.is_ascii_digit()
}

/// True for a lower case RFC 1123 label.
pub(super) fn is_label(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edges = bytes.first().zip(bytes.last());
    text.len() <= 63
        && edges.is_some_and(|(a, b)| is_lower(*a) && is_lower(*b))
        && bytes.iter().all(|b| is_lower(*b) || *b == b'-')
}

/// True for a lower case RFC 1123 subdomain.
pub(super) fn is_subdomain(text: &str) -> bool {
    let part = |part: &str| {
        let bytes = part.as_bytes();
        let edges = bytes.first().zip(bytes.last());
        edges.is_some_and(|(a, b)| is_lower(*a) && is_lower(*b))
            && bytes.iter().all(|b| is_lower(*b) || *b == b'-')
    };
    text.len() <= 253 && text.split('.').all(part)
}

fn is_label_1035(text: &str) -> bool {
    is_label(text) && text.starts_with(|c: char| c.is_ascii_lowercase())
}

fn too_long(text: &str, max: usize) -> Option<String> {
    (text.len() > max).then(|| format!("must be no more than {max} bytes"))
}

fn label(text: &str, message: &str, is_good: fn(&str) -> bool) -> Vec<String> {
    let mut errors: Vec<String> = too_long(text, 63).into_iter().collect();
    // The length is told apart from the form.
    let cut = text.get(..63).filter(|_| text.len() > 63).unwrap_or(text);
    if !is_good(cut) {
        errors.push(message.to_owned());
    }
    errors
}

fn subdomain(text: &str) -> Vec<String> {
    let mut errors: Vec<String> = too_long(text, 253).into_iter().collect();
    if errors.is_empty() && !is_subdomain(text) {
        errors.push(SUBDOMAIN.to_owned());
    }
    errors
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edges = bytes.first().zip(bytes.last());
    edges.is_some_and(|(a, b)| a.is_ascii_alphanumeric() && b.is_ascii_alphanumeric())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}

fn label_value(text: &str) -> Vec<String> {
    let mut errors: Vec<String> = too_long(text, 63).into_iter().collect();
    if !text.is_empty() && !is_name(text) {
        errors.push(VALUE.to_owned());
    }
    errors
}

fn qualified(text: &str) -> Vec<String> {
    let parts: Vec<&str> = text.split('/').collect();
    let (head, name) = match parts.as_slice() {
        [name] => (None, *name),
        [head, name] => (Some(*head), *name),
        _ => return vec![QUALIFIED_PARTS.to_owned()],
    };
    let mut errors = Vec::new();
    match head {
        Some("") => errors.push("prefix part must be non-empty".to_owned()),
        Some(head) => {
            errors.extend(subdomain(head).into_iter().map(|error| format!("prefix part {error}")));
        }
        None => {}
    }
    if name.is_empty() {
        errors.push("name part must be non-empty".to_owned());
    } else if let Some(error) = too_long(name, 63) {
        errors.push(format!("name part {error}"));
    }
    if !is_name(name) {
        errors.push(QUALIFIED.to_owned());
    }
    errors
}

fn is_uuid(text: &str) -> bool {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let dashes = text.len() == 32 || text.len() == 36;
    dashes && digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit())
}
