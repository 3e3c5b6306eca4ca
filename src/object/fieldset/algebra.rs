//! Set algebra: each operation walks two sorted trees at once and shares what it does not change.

use crate::object::fieldset::{Element, FieldSet, Node};
use bumpalo::Bump;
use std::cmp::Ordering;

/// Pairs the nodes of two sets by element, in order.
fn pairs<'a>(
    a: FieldSet<'a>,
    b: FieldSet<'a>,
) -> impl Iterator<Item = (Option<&'a Node<'a>>, Option<&'a Node<'a>>)> {
    let mut a = a.nodes.iter().peekable();
    let mut b = b.nodes.iter().peekable();
    std::iter::from_fn(move || {
        let order = match (a.peek(), b.peek()) {
            (None, None) => return None,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.element.cmp(&b.element),
        };
        Some(match order {
            Ordering::Less => (a.next(), None),
            Ordering::Greater => (None, b.next()),
            Ordering::Equal => (a.next(), b.next()),
        })
    })
}

/// The node of `others` with the element of `node`; what stands before it is taken off.
fn advance<'o, 'a>(others: &mut &'o [Node<'a>], node: &Node<'a>) -> Option<&'o Node<'a>> {
    loop {
        let (first, rest) = others.split_first()?;
        match first.element.cmp(&node.element) {
            Ordering::Greater => return None,
            Ordering::Less => *others = rest,
            Ordering::Equal => {
                *others = rest;
                return Some(first);
            }
        }
    }
}

impl<'a> FieldSet<'a> {
    /// The paths of either set.
    #[must_use]
    pub fn union(self, other: Self, arena: &'a Bump) -> Self {
        if other.is_empty() || self.is_shared_with(other) {
            return self;
        }
        if self.is_empty() {
            return other;
        }
        let mut nodes = Vec::with_capacity(self.nodes.len() + other.nodes.len());
        nodes.extend(pairs(self, other).filter_map(|pair| match pair {
            (Some(a), Some(b)) => Some(Node {
                element: a.element,
                member: a.member || b.member,
                children: a.children.union(b.children, arena),
            }),
            (one, two) => one.or(two).copied(),
        }));
        self.unless_same(nodes, arena)
    }

    /// The paths of both sets.
    #[must_use]
    pub fn intersection(self, other: Self, arena: &'a Bump) -> Self {
        if self.is_shared_with(other) {
            return self;
        }
        let both = pairs(self, other).filter_map(|pair| match pair {
            (Some(a), Some(b)) => Some(Node {
                element: a.element,
                member: a.member && b.member,
                children: a.children.intersection(b.children, arena),
            }),
            _ => None,
        });
        Self::from_nodes(both.collect(), arena)
    }

    /// The paths of this set that are not in `other`; each path counts for itself, so
    /// `{a, a.b} - {a}` is `{a.b}`.
    #[must_use]
    pub fn difference(self, other: Self, arena: &'a Bump) -> Self {
        if self.is_shared_with(other) {
            return Self::EMPTY;
        }
        let mut others = other.nodes;
        self.map_nodes(arena, |a| {
            let found = advance(&mut others, a);
            Some(found.map_or(*a, |b| Node {
                member: a.member && !b.member,
                children: a.children.difference(b.children, arena),
                ..*a
            }))
        })
    }

    /// The paths of this set that are neither in `other` nor below one that is.
    #[must_use]
    pub fn recursive_difference(self, other: Self, arena: &'a Bump) -> Self {
        let mut others = other.nodes;
        self.map_nodes(arena, |a| match advance(&mut others, a) {
            Some(b) if b.member => None,
            Some(b) => {
                let children = a.children.recursive_difference(b.children, arena);
                Some(Node { children, ..*a })
            }
            None => Some(*a),
        })
    }

    /// The set of what `change` makes of each node; the same set if it changes none.
    pub(crate) fn map_nodes(
        self,
        arena: &'a Bump,
        mut change: impl FnMut(&Node<'a>) -> Option<Node<'a>>,
    ) -> Self {
        let mut changed: Option<Vec<Node<'a>>> = None;
        for (at, node) in self.nodes.iter().enumerate() {
            let new = change(node);
            let same = new.is_some_and(|new| {
                new.member == node.member && new.children.is_shared_with(node.children)
            });
            match (&mut changed, same) {
                (Some(nodes), _) => nodes.extend(new),
                (None, true) => {}
                (None, false) => {
                    let mut nodes = Vec::with_capacity(self.nodes.len());
                    nodes.extend_from_slice(self.nodes.get(..at).unwrap_or_default());
                    nodes.extend(new);
                    changed = Some(nodes);
                }
            }
        }
        changed.map_or(self, |nodes| Self::from_nodes(nodes, arena))
    }

    /// The paths that lie on or below one of `patterns`, and the members on the way there; `*`
    /// stands for any element (`fieldpath.NewIncludeMatcherFilter`).
    #[must_use]
    pub fn matching(self, patterns: &[&[&str]], arena: &'a Bump) -> Self {
        let kept = self.nodes.iter().filter_map(|node| {
            let mut below: Vec<&[&str]> = Vec::new();
            for pattern in patterns {
                let Some((first, rest)) = pattern.split_first() else { continue };
                if *first == "*" || node.element == Element::Field(first) {
                    if rest.is_empty() {
                        return Some(*node);
                    }
                    below.push(rest);
                }
            }
            if below.is_empty() {
                return None;
            }
            Some(Node { children: node.children.matching(&below, arena), ..*node })
        });
        Self::from_nodes(kept.collect(), arena)
    }

    /// The paths that are neither one of `paths` nor below one.
    #[must_use]
    pub fn without_below(self, paths: &[&[&str]], arena: &'a Bump) -> Self {
        self.map_nodes(arena, |node| {
            let mut below: Vec<&[&str]> = Vec::new();
            for path in paths {
                let Some((first, rest)) = path.split_first() else { continue };
                if node.element == Element::Field(first) {
                    if rest.is_empty() {
                        return None;
                    }
                    below.push(rest);
                }
            }
            if below.is_empty() {
                return Some(*node);
            }
            Some(Node { children: node.children.without_below(&below, arena), ..*node })
        })
    }

    /// `self` if `nodes` are its nodes, so that unchanged sets stay shared.
    fn unless_same(self, nodes: Vec<Node<'a>>, arena: &'a Bump) -> Self {
        let same = |(a, b): (&Node<'a>, &Node<'a>)| {
            a.member == b.member && a.children.is_shared_with(b.children) && a.element == b.element
        };
        if nodes.len() == self.nodes.len() && nodes.iter().zip(self.nodes).all(same) {
            return self;
        }
        Self::from_nodes(nodes, arena)
    }
}

#[cfg(test)]
mod tests {
    use crate::object::fieldset::{Element, FieldSet, Node};
    use bumpalo::Bump;
    use proptest::prelude::{Strategy, any, prop, prop_assert, prop_assert_eq, proptest};

    fn set<'a>(arena: &'a Bump, paths: &[&[&'a str]]) -> FieldSet<'a> {
        FieldSet::of_paths(paths, arena)
    }

    #[test]
    fn difference_takes_each_path_for_itself_and_the_recursive_one_what_is_below() {
        let arena = Bump::new();
        let all = set(&arena, &[&["a"], &["a", "b"], &["a", "b", "c"], &["d"]]);
        let some = set(&arena, &[&["a", "b"]]);
        let left = set(&arena, &[&["a"], &["a", "b", "c"], &["d"]]);
        assert_eq!(all.difference(some, &arena), left);
        assert_eq!(all.recursive_difference(some, &arena), set(&arena, &[&["a"], &["d"]]));
        assert!(all.has(&["a", "b", "c"]) && !all.has(&["a", "c"]) && !all.has(&[]));
    }

    #[test]
    fn patterns_keep_what_lies_on_their_way() {
        let arena = Bump::new();
        let all = set(&arena, &[&["s"], &["s", "x", "r", "q"], &["s", "y", "z"], &["t"]]);
        let kept = all.matching(&[&["s", "*", "r"]], &arena);
        assert_eq!(kept, set(&arena, &[&["s"], &["s", "x", "r", "q"]]));
        let left = all.without_below(&[&["s", "x"], &["t"]], &arena);
        assert_eq!(left, set(&arena, &[&["s"], &["s", "y", "z"]]));
        assert!(all.without_below(&[&["u"], &["s", "q"]], &arena).is_shared_with(all));
    }

    #[derive(Debug, Clone)]
    struct Tree(Vec<(u8, bool, Self)>);

    fn tree() -> impl Strategy<Value = Tree> {
        let leaf = prop::collection::btree_map(0u8..4, any::<bool>(), 0..4);
        let leaf = leaf.prop_map(|map| {
            Tree(map.into_iter().map(|(k, member)| (k, member, Tree(Vec::new()))).collect())
        });
        leaf.prop_recursive(3, 24, 4, |inner| {
            let map = prop::collection::btree_map(0u8..4, (any::<bool>(), inner), 0..4);
            map.prop_map(|map| Tree(map.into_iter().map(|(k, (m, t))| (k, m, t)).collect()))
        })
    }

    fn build<'a>(tree: &Tree, arena: &'a Bump) -> FieldSet<'a> {
        let names = ["a", "b", "c", "d"];
        let nodes = tree.0.iter().map(|(name, member, below)| Node {
            element: Element::Field(names[usize::from(*name)]),
            member: *member,
            children: build(below, arena),
        });
        FieldSet::from_nodes(nodes.collect(), arena)
    }

    proptest! {
        #[test]
        fn the_laws_of_sets_hold(a in tree(), b in tree(), c in tree()) {
            let arena = Bump::new();
            let (a, b, c) = (build(&a, &arena), build(&b, &arena), build(&c, &arena));
            prop_assert_eq!(a.union(b, &arena), b.union(a, &arena));
            prop_assert_eq!(a.intersection(b, &arena), b.intersection(a, &arena));
            prop_assert_eq!(a.union(a, &arena), a);
            let (left, right) = (a.union(b, &arena).union(c, &arena), b.union(c, &arena));
            prop_assert_eq!(left, a.union(right, &arena));
            let common = a.intersection(b, &arena);
            let rest = a.difference(b, &arena);
            prop_assert_eq!(common.union(rest, &arena), a);
            prop_assert!(common.intersection(rest, &arena).is_empty());
            prop_assert_eq!(a.difference(common, &arena), rest);
            prop_assert_eq!(a.union(b, &arena).difference(b, &arena), rest);
            let deep = a.recursive_difference(b, &arena);
            prop_assert_eq!(deep.difference(rest, &arena), FieldSet::EMPTY);
            prop_assert!(a.difference(FieldSet::EMPTY, &arena).is_shared_with(a));
        }
    }
}
