//! Media types: what a request says it sends (`Content-Type`) and wants (`Accept`).
//!
//! Upstream looks at `Accept` twice: its router refuses what names none of the route's types
//! ([`is_routable`]), then the handler picks a clause it can serve ([`negotiate`]).

use std::fmt;

/// How an object is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// `application/json`.
    Json,
    /// `application/vnd.kubernetes.protobuf`.
    Protobuf,
    /// `application/yaml`.
    Yaml,
}

/// Types of bodies and answers, in the order in which upstream names them.
pub const OBJECT_TYPES: &[&str] = &[JSON, YAML, PROTOBUF];
/// Types of bodies and answers of custom resources.
pub const CUSTOM_OBJECT_TYPES: &[&str] = &[JSON, YAML];
/// Types that can be watched.
pub const STREAM_TYPES: &[&str] =
    &["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
/// Types of routes that list and watch.
pub const LIST_TYPES: &[&str] = &[
    JSON,
    YAML,
    PROTOBUF,
    "application/json;stream=watch",
    "application/vnd.kubernetes.protobuf;stream=watch",
];
/// Types of patches of built-in kinds.
pub const PATCH_TYPES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];
/// Types of patches of custom resources.
pub const CUSTOM_PATCH_TYPES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/apply-patch+yaml",
];

/// The type of JSON.
pub const JSON: &str = "application/json";
/// The type of protobuf.
pub const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// The type of YAML.
pub const YAML: &str = "application/yaml";

impl Format {
    /// The media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Json => JSON,
            Self::Protobuf => PROTOBUF,
            Self::Yaml => YAML,
        }
    }

    /// The media type of a watch's answer; YAML cannot be watched.
    pub const fn stream_type(self) -> Option<&'static str> {
        match self {
            Self::Json => Some(JSON),
            Self::Protobuf => Some("application/vnd.kubernetes.protobuf;stream=watch"),
            Self::Yaml => None,
        }
    }

    fn of(media_type: &str) -> Option<Self> {
        [Self::Json, Self::Yaml, Self::Protobuf]
            .into_iter()
            .find(|format| media_type.eq_ignore_ascii_case(format.media_type()))
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.media_type())
    }
}

/// The format of a body; none for a type that is not known. No type means JSON.
pub fn body_format(content_type: &str) -> Option<Format> {
    let media_type = content_type.split(';').next().unwrap_or("").trim();
    if content_type.is_empty() { Some(Format::Json) } else { Format::of(media_type) }
}

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatchType {
    /// Server-side apply.
    Apply,
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' strategic merge.
    StrategicMerge,
}

/// The type of a patch; none for a type that is no patch's.
pub fn patch_type(content_type: &str) -> Option<PatchType> {
    match content_type.split(';').next().unwrap_or("").trim() {
        "application/apply-patch+yaml" => Some(PatchType::Apply),
        "application/json-patch+json" => Some(PatchType::Json),
        "application/merge-patch+json" => Some(PatchType::Merge),
        "application/strategic-merge-patch+json" => Some(PatchType::StrategicMerge),
        _ => None,
    }
}

/// A conversion that a clause asks for: `as=Table;g=meta.k8s.io;v=v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Convert<'h> {
    /// `as`.
    pub kind: &'h str,
    /// `g`.
    pub group: &'h str,
    /// `v`.
    pub version: &'h str,
}

/// What is to be answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted<'h> {
    /// The format.
    pub format: Format,
    /// The conversion, if one is asked for.
    pub convert: Option<Convert<'h>>,
    /// `pretty=1`.
    pub pretty: bool,
    /// `stream=watch`.
    pub stream: bool,
}

/// One clause of an `Accept` header.
#[derive(Debug, Clone, Copy)]
struct Clause<'h> {
    main: &'h str,
    sub: &'h str,
    params: &'h str,
    /// In thousandths.
    quality: u32,
}

impl<'h> Clause<'h> {
    fn parse(text: &'h str) -> Self {
        let (media_type, params) = text.split_once(';').unwrap_or((text, ""));
        let media_type = media_type.trim();
        let (main, sub) = match media_type.split_once('/') {
            Some((main, sub)) => (main.trim(), sub.trim()),
            None if media_type == "*" => ("*", "*"),
            None => (media_type, ""),
        };
        let mut clause = Self { main, sub, params, quality: 1000 };
        for (name, value) in clause.params() {
            if name == "q" {
                clause.quality = quality(value);
            }
        }
        clause
    }

    fn params(&self) -> impl Iterator<Item = (&'h str, &'h str)> + use<'h> {
        self.params.split(';').filter_map(|param| {
            let (name, value) = param.split_once('=')?;
            Some((name.trim(), value.trim().trim_matches('"')))
        })
    }

    fn matches(&self, format: Format) -> bool {
        let (main, sub) = format.media_type().split_once('/').unwrap_or_default();
        match (self.main, self.sub) {
            ("*", "*") => true,
            (own, "*") => own == main,
            (own, own_sub) => own == main && own_sub == sub,
        }
    }

    /// The clause's wish for this format; none if it cannot be met.
    fn wish(
        &self,
        format: Format,
        allowed: &mut impl FnMut(Format, Option<Convert<'h>>) -> bool,
    ) -> Option<Accepted<'h>> {
        let mut accepted = Accepted { format, convert: None, pretty: false, stream: false };
        for (name, value) in self.params() {
            match name {
                "as" => accepted.convert.get_or_insert_default().kind = value,
                "g" => accepted.convert.get_or_insert_default().group = value,
                "v" => accepted.convert.get_or_insert_default().version = value,
                "stream" if value.is_empty() => {}
                "stream" if value != "watch" || format.stream_type().is_none() => return None,
                "stream" => accepted.stream = true,
                "sv" if !value.is_empty() => return None,
                "pretty" => accepted.pretty = value == "1",
                _ => {}
            }
        }
        allowed(format, accepted.convert).then_some(accepted)
    }
}

/// Thousandths; what is no number counts as 1 (`goautoneg`).
fn quality(text: &str) -> u32 {
    match text.parse::<f32>() {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 to 1000")]
        Ok(q) => (q.clamp(0.0, 1.0) * 1000.0) as u32,
        Err(_) => 1000,
    }
}

/// True if the router lets a request through: some clause names one of `types`, or anything.
pub fn is_routable(accept: &str, types: &[&str]) -> bool {
    accept.is_empty()
        || accept.split(',').any(|clause| {
            let media_type = clause.split(';').next().unwrap_or("").trim();
            media_type == "*/*"
                || types.iter().any(|known| known.split(';').next() == Some(media_type))
        })
}

/// Picks what to answer (`NegotiateMediaTypeOptions`): clauses by quality, for each of them the
/// formats in order; `allowed` says whether a format and conversion can be served. None means 406.
pub fn negotiate<'h>(
    accept: &'h str,
    formats: &[Format],
    mut allowed: impl FnMut(Format, Option<Convert<'h>>) -> bool,
) -> Option<Accepted<'h>> {
    if accept.is_empty() {
        let format = *formats.first()?;
        return Some(Accepted { format, convert: None, pretty: false, stream: false });
    }
    let mut clauses: Vec<Clause<'h>> = accept.split(',').map(Clause::parse).collect();
    clauses.sort_by_key(|clause| {
        (std::cmp::Reverse(clause.quality), clause.main == "*", clause.sub == "*")
    });
    for clause in &clauses {
        for format in formats.iter().filter(|format| clause.matches(**format)) {
            if let Some(accepted) = clause.wish(*format, &mut allowed) {
                return Some(accepted);
            }
        }
    }
    None
}

/// What a page for people, which has a structured form as well, is asked for in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Page<'h> {
    /// `text/plain`.
    Text,
    /// The object of this conversion.
    Object(Accepted<'h>, Convert<'h>),
}

/// Picks the form of a page: JSON and YAML only of a conversion that `allowed` takes, text only
/// without one. None means 406.
pub fn negotiate_page<'h>(
    accept: &'h str,
    allowed: impl Fn(Convert<'h>) -> bool,
) -> Option<Page<'h>> {
    let mut clauses: Vec<Clause<'h>> = accept.split(',').map(Clause::parse).collect();
    clauses.sort_by_key(|clause| {
        (std::cmp::Reverse(clause.quality), clause.main == "*", clause.sub == "*")
    });
    let page = |clause: &Clause<'h>| {
        let mut allowed = |_, convert: Option<Convert<'h>>| convert.is_some_and(&allowed);
        let formats = CUSTOM_FORMATS.iter().filter(|format| clause.matches(**format));
        let mut found = formats.filter_map(|format| clause.wish(*format, &mut allowed));
        let object = found.next().and_then(|accepted| Some((accepted, accepted.convert?)));
        let is_text = matches!((clause.main, clause.sub), ("*" | "text", "*") | ("text", "plain"));
        let converts = clause.params().any(|(name, _)| matches!(name, "as" | "g" | "v"));
        match object {
            Some((accepted, convert)) => Some(Page::Object(accepted, convert)),
            None => (is_text && !converts).then_some(Page::Text),
        }
    };
    if accept.is_empty() { Some(Page::Text) } else { clauses.iter().find_map(page) }
}

/// Formats of built-in objects, in the order of preference.
pub const FORMATS: &[Format] = &[Format::Json, Format::Yaml, Format::Protobuf];
/// Formats of custom resources.
pub const CUSTOM_FORMATS: &[Format] = &[Format::Json, Format::Yaml];
/// Formats of watches.
pub const STREAM_FORMATS: &[Format] = &[Format::Json, Format::Protobuf];

/// Whether JSON is indented where the `Accept` clause says nothing: the `pretty` parameter of the
/// query decides, else what kind of client asks (`isPrettyPrint`).
pub fn is_pretty(query: Option<&str>, user_agent: &str) -> bool {
    match query {
        Some(value) if !value.is_empty() => {
            matches!(value, "1" | "t" | "T" | "TRUE" | "true" | "True")
        }
        _ => ["curl", "Wget", "Mozilla/5.0"].iter().any(|prefix| user_agent.starts_with(prefix)),
    }
}

#[cfg(test)]
mod tests {
    use super::{Accepted, Convert, FORMATS, Format, OBJECT_TYPES, Page};
    use super::{body_format, is_pretty, is_routable, negotiate, negotiate_page, patch_type};

    fn format(accept: &str) -> Option<Format> {
        negotiate(accept, FORMATS, |_, convert| convert.is_none()).map(|accepted| accepted.format)
    }

    #[test]
    fn clauses_count_by_quality_and_then_by_how_much_they_say() {
        for (accept, expected) in [
            ("", Some(Format::Json)),
            ("*/*", Some(Format::Json)),
            ("application/json;q=0.5,application/yaml", Some(Format::Yaml)),
            ("application/yaml;q=0.1,application/json", Some(Format::Json)),
            ("text/html,*/*", Some(Format::Json)),
            ("*/*,application/yaml", Some(Format::Yaml)),
            ("application/vnd.kubernetes.protobuf, */*", Some(Format::Protobuf)),
            ("application/json; charset=utf-8", Some(Format::Json)),
            ("application/yaml;stream=watch", None),
            ("application/json;sv=v1", None),
            ("application/cbor", None),
            ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", Some(Format::Json)),
        ] {
            assert_eq!(format(accept), expected, "{accept}");
        }
    }

    #[test]
    fn conversions_are_offered_to_the_endpoint() {
        let accept = "application/json;as=Table;v=v1;g=meta.k8s.io;pretty=1,application/json";
        let accepted = negotiate(accept, FORMATS, |format, _| format == Format::Json);
        let convert = Some(Convert { kind: "Table", group: "meta.k8s.io", version: "v1" });
        let expected = Accepted { format: Format::Json, convert, pretty: true, stream: false };
        assert_eq!(accepted, Some(expected));
    }

    #[test]
    fn the_router_knows_no_partial_wildcards() {
        for (accept, expected) in [
            ("", true),
            ("*/*", true),
            ("application/*", false),
            ("text/html", false),
            ("text/html, application/yaml;q=0.1", true),
        ] {
            assert_eq!(is_routable(accept, OBJECT_TYPES), expected, "{accept}");
        }
    }

    #[test]
    fn bodies_are_json_unless_they_say_otherwise() {
        assert_eq!(body_format(""), Some(Format::Json));
        assert_eq!(body_format("Application/YAML; charset=utf-8"), Some(Format::Yaml));
        assert_eq!(body_format("text/plain"), None);
        assert_eq!(patch_type("application/json"), None);
        assert!(patch_type("application/merge-patch+json; charset=utf-8").is_some());
    }

    #[test]
    fn pages_are_text_unless_their_object_is_asked_for_by_name() {
        let kind = |accept| {
            let known = |convert: Convert<'_>| convert.kind == "Flagz" && convert.version == "v1";
            negotiate_page(accept, known).map(|page| match page {
                Page::Text => "text",
                Page::Object(Accepted { format: Format::Yaml, .. }, _) => "yaml",
                Page::Object(..) => "json",
            })
        };
        for text in ["", "*/*", "text/*", "text/plain", "application/json;q=0.1,text/plain;q=0.9"] {
            assert_eq!(kind(text), Some("text"), "{text}");
        }
        assert_eq!(kind("application/json;as=Flagz;v=v1;g=x,text/plain"), Some("json"));
        assert_eq!(kind("application/yaml;as=Flagz;v=v1;g=x"), Some("yaml"));
        for refused in ["application/json", "text/html", "application/json;as=Flagz;v=v2;g=x"] {
            assert_eq!(kind(refused), None, "{refused}");
        }
        assert_eq!(kind("text/plain;as=Flagz;v=v1;g=x"), None);
    }

    #[test]
    fn humans_get_indented_json() {
        assert!(is_pretty(None, "curl/8.0"));
        assert!(is_pretty(Some("1"), "kubectl"));
        assert!(!is_pretty(Some("false"), "curl/8.0"));
        assert!(!is_pretty(None, "kubectl/v1.36"));
    }
}
