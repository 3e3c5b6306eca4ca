//! `resource.Quantity`: a decimal number with a suffix, read and written as upstream does it
//! (`apimachinery pkg/api/resource`): values finer than a billionth are rounded up, binary ones are
//! capped at `i64::MAX`, and the text is kept as it came where upstream takes it for canonical.
//!
//! One deviation: upstream keeps numbers of any length, here more than 38 significant digits are
//! refused as not numeric.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// How a quantity prints (`resource.Format`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `12Mi`.
    BinarySI,
    /// `12e6`.
    DecimalExponent,
    /// `12M`.
    DecimalSI,
}

/// A parsed quantity: `value * 10^scale`.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    value: i128,
    scale: i32,
    format: Format,
    /// The source text stands for the quantity as it is (`Quantity.s` upstream).
    verbatim: bool,
    /// Upstream holds it as an `int64Amount`; what overflows that reads as 0, not as a remainder.
    small: bool,
}

/// Why a text is no quantity (`ErrFormatWrong`, `ErrNumeric`, `ErrSuffix`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityError {
    /// Not number and suffix.
    Format,
    /// The number is none.
    Numeric,
    /// The suffix is none.
    Suffix,
}

impl fmt::Display for QuantityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Format => {
                "quantities must match the regular expression \
                 '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            }
            Self::Numeric => "unable to parse numeric part of quantity",
            Self::Suffix => "unable to parse quantity's suffix",
        })
    }
}

const NANO: i32 = -9;
const MILLI: i32 = -3;
/// Digits that an `int64Amount` is trusted with (`maxInt64Factors`).
const SMALL_DIGITS_MAX: usize = 18;

struct Parts<'s> {
    negative: bool,
    number: &'s str,
    fraction: &'s str,
    suffix: &'s str,
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// `parseQuantityString`.
fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let (negative, rest) = match text.as_bytes().first() {
        Some(b'-') => (true, text.get(1..).unwrap_or("")),
        Some(b'+') => (false, text.get(1..).unwrap_or("")),
        _ => (false, text),
    };
    let rest = rest.trim_start_matches('0');
    if rest.is_empty() {
        return Ok(Parts { negative, number: "0", fraction: "", suffix: "" });
    }
    let (number, rest) = rest.split_at(digits(rest));
    let number = if number.is_empty() { "0" } else { number };
    let (fraction, rest) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits(rest)),
        None => ("", rest),
    };
    let suffix = rest;
    let letters = rest.bytes().take_while(|b| b"eEinumkKMGTP".contains(b)).count();
    let rest = rest.get(letters..).unwrap_or("");
    let rest = rest.strip_prefix(['-', '+']).unwrap_or(rest);
    if digits(rest) != rest.len() {
        return Err(QuantityError::Format);
    }
    Ok(Parts { negative, number, fraction, suffix })
}

/// `suffixHandler.interpret`: the exponent of ten, or of two for BinarySI.
fn interpret(suffix: &str) -> Result<(Format, i32), QuantityError> {
    Ok(match suffix {
        "n" => (Format::DecimalSI, -9),
        "u" => (Format::DecimalSI, -6),
        "m" => (Format::DecimalSI, -3),
        "" => (Format::DecimalSI, 0),
        "k" => (Format::DecimalSI, 3),
        "M" => (Format::DecimalSI, 6),
        "G" => (Format::DecimalSI, 9),
        "T" => (Format::DecimalSI, 12),
        "P" => (Format::DecimalSI, 15),
        "E" => (Format::DecimalSI, 18),
        "Ki" => (Format::BinarySI, 10),
        "Mi" => (Format::BinarySI, 20),
        "Gi" => (Format::BinarySI, 30),
        "Ti" => (Format::BinarySI, 40),
        "Pi" => (Format::BinarySI, 50),
        "Ei" => (Format::BinarySI, 60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
            let exponent: i64 = exponent.parse().map_err(|_| QuantityError::Suffix)?;
            let bound = i64::from(i32::MAX / 2);
            // Upstream wraps absurd exponents around; they are cut off here.
            let exponent = exponent.clamp(-bound, bound);
            (Format::DecimalExponent, i32::try_from(exponent).unwrap_or(0))
        }
    })
}

fn si_suffix(exponent: i32) -> &'static str {
    match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        // Upstream prints no suffix where it knows none, which changes the number.
        _ => "",
    }
}

fn pow10(exponent: i32) -> Option<i128> {
    10i128.checked_pow(u32::try_from(exponent).ok()?)
}

impl Quantity {
    /// 0.
    pub const ZERO: Self = Self::from_int(0);

    /// A whole number, written with decimal suffixes.
    pub const fn from_int(value: i64) -> Self {
        Self {
            value: value as i128,
            scale: 0,
            format: Format::DecimalSI,
            verbatim: false,
            small: true,
        }
    }

    /// Reads a quantity (`ParseQuantity`), blanks around it allowed.
    ///
    /// # Errors
    /// If the text has another form, an unknown suffix, or a number of more than 38 digits.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(QuantityError::Format);
        }
        let parts = split(text)?;
        let (format, exponent) = interpret(parts.suffix)?;
        let fraction = i32::try_from(parts.fraction.len()).map_err(|_| QuantityError::Numeric)?;
        let mut value = number(&parts)?;
        let mut scale = -fraction;
        let width = parts.number.len() + parts.fraction.len();
        let (small, verbatim) = match format {
            Format::BinarySI => {
                let small =
                    fraction == 0 && width + usize::try_from(exponent).unwrap_or(0) / 10 * 3 < 15;
                let odd = value & 7 != 0;
                value = value.checked_mul(1i128 << exponent).ok_or(QuantityError::Numeric)?;
                (small, small && odd)
            }
            Format::DecimalExponent | Format::DecimalSI => {
                scale = scale.saturating_add(exponent);
                let tail = width >= 3 && value % 1000 == 0;
                let small = width <= SMALL_DIGITS_MAX && scale >= NANO;
                (small, small && scale % 3 == 0 && !tail && !parts.number.starts_with('0'))
            }
        };
        if parts.negative {
            value = -value;
        }
        let mut quantity = Self { value, scale, format, verbatim, small };
        quantity.bound();
        Ok(quantity)
    }

    /// Applies the bounds of `ParseQuantity`: nothing finer than nano, nothing binary beyond i64.
    fn bound(&mut self) {
        if self.scale < NANO {
            *self = self.round_up(NANO);
        }
        if self.format == Format::BinarySI {
            let max = Self::from_int(i64::MAX);
            let magnitude = Self { value: self.value.abs(), ..*self };
            if magnitude > max {
                self.value = max.value * self.value.signum();
                self.scale = 0;
                self.verbatim = false;
            } else if magnitude.value != 0 && magnitude < Self::from_int(1) {
                self.format = Format::DecimalSI;
            }
        }
    }

    /// Rounds away from zero to a multiple of `10^scale` (`Quantity.RoundUp`).
    fn round_up(&self, scale: i32) -> Self {
        if self.scale >= scale {
            return *self;
        }
        let step = scale.checked_sub(self.scale).and_then(pow10);
        let value = match step {
            Some(step) => {
                let rest = self.value % step;
                self.value / step + if rest == 0 { 0 } else { rest.signum() }
            }
            None => self.value.signum(),
        };
        Self { value, scale, verbatim: false, ..*self }
    }

    /// Rounds away from zero to thousandths, as `SetDefaults_ResourceList` does with resources.
    pub fn round_up_milli(&self) -> Self {
        self.round_up(MILLI)
    }

    /// The sign: -1, 0 or 1.
    pub const fn signum(&self) -> i32 {
        match self.value {
            0 => 0,
            value if value < 0 => -1,
            _ => 1,
        }
    }

    /// The number at `10^scale`, rounded away from zero (`ScaledValue`). What is too large for an
    /// i64 is 0 if upstream holds the quantity in one, else its low 64 bits.
    fn scaled(&self, scale: i32) -> i64 {
        let at = self.round_up(scale);
        if at.value == 0 {
            return 0;
        }
        let factor = pow10(at.scale.saturating_sub(scale));
        let wide = factor.and_then(|factor| at.value.checked_mul(factor));
        match wide.and_then(|wide| i64::try_from(wide).ok()) {
            Some(value) => value,
            None if self.small => 0,
            None => low_bits(at.value).wrapping_mul(factor.map_or(0, low_bits)),
        }
    }

    /// Whole units, rounded away from zero (`Quantity.Value`).
    pub fn value(&self) -> i64 {
        self.scaled(0)
    }

    /// Thousandths, rounded away from zero (`Quantity.MilliValue`).
    pub fn milli_value(&self) -> i64 {
        self.scaled(MILLI)
    }

    /// True if upstream takes the number for a whole one: it looks at `MilliValue`.
    pub fn is_integer(&self) -> bool {
        self.milli_value() % 1000 == 0
    }

    fn is_whole(&self) -> bool {
        self.round_up(0) == *self
    }

    /// Both numbers at the finer of the two scales, if they fit.
    fn aligned(&self, other: &Self) -> Option<(i128, i128, i32)> {
        let scale = self.scale.min(other.scale);
        let at = |q: &Self| match q.value {
            0 => Some(0),
            value => value.checked_mul(pow10(q.scale.checked_sub(scale)?)?),
        };
        Some((at(self)?, at(other)?, scale))
    }

    /// Position of the first digit.
    fn weight(&self) -> i64 {
        let width = self.value.unsigned_abs().checked_ilog10().unwrap_or(0);
        i64::from(width) + i64::from(self.scale)
    }

    /// The sum, written as the left side is (as the right if the left is 0).
    pub fn add(&self, other: &Self) -> Self {
        let format = if self.value == 0 { other.format } else { self.format };
        match self.aligned(other) {
            Some((a, b, scale)) => {
                let value = a.saturating_add(b);
                let small = i64::try_from(value).is_ok();
                Self { value, scale, format, verbatim: false, small }
            }
            // One of the two is too large for the other to matter.
            None if self.weight() >= other.weight() => *self,
            None => *other,
        }
    }

    /// The difference, written as the left side is.
    pub fn subtract(&self, other: &Self) -> Self {
        self.add(&Self { value: other.value.saturating_neg(), ..*other })
    }

    /// The canonical text; `source` is what was parsed, reused where upstream keeps it.
    pub fn text<'s>(&self, source: &'s str) -> Cow<'s, str> {
        let source = source.trim();
        if self.verbatim {
            return Cow::Borrowed(source);
        }
        let text = self.to_string();
        if text == source { Cow::Borrowed(source) } else { Cow::Owned(text) }
    }

    /// The text that stands for the quantity in an object: the canonical one, but all digits where
    /// that says another number (upstream prints no suffix beyond `E`). [`printed`] is its way out.
    pub fn kept<'s>(&self, source: &'s str) -> Cow<'s, str> {
        let text = self.text(source);
        let whole = pow10(self.scale).and_then(|factor| self.value.checked_mul(factor));
        match whole.filter(|_| self.format == Format::DecimalSI).map(|whole| whole.to_string()) {
            Some(digits) if digits.len() >= KEPT_DIGITS && printed(&digits) != digits => {
                if source == digits { Cow::Borrowed(source) } else { Cow::Owned(digits) }
            }
            _ => text,
        }
    }

    fn decimal(&self, f: &mut fmt::Formatter<'_>, exponential: bool) -> fmt::Result {
        let (mut value, mut exponent) = (self.value, self.scale);
        while value % 10 == 0 {
            value /= 10;
            exponent = exponent.saturating_add(1);
        }
        let shift = exponent.rem_euclid(3);
        let zeros = ["", "0", "00"];
        let zeros = usize::try_from(shift).ok().and_then(|at| zeros.get(at)).unwrap_or(&"");
        let exponent = exponent.saturating_sub(shift);
        match exponential {
            true if exponent == 0 => write!(f, "{value}{zeros}"),
            true => write!(f, "{value}{zeros}e{exponent}"),
            false => write!(f, "{value}{zeros}{}", si_suffix(exponent)),
        }
    }
}

/// From how many digits on a canonical text may say another number than was meant.
const KEPT_DIGITS: usize = 22;

/// What upstream prints for a quantity that an object holds as `kept`.
pub fn printed(kept: &str) -> Cow<'_, str> {
    if kept.len() < KEPT_DIGITS {
        return Cow::Borrowed(kept);
    }
    Quantity::parse(kept).map_or(Cow::Borrowed(kept), |quantity| quantity.text(kept))
}

fn number(parts: &Parts<'_>) -> Result<i128, QuantityError> {
    let mut value = 0i128;
    for digit in parts.number.bytes().chain(parts.fraction.bytes()) {
        value = value
            .checked_mul(10)
            .and_then(|value| value.checked_add(i128::from(digit.wrapping_sub(b'0'))))
            .ok_or(QuantityError::Numeric)?;
    }
    Ok(value)
}

/// What Go's conversion to int64 keeps.
fn low_bits(value: i128) -> i64 {
    let [a, b, c, d, e, f, g, h, ..] = value.to_le_bytes();
    i64::from_le_bytes([a, b, c, d, e, f, g, h])
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares the numbers, whatever their formats.
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        match self.aligned(other) {
            Some((a, b, _)) => a.cmp(&b),
            // Too far apart for one scale: the sign decides, then the magnitude.
            None => match self.value.signum().cmp(&other.value.signum()) {
                Ordering::Equal if self.value > 0 => self.weight().cmp(&other.weight()),
                Ordering::Equal => other.weight().cmp(&self.weight()),
                unequal => unequal,
            },
        }
    }
}

/// The canonical text (`CanonicalizeBytes`).
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.value == 0 {
            return f.write_str("0");
        }
        match self.format {
            Format::DecimalExponent => self.decimal(f, true),
            Format::DecimalSI => self.decimal(f, false),
            Format::BinarySI => {
                let mut whole = self.value();
                if !self.is_whole() || (-1024 < whole && whole < 1024) {
                    return self.decimal(f, false);
                }
                let mut power = 0usize;
                while whole % 1024 == 0 {
                    whole /= 1024;
                    power += 1;
                }
                let suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
                write!(f, "{whole}{}", suffixes.get(power).unwrap_or(&""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Quantity, QuantityError, printed};
    use std::cmp::Ordering;

    fn canonical(text: &str) -> String {
        let quantity = Quantity::parse(text).unwrap();
        quantity.round_up_milli().text(text).into_owned()
    }

    #[test]
    fn resource_quantities_print_as_upstream_prints_them() {
        let cases = [
            ("1", "1"),
            ("1000m", "1"),
            ("1500m", "1500m"),
            ("0.5", "500m"),
            ("1Gi", "1Gi"),
            ("1024Mi", "1Gi"),
            ("1e3", "1e3"),
            ("1E3", "1E3"),
            ("1k", "1k"),
            ("1000", "1k"),
            ("0.1", "100m"),
            ("100n", "1m"),
            ("1u", "1m"),
            ("1.5Gi", "1536Mi"),
            ("-1", "-1"),
            ("1e-3", "1e-3"),
            ("123456789123456789", "123456789123456789"),
            ("+1", "+1"),
            ("1.0000", "1"),
            (".5", "500m"),
            ("5.", "5."),
            ("0", "0"),
            ("-", "0"),
            ("10000000000000000000000", "10"),
            ("1e100", "10e99"),
            ("0.5Gi", "512Mi"),
            ("0.0001Ki", "103m"),
            ("16Ei", "9223372036854775807"),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text), expected, "{text}");
        }
    }

    #[test]
    fn a_number_beyond_all_suffixes_is_kept_whole_until_it_is_printed() {
        for text in ["10000000000000000000000", "10000E", "10000000P"] {
            let kept = Quantity::parse(text).unwrap().kept(text).into_owned();
            assert_eq!(kept, "10000000000000000000000");
            assert_eq!(printed(&kept), "10");
        }
        for text in ["1k", "123456789123456789123456", "1e30", "20E", "1Ei"] {
            let kept = Quantity::parse(text).unwrap().kept(text).into_owned();
            assert_eq!(printed(&kept), kept, "{text}");
        }
    }

    #[test]
    fn what_is_no_quantity_is_refused_with_upstream_s_text() {
        for text in ["", "abc", "1Kib", "1 1", "1e5x"] {
            assert_eq!(Quantity::parse(text), Err(QuantityError::Format), "{text}");
        }
        assert_eq!(Quantity::parse("1iG"), Err(QuantityError::Suffix));
        assert_eq!(Quantity::parse(&"9".repeat(40)), Err(QuantityError::Numeric));
    }

    #[test]
    fn quantities_compare_and_add_by_value() {
        let parse = |text| Quantity::parse(text).unwrap();
        assert_eq!(parse("1").cmp(&parse("1000m")), Ordering::Equal);
        assert_eq!(parse("1Gi").cmp(&parse("1G")), Ordering::Greater);
        assert_eq!(parse("1e100").cmp(&parse("1n")), Ordering::Greater);
        assert_eq!(parse("-1e100").cmp(&parse("1n")), Ordering::Less);
        assert_eq!(parse("1500m").value(), 2);
        assert_eq!(parse("1500m").milli_value(), 1500);
        assert_eq!(parse("1").add(&parse("500m")).to_string(), "1500m");
        assert_eq!(parse("1Gi").subtract(&parse("512Mi")).to_string(), "512Mi");
        assert!(!parse("1500m").is_integer() && parse("1000m").is_integer());
    }

    #[test]
    fn what_overflows_reads_as_upstream_reads_it() {
        let parse = |text| Quantity::parse(text).unwrap();
        // An int64Amount that does not fit its scale is 0, a decimal keeps its low bits.
        assert_eq!(parse("9E").milli_value(), 0);
        assert_eq!(parse("10000000000000000000000").value(), 1_864_712_049_423_024_128);
        assert!(!parse("10000000000000000000000").is_integer());
        assert_eq!(parse("16Ei").value(), i64::MAX);
    }
}
