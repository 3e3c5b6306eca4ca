//! The tree of an expression: nodes in one vector that name each other by number, so that nothing
//! recurses to drop or copy it.

/// A node's number.
pub(super) type Id = u32;

/// An expression.
#[derive(Debug, Default)]
pub(super) struct Ast {
    nodes: Vec<Node>,
    /// Where each node starts, in code points.
    places: Vec<u32>,
    /// How many nodes stand on the longest way down from each.
    depths: Vec<u16>,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Node {
    Call {
        function: Box<str>,
        target: Option<Id>,
        args: Vec<Id>,
    },
    Const(Literal),
    /// Stands where a part could not be read.
    Error,
    Fold(Box<Fold>),
    Ident(Box<str>),
    /// Items, and whether each is optional (`?item`).
    List(Vec<(Id, bool)>),
    /// Keys, values, and whether each is optional (`?key: value`).
    Map(Vec<(Id, Id, bool)>),
    Select {
        operand: Id,
        field: Box<str>,
        test: bool,
    },
    Struct {
        name: Box<str>,
        fields: Vec<Field>,
    },
}

/// A field of a message that is made.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) value: Id,
    pub(super) optional: bool,
    pub(super) at: u32,
}

/// A loop over a list or map, as macros make it (`Expr.Comprehension` of the specification).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Fold {
    pub(super) range: Id,
    pub(super) var: Box<str>,
    pub(super) var2: Option<Box<str>>,
    pub(super) accu: Box<str>,
    pub(super) init: Id,
    pub(super) condition: Id,
    pub(super) step: Id,
    pub(super) result: Id,
}

/// A literal.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Literal {
    Bool(bool),
    Bytes(Box<[u8]>),
    Double(f64),
    Int(i64),
    Null,
    String(Box<str>),
    Uint(u64),
}

impl Ast {
    /// Adds a node; `None` if the tree would be deeper than `depth_max`.
    pub(super) fn add(&mut self, node: Node, at: u32, depth_max: u16) -> Option<Id> {
        let depth = |id: &Id| self.depths.get(*id as usize).copied().unwrap_or(0);
        let below = node.children().iter().map(depth).max().unwrap_or(0);
        if below >= depth_max {
            return None;
        }
        let id = u32::try_from(self.nodes.len()).ok()?;
        self.nodes.push(node);
        self.places.push(at);
        self.depths.push(below + 1);
        Some(id)
    }

    /// The node `id`.
    pub(super) fn node(&self, id: Id) -> &Node {
        self.nodes.get(id as usize).unwrap_or(&Node::Error)
    }

    /// Puts another node in the place of `id`; it must not be deeper.
    pub(super) fn replace(&mut self, id: Id, node: Node) {
        if let Some(slot) = self.nodes.get_mut(id as usize) {
            *slot = node;
        }
    }

    /// Where `id` starts.
    pub(super) fn place(&self, id: Id) -> u32 {
        self.places.get(id as usize).copied().unwrap_or(0)
    }

    /// The number of nodes.
    pub(super) fn len(&self) -> usize {
        self.nodes.len()
    }
}

impl Node {
    /// The nodes directly below.
    pub(super) fn children(&self) -> Vec<Id> {
        match self {
            Self::Call { target, args, .. } => target.iter().chain(args).copied().collect(),
            Self::Const(_) | Self::Error | Self::Ident(_) => Vec::new(),
            Self::Fold(fold) => {
                vec![fold.range, fold.init, fold.condition, fold.step, fold.result]
            }
            Self::List(items) => items.iter().map(|(item, _)| *item).collect(),
            Self::Map(entries) => entries.iter().flat_map(|(k, v, _)| [*k, *v]).collect(),
            Self::Select { operand, .. } => vec![*operand],
            Self::Struct { fields, .. } => fields.iter().map(|field| field.value).collect(),
        }
    }
}
