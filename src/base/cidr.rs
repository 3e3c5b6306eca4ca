//! IP ranges.

use std::fmt;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// A range of IP addresses, as `10.0.0.0/24`; the bits behind the prefix are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix_bits: u8,
}

/// A text is no [`Cidr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotCidr;

impl FromStr for Cidr {
    type Err = NotCidr;

    /// As Go's `net.ParseCIDR`: host bits are dropped.
    fn from_str(text: &str) -> Result<Self, NotCidr> {
        let (address, bits) = text.split_once('/').ok_or(NotCidr)?;
        let address: IpAddr = address.parse().map_err(|_| NotCidr)?;
        if bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
            return Err(NotCidr);
        }
        let prefix_bits: u8 = bits.parse().map_err(|_| NotCidr)?;
        if prefix_bits > width(address) {
            return Err(NotCidr);
        }
        Ok(Self {
            address: from_number(address, number(address) & mask(address, prefix_bits)),
            prefix_bits,
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix_bits)
    }
}

impl Cidr {
    /// The lowest address.
    #[must_use]
    pub const fn network(self) -> IpAddr {
        self.address
    }

    /// Bits of the prefix.
    #[must_use]
    pub const fn prefix_bits(self) -> u8 {
        self.prefix_bits
    }

    /// Whether it is a range of IPv6 addresses.
    #[must_use]
    pub const fn is_ipv6(self) -> bool {
        self.address.is_ipv6()
    }

    /// How many addresses it has; `u128::MAX` for all of IPv6.
    #[must_use]
    pub fn size(self) -> u128 {
        1u128.checked_shl(u32::from(width(self.address) - self.prefix_bits)).unwrap_or(u128::MAX)
    }

    /// The address at an offset from the lowest; `None` behind the end.
    #[must_use]
    pub fn nth(self, offset: u128) -> Option<IpAddr> {
        (offset < self.size())
            .then(|| from_number(self.address, number(self.address).wrapping_add(offset)))
    }

    /// The offset of an address in the range; `None` if it is not in it.
    #[must_use]
    pub fn offset(self, address: IpAddr) -> Option<u128> {
        let is_inside = address.is_ipv6() == self.is_ipv6()
            && number(address) & mask(address, self.prefix_bits) == number(self.address);
        is_inside.then(|| number(address) - number(self.address))
    }
}

const fn width(address: IpAddr) -> u8 {
    if address.is_ipv6() { 128 } else { 32 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => u128::from(u32::from(address)),
        IpAddr::V6(address) => u128::from(address),
    }
}

fn from_number(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(u32::try_from(number).unwrap_or(u32::MAX))),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

fn mask(address: IpAddr, prefix_bits: u8) -> u128 {
    let host_bits = u32::from(width(address) - prefix_bits);
    let all = if address.is_ipv6() { u128::MAX } else { u128::from(u32::MAX) };
    all.checked_shl(host_bits).map_or(0, |mask| mask & all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_dropped_and_offsets_count_from_the_network() {
        let range: Cidr = "10.0.0.77/24".parse().expect("a range");
        assert_eq!(range.to_string(), "10.0.0.0/24");
        assert_eq!(range.size(), 256);
        assert_eq!(range.nth(1), Some("10.0.0.1".parse().expect("an address")));
        assert_eq!(range.nth(256), None);
        assert_eq!(range.offset("10.0.0.255".parse().expect("an address")), Some(255));
        assert_eq!(range.offset("10.0.1.0".parse().expect("an address")), None);
    }

    #[test]
    fn extreme_prefixes_do_not_overflow() {
        let all: Cidr = "::/0".parse().expect("a range");
        assert_eq!(all.size(), u128::MAX);
        assert!(all.offset("ffff::1".parse().expect("an address")).is_some());
        let one: Cidr = "fd00::1/128".parse().expect("a range");
        assert_eq!(one.size(), 1);
        let four: Cidr = "1.2.3.4/0".parse().expect("a range");
        assert_eq!(four.to_string(), "0.0.0.0/0");
        for bad in ["10.0.0.0", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0/8", "/8", "::/129", "::/+1"] {
            assert_eq!(bad.parse::<Cidr>(), Err(NotCidr), "{bad}");
        }
    }
}
