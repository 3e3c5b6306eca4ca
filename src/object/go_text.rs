//! Values as Go's `%v` prints them: `map[a:1 b:[x y]]`. Some of upstream's error texts hold them.

use crate::object::Value;
use std::fmt;

/// Shows a value as Go prints `map[string]interface{}` trees: keys sorted, no quotes.
#[derive(Debug, Clone, Copy)]
pub struct GoText<'v, 'a>(pub &'v Value<'a>);

impl fmt::Display for GoText<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Value::Null => f.write_str("<nil>"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(n) => float(f, *n),
            Value::Str(s) | Value::Raw(s) => f.write_str(s),
            Value::List(list) => {
                f.write_str("[")?;
                for (at, item) in list.iter().enumerate() {
                    let space = if at > 0 { " " } else { "" };
                    write!(f, "{space}{}", GoText(item))?;
                }
                f.write_str("]")
            }
            Value::Map(map) => {
                let mut entries: Vec<_> = map.iter().collect();
                entries.sort_unstable_by_key(|(key, _)| *key);
                f.write_str("map[")?;
                for (at, (key, value)) in entries.into_iter().enumerate() {
                    let space = if at > 0 { " " } else { "" };
                    write!(f, "{space}{key}:{}", GoText(value))?;
                }
                f.write_str("]")
            }
        }
    }
}

/// `%v` of a float64: shortest form, with an exponent below 1e-4 and from 1e6 on.
fn float(f: &mut fmt::Formatter<'_>, n: f64) -> fmt::Result {
    if n == 0.0 || !n.is_finite() || (1e-4..1e6).contains(&n.abs()) {
        return write!(f, "{n}");
    }
    let text = format!("{n:e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent),
    };
    write!(f, "{mantissa}e{sign}{digits:0>2}")
}

#[cfg(test)]
mod tests {
    use super::GoText;
    use crate::object::Value;
    use crate::object::fixture::value;
    use bumpalo::Bump;

    #[test]
    fn trees_print_as_go_prints_them() {
        let arena = Bump::new();
        let tree = value(&arena, r#"{"b":[1,"x",null,true],"a":{"z":1.5},"$patch":"delete"}"#);
        let text = "map[$patch:delete a:map[z:1.5] b:[1 x <nil> true]]";
        assert_eq!(GoText(&tree).to_string(), text);
    }

    #[test]
    fn floats_take_an_exponent_where_go_gives_one() {
        for (n, text) in [(1e21, "1e+21"), (123_456.5, "123456.5"), (2.5e-7, "2.5e-07")] {
            assert_eq!(GoText(&Value::Float(n)).to_string(), text);
        }
    }
}
