//! One request's events: begun when its user is known, ended with its answer or when it is
//! dropped.

use super::event::{Moment, Outcome, Subject};
use super::journal::Journal;
use super::policy::{Decision, Level, Policy, Stage};
use crate::base::clock;
use crate::catalog::catalog;
use crate::codec::json::{encode, encode_any, parse_any, write};
use crate::codec::{proto, yaml};
use crate::object::Value;
use crate::request::{Annotation, Context, RequestInfo, User};
use bumpalo::Bump;
use bytes::Bytes;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

/// What of a Status stands in `responseStatus`.
const STATUS_FIELDS: [&str; 4] = ["status", "message", "reason", "details"];

/// The audit of one shard.
#[derive(Debug)]
pub struct Auditor {
    policy: Arc<Policy>,
    sinks: Vec<Sink>,
    /// Events by level, None first.
    levels: [Cell<u64>; 4],
}

/// One place where events go.
#[derive(Debug, Clone)]
pub struct Sink {
    /// The way there.
    pub journal: Journal,
    /// What it is called in metrics.
    pub plugin: &'static str,
    /// Events are lines in the old form.
    pub legacy: bool,
    /// Larger events lose their bodies, or are not told, if that is limited
    /// (`--audit-*-truncate-max-event-size`).
    pub event_bytes_max: Option<usize>,
}

/// The annotation of an event without its bodies.
const TRUNCATED: &str = "audit.k8s.io/truncated";

/// What a request shows of itself.
#[derive(Debug, Clone, Copy)]
pub struct Seen<'r> {
    /// `Audit-ID`.
    pub id: &'r str,
    /// Path and query as sent.
    pub uri: &'r str,
    /// Kubernetes' verb, or the HTTP method in lower case.
    pub verb: &'r str,
    /// `User-Agent`.
    pub agent: &'r str,
    /// The URL, understood.
    pub info: &'r RequestInfo<'r>,
}

/// What is answered to who is not known.
const UNAUTHORIZED: &[u8] = b"{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\
    \"status\":\"Failure\",\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}";

/// The events of one request.
#[derive(Debug)]
pub struct Trail {
    auditor: Rc<Auditor>,
    decision: Decision,
    id: String,
    uri: String,
    verb: String,
    agent: String,
    sources: Vec<String>,
    subject: Option<Subject>,
    user: Option<Rc<User>>,
    impersonated: Option<Rc<User>>,
    constraint: Option<&'static str>,
    request: Option<Vec<u8>>,
    response: Option<Vec<u8>>,
    outcome: Option<Outcome>,
    annotations: Vec<Annotation>,
    received_micros: i64,
    ended: bool,
}

impl Auditor {
    /// For one shard.
    pub fn new(policy: Arc<Policy>, sinks: Vec<Sink>) -> Self {
        Self { policy, sinks, levels: Default::default() }
    }

    /// Where events go.
    pub fn sinks(&self) -> &[Sink] {
        &self.sinks
    }

    /// How many requests were told at each level.
    pub fn levels(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let names = ["None", "Metadata", "Request", "RequestResponse"];
        names.into_iter().zip(self.levels.iter().map(Cell::get))
    }

    /// Begins to follow a request; nothing if the policy does not want it told.
    pub fn begin(
        self: &Rc<Self>,
        seen: Seen<'_>,
        user: Option<&Rc<User>>,
        sources: impl FnOnce() -> Vec<String>,
    ) -> Option<Trail> {
        let decision = self.policy.decide(user.map(|user| &**user), seen.verb, seen.info);
        if let Some(count) = self.levels.get(decision.level as usize) {
            count.set(count.get() + 1);
        }
        if decision.level == Level::None {
            return None;
        }
        let info = seen.info;
        let subject = info.is_resource.then(|| Subject {
            resource: info.resource.to_owned(),
            namespace: info.namespace.to_owned(),
            name: info.name.clone().into_owned(),
            group: info.group.to_owned(),
            version: info.version.to_owned(),
            subresource: info.subresource.to_owned(),
            ..Subject::default()
        });
        Some(Trail {
            auditor: Rc::clone(self),
            decision,
            id: seen.id.to_owned(),
            uri: seen.uri.to_owned(),
            verb: seen.verb.to_owned(),
            agent: seen.agent.to_owned(),
            sources: sources(),
            subject,
            user: user.map(Rc::clone),
            impersonated: None,
            constraint: None,
            request: None,
            response: None,
            outcome: None,
            annotations: Vec::new(),
            received_micros: now_micros(),
            ended: false,
        })
    }
}

impl Trail {
    /// Tells that the request is there. False if it must fail, for it cannot be told.
    pub async fn received(&self) -> bool {
        self.tell(Stage::RequestReceived).await
    }

    /// Tells that nobody was authenticated, and what is answered. Nothing more is told.
    pub async fn refused(mut self) {
        self.answer(401, Some(&Bytes::from_static(UNAUTHORIZED)), "application/json");
        self.ended = true;
        self.tell(Stage::ResponseStarted).await;
    }

    /// Whether the object that the request brings is told.
    pub fn shows_request(&self) -> bool {
        self.decision.level >= Level::Request
    }

    /// Takes note of the body: what it says of the object, and from level Request on all of it,
    /// if it is `told` as it is.
    pub fn request_body(&mut self, body: &[u8], content_type: &str, told: bool) {
        if body.is_empty() {
            return;
        }
        let Some(json) = json_of(body, content_type, false) else { return };
        let arena = Bump::new();
        if let (Some(subject), Ok(object)) = (&mut self.subject, parse_any(&json, &arena)) {
            let text = |name: &str| object.str_at(&["metadata", name]);
            for (own, name) in [
                (&mut subject.namespace, "namespace"),
                (&mut subject.name, "name"),
                (&mut subject.uid, "uid"),
                (&mut subject.resource_version, "resourceVersion"),
            ] {
                if own.is_empty() {
                    text(name).clone_into(own);
                }
            }
        }
        if told && self.shows_request() {
            self.request = match self.decision.omit_managed_fields {
                true => json_of(body, content_type, true),
                false => Some(json),
            };
        }
    }

    /// Takes note of what was found out on the way: whom the user speaks for, and annotations.
    pub fn learned(&mut self, context: &Context) {
        let user = &context.user;
        if self.user.as_ref().is_some_and(|own| !Rc::ptr_eq(own, user)) {
            self.impersonated = Some(Rc::clone(user));
            self.constraint = context.constraint;
        }
        self.annotations.extend(context.take_annotations());
        if let Some(object) = context.take_object() {
            self.request = match self.decision.omit_managed_fields {
                true => json_of(&object, "application/json", true),
                false => Some(object),
            };
        }
    }

    /// Takes note of the answer; `body` is none if it is not all there.
    pub fn answer(&mut self, code: u16, body: Option<&Bytes>, content_type: &str) {
        let mut status = String::new();
        // What has no form that the client takes is answered past the audit.
        if let Some(body) = body.filter(|_| code != 406) {
            let whole = self.decision.level >= Level::RequestResponse;
            let fails = code >= 400 || body.starts_with(br#"{"kind":"Status""#);
            if whole || fails {
                let omit = self.decision.omit_managed_fields;
                let json = json_of(body, content_type, omit);
                status = json.as_deref().map(status_of).unwrap_or_default();
                // Documents that are no objects are not told.
                self.response = json.filter(|json| whole && is_object(json));
            }
        }
        self.outcome = Some(Outcome { code, status });
    }

    /// Tells that an answer has begun that lasts. Its end is told when this is dropped.
    pub async fn started(&self) {
        self.tell(Stage::ResponseStarted).await;
    }

    /// Tells the end.
    pub async fn completed(mut self) {
        self.ended = true;
        self.tell(Stage::ResponseComplete).await;
    }

    async fn tell(&self, stage: Stage) -> bool {
        if !self.decision.tells(stage) {
            return true;
        }
        let first = stage == Stage::RequestReceived;
        let mut told = true;
        for sink in &self.auditor.sinks {
            if let Some(line) = self.line(stage, sink) {
                told &= sink.journal.tell(line, first).await;
            }
        }
        told
    }

    /// The event for a sink; none if it is too large for it (`truncate.backend`).
    fn line(&self, stage: Stage, sink: &Sink) -> Option<Bytes> {
        let line = self.written(stage, sink.legacy, &self.annotations, true);
        let Some(max) = sink.event_bytes_max.filter(|max| line.len() > *max) else {
            return Some(line);
        };
        let mut annotations = self.annotations.clone();
        annotations.push((TRUNCATED.into(), "true".to_owned()));
        let line = self.written(stage, sink.legacy, &annotations, false);
        if line.len() <= max {
            return Some(line);
        }
        sink.journal.give_up();
        None
    }

    fn written(
        &self,
        stage: Stage,
        legacy: bool,
        annotations: &[Annotation],
        bodies: bool,
    ) -> Bytes {
        let moment = Moment {
            level: self.decision.level,
            stage,
            id: &self.id,
            uri: &self.uri,
            verb: &self.verb,
            user: self.user.as_deref(),
            impersonated: self.impersonated.as_deref(),
            constraint: self.constraint,
            sources: &self.sources,
            agent: &self.agent,
            subject: self.subject.as_ref(),
            outcome: self.outcome.as_ref(),
            request: self.request.as_deref().filter(|_| bodies),
            response: self.response.as_deref().filter(|_| bodies),
            received_micros: self.received_micros,
            reached_micros: now_micros(),
            annotations,
        };
        let mut line = Vec::with_capacity(1024);
        if legacy {
            moment.write_legacy(&mut line);
        } else {
            moment.write(&mut line);
        }
        line.into()
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let mut stage = Stage::ResponseComplete;
        if std::thread::panicking() {
            stage = Stage::Panic;
            let status =
                r#""status":"Failure","message":"APIServer panic'd","reason":"InternalError""#;
            self.outcome = Some(Outcome { code: 500, status: status.to_owned() });
        }
        if self.decision.tells(stage) {
            for sink in &self.auditor.sinks {
                if let Some(line) = self.line(stage, sink) {
                    sink.journal.drop_off(line);
                }
            }
        }
    }
}

fn now_micros() -> i64 {
    i64::try_from(clock::unix_time().as_micros()).unwrap_or(i64::MAX)
}

/// A body as JSON on one line; none if it is nothing that can be shown so.
fn json_of(body: &[u8], content_type: &str, omit_managed_fields: bool) -> Option<Vec<u8>> {
    let media = content_type.split(';').next().unwrap_or_default().trim();
    let arena = Bump::new();
    let mut out = Vec::with_capacity(body.len());
    if media == "application/vnd.kubernetes.protobuf" {
        let unknown = proto::envelope::unwrap(body).ok()??;
        let version = unknown.api_version;
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let ty = catalog()
            .kind(group, version, unknown.kind)
            .or_else(|| catalog().type_named(&format!("meta.v1.{}", unknown.kind)))?;
        let mut object = proto::decode(unknown.raw, ty, &arena).ok()?;
        if let Some(map) = object.as_map_mut() {
            map.insert("kind", Value::str_in(unknown.kind, &arena));
            map.insert("apiVersion", Value::str_in(unknown.api_version, &arena));
        }
        without_managed_fields(&mut object, omit_managed_fields);
        encode(&object, ty, &mut out);
        return Some(out);
    }
    if media == "application/yaml" || media.ends_with("+yaml") {
        let mut object = yaml::parse(body, &arena).ok()?.any(&arena).ok()?;
        without_managed_fields(&mut object, omit_managed_fields);
        encode_any(&object, &mut out);
        return Some(out);
    }
    let mut object = parse_any(body, &arena).ok()?;
    if omit_managed_fields {
        without_managed_fields(&mut object, true);
        encode_any(&object, &mut out);
        return Some(out);
    }
    write::compact(body, &mut out).then_some(out)
}

fn without_managed_fields(object: &mut Value<'_>, omit: bool) {
    if !omit {
        return;
    }
    let remove = |object: &mut Value<'_>| {
        if let Some(metadata) = object.at_mut(&["metadata"]).and_then(Value::as_map_mut) {
            metadata.remove("managedFields");
        }
    };
    remove(object);
    object.list_at_mut(&["items"]).iter_mut().for_each(remove);
}

/// True for JSON of an API object.
fn is_object(json: &[u8]) -> bool {
    let arena = Bump::new();
    parse_any(json, &arena).is_ok_and(|object| !object.str_at(&["kind"]).is_empty())
}

/// The members of a Status, as they stand in `responseStatus`; "" for another object.
fn status_of(json: &[u8]) -> String {
    let arena = Bump::new();
    let Ok(object) = parse_any(json, &arena) else { return String::new() };
    if object.str_at(&["kind"]) != "Status" {
        return String::new();
    }
    let mut out = Vec::new();
    for name in STATUS_FIELDS {
        if let Some(value) = object.get(name) {
            if !out.is_empty() {
                out.push(b',');
            }
            write::string(name, &mut out);
            out.push(b':');
            encode_any(value, &mut out);
        }
    }
    String::from_utf8(out).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::{JournalOptions, Mode, RotateOptions};
    use crate::request::Query;
    use crate::rt;

    const POLICY: &str = "
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- level: Metadata
  resources: [{resources: [secrets]}]
- level: RequestResponse
";

    /// The events of a POST to `path`, with a body and an answer.
    fn told(path: &str, body: &str, code: u16, answer: &str) -> Vec<serde_json::Value> {
        told_to(None, path, body, code, answer)
    }

    fn told_to(
        event_bytes_max: Option<usize>,
        path: &str,
        body: &str,
        code: u16,
        answer: &str,
    ) -> Vec<serde_json::Value> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("audit.log");
        let options = RotateOptions { path: file.clone(), ..RotateOptions::default() };
        let options = JournalOptions { file: Some(options), mode: Mode::Blocking, queue_max: 4 };
        let (journal, thread) = Journal::start(options).unwrap();
        let policy = Arc::new(Policy::parse(POLICY.as_bytes()).unwrap());
        let sink = Sink { journal, plugin: "log", legacy: false, event_bytes_max };
        let auditor = Rc::new(Auditor::new(policy, vec![sink]));
        let info = RequestInfo::parse("POST", path, &Query::new("")).unwrap();
        let seen = Seen { id: "1", uri: path, verb: "create", agent: "t", info: &info };
        let user = Rc::new(User { name: "ann".into(), ..User::default() });
        rt::block_on(async {
            let mut trail =
                auditor.begin(seen, Some(&user), || vec!["192.0.2.1".to_owned()]).unwrap();
            assert!(trail.received().await);
            trail.request_body(body.as_bytes(), "application/json", true);
            let answer = Bytes::copy_from_slice(answer.as_bytes());
            trail.answer(code, Some(&answer), "application/json");
            trail.completed().await;
        });
        drop(auditor);
        thread.join().unwrap();
        let text = std::fs::read_to_string(file).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn bodies_are_told_at_their_levels_without_managed_fields() {
        let body = r#"{"kind": "ConfigMap", "metadata": {"name": "x", "managedFields": [1]},
            "data": {"k": "v"}}"#;
        let events = told("/api/v1/namespaces/n/configmaps", body, 201, body);
        assert_eq!(events.len(), 2);
        assert_eq!(events[0]["stage"], "RequestReceived");
        assert_eq!(events[1]["objectRef"]["name"], "x");
        assert_eq!(events[1]["requestObject"]["data"]["k"], "v");
        assert_eq!(events[1]["responseObject"]["metadata"].get("managedFields"), None);
        assert_eq!(events[1]["responseStatus"]["code"], 201);
        assert_eq!(events[1]["sourceIPs"][0], "192.0.2.1");
    }

    #[test]
    fn an_event_that_is_too_large_loses_its_bodies_or_is_not_told() {
        let body = format!(r#"{{"metadata": {{"name": "x"}}, "data": "{}"}}"#, "y".repeat(4_000));
        let path = "/api/v1/namespaces/n/configmaps";
        let events = told_to(Some(2_000), path, &body, 201, &body);
        assert_eq!(events.len(), 2);
        assert_eq!(events[1].get("requestObject"), None);
        assert_eq!(events[1]["annotations"]["audit.k8s.io/truncated"], "true");
        assert_eq!(told_to(Some(10), path, &body, 201, &body), [] as [serde_json::Value; 0]);
    }

    #[test]
    fn documents_that_are_no_objects_are_not_told() {
        let events = told("/api/v1/namespaces/n/configmaps", "{}", 200, r#"{"paths": {}}"#);
        assert_eq!(events[1].get("responseObject"), None);
        let no_form = r#"{"kind": "Status", "status": "Failure", "reason": "NotAcceptable"}"#;
        let events = told("/api/v1/namespaces/n/configmaps", "{}", 406, no_form);
        assert_eq!(events[1].get("responseObject"), None);
        assert_eq!(events[1]["responseStatus"], serde_json::json!({"metadata": {}, "code": 406}));
    }

    #[test]
    fn metadata_holds_no_secret() {
        let body = r#"{"metadata": {"name": "x"}, "data": {"password": "aHVudGVyMg=="}}"#;
        let events = told("/api/v1/namespaces/n/secrets", body, 201, body);
        assert_eq!(events[1]["objectRef"]["name"], "x");
        let text = serde_json::to_string(&events).unwrap();
        assert!(!text.contains("aHVudGVyMg"), "{text}");
    }

    #[test]
    fn a_failure_is_told_with_its_reason() {
        let answer = r#"{"kind":"Status","status":"Failure","reason":"Forbidden","message":"no"}"#;
        let events = told("/api/v1/namespaces/n/secrets", "{}", 403, answer);
        assert_eq!(events[1]["responseStatus"]["reason"], "Forbidden");
        assert_eq!(events[1]["responseStatus"]["code"], 403);
        assert_eq!(events[1].get("responseObject"), None);
    }
}
