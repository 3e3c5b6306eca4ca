//! Labels and selectors as text (`labels.FormatLabels`, `metav1.FormatLabelSelector`).

use crate::object::Value;
use std::fmt::Write as _;

/// A string map as `k=v,k=v` in key order; `<none>` if there is nothing.
pub(super) fn labels(map: Option<&Value<'_>>) -> String {
    let text = equalities(map).join(",");
    if text.is_empty() { "<none>".to_owned() } else { text }
}

/// A label selector; `<none>` if it selects everything or is missing.
pub(super) fn selector(selector: Option<&Value<'_>>) -> String {
    let text = selector_text(selector);
    if text.is_empty() { "<none>".to_owned() } else { text }
}

/// A label selector in the form of a query parameter: requirements in key order, "" for all.
pub(super) fn selector_text(selector: Option<&Value<'_>>) -> String {
    let Some(selector) = selector else { return String::new() };
    let mut all: Vec<(&str, String)> = Vec::new();
    for (key, value) in pairs(selector.get("matchLabels")) {
        all.push((key, format!("{key}={value}")));
    }
    for expression in selector.list_at(&["matchExpressions"]) {
        let key = expression.str_at(&["key"]);
        let mut values: Vec<&str> =
            expression.list_at(&["values"]).iter().filter_map(Value::as_str).collect();
        values.sort_unstable();
        let values = values.join(",");
        all.push((
            key,
            match expression.str_at(&["operator"]) {
                "In" => format!("{key} in ({values})"),
                "NotIn" => format!("{key} notin ({values})"),
                "DoesNotExist" => format!("!{key}"),
                _ => key.to_owned(),
            },
        ));
    }
    all.sort_by(|a, b| a.0.cmp(b.0));
    all.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",")
}

/// A label selector as Go prints the struct (`LabelSelector.String`).
pub(super) fn selector_go(selector: &Value<'_>) -> String {
    let mut out = String::from("&LabelSelector{MatchLabels:map[string]string{");
    for (key, value) in pairs(selector.get("matchLabels")) {
        let _ = write!(out, "{key}: {value},");
    }
    out.push_str("},MatchExpressions:[]LabelSelectorRequirement{");
    for expression in selector.list_at(&["matchExpressions"]) {
        let values: Vec<&str> =
            expression.list_at(&["values"]).iter().filter_map(Value::as_str).collect();
        let _ = write!(
            out,
            "LabelSelectorRequirement{{Key:{},Operator:{},Values:[{}],}},",
            expression.str_at(&["key"]),
            expression.str_at(&["operator"]),
            values.join(" ")
        );
    }
    out.push_str("},}");
    out
}

fn equalities(map: Option<&Value<'_>>) -> Vec<String> {
    pairs(map).into_iter().map(|(key, value)| format!("{key}={value}")).collect()
}

/// The entries of a string map in key order.
pub(super) fn pairs<'a>(map: Option<&Value<'a>>) -> Vec<(&'a str, &'a str)> {
    let mut pairs: Vec<(&str, &str)> = map
        .and_then(Value::as_map)
        .into_iter()
        .flat_map(crate::object::Map::iter)
        .map(|(key, value)| (key, value.as_str().unwrap_or("")))
        .collect();
    pairs.sort_unstable();
    pairs
}
