//! Macros: calls that the parser turns into loops and tests (`parser.AllMacros`, and those of
//! cel-go's optional types, lists and two-variable comprehensions).

use super::ast::{Fold, Id, Literal, Node};
use super::parse::Parser;

/// The name of the value that a loop gathers; no text can spell it.
const RESULT: &str = "@result";

/// The one or two variables of a loop.
type Vars = (Box<str>, Option<Box<str>>);

/// What a loop is made of.
struct Loop {
    range: Id,
    vars: Vars,
    accu: Box<str>,
    init: Id,
    condition: Id,
    step: Id,
    result: Id,
}

impl Parser<'_> {
    /// The expansion of a call, if it is one of a macro; `Some(None)` if the reading ends here.
    pub(super) fn expand(
        &mut self,
        function: &str,
        target: Option<Id>,
        args: &[Id],
        at: u32,
    ) -> Option<Option<Id>> {
        let Some(range) = target else {
            return match (function, args) {
                ("has", [arg]) => Some(self.has(*arg, at)),
                _ => None,
            };
        };
        let expanded = match (function, args) {
            ("all" | "exists" | "exists_one" | "existsOne", [var, predicate]) => {
                let vars = self.var(*var, "argument must be a simple name");
                vars.and_then(|var| self.quantifier(function, range, (var, None), *predicate, at))
            }
            ("all" | "exists" | "existsOne", [var, var2, predicate]) => {
                let vars = self.vars(*var, *var2);
                vars.and_then(|vars| self.quantifier(function, range, vars, *predicate, at))
            }
            ("filter", [var, predicate]) => {
                let var_name = self.var(*var, "argument is not an identifier");
                var_name.and_then(|name| {
                    let item = self.add(Node::Ident(name.clone()), at).ok_or(None)?;
                    self.gather(range, (name, None), Some(*predicate), item, at)
                })
            }
            ("map", [var, rest @ ..]) if rest.len() == 1 || rest.len() == 2 => {
                let name = self.var(*var, "argument is not an identifier");
                let (filter, item) = split(rest);
                name.and_then(|name| self.gather(range, (name, None), filter, item, at))
            }
            ("transformList", [var, var2, rest @ ..]) if rest.len() == 1 || rest.len() == 2 => {
                let (filter, item) = split(rest);
                let vars = self.vars(*var, *var2);
                vars.and_then(|vars| self.gather(range, vars, filter, item, at))
            }
            ("transformMap" | "transformMapEntry", [var, var2, rest @ ..])
                if rest.len() == 1 || rest.len() == 2 =>
            {
                let (filter, item) = split(rest);
                let keyed = function == "transformMap";
                let vars = self.vars(*var, *var2);
                vars.and_then(|vars| self.gather_map(range, vars, filter, (keyed, item), at))
            }
            ("optMap" | "optFlatMap", [var, body]) => {
                let message = format!("{function}() variable name must be a simple identifier");
                let name = self.var(*var, &message);
                name.and_then(|name| self.optional(function, range, name, *body, at))
            }
            ("sortBy", [var, key]) => {
                let name = self.var(*var, "argument is not an identifier");
                name.and_then(|name| self.sort_by(range, name, *key, at))
            }
            _ => return None,
        };
        Some(expanded.map_or_else(|stop| stop, Some))
    }

    fn has(&mut self, arg: Id, at: u32) -> Option<Id> {
        match self.node(arg).clone() {
            Node::Select { operand, field, test: false } => {
                self.add(Node::Select { operand, field, test: true }, at)
            }
            _ => self.report(self.place(arg), "invalid argument to has() macro".to_owned()),
        }
    }

    /// The name that `id` is; else the error is told, and what stands for the call is given.
    fn var(&mut self, id: Id, message: &str) -> Result<Box<str>, Option<Id>> {
        let message = match self.node(id) {
            Node::Ident(name) if matches!(&**name, RESULT | "__result__") => {
                "iteration variable overwrites accumulator variable"
            }
            Node::Ident(name) if !name.starts_with('.') => return Ok(name.clone()),
            _ => message,
        };
        Err(self.report(self.place(id), message.to_owned()))
    }

    fn vars(&mut self, a: Id, b: Id) -> Result<Vars, Option<Id>> {
        let first = self.var(a, "argument must be a simple name")?;
        let second = self.var(b, "argument must be a simple name")?;
        if first == second {
            let message = format!("duplicate variable name: {first}");
            return Err(self.report(self.place(b), message));
        }
        Ok((first, Some(second)))
    }

    fn quantifier(
        &mut self,
        function: &str,
        range: Id,
        vars: Vars,
        predicate: Id,
        at: u32,
    ) -> Result<Id, Option<Id>> {
        let fold = self.quantifier_loop(function, range, vars, predicate, at);
        fold.and_then(|fold| self.fold(fold, at)).ok_or(None)
    }

    fn quantifier_loop(
        &mut self,
        function: &str,
        range: Id,
        vars: Vars,
        predicate: Id,
        at: u32,
    ) -> Option<Loop> {
        let accu: Box<str> = RESULT.into();
        let so_far = self.add(Node::Ident(RESULT.into()), at)?;
        let (init, condition, step, result) = match function {
            "all" => {
                let condition = self.call("@not_strictly_false", vec![so_far], at)?;
                let step = self.call("_&&_", vec![so_far, predicate], at)?;
                (Literal::Bool(true), condition, step, so_far)
            }
            "exists" => {
                let not = self.call("!_", vec![so_far], at)?;
                let condition = self.call("@not_strictly_false", vec![not], at)?;
                let step = self.call("_||_", vec![so_far, predicate], at)?;
                (Literal::Bool(false), condition, step, so_far)
            }
            _ => {
                let one = self.add(Node::Const(Literal::Int(1)), at)?;
                let more = self.call("_+_", vec![so_far, one], at)?;
                let step = self.call("_?_:_", vec![predicate, more, so_far], at)?;
                let condition = self.add(Node::Const(Literal::Bool(true)), at)?;
                let result = self.call("_==_", vec![so_far, one], at)?;
                (Literal::Int(0), condition, step, result)
            }
        };
        let init = self.add(Node::Const(init), at)?;
        Some(Loop { range, vars, accu, init, condition, step, result })
    }

    /// A loop that makes a list of `item`s.
    fn gather(
        &mut self,
        range: Id,
        vars: Vars,
        filter: Option<Id>,
        item: Id,
        at: u32,
    ) -> Result<Id, Option<Id>> {
        let make = || {
            let so_far = self.add(Node::Ident(RESULT.into()), at)?;
            let one = self.add(Node::List(vec![(item, false)]), at)?;
            let step = self.call("_+_", vec![so_far, one], at)?;
            let step = self.filtered(filter, step, so_far, at)?;
            let init = self.add(Node::List(Vec::new()), at)?;
            let condition = self.add(Node::Const(Literal::Bool(true)), at)?;
            let accu = RESULT.into();
            self.fold(Loop { range, vars, accu, init, condition, step, result: so_far }, at)
        };
        make().ok_or(None)
    }

    /// A loop that makes a map; `entry` is a value for the loop's key, or a map of one entry.
    fn gather_map(
        &mut self,
        range: Id,
        vars: Vars,
        filter: Option<Id>,
        (keyed, entry): (bool, Id),
        at: u32,
    ) -> Result<Id, Option<Id>> {
        let make = || {
            let so_far = self.add(Node::Ident(RESULT.into()), at)?;
            let mut args = vec![so_far];
            if keyed {
                args.push(self.add(Node::Ident(vars.0.clone()), at)?);
            }
            args.push(entry);
            let step = self.call("cel.@mapInsert", args, at)?;
            let step = self.filtered(filter, step, so_far, at)?;
            let init = self.add(Node::Map(Vec::new()), at)?;
            let condition = self.add(Node::Const(Literal::Bool(true)), at)?;
            let accu = RESULT.into();
            self.fold(Loop { range, vars, accu, init, condition, step, result: so_far }, at)
        };
        make().ok_or(None)
    }

    fn filtered(&mut self, filter: Option<Id>, step: Id, so_far: Id, at: u32) -> Option<Id> {
        match filter {
            Some(filter) => self.call("_?_:_", vec![filter, step, so_far], at),
            None => Some(step),
        }
    }

    fn fold(&mut self, made: Loop, at: u32) -> Option<Id> {
        let Loop { range, vars: (var, var2), accu, init, condition, step, result } = made;
        let fold = Fold { range, var, var2, accu, init, condition, step, result };
        self.add(Node::Fold(Box::new(fold)), at)
    }

    /// `body` with `name` standing for `value`.
    fn bind(&mut self, name: Box<str>, value: Id, body: Id, at: u32) -> Option<Id> {
        let range = self.add(Node::List(Vec::new()), at)?;
        let condition = self.add(Node::Const(Literal::Bool(false)), at)?;
        let step = self.add(Node::Ident(name.clone()), at)?;
        let vars = ("#unused".into(), None);
        let made = Loop { range, vars, accu: name, init: value, condition, step, result: body };
        self.fold(made, at)
    }

    fn optional(
        &mut self,
        function: &str,
        target: Id,
        name: Box<str>,
        body: Id,
        at: u32,
    ) -> Result<Id, Option<Id>> {
        let make = || {
            let method = |name: &str| Node::Call {
                function: name.into(),
                target: Some(target),
                args: Vec::new(),
            };
            let has = self.add(method("hasValue"), at)?;
            let value = self.add(method("value"), at)?;
            let mut some = self.bind(name, value, body, at)?;
            if function == "optMap" {
                some = self.call("optional.of", vec![some], at)?;
            }
            let none = self.call("optional.none", Vec::new(), at)?;
            self.call("_?_:_", vec![has, some, none], at)
        };
        make().ok_or(None)
    }

    fn sort_by(&mut self, target: Id, name: Box<str>, key: Id, at: u32) -> Result<Id, Option<Id>> {
        let input = "@__sortBy_input__";
        let ident = self.add(Node::Ident(input.into()), at).ok_or(None)?;
        let keys = self.gather(ident, (name, None), None, key, at)?;
        let call = Node::Call {
            function: "@sortByAssociatedKeys".into(),
            target: Some(ident),
            args: vec![keys],
        };
        let call = self.add(call, at).ok_or(None)?;
        self.bind(input.into(), target, call, at).ok_or(None)
    }
}

/// A filter, if there is one, and what is made of each item.
fn split(rest: &[Id]) -> (Option<Id>, Id) {
    match rest {
        [filter, item] => (Some(*filter), *item),
        [item] => (None, *item),
        _ => (None, 0),
    }
}
