//! An event as JSON: one line, fields in upstream's order (`audit.k8s.io/v1` Event).

use super::policy::{Level, Stage};
use crate::base::timestamp;
use crate::codec::json::write::{int, string};
use crate::request::{Annotation, User};

/// The object that a request is about (`ObjectReference`).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Plural name of the resource.
    pub resource: String,
    /// Namespace, "" if none.
    pub namespace: String,
    /// Name, "" while it is not known.
    pub name: String,
    /// Uid, if the body names it.
    pub uid: String,
    /// API group.
    pub group: String,
    /// API version.
    pub version: String,
    /// resourceVersion, if the body names it.
    pub resource_version: String,
    /// Subresource, "" if none.
    pub subresource: String,
}

/// How a request ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// HTTP code; 0 if there was no answer.
    pub code: u16,
    /// Members of the Status that was answered, as JSON text: `"status":"Failure",…`; "" if the
    /// answer was none.
    pub status: String,
}

/// What an event tells, borrowed from the request's [`super::Trail`].
#[derive(Debug, Clone, Copy)]
pub struct Moment<'m> {
    /// How much.
    pub level: Level,
    /// When.
    pub stage: Stage,
    /// `Audit-ID`.
    pub id: &'m str,
    /// Path and query.
    pub uri: &'m str,
    /// Kubernetes' verb, or the HTTP method in lower case.
    pub verb: &'m str,
    /// Who asked; none if nobody was authenticated.
    pub user: Option<&'m User>,
    /// Whom he speaks for.
    pub impersonated: Option<&'m User>,
    /// The verb of the constrained mode by which he does.
    pub constraint: Option<&'m str>,
    /// Where it came from, the client first.
    pub sources: &'m [String],
    /// `User-Agent`.
    pub agent: &'m str,
    /// The object.
    pub subject: Option<&'m Subject>,
    /// How it ended.
    pub outcome: Option<&'m Outcome>,
    /// The request's body, JSON.
    pub request: Option<&'m [u8]>,
    /// The answer's body, JSON.
    pub response: Option<&'m [u8]>,
    /// When it came, microseconds since the epoch.
    pub received_micros: i64,
    /// When this stage was reached.
    pub reached_micros: i64,
    /// Further facts.
    pub annotations: &'m [Annotation],
}

impl Moment<'_> {
    /// Appends the event and a newline.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1""#);
        member("level", self.level.name(), out);
        member("auditID", self.id, out);
        member("stage", self.stage.name(), out);
        member("requestURI", self.uri, out);
        member("verb", self.verb, out);
        out.extend_from_slice(br#","user":"#);
        match self.user {
            Some(user) => write_user(user, out),
            None => out.extend_from_slice(b"{}"),
        }
        if let Some(user) = self.impersonated {
            out.extend_from_slice(br#","impersonatedUser":"#);
            write_user(user, out);
        }
        if let Some(verb) = self.constraint {
            out.extend_from_slice(br#","authenticationMetadata":{"impersonationConstraint":"#);
            string(verb, out);
            out.push(b'}');
        }
        if !self.sources.is_empty() {
            out.extend_from_slice(br#","sourceIPs":"#);
            list(self.sources, out);
        }
        optional("userAgent", self.agent, out);
        if let Some(subject) = self.subject {
            out.extend_from_slice(br#","objectRef":"#);
            subject.write(out);
        }
        if let Some(outcome) = self.outcome {
            outcome.write(out);
        }
        for (name, body) in [("requestObject", self.request), ("responseObject", self.response)] {
            if let Some(body) = body {
                out.push(b',');
                string(name, out);
                out.push(b':');
                out.extend_from_slice(body);
            }
        }
        member("requestReceivedTimestamp", &timestamp::rfc3339_micros(self.received_micros), out);
        member("stageTimestamp", &timestamp::rfc3339_micros(self.reached_micros), out);
        self.write_annotations(out);
        out.extend_from_slice(b"}\n");
    }

    fn write_annotations(&self, out: &mut Vec<u8>) {
        if self.annotations.is_empty() {
            return;
        }
        let mut sorted: Vec<&Annotation> = self.annotations.iter().collect();
        sorted.sort_by(|a, b| a.0.cmp(&b.0));
        out.extend_from_slice(br#","annotations":"#);
        for (at, (key, value)) in sorted.into_iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            string(key, out);
            out.push(b':');
            string(value, out);
        }
        out.push(b'}');
    }

    /// Appends the event in the one-line form of `--audit-log-format=legacy`, and a newline.
    pub fn write_legacy(&self, out: &mut Vec<u8>) {
        let quoted = |text: &str| format!("{text:?}");
        let user = |user: Option<&User>| match user {
            Some(user) => {
                let groups: Vec<String> = user.groups.iter().map(|group| quoted(group)).collect();
                let groups = if groups.is_empty() { quoted("<none>") } else { groups.join(",") };
                (quoted(&user.name), groups)
            }
            None => (quoted("<none>"), quoted("<none>")),
        };
        let (name, groups) = user(self.user);
        let own = || (quoted("<self>"), quoted("<lookup>"));
        let (as_name, as_groups) =
            self.impersonated.map_or_else(own, |impersonated| user(Some(impersonated)));
        let namespace = self.subject.map_or("", |subject| subject.namespace.as_str());
        let namespace = if namespace.is_empty() { "<none>" } else { namespace };
        let code = self.outcome.map_or_else(|| "<deferred>".to_owned(), |o| o.code.to_string());
        let line = format!(
            "{} AUDIT: id={} stage={} ip={} method={} user={name} groups={groups} as={as_name} \
             asgroups={as_groups} user-agent={} namespace={} uri={} response={}\n",
            timestamp::rfc3339_micros(self.received_micros),
            quoted(self.id),
            quoted(self.stage.name()),
            quoted(self.sources.first().map_or("<unknown>", String::as_str)),
            quoted(self.verb),
            quoted(self.agent),
            quoted(namespace),
            quoted(self.uri),
            quoted(&code),
        );
        out.extend_from_slice(line.as_bytes());
    }
}

impl Subject {
    fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        for (name, text) in [
            ("resource", &self.resource),
            ("namespace", &self.namespace),
            ("name", &self.name),
            ("uid", &self.uid),
            ("apiGroup", &self.group),
            ("apiVersion", &self.version),
            ("resourceVersion", &self.resource_version),
            ("subresource", &self.subresource),
        ] {
            optional(name, text, out);
        }
        close(start, out);
    }
}

impl Outcome {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","responseStatus":{"metadata":{}"#);
        if !self.status.is_empty() {
            out.push(b',');
            out.extend_from_slice(self.status.as_bytes());
        }
        if self.code > 0 {
            out.extend_from_slice(br#","code":"#);
            int(i64::from(self.code), out);
        }
        out.push(b'}');
    }
}

fn write_user(user: &User, out: &mut Vec<u8>) {
    let start = out.len();
    optional("username", &user.name, out);
    optional("uid", &user.uid, out);
    if !user.groups.is_empty() {
        out.extend_from_slice(br#","groups":"#);
        list(&user.groups, out);
    }
    if !user.extra.is_empty() {
        out.extend_from_slice(br#","extra":"#);
        for (at, (key, values)) in user.extra.iter().enumerate() {
            out.push(if at == 0 { b'{' } else { b',' });
            string(key, out);
            out.push(b':');
            list(values, out);
        }
        out.push(b'}');
    }
    close(start, out);
}

/// Makes the comma before the first member the opening brace.
fn close(start: usize, out: &mut Vec<u8>) {
    match out.get_mut(start) {
        Some(comma) => *comma = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
}

fn list(texts: &[String], out: &mut Vec<u8>) {
    out.push(b'[');
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        string(text, out);
    }
    out.push(b']');
}

fn member(name: &str, text: &str, out: &mut Vec<u8>) {
    out.push(b',');
    string(name, out);
    out.push(b':');
    string(text, out);
}

fn optional(name: &str, text: &str, out: &mut Vec<u8>) {
    if !text.is_empty() {
        member(name, text, out);
    }
}
