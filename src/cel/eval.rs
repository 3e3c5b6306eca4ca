//! Evaluation: walks the tree of a checked expression. Its stack is bounded by the tree's depth,
//! its time and memory by the cost and work that each step is charged.

use super::Program;
use super::ast::{Field, Fold, Id, Literal, Node};
use super::authorizer::Authority;
use super::check::Bound;
use super::cost;
use super::ops;
use super::value::{Entries, Fault, List, Map, Text, Val};
use std::rc::Rc;

/// Items that one evaluation copies or makes at most; 16 bytes of text count as one.
const WORK_MAX: u64 = 2 * 1024 * 1024;

/// One evaluation.
pub(super) struct Scope<'e, 'v> {
    program: &'v Program,
    globals: &'e [Val<'v>],
    locals: Vec<Val<'v>>,
    authority: &'e dyn Authority,
    cost: u64,
    cost_max: u64,
    work: u64,
}

impl std::fmt::Debug for Scope<'_, '_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Scope").field("cost", &self.cost).finish_non_exhaustive()
    }
}

/// A function: what it makes of its arguments.
pub(super) type Builtin = for<'v> fn(&mut Scope<'_, 'v>, &[Val<'v>]) -> Outcome<'v>;

/// A value or why there is none.
pub(super) type Outcome<'v> = Result<Val<'v>, Fault>;

impl<'e, 'v> Scope<'e, 'v> {
    pub(super) fn new(
        program: &'v Program,
        globals: &'e [Val<'v>],
        authority: &'e dyn Authority,
        cost_max: u64,
    ) -> Self {
        Self { program, globals, locals: Vec::new(), authority, cost: 0, cost_max, work: 0 }
    }

    /// What was spent.
    pub(super) fn cost(&self) -> u64 {
        self.cost
    }

    /// Who answers questions about rights.
    pub(super) fn authority(&self) -> &'e dyn Authority {
        self.authority
    }

    pub(super) fn spend(&mut self, cost: u64) -> Result<(), Fault> {
        self.cost = self.cost.saturating_add(cost);
        if self.cost > self.cost_max { Err(Fault::Cost) } else { Ok(()) }
    }

    /// Takes note that `count` bytes of text are made.
    pub(super) fn work_text(&mut self, count: usize) -> Result<(), Fault> {
        self.work(count.div_ceil(16))
    }

    /// Takes note that `count` items are made: what costs little can still be large.
    pub(super) fn work(&mut self, count: usize) -> Result<(), Fault> {
        self.work = self.work.saturating_add(count as u64);
        if self.work > WORK_MAX { Err(Fault::Cost) } else { Ok(()) }
    }

    pub(super) fn eval(&mut self, id: Id) -> Outcome<'v> {
        let program = self.program;
        match program.ast.node(id) {
            Node::Call { function, target, args } => self.call(id, function, *target, args),
            Node::Const(literal) => Ok(constant(literal)),
            Node::Error => Err(Fault::error("no such expression")),
            Node::Fold(fold) => self.fold(fold),
            Node::Ident(name) => self.name(id, name),
            Node::List(items) => self.list(items),
            Node::Map(entries) => self.map(entries),
            Node::Select { operand, field, test } => self.select(id, *operand, field, *test),
            Node::Struct { name, fields } => self.message(name, fields),
        }
    }

    fn name(&mut self, id: Id, name: &str) -> Outcome<'v> {
        self.spend(cost::SELECT)?;
        let found = match self.program.bound(id) {
            Some(Bound::Global(at)) => self.globals.get(*at as usize),
            Some(Bound::Local(at)) => self.locals.get(*at as usize),
            Some(Bound::Type(named)) => return Ok(Val::Type(named.clone())),
            None => None,
        };
        match found {
            Some(Val::Failed(message)) => Err(Fault::Error(message.clone())),
            Some(value) => Ok(value.clone()),
            None => Err(Fault::error(format!("no such attribute(s): {name}"))),
        }
    }

    fn select(&mut self, id: Id, operand: Id, field: &str, test: bool) -> Outcome<'v> {
        if self.program.bound(id).is_some() {
            return self.name(id, field);
        }
        let operand = self.eval(operand)?;
        if test {
            return Ok(Val::Bool(has(&operand, field)?));
        }
        self.spend(cost::SELECT)?;
        match &operand {
            Val::Map(map) => map.field(field).unwrap_or_else(|| Err(missing(field))),
            Val::Optional(None) => Ok(Val::Optional(None)),
            Val::Optional(Some(inner)) => optional_field(inner, field),
            _ => Err(missing(field)),
        }
    }

    fn call(&mut self, id: Id, function: &str, target: Option<Id>, args: &[Id]) -> Outcome<'v> {
        match (function, args) {
            ("_&&_", [a, b]) => return self.logical(*a, *b, false),
            ("_||_", [a, b]) => return self.logical(*a, *b, true),
            ("_?_:_", [condition, yes, no]) => {
                return match self.eval(*condition)? {
                    Val::Bool(true) => self.eval(*yes),
                    Val::Bool(false) => self.eval(*no),
                    _ => Err(Fault::no_overload()),
                };
            }
            ("@not_strictly_false", [arg]) => {
                self.spend(1)?;
                return match self.eval(*arg) {
                    Ok(Val::Bool(false)) => Ok(Val::Bool(false)),
                    Ok(_) | Err(Fault::Error(_)) => Ok(Val::Bool(true)),
                    Err(fault) => Err(fault),
                };
            }
            ("_?._", [operand, field]) => return self.optional_select(*operand, *field),
            ("or" | "orValue", [other]) if target.is_some() => {
                return self.or(target.unwrap_or(0), *other, function == "or");
            }
            _ => {}
        }
        self.plain_call(id, function, target, args)
    }

    fn plain_call(
        &mut self,
        id: Id,
        function: &str,
        target: Option<Id>,
        args: &[Id],
    ) -> Outcome<'v> {
        let mut values = Vec::with_capacity(args.len() + 1);
        for arg in target.iter().chain(args) {
            values.push(self.eval(*arg)?);
        }
        let Some(builtin) = self.program.builtin(id) else {
            return Err(Fault::no_overload());
        };
        let result = builtin(self, &values)?;
        self.spend(cost::of_call(function, &values, &result))?;
        Ok(result)
    }

    /// `&&` (`short` is false) and `||` (`short` is true): one side that decides passes over an
    /// error of the other.
    fn logical(&mut self, a: Id, b: Id, short: bool) -> Outcome<'v> {
        let left = self.eval(a);
        match left {
            Ok(Val::Bool(value)) if value == short => return Ok(Val::Bool(short)),
            Err(Fault::Cost | Fault::Pending(_)) => return left,
            _ => {}
        }
        match (left, self.eval(b)) {
            (_, Ok(Val::Bool(value))) if value == short => Ok(Val::Bool(short)),
            (_, Err(fault @ (Fault::Cost | Fault::Pending(_)))) => Err(fault),
            (Err(fault), _) | (Ok(_), Err(fault)) => Err(fault),
            (Ok(Val::Bool(_)), Ok(Val::Bool(_))) => Ok(Val::Bool(!short)),
            (Ok(_), Ok(_)) => Err(Fault::no_overload()),
        }
    }

    fn optional_select(&mut self, operand: Id, field: Id) -> Outcome<'v> {
        let operand = self.eval(operand)?;
        self.spend(cost::SELECT)?;
        let Node::Const(Literal::String(field)) = self.program.ast.node(field) else {
            return Err(Fault::no_overload());
        };
        match &operand {
            Val::Optional(None) => Ok(Val::Optional(None)),
            Val::Optional(Some(inner)) => optional_field(inner, field),
            _ => optional_field(&operand, field),
        }
    }

    fn or(&mut self, target: Id, other: Id, keep: bool) -> Outcome<'v> {
        self.spend(1)?;
        match self.eval(target)? {
            Val::Optional(Some(inner)) if !keep => Ok((*inner).clone()),
            Val::Optional(None) => self.eval(other),
            found @ Val::Optional(Some(_)) => Ok(found),
            _ => Err(Fault::no_overload()),
        }
    }

    fn list(&mut self, items: &[(Id, bool)]) -> Outcome<'v> {
        let mut made = Vec::with_capacity(items.len());
        for (item, optional) in items {
            match self.eval(*item)? {
                Val::Optional(inner) if *optional => {
                    made.extend(inner.map(|inner| (*inner).clone()));
                }
                _ if *optional => return Err(Fault::no_overload()),
                value => made.push(value),
            }
        }
        self.spend(cost::LIST)?;
        Ok(Val::list(made))
    }

    fn map(&mut self, entries: &[(Id, Id, bool)]) -> Outcome<'v> {
        let mut made = Entries::default();
        for (key, value, optional) in entries {
            let key = self.eval(*key)?;
            match self.eval(*value)? {
                Val::Optional(Some(inner)) if *optional => made.insert(key, (*inner).clone())?,
                Val::Optional(None) if *optional => {}
                _ if *optional => return Err(Fault::no_overload()),
                value => made.insert(key, value)?,
            }
        }
        self.spend(cost::MAP)?;
        Ok(Val::Map(Map::Made(Rc::new(made))))
    }

    fn message(&mut self, name: &str, fields: &[Field]) -> Outcome<'v> {
        let mut made = Entries::of_message(name);
        for field in fields {
            let key = Val::string(&*field.name);
            match self.eval(field.value)? {
                Val::Optional(Some(inner)) if field.optional => {
                    made.insert(key, (*inner).clone())?;
                }
                Val::Optional(None) if field.optional => {}
                value => made.insert(key, value)?,
            }
        }
        self.spend(cost::STRUCT)?;
        Ok(Val::Map(Map::Made(Rc::new(made))))
    }

    fn fold(&mut self, fold: &'v Fold) -> Outcome<'v> {
        let range = self.eval(fold.range)?;
        let count = match &range {
            Val::List(list) => list.len(),
            Val::Map(map) => map.len(),
            _ => return Err(Fault::no_overload()),
        };
        let init = self.eval(fold.init)?;
        let base = self.locals.len();
        self.locals.push(init);
        let result = self.turns(fold, &range, count, base);
        self.locals.truncate(base + 1);
        let result = match result {
            Ok(()) => self.eval(fold.result),
            Err(fault) => Err(fault),
        };
        self.locals.truncate(base);
        result
    }

    fn turns(
        &mut self,
        fold: &'v Fold,
        range: &Val<'v>,
        count: usize,
        base: usize,
    ) -> Result<(), Fault> {
        let always =
            matches!(self.program.ast.node(fold.condition), Node::Const(Literal::Bool(true)));
        for at in 0..count {
            self.locals.truncate(base + 1);
            let (first, second) = turn(range, at, fold.var2.is_some())?;
            self.locals.push(first);
            self.locals.extend(second);
            if !always && !matches!(self.eval(fold.condition)?, Val::Bool(true)) {
                break;
            }
            let next = match self.step(fold.step, base) {
                Err(Fault::Error(message)) if !always => Val::Failed(message),
                other => other?,
            };
            if let Some(slot) = self.locals.get_mut(base) {
                *slot = next;
            }
        }
        Ok(())
    }

    /// One step of a loop. What is gathered is taken out of its slot where the step adds to it, so
    /// that a list grows in place.
    fn step(&mut self, step: Id, base: usize) -> Outcome<'v> {
        let program = self.program;
        if let Node::Call { function, target: None, args } = program.ast.node(step) {
            match (&**function, args.as_slice()) {
                ("_?_:_", [condition, yes, no]) => {
                    return match self.eval(*condition)? {
                        Val::Bool(true) => self.step(*yes, base),
                        Val::Bool(false) => self.step(*no, base),
                        _ => Err(Fault::no_overload()),
                    };
                }
                ("_+_", [so_far, item]) if self.is_gathered(*so_far, base) => {
                    if let Node::List(items) = program.ast.node(*item)
                        && let [(item, false)] = items.as_slice()
                    {
                        return self.push(*item, base);
                    }
                }
                ("cel.@mapInsert", [so_far, key, value]) if self.is_gathered(*so_far, base) => {
                    return self.insert(*key, *value, base);
                }
                _ => {}
            }
        } else if self.is_gathered(step, base) {
            self.spend(cost::SELECT)?;
            let slot = self.locals.get_mut(base).ok_or_else(Fault::no_overload)?;
            return Ok(std::mem::replace(slot, Val::Null));
        }
        self.eval(step)
    }

    fn is_gathered(&self, id: Id, base: usize) -> bool {
        matches!(self.program.ast.node(id), Node::Ident(name) if &**name == "@result")
            && matches!(self.program.bound(id), Some(Bound::Local(at)) if *at as usize == base)
    }

    fn push(&mut self, item: Id, base: usize) -> Outcome<'v> {
        let item = self.eval(item)?;
        self.spend(cost::SELECT + cost::LIST + 1)?;
        self.work(1)?;
        let slot = self.locals.get_mut(base).ok_or_else(Fault::no_overload)?;
        match std::mem::replace(slot, Val::Null) {
            Val::List(List::Made(mut items)) => {
                Rc::make_mut(&mut items).push(item);
                Ok(Val::List(List::Made(items)))
            }
            _ => Err(Fault::no_overload()),
        }
    }

    fn insert(&mut self, key: Id, value: Id, base: usize) -> Outcome<'v> {
        let key = self.eval(key)?;
        let value = self.eval(value)?;
        self.spend(cost::SELECT + 1)?;
        self.work(1)?;
        let slot = self.locals.get_mut(base).ok_or_else(Fault::no_overload)?;
        match std::mem::replace(slot, Val::Null) {
            Val::Map(Map::Made(mut made)) => {
                Rc::make_mut(&mut made).insert(key, value)?;
                Ok(Val::Map(Map::Made(made)))
            }
            _ => Err(Fault::no_overload()),
        }
    }
}

/// What the variables of a loop stand for in one turn.
fn turn<'v>(range: &Val<'v>, at: usize, two: bool) -> Result<(Val<'v>, Option<Val<'v>>), Fault> {
    let gone = || Fault::error(format!("index out of bounds: {at}"));
    match range {
        Val::List(list) => {
            let item = list.get(at).ok_or_else(gone)??;
            if two {
                Ok((Val::Int(i64::try_from(at).unwrap_or(i64::MAX)), Some(item)))
            } else {
                Ok((item, None))
            }
        }
        Val::Map(map) => {
            let key = map.key_at(at).ok_or_else(gone)?;
            let value = if two { Some(map.value_at(at).ok_or_else(gone)??) } else { None };
            Ok((key, value))
        }
        _ => Err(Fault::no_overload()),
    }
}

/// The field is there.
fn has(operand: &Val<'_>, field: &str) -> Result<bool, Fault> {
    match operand {
        Val::Map(map) => match map.field(field) {
            Some(Err(fault)) => Err(fault),
            found => Ok(found.is_some()),
        },
        Val::Optional(None) => Ok(false),
        Val::Optional(Some(inner)) => has(inner, field),
        // What has no fields has not this one either, as `null` has none (`refQualify`).
        _ => Ok(false),
    }
}

/// The field as an optional value.
fn optional_field<'v>(operand: &Val<'v>, field: &str) -> Outcome<'v> {
    match operand {
        Val::Map(map) => match map.field(field) {
            Some(found) => Ok(Val::optional(Some(found?))),
            None => Ok(Val::Optional(None)),
        },
        _ => Err(missing(field)),
    }
}

/// The error for a key or field that is not there.
pub(super) fn missing(key: &str) -> Fault {
    Fault::error(format!("no such key: {key}"))
}

fn constant(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Bool(b) => Val::Bool(*b),
        Literal::Bytes(bytes) => Val::Bytes(bytes.as_ref().into()),
        Literal::Double(n) => Val::Double(*n),
        Literal::Int(n) => Val::Int(*n),
        Literal::Null => Val::Null,
        Literal::String(text) => Val::Str(Text::Seen(text)),
        Literal::Uint(n) => Val::Uint(*n),
    }
}

/// `a == b`, for tests of this module's callers.
pub(super) fn equal(a: &Val<'_>, b: &Val<'_>) -> Result<bool, Fault> {
    ops::equal(a, b)
}
