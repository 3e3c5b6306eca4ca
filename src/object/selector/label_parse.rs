//! The grammar of the `labelSelector` query parameter (`labels.Parser`).

use crate::object::content;
use crate::object::selector::SelectorError;
use crate::object::selector::label::{LabelOperator, LabelRequirement};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    ClosedPar,
    Comma,
    DoesNotExist,
    DoubleEquals,
    EndOfString,
    Equals,
    GreaterThan,
    Identifier,
    In,
    LessThan,
    NotEquals,
    NotIn,
    OpenPar,
}

/// The token and its text; `rest` is what follows.
#[derive(Debug, Clone, Copy)]
struct Scanned<'t> {
    token: Token,
    text: &'t str,
    rest: &'t str,
}

fn scan(text: &str) -> Scanned<'_> {
    let text = text.trim_start_matches([' ', '\t', '\r', '\n']);
    let two = |token| (token, 2);
    let one = |token| (token, 1);
    let (token, bytes) = match text.as_bytes() {
        // Upstream's lexer takes a NUL for the end of the text.
        [] | [0, ..] => (Token::EndOfString, 0),
        [b'=', b'=', ..] => two(Token::DoubleEquals),
        [b'!', b'=', ..] => two(Token::NotEquals),
        [b'=', ..] => one(Token::Equals),
        [b'!', ..] => one(Token::DoesNotExist),
        [b'(', ..] => one(Token::OpenPar),
        [b')', ..] => one(Token::ClosedPar),
        [b',', ..] => one(Token::Comma),
        [b'>', ..] => one(Token::GreaterThan),
        [b'<', ..] => one(Token::LessThan),
        _ => {
            let ends = ['=', '!', '(', ')', ',', '>', '<', ' ', '\t', '\r', '\n', '\0'];
            let bytes = text.find(ends).unwrap_or(text.len());
            match text.get(..bytes) {
                Some("in") => (Token::In, bytes),
                Some("notin") => (Token::NotIn, bytes),
                _ => (Token::Identifier, bytes),
            }
        }
    };
    match text.split_at_checked(bytes) {
        // The NUL that ends a word is taken with it.
        Some((text, rest)) => {
            Scanned { token, text, rest: rest.strip_prefix('\0').unwrap_or(rest) }
        }
        None => Scanned { token: Token::EndOfString, text: "", rest: "" },
    }
}

struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    /// The next token as an operator.
    fn operator_token(&mut self) -> (Token, &'t str) {
        let scanned = scan(self.rest);
        self.rest = scanned.rest;
        (scanned.token, scanned.text)
    }

    /// The next token where a key or value may stand: `in` and `notin` are words there.
    fn consume(&mut self) -> (Token, &'t str) {
        let (token, text) = self.operator_token();
        (word(token), text)
    }

    /// What `consume` will give.
    fn look(&self) -> (Token, &'t str) {
        let scanned = scan(self.rest);
        (word(scanned.token), scanned.text)
    }

    fn requirement(&mut self) -> Result<LabelRequirement, SelectorError> {
        let (mut token, mut key) = self.consume();
        let negated = token == Token::DoesNotExist;
        if negated {
            (token, key) = self.consume();
        }
        if token != Token::Identifier {
            return Err(found(key, ", expected: identifier"));
        }
        let broken = content::label_key_errors(key);
        if !broken.is_empty() {
            // The path is nil upstream, which prints so.
            let text = format!("<nil>: Invalid value: {key:?}: {}", broken.join("; "));
            return Err(SelectorError(text));
        }
        if negated {
            return LabelRequirement::new(key.to_owned(), LabelOperator::DoesNotExist, Vec::new());
        }
        if matches!(self.look().0, Token::EndOfString | Token::Comma) {
            return LabelRequirement::new(key.to_owned(), LabelOperator::Exists, Vec::new());
        }
        let (operator, values) = self.operator_and_values()?;
        LabelRequirement::new(key.to_owned(), operator, values)
    }

    fn operator_and_values(&mut self) -> Result<(LabelOperator, Vec<String>), SelectorError> {
        let (token, text) = self.operator_token();
        let operator = match token {
            Token::In => return Ok((LabelOperator::In, self.values()?)),
            Token::NotIn => return Ok((LabelOperator::NotIn, self.values()?)),
            Token::Equals | Token::DoubleEquals => LabelOperator::Equals,
            Token::NotEquals => LabelOperator::NotEquals,
            Token::GreaterThan => LabelOperator::GreaterThan,
            Token::LessThan => LabelOperator::LessThan,
            _ => return Err(found(text, ", expected: in, notin, =, ==, !=, gt, lt")),
        };
        if matches!(self.look().0, Token::EndOfString | Token::Comma) {
            return Ok((operator, vec![String::new()]));
        }
        match self.consume() {
            (Token::Identifier, value) => Ok((operator, vec![value.to_owned()])),
            (_, text) => Err(found(text, ", expected: identifier")),
        }
    }

    /// `(a,b)`, each value possibly empty; sorted, each once.
    fn values(&mut self) -> Result<Vec<String>, SelectorError> {
        let (token, text) = self.consume();
        if token != Token::OpenPar {
            return Err(found(text, " expected: '('"));
        }
        let mut values = match self.look() {
            (Token::Identifier | Token::Comma, _) => self.identifiers()?,
            (Token::ClosedPar, _) => vec![String::new()],
            (_, text) => return Err(found(text, ", expected: ',', ')' or identifier")),
        };
        self.consume();
        values.sort_unstable();
        values.dedup();
        Ok(values)
    }

    /// Up to the closing parenthesis, which is left to take.
    fn identifiers(&mut self) -> Result<Vec<String>, SelectorError> {
        let mut values = Vec::new();
        loop {
            match self.consume() {
                (Token::Identifier, value) => {
                    values.push(value.to_owned());
                    match self.look() {
                        (Token::Comma, _) => {}
                        (Token::ClosedPar, _) => return Ok(values),
                        (_, text) => return Err(found(text, ", expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    let next = self.look().0;
                    if values.is_empty() || matches!(next, Token::ClosedPar | Token::Comma) {
                        values.push(String::new());
                    }
                    if next == Token::ClosedPar {
                        return Ok(values);
                    }
                }
                (_, text) => return Err(found(text, ", expected: ',', or identifier")),
            }
        }
    }
}

fn word(token: Token) -> Token {
    if matches!(token, Token::In | Token::NotIn) { Token::Identifier } else { token }
}

fn found(text: &str, expected: &str) -> SelectorError {
    SelectorError(format!("found '{text}'{expected}"))
}

/// The requirements of the text, in the order in which they stand there.
pub(super) fn parse(text: &str) -> Result<Vec<LabelRequirement>, SelectorError> {
    let mut parser = Parser { rest: text };
    let mut requirements = Vec::new();
    loop {
        match parser.look() {
            (Token::Identifier | Token::DoesNotExist, _) => {}
            (Token::EndOfString, _) => return Ok(requirements),
            (_, text) => {
                return Err(found(text, ", expected: !, identifier, or 'end of string'"));
            }
        }
        let requirement = parser.requirement();
        requirements.push(
            requirement
                .map_err(|e| SelectorError(format!("unable to parse requirement: {}", e.0)))?,
        );
        match parser.consume() {
            (Token::EndOfString, _) => return Ok(requirements),
            (Token::Comma, _) => {
                let (token, text) = parser.look();
                if !matches!(token, Token::Identifier | Token::DoesNotExist) {
                    return Err(found(text, ", expected: identifier after ','"));
                }
            }
            (_, text) => return Err(found(text, ", expected: ',' or 'end of string'")),
        }
    }
}
