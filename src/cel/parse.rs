//! Tokens → tree, by the grammar of CEL with the optional syntax and the macros that Kubernetes
//! turns on. Errors read as those of cel-go's parser where it stops at the first one.

use super::ast::{Ast, Field, Id, Literal, Node};
use super::issue::Issue;
use super::lex::{Kind, Token, lex};
use super::literal;
use crate::base::limits::{CEL_CODE_POINTS_MAX, CEL_DEPTH_MAX, CEL_NESTING_MAX};

const OPERAND: &str = "'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, \
                       NUM_UINT, STRING, BYTES, IDENTIFIER";

pub(super) const RESERVED: [&str; 18] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
    "in",
];

/// Binary operators by precedence: sign, function, strength.
const OPERATORS: [(&str, &str, u8); 12] = [
    ("<", "_<_", 1),
    ("<=", "_<=_", 1),
    (">=", "_>=_", 1),
    (">", "_>_", 1),
    ("==", "_==_", 1),
    ("!=", "_!=_", 1),
    ("in", "@in", 1),
    ("+", "_+_", 2),
    ("-", "_-_", 2),
    ("*", "_*_", 3),
    ("/", "_/_", 3),
    ("%", "_%_", 3),
];

/// An expression that was read, or why it was not.
pub(super) struct Parsed {
    pub(super) ast: Ast,
    pub(super) root: Id,
    pub(super) issues: Vec<Issue>,
}

/// Reads an expression.
pub(super) fn parse(text: &str) -> Parsed {
    let size = text.chars().count();
    if size > CEL_CODE_POINTS_MAX {
        let issue = format!(
            "expression code point size exceeds limit: size: {size}, limit {CEL_CODE_POINTS_MAX}"
        );
        return Parsed { ast: Ast::default(), root: 0, issues: vec![(None, issue)] };
    }
    let (tokens, strays) = lex(text);
    let issues = strays
        .into_iter()
        .map(|(at, text)| (Some(at), format!("Syntax error: token recognition error at: '{text}'")))
        .collect();
    let mut parser = Parser { tokens, next: 0, ast: Ast::default(), issues, nesting: 0 };
    let root = parser.whole().unwrap_or(0);
    if parser.ast.len() == 0 && parser.issues.is_empty() {
        parser.issues.push((None, "unknown parse element encountered".to_owned()));
    }
    Parsed { ast: parser.ast, root, issues: parser.issues }
}

pub(super) struct Parser<'t> {
    tokens: Vec<Token<'t>>,
    next: usize,
    ast: Ast,
    issues: Vec<Issue>,
    nesting: u16,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> Token<'t> {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> Token<'t> {
        let last = Token { kind: Kind::End, text: "", at: 0 };
        self.tokens.get(self.next + count).or(self.tokens.last()).copied().unwrap_or(last)
    }

    fn take(&mut self) -> Token<'t> {
        let token = self.peek();
        self.next = (self.next + 1).min(self.tokens.len());
        token
    }

    /// Takes the sign `text` if it stands next.
    fn took(&mut self, text: &str) -> Option<Token<'t>> {
        self.peek().is(text).then(|| self.take())
    }

    fn syntax<T>(&mut self, at: u32, message: &str) -> Option<T> {
        self.issues.push((Some(at), format!("Syntax error: {message}")));
        None
    }

    /// Takes the sign `text`, or tells that it is missing.
    fn expect(&mut self, text: &str) -> Option<Token<'t>> {
        if let Some(token) = self.took(text) {
            return Some(token);
        }
        let found = self.peek();
        if self.ahead(1).is(text) && found.kind != Kind::End {
            let message = format!("extraneous input '{}' expecting '{text}'", found.shown());
            let _ = self.syntax::<()>(found.at, &message);
            self.take();
            return Some(self.take());
        }
        let message = if found.kind == Kind::End || found.kind == Kind::Sign {
            format!("missing '{text}' at '{}'", found.shown())
        } else {
            format!("mismatched input '{}' expecting '{text}'", found.shown())
        };
        self.syntax(found.at, &message)
    }

    /// Adds a node where `at` says.
    pub(super) fn add(&mut self, node: Node, at: u32) -> Option<Id> {
        let id = self.ast.add(node, at, CEL_DEPTH_MAX);
        if id.is_none() {
            self.issues.push((None, "max recursion depth exceeded".to_owned()));
        }
        id
    }

    /// Tells an error that does not end the reading; a node stands for the part.
    pub(super) fn report(&mut self, at: u32, message: String) -> Option<Id> {
        self.issues.push((Some(at), message));
        self.add(Node::Error, at)
    }

    pub(super) fn node(&self, id: Id) -> &Node {
        self.ast.node(id)
    }

    pub(super) fn place(&self, id: Id) -> u32 {
        self.ast.place(id)
    }

    pub(super) fn call(&mut self, function: &str, args: Vec<Id>, at: u32) -> Option<Id> {
        self.add(Node::Call { function: function.into(), target: None, args }, at)
    }

    fn whole(&mut self) -> Option<Id> {
        let root = self.expression()?;
        let found = self.peek();
        if found.kind != Kind::End {
            let word = if self.ahead(1).kind == Kind::End { "extraneous" } else { "mismatched" };
            let message = format!("{word} input '{}' expecting <EOF>", found.shown());
            return self.syntax(found.at, &message);
        }
        Some(root)
    }

    fn expression(&mut self) -> Option<Id> {
        if self.nesting >= CEL_NESTING_MAX {
            let message = format!("expression recursion limit exceeded: {CEL_NESTING_MAX}");
            self.issues.push((None, message));
            return None;
        }
        self.nesting += 1;
        let result = self.conditional();
        self.nesting -= 1;
        result
    }

    fn conditional(&mut self) -> Option<Id> {
        let condition = self.logical("||", "_||_")?;
        let Some(sign) = self.took("?") else { return Some(condition) };
        let yes = self.logical("||", "_||_")?;
        self.expect(":")?;
        let no = self.expression()?;
        self.call("_?_:_", vec![condition, yes, no], sign.at)
    }

    /// Terms joined by `&&` or `||`, as a balanced tree, so that a long chain is not a deep one.
    fn logical(&mut self, sign: &str, function: &str) -> Option<Id> {
        let mut terms = vec![self.logical_term(sign)?];
        let mut places = Vec::new();
        while let Some(token) = self.took(sign) {
            places.push(token.at);
            terms.push(self.logical_term(sign)?);
        }
        self.balance(function, &terms, &places)
    }

    fn logical_term(&mut self, sign: &str) -> Option<Id> {
        if sign == "||" { self.logical("&&", "_&&_") } else { self.binary(1) }
    }

    fn balance(&mut self, function: &str, terms: &[Id], places: &[u32]) -> Option<Id> {
        match terms {
            [] => None,
            [term] => Some(*term),
            _ => {
                let middle = terms.len().div_ceil(2);
                let (left, right) = terms.split_at(middle);
                let at = places.get(middle - 1).copied().unwrap_or(0);
                let left = self.balance(function, left, places.get(..middle - 1)?)?;
                let right = self.balance(function, right, places.get(middle..)?)?;
                self.call(function, vec![left, right], at)
            }
        }
    }

    fn binary(&mut self, strength: u8) -> Option<Id> {
        let mut left = self.unary()?;
        while let Some((function, own)) = self.operator(strength) {
            let sign = self.take();
            let right = self.binary(own + 1)?;
            left = self.call(function, vec![left, right], sign.at)?;
        }
        Some(left)
    }

    fn operator(&self, strength: u8) -> Option<(&'static str, u8)> {
        let token = self.peek();
        let found = OPERATORS.iter().find(|(sign, _, _)| token.is(sign))?;
        (found.2 >= strength).then_some((found.1, found.2))
    }

    fn unary(&mut self) -> Option<Id> {
        let first = self.peek();
        let (sign, function) = match first {
            _ if first.is("!") => ("!", "!_"),
            _ if first.is("-") => ("-", "-_"),
            _ => return self.member(),
        };
        let mut count = 0_usize;
        while self.took(sign).is_some() {
            count += 1;
        }
        let number = matches!(self.peek().kind, Kind::Int | Kind::Float);
        if sign == "-" && number {
            // The sign nearest to a number belongs to the literal.
            self.next -= 1;
            count -= 1;
        }
        let operand = self.member()?;
        if count.is_multiple_of(2) {
            Some(operand)
        } else {
            self.call(function, vec![operand], first.at)
        }
    }

    fn member(&mut self) -> Option<Id> {
        let mut left = self.primary()?;
        loop {
            if let Some(dot) = self.took(".") {
                left = self.selection(left, dot.at)?;
            } else if let Some(open) = self.took("[") {
                let optional = self.took("?").is_some();
                let index = self.expression()?;
                self.expect("]")?;
                let function = if optional { "_[?_]" } else { "_[_]" };
                left = self.call(function, vec![left, index], open.at)?;
            } else {
                return Some(left);
            }
        }
    }

    fn selection(&mut self, operand: Id, dot: u32) -> Option<Id> {
        let optional = self.took("?").is_some();
        let name = self.take();
        let field = match name.kind {
            Kind::Name => name.text,
            Kind::EscapedName => {
                let _ = self.report(name.at, "unsupported syntax: '`'".to_owned());
                name.text
            }
            _ => {
                let message = match name.kind {
                    Kind::End => format!("no viable alternative at input '.{}'", name.text),
                    _ if matches!(name.text, "true" | "false" | "null") => {
                        format!("mismatched input '{}' expecting IDENTIFIER", name.text)
                    }
                    _ => format!("no viable alternative at input '.{}'", name.text),
                };
                return self.syntax(name.at, &message);
            }
        };
        if optional {
            let field = Node::Const(Literal::String(field.into()));
            let field = self.add(field, name.at)?;
            return self.call("_?._", vec![operand, field], dot);
        }
        if name.kind == Kind::Name
            && let Some(open) = self.took("(")
        {
            let args = self.list_of(")", Self::expression)?;
            return self.call_or_macro(field, Some(operand), args, open.at);
        }
        self.add(Node::Select { operand, field: field.into(), test: false }, dot)
    }

    /// Items up to `close`, which is taken; a last comma may stand there for lists and maps.
    fn list_of<T>(&mut self, close: &str, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let mut items = Vec::new();
        if self.took(close).is_some() {
            return Some(items);
        }
        if close != ")" && self.peek().is(",") {
            self.take();
            self.expect(close)?;
            return Some(items);
        }
        loop {
            items.push(item(self)?);
            if self.took(",").is_none() {
                self.expect(close)?;
                return Some(items);
            }
            if close != ")" && self.took(close).is_some() {
                return Some(items);
            }
        }
    }

    fn primary(&mut self) -> Option<Id> {
        let token = self.peek();
        match token.kind {
            Kind::Name => self.name(""),
            Kind::Sign => self.primary_sign(token),
            Kind::End | Kind::EscapedName => self.no_operand(),
            Kind::Bytes | Kind::Float | Kind::Int | Kind::String | Kind::Uint => {
                self.literal(token.at, "")
            }
        }
    }

    fn primary_sign(&mut self, token: Token<'t>) -> Option<Id> {
        let at = token.at;
        match token.text {
            "(" => {
                self.take();
                let inner = self.expression()?;
                self.expect(")")?;
                Some(inner)
            }
            "[" => {
                self.take();
                let items = self.list_of("]", |parser| {
                    let optional = parser.took("?").is_some();
                    Some((parser.expression()?, optional))
                })?;
                self.add(Node::List(items), at)
            }
            "{" => {
                self.take();
                let entries = self.list_of("}", |parser| {
                    let optional = parser.took("?").is_some();
                    let key = parser.expression()?;
                    parser.expect(":")?;
                    Some((key, parser.expression()?, optional))
                })?;
                self.add(Node::Map(entries), at)
            }
            "." if self.ahead(1).kind == Kind::Name => {
                self.take();
                self.name(".")
            }
            "-" if matches!(self.ahead(1).kind, Kind::Int | Kind::Float) => {
                self.take();
                self.literal(at, "-")
            }
            "true" | "false" | "null" => self.literal(at, ""),
            _ => self.no_operand(),
        }
    }

    fn no_operand(&mut self) -> Option<Id> {
        let found = self.peek();
        let next = self.ahead(1);
        let starts = match next.kind {
            Kind::End | Kind::EscapedName => false,
            Kind::Sign => {
                matches!(next.text, "[" | "{" | "(" | "." | "-" | "!" | "true" | "false" | "null")
            }
            _ => true,
        };
        if starts && found.kind != Kind::End {
            let message = format!("extraneous input '{}' expecting {{{OPERAND}}}", found.shown());
            let _ = self.syntax::<()>(found.at, &message);
            self.take();
            // What stands behind is read for its own errors.
            return self.unary();
        }
        let message = format!("mismatched input '{}' expecting {{{OPERAND}}}", found.shown());
        self.syntax(found.at, &message)
    }

    fn literal(&mut self, at: u32, sign: &str) -> Option<Id> {
        let token = self.take();
        let read = match token.kind {
            Kind::Int => literal::int(sign, token.text),
            Kind::Uint => literal::uint(token.text),
            Kind::Float => literal::float(sign, token.text),
            Kind::String => literal::string(token.text).map(Literal::String),
            Kind::Bytes => literal::bytes(token.text.get(1..).unwrap_or("")),
            _ => Ok(match token.text {
                "true" => Literal::Bool(true),
                "false" => Literal::Bool(false),
                _ => Literal::Null,
            }),
        };
        match read {
            Ok(literal) => self.add(Node::Const(literal), at),
            Err(message) => self.report(at, message.to_owned()),
        }
    }

    /// A name, a call of it, or a message with that name.
    fn name(&mut self, dot: &str) -> Option<Id> {
        let token = self.take();
        if let Some((name, open)) = self.message_name(dot, token.text) {
            return self.message(&name, open);
        }
        if RESERVED.contains(&token.text) {
            let reserved = self.report(token.at, format!("reserved identifier: {}", token.text));
            if self.took("(").is_some() {
                self.list_of(")", Self::expression)?;
            }
            return reserved;
        }
        let name = format!("{dot}{}", token.text);
        if let Some(open) = self.took("(") {
            let args = self.list_of(")", Self::expression)?;
            return self.call_or_macro(&name, None, args, open.at);
        }
        self.add(Node::Ident(name.into()), token.at)
    }

    /// The name of a message and where its brace stands, if `first` begins one: `A.b.C{`.
    fn message_name(&mut self, dot: &str, first: &str) -> Option<(String, u32)> {
        let mut name = format!("{dot}{first}");
        let mut ahead = 0;
        while self.ahead(ahead).is(".") && self.ahead(ahead + 1).kind == Kind::Name {
            name.push('.');
            name.push_str(self.ahead(ahead + 1).text);
            ahead += 2;
        }
        let open = self.ahead(ahead);
        if !open.is("{") {
            return None;
        }
        self.next += ahead + 1;
        Some((name, open.at))
    }

    fn message(&mut self, name: &str, open: u32) -> Option<Id> {
        let fields = self.list_of("}", |parser| {
            let optional = parser.took("?").is_some();
            let field = parser.take();
            if field.kind != Kind::Name {
                let expected = "'}', ',', '?', IDENTIFIER, ESC_IDENTIFIER";
                let message =
                    format!("mismatched input '{}' expecting {{{expected}}}", field.shown());
                return parser.syntax(field.at, &message);
            }
            let colon = parser.expect(":")?;
            let value = parser.expression()?;
            Some(Field { name: field.text.into(), value, optional, at: colon.at })
        })?;
        self.add(Node::Struct { name: name.into(), fields }, open)
    }

    fn call_or_macro(
        &mut self,
        function: &str,
        target: Option<Id>,
        args: Vec<Id>,
        at: u32,
    ) -> Option<Id> {
        match self.expand(function, target, &args, at) {
            Some(expanded) => expanded,
            None => self.add(Node::Call { function: function.into(), target, args }, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::cel::issue::shown;

    fn error(text: &str) -> String {
        let parsed = parse(text);
        let shown = shown(text, parsed.issues);
        shown.lines().filter(|line| line.starts_with("ERROR")).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn errors_read_as_upstream_tells_them() {
        let operand = "expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', \
                       NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
        let cases = [
            (
                "1 +",
                format!("ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' {operand}"),
            ),
            (
                "a b",
                "ERROR: <input>:1:3: Syntax error: extraneous input 'b' expecting <EOF>".into(),
            ),
            ("(1", "ERROR: <input>:1:3: Syntax error: missing ')' at '<EOF>'".into()),
            ("var", "ERROR: <input>:1:1: reserved identifier: var".into()),
            ("99999999999999999999", "ERROR: <input>:1:1: invalid int literal".into()),
            ("[1].map(1, x)", "ERROR: <input>:1:9: argument is not an identifier".into()),
            ("has(a)", "ERROR: <input>:1:5: invalid argument to has() macro".into()),
        ];
        for (text, expected) in cases {
            assert_eq!(error(text), expected, "{text}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        assert!(error(&"(".repeat(5000)).contains("recursion limit exceeded: 250"));
        assert!(error(&format!("a{}", ".b".repeat(5000))).contains("max recursion depth"));
        assert_eq!(error(&vec!["a"; 5000].join(" && ")), "");
    }
}
