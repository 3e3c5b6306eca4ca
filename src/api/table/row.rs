//! Writes one row's cells as JSON, straight into the answer.

use crate::api::table::since::Human;
use crate::api::table::since::Moment;
use crate::codec::json::write;
use crate::object::Value;
use std::fmt;
use std::fmt::Write as _;

/// The cells of one row, being written: a JSON array without its brackets.
#[derive(Debug)]
pub struct Row<'o> {
    out: &'o mut Vec<u8>,
    now: Moment,
    empty: bool,
}

impl<'o> Row<'o> {
    /// A row whose cells are appended to `out`; ages count to `now`.
    pub fn new(out: &'o mut Vec<u8>, now: Moment) -> Self {
        Self { out, now, empty: true }
    }

    /// A string cell.
    pub fn text(&mut self, text: &str) {
        self.comma();
        write::string(text, self.out);
    }

    /// A string cell; `otherwise` stands for the empty string.
    pub fn text_or(&mut self, text: &str, otherwise: &str) {
        self.text(if text.is_empty() { otherwise } else { text });
    }

    /// A string cell from formatted parts.
    pub fn format(&mut self, parts: fmt::Arguments<'_>) {
        self.comma();
        self.out.push(b'"');
        let _ = Quoted(self.out).write_fmt(parts);
        self.out.push(b'"');
    }

    /// A number cell.
    pub fn int(&mut self, number: i64) {
        self.comma();
        self.out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
    }

    /// A number cell: how many.
    pub fn count(&mut self, count: usize) {
        self.int(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// A number cell.
    pub fn float(&mut self, number: f64) {
        self.comma();
        write::float(number, self.out);
    }

    /// A cell without a value.
    pub fn null(&mut self) {
        self.comma();
        self.out.extend_from_slice(b"null");
    }

    /// A boolean cell.
    pub fn flag(&mut self, flag: bool) {
        self.comma();
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    /// The time since an RFC 3339 timestamp; `<unknown>` if there is none.
    pub fn since(&mut self, timestamp: &str) {
        match self.elapsed(timestamp) {
            Some(elapsed) => self.format(format_args!("{elapsed}")),
            None => self.text("<unknown>"),
        }
    }

    /// The object's age, from its creationTimestamp.
    pub fn age(&mut self, object: &Value<'_>) {
        self.since(object.str_at(&["metadata", "creationTimestamp"]));
    }

    /// The object's name.
    pub fn name(&mut self, object: &Value<'_>) {
        self.text(object.str_at(&["metadata", "name"]));
    }

    /// The time between a timestamp and now.
    pub fn elapsed(&self, timestamp: &str) -> Option<Human> {
        Moment::parse(timestamp).map(|then| Human(self.now.0.saturating_sub(then.0)))
    }

    fn comma(&mut self) {
        if self.empty {
            self.empty = false;
        } else {
            self.out.push(b',');
        }
    }
}

/// Escapes what is formatted into it.
struct Quoted<'o>(&'o mut Vec<u8>);

impl fmt::Write for Quoted<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write::escaped(text, self.0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Row;
    use crate::api::table::since::Moment;

    #[test]
    fn cells_are_json() {
        let mut out = Vec::new();
        let mut row = Row::new(&mut out, Moment(10_000));
        row.text("a\"\\\n\u{1}é");
        row.int(-3);
        row.flag(true);
        row.since("1970-01-01T00:00:03Z");
        row.since("");
        row.format(format_args!("{}/\"", 1));
        let text = String::from_utf8(out).expect("JSON is UTF-8");
        assert_eq!(
            text,
            "\"a\\\"\\\\\\n\\u0001é\",-3,true,\"7s\",\"\\u003cunknown\\u003e\",\"1/\\\"\""
        );
    }
}
