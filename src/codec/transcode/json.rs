//! Protobuf to JSON text in one walk over the bytes.

use super::TranscodeError;
use crate::base::duration;
use crate::base::limits::OBJECT_DEPTH_MAX;
use crate::codec::json::{encode, write};
use crate::codec::proto::read::{Item, Reader, map_entry};
use crate::codec::proto::special::{self, IntOrString};
use crate::codec::proto::{self, WireError};
use crate::codec::scalar::time::{self, Layout};
use crate::object::Value;
use crate::object::schema::{Absent, Field, Kind, Scalar, Shape, Slot, Type, Wire};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bumpalo::Bump;

/// The names an object goes by: those of the version that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names<'n> {
    /// `apiVersion`.
    pub api_version: &'n str,
    /// `kind`.
    pub kind: &'n str,
}

/// Field number of `metadata` in every object, and of `resourceVersion` in it.
const METADATA: u32 = 1;
const RESOURCE_VERSION: u32 = 6;

/// Appends stored bytes as JSON of type `ty`, with `revision` as resourceVersion. Items of lists
/// have no names.
///
/// Cost: one walk, no allocation but for `out`, unless the message was written in an order that
/// no known writer has; then it is decoded.
///
/// # Errors
/// If the bytes are not whole; `out` is then as it was.
pub fn to_json(
    stored: &[u8],
    ty: &'static Type,
    names: Option<Names<'_>>,
    revision: u64,
    out: &mut Vec<u8>,
) -> Result<(), TranscodeError> {
    let raw = super::message(stored)?;
    let start = out.len();
    let walked = object(raw, ty, names, revision, out);
    match walked {
        Ok(()) => Ok(()),
        Err(Stop::Wire(error)) => {
            out.truncate(start);
            Err(error.into())
        }
        Err(Stop::Irregular) => {
            out.truncate(start);
            decoded(raw, ty, names, revision, out)
        }
    }
}

/// Why the walk ended early.
enum Stop {
    /// Fields repeat or come in an order that the walk cannot write.
    Irregular,
    Wire(WireError),
}

impl From<WireError> for Stop {
    fn from(error: WireError) -> Self {
        Self::Wire(error)
    }
}

/// The slow way: by way of an object.
fn decoded(
    raw: &[u8],
    ty: &'static Type,
    names: Option<Names<'_>>,
    revision: u64,
    out: &mut Vec<u8>,
) -> Result<(), TranscodeError> {
    let arena = Bump::new();
    let mut value = proto::decode(arena.alloc_slice_copy(raw), ty, &arena)?;
    if let Some(map) = value.as_map_mut() {
        if let Some(names) = names {
            map.insert("kind", Value::str_in(names.kind, &arena));
            map.insert("apiVersion", Value::str_in(names.api_version, &arena));
        }
        let revision = Value::str_in(itoa::Buffer::new().format(revision), &arena);
        map.entry_map("metadata").insert("resourceVersion", revision);
    }
    encode(&value, ty, out);
    Ok(())
}

fn object(
    raw: &[u8],
    ty: &'static Type,
    names: Option<Names<'_>>,
    revision: u64,
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let start = out.len();
    let mut walk = Walk { out, depth: 0, revision: Some(revision) };
    if let Some(names) = names {
        walk.out.extend_from_slice(b",\"kind\":");
        write::string(names.kind, walk.out);
        walk.out.extend_from_slice(b",\"apiVersion\":");
        write::string(names.api_version, walk.out);
    }
    let mut seen = 0;
    walk.level(raw, ty, &ty.wire, &mut seen)?;
    if walk.revision.is_some() {
        // Every writer writes metadata, even if it is empty.
        return Err(Stop::Irregular);
    }
    walk.absent(ty, seen);
    walk.close(start);
    Ok(())
}

/// Objects are written with a comma before each member; [`Walk::close`] makes the first one the
/// opening brace. That spares a branch for each member.
struct Walk<'o> {
    out: &'o mut Vec<u8>,
    depth: usize,
    /// Still to be written, into the object's own metadata.
    revision: Option<u64>,
}

impl Walk<'_> {
    fn close(&mut self, start: usize) {
        match self.out.get_mut(start) {
            Some(comma) => *comma = b'{',
            None => self.out.push(b'{'),
        }
        self.out.push(b'}');
    }

    fn close_list(&mut self, start: usize) {
        match self.out.get_mut(start) {
            Some(comma) => *comma = b'[',
            None => self.out.push(b'['),
        }
        self.out.push(b']');
    }

    /// Writes the members that are shown although they are not set.
    fn absent(&mut self, ty: &'static Type, seen: u64) {
        for index in &ty.shown {
            if seen & (1 << index) == 0
                && let Some(field) = ty.fields.get(usize::from(*index))
                && let Absent::Shown(text) = field.absent
            {
                self.key(ty, *index);
                self.out.extend_from_slice(text.as_bytes());
            }
        }
    }

    fn key(&mut self, ty: &'static Type, index: u16) {
        if let Some(key) = ty.keys.get(usize::from(index)) {
            self.out.extend_from_slice(key.as_bytes());
        }
    }

    /// Writes a message; true if any of its fields was set.
    fn message(&mut self, raw: &[u8], ty: &'static Type) -> Result<bool, Stop> {
        if ty.fields.len() > 64 {
            return Err(Stop::Irregular);
        }
        if self.depth >= OBJECT_DEPTH_MAX {
            return Err(WireError::Depth.into());
        }
        self.depth += 1;
        let start = self.out.len();
        let mut seen = 0;
        self.level(raw, ty, &ty.wire, &mut seen)?;
        self.absent(ty, seen);
        self.close(start);
        self.depth -= 1;
        Ok(seen != 0)
    }

    fn level(
        &mut self,
        raw: &[u8],
        ty: &'static Type,
        level: &'static Wire,
        seen: &mut u64,
    ) -> Result<(), Stop> {
        let mut reader = Reader::new(raw);
        let mut next = reader.next()?;
        while let Some(item) = next {
            let index = match level.slot(item.number) {
                Some(Slot::Field(index)) => *index,
                Some(Slot::Group(_, inner)) => {
                    self.level(item.bytes()?, ty, inner, seen)?;
                    next = reader.next()?;
                    continue;
                }
                None => {
                    next = reader.next()?;
                    continue;
                }
            };
            let Some(field) = ty.fields.get(usize::from(index)) else {
                return Err(Stop::Irregular);
            };
            // Writers write zeros: half of the fields end here.
            if let (Shape::One, false, Kind::Scalar(scalar)) =
                (field.shape, field.pointer, field.kind)
                && is_zero(item, scalar)
            {
                next = reader.next()?;
                continue;
            }
            let bit = 1u64.checked_shl(u32::from(index)).ok_or(Stop::Irregular)?;
            if *seen & bit != 0 {
                return Err(Stop::Irregular);
            }
            let start = self.out.len();
            self.key(ty, index);
            let shown;
            (shown, next) = match field.shape {
                Shape::One => (self.one(item, field)?, reader.next()?),
                Shape::List if !field.wrapped => (true, self.list(item, &mut reader, field)?),
                Shape::Map => (true, self.map(item, &mut reader, field)?),
                // Only few kinds have these, and none that is stored often.
                _ => return Err(Stop::Irregular),
            };
            if shown {
                *seen |= bit;
            } else {
                self.out.truncate(start);
            }
        }
        Ok(())
    }

    /// Writes the value of a field; false if it is one that the canonical form leaves out.
    fn one(&mut self, item: Item<'_>, field: &'static Field) -> Result<bool, Stop> {
        match (field.kind, field.kind.message()) {
            (Kind::Scalar(scalar), _) => {
                let start = self.out.len();
                let shown = self.scalar(item, scalar)?;
                // A zero of these is known by its text.
                let zero: &[u8] = match scalar {
                    Scalar::Quantity => b"\"0\"",
                    Scalar::IntOrString => b"0",
                    Scalar::Duration => b"\"0s\"",
                    _ => return Ok(shown),
                };
                let text = self.out.get(start..).unwrap_or(&[]);
                Ok(shown && (field.pointer || text != zero || !shows(field, zero)))
            }
            (_, Some(ty)) => {
                if let Some(revision) =
                    self.revision.filter(|_| self.depth == 0 && item.number == METADATA)
                {
                    self.metadata(item.bytes()?, ty, revision)?;
                    return Ok(true);
                }
                Ok(self.message(item.bytes()?, ty)? || field.pointer)
            }
            (_, None) => Ok(false),
        }
    }

    /// Writes the object's own metadata with the revision in it.
    fn metadata(&mut self, raw: &[u8], ty: &'static Type, revision: u64) -> Result<(), Stop> {
        self.revision = None;
        let start = self.out.len();
        let index = match ty.wire.slot(RESOURCE_VERSION) {
            Some(Slot::Field(index)) => *index,
            _ => return Err(Stop::Irregular),
        };
        let mut seen = 0;
        self.level(raw, ty, &ty.wire, &mut seen)?;
        if seen & (1 << index) != 0 {
            return Err(Stop::Irregular);
        }
        self.key(ty, index);
        self.out.push(b'"');
        self.out.extend_from_slice(itoa::Buffer::new().format(revision).as_bytes());
        self.out.push(b'"');
        self.absent(ty, seen | 1 << index);
        self.close(start);
        Ok(())
    }

    fn list<'b>(
        &mut self,
        item: Item<'b>,
        reader: &mut Reader<'b>,
        field: &'static Field,
    ) -> Result<Option<Item<'b>>, Stop> {
        let start = self.out.len();
        let mut next = Some(item);
        while let Some(same) = next.filter(|next| next.number == item.number) {
            self.out.push(b',');
            self.element(same, field.kind)?;
            next = reader.next()?;
        }
        self.close_list(start);
        Ok(next)
    }

    fn map<'b>(
        &mut self,
        item: Item<'b>,
        reader: &mut Reader<'b>,
        field: &'static Field,
    ) -> Result<Option<Item<'b>>, Stop> {
        let start = self.out.len();
        let mut next = Some(item);
        let mut last: Option<&[u8]> = None;
        while let Some(same) = next.filter(|next| next.number == item.number) {
            let (key, Some(value)) = map_entry(same.bytes()?)? else {
                return Err(Stop::Irregular);
            };
            if last.is_some_and(|last| last >= key) {
                return Err(Stop::Irregular);
            }
            last = Some(key);
            self.out.push(b',');
            write::string_of_bytes(key, self.out);
            self.out.push(b':');
            self.element(value, field.kind)?;
            next = reader.next()?;
        }
        self.close(start);
        Ok(next)
    }

    /// Writes an element of a list or map, zero or not.
    fn element(&mut self, item: Item<'_>, kind: Kind) -> Result<(), Stop> {
        match (kind, kind.message()) {
            (Kind::Scalar(scalar), _) => {
                if !self.scalar(item, scalar)? {
                    self.out.extend_from_slice(b"null");
                }
            }
            (_, Some(ty)) => {
                self.message(item.bytes()?, ty)?;
            }
            (_, None) => return Err(Stop::Irregular),
        }
        Ok(())
    }

    /// Writes a scalar; false, with nothing written, if JSON shows it as null.
    fn scalar(&mut self, item: Item<'_>, scalar: Scalar) -> Result<bool, Stop> {
        match scalar {
            Scalar::String => write::string_of_bytes(item.bytes()?, self.out),
            Scalar::Bool => {
                let text: &[u8] = if item.varint()? == 0 { b"false" } else { b"true" };
                self.out.extend_from_slice(text);
            }
            // A packed list of integers comes as bytes.
            Scalar::Int32 => match item.varint() {
                Ok(value) => write::int(special::int32(value), self.out),
                Err(_) => return Err(Stop::Irregular),
            },
            Scalar::Int64 => match item.varint() {
                Ok(value) => write::int(value.cast_signed(), self.out),
                Err(_) => return Err(Stop::Irregular),
            },
            Scalar::Float64 => write::float(item.double()?, self.out),
            Scalar::Bytes => self.base64(item.bytes()?),
            Scalar::Duration => {
                let nanos = special::duration(item.bytes()?)?;
                write::string(&duration::text(nanos), self.out);
            }
            Scalar::FieldsV1 | Scalar::Json | Scalar::RawExtension => {
                return match special::raw(item.bytes()?)? {
                    None | Some(b"" | b"null") => Ok(false),
                    // The server itself writes these: they are JSON.
                    Some(raw) if scalar == Scalar::FieldsV1 && write::is_tight(raw) => {
                        self.out.extend_from_slice(raw);
                        Ok(true)
                    }
                    Some(raw) if write::compact(raw, self.out) => Ok(true),
                    Some(_) => Err(Stop::Irregular),
                };
            }
            Scalar::IntOrString => match special::int_or_string(item.bytes()?)? {
                IntOrString::Int(n) => write::int(n, self.out),
                IntOrString::Str(text) => write::string_of_bytes(text, self.out),
            },
            Scalar::MicroTime => return self.time(item, Layout::Micro),
            Scalar::Time => return self.time(item, Layout::Seconds),
            Scalar::Quantity => {
                let text = special::raw(item.bytes()?)?.unwrap_or(b"0");
                write::string_of_bytes(text, self.out);
            }
        }
        Ok(true)
    }

    fn time(&mut self, item: Item<'_>, layout: Layout) -> Result<bool, Stop> {
        let Some(instant) = special::instant(item.bytes()?)? else { return Ok(false) };
        self.out.push(b'"');
        time::write(instant, layout, self.out);
        self.out.push(b'"');
        Ok(true)
    }

    fn base64(&mut self, bytes: &[u8]) {
        self.out.push(b'"');
        let start = self.out.len();
        self.out.resize(start + bytes.len().div_ceil(3) * 4, 0);
        let slot = self.out.get_mut(start..).unwrap_or(&mut []);
        let encoded = STANDARD.encode_slice(bytes, slot);
        debug_assert!(encoded.is_ok(), "the slot has the length of the text");
        self.out.push(b'"');
    }
}

/// True if the field shows this text when it is not set.
fn shows(field: &Field, text: &[u8]) -> bool {
    matches!(field.absent, Absent::Shown(shown) if shown.as_bytes() == text)
}

/// True for the zero of a plain scalar.
fn is_zero(item: Item<'_>, scalar: Scalar) -> bool {
    match scalar {
        Scalar::Bool | Scalar::Int32 | Scalar::Int64 => item.varint() == Ok(0),
        Scalar::Bytes | Scalar::String => item.bytes() == Ok(b""),
        Scalar::Float64 => item.double() == Ok(0.0),
        _ => false,
    }
}
