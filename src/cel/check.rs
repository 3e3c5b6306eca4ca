//! Types: finds out what every part of an expression is, and tells what cannot be
//! (`checker/checker.go` of cel-go). What names stand for is written down for the evaluator.

use super::Env;
use super::ast::{Ast, Field, Fold, Id, Literal, Node};
use super::declared::{Overload, overloads, type_named};
use super::issue::Issue;
use super::types::{Object, Type};
use super::unify::{Known, instance, most_general};

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Bound {
    /// A variable of the environment, by its place there.
    Global(u32),
    /// A variable of a loop, by its place on the stack of those.
    Local(u32),
    /// A type.
    Type(Type),
}

/// What is known of an expression that has no error.
#[derive(Debug)]
pub(super) struct Checked {
    /// The type of each node.
    pub(super) types: Vec<Type>,
    /// What each name stands for.
    pub(super) bound: Vec<Option<Bound>>,
}

pub(super) struct Checker<'c> {
    env: &'c Env,
    ast: &'c mut Ast,
    types: Vec<Option<Type>>,
    bound: Vec<Option<Bound>>,
    scopes: Vec<(Box<str>, Type)>,
    known: Known,
    issues: Vec<Issue>,
}

/// Checks the expression at `root`: its types, or what is wrong.
pub(super) fn check(env: &Env, ast: &mut Ast, root: Id) -> Result<Checked, Vec<Issue>> {
    let count = ast.len();
    let mut checker = Checker {
        env,
        ast,
        types: vec![None; count],
        bound: vec![None; count],
        scopes: Vec::new(),
        known: Known::default(),
        issues: Vec::new(),
    };
    checker.check(root);
    if !checker.issues.is_empty() {
        return Err(checker.issues);
    }
    let types = checker.types.iter();
    let known = &checker.known;
    let types = types.map(|found| known.resolve(found.as_ref().unwrap_or(&Type::Dyn), true));
    Ok(Checked { types: types.collect(), bound: checker.bound })
}

impl Checker<'_> {
    fn check(&mut self, id: Id) -> Type {
        // Macros name a part twice where it is evaluated twice.
        if let Some(Some(found)) = self.types.get(id as usize) {
            return found.clone();
        }
        let found = match self.ast.node(id).clone() {
            Node::Call { function, target, args } => self.call(id, &function, target, &args),
            Node::Const(literal) => constant(&literal),
            Node::Error => Type::Error,
            Node::Fold(fold) => self.fold(&fold),
            Node::Ident(name) => self.ident(id, &name),
            Node::List(items) => self.list(&items),
            Node::Map(entries) => self.map(&entries),
            Node::Select { operand, field, test } => self.select(id, operand, &field, test),
            Node::Struct { name, fields } => self.message(id, &name, &fields),
        };
        if let Some(slot) = self.types.get_mut(id as usize) {
            *slot = Some(found.clone());
        }
        found
    }

    fn report(&mut self, id: Id, message: String) {
        self.issues.push((Some(self.ast.place(id)), message));
    }

    fn bind(&mut self, id: Id, bound: Bound) {
        if let Some(slot) = self.bound.get_mut(id as usize) {
            *slot = Some(bound);
        }
    }

    /// What `name` stands for, and its type.
    fn lookup(&self, name: &str) -> Option<(Bound, Type)> {
        let global = name.strip_prefix('.');
        if global.is_none()
            && let Some(at) = self.scopes.iter().rposition(|(known, _)| **known == *name)
        {
            let found = self.scopes.get(at)?.1.clone();
            return Some((Bound::Local(u32::try_from(at).ok()?), found));
        }
        let name = global.unwrap_or(name);
        if let Some(at) = self.env.variables.iter().position(|(known, _)| **known == *name) {
            let found = self.env.variables.get(at)?.1.clone();
            return Some((Bound::Global(u32::try_from(at).ok()?), found));
        }
        let named = type_named(name)?;
        Some((Bound::Type(named.clone()), Type::Type(Some(named.into()))))
    }

    fn ident(&mut self, id: Id, name: &str) -> Type {
        match self.lookup(name) {
            Some((bound, found)) => {
                self.bind(id, bound);
                found
            }
            None => {
                self.report(id, format!("undeclared reference to '{name}' (in container '')"));
                Type::Error
            }
        }
    }

    /// `a.b.c`, if it is names alone.
    fn qualified(&self, id: Id) -> Option<String> {
        match self.ast.node(id) {
            Node::Ident(name) => Some(name.to_string()),
            Node::Select { operand, field, test: false } => {
                let mut name = self.qualified(*operand)?;
                name.push('.');
                name.push_str(field);
                Some(name)
            }
            _ => None,
        }
    }

    fn select(&mut self, id: Id, operand: Id, field: &str, test: bool) -> Type {
        if !test
            && let Some(name) = self.qualified(id)
            && let Some((bound, found)) = self.lookup(&name)
        {
            self.bind(id, bound);
            return found;
        }
        let found = self.field(id, operand, field, false);
        if test { Type::Bool } else { self.known.resolve(&found, false) }
    }

    fn field(&mut self, id: Id, operand: Id, field: &str, optional: bool) -> Type {
        let operand = self.check(operand);
        let operand = self.known.resolve(&operand, false);
        let (target, was_optional) = match &operand {
            Type::Optional(inner) => (&**inner, true),
            other => (other, false),
        };
        let found = match target {
            Type::Map(map) => map.1.clone(),
            Type::Object(object) => self.object_field(id, object, field),
            Type::Param(_) => {
                let target = target.clone();
                self.known.assign(&Type::Dyn, &target);
                Type::Dyn
            }
            _ if target.is_dyn_or_error() => Type::Dyn,
            _ => {
                let name = target.shown();
                let message = format!("type '{name}' does not support field selection");
                self.report(id, message);
                Type::Dyn
            }
        };
        if optional || was_optional { Type::optional(found) } else { found }
    }

    fn object_field(&mut self, id: Id, object: &Object, field: &str) -> Type {
        match object.field(field) {
            Some(found) => found.clone(),
            None => {
                self.report(id, format!("undefined field '{field}'"));
                Type::Error
            }
        }
    }

    fn call(&mut self, id: Id, function: &str, target: Option<Id>, args: &[Id]) -> Type {
        if function == "_?._"
            && let [operand, field] = args
            && let Node::Const(Literal::String(field)) = self.ast.node(*field).clone()
        {
            let found = self.field(id, *operand, &field, true);
            return self.known.resolve(&found, false);
        }
        let mut found: Vec<Type> = args.iter().map(|arg| self.check(*arg)).collect();
        if let Some(receiver) = target {
            let qualified = self.qualified(receiver);
            let named = qualified.map(|prefix| format!("{prefix}.{function}"));
            if let Some((name, known)) = named.and_then(|name| self.function(&name)) {
                let args = args.to_vec();
                self.ast.replace(id, Node::Call { function: name.into(), target: None, args });
                return self.overload(id, name, known, &found, None);
            }
            found.insert(0, self.check(receiver));
        }
        match self.function(function.trim_start_matches('.')) {
            Some((name, known)) => {
                let first = args.first().copied().filter(|_| matches!(name, "_&&_" | "_||_"));
                let args = first.map(|_| args);
                if target.is_some() {
                    self.member_overload(id, name, known, &found)
                } else {
                    self.overload(id, name, known, &found, args)
                }
            }
            None => {
                let message = format!("undeclared reference to '{function}' (in container '')");
                self.report(id, message);
                Type::Error
            }
        }
    }

    fn function(&self, name: &str) -> Option<(&'static str, &'static [Overload])> {
        if name.starts_with("jsonpatch.") && !self.env.patches {
            return None;
        }
        overloads(name)
    }

    fn overload(
        &mut self,
        id: Id,
        name: &str,
        known: &'static [Overload],
        args: &[Type],
        logical: Option<&[Id]>,
    ) -> Type {
        if let Some(terms) = logical {
            return self.logical(terms, args);
        }
        let fitting = known.iter().filter(|overload| !overload.member);
        match self.fitting(fitting, args) {
            Some(found) => found,
            None => self.no_overload(id, name, args, false),
        }
    }

    fn member_overload(
        &mut self,
        id: Id,
        name: &str,
        known: &'static [Overload],
        args: &[Type],
    ) -> Type {
        let fitting = known.iter().filter(|overload| overload.member);
        match self.fitting(fitting, args) {
            Some(found) => found,
            None => self.no_overload(id, name, args, true),
        }
    }

    fn logical(&mut self, terms: &[Id], args: &[Type]) -> Type {
        let mut result = Type::Bool;
        for (term, found) in terms.iter().zip(args) {
            if !self.known.assign(found, &Type::Bool) {
                let message = format!("expected type 'bool' but found '{}'", found.shown());
                self.report(*term, message);
                result = Type::Error;
            }
        }
        result
    }

    /// The result of the overloads that fit, dynamic if they differ.
    fn fitting(
        &mut self,
        overloads: impl Iterator<Item = &'static Overload>,
        args: &[Type],
    ) -> Option<Type> {
        let mut result: Option<Type> = None;
        for overload in overloads {
            if overload.args.len() != args.len() {
                continue;
            }
            let fresh = [self.known.fresh(), self.known.fresh()];
            let wanted: Vec<Type> = overload.args.iter().map(|arg| instance(arg, &fresh)).collect();
            if !self.known.assign_all(args, &wanted) {
                continue;
            }
            let found = self.known.resolve(&instance(&overload.result, &fresh), false);
            result = match result {
                None => Some(found),
                Some(Type::Dyn) => Some(Type::Dyn),
                Some(before) if before.is_exact(&found) => Some(before),
                Some(_) => Some(Type::Dyn),
            };
        }
        result
    }

    fn no_overload(&mut self, id: Id, name: &str, args: &[Type], member: bool) -> Type {
        let shown: Vec<String> =
            args.iter().map(|arg| self.known.resolve(arg, true).shown()).collect();
        let signature = match shown.split_first() {
            Some((target, args)) if member => format!("{target}.({})", args.join(", ")),
            _ => format!("({})", shown.join(", ")),
        };
        let message = format!("found no matching overload for '{name}' applied to '{signature}'");
        self.report(id, message);
        Type::Error
    }

    /// What an optional part holds.
    fn unwrapped(&mut self, id: Id, found: Type, optional: bool) -> Type {
        match found {
            Type::Optional(inner) if optional => (*inner).clone(),
            found if optional && !matches!(found, Type::Dyn) => {
                let name = found.shown();
                let message = format!("expected type 'optional_type({name})' but found '{name}'");
                self.report(id, message);
                found
            }
            found => found,
        }
    }

    fn join(&mut self, id: Id, before: Option<Type>, found: Type) -> Type {
        let Some(before) = before else { return found };
        if self.known.assign(&before, &found) {
            return most_general(&before, &found);
        }
        let message = format!("expected type '{}' but found '{}'", before.shown(), found.shown());
        self.report(id, message);
        Type::Error
    }

    fn list(&mut self, items: &[(Id, bool)]) -> Type {
        let mut item_type = None;
        for (item, optional) in items {
            let found = self.check(*item);
            let found = self.unwrapped(*item, found, *optional);
            item_type = Some(self.join(*item, item_type, found));
        }
        Type::list(item_type.unwrap_or_else(|| self.known.fresh()))
    }

    fn map(&mut self, entries: &[(Id, Id, bool)]) -> Type {
        let (mut key_type, mut value_type) = (None, None);
        for (key, value, optional) in entries {
            let found = self.check(*key);
            key_type = Some(self.join(*key, key_type, found));
            let found = self.check(*value);
            let found = self.unwrapped(*value, found, *optional);
            value_type = Some(self.join(*value, value_type, found));
        }
        let key = key_type.unwrap_or_else(|| self.known.fresh());
        let value = value_type.unwrap_or_else(|| self.known.fresh());
        Type::map(key, value)
    }

    fn message(&mut self, id: Id, name: &str, fields: &[Field]) -> Type {
        let Some(object) = self.env.message(name.trim_start_matches('.')) else {
            if type_named(name).is_some() {
                self.report(id, format!("'{name}' is not a message type"));
            } else {
                self.report(id, format!("undeclared reference to '{name}' (in container '')"));
            }
            return Type::Error;
        };
        for field in fields {
            let found = self.check(field.value);
            let found = self.unwrapped(field.value, found, field.optional);
            let Some(wanted) = object.field(&field.name).cloned() else {
                let message = format!("undefined field '{}'", field.name);
                self.issues.push((Some(field.at), message));
                continue;
            };
            if !self.known.assign(&wanted, &found) {
                let message = format!(
                    "expected type of field '{}' is '{}' but provided type is '{}'",
                    field.name,
                    wanted.shown(),
                    found.shown()
                );
                self.issues.push((Some(field.at), message));
            }
        }
        Type::Object(object)
    }

    fn fold(&mut self, fold: &Fold) -> Type {
        let range = self.check(fold.range);
        let accu = self.check(fold.init);
        let range = self.known.resolve(&range, false);
        let scope = self.scopes.len();
        self.scopes.push((fold.accu.clone(), accu.clone()));
        let (first, second) = match &range {
            Type::List(item) if fold.var2.is_some() => (Type::Int, (**item).clone()),
            Type::List(item) => ((**item).clone(), Type::Dyn),
            Type::Map(map) => map.as_ref().clone(),
            Type::Param(_) => {
                self.known.assign(&Type::Dyn, &range);
                (Type::Dyn, Type::Dyn)
            }
            _ if range.is_dyn_or_error() => (Type::Dyn, Type::Dyn),
            _ => {
                let name = range.shown();
                let message = format!(
                    "expression of type '{name}' cannot be range of a comprehension (must be \
                     list, map, or dynamic)"
                );
                self.report(fold.range, message);
                (Type::Error, Type::Error)
            }
        };
        self.scopes.push((fold.var.clone(), first));
        if let Some(var) = &fold.var2 {
            self.scopes.push((var.clone(), second));
        }
        let condition = self.check(fold.condition);
        self.assert(fold.condition, &Type::Bool, &condition);
        let step = self.check(fold.step);
        self.assert(fold.step, &accu, &step);
        self.scopes.truncate(scope + 1);
        let result = self.check(fold.result);
        self.scopes.truncate(scope);
        self.known.resolve(&result, false)
    }

    fn assert(&mut self, id: Id, wanted: &Type, found: &Type) {
        if !self.known.assign(wanted, found) {
            let wanted = self.known.resolve(wanted, false).shown();
            let message = format!("expected type '{wanted}' but found '{}'", found.shown());
            self.report(id, message);
        }
    }
}

fn constant(literal: &Literal) -> Type {
    match literal {
        Literal::Bool(_) => Type::Bool,
        Literal::Bytes(_) => Type::Bytes,
        Literal::Double(_) => Type::Double,
        Literal::Int(_) => Type::Int,
        Literal::Null => Type::Null,
        Literal::String(_) => Type::String,
        Literal::Uint(_) => Type::Uint,
    }
}
