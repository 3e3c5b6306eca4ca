//! Expressions of CEL in built-in objects: they must compile, and be of the right type
//! (`pkg/apis/admissionregistration/validation`, `pkg/apis/resource/validation`).

use super::{Errors, Report as _};
use crate::cel::composition::{Composer, compile_as};
use crate::cel::environment::{Optional, admission, device};
use crate::cel::{Env, Type, patch_types};
use crate::object::Value;
use crate::object::field::Path;
use crate::registry::read::Read as _;

/// One expression; one without text is told elsewhere. True if it is fine.
fn one(env: &Env, text: &str, wanted: &[Type], path: &Path<'_>, errors: &mut Errors) -> bool {
    if text.trim().is_empty() {
        return true;
    }
    match compile_as(env, text.trim(), wanted) {
        Ok(_) => true,
        Err(detail) => {
            errors.invalid(path, text.trim(), &detail);
            false
        }
    }
}

/// The expression of a match condition of a webhook.
pub fn webhook_condition(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let env = admission(Optional { params: false, authorizer: true });
    one(&env, text, &[Type::Bool], path, errors);
}

/// The expressions of a policy, validating or mutating.
pub(super) struct Policy {
    composer: Composer,
}

impl Policy {
    /// The environment of the policy with this `spec`; its variables are checked here.
    pub(super) fn new(
        spec: &Value<'_>,
        mutating: bool,
        path: &Path<'_>,
        errors: &mut Errors,
    ) -> Self {
        let mut composer = Composer::new(spec.has("paramKind"), mutating);
        let at = path.child("variables");
        let list = spec.items("variables");
        // A validating policy that declares none is compiled by a compiler that knows none.
        if list.is_empty() && !mutating {
            composer = composer.without_variables();
        }
        for (index, variable) in list.iter().enumerate() {
            let at = at.index(index);
            let name = variable.text("name");
            variable_name(name, &at.child("name"), errors);
            let text = variable.text("expression").trim();
            let at = at.child("expression");
            if text.is_empty() {
                errors.required(&at, "expression is not specified");
            } else if let Err(detail) = composer.declare(name, text) {
                errors.invalid(&at, text, &detail);
            }
        }
        Self { composer }
    }

    /// A match condition.
    pub(super) fn condition(&self, text: &str, path: &Path<'_>, errors: &mut Errors) {
        one(&self.composer.conditions(), text, &[Type::Bool], path, errors);
    }

    /// What a validation tests.
    pub(super) fn validation(&self, text: &str, path: &Path<'_>, errors: &mut Errors) {
        one(&self.composer.env(true), text, &[Type::Bool], path, errors);
    }

    /// What a validation says.
    pub(super) fn message(&self, text: &str, path: &Path<'_>, errors: &mut Errors) {
        one(&self.composer.env(false), text, &[Type::String], path, errors);
    }

    /// What an audit annotation says.
    pub(super) fn annotation(&self, text: &str, path: &Path<'_>, errors: &mut Errors) {
        one(&self.composer.env(true), text, &[Type::String, Type::Null], path, errors);
    }

    /// What a mutation of the type `kind` makes.
    pub(super) fn mutation(&self, kind: &str, text: &str, path: &Path<'_>, errors: &mut Errors) {
        let wanted = patch_types(kind == "JSONPatch");
        one(&self.composer.env(true), text, &[wanted], path, errors);
    }
}

fn variable_name(name: &str, path: &Path<'_>, errors: &mut Errors) {
    if name.trim().is_empty() {
        errors.required(path, "name is not specified");
    } else if !crate::cel::is_identifier(name) {
        errors.invalid(path, name, "must be a valid CEL identifier");
    }
}

/// The expression of a device selector.
pub fn device_selector(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let detail = match crate::cel::Program::compile(&device(), text) {
        Err(error) => format!("compilation failed: {error}"),
        Ok(program) => match program.output() {
            Type::Bool | Type::Dyn => return,
            other => {
                format!("must evaluate to bool or the unknown type, not {}", other.declared())
            }
        },
    };
    errors.invalid(path, text, &detail);
}

#[cfg(test)]
mod tests {
    use super::{Errors, Path, Policy};
    use crate::registry::sample::{lines, tree};
    use bumpalo::Bump;
    use serde_json::{Value as Json, json};

    fn told(spec: &Json, mutating: bool) -> Vec<String> {
        let arena = Bump::new();
        let (spec, mut errors) = (tree(&arena, spec), Errors::new());
        let path = Path::root("spec");
        let policy = Policy::new(&spec, mutating, &path, &mut errors);
        policy.validation("variables.x == 1", &path.child("validations"), &mut errors);
        lines(&errors)
    }

    #[test]
    fn variables_are_unknown_where_a_validating_policy_declares_none() {
        let undeclared = "undeclared reference to 'variables'";
        let none = told(&json!({}), false);
        assert!(none.iter().any(|line| line.contains(undeclared)), "{none:?}");
        let mutating = told(&json!({}), true);
        assert!(mutating.iter().any(|line| line.contains("undefined field 'x'")), "{mutating:?}");
        let declared = json!({"variables": [{"name": "x", "expression": "1"}]});
        assert_eq!(told(&declared, false), [""; 0]);
    }
}
