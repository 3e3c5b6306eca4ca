//! WATCH: a stream of events (features.md section 3.3).

use super::list::{Scope, translate_fields};
use crate::api::admit::Admission;
use crate::api::form::{Form, Transform};
use crate::api::object::{TableWriter, encode_typed, partial_value, write_partial};
use crate::api::route::Target;
use crate::api::status::Status;
use crate::api::table;
use crate::base::ids;
use crate::base::limits::WATCH_BATCH_MAX;
use crate::base::ticks::Ticks;
use crate::cache::{
    Cache, Entry, Frame, FrameEncoder, FrameKind, ReadAt, ReadFault, WatchEnd, WatchFrom,
    WatchQuery, Watcher,
};
use crate::codec::frame::{self, EventType};
use crate::codec::json;
use crate::codec::media::{Format, STREAM_TYPES};
use crate::http::Body;
use crate::metrics::{Recorder, WatchSeries};
use crate::object::{Map, Value};
use crate::registry::body::api_version;
use crate::registry::{Registry, stored};
use crate::request::{Fault, ListOptions, Result, User, parse_revision};
use crate::store::Item as _;
use bumpalo::Bump;
use bytes::{Bytes, BytesMut};
use futures_lite::Stream;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

/// What the server sets for a watch.
#[derive(Debug)]
pub struct Terms {
    /// `--min-request-timeout`, seconds.
    pub min_seconds: u64,
    /// Where its events are counted.
    pub series: Rc<WatchSeries>,
    /// Where it is counted if it is read too slowly.
    pub metrics: Rc<Recorder>,
    /// Whose it is.
    pub user: Rc<User>,
    /// What asks the webhook that converts the objects, if there is one.
    pub converter: Option<Registry<Admission>>,
}

/// Opens the watch that `options` ask for.
///
/// # Errors
/// 400 for a bad selector or revision, 406 for a form that does not stream.
pub async fn open(
    cache: &Cache,
    target: &Target,
    form: &Form,
    scope: Scope<'_>,
    options: &ListOptions,
    terms: Terms,
) -> Result<Body> {
    if form.media == Format::Yaml {
        let types = STREAM_TYPES.join(", ");
        let text = format!("only the following media types are accepted: {types}");
        return Err(Fault::NotAcceptable(text));
    }
    let storage = stored::storage(target.resource)?;
    let revision = parse_revision(&options.revision)?;
    let initial = options.send_initial_events;
    let from = match (options.revision.as_str(), initial) {
        ("", Some(true) | None) => WatchFrom::Initial(ReadAt::Latest),
        ("0", Some(true) | None) => WatchFrom::Initial(ReadAt::Any),
        (_, Some(true)) => WatchFrom::Initial(ReadAt::AtLeast(revision)),
        ("" | "0", Some(false)) => WatchFrom::After(cache.committed_of(storage)),
        _ => WatchFrom::After(revision),
    };
    let encoder: Rc<dyn FrameEncoder> = Rc::new(Encoder { target: *target, form: *form });
    let query = WatchQuery {
        storage,
        namespace: (!scope.namespace.is_empty()).then(|| scope.namespace.into()),
        name: (!scope.name.is_empty()).then(|| scope.name.into()),
        labels: options.labels.clone(),
        fields: translate_fields(target, storage, &options.fields)?,
        from,
        encoder,
        bookmarks: options.bookmarks,
        // The mark that ends the initial events is for those who asked for them by name.
        initial_events_end: initial == Some(true) && options.bookmarks,
        timeout: Some(timeout(options.timeout_seconds, terms.min_seconds)),
    };
    match cache.watch(query).await {
        Ok(watcher) => Ok(stream(watcher, target, form, terms)),
        Err(ReadFault::Expired { requested, oldest }) => {
            let message = format!("too old resource version: {requested} ({oldest})");
            let fault = Fault::Expired { message, continue_token: None };
            Ok(Body::full(error_frame(form, fault)))
        }
        Err(fault) => Err(stored::read_fault(fault)),
    }
}

/// `timeoutSeconds`, or a random time between `min` and twice that.
fn timeout(asked: i64, min_seconds: u64) -> Duration {
    match u64::try_from(asked) {
        Ok(seconds) if seconds > 0 => Duration::from_secs(seconds),
        _ => {
            let random = u64::from(u32::from_le_bytes(ids::random::<4>()));
            Duration::from_secs(min_seconds + random % min_seconds.max(1))
        }
    }
}

/// The body: frames as they come, several in one piece when they have gathered.
fn stream(watcher: Watcher, target: &Target, form: &Form, terms: Terms) -> Body {
    let tables = matches!(form.transform, Transform::Table(..));
    // Only the first Table of a watch has the column definitions.
    let header = tables.then_some((*target, *form));
    let events = Events { watcher, header, terms, frames: Vec::new() };
    if events.terms.converter.is_none() {
        return Body::stream(events);
    }
    let (target, form) = (*target, *form);
    Body::stream(futures_lite::stream::unfold(Some(events), move |events| async move {
        let mut events = events?;
        std::future::poll_fn(|cx| events.poll_frames(cx)).await?;
        let registry = events.terms.converter.as_ref()?;
        let way = Way { registry, target: &target, form: &form };
        let (bytes, goes_on) = Box::pin(way.gather(&events.frames, &mut events.header)).await;
        events.sent(bytes.len());
        Some((bytes, goes_on.then_some(events)))
    }))
}

/// Memory for so many frames is kept between pieces.
const FRAMES_KEPT: usize = 4;

/// What a watch sends. Polled directly: a future for each piece would be most of its cost.
struct Events {
    watcher: Watcher,
    header: Option<(Target, Form)>,
    terms: Terms,
    /// Those of the piece at hand.
    frames: Vec<Rc<Frame>>,
}

impl Events {
    /// Waits for frames; `None` at the end of the watch, which is the end of its body: clients
    /// resume from what they have.
    fn poll_frames(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        let got = ready!(self.watcher.poll_batch(cx, &mut self.frames, WATCH_BATCH_MAX));
        if got == Err(WatchEnd::Slow) {
            self.terms.metrics.slow_watcher(&self.terms.user.name, &self.terms.series);
        }
        Poll::Ready(got.ok())
    }

    /// Counts the frames, which became so many bytes, and forgets them.
    fn sent(&mut self, bytes: usize) {
        let series = &self.terms.series;
        series.events(self.frames.len(), bytes);
        let now = Ticks::now();
        let committed = self.frames.iter().filter_map(|frame| frame.committed);
        committed.for_each(|committed| series.delivered(now, committed));
        self.frames.clear();
        self.frames.shrink_to(FRAMES_KEPT);
    }
}

impl Stream for Events {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let this = self.get_mut();
        if ready!(this.poll_frames(cx)).is_none() {
            return Poll::Ready(None);
        }
        let bytes = gather(&this.frames, &mut this.header);
        this.sent(bytes.len());
        Poll::Ready(Some(bytes))
    }
}

fn gather(frames: &[Rc<Frame>], header: &mut Option<(Target, Form)>) -> Bytes {
    if let ([frame], None) = (frames, &header) {
        return frame.bytes();
    }
    let mut all = BytesMut::new();
    for frame in frames {
        match (header.take(), &frame.entry) {
            (Some((target, form)), Some(entry)) => {
                let bytes = table_frame(&target, &form, frame.kind, entry, frame.revision, true);
                all.extend_from_slice(&bytes);
            }
            (kept, _) => {
                *header = kept;
                all.extend_from_slice(&frame.bytes());
            }
        }
    }
    all.freeze()
}

/// How events go whose objects a webhook must convert: the frames that all watchers share do not
/// serve then.
struct Way<'w> {
    registry: &'w Registry<Admission>,
    target: &'w Target,
    form: &'w Form,
}

impl Way<'_> {
    /// The frames of these events, with one call of the webhook; false if it failed, and an error
    /// is the last of them.
    async fn gather(
        &self,
        frames: &[Rc<Frame>],
        header: &mut Option<(Target, Form)>,
    ) -> (Bytes, bool) {
        let Self { registry, target, form } = *self;
        let mut entries: Vec<Arc<Entry>> =
            frames.iter().filter_map(|frame| frame.entry.clone()).collect();
        if let Err(fault) = registry.all_in_version(target.resource, &mut entries).await {
            return (error_frame(form, fault), false);
        }
        let mut entries = entries.into_iter();
        let mut all = BytesMut::new();
        for frame in frames {
            let (Some(_), Some(entry)) = (&frame.entry, entries.next()) else {
                all.extend_from_slice(&frame.bytes());
                continue;
            };
            let (kind, revision) = (frame.kind, frame.revision);
            let framed = match header.take() {
                Some((target, form)) => {
                    Ok(table_frame(&target, &form, kind, &entry, revision, true))
                }
                None => event_frame(target, form, kind, &entry, revision),
            };
            all.extend_from_slice(&framed.unwrap_or_else(|fault| error_frame(form, fault)));
        }
        (all.freeze(), true)
    }
}

/// How one resource in one form goes on the wire.
#[derive(Debug)]
struct Encoder {
    target: Target,
    form: Form,
}

impl FrameEncoder for Encoder {
    fn id(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let resource = self.target.resource;
        (resource.group, resource.version, resource.name).hash(&mut hasher);
        format!("{:?}", self.form).hash(&mut hasher);
        hasher.finish()
    }

    fn frame(&self, kind: FrameKind, entry: &Entry, revision: u64) -> Bytes {
        let framed = event_frame(&self.target, &self.form, kind, entry, revision);
        framed.unwrap_or_else(|fault| error_frame(&self.form, fault))
    }

    fn bookmark(&self, revision: u64, initial_end: bool) -> Bytes {
        let arena = Bump::new();
        let revision = revision.to_string();
        let object = bookmark_object(&self.target, &self.form, &revision, initial_end, &arena);
        match self.form.media {
            Format::Protobuf => {
                let mut raw = Vec::new();
                let ty = match self.form.transform {
                    Transform::None => self.target.resource.ty,
                    _ => stored::partial_type(),
                };
                encode_typed(&object, ty, &mut raw);
                framed_protobuf(EventType::Bookmark, &raw)
            }
            Format::Json | Format::Yaml => {
                let mut text = Vec::new();
                match self.form.transform {
                    Transform::None => json::encode(&object, self.target.resource.ty, &mut text),
                    _ => json::encode_any(&object, &mut text),
                }
                framed_json(EventType::Bookmark, &text)
            }
        }
    }
}

const fn event_type(kind: FrameKind) -> EventType {
    match kind {
        FrameKind::Added => EventType::Added,
        FrameKind::Bookmark | FrameKind::InitialEventsEnd => EventType::Bookmark,
        FrameKind::Deleted => EventType::Deleted,
        FrameKind::Modified => EventType::Modified,
    }
}

fn event_frame(
    target: &Target,
    form: &Form,
    kind: FrameKind,
    entry: &Entry,
    revision: u64,
) -> Result<Bytes> {
    let name = event_type(kind);
    // An object that leaves shows the revision at which it left.
    if matches!(form.transform, Transform::None) && stored::is_stored_form(target.resource) {
        if form.media == Format::Protobuf {
            let bytes = entry.protobuf_at(revision).map_err(stored::unreadable)?;
            return Ok(framed_protobuf(name, &bytes));
        }
        let json = entry.json_at(revision).map_err(stored::unreadable)?;
        return Ok(framed_json(name, &json.bytes));
    }
    let moved;
    let entry = if revision == entry.revision() {
        entry
    } else {
        moved = Entry::new(entry.key().clone(), revision, entry.value().clone());
        &moved
    };
    match form.transform {
        Transform::Table(..) => Ok(table_frame(target, form, kind, entry, revision, false)),
        Transform::Partial(version) | Transform::PartialList(version) => {
            if form.media == Format::Protobuf {
                let arena = Bump::new();
                let object = partial_value(entry, version, &arena)?;
                let mut raw = Vec::new();
                encode_typed(&object, stored::partial_type(), &mut raw);
                return Ok(framed_protobuf(name, &raw));
            }
            let mut text = Vec::with_capacity(512);
            write_partial(entry, version, &mut text)?;
            Ok(framed_json(name, &text))
        }
        Transform::None => {
            let arena = Bump::new();
            let object = stored::decode_served(target.resource, entry, &arena)?;
            let mut out = Vec::with_capacity(1024);
            if form.media == Format::Protobuf {
                encode_typed(&object, target.resource.ty, &mut out);
                return Ok(framed_protobuf(name, &out));
            }
            json::encode(&object, target.resource.ty, &mut out);
            Ok(framed_json(name, &out))
        }
    }
}

fn table_frame(
    target: &Target,
    form: &Form,
    kind: FrameKind,
    entry: &Entry,
    revision: u64,
    header: bool,
) -> Bytes {
    let Transform::Table(version, include) = form.transform else { return Bytes::new() };
    let revision = revision.to_string();
    let meta = table::ListMeta { resource_version: &revision, ..Default::default() };
    let mut rows = TableWriter::begin(target, version, include, meta, header);
    if let Err(fault) = rows.push(entry) {
        return error_frame(form, fault);
    }
    let text = rows.finish(&Form::JSON);
    framed_json(event_type(kind), text.strip_suffix(b"\n").unwrap_or(&text))
}

/// A bookmark shows the kind and the revision, nothing else.
fn bookmark_object<'a>(
    target: &Target,
    form: &Form,
    revision: &str,
    initial_end: bool,
    arena: &'a Bump,
) -> Value<'a> {
    let (kind, api_version) = match form.transform {
        Transform::None => {
            (target.resource.kind, api_version(target.resource.group, target.resource.version))
        }
        Transform::Table(version, _) => ("Table", version.api_version().to_owned()),
        Transform::Partial(version) | Transform::PartialList(version) => {
            ("PartialObjectMetadata", version.api_version().to_owned())
        }
    };
    let mut map = Map::new_in(arena);
    map.push_unique("kind", Value::Str(kind));
    map.push_unique("apiVersion", Value::str_in(&api_version, arena));
    let metadata = map.entry_map("metadata");
    metadata.push_unique("resourceVersion", Value::str_in(revision, arena));
    if initial_end && !matches!(form.transform, Transform::Table(..)) {
        let annotations = metadata.entry_map("annotations");
        annotations.push_unique("k8s.io/initial-events-end", Value::Str("true"));
    }
    Value::Map(map)
}

/// The last frame of a watch that cannot go on.
fn error_frame(form: &Form, fault: Fault) -> Bytes {
    let arena = Bump::new();
    let object = Status::from(fault).to_value(&arena);
    let mut out = Vec::new();
    if form.media == Format::Protobuf {
        encode_typed(&object, stored::status_type(), &mut out);
        return framed_protobuf(EventType::Error, &out);
    }
    json::encode(&object, stored::status_type(), &mut out);
    framed_json(EventType::Error, &out)
}

/// A JSON frame around encoded text.
fn framed_json(event: EventType, object: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(object.len() + 40);
    let _ = frame::json(event, &mut out, |out| {
        out.extend_from_slice(object);
        Ok::<(), std::convert::Infallible>(())
    });
    out.into()
}

/// A protobuf frame around an envelope.
fn framed_protobuf(event: EventType, object: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(object.len() + 40);
    let _ = frame::protobuf(event, &mut out, |out| {
        out.extend_from_slice(object);
        Ok::<(), std::convert::Infallible>(())
    });
    out.into()
}
