//! IP addresses and ranges (`library.IP`, `library.CIDR`).

use super::super::eval::{Builtin, Outcome};
use super::super::opaque::Opaque;
use super::super::value::{Fault, Val};
use super::text;
use std::net::IpAddr;

pub(super) fn function(name: &str) -> Option<Builtin> {
    Some(match name {
        "ip" => |_, args| match args {
            [Val::Opaque(_)] => {
                let (address, _) = range_of(args.first())?;
                Ok(Val::opaque(Opaque::Ip(address)))
            }
            [value] => {
                let address = parse(text(value)?).map_err(Fault::error)?;
                Ok(Val::opaque(Opaque::Ip(address)))
            }
            _ => Err(Fault::no_overload()),
        },
        "isIP" => |_, args| match args {
            [value] => Ok(Val::Bool(parse(text(value)?).is_ok())),
            _ => Err(Fault::no_overload()),
        },
        "ip.isCanonical" => |_, args| match args {
            [value] => {
                let shown = text(value)?;
                let address = parse(shown).map_err(Fault::error)?;
                Ok(Val::Bool(address.to_string() == shown))
            }
            _ => Err(Fault::no_overload()),
        },
        "family" => |_, args| Ok(Val::Int(if address(args)?.is_ipv4() { 4 } else { 6 })),
        "isUnspecified" => |_, args| Ok(Val::Bool(address(args)?.is_unspecified())),
        "isLoopback" => |_, args| Ok(Val::Bool(address(args)?.is_loopback())),
        "isLinkLocalMulticast" => |_, args| Ok(Val::Bool(is_local_multicast(address(args)?))),
        "isLinkLocalUnicast" => |_, args| Ok(Val::Bool(is_local_unicast(address(args)?))),
        "isGlobalUnicast" => |_, args| Ok(Val::Bool(is_global_unicast(address(args)?))),
        "cidr" => |_, args| match args {
            [value] => {
                let (address, bits) = parse_range(text(value)?).map_err(Fault::error)?;
                Ok(Val::opaque(Opaque::Cidr(address, bits)))
            }
            _ => Err(Fault::no_overload()),
        },
        "isCIDR" => |_, args| match args {
            [value] => Ok(Val::Bool(parse_range(text(value)?).is_ok())),
            _ => Err(Fault::no_overload()),
        },
        "prefixLength" => |_, args| Ok(Val::Int(i64::from(range_of(args.first())?.1))),
        "masked" => |_, args| {
            let (address, bits) = range_of(args.first())?;
            Ok(Val::opaque(Opaque::Cidr(masked(address, bits), bits)))
        },
        "containsIP" => contains_address,
        "containsCIDR" => contains_range,
        _ => return None,
    })
}

fn address(args: &[Val<'_>]) -> Result<IpAddr, Fault> {
    match args.first() {
        Some(Val::Opaque(inner)) => match &**inner {
            Opaque::Ip(address) => Ok(*address),
            _ => Err(Fault::no_overload()),
        },
        _ => Err(Fault::no_overload()),
    }
}

fn range_of(value: Option<&Val<'_>>) -> Result<(IpAddr, u8), Fault> {
    match value {
        Some(Val::Opaque(inner)) => match &**inner {
            Opaque::Cidr(address, bits) => Ok((*address, *bits)),
            _ => Err(Fault::no_overload()),
        },
        _ => Err(Fault::no_overload()),
    }
}

fn parse(text: &str) -> Result<IpAddr, String> {
    if text.contains('%') && text.contains(':') {
        return Err(format!("IP address {text:?} with zone value is not allowed"));
    }
    let address: IpAddr = text.parse().map_err(|_| {
        let why = format!("ParseAddr({text:?}): unable to parse IP");
        format!("IP Address {text:?} parse error during conversion from string: {why}")
    })?;
    match address {
        IpAddr::V6(inner) if inner.to_ipv4_mapped().is_some() => {
            Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"))
        }
        _ => Ok(address),
    }
}

fn parse_range(text: &str) -> Result<(IpAddr, u8), String> {
    let bad = |why: &str| {
        let why = format!("netip.ParsePrefix({text:?}): {why}");
        format!("network address parse error during conversion from string: {why}")
    };
    let (address, bits) = text.rsplit_once('/').ok_or_else(|| bad("no '/'"))?;
    let address: IpAddr =
        address.parse().map_err(|_| bad(&format!("ParseAddr({address:?}): unable to parse IP")))?;
    if matches!(address, IpAddr::V6(inner) if inner.to_ipv4_mapped().is_some()) {
        return Err(format!("IPv4-mapped IPv6 address {text:?} is not allowed"));
    }
    let digits = !bits.is_empty() && bits.bytes().all(|b| b.is_ascii_digit());
    let canonical = digits && (bits.len() == 1 || !bits.starts_with('0'));
    let number = bits.parse::<u8>().ok().filter(|_| canonical);
    let number = number.ok_or_else(|| bad(&format!("bad bits after slash: {bits:?}")))?;
    if number > width(address) {
        return Err(bad("prefix length out of range"));
    }
    Ok((address, number))
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(inner) => {
            let mask = u32::MAX.checked_shl(u32::from(32 - bits.min(32))).unwrap_or(0);
            IpAddr::V4((u32::from(inner) & mask).into())
        }
        IpAddr::V6(inner) => {
            let mask = u128::MAX.checked_shl(u32::from(128 - bits.min(128))).unwrap_or(0);
            IpAddr::V6((u128::from(inner) & mask).into())
        }
    }
}

fn holds((address, bits): (IpAddr, u8), other: IpAddr) -> bool {
    address.is_ipv4() == other.is_ipv4() && masked(address, bits) == masked(other, bits)
}

fn contains_address<'v>(
    _: &mut super::super::eval::Scope<'_, 'v>,
    args: &[Val<'v>],
) -> Outcome<'v> {
    let range = range_of(args.first())?;
    let other = match args.get(1) {
        Some(Val::Str(text)) => parse(text.as_str()).map_err(Fault::error)?,
        _ => address(args.get(1..).unwrap_or_default())?,
    };
    Ok(Val::Bool(holds(range, other)))
}

fn contains_range<'v>(_: &mut super::super::eval::Scope<'_, 'v>, args: &[Val<'v>]) -> Outcome<'v> {
    let range = range_of(args.first())?;
    let other = match args.get(1) {
        Some(Val::Str(text)) => parse_range(text.as_str()).map_err(Fault::error)?,
        other => range_of(other)?,
    };
    Ok(Val::Bool(range.1 <= other.1 && holds(range, other.0)))
}

fn is_local_multicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(inner) => inner.octets().starts_with(&[224, 0, 0]),
        IpAddr::V6(inner) => inner.segments().first().is_some_and(|s| s & 0xff0f == 0xff02),
    }
}

fn is_local_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(inner) => inner.is_link_local(),
        IpAddr::V6(inner) => inner.is_unicast_link_local(),
    }
}

fn is_global_unicast(address: IpAddr) -> bool {
    let broadcast = matches!(address, IpAddr::V4(inner) if inner.is_broadcast());
    !broadcast
        && !address.is_unspecified()
        && !address.is_loopback()
        && !address.is_multicast()
        && !is_local_unicast(address)
}
