//! Ranges of service addresses and how an address is picked from one
//! (`pkg/registry/core/service/ipallocator`).

use crate::base::ids;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An address range, as `10.0.0.0/16`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    base: u128,
    bits: u32,
    prefix: u32,
}

/// Upstream never looks at more than this many addresses of an IPv6 range.
const SIZE_MAX: u128 = 1 << 64;

impl Cidr {
    /// Parses `ADDRESS/PREFIX`; the address must be the network's own.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix: u32 = prefix.parse().ok()?;
        let bits = if address.is_ipv4() { 32 } else { 128 };
        if prefix > bits {
            return None;
        }
        let cidr = Self { base: number(address), bits, prefix };
        (cidr.base & (cidr.size() - 1) == 0).then_some(cidr)
    }

    /// True for an IPv4 range.
    pub const fn is_ipv4(&self) -> bool {
        self.bits == 32
    }

    /// The family as Services name it.
    pub const fn family(&self) -> &'static str {
        if self.is_ipv4() { "IPv4" } else { "IPv6" }
    }

    /// Number of addresses, network and broadcast included.
    fn size(&self) -> u128 {
        let host_bits = self.bits - self.prefix;
        if host_bits >= 64 { SIZE_MAX } else { 1 << host_bits }
    }

    /// Addresses that may be given out.
    fn usable(&self) -> u128 {
        let reserved = if self.is_ipv4() { 2 } else { 1 };
        self.size().saturating_sub(reserved)
    }

    /// The address of the range itself, which is given to no service.
    pub fn network(&self) -> IpAddr {
        self.at(u128::MAX)
    }

    /// The first usable address, the one of the `kubernetes` service.
    pub fn first(&self) -> IpAddr {
        self.at(0)
    }

    /// True if `address` may be given out from this range.
    pub fn contains(&self, address: IpAddr) -> bool {
        if address.is_ipv4() != self.is_ipv4() {
            return false;
        }
        let offset = number(address).wrapping_sub(self.base.wrapping_add(1));
        offset < self.usable()
    }

    /// Addresses in the order in which they are tried: from a random one on through the upper
    /// band, then through the lower band that is kept for addresses asked for by name.
    pub fn candidates(&self) -> impl Iterator<Item = IpAddr> {
        let usable = self.usable();
        let band = self.static_band();
        let upper = usable - band;
        let start = u128::from(u64::from_le_bytes(ids::random::<8>())) % upper.max(1);
        let this = *self;
        let high = (0..upper).map(move |step| this.at(band + (start + step) % upper.max(1)));
        high.chain((0..band).map(move |offset| this.at(offset)))
    }

    /// `calculateRangeOffset`: min(max(16, size/16), 256), 0 for small ranges.
    fn static_band(&self) -> u128 {
        let size = self.size();
        if size <= 16 { 0 } else { (size / 16).clamp(16, 256).min(self.usable()) }
    }

    fn at(&self, offset: u128) -> IpAddr {
        let value = self.base.wrapping_add(1).wrapping_add(offset);
        if self.is_ipv4() {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(value).unwrap_or(u32::MAX)))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(value))
        }
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let base = if self.is_ipv4() {
            IpAddr::V4(Ipv4Addr::from_bits(u32::try_from(self.base).unwrap_or(0)))
        } else {
            IpAddr::V6(Ipv6Addr::from_bits(self.base))
        };
        write!(f, "{base}/{}", self.prefix)
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(address.to_bits()),
        IpAddr::V6(address) => address.to_bits(),
    }
}

#[cfg(test)]
mod tests {
    use super::Cidr;
    use std::collections::BTreeSet;

    #[test]
    fn network_and_broadcast_addresses_are_never_used() {
        let cidr = Cidr::parse("10.0.0.0/16").unwrap();
        assert_eq!(cidr.first().to_string(), "10.0.0.1");
        let contains = |text: &str| cidr.contains(text.parse().unwrap());
        assert!(contains("10.0.0.1") && contains("10.0.255.254"));
        assert!(!contains("10.0.0.0") && !contains("10.0.255.255") && !contains("10.1.0.1"));
        assert!(!contains("::1"));
    }

    #[test]
    fn every_usable_address_is_tried_once_and_the_static_band_last() {
        let cidr = Cidr::parse("10.0.0.0/24").unwrap();
        let all: Vec<_> = cidr.candidates().collect();
        assert_eq!(all.len(), 254);
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), 254);
        assert!(all[..238].iter().all(|ip| *ip > "10.0.0.16".parse::<std::net::IpAddr>().unwrap()));
        assert_eq!(all[238].to_string(), "10.0.0.1");
    }

    #[test]
    fn what_is_no_network_does_not_parse() {
        for bad in ["10.0.0.0", "10.0.0.1/16", "10.0.0.0/33", "x/8", ""] {
            assert_eq!(Cidr::parse(bad), None, "{bad}");
        }
        assert_eq!(Cidr::parse("fd00::/112").unwrap().to_string(), "fd00::/112");
    }
}
