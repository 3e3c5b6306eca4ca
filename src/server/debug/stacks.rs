//! Samples of stacks: as lines for a flame graph, and as the message that `go tool pprof` reads
//! (`profile.proto` of github.com/google/pprof).

use crate::base::hash::HashMap;
use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::io::Write;
use std::time::Duration;

/// One function on a stack.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Frame {
    pub(super) name: String,
    pub(super) file: String,
    pub(super) line: i64,
}

/// A stack that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stack {
    pub(super) thread: String,
    /// The innermost first.
    pub(super) frames: Vec<Frame>,
    /// How often.
    pub(super) count: i64,
}

/// All that were seen in some time.
#[derive(Debug)]
pub(super) struct Profile {
    pub(super) stacks: Vec<Stack>,
    /// Since the epoch.
    pub(super) began_nanos: i64,
    pub(super) lasted: Duration,
    /// The CPU time that one sample stands for.
    pub(super) period: Duration,
}

/// Each stack as `thread;outermost;…;innermost count`.
pub(super) fn folded(stacks: &[Stack]) -> Vec<String> {
    let line = |stack: &Stack| {
        // These two would end a name.
        let plain = |name: &str| name.replace([';', '\n'], ":");
        let mut line = plain(&stack.thread);
        for frame in stack.frames.iter().rev() {
            line.push(';');
            line.push_str(&plain(&frame.name));
        }
        format!("{line} {}", stack.count)
    };
    let mut lines: Vec<String> = stacks.iter().map(line).collect();
    lines.sort_unstable();
    lines
}

impl Profile {
    /// The message, compressed with gzip as Go sends it.
    ///
    /// # Errors
    /// None that are known: it is written to memory.
    pub(super) fn encode(&self) -> std::io::Result<Vec<u8>> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&self.message().encode_to_vec())?;
        gzip.finish()
    }

    fn message(&self) -> proto::Profile {
        let mut strings = Strings::default();
        // The first string is the empty one.
        strings.place("");
        let mut unit = |kind: &str, unit: &str| proto::ValueType {
            r#type: strings.place(kind),
            unit: strings.place(unit),
        };
        let (samples, cpu) = (unit("samples", "count"), unit("cpu", "nanoseconds"));
        let period = i64::try_from(self.period.as_nanos()).unwrap_or(i64::MAX);
        let thread = strings.place("thread");
        let mut locations = Vec::new();
        let mut functions = Vec::new();
        let mut known: HashMap<&Frame, u64> = HashMap::default();
        let mut sample = Vec::with_capacity(self.stacks.len());
        for stack in &self.stacks {
            let mut location_id = Vec::with_capacity(stack.frames.len());
            for frame in &stack.frames {
                let next = known.len() as u64 + 1;
                let id = *known.entry(frame).or_insert_with(|| {
                    let (name, filename) = (strings.place(&frame.name), strings.place(&frame.file));
                    functions.push(proto::Function { id: next, name, system_name: name, filename });
                    let line = proto::Line { function_id: next, line: frame.line };
                    locations.push(proto::Location { id: next, line: vec![line] });
                    next
                });
                location_id.push(id);
            }
            let label = proto::Label { key: thread, str: strings.place(&stack.thread) };
            let value = vec![stack.count, stack.count.saturating_mul(period)];
            sample.push(proto::Sample { location_id, value, label: vec![label] });
        }
        proto::Profile {
            sample_type: vec![samples, cpu.clone()],
            sample,
            location: locations,
            function: functions,
            string_table: strings.all,
            time_nanos: self.began_nanos,
            duration_nanos: i64::try_from(self.lasted.as_nanos()).unwrap_or(i64::MAX),
            period_type: Some(cpu),
            period,
        }
    }
}

/// Strings that are named by their place.
#[derive(Debug, Default)]
struct Strings {
    all: Vec<String>,
    places: HashMap<String, i64>,
}

impl Strings {
    fn place(&mut self, text: &str) -> i64 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = i64::try_from(self.all.len()).unwrap_or(0);
        self.all.push(text.to_owned());
        self.places.insert(text.to_owned(), place);
        place
    }
}

/// The fields of `profile.proto` that are written.
mod proto {
    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub(super) struct Profile {
        #[prost(message, repeated, tag = "1")]
        pub(super) sample_type: Vec<ValueType>,
        #[prost(message, repeated, tag = "2")]
        pub(super) sample: Vec<Sample>,
        #[prost(message, repeated, tag = "4")]
        pub(super) location: Vec<Location>,
        #[prost(message, repeated, tag = "5")]
        pub(super) function: Vec<Function>,
        #[prost(string, repeated, tag = "6")]
        pub(super) string_table: Vec<String>,
        #[prost(int64, tag = "9")]
        pub(super) time_nanos: i64,
        #[prost(int64, tag = "10")]
        pub(super) duration_nanos: i64,
        #[prost(message, optional, tag = "11")]
        pub(super) period_type: Option<ValueType>,
        #[prost(int64, tag = "12")]
        pub(super) period: i64,
    }

    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub(super) struct ValueType {
        #[prost(int64, tag = "1")]
        pub(super) r#type: i64,
        #[prost(int64, tag = "2")]
        pub(super) unit: i64,
    }

    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub(super) struct Sample {
        #[prost(uint64, repeated, tag = "1")]
        pub(super) location_id: Vec<u64>,
        #[prost(int64, repeated, tag = "2")]
        pub(super) value: Vec<i64>,
        #[prost(message, repeated, tag = "3")]
        pub(super) label: Vec<Label>,
    }

    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub(super) struct Label {
        #[prost(int64, tag = "1")]
        pub(super) key: i64,
        #[prost(int64, tag = "2")]
        pub(super) str: i64,
    }

    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub(super) struct Location {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(message, repeated, tag = "4")]
        pub(super) line: Vec<Line>,
    }

    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub(super) struct Line {
        #[prost(uint64, tag = "1")]
        pub(super) function_id: u64,
        #[prost(int64, tag = "2")]
        pub(super) line: i64,
    }

    #[derive(Clone, PartialEq, Eq, prost::Message)]
    pub(super) struct Function {
        #[prost(uint64, tag = "1")]
        pub(super) id: u64,
        #[prost(int64, tag = "2")]
        pub(super) name: i64,
        #[prost(int64, tag = "3")]
        pub(super) system_name: i64,
        #[prost(int64, tag = "4")]
        pub(super) filename: i64,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(thread: &str, names: &[&str], count: i64) -> Stack {
        let frame =
            |name: &&str| Frame { name: (*name).to_owned(), file: "a.rs".to_owned(), line: 7 };
        Stack { thread: thread.to_owned(), frames: names.iter().map(frame).collect(), count }
    }

    #[test]
    fn a_flame_graph_has_the_outermost_function_first() {
        let stacks = [stack("shard-1", &["in", "out"], 2), stack("shard-0", &["a;b"], 1)];
        assert_eq!(folded(&stacks), ["shard-0;a:b 1", "shard-1;out;in 2"]);
    }

    #[test]
    fn each_function_is_told_once_and_each_sample_names_it() {
        let stacks = vec![stack("s", &["in", "out"], 2), stack("s", &["out"], 3)];
        let lasted = Duration::from_secs(1);
        let period = Duration::from_millis(5);
        let message = Profile { stacks, began_nanos: 1, lasted, period }.message();
        assert_eq!(message.string_table.first().map(String::as_str), Some(""));
        let text = |place: i64| {
            let place = usize::try_from(place).expect("a place");
            message.string_table.get(place).map(String::as_str)
        };
        let names: Vec<_> = message.function.iter().map(|function| text(function.name)).collect();
        assert_eq!(names, [Some("in"), Some("out")]);
        let samples: Vec<_> =
            message.sample.iter().map(|s| (&s.location_id[..], s.value[1])).collect();
        assert_eq!(samples, [(&[1, 2][..], 10_000_000), (&[2], 15_000_000)]);
        assert_eq!(
            message.period_type.map(|of| (text(of.r#type), text(of.unit))),
            Some((Some("cpu"), Some("nanoseconds")))
        );
    }
}
