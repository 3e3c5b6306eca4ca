//! EventRateLimit: events come no faster than the file allows for the server, a namespace, a user,
//! or one source and object.
//!
//! A limit is a token bucket, told by the one time at which it will be full again. The times of
//! all buckets stand in a table that all shards share, without a lock: a bucket that is full again
//! needs no entry, so that forgetting it changes nothing, and the table is bounded as the file
//! says.

use super::refusal::aggregate;
use super::settings::joined;
use crate::base::clock;
use crate::codec::settings::{self, Kind, Shape};
use crate::object::Value;
use crate::object::field::{FieldError, Path};
use crate::request::{self, Attributes, Denial, Fault, Operation};
use bumpalo::Bump;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

const KIND: Kind = Kind {
    group: "eventratelimit.admission.k8s.io",
    versions: &["v1alpha1"],
    kind: "Configuration",
    fields: &[(
        "limits",
        Shape::List(&Shape::Object(&[
            ("type", Shape::Text),
            ("qps", Shape::Number),
            ("burst", Shape::Number),
            ("cacheSize", Shape::Number),
        ])),
    )],
};

/// What a limit is for, and the fields of an event that tell it from others.
const TYPES: [&str; 4] = ["Server", "Namespace", "User", "SourceAndObject"];
const SOURCE_AND_OBJECT: [&[&str]; 7] = [
    &["source", "component"],
    &["source", "host"],
    &["involvedObject", "kind"],
    &["involvedObject", "namespace"],
    &["involvedObject", "name"],
    &["involvedObject", "uid"],
    &["involvedObject", "apiVersion"],
];
/// Buckets that are kept unless the file says otherwise.
const BUCKETS: usize = 4_096;
/// No file makes a larger table.
const BUCKETS_MAX: usize = 1 << 20;
/// Buckets that are looked through for one.
const WAYS: usize = 8;
/// Bits of an entry that tell whose it is; the rest is a time in steps of [`STEP_NANOS`].
const TAG_BITS: u32 = 20;
const STEP_NANOS: u128 = 10_000;
const NANOS: f64 = 1e9;

/// All limits; the same for all shards.
#[derive(Debug, Default)]
pub(super) struct Limits(Vec<Limit>);

#[derive(Debug)]
struct Limit {
    of: &'static str,
    buckets: Buckets,
}

impl Limits {
    /// From a document of the AdmissionConfiguration, which must be there.
    ///
    /// # Errors
    /// Another form, no limits, or one that is not positive.
    pub(super) fn parse(source: Option<&[u8]>) -> Result<Self, String> {
        let arena = Bump::new();
        let file = source.map(|source| settings::decode(source, &KIND, &arena)).transpose()?;
        let listed = file.as_ref().map_or(&[][..], |file| file.list_at(&["limits"]));
        let root = Path::root("limits");
        let mut errors = Vec::new();
        if listed.is_empty() {
            errors.push(FieldError::invalid(&root, &Value::Null, "must not be empty"));
        }
        let mut limits = Vec::new();
        for (at, limit) in listed.iter().enumerate() {
            let path = root.index(at);
            let number = |name: &str| limit.i64_at(&[name]).unwrap_or(0);
            let named = limit.str_at(&["type"]);
            let of = TYPES.into_iter().find(|of| *of == named);
            if of.is_none() {
                errors.push(FieldError::not_supported(&path.child("type"), named, &TYPES));
            }
            for name in ["burst", "qps"] {
                if number(name) <= 0 {
                    let path = path.child(name);
                    errors.push(FieldError::invalid(&path, number(name), "must be positive"));
                }
            }
            let size = number("cacheSize");
            if of != Some("Server") && size < 0 {
                let path = path.child("cacheSize");
                errors.push(FieldError::invalid(&path, size, "must not be negative"));
            }
            let count = match (of, usize::try_from(size).unwrap_or(0)) {
                (Some("Server"), _) => WAYS,
                (_, 0) => BUCKETS,
                (_, size) => size.min(BUCKETS_MAX),
            };
            let buckets = Buckets::new(count, number("qps"), number("burst"));
            limits.extend(of.map(|of| Limit { of, buckets }));
        }
        joined(&errors).map_or(Ok(Self(limits)), Err)
    }

    /// Counts an event against all limits.
    ///
    /// # Errors
    /// 429 that tells each limit which is reached.
    pub(super) fn validate(&self, at: &Attributes<'_>, object: &Value<'_>) -> request::Result<()> {
        let written = matches!(at.operation, Operation::Create | Operation::Update);
        if at.resource.kind != "Event" || !written || at.dry_run {
            return Ok(());
        }
        let now = clock::now();
        let reached = self.0.iter().filter_map(|limit| {
            let key = limit.key(at, object);
            let told = || format!("limit reached on type {} for key {key}", limit.of);
            (!limit.buckets.take(&key, now)).then(told)
        });
        match aggregate(reached.collect()) {
            None => Ok(()),
            // `NewTooManyRequestsError`, which has no details.
            Some(why) => Err(Fault::Denied(Box::new(Denial {
                code: 429,
                reason: "TooManyRequests".to_owned(),
                message: format!("Too many requests: {why}"),
                details: None,
            }))),
        }
    }
}

impl Limit {
    fn key(&self, at: &Attributes<'_>, event: &Value<'_>) -> String {
        match self.of {
            "Namespace" => at.namespace.to_owned(),
            "User" => at.context.user.name.clone(),
            "SourceAndObject" => SOURCE_AND_OBJECT.map(|path| event.str_at(path)).concat(),
            _ => String::new(),
        }
    }
}

/// Token buckets by key (`flowcontrol.NewTokenBucketRateLimiter`).
#[derive(Debug)]
struct Buckets {
    entries: Box<[AtomicU64]>,
    hasher: RandomState,
    born: Instant,
    /// What one token takes to come back, and all but one of them, in nanoseconds.
    token_nanos: f64,
    slack_nanos: f64,
}

impl Buckets {
    fn new(count: usize, per_second: i64, burst: i64) -> Self {
        let (per_second, burst) = (limited(per_second), limited(burst));
        let count = count.next_multiple_of(WAYS);
        let token_nanos = NANOS / per_second;
        Self {
            entries: std::iter::repeat_with(AtomicU64::default).take(count).collect(),
            hasher: RandomState::new(),
            born: clock::now(),
            token_nanos,
            slack_nanos: token_nanos * (burst - 1.0),
        }
    }

    /// Takes a token of a key's bucket; false if there is none.
    fn take(&self, key: &str, now: Instant) -> bool {
        let hash = self.hasher.hash_one(key);
        let sets = self.entries.len() / WAYS;
        let set = usize::try_from(hash % sets as u64).unwrap_or(0) * WAYS;
        let tag = (hash >> (64 - TAG_BITS)) | 1;
        let now = now.saturating_duration_since(self.born).as_nanos();
        let Some(ways) = self.entries.get(set..set + WAYS) else { return true };
        loop {
            // Its own bucket, or else the one that is full the soonest.
            let seen = ways.iter().map(|way| (way, way.load(Ordering::Acquire)));
            let own = |seen: u64| seen & ((1 << TAG_BITS) - 1) == tag;
            let Some((way, seen)) = seen.min_by_key(|(_, seen)| (!own(*seen), *seen >> TAG_BITS))
            else {
                return true;
            };
            let full = if own(seen) { u128::from(seen >> TAG_BITS) * STEP_NANOS } else { 0 };
            let from = full.max(now);
            if as_float(from - now) > self.slack_nanos {
                return false;
            }
            let full = from + as_nanos(self.token_nanos);
            let steps = u64::try_from(full.div_ceil(STEP_NANOS)).unwrap_or(u64::MAX);
            let entry = (steps << TAG_BITS) | tag;
            if way.compare_exchange(seen, entry, Ordering::AcqRel, Ordering::Acquire).is_ok() {
                return true;
            }
        }
    }
}

/// Both are at most 32 bits in the file; a limit that is none is refused beside this.
fn limited(number: i64) -> f64 {
    f64::from(i32::try_from(number).unwrap_or(i32::MAX).max(1))
}

#[expect(clippy::cast_precision_loss, reason = "years in nanoseconds, to the microsecond")]
const fn as_float(nanos: u128) -> f64 {
    nanos as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "positive, a second")]
const fn as_nanos(nanos: f64) -> u128 {
    nanos as u128
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_bucket_gives_its_burst_and_then_one_at_a_time() {
        let buckets = Buckets::new(64, 10, 3);
        let start = buckets.born;
        let at = |millis| start + Duration::from_millis(millis);
        let taken: Vec<bool> = (0..4).map(|_| buckets.take("a", at(0))).collect();
        assert_eq!(taken, [true, true, true, false]);
        assert!(buckets.take("b", at(0)), "another key has a bucket of its own");
        assert!(!buckets.take("a", at(90)));
        assert!(buckets.take("a", at(101)) && !buckets.take("a", at(102)));
        let taken = (0..9).filter(|_| buckets.take("a", at(10_000))).count();
        assert_eq!(taken, 3, "it holds no more than its burst");
    }

    #[test]
    fn a_table_that_is_full_forgets_what_is_full_again_first() {
        let buckets = Buckets::new(WAYS, 1, 1);
        let start = buckets.born;
        let keys: Vec<String> = (0..WAYS).map(|key| key.to_string()).collect();
        for (at, key) in (0..).zip(&keys) {
            assert!(buckets.take(key, start + Duration::from_millis(at)));
        }
        let later = start + Duration::from_millis(20);
        assert!(keys.iter().all(|key| !buckets.take(key, later)));
        assert!(buckets.take("other", start + Duration::from_millis(1_001)));
        assert!(!buckets.take(&keys[WAYS - 1], later));
    }

    #[test]
    fn limits_are_checked_as_upstream_does() {
        let error = |text: &str| {
            let head = "apiVersion: eventratelimit.admission.k8s.io/v1alpha1\nkind: Configuration";
            Limits::parse(Some(format!("{head}\n{text}").as_bytes())).map(drop).unwrap_err()
        };
        assert_eq!(
            error(
                "limits: [{type: Foo, burst: -1}, {type: User, qps: 1, burst: 1, cacheSize: -5}]"
            ),
            "[limits[0].type: Unsupported value: \"Foo\": supported values: \"Server\", \
             \"Namespace\", \"User\", \"SourceAndObject\", limits[0].burst: Invalid value: -1: \
             must be positive, limits[0].qps: Invalid value: 0: must be positive, \
             limits[1].cacheSize: Invalid value: -5: must not be negative]"
        );
        let none = "limits: Invalid value: null: must not be empty";
        assert_eq!(Limits::parse(None).map(drop).unwrap_err(), none);
    }
}
