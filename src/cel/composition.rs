//! Expressions that name values by other expressions: `variables` of admission policies, and what
//! each use of an expression must evaluate to (`plugin/cel/composition.go`, `compile.go`).

use super::authorizer::Authority;
use super::environment::{Optional, admission};
use super::types::{Object, Type};
use super::{Budget, Entries, Env, EvalError, Fault, Map, Program, Val};
use std::rc::Rc;

const VARIABLES: &str = "variables";

/// Reads an expression that must be of one of the types `wanted`; none stands for any.
///
/// # Errors
/// What upstream says of it: `compilation failed: …`, `must evaluate to bool but got int`.
pub fn compile_as(env: &Env, text: &str, wanted: &[Type]) -> Result<Program, String> {
    let program = match Program::compile(env, text) {
        Ok(program) => program,
        Err(error) => return Err(format!("compilation failed: {error}")),
    };
    let output = program.output();
    if wanted.is_empty() || wanted.iter().any(|wanted| wanted.is_exact(output)) {
        return Ok(program);
    }
    let names: Vec<String> = wanted.iter().map(Type::declared).collect();
    let wanted = match names.as_slice() {
        [name] => name.clone(),
        names => format!("one of [{}]", names.join(" ")),
    };
    Err(format!("must evaluate to {wanted} but got {}", output.declared()))
}

/// The environments of one policy, which grow by each variable that is declared.
#[derive(Debug)]
pub struct Composer {
    params: bool,
    patches: bool,
    composes: bool,
    fields: Vec<(Box<str>, Type)>,
}

impl Composer {
    /// For a policy with or without `params`, that makes patches or does not.
    pub fn new(params: bool, patches: bool) -> Self {
        Self { params, patches, composes: true, fields: Vec::new() }
    }

    /// For expressions that do not know `variables` (`createCompiler` without composition).
    pub fn without_variables(self) -> Self {
        Self { composes: false, ..self }
    }

    /// The environment of expressions with all variables declared so far.
    pub fn env(&self, authorizer: bool) -> Env {
        let env = admission(Optional { params: self.params, authorizer });
        let env = if self.patches { env.with_patches() } else { env };
        if !self.composes {
            return env;
        }
        env.with(VARIABLES, Object::typed("kubernetes.variables", self.fields.clone()))
    }

    /// The environment of match conditions, which know no variables.
    pub fn conditions(&self) -> Env {
        admission(Optional { params: self.params, authorizer: true })
    }

    /// Declares the variable `name` and compiles its expression.
    ///
    /// # Errors
    /// What is wrong with the expression; the variable is declared anyway, as a dynamic one.
    pub fn declare(&mut self, name: &str, text: &str) -> Result<Program, String> {
        let program = compile_as(&self.env(true), text, &[]);
        let found = program.as_ref().map_or(Type::Dyn, |program| shareable(program.output()));
        self.fields.retain(|(known, _)| **known != *name);
        self.fields.push((name.into(), found));
        program
    }
}

/// The type of a variable as other expressions see it.
fn shareable(found: &Type) -> Type {
    match found {
        Type::List(item) => Type::list(shareable(item)),
        Type::Map(map) => Type::map(shareable(&map.0), shareable(&map.1)),
        Type::Object(_) | Type::Opaque(_) | Type::Optional(_) | Type::Type(_) => Type::Dyn,
        other => other.clone(),
    }
}

/// The variables of a policy, compiled, in the order of their declaration.
pub type Variables = Vec<(Box<str>, Result<Program, String>)>;

/// What one evaluation of a policy knows of its variables: each is computed at most once.
#[derive(Debug)]
pub struct Composition<'v> {
    variables: &'v Variables,
    /// The values of the environment in which variables are declared.
    values: Vec<Val<'v>>,
    known: Vec<Option<Val<'v>>>,
}

impl<'v> Composition<'v> {
    /// Nothing is computed yet; `values` are those of [`Composer::env`] with an authorizer, but
    /// for `variables`.
    pub fn new(variables: &'v Variables, values: Vec<Val<'v>>) -> Self {
        Self { variables, values, known: vec![None; variables.len()] }
    }

    /// Evaluates `program`, with the variables that it names computed before. `values` are those
    /// of the environment without `variables`, which come last.
    ///
    /// # Errors
    /// As [`Program::eval`].
    pub fn eval(
        &mut self,
        program: &'v Program,
        values: &[Val<'v>],
        authority: &dyn Authority,
        budget: &mut Budget,
    ) -> Result<Val<'v>, EvalError> {
        self.prepare(program, authority, budget)?;
        program.eval(&self.with_variables(values)?, authority, budget)
    }

    fn prepare(
        &mut self,
        program: &Program,
        authority: &dyn Authority,
        budget: &mut Budget,
    ) -> Result<(), EvalError> {
        let mut wanted = vec![false; self.variables.len()];
        self.want(program, self.variables.len(), &mut wanted);
        // A variable names only those that are declared before it.
        for at in (0..self.variables.len()).rev() {
            if wanted.get(at) == Some(&true)
                && let Some((_, Ok(program))) = self.variables.get(at)
            {
                self.want(program, at, &mut wanted);
            }
        }
        let count = self.variables.len();
        for at in (0..count).filter(|at| wanted.get(*at) == Some(&true)) {
            if self.known.get(at).is_some_and(Option::is_some) {
                continue;
            }
            let Some((_, compiled)) = self.variables.get(at) else { continue };
            let value = match compiled {
                Err(error) => Val::Failed(format!("compilation error: {error}").into()),
                Ok(program) => {
                    let values = self.with_variables(&self.values)?;
                    match program.eval(&values, authority, budget) {
                        Ok(value) => value,
                        Err(EvalError::Fault(Fault::Error(message))) => Val::Failed(message),
                        Err(error) => return Err(error),
                    }
                }
            };
            if let Some(slot) = self.known.get_mut(at) {
                *slot = Some(value);
            }
        }
        Ok(())
    }

    /// Marks the variables before `end` that `program` names.
    fn want(&self, program: &Program, end: usize, wanted: &mut [bool]) {
        if !program.uses(VARIABLES) {
            return;
        }
        let fields = program.fields_of(VARIABLES);
        for (at, (name, _)) in self.variables.iter().enumerate().take(end) {
            if fields.as_ref().is_none_or(|fields| fields.contains(&&**name))
                && let Some(slot) = wanted.get_mut(at)
            {
                *slot = true;
            }
        }
    }

    fn with_variables(&self, values: &[Val<'v>]) -> Result<Vec<Val<'v>>, EvalError> {
        let mut entries = Entries::default();
        for ((name, _), value) in self.variables.iter().zip(&self.known) {
            if let Some(value) = value {
                let key = Val::string(&**name);
                entries.insert(key, value.clone()).map_err(EvalError::Fault)?;
            }
        }
        let mut all = values.to_vec();
        all.push(Val::Map(Map::Made(Rc::new(entries))));
        Ok(all)
    }
}
