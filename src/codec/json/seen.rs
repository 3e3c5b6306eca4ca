//! Which fields of a message a decoder has met.

/// Which fields have been met.
#[derive(Default)]
pub(crate) struct Seen {
    first: u128,
    others: Vec<u16>,
}

impl Seen {
    /// Notes a field; true if it was met before.
    pub(crate) fn again(&mut self, index: u16) -> bool {
        if index < 128 {
            let bit = 1u128 << index;
            let again = self.first & bit != 0;
            self.first |= bit;
            return again;
        }
        let again = self.others.contains(&index);
        if !again {
            self.others.push(index);
        }
        again
    }
}
