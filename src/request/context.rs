//! What travels with a request from the gate to the store.

use super::User;
use crate::http::{HeaderText, HeaderValue};
use crate::metrics::Laps;
use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// All warnings of an answer, in characters.
const WARNINGS_CHARS_MAX: usize = 4 * 1024;
/// One warning once there are too many.
const WARNING_CHARS_MAX: usize = 256;

/// An audit annotation: key and value.
pub type Annotation = (Cow<'static, str>, String);

/// The facts of one request that every stage may need.
#[derive(Debug, Default)]
pub struct Context {
    /// Who asks, after impersonation.
    pub user: Rc<User>,
    /// Who really asks, if `user` is impersonated.
    pub impersonator: Option<Rc<User>>,
    /// The verb of the constrained mode by which it is, if one let it through.
    pub constraint: Option<&'static str>,
    /// The `User-Agent` header; "" if none.
    pub user_agent: HeaderText,
    /// Whether annotations are for anything.
    pub audited: bool,
    /// Whether the object that a write brings is for anything but the write: [`Self::show`].
    pub shows: Cell<bool>,
    /// The uids of its flow schema and priority level, as response headers.
    pub flow: Option<[HeaderValue; 2]>,
    /// Where its time goes.
    pub laps: Laps,
    /// Texts for `Warning` headers, in order, without duplicates.
    warnings: RefCell<Vec<String>>,
    /// The object that a write brings, JSON, as it was understood.
    object: RefCell<Option<Vec<u8>>>,
    /// For the audit event, without duplicate keys.
    annotations: RefCell<Vec<Annotation>>,
}

impl Context {
    /// A context for `user`.
    pub fn new(user: impl Into<Rc<User>>, user_agent: HeaderText) -> Self {
        Self { user: user.into(), user_agent, ..Self::default() }
    }

    /// Adds a warning unless the same text is there.
    pub fn warn(&self, text: impl Into<String>) {
        let text = text.into();
        let mut warnings = self.warnings.borrow_mut();
        if !text.is_empty() && !warnings.contains(&text) {
            warnings.push(text);
        }
    }

    /// Takes the warnings for the answer. Beyond a total of 4096 characters each is cut to 256, and
    /// the last ones are left out (`filters.recorder`).
    pub fn take_warnings(&self) -> Vec<String> {
        let mut warnings = self.warnings.take();
        let length = |text: &String| text.chars().count();
        if warnings.iter().map(length).sum::<usize>() <= WARNINGS_CHARS_MAX {
            return warnings;
        }
        let mut written = 0;
        warnings.retain_mut(|text| {
            if let Some((cut, _)) = text.char_indices().nth(WARNING_CHARS_MAX) {
                text.truncate(cut);
            }
            written += length(text);
            written <= WARNINGS_CHARS_MAX
        });
        warnings
    }

    /// Adds an annotation to the request's audit event; the first value of a key stays
    /// (`audit.AddAuditAnnotation`). Nothing is kept of a request that no audit asks about.
    pub fn annotate(&self, key: impl Into<Cow<'static, str>>, value: impl Into<String>) {
        if !self.audited {
            return;
        }
        let key = key.into();
        let mut annotations = self.annotations.borrow_mut();
        if annotations.iter().all(|(known, _)| *known != key) {
            annotations.push((key, value.into()));
        }
    }

    /// Keeps the object that a write brings for its audit event, if that wants it
    /// (`audit.LogRequestObject`); `write` appends it as JSON.
    pub fn show(&self, write: impl FnOnce(&mut Vec<u8>)) {
        if self.shows.get() {
            let mut out = Vec::new();
            write(&mut out);
            self.object.replace(Some(out));
        }
    }

    /// Takes what [`Self::show`] has kept.
    pub fn take_object(&self) -> Option<Vec<u8>> {
        self.object.take()
    }

    /// Takes the annotations for the audit event.
    pub fn take_annotations(&self) -> Vec<Annotation> {
        self.annotations.take()
    }
}

#[cfg(test)]
mod tests {
    use super::Context;

    #[test]
    fn many_long_warnings_are_cut() {
        let context = Context::default();
        context.warn("x".repeat(4_096));
        assert_eq!(context.take_warnings()[0].len(), 4_096);
        for letter in ["a", "b", "c"] {
            context.warn(letter.repeat(2_000));
        }
        let lengths: Vec<usize> = context.take_warnings().iter().map(String::len).collect();
        assert_eq!(lengths, [256; 3]);
    }

    #[test]
    fn the_first_value_of_an_annotation_stays() {
        let context = Context { audited: true, ..Context::default() };
        context.annotate("a/b", "1");
        context.annotate("a/b", "2");
        assert_eq!(context.take_annotations(), [("a/b".into(), "1".to_owned())]);
    }
}
