//! IP addresses as a CEL value type, and networks in CIDR notation.

use crate::caveat::eval::budget::{EvalStop, failed, no_such_overload};
use cel::common::types::{CelString, Type};
use cel::common::value::{StaticVal, Val};
use std::any::Any;
use std::net::IpAddr;

/// An IP address; never an IPv4-mapped IPv6 address.
#[derive(Clone, Copy, Debug)]
pub(in crate::caveat) struct IpValue(IpAddr);

static ADDRESS: Type = Type::new_unspecified_type("IPAddress");

impl Val for IpValue {
    fn get_type(&self) -> &Type {
        &ADDRESS
    }

    fn cel_type() -> &'static Type {
        &ADDRESS
    }

    fn equals(&self, other: &dyn Val) -> bool {
        other.downcast_ref::<Self>().is_some_and(|other| self.0 == other.0)
    }

    fn clone_as_boxed<'v>(&self) -> Box<dyn Val + 'v> {
        Box::new(*self)
    }

    fn as_any(&self) -> Option<&dyn Any> {
        Some(self)
    }
}

impl StaticVal for IpValue {}

impl IpValue {
    /// Parses an address. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) becomes the IPv4 address.
    pub(in crate::caveat) fn parse(text: &str) -> Option<Self> {
        text.parse::<IpAddr>().ok().map(|address| Self(address.to_canonical()))
    }
}

/// `address.in_cidr(network)`.
pub(in crate::caveat) fn in_cidr(
    address: &dyn Val,
    network: &(dyn Val + 'static),
) -> Result<bool, EvalStop> {
    let address = address.downcast_ref::<IpValue>();
    let (Some(IpValue(address)), Some(text)) = (address, network.downcast_ref::<CelString<'_>>())
    else {
        return no_such_overload();
    };
    match parse_network(text.inner()) {
        Some((network, length)) => Ok(is_within(*address, network, length)),
        None => failed(format!("invalid CIDR string: `{}`", text.inner())),
    }
}

/// The address and the prefix length of a network such as `10.0.0.0/8`.
fn parse_network(text: &str) -> Option<(IpAddr, u32)> {
    let (address, digits) = text.split_once('/')?;
    let address: IpAddr = address.parse().ok()?;
    let is_number = digits.chars().all(|c| c.is_ascii_digit());
    let has_leading_zero = digits.len() > 1 && digits.starts_with('0');
    let length: u32 = digits.parse().ok().filter(|_| is_number && !has_leading_zero)?;
    let canonical = address.to_canonical();
    let (network, length) = match address {
        IpAddr::V6(_) if canonical.is_ipv4() && length >= 96 => (canonical, length - 96),
        IpAddr::V4(_) | IpAddr::V6(_) => (address, length),
    };
    let length_max = if network.is_ipv4() { 32 } else { 128 };
    (length <= length_max).then_some((network, length))
}

fn is_within(address: IpAddr, network: IpAddr, length: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(address), IpAddr::V4(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= length
        }
        (IpAddr::V6(address), IpAddr::V6(network)) => {
            let differing = address.to_bits() ^ network.to_bits();
            differing.leading_zeros() >= length
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
    }
}
