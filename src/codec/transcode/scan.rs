//! Single values out of stored protobuf, without decoding the rest: what cache headers, selectors
//! and quotas look at.

use super::TranscodeError;
use crate::codec::proto::WireError;
use crate::codec::proto::read::{Item, Reader, map_entry};
use crate::codec::proto::special;
use crate::codec::scalar::time::Instant;
use crate::object::schema::{Kind, Scalar, Shape, Slot, Type, Wire};

/// A value found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found<'b> {
    /// A bool.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A string.
    Str(&'b str),
}

/// Paths resolved by schema, once for each kind.
#[derive(Debug, Default)]
pub struct Paths {
    roots: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    number: u32,
    /// What the value is, and the index of the path that ends here.
    leaf: Option<(Scalar, usize)>,
    below: Vec<Self>,
}

impl Paths {
    /// Resolves paths of single strings, integers and bools, as `["spec", "nodeName"]`. The index
    /// of a path that the type does not have is never visited.
    pub fn new(ty: &'static Type, paths: &[&[&str]]) -> Self {
        let mut resolved = Self::default();
        for (index, path) in paths.iter().enumerate() {
            if let Some((numbers, scalar)) = resolve(ty, path) {
                resolved.insert(&numbers, scalar, index);
            }
        }
        resolved
    }

    fn insert(&mut self, numbers: &[u32], scalar: Scalar, index: usize) {
        let mut nodes = &mut self.roots;
        for (at, number) in numbers.iter().enumerate() {
            let known = nodes.iter().position(|node| node.number == *number);
            let known = known.unwrap_or_else(|| {
                nodes.push(Node { number: *number, leaf: None, below: Vec::new() });
                nodes.len() - 1
            });
            let Some(node) = nodes.get_mut(known) else { return };
            if at + 1 == numbers.len() {
                node.leaf = Some((scalar, index));
            }
            nodes = &mut node.below;
        }
    }

    /// Reads a message (not its envelope) and visits what it has of the paths; what is not visited
    /// is not set. Strings that are not UTF-8 count as not set.
    ///
    /// # Errors
    /// If the message is not whole where it is read.
    pub fn scan<'b>(
        &self,
        raw: &'b [u8],
        mut visit: impl FnMut(usize, Found<'b>),
    ) -> Result<(), TranscodeError> {
        walk(&self.roots, raw, &mut visit)?;
        Ok(())
    }
}

fn walk<'b>(
    nodes: &[Node],
    raw: &'b [u8],
    visit: &mut impl FnMut(usize, Found<'b>),
) -> Result<(), WireError> {
    if nodes.is_empty() {
        return Ok(());
    }
    let mut reader = Reader::new(raw);
    while let Some(item) = reader.next()? {
        let Some(node) = nodes.iter().find(|node| node.number == item.number) else { continue };
        if let Some((scalar, index)) = node.leaf {
            if let Some(found) = leaf(item, scalar)? {
                visit(index, found);
            }
        } else {
            walk(&node.below, item.bytes()?, visit)?;
        }
    }
    Ok(())
}

fn leaf(item: Item<'_>, scalar: Scalar) -> Result<Option<Found<'_>>, WireError> {
    Ok(match scalar {
        Scalar::Bool => Some(Found::Bool(item.varint()? != 0)),
        Scalar::Int32 => Some(Found::Int(special::int32(item.varint()?))),
        Scalar::Int64 => Some(Found::Int(item.varint()?.cast_signed())),
        Scalar::String => std::str::from_utf8(item.bytes()?).ok().map(Found::Str),
        _ => None,
    })
}

/// The field numbers on the way to a scalar, those of embedded structs included.
fn resolve(ty: &'static Type, path: &[&str]) -> Option<(Vec<u32>, Scalar)> {
    let mut numbers = Vec::new();
    let mut ty = ty;
    let (last, above) = path.split_last()?;
    for name in above {
        let field = ty.field(name).filter(|field| field.shape == Shape::One)?;
        way_to(ty, &ty.wire, name, &mut numbers).then_some(())?;
        ty = field.kind.message()?;
    }
    let field = ty.field(last).filter(|field| field.shape == Shape::One)?;
    way_to(ty, &ty.wire, last, &mut numbers).then_some(())?;
    match field.kind {
        Kind::Scalar(scalar @ (Scalar::Bool | Scalar::Int32 | Scalar::Int64 | Scalar::String)) => {
            Some((numbers, scalar))
        }
        _ => None,
    }
}

fn way_to(ty: &'static Type, level: &'static Wire, name: &str, numbers: &mut Vec<u32>) -> bool {
    let depth = numbers.len();
    for slot in &level.slots {
        match slot {
            Slot::Field(index) => {
                let field = ty.fields.get(usize::from(*index)).filter(|field| field.name == name);
                if let Some(field) = field {
                    numbers.push(field.nested.last().copied().unwrap_or(field.number));
                    return true;
                }
            }
            Slot::Group(number, inner) => {
                numbers.push(*number);
                if way_to(ty, inner, name, numbers) {
                    return true;
                }
                numbers.truncate(depth);
            }
        }
    }
    false
}

/// The parts of `metadata` that the server itself looks at; "" and none where they are not set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metadata<'b> {
    /// `name`.
    pub name: &'b str,
    /// `generateName`.
    pub generate_name: &'b str,
    /// `namespace`.
    pub namespace: &'b str,
    /// `uid`.
    pub uid: &'b str,
    /// `generation`.
    pub generation: i64,
    /// `creationTimestamp`.
    pub created: Option<Instant>,
    /// `deletionTimestamp`.
    pub deleted: Option<Instant>,
    /// The message, for what is iterated.
    raw: &'b [u8],
}

impl<'b> Metadata<'b> {
    /// Reads the metadata of a message (not its envelope).
    ///
    /// # Errors
    /// If the message is not whole up to its metadata.
    pub fn read(raw: &'b [u8]) -> Result<Self, TranscodeError> {
        let mut reader = Reader::new(raw);
        let mut metadata = Metadata::default();
        while let Some(item) = reader.next()? {
            if item.number == 1 {
                metadata.raw = item.bytes()?;
                break;
            }
        }
        let mut reader = Reader::new(metadata.raw);
        while let Some(item) = reader.next()? {
            match item.number {
                1 => metadata.name = text(item)?,
                2 => metadata.generate_name = text(item)?,
                3 => metadata.namespace = text(item)?,
                5 => metadata.uid = text(item)?,
                7 => metadata.generation = item.varint()?.cast_signed(),
                8 => metadata.created = special::instant(item.bytes()?)?,
                9 => metadata.deleted = special::instant(item.bytes()?)?,
                _ => {}
            }
        }
        Ok(metadata)
    }

    /// The labels in stored order.
    pub fn labels(&self) -> impl Iterator<Item = (&'b str, &'b str)> + use<'b> {
        self.string_map(11)
    }

    /// The annotations in stored order.
    pub fn annotations(&self) -> impl Iterator<Item = (&'b str, &'b str)> + use<'b> {
        self.string_map(12)
    }

    /// The finalizers.
    pub fn finalizers(&self) -> impl Iterator<Item = &'b str> + use<'b> {
        self.items(14).filter_map(|item| text(item).ok())
    }

    fn items(&self, number: u32) -> impl Iterator<Item = Item<'b>> + use<'b> {
        let mut reader = Reader::new(self.raw);
        // The message was read to its end once: no error can come up.
        std::iter::from_fn(move || reader.next().ok().flatten())
            .filter(move |item| item.number == number)
    }

    fn string_map(&self, number: u32) -> impl Iterator<Item = (&'b str, &'b str)> + use<'b> {
        self.items(number).filter_map(|item| {
            let (key, value) = map_entry(item.bytes().ok()?).ok()?;
            let value = value.map_or(Ok(""), text).ok()?;
            Some((std::str::from_utf8(key).ok()?, value))
        })
    }
}

/// Names are ASCII; one that is not even UTF-8 names nothing.
fn text(item: Item<'_>) -> Result<&str, WireError> {
    Ok(std::str::from_utf8(item.bytes()?).unwrap_or("\u{fffd}"))
}
