//! Where a message's fields stand in a map: encoders go by the schema, maps by arrival.

use crate::object::Map;
use crate::object::schema::Type;

/// The position of a field that the map does not have, or has as null.
pub(crate) const NONE: u16 = u16::MAX;

/// Types rarely have more fields.
const FEW: usize = 64;

/// Room for the positions of one message's fields.
pub(crate) struct Positions {
    few: [u16; FEW],
    many: Vec<u16>,
}

impl Positions {
    pub(crate) fn new() -> Self {
        Self { few: [NONE; FEW], many: Vec::new() }
    }

    /// Positions in `map`, by index of the field in `ty`. To be called once.
    pub(crate) fn fill(&mut self, map: &Map<'_>, ty: &'static Type) -> &[u16] {
        let count = ty.fields.len();
        if count > FEW {
            self.many.resize(count, NONE);
        }
        let slots = if count > FEW {
            self.many.as_mut_slice()
        } else {
            self.few.get_mut(..count).unwrap_or(&mut [])
        };
        for (at, (key, value)) in (0u16..).zip(map.iter()) {
            if !value.is_null()
                && let Some(slot) =
                    ty.index_of(key).and_then(|index| slots.get_mut(usize::from(index)))
            {
                *slot = at;
            }
        }
        slots
    }
}
