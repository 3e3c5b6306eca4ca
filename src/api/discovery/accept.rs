//! Which form of a discovery document the client wants.

/// An encoding of a discovery document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// JSON.
    Json,
    /// Protobuf in the `k8s\0` envelope.
    Protobuf,
    /// YAML.
    Yaml,
}

impl Form {
    /// The Content-Type of an answer.
    pub(super) fn content_type(self, aggregated: bool) -> &'static str {
        match (self, aggregated) {
            (Self::Json, false) => "application/json",
            (Self::Json, true) => {
                "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            }
            (Self::Protobuf, false) => "application/vnd.kubernetes.protobuf",
            (Self::Protobuf, true) => {
                "application/vnd.kubernetes.protobuf;g=apidiscovery.k8s.io;v=v2;\
                 as=APIGroupDiscoveryList"
            }
            (Self::Yaml, false) => "application/yaml",
            (Self::Yaml, true) => {
                "application/yaml;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
            }
        }
    }
}

/// The first clause of an Accept header, by quality and then by place, that can be served; true
/// with it if it asks for the aggregated form. No header at all is JSON.
pub(super) fn negotiate(accept: &str, may_aggregate: bool) -> Option<(Form, bool)> {
    if accept.trim().is_empty() {
        return Some((Form::Json, false));
    }
    let mut clauses: Vec<Clause<'_>> = accept.split(',').map(Clause::parse).collect();
    // A stable sort: clauses of one quality keep their order.
    clauses.sort_by_key(|clause| std::cmp::Reverse(clause.quality));
    clauses.iter().find_map(|clause| clause.form(may_aggregate))
}

/// One clause of an Accept header.
struct Clause<'h> {
    media: &'h str,
    /// In thousandths.
    quality: u16,
    /// The parameters that name a transformation: as, g, v.
    convert: [&'h str; 3],
}

impl<'h> Clause<'h> {
    fn parse(text: &'h str) -> Self {
        let mut parts = text.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let mut clause = Self { media, quality: 1000, convert: [""; 3] };
        for part in parts {
            match part.split_once('=') {
                Some(("q", value)) => clause.quality = quality(value),
                Some(("as", value)) => clause.convert[0] = value,
                Some(("g", value)) => clause.convert[1] = value,
                Some(("v", value)) => clause.convert[2] = value,
                _ => {}
            }
        }
        clause
    }

    fn form(&self, may_aggregate: bool) -> Option<(Form, bool)> {
        let form = match self.media {
            "*" | "*/*" | "application/*" | "application/json" => Form::Json,
            "application/yaml" => Form::Yaml,
            "application/vnd.kubernetes.protobuf" => Form::Protobuf,
            _ => return None,
        };
        match self.convert {
            ["", "", ""] => Some((form, false)),
            ["APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2"] if may_aggregate => {
                Some((form, true))
            }
            _ => None,
        }
    }
}

/// Thousandths of a quality; what is no number counts as 1.
fn quality(text: &str) -> u16 {
    let mut digits = text.trim().chars().filter(|c| *c != '.');
    let digit = |c: Option<char>| c.and_then(|c| c.to_digit(10));
    let Some(whole) = digit(digits.next()) else { return 1000 };
    let rest = (0..3).fold(0, |sum, _| sum * 10 + digit(digits.next()).unwrap_or(0));
    u16::try_from(whole * 1000 + rest).map_or(1000, |all| all.min(1000))
}

#[cfg(test)]
mod tests {
    use super::{Form, negotiate};

    const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

    #[test]
    fn the_first_clause_that_can_be_served_wins() {
        assert_eq!(negotiate("", true), Some((Form::Json, false)));
        assert_eq!(negotiate("*/*", true), Some((Form::Json, false)));
        assert_eq!(negotiate(AGGREGATED, true), Some((Form::Json, true)));
        assert_eq!(negotiate(AGGREGATED, false), None);
        let beta = AGGREGATED.replace("v2", "v2beta1");
        assert_eq!(negotiate(&format!("{beta},application/json"), true), Some((Form::Json, false)));
        assert_eq!(negotiate(&beta, true), None);
        let both = format!("application/vnd.kubernetes.protobuf,{AGGREGATED}");
        assert_eq!(negotiate(&both, true), Some((Form::Protobuf, false)));
        assert_eq!(negotiate("text/html", true), None);
        assert_eq!(negotiate("*", true), Some((Form::Json, false)));
        // A quality of 0 only comes last.
        assert_eq!(negotiate("application/json;q=0", true), Some((Form::Json, false)));
    }

    #[test]
    fn quality_goes_before_place() {
        let accept = "application/yaml;q=0.5,application/json;q=0.9,text/plain";
        assert_eq!(negotiate(accept, true), Some((Form::Json, false)));
    }
}
