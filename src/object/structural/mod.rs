//! The structural schema of a custom resource: compiled once from a definition, then used to prune,
//! default, validate and merge objects.
//!
//! The rows of built-in types (`schema::Type`) cannot say everything that a definition may: lists
//! of lists, values that are a number or a string, fields kept without being known. A [`Schema`]
//! can, and `place::Place` leads from one to the other, so that patches and ownership work on both.

mod check;
mod constant;
mod fill;
mod format;
mod lists;
mod number;
mod pattern;
mod prune;

pub use check::{Checked, check, check_update};
pub use constant::Constant;
pub use fill::{drop_nulls, fill};
pub use format::is_known as is_known_format;
pub use lists::check_lists;
pub use pattern::{Pattern, compile as compile_pattern};
pub use prune::{prune, prune_part};

use crate::object::Value;
use crate::object::schema::{ListKind, Type};

/// One node of a structural schema (`schema.Structural`, with its value validations).
#[derive(Debug, Default)]
pub struct Schema {
    /// `type`; "" if none.
    pub kind: &'static str,
    /// `format`, if it is one that is checked.
    pub format: Box<str>,
    /// `nullable`.
    pub nullable: bool,
    /// `x-kubernetes-preserve-unknown-fields`.
    pub preserve_unknown: bool,
    /// Apply takes members that are not declared here: they are kept here or somewhere above
    /// (`schemaconv.convert.preserveUnknownFields`).
    pub lenient: bool,
    /// A string of a form of its own, of which apply takes any scalar
    /// (`schemaconv.convertPrimitive`).
    pub any_scalar: bool,
    /// `x-kubernetes-embedded-resource`: the type of its metadata.
    pub embedded: Option<&'static Type>,
    /// `x-kubernetes-int-or-string`.
    pub int_or_string: bool,
    /// `properties`, sorted by name.
    pub properties: Vec<(Box<str>, Self)>,
    /// `additionalProperties`.
    pub additional: Additional,
    /// `items`.
    pub items: Option<Box<Self>>,
    /// `x-kubernetes-list-type` and `x-kubernetes-list-map-keys`.
    pub list: ListType,
    /// `x-kubernetes-map-type: atomic`.
    pub atomic: bool,
    /// `default`.
    pub default: Option<Constant>,
    /// What values must be.
    pub rules: Rules,
    /// `x-kubernetes-validations`.
    pub validations: Vec<Validation>,
}

/// `additionalProperties`.
#[derive(Debug, Default)]
pub enum Additional {
    /// Nothing is said.
    #[default]
    Unset,
    /// `true` or `false`.
    Allowed(bool),
    /// Values of other keys follow this.
    Schema(Box<Schema>),
}

/// How a list merges; like `ListKind`, with names of its own.
#[derive(Debug, Clone, Default)]
pub enum ListType {
    /// One value as a whole.
    #[default]
    Atomic,
    /// Items named by these members.
    Map(Vec<&'static str>),
    /// Items each at most once.
    Set,
}

/// Value validations of one node.
#[derive(Debug, Default)]
pub struct Rules {
    /// `maximum` and `exclusiveMaximum`.
    pub maximum: Option<(f64, bool)>,
    /// `minimum` and `exclusiveMinimum`.
    pub minimum: Option<(f64, bool)>,
    /// `multipleOf`.
    pub multiple_of: Option<f64>,
    /// `maxLength`.
    pub max_length: Option<i64>,
    /// `minLength`.
    pub min_length: Option<i64>,
    /// `pattern`.
    pub pattern: Option<Pattern>,
    /// `maxItems`.
    pub max_items: Option<i64>,
    /// `minItems`.
    pub min_items: Option<i64>,
    /// `maxProperties`.
    pub max_properties: Option<i64>,
    /// `minProperties`.
    pub min_properties: Option<i64>,
    /// `required`.
    pub required: Vec<Box<str>>,
    /// `enum`.
    pub values: Vec<Constant>,
    /// `allOf`.
    pub all_of: Vec<Schema>,
    /// `anyOf`.
    pub any_of: Vec<Schema>,
    /// `oneOf`.
    pub one_of: Vec<Schema>,
    /// `not`.
    pub not: Option<Box<Schema>>,
}

/// One of `x-kubernetes-validations`.
#[derive(Debug, Default, Clone)]
pub struct Validation {
    /// `rule`.
    pub rule: Box<str>,
    /// `message`; "" if none.
    pub message: Box<str>,
    /// `messageExpression`; "" if none.
    pub message_expression: Box<str>,
    /// `reason`; "" if none.
    pub reason: Box<str>,
    /// `fieldPath`; "" if none.
    pub field_path: Box<str>,
    /// `optionalOldSelf`.
    pub optional_old_self: bool,
}

impl Schema {
    /// Compiles `JSONSchemaProps`; what is not valid there is left out. `metadata` is the type of
    /// `ObjectMeta`, for embedded resources.
    pub fn compile(props: &Value<'_>, metadata: &'static Type) -> Self {
        Self::compile_below(props, metadata, false)
    }

    fn compile_below(props: &Value<'_>, metadata: &'static Type, lenient: bool) -> Self {
        let preserve_unknown = props.bool_at(&["x-kubernetes-preserve-unknown-fields"]);
        let lenient = lenient || preserve_unknown;
        let int_or_string = props.bool_at(&["x-kubernetes-int-or-string"]);
        let kind = known_kind(props.str_at(&["type"]));
        let mut properties: Vec<(Box<str>, Self)> = props
            .get("properties")
            .and_then(Value::as_map)
            .into_iter()
            .flat_map(crate::object::Map::iter)
            .map(|(name, props)| (name.into(), Self::compile_below(props, metadata, lenient)))
            .collect();
        properties.sort_by(|(a, _), (b, _)| a.cmp(b));
        let schema = |name: &str| {
            let props = props.get(name).filter(|props| props.as_map().is_some());
            props.map(|props| Box::new(Self::compile_below(props, metadata, lenient)))
        };
        let format = props.str_at(&["format"]);
        let checked = format::is_checked(kind, int_or_string, format);
        Self {
            kind,
            format: if checked { format } else { "" }.into(),
            nullable: props.bool_at(&["nullable"]),
            preserve_unknown,
            lenient,
            any_scalar: kind == "string" && !matches!(format, "" | "byte"),
            embedded: props.bool_at(&["x-kubernetes-embedded-resource"]).then_some(metadata),
            int_or_string,
            properties,
            additional: match props.get("additionalProperties") {
                None => Additional::Unset,
                Some(Value::Bool(allowed)) => Additional::Allowed(*allowed),
                Some(props) => {
                    let below = Self::compile_below(props, metadata, lenient);
                    Additional::Schema(Box::new(below))
                }
            },
            items: schema("items"),
            list: ListType::of(props),
            atomic: props.str_at(&["x-kubernetes-map-type"]) == "atomic",
            default: props.get("default").map(Constant::of),
            rules: Rules::of(props, metadata),
            validations: props
                .list_at(&["x-kubernetes-validations"])
                .iter()
                .map(Validation::of)
                .collect(),
        }
    }

    /// Makes what is a number or a string anything, here and below.
    pub fn forget_int_or_string(&mut self) {
        if self.int_or_string {
            (self.int_or_string, self.kind) = (false, "");
        }
        self.properties.iter_mut().for_each(|(_, below)| below.forget_int_or_string());
        if let Additional::Schema(below) = &mut self.additional {
            below.forget_int_or_string();
        }
        if let Some(items) = &mut self.items {
            items.forget_int_or_string();
        }
    }

    /// The schema of the property `name`.
    pub fn property(&self, name: &str) -> Option<&Self> {
        let at = self.properties.binary_search_by(|(known, _)| (**known).cmp(name)).ok()?;
        self.properties.get(at).map(|(_, schema)| schema)
    }

    /// The schema of what stands under `key`: a property's, else that of additional properties.
    pub fn member(&self, key: &str) -> Option<&Self> {
        self.property(key).or(match &self.additional {
            Additional::Schema(schema) => Some(&**schema),
            Additional::Unset | Additional::Allowed(_) => None,
        })
    }

    /// True if some part is an embedded resource.
    pub fn has_embedded(&self) -> bool {
        let below = match &self.additional {
            Additional::Schema(schema) => schema.has_embedded(),
            Additional::Unset | Additional::Allowed(_) => false,
        };
        self.embedded.is_some()
            || below
            || self.properties.iter().any(|(_, schema)| schema.has_embedded())
            || self.items.as_deref().is_some_and(Self::has_embedded)
    }

    /// True if some part has rules of `x-kubernetes-validations`.
    pub fn has_validations(&self) -> bool {
        let below = match &self.additional {
            Additional::Schema(schema) => schema.has_validations(),
            Additional::Unset | Additional::Allowed(_) => false,
        };
        !self.validations.is_empty()
            || below
            || self.properties.iter().any(|(_, schema)| schema.has_validations())
            || self.items.as_deref().is_some_and(Self::has_validations)
    }

    /// The JSON types that are allowed; none stands for all.
    pub fn kinds(&self) -> &[&'static str] {
        match self.kind {
            _ if self.int_or_string => &["integer", "string"],
            "" => &[],
            _ => std::slice::from_ref(&self.kind),
        }
    }

    /// How server-side apply merges a list here.
    pub(crate) fn list_kind(&'static self) -> ListKind {
        match &self.list {
            ListType::Atomic => ListKind::Atomic,
            ListType::Map(keys) => ListKind::Map(keys),
            ListType::Set => ListKind::Set,
        }
    }
}

impl Rules {
    fn of(props: &Value<'_>, metadata: &'static Type) -> Self {
        let nested = |name: &str| -> Vec<Schema> {
            props.list_at(&[name]).iter().map(|props| Schema::compile(props, metadata)).collect()
        };
        let number = |name: &str| props.get(name).and_then(as_f64);
        let bound = |name: &str, exclusive: &str| {
            number(name).map(|bound| (bound, props.bool_at(&[exclusive])))
        };
        let count = |name: &str| props.i64_at(&[name]);
        let texts = |name: &str| -> Vec<Box<str>> {
            props.list_at(&[name]).iter().filter_map(Value::as_str).map(Into::into).collect()
        };
        let not = props.get("not").filter(|props| props.as_map().is_some());
        Self {
            maximum: bound("maximum", "exclusiveMaximum"),
            minimum: bound("minimum", "exclusiveMinimum"),
            multiple_of: number("multipleOf"),
            max_length: count("maxLength"),
            min_length: count("minLength"),
            pattern: match props.str_at(&["pattern"]) {
                "" => None,
                text => Some(Pattern::new(text)),
            },
            max_items: count("maxItems"),
            min_items: count("minItems"),
            max_properties: count("maxProperties"),
            min_properties: count("minProperties"),
            required: texts("required"),
            values: props.list_at(&["enum"]).iter().map(Constant::of).collect(),
            all_of: nested("allOf"),
            any_of: nested("anyOf"),
            one_of: nested("oneOf"),
            not: not.map(|props| Box::new(Schema::compile(props, metadata))),
        }
    }
}

impl ListType {
    fn of(props: &Value<'_>) -> Self {
        match props.str_at(&["x-kubernetes-list-type"]) {
            "map" => {
                let keys = props.list_at(&["x-kubernetes-list-map-keys"]).iter();
                let keys = keys.filter_map(Value::as_str);
                // Rows live as long as the process, and so do the names in them.
                Self::Map(keys.map(|key| &*String::from(key).leak()).collect())
            }
            "set" => Self::Set,
            _ => Self::Atomic,
        }
    }
}

impl Validation {
    fn of(rule: &Value<'_>) -> Self {
        let text = |name: &str| rule.str_at(&[name]).into();
        Self {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: text("reason"),
            field_path: text("fieldPath"),
            optional_old_self: rule.bool_at(&["optionalOldSelf"]),
        }
    }
}

fn known_kind(kind: &str) -> &'static str {
    ["array", "boolean", "integer", "number", "object", "string"]
        .into_iter()
        .find(|known| *known == kind)
        .unwrap_or("")
}

/// A number as a float.
pub(crate) fn as_f64(value: &Value<'_>) -> Option<f64> {
    match value {
        #[expect(clippy::cast_precision_loss, reason = "JSON schema bounds are floats")]
        Value::Int(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
