//! Field sets: which fields of an object a manager owns (`structured-merge-diff/fieldpath.Set`).
//!
//! A set is a tree of sorted slices in an arena. It is never changed: operations share what they
//! do not change, so a set costs a copy of two words, and "nothing changed" is a pointer compare.

mod algebra;
mod compare;
mod element;
mod text;
mod value;

pub use compare::{BadElement, Changes, compare, compare_structs};
pub use element::{Atom, Element, Steps};
pub(crate) use value::{element_of, is_same, is_same_struct};

use bumpalo::Bump;
use std::fmt;

/// A set of paths.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct FieldSet<'a> {
    nodes: &'a [Node<'a>],
}

/// What a set has under one element: the element itself, paths below it, or both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node<'a> {
    /// The step.
    pub element: Element<'a>,
    /// The path that ends here is in the set.
    pub member: bool,
    /// The paths that go on from here.
    pub children: FieldSet<'a>,
}

impl<'a> FieldSet<'a> {
    /// The set with no path.
    pub const EMPTY: Self = Self { nodes: &[] };

    /// Takes nodes in any order, each element at most once; those without content are left out.
    pub(crate) fn from_nodes(mut nodes: Vec<Node<'a>>, arena: &'a Bump) -> Self {
        nodes.retain(|node| node.member || !node.children.is_empty());
        if nodes.is_empty() {
            return Self::EMPTY;
        }
        if !nodes.is_sorted_by(|a, b| a.element < b.element) {
            nodes.sort_unstable_by_key(|node| node.element);
        }
        Self { nodes: arena.alloc_slice_copy(&nodes) }
    }

    /// Takes nodes in order, each with content.
    pub(crate) const fn of_sorted(nodes: &'a [Node<'a>]) -> Self {
        Self { nodes }
    }

    /// The set of these paths of field names.
    pub fn of_paths(paths: &[&[&'a str]], arena: &'a Bump) -> Self {
        paths.iter().fold(Self::EMPTY, |set, path| {
            let below = path.iter().rev().enumerate().fold(Self::EMPTY, |children, (at, name)| {
                let node = Node { element: Element::Field(name), member: at == 0, children };
                Self { nodes: arena.alloc_slice_copy(&[node]) }
            });
            set.union(below, arena)
        })
    }

    /// True if there is no path.
    pub fn is_empty(self) -> bool {
        self.nodes.is_empty()
    }

    /// The nodes of the first level, sorted.
    pub fn nodes(self) -> &'a [Node<'a>] {
        self.nodes
    }

    /// The node of one element.
    pub fn node(self, element: Element<'_>) -> Option<&'a Node<'a>> {
        let at =
            self.nodes.binary_search_by(|node| compare_elements(node.element, element)).ok()?;
        self.nodes.get(at)
    }

    /// True if the path of field names is in the set.
    pub fn has(self, path: &[&str]) -> bool {
        let Some((last, above)) = path.split_last() else { return false };
        let holder = above
            .iter()
            .try_fold(self, |set, name| set.node(Element::Field(name)).map(|node| node.children));
        holder.and_then(|set| set.node(Element::Field(last))).is_some_and(|node| node.member)
    }

    /// True if both are one set in memory, hence equal.
    pub fn is_shared_with(self, other: Self) -> bool {
        std::ptr::eq(self.nodes, other.nodes) || self.is_empty() && other.is_empty()
    }

    /// Calls `visit` with every path: at each level first those that end there.
    pub fn each_path(self, visit: &mut dyn FnMut(&Steps<'_, 'a>)) {
        self.each_below(None, visit);
    }

    fn each_below(self, above: Option<&Steps<'_, 'a>>, visit: &mut dyn FnMut(&Steps<'_, 'a>)) {
        for node in self.nodes.iter().filter(|node| node.member) {
            visit(&Steps { above, element: node.element });
        }
        for node in self.nodes {
            node.children.each_below(Some(&Steps { above, element: node.element }), visit);
        }
    }
}

/// Orders elements of unlike lifetimes.
fn compare_elements(a: Element<'_>, b: Element<'_>) -> std::cmp::Ordering {
    a.cmp(&b)
}

/// One path a line, for tests and logs.
impl fmt::Debug for FieldSet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut paths = Vec::new();
        self.each_path(&mut |path| paths.push(path.to_string()));
        f.debug_list().entries(paths).finish()
    }
}
