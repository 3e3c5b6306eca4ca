//! Protobuf to value, by schema.

use super::read::{Item, Reader, WireError, map_entry};
use super::special::{self, IntOrString};
use crate::base::duration;
use crate::base::hash::HashMap;
use crate::base::limits::OBJECT_DEPTH_MAX;
use crate::codec::json::seen::Seen;
use crate::codec::json::{is_json, is_resource_list, is_shown, parse_any, zero};
use crate::codec::scalar::Quantity;
use crate::codec::scalar::time::{self, Layout};
use crate::object::schema::{Field, Kind, Scalar, Shape, Slot, Type, Wire};
use crate::object::{List, Map, Value};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;
use std::borrow::Cow;

/// Decodes a message of type `ty`. Strings are borrowed from `raw`. The value is canonical: what Go
/// wrote although it is zero is left out. `apiVersion` and `kind` are not in the message: the
/// caller sets them.
///
/// # Errors
/// If the bytes are no protobuf or have fields of other wire types.
pub fn decode<'a>(
    raw: &'a [u8],
    ty: &'static Type,
    arena: &'a Bump,
) -> Result<Value<'a>, WireError> {
    Decoder { arena }.message(raw, ty, 0)
}

struct Decoder<'a> {
    arena: &'a Bump,
}

impl<'a> Decoder<'a> {
    fn message(
        &self,
        raw: &'a [u8],
        ty: &'static Type,
        depth: usize,
    ) -> Result<Value<'a>, WireError> {
        if depth >= OBJECT_DEPTH_MAX {
            return Err(WireError::Depth);
        }
        let mut map = Map::with_capacity_in(ty.fields.len().min(8), self.arena);
        self.level(raw, ty, &ty.wire, (&mut map, &mut Seen::default()), depth)?;
        Ok(Value::Map(map))
    }

    /// Reads one level of a message into `map`; levels of embedded structs are inline there.
    fn level(
        &self,
        raw: &'a [u8],
        ty: &'static Type,
        level: &'static Wire,
        (map, seen): (&mut Map<'a>, &mut Seen),
        depth: usize,
    ) -> Result<(), WireError> {
        let mut reader = Reader::new(raw);
        let mut next = reader.next()?;
        let mut unordered: Vec<&'static str> = Vec::new();
        while let Some(item) = next {
            let index = match level.slot(item.number) {
                Some(Slot::Field(index)) => *index,
                Some(Slot::Group(_, inner)) => {
                    self.level(item.bytes()?, ty, inner, (map, seen), depth)?;
                    next = reader.next()?;
                    continue;
                }
                None => {
                    next = reader.next()?;
                    continue;
                }
            };
            let Some(field) = ty.fields.get(usize::from(index)) else { break };
            // What stands in the map already: nothing, unless a writer comes back to a field.
            let known = if seen.again(index) { map.remove(field.name) } else { None };
            next = match field.shape {
                Shape::List => {
                    let (list, after) = self.list(item, &mut reader, field, (known, depth))?;
                    if !list.is_empty() || field.pointer {
                        map.push_unique(field.name, Value::List(list));
                    }
                    after
                }
                Shape::Map | Shape::MapOfLists | Shape::MapOrStrings => {
                    let target = (known, is_resource_list(ty, field));
                    let (entries, after, ascending) =
                        self.map(item, &mut reader, field, target, depth)?;
                    if !ascending && !unordered.contains(&field.name) {
                        unordered.push(field.name);
                    }
                    map.push_unique(field.name, Value::Map(entries));
                    after
                }
                Shape::One | Shape::OneOrBool | Shape::OneOrList => {
                    let value = match field.shape {
                        Shape::One => self.element(item, field.kind, depth)?,
                        _ => self.union(Some(item), field, depth)?,
                    };
                    if let Some(value) = value.filter(|value| is_shown(field, value)) {
                        map.push_unique(field.name, value);
                    }
                    reader.next()?
                }
            };
        }
        for name in unordered {
            if let Some(Value::Map(entries)) = map.get_mut(name) {
                keep_last(entries);
            }
        }
        Ok(())
    }

    /// Reads `item` and those that follow with its number behind the list that is `known`; gives
    /// the list and the item after them.
    fn list(
        &self,
        item: Item<'a>,
        reader: &mut Reader<'a>,
        field: &'static Field,
        (known, depth): (Option<Value<'a>>, usize),
    ) -> Result<(List<'a>, Option<Item<'a>>), WireError> {
        let mut list = match known {
            Some(Value::List(list)) => list,
            _ => List::new_in(self.arena),
        };
        let mut next = Some(item);
        while let Some(same) = next.filter(|next| next.number == item.number) {
            if field.wrapped {
                let mut inner = Reader::new(same.bytes()?);
                while let Some(item) = inner.next()? {
                    if item.number == 1 {
                        self.push(item, field.kind, &mut list, depth)?;
                    }
                }
            } else {
                self.push(same, field.kind, &mut list, depth)?;
            }
            next = reader.next()?;
        }
        Ok((list, next))
    }

    /// Appends an element; integers may come packed.
    fn push(
        &self,
        item: Item<'a>,
        kind: Kind,
        list: &mut List<'a>,
        depth: usize,
    ) -> Result<(), WireError> {
        if let (Kind::Scalar(scalar @ (Scalar::Int32 | Scalar::Int64 | Scalar::Bool)), Ok(bytes)) =
            (kind, item.bytes())
        {
            let mut reader = Reader::new(bytes);
            while !reader.rest().is_empty() {
                list.push(integer_value(scalar, reader.varint()?));
            }
            return Ok(());
        }
        let value = self.element(item, kind, depth)?;
        list.push(value.unwrap_or_else(|| zero(kind, self.arena)));
        Ok(())
    }

    /// As [`Self::list`], for the entries of a map, whose quantities may have to be rounded. Also
    /// gives whether all keys ascend; else some may stand there twice.
    fn map(
        &self,
        item: Item<'a>,
        reader: &mut Reader<'a>,
        field: &'static Field,
        (known, rounded): (Option<Value<'a>>, bool),
        depth: usize,
    ) -> Result<(Map<'a>, Option<Item<'a>>, bool), WireError> {
        let mut entries = match known {
            Some(Value::Map(entries)) => entries,
            _ => Map::new_in(self.arena),
        };
        let mut next = Some(item);
        let mut last = entries.iter().next_back().map(|(key, _)| key);
        let mut ascending = true;
        while let Some(same) = next.filter(|next| next.number == item.number) {
            let (key, value) = map_entry(same.bytes()?)?;
            let key = self.text(key);
            let value = match (field.shape, value) {
                (Shape::MapOfLists, value) => self.strings(value)?,
                (Shape::MapOrStrings, value) => self.union(value, field, depth)?,
                (_, Some(item)) if rounded => {
                    let source = self.text(special::raw(item.bytes()?)?.unwrap_or(b"0"));
                    Some(Value::Str(quantity(source, true, self.arena)))
                }
                (_, Some(item)) => self.element(item, field.kind, depth)?,
                (_, None) => None,
            };
            ascending &= last.is_none_or(|last| last < key);
            last = Some(key);
            entries.push_unique(key, value.unwrap_or_else(|| zero(field.kind, self.arena)));
            next = reader.next()?;
        }
        Ok((entries, next, ascending))
    }

    /// The values of an `ExtraValue`.
    fn strings(&self, item: Option<Item<'a>>) -> Result<Option<Value<'a>>, WireError> {
        let mut list = List::new_in(self.arena);
        let mut reader = Reader::new(item.map_or(Ok(&[][..]), |item| item.bytes())?);
        while let Some(item) = reader.next()? {
            if item.number == 1 {
                list.push(Value::Str(self.text(item.bytes()?)));
            }
        }
        Ok(Some(Value::List(list)))
    }

    /// One of the unions of JSONSchemaProps.
    fn union(
        &self,
        item: Option<Item<'a>>,
        field: &'static Field,
        depth: usize,
    ) -> Result<Option<Value<'a>>, WireError> {
        let mut reader = Reader::new(item.map_or(Ok(&[][..]), |item| item.bytes())?);
        let (mut allows, mut schema, mut list) = (None, None, List::new_in(self.arena));
        let message = if field.shape == Shape::OneOrBool { 2 } else { 1 };
        while let Some(item) = reader.next()? {
            match (item.number, field.shape) {
                (number, _) if number == message => {
                    schema = self.element(item, field.kind, depth)?;
                }
                (1, Shape::OneOrBool) => allows = Some(item.varint()? != 0),
                (2, Shape::MapOrStrings) => list.push(Value::Str(self.text(item.bytes()?))),
                (2, Shape::OneOrList) => list.extend(self.element(item, field.kind, depth)?),
                _ => {}
            }
        }
        Ok(match (schema, allows) {
            (Some(schema), _) => Some(schema),
            (None, Some(allows)) => Some(Value::Bool(allows)),
            (None, None) if field.shape == Shape::OneOrBool => None,
            (None, None) => Some(Value::List(list)),
        })
    }

    fn element(
        &self,
        item: Item<'a>,
        kind: Kind,
        depth: usize,
    ) -> Result<Option<Value<'a>>, WireError> {
        match (kind, kind.message()) {
            (Kind::Scalar(scalar), _) => self.scalar(item, scalar),
            (_, Some(ty)) => self.message(item.bytes()?, ty, depth + 1).map(Some),
            (_, None) => Ok(None),
        }
    }

    /// A scalar; none for what JSON shows as null.
    fn scalar(&self, item: Item<'a>, scalar: Scalar) -> Result<Option<Value<'a>>, WireError> {
        Ok(Some(match scalar {
            Scalar::Bool | Scalar::Int32 | Scalar::Int64 => integer_value(scalar, item.varint()?),
            Scalar::Bytes => Value::Str(self.arena.alloc_str(&STANDARD.encode(item.bytes()?))),
            Scalar::Float64 => Value::Float(item.double()?),
            Scalar::String => Value::Str(self.text(item.bytes()?)),
            Scalar::Duration => {
                let nanos = special::duration(item.bytes()?)?;
                Value::Str(self.arena.alloc_str(&duration::text(nanos)))
            }
            Scalar::FieldsV1 => match special::raw(item.bytes()?)? {
                Some(raw) => return Ok(self.fields(raw)),
                None => return Ok(None),
            },
            Scalar::IntOrString => match special::int_or_string(item.bytes()?)? {
                IntOrString::Int(n) => Value::Int(n),
                IntOrString::Str(text) => Value::Str(self.text(text)),
            },
            Scalar::RawExtension => match special::raw(item.bytes()?)? {
                Some(raw) => return Ok(self.raw_object(raw)),
                None => return Ok(None),
            },
            Scalar::Json => match special::raw(item.bytes()?)? {
                Some(raw) => return Ok(self.json(raw)),
                None => return Ok(None),
            },
            Scalar::MicroTime => return self.time(item, Layout::Micro),
            Scalar::Time => return self.time(item, Layout::Seconds),
            Scalar::Quantity => {
                let source = self.text(special::raw(item.bytes()?)?.unwrap_or(b"0"));
                Value::Str(quantity(source, false, self.arena))
            }
        }))
    }

    fn time(&self, item: Item<'a>, layout: Layout) -> Result<Option<Value<'a>>, WireError> {
        let Some(instant) = special::instant(item.bytes()?)? else { return Ok(None) };
        let text = time::Text::new(instant, layout);
        Ok(Some(Value::Str(self.arena.alloc_str(text.as_str()))))
    }

    /// Raw JSON; what is none is left out, as it would spoil the JSON it is put into.
    fn fields(&self, raw: &'a [u8]) -> Option<Value<'a>> {
        let is_json = is_json(raw, self.arena) && !raw.eq(b"null");
        is_json.then(|| Value::Raw(self.text(raw)))
    }

    /// Raw JSON as it is, if it is an object.
    fn raw_object(&self, raw: &'a [u8]) -> Option<Value<'a>> {
        match std::str::from_utf8(raw) {
            Ok(text) if text.trim_ascii_start().starts_with('{') && is_json(raw, self.arena) => {
                Some(Value::Raw(text))
            }
            _ => self.json(raw),
        }
    }

    /// The tree of raw JSON; what is no JSON is kept as a string, so that nothing is lost silently.
    fn json(&self, raw: &'a [u8]) -> Option<Value<'a>> {
        match parse_any(raw, self.arena) {
            Ok(Value::Null) => None,
            Err(_) if raw.is_empty() => None,
            Ok(value) => Some(value),
            Err(_) => Some(Value::Str(self.text(raw))),
        }
    }

    fn text(&self, bytes: &'a [u8]) -> &'a str {
        match std::str::from_utf8(bytes) {
            Ok(text) => text,
            Err(_) => self.arena.alloc_str(&special::text(bytes)),
        }
    }
}

fn integer_value(scalar: Scalar, value: u64) -> Value<'static> {
    match scalar {
        Scalar::Bool => Value::Bool(value != 0),
        Scalar::Int32 => Value::Int(special::int32(value)),
        _ => Value::Int(value.cast_signed()),
    }
}

/// The canonical text of a quantity; one that cannot be read is shown as it is.
fn quantity<'a>(source: &'a str, rounded: bool, arena: &'a Bump) -> &'a str {
    let Ok(mut quantity) = Quantity::parse(source) else { return source };
    if rounded {
        quantity = quantity.round_up_milli();
    }
    match quantity.kept(source) {
        Cow::Borrowed(text) => text,
        Cow::Owned(text) => arena.alloc_str(&text),
    }
}

/// Of entries with one key only the last counts. Costs no more than the number of entries.
fn keep_last(entries: &mut Map<'_>) {
    let mut last: HashMap<&str, usize> = HashMap::default();
    last.extend(entries.keys().enumerate().map(|(at, key)| (key, at)));
    let mut at = 0;
    entries.retain(|key, _| {
        at += 1;
        last.get(key) == Some(&(at - 1))
    });
}
