//! IP addresses and CIDRs (`apimachinery util/validation/ip.go`, gate StrictIPCIDRValidation on).

use super::{Errors, Report as _};
use crate::object::field::Path;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NOT_AN_IP: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NOT_A_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cidr {
    /// The address as given, host bits included.
    pub address: IpAddr,
    /// Bits of the network part.
    pub bits: u8,
}

/// `ParseIPSloppy`: octets may have leading zeros; an IPv4-mapped address is an IPv4 one.
pub fn parse(text: &str) -> Option<IpAddr> {
    let address = match text.parse::<IpAddr>() {
        Ok(address) => address,
        Err(_) if text.contains(':') => return None,
        Err(_) => IpAddr::V4(parse_octets(text)?),
    };
    Some(unmapped(address))
}

fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(six) => six.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

fn parse_octets(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0u8; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let part = parts.next()?;
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse::<u32>().ok().and_then(|octet| u8::try_from(octet).ok())?;
    }
    if parts.next().is_some() { None } else { Some(Ipv4Addr::from(octets)) }
}

/// True if `text` is a well-formed IPv4-mapped IPv6 address.
fn is_mapped(text: &str) -> bool {
    text.parse::<Ipv6Addr>().is_ok_and(|six| six.to_ipv4_mapped().is_some())
}

/// `ParseCIDRSloppy`.
pub fn parse_cidr(text: &str) -> Option<Cidr> {
    let (address, bits) = text.split_once('/')?;
    if bits.is_empty() || bits.len() > 8 || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let mut bits: u32 = bits.parse().ok()?;
    let mapped = is_mapped(address);
    let address = parse(address)?;
    if mapped {
        bits = bits.checked_sub(96)?;
    }
    let bits_max = if address.is_ipv4() { 32 } else { 128 };
    let bits = u8::try_from(bits).ok().filter(|bits| *bits <= bits_max)?;
    Some(Cidr { address, bits })
}

impl Cidr {
    /// The first address of the range.
    pub fn network(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(four) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from(u32::from(four) & mask))
            }
            IpAddr::V6(six) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.bits)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from(u128::from(six) & mask))
            }
        }
    }

    /// True if `address` is in the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4()
            && Self { address, bits: self.bits }.network() == self.network()
    }

    /// `IPNet.String`: the range without host bits.
    pub fn canonical(&self) -> String {
        format!("{}/{}", self.network(), self.bits)
    }
}

/// `IsValidIPForLegacyField`: any text that is an address, but for those that others may read
/// otherwise.
pub fn legacy_ip(text: &str, path: &Path<'_>, errors: &mut Errors) {
    if parse(text).is_none() {
        errors.invalid(path, text, NOT_AN_IP);
    } else if text.parse::<IpAddr>().is_err() {
        errors.invalid(path, text, "must not have leading 0s");
    } else if is_mapped(text) {
        errors.invalid(path, text, "must not be an IPv4-mapped IPv6 address");
    }
}

/// `IsValidIP`: a legacy address in canonical form.
pub fn strict_ip(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let before = errors.len();
    legacy_ip(text, path, errors);
    if errors.len() == before
        && let Some(address) = parse(text)
    {
        let canonical = address.to_string();
        if canonical != text {
            let detail = format!("must be in canonical form ({canonical:?})");
            errors.invalid(path, text, &detail);
        }
    }
}

/// `IsValidCIDRForLegacyField`.
pub fn legacy_cidr(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let Some(cidr) = parse_cidr(text) else {
        errors.invalid(path, text, NOT_A_CIDR);
        return;
    };
    let (address, bits) = text.split_once('/').unwrap_or((text, ""));
    if address.parse::<IpAddr>().is_err() || (bits.len() > 1 && bits.starts_with('0')) {
        errors.invalid(path, text, "must not have leading 0s in IP or prefix length");
    } else if is_mapped(address) {
        errors.invalid(path, text, "must not have an IPv4-mapped IPv6 address");
    } else if cidr.network() != cidr.address {
        errors.invalid(path, text, "must not have bits set beyond the prefix length");
    }
}

/// `IsValidCIDR`: a legacy range in canonical form.
pub fn strict_cidr(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let before = errors.len();
    legacy_cidr(text, path, errors);
    if errors.len() == before
        && let Some(cidr) = parse_cidr(text)
    {
        let canonical = cidr.canonical();
        if canonical != text {
            let detail = format!("must be in canonical form ({canonical:?})");
            errors.invalid(path, text, &detail);
        }
    }
}

/// `ValidateNonSpecialIP`: not unspecified, loopback or link-local.
pub fn not_special(text: &str, path: &Path<'_>, errors: &mut Errors) {
    let Some(address) = parse(text) else {
        errors.invalid(path, text, "must be a valid IP address");
        return;
    };
    let (loopback, local, local_multicast) = match address {
        IpAddr::V4(four) => {
            let octets = four.octets();
            (four.is_loopback(), four.is_link_local(), octets.starts_with(&[224, 0, 0]))
        }
        IpAddr::V6(six) => {
            let head = six.segments()[0];
            (six.is_loopback(), head & 0xffc0 == 0xfe80, head & 0xff0f == 0xff02)
        }
    };
    if address.is_unspecified() {
        errors.invalid(path, text, &format!("may not be unspecified ({text})"));
    }
    if loopback {
        errors.invalid(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if local {
        let detail = "may not be in the link-local range (169.254.0.0/16, fe80::/10)";
        errors.invalid(path, text, detail);
    }
    if local_multicast {
        let detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        errors.invalid(path, text, detail);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(check: fn(&str, &Path<'_>, &mut Errors), text: &str) -> String {
        let mut errors = Errors::new();
        check(text, &Path::root("ip"), &mut errors);
        errors.first().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn addresses_that_others_may_read_otherwise_are_refused() {
        assert_eq!(first(strict_ip, "10.0.0.1"), "");
        assert_eq!(first(legacy_ip, "FD00::0"), "");
        assert!(first(strict_ip, "fd00::00").contains("must be in canonical form (\"fd00::\")"));
        assert!(first(legacy_ip, "01.2.3.4").contains("must not have leading 0s"));
        assert!(first(legacy_ip, "::ffff:1.2.3.4").contains("IPv4-mapped"));
        assert!(first(legacy_ip, "x").contains("must be a valid IP address, (e.g."));
    }

    #[test]
    fn ranges_have_no_host_bits() {
        assert_eq!(first(strict_cidr, "10.1.0.0/24"), "");
        assert!(first(legacy_cidr, "10.1.0.1/24").contains("bits set beyond the prefix"));
        assert!(first(legacy_cidr, "x").contains("must be a valid CIDR value"));
        assert!(first(legacy_cidr, "10.0.0.0/33").contains("must be a valid CIDR value"));
        assert_eq!(first(legacy_cidr, "0.0.0.0/0"), "");
        assert!(parse_cidr("::/0").is_some_and(|all| all.contains("fe80::1".parse().unwrap())));
    }

    #[test]
    fn endpoints_are_not_special_addresses() {
        assert!(first(not_special, "127.0.0.1").contains("loopback"));
        assert!(first(not_special, "169.254.1.1").contains("link-local range"));
        assert_eq!(first(not_special, "10.0.0.1"), "");
    }
}
