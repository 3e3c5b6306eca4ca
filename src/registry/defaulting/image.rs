//! Image references, as far as defaulting needs them (`pkg/util/parsers.ParseImageName`).

use crate::object::{Map, Value};

use super::Fill as _;

/// Sets `name` to the pull policy that follows from the image under `image`.
pub(super) fn pull_policy(owner: &mut Map<'_>, name: &'static str, image: &str) {
    if !owner.lacks(name) {
        return;
    }
    let image = owner.get(image).and_then(Value::as_str).unwrap_or("");
    let policy = if is_latest(image) { "Always" } else { "IfNotPresent" };
    owner.insert(name, Value::Str(policy));
}

/// True if `image` is a well-formed reference whose tag is `latest`, given or implied.
pub fn is_latest(image: &str) -> bool {
    let (named, digest) = match image.split_once('@') {
        Some((named, digest)) => (named, Some(digest)),
        None => (image, None),
    };
    if digest.is_some_and(|digest| !is_digest(digest)) {
        return false;
    }
    // A colon after the last slash starts the tag; one before it belongs to the host's port.
    let last = named.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match named.get(last..).and_then(|segment| segment.find(':')) {
        Some(colon) => {
            let (repository, tag) = named.split_at(last + colon);
            (repository, tag.get(1..))
        }
        None => (named, None),
    };
    if !is_repository(repository) || tag.is_some_and(|tag| !is_tag(tag)) {
        return false;
    }
    match tag {
        Some(tag) => tag == "latest",
        None => digest.is_none(),
    }
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= 128
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|b| word(b) || matches!(b, b'.' | b'-'))
}

fn is_digest(digest: &str) -> bool {
    let Some((algorithm, hex)) = digest.split_once(':') else { return false };
    algorithm.bytes().next().is_some_and(|b| b.is_ascii_alphabetic())
        && algorithm.bytes().all(|b| b.is_ascii_alphanumeric() || b"+._-".contains(&b))
        && hex.len() >= 32
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
}

/// `[domain/]path`, with the path in lower case.
fn is_repository(repository: &str) -> bool {
    if repository.len() == 64 && repository.bytes().all(|b| b.is_ascii_hexdigit()) {
        return false;
    }
    // What names no registry is below `library/` there.
    let (path, implied) = match repository.split_once('/') {
        Some((first, rest)) if is_host(first) => {
            if !is_domain(first) {
                return false;
            }
            (rest, 0)
        }
        Some(_) => (repository, 0),
        None => (repository, "library/".len()),
    };
    path.len() + implied <= 255 && path.split('/').all(is_component)
}

/// True if the first segment names a registry, not a part of the path.
fn is_host(segment: &str) -> bool {
    segment.contains(['.', ':'])
        || segment == "localhost"
        || segment.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_domain(domain: &str) -> bool {
    let (host, port) = match domain.rsplit_once(':') {
        Some((host, port)) if !domain.ends_with(']') => (host, Some(port)),
        _ => (domain, None),
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    let bracketed = host.starts_with('[') && host.ends_with(']');
    (bracketed || host.split('.').all(label))
        && port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()))
}

/// Lower-case letters and digits, joined by `.`, `_`, `__` or dashes.
fn is_component(component: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = component.as_bytes();
    let framed = bytes.first().is_some_and(|b| alphanumeric(*b))
        && bytes.last().is_some_and(|b| alphanumeric(*b));
    framed
        && component
            .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
            .filter(|joint| !joint.is_empty())
            .all(|joint| matches!(joint, "." | "_" | "__") || joint.bytes().all(|b| b == b'-'))
}

#[cfg(test)]
mod tests {
    use super::is_latest;

    #[test]
    fn an_image_without_tag_or_digest_is_the_latest() {
        let digest = format!("a@sha256:{}", "0".repeat(64));
        for image in ["a", "a:latest", "reg.io:5000/a/b", "localhost/a", "a__b/c--d:latest"] {
            assert!(is_latest(image), "{image}");
        }
        for image in ["a:1", "reg.io:5000/a:v1", &digest, "", "UPPER", "a:", "a b", "a..b", " x "] {
            assert!(!is_latest(image), "{image}");
        }
    }
}
