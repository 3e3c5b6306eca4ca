//! CEL, the Common Expression Language, as Kubernetes v1.36 has it: rules of custom resources,
//! admission policies, match conditions, device selectors, claim mappings.
//!
//! [`Program::compile`] reads and type-checks a text against an [`Env`], with cel-go's error texts.
//! [`Program::eval`] evaluates it on values, which look at [`crate::object::Value`] trees where
//! they stand. Cost is counted as cel-go and Kubernetes count it and bounded by [`Budget`].
//!
//! The type checker, the texts of errors, cost, and evaluation on this project's own values are
//! what the known crates lack, so this is one of our own. No text and no value makes it panic or
//! recurse without bound: trees are limited in depth, and evaluation in cost and work.

mod ast;
pub mod authorizer;
mod check;
pub mod composition;
pub mod conditions;
mod cost;
mod declare;
mod declared;
pub mod environment;
mod escape;
pub mod estimate;
mod eval;
mod functions;
mod issue;
mod lex;
mod literal;
mod macros;
mod opaque;
mod ops;
mod parse;
#[cfg(test)]
mod tests;
mod text;
mod times;
pub mod tree;
mod types;
mod unify;
mod value;

pub use declare::declared;
pub use environment::patch_types;
pub use escape::{escape, is_identifier, unescape};
pub use functions::{Format, Semver, Url};
pub use opaque::Opaque;
pub use types::{Object, Type};
pub use value::{Entries, Fault, List, Map, Text, Val};

use crate::base::duration;
use crate::base::limits::{CEL_BUDGET_COST_MAX, CEL_CALL_COST_MAX, CEL_CONDITIONS_COST_MAX};
use ast::{Ast, Id, Literal, Node};
use authorizer::Authority;
use check::Bound;
use eval::{Builtin, Scope};
use std::sync::Arc;

/// The variables and messages that an expression may name.
#[derive(Debug, Clone, Default)]
pub struct Env {
    variables: Vec<(Box<str>, Type)>,
    /// Messages of patches can be made: `Object{…}`, `JSONPatch{…}`; `jsonpatch` has functions.
    patches: bool,
}

impl Env {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// With the variable `name`, behind those that are there: values are given in this order.
    #[must_use]
    pub fn with(mut self, name: &str, variable: Type) -> Self {
        self.variables.push((name.into(), variable));
        self
    }

    /// With the messages of mutating policies (`hasPatchTypes`).
    #[must_use]
    pub fn with_patches(mut self) -> Self {
        self.patches = true;
        self
    }

    /// The type of the variable `name` changed.
    pub fn set(&mut self, name: &str, variable: Type) {
        if let Some(slot) = self.variables.iter_mut().find(|(known, _)| **known == *name) {
            slot.1 = variable;
        }
    }

    /// The message `name`.
    fn message(&self, name: &str) -> Option<Arc<Object>> {
        if !self.patches {
            return None;
        }
        environment::patch_message(name)
    }
}

/// What may be spent by several evaluations together.
#[derive(Debug, Clone, Copy)]
pub struct Budget {
    left: u64,
}

impl Budget {
    /// For all rules of a custom resource, or of one binding of a policy.
    pub const fn rules() -> Self {
        Self { left: CEL_BUDGET_COST_MAX }
    }

    /// For all match conditions of one webhook or binding.
    pub const fn conditions() -> Self {
        Self { left: CEL_CONDITIONS_COST_MAX }
    }

    /// `left` and no more.
    pub const fn of(left: u64) -> Self {
        Self { left }
    }

    /// True if nothing is left.
    pub const fn is_spent(&self) -> bool {
        self.left == 0
    }

    /// Takes `cost` away; false if that was more than was left.
    fn take(&mut self, cost: u64) -> bool {
        let enough = cost <= self.left;
        self.left = self.left.saturating_sub(cost);
        enough
    }
}

/// Why a text is no expression: every error with its place, as `ERROR: <input>:1:5: …`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileError(pub String);

impl std::fmt::Display for CompileError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CompileError {}

/// Why an evaluation with a budget has no value.
#[derive(Debug, Clone, PartialEq)]
pub enum EvalError {
    /// The budget of all evaluations together is used up.
    Budget,
    /// The evaluation itself failed.
    Fault(Fault),
}

/// A checked expression, ready to be evaluated. It belongs to no thread.
#[derive(Debug)]
pub struct Program {
    text: Box<str>,
    ast: Ast,
    root: Id,
    output: Type,
    bound: Vec<Option<Bound>>,
    builtins: Vec<Option<Builtin>>,
    types: Vec<Type>,
    variables: Vec<Box<str>>,
}

impl Program {
    /// Reads and checks `text` (`cel.Env.Compile`).
    ///
    /// # Errors
    /// All that is wrong with it, as cel-go shows it.
    pub fn compile(env: &Env, text: &str) -> Result<Self, CompileError> {
        let failed = |issues| CompileError(issue::shown(text, issues));
        let parsed = parse::parse(text);
        if !parsed.issues.is_empty() {
            return Err(failed(parsed.issues));
        }
        let (mut ast, root) = (parsed.ast, parsed.root);
        let checked = check::check(env, &mut ast, root).map_err(failed)?;
        let issues = literal_issues(&ast);
        if !issues.is_empty() {
            return Err(failed(issues));
        }
        let output = checked.types.get(root as usize).cloned().unwrap_or(Type::Dyn);
        let ids = 0..u32::try_from(ast.len()).unwrap_or(0);
        let builtins = ids.map(|id| match ast.node(id) {
            Node::Call { function, .. } => functions::builtin(function.trim_start_matches('.')),
            _ => None,
        });
        let builtins = builtins.collect();
        let variables = env.variables.iter().map(|(name, _)| name.clone()).collect();
        let check::Checked { types, bound } = checked;
        Ok(Self { text: text.into(), ast, root, output, bound, builtins, types, variables })
    }

    /// The expression's text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The type of the result.
    pub fn output(&self) -> &Type {
        &self.output
    }

    /// Evaluates with `values` for the environment's variables, in their order. Values, trees and
    /// program must live as long as the result.
    ///
    /// # Errors
    /// The fault of the expression, or that `budget` is used up by it.
    pub fn eval<'v>(
        &'v self,
        values: &[Val<'v>],
        authority: &dyn Authority,
        budget: &mut Budget,
    ) -> Result<Val<'v>, EvalError> {
        let mut scope = Scope::new(self, values, authority, CEL_CALL_COST_MAX);
        let result = scope.eval(self.root);
        if matches!(result, Err(Fault::Pending(_))) {
            // The evaluation begins anew, and is charged then.
            return result.map_err(EvalError::Fault);
        }
        if !budget.take(scope.cost()) {
            return Err(EvalError::Budget);
        }
        result.map_err(EvalError::Fault)
    }

    /// The names of the fields of the variable `name` that the expression looks at; `None` if it
    /// looks at the variable as a whole.
    pub fn fields_of(&self, name: &str) -> Option<Vec<&str>> {
        let at = self.variables.iter().position(|known| **known == *name)?;
        let is_it = |id: Id| matches!(self.bound(id), Some(Bound::Global(g)) if *g as usize == at);
        let ids = 0..u32::try_from(self.ast.len()).unwrap_or(0);
        let mut selected = Vec::new();
        let mut fields = Vec::new();
        for id in ids.clone() {
            if let Node::Select { operand, field, .. } = self.ast.node(id)
                && is_it(*operand)
            {
                selected.push(*operand);
                fields.push(&**field);
            }
        }
        let whole = ids.into_iter().any(|id| is_it(id) && !selected.contains(&id));
        (!whole).then_some(fields)
    }

    /// True if the expression looks at the variable `name`.
    pub fn uses(&self, name: &str) -> bool {
        let at = self.variables.iter().position(|known| **known == *name);
        self.bound.iter().any(|bound| match bound {
            Some(Bound::Global(found)) => Some(*found as usize) == at,
            _ => false,
        })
    }

    fn bound(&self, id: Id) -> Option<&Bound> {
        self.bound.get(id as usize).and_then(Option::as_ref)
    }

    fn builtin(&self, id: Id) -> Option<Builtin> {
        self.builtins.get(id as usize).copied().flatten()
    }
}

/// Literals that a function cannot take (`cel.ASTValidators` of Kubernetes' environment).
fn literal_issues(ast: &Ast) -> Vec<issue::Issue> {
    let mut issues = Vec::new();
    for id in 0..u32::try_from(ast.len()).unwrap_or(0) {
        let Node::Call { function, args, .. } = ast.node(id) else { continue };
        let Some(last) = args.last().copied() else { continue };
        let Node::Const(Literal::String(text)) = ast.node(last) else { continue };
        let good = match &**function {
            "duration" => duration::parse(text).is_ok(),
            "timestamp" => times::Time::parse(text).is_some(),
            "matches" => functions::is_pattern(text),
            _ => true,
        };
        if !good {
            issues.push((Some(ast.place(last)), format!("invalid {function} argument")));
        }
    }
    issues
}
