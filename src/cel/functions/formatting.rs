//! `'…%s…'.format([…])` (`ext/formatting.go` of cel-go).

use super::super::eval::{Outcome, Scope};
use super::super::text::formatted;
use super::super::value::{Fault, Val};
use super::text;

/// Digits behind the point at most.
const PRECISION_MAX: usize = 100;

pub(super) fn format<'v>(scope: &mut Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let [pattern, Val::List(list)] = args else { return Err(Fault::no_overload()) };
    let pattern = text(pattern)?;
    scope.work_text(pattern.len())?;
    let mut out = String::with_capacity(pattern.len());
    let mut used = 0;
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        let (plain, clause) = rest.split_at(at);
        out.push_str(plain);
        let clause = clause.get(1..).unwrap_or("");
        if let Some(after) = clause.strip_prefix('%') {
            out.push('%');
            rest = after;
            continue;
        }
        let (precision, clause) = precision(clause)?;
        let Some(verb) = clause.chars().next() else {
            return Err(Fault::error("unexpected end of string"));
        };
        rest = clause.get(verb.len_utf8()..).unwrap_or("");
        let Some(argument) = list.get(used) else {
            return Err(Fault::error(format!("index {used} out of range")));
        };
        used += 1;
        let made = clause_text(verb, precision, &argument?)?;
        scope.work_text(made.len())?;
        out.push_str(&made);
    }
    out.push_str(rest);
    Ok(Val::string(out))
}

/// The digits that `.N` asks for, and what follows.
fn precision(clause: &str) -> Result<(Option<usize>, &str), Fault> {
    let Some(digits) = clause.strip_prefix('.') else { return Ok((None, clause)) };
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    let (number, rest) = digits.split_at(end);
    match number.parse::<usize>() {
        Ok(precision) if precision <= PRECISION_MAX => Ok((Some(precision), rest)),
        _ => Err(Fault::error(format!("invalid precision: {number}"))),
    }
}

fn wrong(clause: &str, takes: &str, value: &Val<'_>) -> Fault {
    let name = value.type_name();
    Fault::error(format!(
        "error during formatting: {clause} clause can only be used on {takes}, was given {name}"
    ))
}

fn clause_text(verb: char, precision: Option<usize>, value: &Val<'_>) -> Result<String, Fault> {
    let precision = precision.unwrap_or(6);
    match (verb, value) {
        ('s', _) => formatted(value),
        ('d', Val::Int(n)) => Ok(n.to_string()),
        ('d', Val::Uint(n)) => Ok(n.to_string()),
        ('d', _) => Err(wrong("decimal", "integers", value)),
        ('f', Val::Double(n)) => Ok(grouped(*n, precision)),
        ('f', Val::Str(text)) if is_number_word(text.as_str()) => Ok(text.as_str().to_owned()),
        ('f', _) => Err(wrong("fixed-point", "doubles", value)),
        ('e', Val::Double(n)) => Ok(scientific(*n, precision)),
        ('e', Val::Str(text)) if is_number_word(text.as_str()) => Ok(text.as_str().to_owned()),
        ('e', _) => Err(wrong("scientific", "doubles", value)),
        ('b', Val::Int(n)) => Ok(signed(*n, |n| format!("{n:b}"))),
        ('b', Val::Uint(n)) => Ok(format!("{n:b}")),
        ('b', Val::Bool(b)) => Ok(u8::from(*b).to_string()),
        ('b', _) => Err(wrong("binary", "integers and bools", value)),
        ('o', Val::Int(n)) => Ok(signed(*n, |n| format!("{n:o}"))),
        ('o', Val::Uint(n)) => Ok(format!("{n:o}")),
        ('o', _) => Err(wrong("octal", "integers", value)),
        ('x' | 'X', _) => hex(verb == 'X', value),
        _ => Err(Fault::error(format!("unrecognized formatting clause \"{verb}\""))),
    }
}

fn is_number_word(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity")
}

fn signed(n: i64, write: impl Fn(u64) -> String) -> String {
    let digits = write(n.unsigned_abs());
    if n < 0 { format!("-{digits}") } else { digits }
}

fn hex(upper: bool, value: &Val<'_>) -> Result<String, Fault> {
    let bytes = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, b| format!("{text}{b:02x}"));
    let text = match value {
        Val::Int(n) => signed(*n, |n| format!("{n:x}")),
        Val::Uint(n) => format!("{n:x}"),
        Val::Str(text) => bytes(text.as_str().as_bytes()),
        Val::Bytes(raw) => bytes(raw),
        _ => return Err(wrong("hex", "integers, byte buffers, and strings", value)),
    };
    Ok(if upper { text.to_ascii_uppercase() } else { text })
}

/// A number with commas between thousands, as the English locale has it.
fn grouped(n: f64, precision: usize) -> String {
    if !n.is_finite() {
        return if n.is_nan() {
            "NaN"
        } else if n > 0.0 {
            "∞"
        } else {
            "-∞"
        }
        .to_owned();
    }
    let text = format!("{n:.precision$}");
    let (sign, digits) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let mut out = String::from(sign);
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A number with its power of ten, as the English locale has it.
fn scientific(n: f64, precision: usize) -> String {
    if !n.is_finite() {
        return grouped(n, precision);
    }
    let text = format!("{n:.precision$e}");
    let Some((digits, power)) = text.split_once('e') else { return text };
    let power: i32 = power.parse().unwrap_or(0);
    let sign = if power < 0 { '-' } else { '+' };
    format!("{digits}\u{202f}×\u{202f}10{}", superscript(sign, power.unsigned_abs()))
}

fn superscript(sign: char, power: u32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let mut out = String::new();
    out.push(if sign == '-' { '⁻' } else { '⁺' });
    for digit in format!("{power:02}").bytes() {
        out.extend(digits.get(usize::from(digit - b'0')));
    }
    out
}
