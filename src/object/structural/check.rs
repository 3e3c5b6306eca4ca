//! Values against a schema, with upstream's texts (`kube-openapi/pkg/validation/validate`).

use super::number::{self, Fault};
use super::{Additional, ListType, Schema, format};
use crate::object::Value;
use crate::object::field::{ErrorKind, FieldError, Path, Shown};

/// What came of a check.
#[derive(Debug, Default)]
pub struct Checked {
    /// What is wrong.
    pub errors: Vec<FieldError>,
    /// How much was right: of several alternatives the errors of the closest are told.
    matches: usize,
}

/// Checks a new object. `prefix` is where it stands, if that is not the root (`status`).
pub fn check(prefix: Option<&str>, value: &Value<'_>, schema: &Schema) -> Vec<FieldError> {
    Walk { prefix }.value(None, value, None, schema).errors
}

/// Checks an object that replaces `old`: what did not change may stay wrong (ratcheting).
pub fn check_update(
    prefix: Option<&str>,
    value: &Value<'_>,
    old: Option<&Value<'_>>,
    schema: &Schema,
) -> Vec<FieldError> {
    Walk { prefix }.value(None, value, old, schema).errors
}

struct Walk<'p> {
    prefix: Option<&'p str>,
}

type At<'p> = Option<&'p Path<'p>>;

impl Checked {
    fn push(&mut self, error: FieldError) {
        if !self.errors.contains(&error) {
            self.errors.push(error);
        }
    }

    fn merge(&mut self, other: Self) {
        other.errors.into_iter().for_each(|error| self.push(error));
        self.matches += other.matches;
    }
}

/// `path in body `, as messages begin.
fn in_body(at: At<'_>) -> String {
    at.map_or_else(|| " in body ".to_owned(), |path| format!("{path} in body "))
}

impl Walk<'_> {
    fn field(&self, at: At<'_>) -> String {
        match (self.prefix, at) {
            (Some(prefix), Some(path)) => {
                format!("{prefix}.{}", path.to_string().trim_start_matches('.'))
            }
            (Some(prefix), None) => prefix.to_owned(),
            (None, Some(path)) => path.to_string().trim_start_matches('.').to_owned(),
            (None, None) => "<nil>".to_owned(),
        }
    }

    fn error(&self, at: At<'_>, make: impl Fn(&Path<'_>) -> FieldError) -> FieldError {
        make(&Path::root(&self.field(at)))
    }

    fn invalid(&self, at: At<'_>, value: impl Shown + Copy, text: &str) -> FieldError {
        let detail = in_body(at) + text;
        self.error(at, |path| FieldError::invalid(path, value, &detail))
    }

    /// An error that names no field.
    fn whole(&self, detail: &str) -> FieldError {
        self.error(None, |path| FieldError::invalid(path, "", detail))
    }

    fn type_error(&self, at: At<'_>, wanted: &str, found: &str) -> FieldError {
        let detail = format!("{}must be of type {wanted}: {found:?}", in_body(at));
        self.error(at, |path| FieldError::type_invalid(path, found, &detail))
    }

    /// `SchemaValidator.Validate`: each kind of rule in turn.
    fn value(
        &self,
        at: At<'_>,
        value: &Value<'_>,
        old: Option<&Value<'_>>,
        schema: &Schema,
    ) -> Checked {
        let mut found = Checked::default();
        if old == Some(value) {
            return found;
        }
        if value.is_null() {
            self.kind(at, value, schema, &mut found);
            self.values(at, value, schema, &mut found);
            return found;
        }
        if !schema.kinds().is_empty() || !schema.format.is_empty() {
            self.kind(at, value, schema, &mut found);
            found.matches += 1;
        }
        found.merge(self.junctors(at, value, old, schema));
        found.matches += 1;
        match value {
            Value::Str(text) => {
                self.text(at, text, schema, &mut found);
                found.matches += 1;
                if !schema.format.is_empty() {
                    if !format::accepts(&schema.format, text) {
                        found.push(self.type_error(at, &schema.format, text));
                    }
                    found.matches += 1;
                }
            }
            Value::Int(_) | Value::Float(_) => {
                self.number(at, value, schema, &mut found);
                found.matches += 2;
            }
            Value::List(list) => {
                self.items(at, list, old, schema, &mut found);
                found.matches += 2;
            }
            Value::Map(_) => self.members(at, value, old, schema, &mut found),
            Value::Null | Value::Bool(_) | Value::Raw(_) => {}
        }
        self.values(at, value, schema, &mut found);
        found.matches += 2;
        if matches!(value, Value::Map(_)) {
            found.matches += 1;
        }
        found
    }

    fn kind(&self, at: At<'_>, value: &Value<'_>, schema: &Schema, found: &mut Checked) {
        let kinds = schema.kinds();
        let own = match value {
            Value::Null => {
                if !kinds.is_empty() && !schema.nullable {
                    found.push(self.type_error(at, &kinds.join(","), "null"));
                }
                return;
            }
            Value::Bool(_) => "boolean",
            Value::Int(_) => "integer",
            Value::Float(_) => "number",
            Value::Str(_) | Value::Raw(_) => "string",
            Value::List(_) => "array",
            Value::Map(_) => "object",
        };
        let has = |kind: &str| kinds.contains(&kind);
        let whole = matches!(value, Value::Float(n) if number::is_whole(*n)) && has("integer");
        let fits = has(own) || whole || (own == "integer" && has("number"));
        let textual = matches!(own, "string" | "array");
        if !textual && !schema.format.is_empty() && !fits {
            let format = match own {
                "integer" => "int64",
                "number" => "float64",
                _ => "",
            };
            found.push(self.type_error(at, &schema.format, format));
            return;
        }
        // A format is checked on its own.
        if textual && !schema.format.is_empty() && !has("number") && !has("integer") {
            found.matches += 1;
            return;
        }
        if fits {
            found.matches += 1;
        } else {
            found.push(self.type_error(at, &kinds.join(","), own));
        }
    }

    fn values(&self, at: At<'_>, value: &Value<'_>, schema: &Schema, found: &mut Checked) {
        let values = &schema.rules.values;
        if values.is_empty() || values.iter().any(|known| known.equals(value)) {
            return;
        }
        let arena = bumpalo::Bump::new();
        let texts: Vec<String> = values
            .iter()
            .map(|known| match known.value(&arena) {
                Value::Str(text) => text.to_owned(),
                other => {
                    let mut text = String::new();
                    (&other).show(&mut text);
                    text
                }
            })
            .collect();
        let mut body = format!("{}: ", ErrorKind::NotSupported.text());
        value.show(&mut body);
        let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
        body.push_str(": supported values: ");
        body.push_str(&quoted.join(", "));
        found.push(FieldError { kind: ErrorKind::NotSupported, field: self.field(at), body });
    }

    fn text(&self, at: At<'_>, text: &str, schema: &Schema, found: &mut Checked) {
        let rules = &schema.rules;
        let length = || i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        if let Some(most) = rules.max_length.filter(|most| length() > *most) {
            let most = usize::try_from(most).unwrap_or(0);
            found.push(self.error(at, |path| FieldError::too_long(path, most)));
            return;
        }
        if let Some(least) = rules.min_length.filter(|least| length() < *least) {
            let detail = format!("should be at least {least} chars long");
            found.push(self.invalid(at, text, &detail));
            return;
        }
        if let Some(pattern) = rules.pattern.as_ref().filter(|pattern| !pattern.matches(text)) {
            found.push(self.invalid(at, text, &format!("should match '{}'", pattern.text)));
        }
    }

    fn number(&self, at: At<'_>, value: &Value<'_>, schema: &Schema, found: &mut Checked) {
        for fault in number::faults(schema, value) {
            found.push(match fault {
                Fault::Factor(factor) => {
                    let place = at.map_or_else(String::new, ToString::to_string);
                    let detail = format!(
                        "factor MultipleOf declared for {place} must be positive: {factor}"
                    );
                    self.error(at, |path| FieldError::invalid(path, factor, &detail))
                }
                Fault::Rule(text) => self.invalid(at, value, &text),
                Fault::Range(text) => {
                    let place = at.map_or_else(String::new, ToString::to_string);
                    self.whole(&(text + &place))
                }
            });
        }
    }

    fn items(
        &self,
        at: At<'_>,
        list: &[Value<'_>],
        old: Option<&Value<'_>>,
        schema: &Schema,
        found: &mut Checked,
    ) {
        if let Some(items) = &schema.items {
            let nowhere = Path::root("");
            for (index, item) in list.iter().enumerate() {
                let below = at.unwrap_or(&nowhere).index(index);
                let old = old.and_then(|old| same_item(&schema.list, item, old));
                found.merge(self.value(Some(&below), item, old, items));
            }
        }
        let size = i64::try_from(list.len()).unwrap_or(i64::MAX);
        if let Some(least) = schema.rules.min_items.filter(|least| size < *least) {
            found.push(self.invalid(at, size, &format!("should have at least {least} items")));
        }
        if let Some(most) = schema.rules.max_items.filter(|most| size > *most) {
            let most = usize::try_from(most).unwrap_or(0);
            found.push(self.error(at, |path| FieldError::too_many(path, list.len(), most)));
        }
    }

    fn members(
        &self,
        at: At<'_>,
        value: &Value<'_>,
        old: Option<&Value<'_>>,
        schema: &Schema,
        found: &mut Checked,
    ) {
        let Some(map) = value.as_map() else { return };
        let old = |key: &str| old.and_then(|old| old.as_map()?.get(key));
        let rules = &schema.rules;
        let size = i64::try_from(map.len()).unwrap_or(i64::MAX);
        if let Some(least) = rules.min_properties.filter(|least| size < *least) {
            found.push(self.invalid(at, size, &format!("should have at least {least} properties")));
        }
        if let Some(most) = rules.max_properties.filter(|most| size > *most) {
            let most = usize::try_from(most).unwrap_or(0);
            found.push(self.error(at, |path| FieldError::too_many(path, map.len(), most)));
        }
        let mut entries: Vec<_> = map.iter().collect();
        entries.sort_unstable_by_key(|(key, _)| *key);
        let place = |key| at.map_or_else(|| Path::root(key), |path| path.child(key));
        for (key, value) in &entries {
            if schema.property(key).is_some() {
                continue;
            }
            match &schema.additional {
                Additional::Schema(below) => {
                    // Upstream joins these with a dot even where nothing stands before it.
                    let dotted = format!(".{key}");
                    let place = at.map_or_else(|| Path::root(&dotted), |path| path.child(key));
                    found.merge(self.value(Some(&place), value, old(key), below));
                }
                Additional::Allowed(false) => {
                    let path = at.map_or_else(String::new, ToString::to_string);
                    let detail = format!("{path}.{key} in body is a forbidden property");
                    let error = self.error(at, |path| FieldError::invalid(path, *key, &detail));
                    found.push(error);
                }
                Additional::Allowed(true) | Additional::Unset => {}
            }
        }
        for (key, value) in &entries {
            if let Some(property) = schema.property(key) {
                found.merge(self.value(Some(&place(key)), value, old(key), property));
            }
        }
        for name in &rules.required {
            if map.get(name).is_none() {
                let error = self.error(Some(&place(name)), |path| FieldError::required(path, ""));
                found.push(error);
            }
        }
    }

    /// `anyOf`, `oneOf`, `allOf`, `not` (`schemaPropsValidator.Validate`).
    fn junctors(
        &self,
        at: At<'_>,
        value: &Value<'_>,
        old: Option<&Value<'_>>,
        schema: &Schema,
    ) -> Checked {
        let mut found = Checked::default();
        let rules = &schema.rules;
        let path = at.map_or_else(String::new, ToString::to_string);
        let said = |text: &str| self.whole(&format!("{path:?} must {text}"));
        if !rules.any_of.is_empty() {
            let (valid, best) = self.alternatives(at, value, old, &rules.any_of, true);
            if valid == 0 {
                found.push(said("validate at least one schema (anyOf)"));
            }
            found.merge(best);
        }
        if !rules.one_of.is_empty() {
            let (valid, best) = self.alternatives(at, value, old, &rules.one_of, false);
            if valid == 0 {
                found.push(said("validate one and only one schema (oneOf). Found none valid"));
            } else if valid > 1 {
                let how = format!("Found {valid} valid alternatives");
                found.push(said(&format!("validate one and only one schema (oneOf). {how}")));
            }
            if valid < 2 {
                found.merge(best);
            }
        }
        if !rules.all_of.is_empty() {
            let mut valid = 0;
            for below in &rules.all_of {
                let result = self.value(at, value, old, below);
                valid += usize::from(result.errors.is_empty());
                found.merge(result);
            }
            if valid == 0 {
                found.push(said("validate all the schemas (allOf). None validated"));
            } else if valid < rules.all_of.len() {
                found.push(said("validate all the schemas (allOf)"));
            }
        }
        if let Some(not) = &rules.not
            && self.value(at, value, old, not).errors.is_empty()
        {
            found.push(said("not validate the schema (not)"));
        }
        found.matches += 1;
        found
    }

    /// How many alternatives hold, and the first that does, or else the one that nearly does.
    fn alternatives(
        &self,
        at: At<'_>,
        value: &Value<'_>,
        old: Option<&Value<'_>>,
        schemas: &[Schema],
        one_is_enough: bool,
    ) -> (usize, Checked) {
        let (mut valid, mut best) = (0, None::<Checked>);
        for schema in schemas {
            let result = self.value(at, value, old, schema);
            if result.errors.is_empty() {
                valid += 1;
                if valid == 1 {
                    best = Some(result);
                }
                if one_is_enough {
                    break;
                }
            } else if valid == 0 && best.as_ref().is_none_or(|best| result.matches > best.matches) {
                best = Some(result);
            }
        }
        (valid, best.unwrap_or_default())
    }
}

/// The item of the old list that an item of a map list replaces; items of other lists have none.
fn same_item<'v, 'a>(
    list: &ListType,
    item: &Value<'_>,
    old: &'v Value<'a>,
) -> Option<&'v Value<'a>> {
    let ListType::Map(keys) = list else { return None };
    let same = |other: &Value<'_>| keys.iter().all(|key| other.get(key) == item.get(key));
    old.as_list()?.iter().find(|other| same(other))
}
