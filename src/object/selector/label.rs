//! Label selectors (`k8s.io/apimachinery/pkg/labels`) and `metav1.LabelSelector`.

use crate::object::Value;
use crate::object::content;
use crate::object::field::{FieldError, Path};
use crate::object::selector::SelectorError;
use crate::object::selector::label_parse;
use std::fmt;

/// How a requirement compares a label (`selection.Operator`); `==` is kept as `Equals`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LabelOperator {
    /// The label has this value.
    Equals,
    /// The label has one of these values.
    In,
    /// The label is there.
    Exists,
    /// The label is missing or has another value.
    NotEquals,
    /// The label is missing or has none of these values.
    NotIn,
    /// The label is missing.
    DoesNotExist,
    /// The label is an integer above this one.
    GreaterThan,
    /// The label is an integer below this one.
    LessThan,
}

/// One condition on one label.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LabelRequirement {
    key: String,
    operator: LabelOperator,
    /// Sorted, each once.
    values: Vec<String>,
}

/// A set of conditions of which all must hold. The default selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct LabelSelector {
    /// Sorted, each once.
    requirements: Vec<LabelRequirement>,
    nothing: bool,
}

impl LabelRequirement {
    /// Checks key, number and form of the values (`labels.NewRequirement`).
    pub fn new(
        key: String,
        operator: LabelOperator,
        mut values: Vec<String>,
    ) -> Result<Self, SelectorError> {
        let mut errors = Vec::new();
        let broken = content::label_key_errors(&key);
        if !broken.is_empty() {
            errors.push(FieldError::invalid(&Path::root("key"), &key, &broken.join("; ")));
        }
        check_count(operator, &values, &mut errors);
        let path = Path::root("values");
        for (at, value) in values.iter().enumerate() {
            let broken = content::label_value_errors(value);
            if !broken.is_empty() {
                let at = path.index(at);
                errors.push(FieldError::invalid(&at.key(&key), value, &broken.join("; ")));
            }
        }
        if !errors.is_empty() {
            return Err(aggregate(&errors));
        }
        values.sort_unstable();
        values.dedup();
        Ok(Self { key, operator, values })
    }

    /// The label's key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// How the label is compared.
    pub fn operator(&self) -> LabelOperator {
        self.operator
    }

    /// What the label is compared with: sorted, each once.
    pub fn values(&self) -> &[String] {
        &self.values
    }

    /// True if the label's value (`None` if it is missing) meets the requirement.
    pub fn matches(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|v| v == value);
        match self.operator {
            LabelOperator::Equals | LabelOperator::In => value.is_some_and(listed),
            LabelOperator::NotEquals | LabelOperator::NotIn => !value.is_some_and(listed),
            LabelOperator::Exists => value.is_some(),
            LabelOperator::DoesNotExist => value.is_none(),
            LabelOperator::GreaterThan | LabelOperator::LessThan => {
                let bound = self.values.first().and_then(|v| v.parse::<i64>().ok());
                match (value.and_then(|v| v.parse::<i64>().ok()), bound) {
                    (Some(n), Some(bound)) if self.operator == LabelOperator::LessThan => n < bound,
                    (Some(n), Some(bound)) => n > bound,
                    _ => false,
                }
            }
        }
    }
}

fn check_count(operator: LabelOperator, values: &[String], errors: &mut Vec<FieldError>) {
    let path = Path::root("values");
    match operator {
        LabelOperator::In | LabelOperator::NotIn if values.is_empty() => {
            let detail = "for 'in', 'notin' operators, values set can't be empty";
            errors.push(FieldError::invalid(&path, &Value::Null, detail));
        }
        LabelOperator::Equals | LabelOperator::NotEquals if values.len() != 1 => {
            let detail = "exact-match compatibility requires one single value";
            errors.push(invalid_list(&path, values, detail));
        }
        LabelOperator::Exists | LabelOperator::DoesNotExist if !values.is_empty() => {
            let detail = "values set must be empty for exists and does not exist";
            errors.push(invalid_list(&path, values, detail));
        }
        LabelOperator::GreaterThan | LabelOperator::LessThan => {
            if values.len() != 1 {
                let detail = "for 'Gt', 'Lt' operators, exactly one value is required";
                errors.push(invalid_list(&path, values, detail));
            }
            for (at, value) in values.iter().enumerate() {
                if value.parse::<i64>().is_err() {
                    let detail = "for 'Gt', 'Lt' operators, the value must be an integer";
                    errors.push(FieldError::invalid(&path.index(at), value, detail));
                }
            }
        }
        _ => {}
    }
}

fn invalid_list(path: &Path<'_>, values: &[String], detail: &str) -> FieldError {
    let arena = bumpalo::Bump::new();
    let mut list = bumpalo::collections::Vec::with_capacity_in(values.len(), &arena);
    list.extend(values.iter().map(|value| Value::Str(value)));
    FieldError::invalid(path, &Value::List(list), detail)
}

/// Joins errors as Go's aggregate does: one as it is, several as `[A, B]`, each text once.
fn aggregate(errors: &[FieldError]) -> SelectorError {
    let mut texts: Vec<String> = Vec::with_capacity(errors.len());
    for error in errors {
        let text = error.to_string();
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    if texts.len() == 1 {
        return SelectorError(texts.swap_remove(0));
    }
    SelectorError(format!("[{}]", texts.join(", ")))
}

impl LabelSelector {
    /// The selector that no object matches (`labels.Nothing`).
    pub fn nothing() -> Self {
        Self { requirements: Vec::new(), nothing: true }
    }

    /// All of these requirements.
    pub fn new(mut requirements: Vec<LabelRequirement>) -> Self {
        requirements.sort_unstable();
        requirements.dedup();
        Self { requirements, nothing: false }
    }

    /// Reads the text of a `labelSelector` query parameter (`labels.Parse`). "" selects everything.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        label_parse::parse(text).map(Self::new)
    }

    /// Reads a `metav1.LabelSelector` (`metav1.LabelSelectorAsSelector`): a missing one selects
    /// nothing, an empty one everything.
    pub fn from_value(selector: Option<&Value<'_>>) -> Result<Self, SelectorError> {
        let Some(selector) = selector.filter(|v| !v.is_null()) else {
            return Ok(Self::nothing());
        };
        let mut requirements = Vec::new();
        if let Some(labels) = selector.get("matchLabels").and_then(Value::as_map) {
            for (key, value) in labels.iter() {
                let value = value.as_str().unwrap_or("").to_owned();
                let values = vec![value];
                let key = key.to_owned();
                requirements.push(LabelRequirement::new(key, LabelOperator::Equals, values)?);
            }
        }
        for expression in selector.list_at(&["matchExpressions"]) {
            let operator = match expression.str_at(&["operator"]) {
                "In" => LabelOperator::In,
                "NotIn" => LabelOperator::NotIn,
                "Exists" => LabelOperator::Exists,
                "DoesNotExist" => LabelOperator::DoesNotExist,
                other => {
                    let text = format!("{other:?} is not a valid label selector operator");
                    return Err(SelectorError(text));
                }
            };
            let key = expression.str_at(&["key"]).to_owned();
            let values = expression.list_at(&["values"]).iter();
            let values = values.map(|v| v.as_str().unwrap_or("").to_owned()).collect();
            requirements.push(LabelRequirement::new(key, operator, values)?);
        }
        Ok(Self::new(requirements))
    }

    /// The selector of a plain label map, as a Service has it (`labels.SelectorFromSet`): the
    /// labels are not checked, and an empty or missing map selects everything.
    pub fn from_labels(labels: Option<&Value<'_>>) -> Self {
        let Some(labels) = labels.and_then(Value::as_map) else {
            return Self::default();
        };
        let requirements = labels.iter().map(|(key, value)| LabelRequirement {
            key: key.to_owned(),
            operator: LabelOperator::Equals,
            values: vec![value.as_str().unwrap_or("").to_owned()],
        });
        Self::new(requirements.collect())
    }

    /// True if every object matches.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty() && !self.nothing
    }

    /// True for the selector of no object.
    pub fn is_nothing(&self) -> bool {
        self.nothing
    }

    /// The requirements, sorted by key.
    pub fn requirements(&self) -> &[LabelRequirement] {
        &self.requirements
    }

    /// True if the labels that `lookup` gives meet every requirement.
    pub fn matches<'l>(&self, lookup: impl Fn(&str) -> Option<&'l str>) -> bool {
        !self.nothing && self.requirements.iter().all(|r| r.matches(lookup(&r.key)))
    }

    /// `matches` against `metadata.labels`, or another map of strings.
    pub fn matches_labels(&self, labels: Option<&Value<'_>>) -> bool {
        self.matches(|key| labels.and_then(|map| map.get(key)).and_then(Value::as_str))
    }

    /// The one value that the label must have, where a requirement says so.
    pub fn requires_exact(&self, key: &str) -> Option<&str> {
        self.requirements.iter().filter(|r| r.key == key).find_map(|r| {
            let exact = matches!(r.operator, LabelOperator::Equals | LabelOperator::In);
            if exact && r.values.len() == 1 { r.values.first().map(String::as_str) } else { None }
        })
    }
}

/// The canonical text, which `parse` reads back; "" for everything and for nothing.
impl fmt::Display for LabelSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, requirement) in self.requirements.iter().enumerate() {
            if at > 0 {
                f.write_str(",")?;
            }
            requirement.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for LabelRequirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { key, operator, values } = self;
        let values = values.join(",");
        match operator {
            LabelOperator::Equals => write!(f, "{key}={values}"),
            LabelOperator::In => write!(f, "{key} in ({values})"),
            LabelOperator::Exists => f.write_str(key),
            LabelOperator::NotEquals => write!(f, "{key}!={values}"),
            LabelOperator::NotIn => write!(f, "{key} notin ({values})"),
            LabelOperator::DoesNotExist => write!(f, "!{key}"),
            LabelOperator::GreaterThan => write!(f, "{key}>{values}"),
            LabelOperator::LessThan => write!(f, "{key}<{values}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::LabelSelector;
    use crate::object::{Map, Value};
    use bumpalo::Bump;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    fn selects(text: &str, labels: &[(&str, &'static str)]) -> bool {
        let selector = LabelSelector::parse(text).expect(text);
        selector.matches(|key| labels.iter().find(|(k, _)| *k == key).map(|(_, v)| *v))
    }

    fn refused(text: &str) -> String {
        LabelSelector::parse(text).expect_err(text).0
    }

    #[test]
    fn every_operator_matches_as_upstream() {
        let labels = [("i", "3"), ("par", "odd")];
        let yes = [
            "",
            "i=3",
            "i==3",
            "i!=1",
            "i in (1,3)",
            "i notin (1,2)",
            "i",
            "!nope",
            "i>2",
            "i<4",
            "i > 1",
            "par=odd,i!=0",
            "nope notin (a)",
            "nope!=a",
            "example.com/a!=b",
        ];
        for text in yes {
            assert!(selects(text, &labels), "{text}");
        }
        for text in ["i=1", "i!=3", "nope", "!i", "i>3", "i<3", "par>1", "par=", "i in ()"] {
            assert!(!selects(text, &labels), "{text}");
        }
        assert!(selects("in in (in,notin)", &[("in", "notin")]));
        assert!(selects("a in (,b)", &[("a", "")]));
    }

    #[test]
    fn parse_errors_read_as_upstream_words_them() {
        let cases = [
            ("=", "found '=', expected: !, identifier, or 'end of string'"),
            ("i=1=2", "found '=', expected: ',' or 'end of string'"),
            ("i in 1", "unable to parse requirement: found '1' expected: '('"),
            ("!i=1", "found '=', expected: ',' or 'end of string'"),
            ("i,,", "found ',', expected: identifier after ','"),
            ("i=1,", "found '', expected: identifier after ','"),
            (
                "a b",
                "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
            ),
            ("i=bad value", "found 'value', expected: ',' or 'end of string'"),
            ("(a)", "found '(', expected: !, identifier, or 'end of string'"),
            (
                "i>abc",
                "unable to parse requirement: values[0]: Invalid value: \"abc\": for 'Gt', 'Lt' \
                 operators, the value must be an integer",
            ),
            (
                "i=-bad",
                "unable to parse requirement: values[0][i]: Invalid value: \"-bad\": a valid label \
                 must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                 and must start and end with an alphanumeric character (e.g. 'MyValue',  or \
                 'my_value',  or '12345', regex used for validation is \
                 '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
            ),
            (
                "x/y/z=1",
                "unable to parse requirement: <nil>: Invalid value: \"x/y/z\": a valid label key \
                 must consist of alphanumeric characters, '-', '_' or '.', and must start and end \
                 with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', \
                 regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an \
                 optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
            ),
        ];
        for (text, message) in cases {
            assert_eq!(refused(text), message, "{text}");
        }
    }

    #[test]
    fn selectors_that_mean_the_same_are_equal_and_print_equal() {
        let a = LabelSelector::parse("b in (y,x,x), a==1").expect("a");
        let b = LabelSelector::parse("a=1,b in (x,y)").expect("b");
        assert_eq!(a, b);
        assert_eq!(a.to_string(), "a=1,b in (x,y)");
        assert_eq!(a.requires_exact("a"), Some("1"));
        assert_eq!(a.requires_exact("b"), None);
    }

    #[test]
    fn label_selector_objects_select_as_upstream() {
        assert!(LabelSelector::from_value(None).expect("nil").is_nothing());
        let arena = Bump::new();
        let mut selector = Value::map_in(&arena);
        assert!(LabelSelector::from_value(Some(&selector)).expect("{}").is_everything());
        let mut labels = Map::new_in(&arena);
        labels.insert("app", Value::Str("web"));
        if let Some(map) = selector.as_map_mut() {
            map.insert("matchLabels", Value::Map(labels));
        }
        let parsed = LabelSelector::from_value(Some(&selector)).expect("matchLabels");
        assert_eq!(parsed.to_string(), "app=web");
        let mut expression = Map::new_in(&arena);
        expression.insert("key", Value::Str("tier"));
        expression.insert("operator", Value::Str("Bogus"));
        let mut list = bumpalo::collections::Vec::new_in(&arena);
        list.push(Value::Map(expression));
        if let Some(map) = selector.as_map_mut() {
            map.insert("matchExpressions", Value::List(list));
        }
        let error = LabelSelector::from_value(Some(&selector)).expect_err("operator");
        assert_eq!(error.0, "\"Bogus\" is not a valid label selector operator");
    }

    proptest! {
        #[test]
        fn any_selector_prints_what_reads_back(text in "[a-c=!(),<> in]{0,24}") {
            if let Ok(selector) = LabelSelector::parse(&text) {
                let again = LabelSelector::parse(&selector.to_string());
                prop_assert_eq!(again, Ok(selector));
            }
        }

        #[test]
        fn arbitrary_text_never_panics(text in any::<String>()) {
            prop_assert!(LabelSelector::parse(&text).map_or_else(|e| !e.0.is_empty(), |_| true));
        }
    }
}
