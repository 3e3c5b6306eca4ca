//! `/flagz` and `/statusz`: how the server was started, and what and since when it is
//! (`k8s.io/component-base/zpages`). Text for people; JSON and YAML for whoever asks for the
//! object by name.

use crate::api::answer::Answer;
use crate::api::form::{self, Asked, Form};
use crate::base::{clock, ids, timestamp};
use crate::codec::media::{self, Format, Page};
use crate::http::Body;
use crate::metrics;
use crate::request::Fault;
use crate::server::shard::Shard;
use bytes::Bytes;
use serde_json::{Map, Value, json};
use std::fmt::Write;

/// The group of both objects.
const GROUP: &str = "config.k8s.io";
/// Versions of the group; all but the last are deprecated.
const VERSIONS: [&str; 2] = ["v1alpha1", "v1beta1"];
/// The component that the pages are of, as upstream names itself.
const COMPONENT: &str = "apiserver";
/// One of these stands between a name and its value, so that no program comes to rely on it.
const DELIMITERS: [&str; 4] = [":", ": ", "=", " "];
/// The release whose API is served.
const BINARY_VERSION: &str = "1.36.2";
const EMULATION_VERSION: &str = "1.36";
/// Paths that a status names, as upstream does.
const STATUS_PATHS: [&str; 7] =
    ["/flagz", "/healthz", "/livez", "/metrics", "/readyz", "/statusz", "/version"];

/// Answers one of the two; `None` for any other path.
pub(in crate::server) fn answer(shard: &Shard, path: &str, asked: Asked<'_>) -> Option<Answer> {
    match path {
        "/flagz" => Some(page(
            asked,
            "Flagz",
            || flags(&shard.config.flags),
            |delimiter| {
                let flags = &shard.config.flags;
                flags.iter().map(|(name, value)| format!("{name}{delimiter}{value}\n")).collect()
            },
        )),
        "/statusz" => {
            let now = clock::unix_time();
            #[expect(clippy::cast_possible_truncation, reason = "seconds since 1970")]
            let started = metrics::start_seconds(now).round() as i64;
            let up = clock::unix_seconds().saturating_sub(started).max(0);
            let text = |delimiter: &str| status_text(started, up, delimiter);
            Some(page(asked, "Statusz", || status(started, up), text))
        }
        _ => None,
    }
}

/// The page in the form that is asked for.
fn page(
    asked: Asked<'_>,
    kind: &str,
    object: impl FnOnce() -> Map<String, Value>,
    text: impl FnOnce(&str) -> String,
) -> Answer {
    let known = |convert: media::Convert<'_>| {
        convert.kind == kind && convert.group == GROUP && VERSIONS.contains(&convert.version)
    };
    match media::negotiate_page(asked.accept, known) {
        None => {
            let types = "application/json, application/yaml, text/plain";
            let why = format!("only the following media types are accepted: {types}");
            Answer::fault(Fault::NotAcceptable(why), &form::for_status(asked))
        }
        Some(Page::Text) => {
            let [drawn] = ids::random::<1>();
            let delimiter = DELIMITERS.get(usize::from(drawn) % DELIMITERS.len()).unwrap_or(&" ");
            let body = format!(
                "\n{COMPONENT} {}\nWarning: This endpoint is not meant to be machine parseable, \
                 has no formatting compatibility guarantees and is for debugging purposes only.\n\
                 {}",
                kind.to_lowercase(),
                text(delimiter)
            );
            Answer::stream(200, "text/plain; charset=utf-8", Body::full(body))
        }
        Some(Page::Object(accepted, convert)) => {
            let version = convert.version;
            let mut whole = Map::new();
            whole.insert("kind".to_owned(), kind.into());
            whole.insert("apiVersion".to_owned(), format!("{GROUP}/{version}").into());
            whole.insert("metadata".to_owned(), json!({ "name": COMPONENT }));
            whole.extend(object());
            let by_hand =
                media::is_pretty(asked.query.first("pretty").as_deref(), asked.user_agent);
            let pretty = accepted.format == Format::Json && (accepted.pretty || by_hand);
            let form = Form { media: accepted.format, pretty, ..Form::JSON };
            let mut body = Bytes::from(format!("{}\n", Value::Object(whole)));
            if pretty || form.media == Format::Yaml {
                body = form::reprint(&body, &form);
            }
            let mut answer = Answer::stream(200, "", Body::full(body));
            let content_type =
                format!("{};g={GROUP};v={version};as={kind}", form.media.media_type());
            answer.headers.push(("content-type", content_type));
            if VERSIONS.last() != Some(&version) {
                let warning = format!(
                    "299 - \"This version of the {} endpoint is deprecated. Please use a newer \
                     version.\"",
                    kind.to_lowercase()
                );
                answer.headers.push(("warning", warning));
            }
            answer
        }
    }
}

fn flags(all: &[(&'static str, String)]) -> Map<String, Value> {
    let all = all.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into()));
    Map::from_iter([("flags".to_owned(), Value::Object(all.collect()))])
}

fn status(started: i64, up: i64) -> Map<String, Value> {
    let fields = [
        ("startTime", timestamp::rfc3339(started).into()),
        ("uptimeSeconds", up.into()),
        ("goVersion", "".into()),
        ("binaryVersion", BINARY_VERSION.into()),
        ("emulationVersion", EMULATION_VERSION.into()),
        ("paths", STATUS_PATHS.to_vec().into()),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn status_text(started: i64, up: i64, delimiter: &str) -> String {
    let (hours, minutes, seconds) = (up / 3_600, up / 60 % 60, up % 60);
    let mut text = "\n".to_owned();
    for (name, value) in [
        ("Started", unix_date(started)),
        ("Up", format!("{hours} hr {minutes:02} min {seconds:02} sec")),
        ("Go version", String::new()),
        ("Binary version", BINARY_VERSION.to_owned()),
        ("Emulation version", EMULATION_VERSION.to_owned()),
        ("Paths", STATUS_PATHS.join(" ")),
    ] {
        // Writing to a String cannot fail.
        writeln!(text, "{name}{delimiter} {value}").ok();
    }
    text
}

/// `Sun Nov 22 01:46:12 UTC 2026` (Go's `time.UnixDate`).
fn unix_date(seconds: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let text = timestamp::rfc3339(seconds);
    let part = |range| text.get(range).unwrap_or_default();
    let place = |number: i64| usize::try_from(number).unwrap_or_default();
    let day = DAYS.get(place(seconds.div_euclid(86_400).rem_euclid(7))).unwrap_or(&"");
    let month = part(5..7).parse().unwrap_or(1) - 1;
    let month = MONTHS.get(place(month)).unwrap_or(&"");
    let of_month = part(8..10).trim_start_matches('0');
    format!("{day} {month} {of_month:>2} {} UTC {}", part(11..19), part(0..4))
}

#[cfg(test)]
mod tests {
    use super::{status_text, unix_date};

    #[test]
    fn dates_read_as_go_prints_them() {
        assert_eq!(unix_date(1_795_311_972), "Sun Nov 22 01:46:12 UTC 2026");
        assert_eq!(unix_date(0), "Thu Jan  1 00:00:00 UTC 1970");
    }

    #[test]
    fn a_status_has_hours_that_do_not_wrap() {
        let text = status_text(0, 100 * 3_600 + 62, ":");
        assert!(text.contains("\nUp: 100 hr 01 min 02 sec\n"), "{text}");
        assert!(
            text.ends_with("Paths: /flagz /healthz /livez /metrics /readyz /statusz /version\n")
        );
    }
}
