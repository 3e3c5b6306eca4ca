//! Policies and bindings as they are kept on a shard, with their expressions compiled.

use super::matching::Matching;
use crate::cel::composition::{Composer, Variables, compile_as};
use crate::cel::conditions::Conditions;
use crate::cel::{Program, Type, patch_types};
use crate::object::Value;
use crate::object::selector::LabelSelector;

/// All policies of one kind.
#[derive(Debug)]
pub(super) struct Policies(pub(super) Vec<Policy>);

/// All bindings of one kind.
#[derive(Debug)]
pub(super) struct Bindings(pub(super) Vec<Binding>);

/// A validating or mutating policy.
#[derive(Debug)]
pub(super) struct Policy {
    pub(super) name: Box<str>,
    /// `failurePolicy` is Ignore.
    pub(super) lenient: bool,
    pub(super) matching: Matching,
    pub(super) params: Option<ParamKind>,
    pub(super) conditions: Conditions,
    pub(super) variables: Variables,
    pub(super) validations: Vec<Validation>,
    /// Keys and values of `auditAnnotations`.
    pub(super) annotations: Vec<(Box<str>, Expression)>,
    pub(super) mutations: Vec<Mutation>,
    /// `reinvocationPolicy` is IfNeeded.
    pub(super) again: bool,
}

/// An expression with its text.
#[derive(Debug)]
pub(super) struct Expression {
    pub(super) text: Box<str>,
    pub(super) program: Result<Program, String>,
}

/// `paramKind`.
#[derive(Debug)]
pub(super) struct ParamKind {
    pub(super) api_version: Box<str>,
    pub(super) kind: Box<str>,
}

/// One of `validations`.
#[derive(Debug)]
pub(super) struct Validation {
    pub(super) expression: Expression,
    pub(super) message: Box<str>,
    pub(super) message_expression: Option<Expression>,
    pub(super) reason: Box<str>,
}

/// One of `mutations`.
#[derive(Debug)]
pub(super) struct Mutation {
    /// It makes a JSON patch, else an apply configuration.
    pub(super) json: bool,
    pub(super) expression: Expression,
}

/// A binding.
#[derive(Debug)]
pub(super) struct Binding {
    pub(super) name: Box<str>,
    pub(super) policy: Box<str>,
    pub(super) params: Option<ParamRef>,
    pub(super) matching: Option<Matching>,
    /// `validationActions`.
    pub(super) actions: Vec<Box<str>>,
}

/// `paramRef`.
#[derive(Debug)]
pub(super) struct ParamRef {
    pub(super) name: Box<str>,
    pub(super) namespace: Box<str>,
    pub(super) selector: Option<LabelSelector>,
    /// `parameterNotFoundAction` is Deny.
    pub(super) must_exist: bool,
}

impl Policies {
    pub(super) fn validating(objects: &[Value<'_>]) -> Self {
        Self(objects.iter().map(|object| Policy::new(object, false)).collect())
    }

    pub(super) fn mutating(objects: &[Value<'_>]) -> Self {
        Self(objects.iter().map(|object| Policy::new(object, true)).collect())
    }
}

impl Bindings {
    pub(super) fn new(objects: &[Value<'_>]) -> Self {
        Self(objects.iter().map(Binding::new).collect())
    }
}

impl Expression {
    fn new(composer: &Composer, authorizer: bool, text: &str, wanted: &[Type]) -> Self {
        let text = text.trim();
        let program = compile_as(&composer.env(authorizer), text, wanted);
        Self { text: text.into(), program }
    }
}

impl Policy {
    fn new(object: &Value<'_>, mutating: bool) -> Self {
        let null = Value::Null;
        let spec = object.get("spec").unwrap_or(&null);
        let kind = spec.get("paramKind");
        let mut composer = Composer::new(kind.is_some(), mutating);
        let variables = spec.list_at(&["variables"]).iter().map(|variable| {
            let name = variable.str_at(&["name"]);
            (name.into(), composer.declare(name, variable.str_at(&["expression"]).trim()))
        });
        let variables = variables.collect();
        let conditions = spec.list_at(&["matchConditions"]).iter();
        let conditions = conditions.map(|condition| condition.str_at(&["expression"]).trim());
        let annotations = spec.list_at(&["auditAnnotations"]).iter().map(|note| {
            let text = note.str_at(&["valueExpression"]);
            let value = Expression::new(&composer, true, text, &[Type::String, Type::Null]);
            (note.str_at(&["key"]).into(), value)
        });
        Self {
            name: object.str_at(&["metadata", "name"]).into(),
            lenient: spec.str_at(&["failurePolicy"]) == "Ignore",
            matching: Matching::new(spec.get("matchConstraints").unwrap_or(&null)),
            params: kind.map(|kind| ParamKind {
                api_version: kind.str_at(&["apiVersion"]).into(),
                kind: kind.str_at(&["kind"]).into(),
            }),
            conditions: Conditions::compile(&composer.conditions(), conditions),
            annotations: annotations.collect(),
            validations: spec
                .list_at(&["validations"])
                .iter()
                .map(|rule| Validation::new(rule, &composer))
                .collect(),
            mutations: spec
                .list_at(&["mutations"])
                .iter()
                .map(|mutation| Mutation::new(mutation, &composer))
                .collect(),
            variables,
            again: spec.str_at(&["reinvocationPolicy"]) == "IfNeeded",
        }
    }

    /// Some expression looks at the variable `name`.
    pub(super) fn uses(&self, name: &str) -> bool {
        let uses = |program: &Result<Program, String>| {
            program.as_ref().is_ok_and(|program| program.uses(name))
        };
        let of_validation = |rule: &Validation| {
            let message = rule.message_expression.as_ref();
            uses(&rule.expression.program) || message.is_some_and(|text| uses(&text.program))
        };
        self.conditions.uses(name)
            || self.variables.iter().any(|(_, program)| uses(program))
            || self.validations.iter().any(of_validation)
            || self.annotations.iter().any(|(_, value)| uses(&value.program))
            || self.mutations.iter().any(|mutation| uses(&mutation.expression.program))
    }
}

impl Validation {
    fn new(rule: &Value<'_>, composer: &Composer) -> Self {
        let text = rule.str_at(&["expression"]);
        let message = rule.get("messageExpression").and_then(Value::as_str);
        let message = message.filter(|text| !text.trim().is_empty());
        Self {
            expression: Expression::new(composer, true, text, &[Type::Bool]),
            message: rule.str_at(&["message"]).into(),
            message_expression: message
                .map(|text| Expression::new(composer, false, text, &[Type::String])),
            reason: rule.str_at(&["reason"]).into(),
        }
    }
}

impl Mutation {
    fn new(mutation: &Value<'_>, composer: &Composer) -> Self {
        let json = mutation.str_at(&["patchType"]) == "JSONPatch";
        let owner = if json { "jsonPatch" } else { "applyConfiguration" };
        let text = mutation.str_at(&[owner, "expression"]);
        Self { json, expression: Expression::new(composer, true, text, &[patch_types(json)]) }
    }
}

impl Binding {
    fn new(object: &Value<'_>) -> Self {
        let null = Value::Null;
        let spec = object.get("spec").unwrap_or(&null);
        let actions = spec.list_at(&["validationActions"]).iter().filter_map(Value::as_str);
        Self {
            name: object.str_at(&["metadata", "name"]).into(),
            policy: spec.str_at(&["policyName"]).into(),
            params: spec.get("paramRef").map(|params| ParamRef {
                name: params.str_at(&["name"]).into(),
                namespace: params.str_at(&["namespace"]).into(),
                selector: params
                    .get("selector")
                    .and_then(|selector| LabelSelector::from_value(Some(selector)).ok()),
                must_exist: params.str_at(&["parameterNotFoundAction"]) == "Deny",
            }),
            matching: spec.get("matchResources").map(Matching::new),
            actions: actions.map(Into::into).collect(),
        }
    }
}
