//! Values of Kubernetes' libraries that only their functions look into.

use super::authorizer::{Decision, Query};
use super::functions::{Format, Semver, Url};
use crate::object::quantity::Quantity;
use std::net::IpAddr;

/// One of those values.
#[derive(Debug, Clone)]
pub enum Opaque {
    /// Who is asked about.
    Authorizer(Query),
    /// An IP range with its address as it was written.
    Cidr(IpAddr, u8),
    /// What the authorizer said.
    Decision(Decision),
    /// A named format.
    Format(&'static Format),
    /// A question about a group.
    GroupCheck(Query),
    /// An address.
    Ip(IpAddr),
    /// A question about a path.
    PathCheck(Query),
    /// A quantity.
    Quantity(Quantity),
    /// A question about a resource.
    ResourceCheck(Query),
    /// A version.
    Semver(Semver),
    /// A URL.
    Url(Url),
}

impl Opaque {
    /// The name of the type.
    pub(super) fn type_name(&self) -> &'static str {
        match self {
            Self::Authorizer(_) => "kubernetes.authorization.Authorizer",
            Self::Cidr(..) => "net.CIDR",
            Self::Decision(_) => "kubernetes.authorization.Decision",
            Self::Format(_) => "kubernetes.NamedFormat",
            Self::GroupCheck(_) => "kubernetes.authorization.GroupCheck",
            Self::Ip(_) => "net.IP",
            Self::PathCheck(_) => "kubernetes.authorization.PathCheck",
            Self::Quantity(_) => "kubernetes.Quantity",
            Self::ResourceCheck(_) => "kubernetes.authorization.ResourceCheck",
            Self::Semver(_) => "kubernetes.Semver",
            Self::Url(_) => "kubernetes.URL",
        }
    }

    /// The size that cost is counted by (`actualSize`): the bytes of addresses, else 1.
    pub(super) fn size(&self) -> u64 {
        let bytes = |address: &IpAddr| if address.is_ipv4() { 4 } else { 16 };
        match self {
            Self::Ip(address) => bytes(address),
            Self::Cidr(_, bits) => u64::from(bits.div_ceil(8)),
            _ => 1,
        }
    }
}

impl PartialEq for Opaque {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Cidr(a, bits), Self::Cidr(b, others)) => a == b && bits == others,
            (Self::Format(a), Self::Format(b)) => a.name == b.name,
            (Self::Ip(a), Self::Ip(b)) => a == b,
            (Self::Quantity(a), Self::Quantity(b)) => a == b,
            (Self::Semver(a), Self::Semver(b)) => a == b,
            (Self::Url(a), Self::Url(b)) => a == b,
            (Self::Decision(a), Self::Decision(b)) => a == b,
            (Self::Authorizer(a), Self::Authorizer(b))
            | (Self::GroupCheck(a), Self::GroupCheck(b))
            | (Self::PathCheck(a), Self::PathCheck(b))
            | (Self::ResourceCheck(a), Self::ResourceCheck(b)) => a == b,
            _ => false,
        }
    }
}
