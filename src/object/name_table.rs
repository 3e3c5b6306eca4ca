//! From a field's name to its index: a small hash table, made once for each type.
//!
//! Decoders look up every key of every object. Names are those of the schema, so no peer can make
//! the table grow or its chains long; hence no seed.

/// Indexes of names, open-addressed.
#[derive(Debug)]
pub(super) struct NameTable {
    slots: Box<[u16]>,
}

const FREE: u16 = u16::MAX;

impl NameTable {
    /// A table of names by index.
    pub(super) fn new(names: &[&str]) -> Self {
        let size = (names.len() * 4).next_power_of_two();
        let mut slots = vec![FREE; size].into_boxed_slice();
        for (index, name) in (0u16..FREE).zip(names) {
            let mut at = hash(name.as_bytes()) % size;
            while slots[at] != FREE {
                at = (at + 1) % size;
            }
            slots[at] = index;
        }
        Self { slots }
    }

    /// The index for which `is_name` says that it has this name; asked only for likely ones.
    pub(super) fn find(&self, name: &str, is_name: impl Fn(u16) -> bool) -> Option<u16> {
        // The length is a power of two: masking is the remainder.
        let mask = self.slots.len().wrapping_sub(1);
        let mut at = hash(name.as_bytes()) & mask;
        loop {
            match *self.slots.get(at)? {
                FREE => return None,
                index if is_name(index) => return Some(index),
                _ => at = (at + 1) & mask,
            }
        }
    }
}

/// Mixes the length with the first and last bytes, which tell the names of one type apart.
fn hash(name: &[u8]) -> usize {
    let (first, last) = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => match (name.first_chunk::<4>(), name.last_chunk::<4>()) {
            (Some(first), Some(last)) => {
                (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into())
            }
            _ => (name.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)), 0),
        },
    };
    let mixed =
        (first ^ last.rotate_left(29) ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 40).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::NameTable;

    #[test]
    fn every_name_is_found_and_no_other() {
        for count in [0usize, 1, 5, 40, 300] {
            let names: Vec<String> = (0..count).map(|at| format!("field{}", at * 7919)).collect();
            let borrowed: Vec<&str> = names.iter().map(String::as_str).collect();
            let table = NameTable::new(&borrowed);
            let find = |name: &str| table.find(name, |at| names[usize::from(at)] == name);
            for (at, name) in names.iter().enumerate() {
                assert_eq!(find(name).map(usize::from), Some(at));
            }
            for other in ["", "x", "field", "field1", "a much longer name than any of these"] {
                assert_eq!(find(other), None);
            }
        }
    }
}
