//! Expressions over the claims of a token, and over the user that they name
//! (`pkg/authentication/cel`).

use crate::cel::authorizer::NoAuthority;
use crate::cel::{Budget, Env, EvalError, Fault, List, Object, Program, Type, Val};
use crate::codec::json::parse_any;
use crate::request::User;
use bumpalo::Bump;
use serde_json::{Value, json};
use std::sync::Arc;

/// A compiled expression.
pub(super) type Expression = Arc<Program>;

/// What an expression says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// True or false.
    Bool(bool),
    /// Nothing.
    Nothing,
    /// Texts.
    Texts(Vec<String>),
    /// One text.
    Text(String),
    /// Something else.
    Other,
}

/// Compiles an expression over `claims`; a rule must be true or false.
pub(super) fn over_claims(text: &str, rule: bool) -> Result<Expression, String> {
    let env = Env::new().with("claims", Type::map(Type::String, Type::Dyn));
    compile(&env, text, rule)
}

/// Compiles a rule over `user`.
pub(super) fn over_user(text: &str) -> Result<Expression, String> {
    let texts = || Type::list(Type::String);
    let fields = vec![
        ("username".into(), Type::String),
        ("uid".into(), Type::String),
        ("groups".into(), texts()),
        ("extra".into(), Type::map(Type::String, texts())),
    ];
    let env = Env::new().with("user", Object::typed("kubernetes.UserInfo", fields));
    compile(&env, text, true)
}

fn compile(env: &Env, text: &str, rule: bool) -> Result<Expression, String> {
    let program =
        Program::compile(env, text).map_err(|error| format!("compilation failed: {error}"))?;
    if rule && !matches!(program.output(), Type::Bool) {
        return Err("must evaluate to bool".to_owned());
    }
    Ok(Arc::new(program))
}

/// The claims, as expressions see them.
pub(super) fn of_claims(expression: &Program, claims: &Value) -> Result<Said, String> {
    evaluate(expression, claims)
}

/// The user, as rules see him.
pub(super) fn of_user(rule: &Program, user: &User) -> Result<Said, String> {
    let extra = user.extra.iter().map(|(key, values)| (key.clone(), json!(values)));
    let extra: serde_json::Map<String, Value> = extra.collect();
    let seen = json!({
        "username": user.name, "uid": user.uid, "groups": user.groups, "extra": extra,
    });
    evaluate(rule, &seen)
}

fn evaluate(expression: &Program, variable: &Value) -> Result<Said, String> {
    let arena = Bump::new();
    let text = variable.to_string();
    let tree = parse_any(text.as_bytes(), &arena).map_err(|error| error.to_string())?;
    let mut budget = Budget::rules();
    let said = expression.eval(&[Val::of(&tree)], &NoAuthority, &mut budget);
    match said {
        Ok(value) => Ok(Said::of(&value)),
        Err(EvalError::Fault(Fault::Error(text))) => Err(text.to_string()),
        Err(EvalError::Budget | EvalError::Fault(_)) => {
            Err("operation cancelled: actual cost limit exceeded".to_owned())
        }
    }
}

impl Said {
    fn of(value: &Val<'_>) -> Self {
        match value {
            Val::Bool(said) => Self::Bool(*said),
            Val::Null => Self::Nothing,
            Val::Str(text) => Self::Text(text.as_str().to_owned()),
            Val::List(List::Made(items)) => {
                let text = |item: &Val<'_>| match item {
                    Val::Str(text) => Some(text.as_str().to_owned()),
                    _ => None,
                };
                items.iter().map(text).collect::<Option<_>>().map_or(Self::Other, Self::Texts)
            }
            Val::List(List::Seen(items, _)) => {
                let texts = items.iter().map(|item| item.as_str().map(str::to_owned));
                texts.collect::<Option<_>>().map_or(Self::Other, Self::Texts)
            }
            _ => Self::Other,
        }
    }

    /// Texts that are not empty (`convertCELValueToStringList`).
    pub(super) fn texts(self) -> Result<Vec<String>, String> {
        let texts = match self {
            Self::Nothing => Vec::new(),
            Self::Text(text) => vec![text],
            Self::Texts(texts) => texts,
            Self::Bool(_) | Self::Other => {
                return Err("expression must return a string or a list of strings".to_owned());
            }
        };
        Ok(texts.into_iter().filter(|text| !text.is_empty()).collect())
    }
}
