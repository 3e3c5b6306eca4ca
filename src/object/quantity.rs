//! `resource.Quantity`: fixed-point numbers with SI, binary or exponent suffixes.
//!
//! A quantity is parsed as upstream parses it (`apimachinery pkg/api/resource`): values finer than
//! a billionth are rounded up, binary ones are capped at `i64::MAX`, and the text is kept as it
//! came where upstream takes it for canonical already.

use std::cmp::Ordering;
use std::fmt;

/// How a quantity is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `Ki`, `Mi`, …
    Binary,
    /// `m`, `k`, `M`, …
    Decimal,
    /// `e3`.
    Exponent,
}

/// Why a text is no quantity; the message is upstream's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuantityError {
    /// The text has another form.
    Format,
    /// The number cannot be held.
    Numeric,
    /// The suffix is unknown.
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

/// A number `mantissa` × 10^`exponent`, and how to write it.
#[derive(Debug, Clone, Copy)]
pub struct Quantity {
    mantissa: i128,
    exponent: i32,
    format: Format,
}

/// The finest that is kept: a billionth.
const NANO: i32 = -9;
/// Exponents beyond this are refused: nothing in Kubernetes counts so far.
const EXPONENT_MAX: i32 = 1_000;

impl Quantity {
    /// 0.
    pub const ZERO: Self = Self { mantissa: 0, exponent: 0, format: Format::Decimal };

    /// An integer, written with decimal suffixes.
    pub const fn from_int(value: i64) -> Self {
        Self { mantissa: value as i128, exponent: 0, format: Format::Decimal }
    }

    /// `ParseQuantity`.
    ///
    /// # Errors
    /// If the text has another form, an unknown suffix, or a number of more than 38 digits.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        Ok(Parts::split(text)?.value()?.0)
    }

    /// The text that a JSON answer shows for `text`; `None` if that is `text` itself.
    ///
    /// # Errors
    /// As [`Quantity::parse`].
    pub fn canonical(text: &str) -> Result<Option<String>, QuantityError> {
        let (value, verbatim) = Parts::split(text)?.value()?;
        if verbatim || text == "0" {
            return Ok(None);
        }
        let shown = value.to_string();
        Ok(if shown == text { None } else { Some(shown) })
    }

    /// -1, 0 or 1.
    pub const fn signum(&self) -> i32 {
        match self.mantissa {
            0 => 0,
            mantissa if mantissa < 0 => -1,
            _ => 1,
        }
    }

    /// True if there is no fraction.
    pub fn is_integer(&self) -> bool {
        self.exponent >= 0 || self.scaled(0).is_some_and(|(_, exact)| exact)
    }

    /// `Value`: rounded up to an integer, capped to what fits.
    pub fn value(&self) -> i64 {
        self.at_scale(0)
    }

    /// `MilliValue`: thousandths, rounded up, capped to what fits.
    pub fn milli_value(&self) -> i64 {
        self.at_scale(-3)
    }

    /// The sum, written as the left side is (as the right if the left is 0).
    pub fn add(&self, other: &Self) -> Self {
        let format = if self.mantissa == 0 { other.format } else { self.format };
        let exponent = self.exponent.min(other.exponent);
        let at = |q: &Self| shift(q.mantissa, q.exponent.saturating_sub(exponent));
        let mantissa = match (at(self), at(other)) {
            (Some(a), Some(b)) => a.saturating_add(b),
            // One of the two is too large for the other to matter.
            (None, _) => return *self,
            (_, None) => return *other,
        };
        Self { mantissa, exponent, format }
    }

    /// The difference, written as the left side is.
    pub fn subtract(&self, other: &Self) -> Self {
        self.add(&Self { mantissa: other.mantissa.saturating_neg(), ..*other })
    }

    /// `RoundUp` to thousandths: what resource lists are cut to.
    pub fn round_up_milli(&self) -> Self {
        if self.exponent >= -3 {
            return *self;
        }
        match self.scaled(-3) {
            Some((mantissa, _)) => Self { mantissa, exponent: -3, ..*self },
            None => *self,
        }
    }

    fn at_scale(&self, exponent: i32) -> i64 {
        match self.scaled(exponent) {
            Some((value, _)) => {
                i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
            }
            None if self.mantissa < 0 => i64::MIN,
            None => i64::MAX,
        }
    }

    /// The mantissa at `exponent`, rounded away from zero, and whether that is exact.
    fn scaled(&self, exponent: i32) -> Option<(i128, bool)> {
        let by = self.exponent.checked_sub(exponent)?;
        if by >= 0 {
            return Some((shift(self.mantissa, by)?, true));
        }
        let Some(divisor) = ten_to(by.unsigned_abs()) else {
            return Some((self.mantissa.signum(), self.mantissa == 0));
        };
        let (whole, rest) = (self.mantissa / divisor, self.mantissa % divisor);
        Some(if rest == 0 { (whole, true) } else { (whole + rest.signum(), false) })
    }
}

fn ten_to(power: u32) -> Option<i128> {
    10i128.checked_pow(power)
}

/// `mantissa` × 10^`by`.
fn shift(mantissa: i128, by: i32) -> Option<i128> {
    if mantissa == 0 {
        return Some(0);
    }
    mantissa.checked_mul(ten_to(u32::try_from(by).ok()?)?)
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

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        let signs = self.signum().cmp(&other.signum());
        if signs != Ordering::Equal || self.mantissa == 0 {
            return signs;
        }
        let exponent = self.exponent.min(other.exponent);
        let at = |q: &Self| shift(q.mantissa, q.exponent.saturating_sub(exponent));
        match (at(self), at(other)) {
            (Some(a), Some(b)) => a.cmp(&b),
            (None, _) if self.mantissa > 0 => Ordering::Greater,
            (_, None) if self.mantissa < 0 => Ordering::Greater,
            _ => Ordering::Less,
        }
    }
}

/// `CanonicalizeBytes`.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
        if self.mantissa == 0 {
            return f.write_str("0");
        }
        if self.format == Format::Binary {
            let whole = self.scaled(0).filter(|(value, exact)| *exact && value.abs() >= 1_024);
            if let Some((mut value, _)) = whole {
                let mut suffix = 0;
                while value % 1_024 == 0 && suffix + 1 < BINARY.len() {
                    value /= 1_024;
                    suffix += 1;
                }
                return write!(f, "{value}{}", BINARY.get(suffix).unwrap_or(&""));
            }
        }
        let (mut mantissa, mut exponent) = (self.mantissa, self.exponent);
        while mantissa % 10 == 0 {
            mantissa /= 10;
            exponent += 1;
        }
        let extra = exponent.rem_euclid(3);
        let mut low = exponent - extra;
        if self.format != Format::Exponent {
            low = low.min(18);
        }
        match shift(mantissa, exponent - low) {
            Some(shown) => mantissa = shown,
            None => low = exponent,
        }
        let suffix = match low {
            -9 => "n",
            -6 => "u",
            -3 => "m",
            0 => "",
            3 => "k",
            6 => "M",
            9 => "G",
            12 => "T",
            15 => "P",
            18 => "E",
            _ => return write!(f, "{mantissa}e{low}"),
        };
        if self.format == Format::Exponent && low != 0 {
            return write!(f, "{mantissa}e{low}");
        }
        write!(f, "{mantissa}{suffix}")
    }
}

/// The parts of a quantity's text.
struct Parts<'t> {
    negative: bool,
    whole: &'t str,
    fraction: &'t str,
    suffix: &'t str,
}

impl<'t> Parts<'t> {
    /// `parseQuantityString`.
    fn split(text: &'t str) -> Result<Self, QuantityError> {
        let wrong = QuantityError::Format;
        let (negative, rest) = match text.as_bytes().first().ok_or(wrong)? {
            b'-' => (true, text.get(1..).unwrap_or("")),
            b'+' => (false, text.get(1..).unwrap_or("")),
            _ => (false, text),
        };
        let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
        let (whole, rest) = rest.split_at(digits(rest));
        let (fraction, suffix) = match rest.strip_prefix('.') {
            Some(rest) => rest.split_at(digits(rest)),
            None => ("", rest),
        };
        let letters = suffix.bytes().take_while(|b| b"eEinumkKMGTP".contains(b)).count();
        let tail = suffix.get(letters..).unwrap_or("");
        let tail = tail.strip_prefix(['-', '+']).unwrap_or(tail);
        let fine = tail.bytes().all(|b| b.is_ascii_digit())
            && (!whole.is_empty() || !fraction.is_empty() || rest.starts_with('.'));
        if !fine {
            return Err(wrong);
        }
        Ok(Self { negative, whole: whole.trim_start_matches('0'), fraction, suffix })
    }

    /// The value, and whether upstream keeps the text as it is.
    fn value(&self) -> Result<(Quantity, bool), QuantityError> {
        let (base, exponent, format) = self.scale()?;
        let digits = format!("{}{}", self.whole, self.fraction);
        let mut mantissa: i128 = if digits.is_empty() {
            0
        } else {
            digits.parse().map_err(|_| QuantityError::Numeric)?
        };
        let places = i32::try_from(self.fraction.len()).map_err(|_| QuantityError::Numeric)?;
        let mut scale = -places;
        let verbatim = self.is_verbatim(base, exponent, mantissa);
        if base == 2 {
            let factor = 1i128 << exponent;
            mantissa = mantissa.checked_mul(factor).ok_or(QuantityError::Numeric)?;
        } else {
            scale += exponent;
        }
        let mut value = Quantity { mantissa, exponent: scale, format };
        if scale < NANO
            && let Some((rounded, _)) = value.scaled(NANO)
        {
            value = Quantity { mantissa: rounded, exponent: NANO, format };
        }
        if base == 2 && value > Quantity::from_int(i64::MAX) {
            value = Quantity { mantissa: i128::from(i64::MAX), exponent: 0, format };
        }
        if self.negative {
            value.mantissa = -value.mantissa;
        }
        Ok((value, verbatim))
    }

    /// Upstream's fast path keeps the text where it holds it to be canonical.
    fn is_verbatim(&self, base: u32, exponent: i32, mantissa: i128) -> bool {
        let whole = self.whole.len().max(1);
        let length = i32::try_from(whole + self.fraction.len()).unwrap_or(i32::MAX);
        if base == 2 {
            let precision = 15 - length - exponent * 3 / 10 - 1;
            return precision >= 0 && self.fraction.is_empty() && mantissa & 7 != 0;
        }
        let scale = exponent.saturating_sub(i32::try_from(self.fraction.len()).unwrap_or(99));
        length <= 18
            && scale >= NANO
            && scale % 3 == 0
            && !self.whole.is_empty()
            && !format!("{}{}", self.whole, self.fraction).ends_with("000")
    }

    fn scale(&self) -> Result<(u32, i32, Format), QuantityError> {
        let decimal = |exponent| Ok((10, exponent, Format::Decimal));
        let binary = |exponent| Ok((2, exponent, Format::Binary));
        match self.suffix {
            "n" => decimal(-9),
            "u" => decimal(-6),
            "m" => decimal(-3),
            "" => decimal(0),
            "k" => decimal(3),
            "M" => decimal(6),
            "G" => decimal(9),
            "T" => decimal(12),
            "P" => decimal(15),
            "E" => decimal(18),
            "Ki" => binary(10),
            "Mi" => binary(20),
            "Gi" => binary(30),
            "Ti" => binary(40),
            "Pi" => binary(50),
            "Ei" => binary(60),
            other => {
                let digits = other.strip_prefix(['e', 'E']).ok_or(QuantityError::Suffix)?;
                let exponent: i32 = digits.parse().map_err(|_| QuantityError::Suffix)?;
                if exponent.abs() > EXPONENT_MAX {
                    return Err(QuantityError::Numeric);
                }
                Ok((10, exponent, Format::Exponent))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Quantity, QuantityError};

    #[test]
    fn quantities_are_shown_in_canonical_form() {
        let cases = [
            ("1", "1"),
            ("1000m", "1"),
            ("1.5", "1500m"),
            ("0.5", "500m"),
            ("100m", "100m"),
            ("1024Mi", "1Gi"),
            ("1025Mi", "1025Mi"),
            ("1.5Gi", "1536Mi"),
            ("512", "512"),
            ("1000", "1k"),
            ("123456", "123456"),
            ("12e6", "12e6"),
            ("1e4", "10e3"),
            ("0", "0"),
            ("0Gi", "0"),
            ("-1", "-1"),
            ("0.1n", "1n"),
            (".5", "500m"),
            ("5G", "5G"),
            ("100Ki", "100Ki"),
            ("1Ki", "1Ki"),
            ("0.5Ki", "512"),
            ("2.", "2."),
        ];
        for (text, shown) in cases {
            let canonical = Quantity::canonical(text).unwrap();
            assert_eq!(canonical.as_deref().unwrap_or(text), shown, "{text}");
        }
    }

    #[test]
    fn other_texts_are_no_quantities() {
        for text in ["", "x", "-", "1 ", "1e", "1mm", "1i", "--1"] {
            assert!(Quantity::parse(text).is_err(), "{text}");
        }
        assert_eq!(Quantity::parse("1Kx").err(), Some(QuantityError::Format));
        assert_eq!(Quantity::parse("1mm").err(), Some(QuantityError::Suffix));
    }

    #[test]
    fn quantities_compare_and_add_by_value() {
        let q = |text| Quantity::parse(text).unwrap();
        assert_eq!(q("1000m"), q("1"));
        assert!(q("1Gi") > q("1G"));
        assert!(q("-1") < q("1m"));
        assert!(q("1e300") > q("1"));
        assert!(q("1") < q("1e300"));
        assert_eq!(q("500m").add(&q("1")).to_string(), "1500m");
        assert_eq!(q("1Gi").subtract(&q("512Mi")).to_string(), "512Mi");
        assert_eq!(q("1500m").value(), 2);
        assert_eq!(q("1.5").milli_value(), 1500);
        assert!(!q("1500m").is_integer());
        assert_eq!(q("1u").round_up_milli().to_string(), "1m");
    }
}
