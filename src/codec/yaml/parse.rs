//! YAML text to the JSON tape.

use super::error::{YamlError, alias_name, of_scan};
use super::resolve::{self, Scalar};
use crate::base::hash::HashMap;
use crate::base::limits::OBJECT_DEPTH_MAX;
use crate::codec::json::Document;
use crate::codec::json::write;
use bumpalo::Bump;
use saphyr_parser::{Event, Parser, ScalarStyle, Span, Tag};
use simd_json::{Node, StaticNode};
use std::rc::Rc;

/// Parses the first document of a YAML text.
///
/// # Errors
/// In go-yaml's words.
pub fn parse<'a>(source: &[u8], arena: &'a Bump) -> Result<Document<'a, 'static>, YamlError> {
    let source = std::str::from_utf8(source).map_err(|_| YamlError::Utf8)?;
    if source.chars().any(is_control) {
        return Err(YamlError::Control);
    }
    no_leading_tab(source)?;
    let mut builder = Builder { arena, open: Vec::new(), anchors: HashMap::default() };
    let root = builder.build(source)?;
    let mut flat = Flat::default();
    if let Some(root) = root {
        flat.node(&root, 0)?;
    } else {
        flat.nodes.push(Node::Static(StaticNode::Null));
    }
    Ok(Document::of_nodes(flat.nodes, flat.duplicates))
}

/// What go-yaml's reader refuses (`yaml_parser_update_buffer`).
const fn is_control(c: char) -> bool {
    !matches!(c, '\t' | '\n' | '\r' | ' '..='~' | '\u{85}' | '\u{a0}'..='\u{fffd}' | '\u{10000}'..)
}

/// go-yaml takes no tab before the first token; our parser does.
fn no_leading_tab(source: &str) -> Result<(), YamlError> {
    for (above, line) in source.lines().enumerate() {
        let content = line.trim_start_matches([' ', '\t']);
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let blanks = line.get(..line.len() - content.len()).unwrap_or("");
        if blanks.contains('\t') {
            let problem = "found character that cannot start any token".to_owned();
            return Err(YamlError::Syntax {
                line: if above == 0 { 0 } else { above + 1 },
                problem,
            });
        }
        break;
    }
    Ok(())
}

/// A node; shared where aliases name it.
enum Tree<'a> {
    Alias(Rc<Self>),
    Bool(bool),
    Float(f64),
    Int(i64),
    List(Vec<Rc<Self>>),
    Map(Vec<Entry<'a>>),
    Null,
    Str(&'a str),
    Uint(u64),
}

struct Entry<'a> {
    key: Key<'a>,
    value: Rc<Tree<'a>>,
    /// Where the value begins, for messages.
    line: usize,
}

enum Key<'a> {
    Merge,
    /// The key as JSON has it, and as Go prints it in messages.
    Name(&'a str, String),
}

enum Open<'a> {
    List(Vec<Rc<Tree<'a>>>, usize),
    Map(Vec<Entry<'a>>, Option<Key<'a>>, usize),
}

struct Builder<'a> {
    arena: &'a Bump,
    open: Vec<Open<'a>>,
    anchors: HashMap<usize, Rc<Tree<'a>>>,
}

impl<'a> Builder<'a> {
    /// The root of the first document, if there is one.
    fn build(&mut self, source: &str) -> Result<Option<Rc<Tree<'a>>>, YamlError> {
        for event in Parser::new_from_str(source) {
            let (event, span) = event.map_err(|error| of_scan(&error, source))?;
            if let Event::Alias(anchor) = &event
                && !self.anchors.contains_key(anchor)
            {
                return Err(YamlError::Cycle(alias_name(source, span.start.index())));
            }
            if let Some(root) = self.event(event, span)? {
                return Ok(Some(root));
            }
        }
        Ok(None)
    }

    fn event(&mut self, event: Event<'_>, span: Span) -> Result<Option<Rc<Tree<'a>>>, YamlError> {
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                let text = self.arena.alloc_str(&text);
                let scalar = scalar(text, style, tag.as_deref())?;
                self.ended(self.tree(scalar), scalar_key(scalar, text), anchor, line)
            }
            Event::Alias(anchor) => {
                let Some(tree) = self.anchors.get(&anchor) else { return Ok(None) };
                let key = match tree.as_ref() {
                    Tree::Str(text) => Ok(Key::Name(text, format!("{text:?}"))),
                    _ => Err("alias"),
                };
                let alias = Tree::Alias(Rc::clone(tree));
                self.ended(alias, key, 0, line)
            }
            Event::SequenceStart(anchor, _) => self.begin(Open::List(Vec::new(), anchor)),
            Event::MappingStart(anchor, _) => self.begin(Open::Map(Vec::new(), None, anchor)),
            Event::SequenceEnd => match self.open.pop() {
                Some(Open::List(list, anchor)) => {
                    self.ended(Tree::List(list), Err("[]interface {}{}"), anchor, line)
                }
                _ => Ok(None),
            },
            Event::MappingEnd => match self.open.pop() {
                Some(Open::Map(entries, _, anchor)) => {
                    let key = Err("map[interface {}]interface {}{}");
                    self.ended(Tree::Map(entries), key, anchor, line)
                }
                _ => Ok(None),
            },
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd => Ok(None),
        }
    }

    fn begin(&mut self, open: Open<'a>) -> Result<Option<Rc<Tree<'a>>>, YamlError> {
        if self.open.len() >= OBJECT_DEPTH_MAX {
            return Err(YamlError::Depth);
        }
        self.open.push(open);
        Ok(None)
    }

    /// Puts a node that is whole where it belongs; gives it back if it is the root.
    fn ended(
        &mut self,
        tree: Tree<'a>,
        as_key: Result<Key<'a>, &'static str>,
        anchor: usize,
        line: usize,
    ) -> Result<Option<Rc<Tree<'a>>>, YamlError> {
        let tree = Rc::new(tree);
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&tree));
        }
        match self.open.last_mut() {
            None => return Ok(Some(tree)),
            Some(Open::List(list, _)) => list.push(tree),
            Some(Open::Map(entries, key, _)) => match key.take() {
                Some(key) => entries.push(Entry { key, value: tree, line }),
                None => *key = Some(as_key.map_err(YamlError::Key)?),
            },
        }
        Ok(None)
    }

    fn tree(&self, scalar: Scalar<'a>) -> Tree<'a> {
        match scalar {
            Scalar::Bool(value) => Tree::Bool(value),
            Scalar::Float(n) => Tree::Float(n),
            Scalar::Int(n) => Tree::Int(n),
            Scalar::Merge => Tree::Str("<<"),
            Scalar::Null => Tree::Null,
            Scalar::Str(text) => Tree::Str(text),
            Scalar::Uint(n) => Tree::Uint(n),
        }
    }
}

fn scalar<'s>(
    text: &'s str,
    style: ScalarStyle,
    tag: Option<&Tag>,
) -> Result<Scalar<'s>, YamlError> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => resolve::tagged(&tag.suffix, text),
        Some(_) => Ok(Scalar::Str(text)),
        None if style == ScalarStyle::Plain => Ok(resolve::plain(text)),
        None => Ok(Scalar::Str(text)),
    }
}

/// The key that a scalar makes.
fn scalar_key<'a>(scalar: Scalar<'a>, text: &'a str) -> Result<Key<'a>, &'static str> {
    Ok(match scalar {
        Scalar::Bool(true) => Key::Name("true", "true".to_owned()),
        Scalar::Bool(false) => Key::Name("false", "false".to_owned()),
        // Go prints the number anew; texts that differ from that are nobody's keys.
        Scalar::Float(_) | Scalar::Int(_) | Scalar::Uint(_) => Key::Name(text, text.to_owned()),
        Scalar::Merge => Key::Merge,
        Scalar::Null => return Err("nil"),
        Scalar::Str(text) => Key::Name(text, format!("{text:?}")),
    })
}

/// The tape being made, with the count of nodes that bounds what aliases may make of a document.
#[derive(Default)]
struct Flat<'a> {
    nodes: Vec<Node<'a>>,
    duplicates: Vec<String>,
    count: usize,
    aliased: usize,
    alias_depth: usize,
}

/// How many of so many nodes may come from aliases (`allowedAliasRatio`).
#[expect(clippy::cast_precision_loss, reason = "a ratio")]
fn allowed_ratio(count: usize) -> f64 {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    let count = count as f64;
    if count <= LOW {
        0.99
    } else if count >= HIGH {
        0.10
    } else {
        0.99 - 0.89 * ((count - LOW) / (HIGH - LOW))
    }
}

impl<'a> Flat<'a> {
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    fn counted(&mut self) -> Result<(), YamlError> {
        self.count += 1;
        self.aliased += usize::from(self.alias_depth > 0);
        let many = self.aliased > 100 && self.count > 1000;
        if many && self.aliased as f64 / self.count as f64 > allowed_ratio(self.count) {
            return Err(YamlError::Expansion);
        }
        Ok(())
    }

    fn node(&mut self, tree: &Tree<'a>, depth: usize) -> Result<(), YamlError> {
        self.counted()?;
        if depth > OBJECT_DEPTH_MAX {
            return Err(YamlError::Depth);
        }
        match tree {
            Tree::Alias(tree) => {
                self.alias_depth += 1;
                self.node(tree, depth + 1)?;
                self.alias_depth -= 1;
            }
            Tree::Bool(value) => self.nodes.push(Node::Static(StaticNode::Bool(*value))),
            Tree::Float(n) => self.nodes.push(Node::Static(number(*n)?)),
            Tree::Int(n) => self.nodes.push(Node::Static(StaticNode::I64(*n))),
            Tree::Null => self.nodes.push(Node::Static(StaticNode::Null)),
            Tree::Str(text) => self.nodes.push(Node::String(text)),
            Tree::Uint(n) => self.nodes.push(Node::Static(StaticNode::U64(*n))),
            Tree::List(list) => {
                let start = self.nodes.len();
                self.nodes.push(Node::Static(StaticNode::Null));
                for tree in list {
                    self.node(tree, depth + 1)?;
                }
                let count = self.nodes.len() - start - 1;
                self.set(start, Node::Array { len: list.len(), count });
            }
            Tree::Map(entries) => {
                let mut merged: Vec<(&'a str, &Tree<'a>)> = Vec::with_capacity(entries.len());
                self.merge(entries, &mut merged, depth)?;
                let start = self.nodes.len();
                self.nodes.push(Node::Static(StaticNode::Null));
                let mut len = 0;
                // JSON has the keys sorted; of equal ones the last counts.
                merged.sort_by_key(|(key, _)| *key);
                for (at, (key, tree)) in merged.iter().enumerate() {
                    if merged.get(at + 1).is_some_and(|(next, _)| next == key) {
                        continue;
                    }
                    len += 1;
                    self.nodes.push(Node::String(key));
                    self.node(tree, depth + 1)?;
                }
                let count = self.nodes.len() - start - 1;
                self.set(start, Node::Object { len, count });
            }
        }
        Ok(())
    }

    fn set(&mut self, at: usize, node: Node<'a>) {
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = node;
        }
    }

    /// Collects entries in order, with those that `<<` brings in.
    fn merge<'t>(
        &mut self,
        entries: &'t [Entry<'a>],
        merged: &mut Vec<(&'a str, &'t Tree<'a>)>,
        depth: usize,
    ) -> Result<(), YamlError> {
        if depth > OBJECT_DEPTH_MAX {
            return Err(YamlError::Depth);
        }
        let mut own: HashMap<&str, ()> = HashMap::default();
        for entry in entries {
            match &entry.key {
                Key::Name(name, shown) => {
                    if own.insert(name, ()).is_some() {
                        self.duplicates
                            .push(format!("  line {}: key {shown} already set in map", entry.line));
                    }
                    merged.push((name, &entry.value));
                }
                Key::Merge => match resolved(&entry.value) {
                    Tree::Map(entries) => self.merge_map(entries, merged, depth)?,
                    Tree::List(list) => {
                        for tree in list.iter().rev() {
                            let Tree::Map(entries) = resolved(tree) else {
                                return Err(YamlError::Merge);
                            };
                            self.merge_map(entries, merged, depth)?;
                        }
                    }
                    _ => return Err(YamlError::Merge),
                },
            }
        }
        Ok(())
    }

    /// Merged entries count as aliased: merging maps that merge maps multiplies as well.
    fn merge_map<'t>(
        &mut self,
        entries: &'t [Entry<'a>],
        merged: &mut Vec<(&'a str, &'t Tree<'a>)>,
        depth: usize,
    ) -> Result<(), YamlError> {
        self.alias_depth += 1;
        for _ in entries {
            self.counted()?;
        }
        self.merge(entries, merged, depth + 1)?;
        self.alias_depth -= 1;
        Ok(())
    }
}

fn resolved<'t, 'a>(tree: &'t Tree<'a>) -> &'t Tree<'a> {
    match tree {
        Tree::Alias(tree) => tree,
        tree => tree,
    }
}

/// A float as it comes out of JSON: one without fraction is an integer there.
fn number(n: f64) -> Result<StaticNode, YamlError> {
    if n.is_nan() {
        return Err(YamlError::Value("NaN"));
    }
    if n.is_infinite() {
        return Err(YamlError::Value(if n > 0.0 { "+Inf" } else { "-Inf" }));
    }
    let mut text = Vec::new();
    write::float(n, &mut text);
    let integer = std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
    Ok(integer.map_or_else(|| StaticNode::from(n), StaticNode::I64))
}

#[cfg(test)]
mod tests {
    use super::parse;
    use crate::codec::json::{Strictness, encode_any};
    use bumpalo::Bump;

    fn json(source: &str) -> Result<String, String> {
        let arena = Bump::new();
        let document = parse(source.as_bytes(), &arena).map_err(|error| error.to_string())?;
        let mut out = Vec::new();
        encode_any(&document.any(&arena).unwrap(), &mut out);
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn documents_become_json_with_sorted_keys() {
        for (source, expected) in [
            ("", "null"),
            ("# c\n---\nb: 1\na: yes\n---\nc: 1\n", r#"{"a":true,"b":1}"#),
            ("a: &x hello\nb: *x\n", r#"{"a":"hello","b":"hello"}"#),
            ("a: |-\n  x\n  y\nb: >\n  folded\n  text\n", r#"{"a":"x\ny","b":"folded text\n"}"#),
            ("a: '0x1F'\nb: \"1e3\"\nc: ~\n", r#"{"a":"0x1F","b":"1e3","c":null}"#),
            ("1: a\ntrue: b\n", r#"{"1":"a","true":"b"}"#),
            (
                "x: &d {a: 1, b: 2}\nz:\n  <<: *d\n  b: 3\n",
                r#"{"x":{"a":1,"b":2},"z":{"a":1,"b":3}}"#,
            ),
            ("a: 1.0\nb: 1.5\nc: !!str 1\n", r#"{"a":1,"b":1.5,"c":"1"}"#),
            (r#"{"a":[1,{"b":"x"}]}"#, r#"{"a":[1,{"b":"x"}]}"#),
            ("t: 2026-01-02T03:04:05Z\n", r#"{"t":"2026-01-02T03:04:05Z"}"#),
        ] {
            assert_eq!(json(source).as_deref(), Ok(expected), "{source}");
        }
    }

    #[test]
    fn errors_read_as_go_yaml_s() {
        for (source, expected) in [
            ("a: b: c", "yaml: mapping values are not allowed in this context"),
            ("\t- x", "yaml: found character that cannot start any token"),
            (
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y8\n   bad: indent\n",
                "yaml: line 5: mapping values are not allowed in this context",
            ),
            ("a: \u{1}", "yaml: control characters are not allowed"),
            ("a: [", "yaml: line 1: did not find expected node content"),
            ("a: *x\n", "yaml: unknown anchor 'x' referenced"),
            ("a: &x [*x]\n", "yaml: anchor 'x' value contains itself"),
            ("a: .nan\n", "json: unsupported value: NaN"),
            ("a: \"x\n", "yaml: line 2: found unexpected end of stream"),
        ] {
            assert_eq!(json(source).unwrap_err(), expected, "{source}");
        }
        let arena = Bump::new();
        assert!(parse(b"a: \xff", &arena).is_err());
    }

    #[test]
    fn aliases_cannot_multiply_a_document() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
        for at in 1..9 {
            let last = format!("*a{}", at - 1);
            bomb += &format!("a{at}: &a{at} [{}]\n", [last.as_str(); 9].join(","));
        }
        assert_eq!(json(&bomb).unwrap_err(), "yaml: document contains excessive aliasing");
        assert!(json(&"[".repeat(5_000)).is_err());
        assert!(json(&"- ".repeat(5_000)).is_err());
    }

    #[test]
    fn duplicate_keys_are_strict_errors() {
        let arena = Bump::new();
        let document = parse(b"a: 1\nb:\n  c: 1\n  c: 2\n", &arena).unwrap();
        let decoded = document.decode_any(&arena, Strictness::Report).unwrap();
        let expected = "yaml: unmarshal errors:\n  line 4: key \"c\" already set in map";
        assert_eq!(decoded.strict_errors, [expected]);
    }
}
