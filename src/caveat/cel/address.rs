//! IP addresses and the networks they lie in.

use super::value::{Answer, Value, failed, no_such_overload};
use std::net::IpAddr;

/// The address that a text names. An IPv4 address in IPv6's clothes (`::ffff:10.0.0.1`) is the IPv4 address.
pub(crate) fn parse(text: &str) -> Option<IpAddr> {
    text.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// `address.in_cidr(network)`.
pub(crate) fn in_cidr(address: &Value, network: &Value) -> Answer {
    let (Value::Address(address), Value::String(text)) = (address, network) else {
        return no_such_overload();
    };
    match network_of(text) {
        Some((network, length)) => Ok(Value::Bool(is_within(*address, network, length))),
        None => failed(format!("invalid CIDR string: `{text}`")),
    }
}

/// The address and the number of leading bits that `10.0.0.0/8` names.
fn network_of(text: &str) -> Option<(IpAddr, u32)> {
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
