//! Match conditions: expressions that must all be true for a webhook, policy or authorizer to be
//! asked (`webhook/matchconditions/matcher.go`).

use super::authorizer::Authority;
use super::composition::compile_as;
use super::{Budget, Env, EvalError, Fault, Program, Type, Val};

/// The conditions of one webhook, policy or authorizer, compiled.
#[derive(Debug, Default)]
pub struct Conditions(Vec<(Box<str>, Result<Program, String>)>);

impl Conditions {
    /// Compiles the texts; what does not compile is an error when it is asked.
    pub fn compile(env: &Env, texts: impl IntoIterator<Item = impl AsRef<str>>) -> Self {
        Self(
            texts
                .into_iter()
                .map(|text| {
                    let text = text.as_ref();
                    (text.into(), compile_as(env, text, &[Type::Bool]))
                })
                .collect(),
        )
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// True if some condition looks at the variable `name`.
    pub fn uses(&self, name: &str) -> bool {
        self.0.iter().any(|(_, program)| program.as_ref().is_ok_and(|program| program.uses(name)))
    }

    /// True if all conditions are. One that is false decides, whatever errors others have.
    ///
    /// # Errors
    /// What went wrong, as upstream tells it; what to do then is for the failure policy to say.
    pub fn hold<'v>(
        &'v self,
        values: &[Val<'v>],
        authority: &dyn Authority,
    ) -> Result<bool, String> {
        let mut budget = Budget::conditions();
        let mut errors: Vec<String> = Vec::new();
        for (text, program) in &self.0 {
            match program {
                Err(error) => errors.push(format!("compilation error: {error}")),
                Ok(program) => match program.eval(values, authority, &mut budget) {
                    Ok(Val::Bool(true)) => {}
                    Ok(_) => return Ok(false),
                    Err(error) => match failure(text, &error) {
                        Some(message) => errors.push(message),
                        None => return Err(OUT_OF_BUDGET.to_owned()),
                    },
                },
            }
        }
        errors.dedup();
        match errors.as_slice() {
            [] => Ok(true),
            [one] => Err(one.clone()),
            many => Err(format!("[{}]", many.join(", "))),
        }
    }
}

/// What is told when the budget of all expressions together is used up.
pub const OUT_OF_BUDGET: &str =
    "validation failed due to running out of cost budget, no further validation rules will be run";

/// What is told of an expression that has no value; `None` if the whole budget is used up.
pub fn failure(text: &str, error: &EvalError) -> Option<String> {
    let why = match error {
        EvalError::Budget => return None,
        EvalError::Fault(Fault::Error(message)) => &**message,
        EvalError::Fault(Fault::Cost) => "operation cancelled: actual cost limit exceeded",
        EvalError::Fault(Fault::Pending(_)) => "the authorizer has not answered",
    };
    Some(format!("expression '{text}' resulted in error: {why}"))
}
