//! The JSONPath of `client-go/util/jsonpath`, as far as one path goes: names, indexes, slices,
//! wildcards, filters, and `..`.

use crate::object::Value;

/// A path, read.
#[derive(Debug, Clone, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    /// `.name` or `['name']`, several for a union.
    Names(Vec<String>),
    /// `[1]`, `[-1]`.
    Index(i64),
    /// `[1:3]`.
    Slice(Option<i64>, Option<i64>),
    /// `*`.
    Wildcard,
    /// `..`: everything below.
    Below,
    /// `[?(@.a.b=="c")]`.
    Filter(Vec<String>, Option<(Operator, Literal)>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    Unequal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

#[derive(Debug, Clone, PartialEq)]
enum Literal {
    Text(String),
    Number(f64),
    Flag(bool),
}

impl JsonPath {
    /// Reads a path that starts with a dot.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("..") {
                steps.push(Step::Below);
                rest = after;
                if !rest.starts_with(['[', '*']) {
                    let (name, after) = name(rest);
                    steps.push(Step::Names(vec![name]));
                    rest = after;
                }
            } else if let Some(after) = rest.strip_prefix('[') {
                let end = closing(after)?;
                let inside = after.get(..end).unwrap_or("");
                steps.push(bracket(inside)?);
                rest = after.get(end + 1..).unwrap_or("");
            } else {
                let after = rest.strip_prefix('.').unwrap_or(rest);
                if after.is_empty() {
                    break;
                }
                if after.starts_with('[') {
                    rest = after;
                    continue;
                }
                let (name, after) = name(after);
                steps.push(if name == "*" { Step::Wildcard } else { Step::Names(vec![name]) });
                rest = after;
            }
        }
        Ok(Self { steps })
    }

    /// The first value that the path leads to.
    pub fn first<'v, 'a>(&self, object: &'v Value<'a>) -> Option<&'v Value<'a>> {
        let mut found = vec![object];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in found {
                step.follow(value, &mut next);
            }
            found = next;
        }
        found.first().copied()
    }

    /// The names of a path that is only names.
    pub fn names(&self) -> Option<Vec<&str>> {
        let one = |step: &'_ Step| match step {
            Step::Names(names) => names.first().filter(|_| names.len() == 1).cloned(),
            _ => None,
        };
        let all: Option<Vec<String>> = self.steps.iter().map(one).collect();
        all?;
        Some(
            self.steps
                .iter()
                .filter_map(|step| match step {
                    Step::Names(names) => names.first().map(String::as_str),
                    _ => None,
                })
                .collect(),
        )
    }
}

/// A name up to the next step; a backslash takes what follows as it is.
fn name(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => name.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (name, text.get(at..).unwrap_or("")),
            _ => name.push(c),
        }
    }
    (name, "")
}

/// Where the bracket ends, quotes and brackets inside skipped.
fn closing(text: &str) -> Result<usize, String> {
    let (mut quote, mut depth) = (None, 0_usize);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Ok(at),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    Err("unterminated array".into())
}

fn quoted(text: &str) -> Option<&str> {
    ['\'', '"'].iter().find_map(|q| text.trim().strip_prefix(*q)?.strip_suffix(*q))
}

fn bracket(inside: &str) -> Result<Step, String> {
    let inside = inside.trim();
    if inside == "*" {
        return Ok(Step::Wildcard);
    }
    if let Some(filter) = inside.strip_prefix("?(").and_then(|rest| rest.strip_suffix(')')) {
        return filter_step(filter);
    }
    if quoted(inside).is_some() {
        let names: Option<Vec<String>> =
            inside.split(',').map(|name| quoted(name).map(str::to_owned)).collect();
        return names.map(Step::Names).ok_or_else(|| format!("invalid array index {inside}"));
    }
    let number = |text: &str| -> Result<Option<i64>, String> {
        match text.trim() {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| format!("invalid array index {inside}")),
        }
    };
    match inside.split_once(':') {
        Some((from, to)) => Ok(Step::Slice(number(from)?, number(to)?)),
        None => match number(inside)? {
            Some(index) => Ok(Step::Index(index)),
            None => Err(format!("invalid array index {inside}")),
        },
    }
}

fn filter_step(text: &str) -> Result<Step, String> {
    const OPERATORS: [(&str, Operator); 6] = [
        ("==", Operator::Equal),
        ("!=", Operator::Unequal),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let path = |text: &str| -> Result<Vec<String>, String> {
        let text = text.trim();
        let text = text.strip_prefix('@').ok_or_else(|| format!("invalid filter {text}"))?;
        let path = JsonPath::parse(text)?;
        let names = path.names().ok_or_else(|| format!("invalid filter {text}"))?;
        Ok(names.into_iter().map(str::to_owned).collect())
    };
    let found = OPERATORS.iter().find_map(|(sign, operator)| {
        let (left, right) = text.split_once(sign)?;
        Some((left, *operator, right.trim()))
    });
    let Some((left, operator, right)) = found else {
        return Ok(Step::Filter(path(text)?, None));
    };
    let literal = match (quoted(right), right) {
        (Some(text), _) => Literal::Text(text.to_owned()),
        (None, "true") => Literal::Flag(true),
        (None, "false") => Literal::Flag(false),
        (None, number) => {
            Literal::Number(number.parse().map_err(|_| format!("invalid filter {text}"))?)
        }
    };
    Ok(Step::Filter(path(left)?, Some((operator, literal))))
}

impl Step {
    fn follow<'v, 'a>(&self, value: &'v Value<'a>, found: &mut Vec<&'v Value<'a>>) {
        match (self, value) {
            (Self::Names(names), Value::Map(map)) => {
                found.extend(names.iter().filter_map(|name| map.get(name)));
            }
            (Self::Wildcard, Value::Map(map)) => found.extend(map.iter().map(|(_, value)| value)),
            (Self::Wildcard, Value::List(list)) => found.extend(list.iter()),
            (Self::Index(at), Value::List(list)) => {
                found.extend(place(*at, list.len()).and_then(|at| list.get(at)));
            }
            (Self::Slice(from, to), Value::List(list)) => {
                let end = |at: i64| {
                    usize::try_from(at).unwrap_or_else(|_| place(at, list.len()).unwrap_or(0))
                };
                let (from, to) = (from.map_or(0, end), to.map_or(list.len(), end));
                found.extend(list.iter().take(to).skip(from));
            }
            (Self::Below, _) => below(value, found),
            (Self::Filter(path, test), Value::List(list)) => {
                let path: Vec<&str> = path.iter().map(String::as_str).collect();
                found.extend(list.iter().filter(|item| {
                    let member = item.at(&path);
                    match (member, test) {
                        (Some(_), None) => true,
                        (Some(member), Some((operator, literal))) => {
                            literal.holds(member, *operator)
                        }
                        (None, _) => false,
                    }
                }));
            }
            _ => {}
        }
    }
}

/// An index that may count from the end.
fn place(at: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if at < 0 { at + length } else { at }).ok()
}

fn below<'v, 'a>(value: &'v Value<'a>, found: &mut Vec<&'v Value<'a>>) {
    found.push(value);
    match value {
        Value::Map(map) => map.iter().for_each(|(_, value)| below(value, found)),
        Value::List(list) => list.iter().for_each(|value| below(value, found)),
        _ => {}
    }
}

impl Literal {
    fn holds(&self, value: &Value<'_>, operator: Operator) -> bool {
        use std::cmp::Ordering;
        let order = match (self, value) {
            (Self::Text(text), Value::Str(value)) => Some((*value).cmp(text.as_str())),
            (Self::Flag(flag), Value::Bool(value)) => Some(value.cmp(flag)),
            (Self::Number(number), value) => {
                crate::object::structural::as_f64(value).and_then(|v| v.partial_cmp(number))
            }
            _ => None,
        };
        match (operator, order) {
            (Operator::Unequal, order) => order != Some(Ordering::Equal),
            (_, None) => false,
            (Operator::Equal, Some(order)) => order.is_eq(),
            (Operator::Less, Some(order)) => order.is_lt(),
            (Operator::LessOrEqual, Some(order)) => order.is_le(),
            (Operator::Greater, Some(order)) => order.is_gt(),
            (Operator::GreaterOrEqual, Some(order)) => order.is_ge(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JsonPath;
    use crate::object::fixture::value;
    use bumpalo::Bump;

    #[test]
    fn paths_lead_to_their_first_value() {
        let arena = Bump::new();
        let object = value(
            &arena,
            r#"{"spec":{"a.b":1,"list":[{"n":"x","v":1},{"n":"y","v":2}]},
                "status":{"conditions":[{"type":"Ready","status":"True"}]}}"#,
        );
        let cases = [
            (".spec.list[1].n", r#""y""#),
            (".spec.list[-1].v", "2"),
            (".spec.list[*].v", "1"),
            (".spec.list[1:].n", r#""y""#),
            (r".spec.a\.b", "1"),
            (".spec['a.b']", "1"),
            (r#".status.conditions[?(@.type=="Ready")].status"#, r#""True""#),
            (r#".status.conditions[?(@.type=="No")].status"#, ""),
            (".spec.list[?(@.v>1)].n", r#""y""#),
            ("..n", r#""x""#),
            (".spec.none.at", ""),
        ];
        for (path, expected) in cases {
            let parsed = JsonPath::parse(path).expect(path);
            let mut text = String::new();
            if let Some(found) = parsed.first(&object) {
                crate::object::field::Shown::show(&found, &mut text);
            }
            assert_eq!(text, expected, "{path}");
        }
        assert!(JsonPath::parse(".a[").is_err() && JsonPath::parse(".a[x]").is_err());
    }
}
