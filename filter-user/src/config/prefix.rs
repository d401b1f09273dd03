//! One prefix or address, as operators write them.

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why a text is no prefix. What was meant is said where it can be known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PrefixError {
    #[error("{} is neither a prefix nor an address", super::names::quoted(.0))]
    Neither(String),
    #[error("a prefix length of an {family} address is 0 to {}", if *.family == "IPv4" { 32 } else { 128 })]
    Length { family: &'static str },
    #[error("{address}/{length} has host bits set", length = .meant.prefix_len())]
    HostBits { address: IpAddr, meant: IpNet },
    #[error("{prefix} is IPv4-mapped; such packets do not occur on the wire")]
    Mapped { prefix: Ipv6Net, meant: Ipv4Net },
}

impl PrefixError {
    /// What to write.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Neither(text) => help_for(text),
            Self::Length { .. } => None,
            Self::HostBits { address, meant } => {
                let single = if address.is_ipv4() { 32 } else { 128 };
                Some(format!(
                    "write {meant}, or {address}/{single} for this address alone"
                ))
            }
            Self::Mapped { meant, .. } => Some(format!("write {}", short(*meant))),
        }
    }
}

/// `203.0.113.0/24`, `2001:db8::/32`; a bare address is `/32` or `/128`.
pub(crate) fn parse_prefix(text: &str) -> Result<IpNet, PrefixError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let neither = || PrefixError::Neither(text.to_owned());
    // As in addresses, no leading zero: who wrote one may have meant octal, or another digit.
    let is_number = |l: &str| {
        let is_short = (1..=3).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_digit());
        is_short && (l == "0" || !l.starts_with('0'))
    };
    if length.is_some_and(|length| !is_number(length)) {
        return Err(neither());
    }
    let length: Option<u16> = length.and_then(|length| length.parse().ok());
    match address.parse().map_err(|_| neither())? {
        IpAddr::V4(address) => prefix4(address, length.unwrap_or(32)),
        IpAddr::V6(address) => prefix6(address, length.unwrap_or(128)),
    }
}

fn prefix4(address: Ipv4Addr, length: u16) -> Result<IpNet, PrefixError> {
    let net = u8::try_from(length).ok();
    let net = net.and_then(|length| Ipv4Net::new(address, length).ok());
    let net = net.ok_or(PrefixError::Length { family: "IPv4" })?;
    if net.network() != address {
        return Err(PrefixError::HostBits {
            address: address.into(),
            meant: net.trunc().into(),
        });
    }
    Ok(net.into())
}

fn prefix6(address: Ipv6Addr, length: u16) -> Result<IpNet, PrefixError> {
    let net = u8::try_from(length).ok();
    let net = net.and_then(|length| Ipv6Net::new(address, length).ok());
    let net = net.ok_or(PrefixError::Length { family: "IPv6" })?;
    if let Some(mapped) = address.to_ipv4_mapped()
        && net.prefix_len() >= 96
    {
        let meant = Ipv4Net::new(mapped, net.prefix_len() - 96);
        let meant = meant.map_err(|_| PrefixError::Length { family: "IPv6" })?;
        return Err(PrefixError::Mapped {
            prefix: net,
            meant: meant.trunc(),
        });
    }
    if net.network() != address {
        return Err(PrefixError::HostBits {
            address: address.into(),
            meant: net.trunc().into(),
        });
    }
    Ok(net.into())
}

/// An address without its `/32`.
fn short(net: Ipv4Net) -> String {
    if net.prefix_len() == 32 {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// For notations that other tools take.
fn help_for(text: &str) -> Option<String> {
    if text.contains([',', ';']) {
        return Some("write one prefix a line, or one a string".to_owned());
    }
    let (address, rest) = text.split_at(text.find(['/', '-', '%'])?);
    let address: IpAddr = address.trim().parse().ok()?;
    let (separator, rest) = rest.split_at(1);
    let help = match separator {
        "/" if rest.starts_with('0') => {
            let plain = format!("{address}/{}", rest.parse::<u8>().ok()?);
            match parse_prefix(&plain) {
                Ok(_) => format!("write {plain}, without leading zeros"),
                Err(error) => return error.help(),
            }
        }
        "/" => {
            let mask: Ipv4Addr = rest.parse().ok()?;
            let length = u32::from(mask).leading_ones();
            let whole = u32::from(mask) == u32::MAX.checked_shl(32 - length).unwrap_or(0);
            if !whole {
                return None;
            }
            format!("write {address}/{length}")
        }
        "-" => "write a range as the prefixes that it consists of".to_owned(),
        _ => "sources have no zone; write the address without it".to_owned(),
    };
    Some(help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> String {
        let error = parse_prefix(text).unwrap_err();
        format!("{error}; {}", error.help().unwrap_or_default())
    }

    #[test]
    fn prefixes_and_addresses() {
        for (text, net) in [
            ("10.0.0.0/8", "10.0.0.0/8"),
            ("10.0.0.1", "10.0.0.1/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::1/128"),
            ("::/0", "::/0"),
            ("::ffff:0:0/95", "::fffe:0:0/95"),
        ] {
            let expected: IpNet = net.parse().unwrap();
            match parse_prefix(text) {
                Ok(found) => assert_eq!(found, expected, "{text}"),
                Err(PrefixError::HostBits { meant, .. }) => assert_eq!(meant, expected, "{text}"),
                Err(error) => panic!("{text}: {error}"),
            }
        }
    }

    #[test]
    fn what_was_meant_is_said() {
        for (text, expected) in [
            ("10.0.0.1/8", "write 10.0.0.0/8, or 10.0.0.1/32"),
            ("2001:db8::1/32", "write 2001:db8::/32, or 2001:db8::1/128"),
            ("::ffff:192.0.2.1", "write 192.0.2.1"),
            ("::ffff:192.0.2.0/120", "write 192.0.2.0/24"),
            ("10.0.0.0/255.0.0.0", "write 10.0.0.0/8"),
            ("10.0.0.0/255.0.255.0", "neither"),
            ("10.0.0.1-10.0.0.9", "prefixes that it consists of"),
            ("fe80::1%eth0", "no zone"),
            ("10.0.0.0/08", "write 10.0.0.0/8, without leading zeros"),
            (
                "2001:db8::/032",
                "write 2001:db8::/32, without leading zeros",
            ),
            ("10.0.0.2/08", "write 10.0.0.0/8, or 10.0.0.2/32"),
            ("0.0.0.0/00", "write 0.0.0.0/0, without leading zeros"),
            ("10.0.0.0/33", "0 to 32"),
            ("::/129", "0 to 128"),
            ("10.0.0.0/+8", "neither"),
            ("010.0.0.0/8", "neither"),
            ("10.0.0.0/", "neither"),
            ("", "neither"),
        ] {
            assert!(
                message(text).contains(expected),
                "{text}: {}",
                message(text)
            );
        }
    }
}
