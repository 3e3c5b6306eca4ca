//! The node ports in use: a bitmap in one stored `RangeAllocation`, changed by compare-and-swap
//! (`pkg/registry/core/service/portallocator`, `allocator/bitmap`).

use crate::base::ids;

/// Which ports of a range are taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortBitmap {
    first: u16,
    count: u16,
    taken: Vec<u64>,
}

impl PortBitmap {
    /// All of `first..=last` free.
    pub fn new(first: u16, last: u16) -> Self {
        let count = last.saturating_sub(first).saturating_add(1);
        Self { first, count, taken: vec![0; usize::from(count).div_ceil(64)] }
    }

    /// As stored: the bytes of a big-endian integer whose bit N is port `first + N`.
    pub fn load(&mut self, bytes: &[u8]) {
        self.taken.fill(0);
        for (at, byte) in bytes.iter().rev().enumerate() {
            for bit in 0..8 {
                let offset = at * 8 + bit;
                if byte & (1 << bit) != 0
                    && let Some(word) = self.taken.get_mut(offset / 64)
                {
                    *word |= 1 << (offset % 64);
                }
            }
        }
    }

    /// The stored form; no leading zero bytes, as `big.Int.Bytes`.
    pub fn bytes(&self) -> Vec<u8> {
        let all = self.taken.iter().rev().flat_map(|word| word.to_be_bytes());
        all.skip_while(|byte| *byte == 0).collect()
    }

    /// True if `port` lies in the range.
    pub const fn contains(&self, port: u16) -> bool {
        port >= self.first && port - self.first < self.count
    }

    /// True if `port` is taken.
    pub fn is_taken(&self, port: u16) -> bool {
        let offset = usize::from(port.wrapping_sub(self.first));
        self.taken.get(offset / 64).is_some_and(|word| word & (1 << (offset % 64)) != 0)
    }

    /// Takes `port`; false if it was taken or lies outside.
    pub fn take(&mut self, port: u16) -> bool {
        if !self.contains(port) || self.is_taken(port) {
            return false;
        }
        self.set(port, true);
        true
    }

    /// Frees `port`.
    pub fn free(&mut self, port: u16) {
        if self.contains(port) {
            self.set(port, false);
        }
    }

    /// Takes a free port: from a random one on through the upper band, then the lower band.
    pub fn take_any(&mut self) -> Option<u16> {
        let band = if self.count <= 16 { 0 } else { (self.count / 32).clamp(16, 128) };
        let upper = u32::from(self.count - band);
        let start = u32::from_le_bytes(ids::random::<4>()) % upper.max(1);
        let offsets = (0..upper)
            .map(|step| u32::from(band) + (start + step) % upper)
            .chain(0..u32::from(band));
        for offset in offsets {
            let port = self.first + u16::try_from(offset).ok()?;
            if self.take(port) {
                return Some(port);
            }
        }
        None
    }

    fn set(&mut self, port: u16, taken: bool) {
        let offset = usize::from(port - self.first);
        if let Some(word) = self.taken.get_mut(offset / 64) {
            let bit = 1 << (offset % 64);
            *word = if taken { *word | bit } else { *word & !bit };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::PortBitmap;

    #[test]
    fn the_stored_form_round_trips() {
        let mut ports = PortBitmap::new(30_000, 32_767);
        assert!(ports.bytes().is_empty());
        assert!(ports.take(30_000) && ports.take(30_009) && ports.take(32_767));
        let mut copy = PortBitmap::new(30_000, 32_767);
        copy.load(&ports.bytes());
        assert_eq!(copy, ports);
        assert_eq!(ports.bytes().last(), Some(&1));
    }

    #[test]
    fn a_port_is_given_once_and_only_from_the_range() {
        let mut ports = PortBitmap::new(30_000, 30_003);
        let mut given: Vec<_> = std::iter::from_fn(|| ports.take_any()).collect();
        given.sort_unstable();
        assert_eq!(given, [30_000, 30_001, 30_002, 30_003]);
        assert!(!ports.take(29_999) && !ports.take(30_004));
        ports.free(30_002);
        assert_eq!(ports.take_any(), Some(30_002));
    }
}
