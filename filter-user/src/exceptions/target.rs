//! What can be banned or allowed: one address, or an IPv6 /64.

use crate::config::prefix::{PrefixError, parse_prefix};
use filter_common::addr::{Scope, SourceKey};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// An IPv4 address, an IPv6 address, or an IPv6 /64 (without host bits). Sorted by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Target {
    address: IpAddr,
    length: u8,
}

/// Why a text is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// No address or prefix at all.
    #[error("{0}")]
    NoPrefix(String),
    /// A prefix, but of another length.
    #[error(
        "{0}: bans and timed allows are of an IPv4 address, an IPv6 address or an IPv6 /64; for \
         other prefixes use `deny` or `allow` of the service in the configuration"
    )]
    Length(ipnet::IpNet),
}

impl From<PrefixError> for TargetError {
    fn from(error: PrefixError) -> Self {
        Self::NoPrefix(match error.help() {
            Some(help) => format!("{error}; {help}"),
            None => error.to_string(),
        })
    }
}

impl Target {
    /// Its address; of a /64 the first one.
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// 32, 64 or 128.
    pub const fn length(&self) -> u8 {
        self.length
    }

    /// Its row in a map.
    pub fn key(&self, scope: Scope) -> SourceKey {
        match self.address {
            IpAddr::V4(address) => SourceKey::v4(address.to_bits(), scope),
            IpAddr::V6(address) => {
                let upper = (address.to_bits() >> 64) as u64;
                match self.length {
                    64 => SourceKey::v6_64(upper, scope),
                    _ => SourceKey::v6(upper, address.to_bits() as u64, scope),
                }
            }
        }
    }

    /// Of a row in a map; `None` if it makes no sense.
    pub fn of_key(key: &SourceKey) -> Option<Self> {
        let bytes = *key.address();
        let [a, b, c, d, ..] = bytes;
        let length = key.prefix_length();
        let address = match length {
            32 => IpAddr::from([a, b, c, d]),
            64 | 128 => IpAddr::from(bytes),
            _ => return None,
        };
        Some(Self {
            address,
            length: length as u8,
        })
    }

    /// The /64 around an IPv6 address.
    pub fn network(&self) -> Option<Self> {
        match self.address {
            IpAddr::V6(address) if self.length == 128 => Some(Self {
                address: Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
                length: 64,
            }),
            _ => None,
        }
    }

    /// First and last address.
    pub fn range(&self) -> (IpAddr, IpAddr) {
        match self.address {
            IpAddr::V6(address) if self.length == 64 => {
                let last = address.to_bits() | u128::from(u64::MAX);
                (self.address, Ipv6Addr::from_bits(last).into())
            }
            address => (address, address),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    fn from_str(text: &str) -> Result<Self, TargetError> {
        let prefix = parse_prefix(text)?;
        let length = prefix.prefix_len();
        match (prefix.addr(), length) {
            (IpAddr::V4(_), 32) | (IpAddr::V6(_), 64 | 128) => Ok(Self {
                address: prefix.addr(),
                length,
            }),
            _ => Err(TargetError::Length(prefix)),
        }
    }
}

impl TryFrom<String> for Target {
    type Error = TargetError;

    fn try_from(text: String) -> Result<Self, TargetError> {
        text.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length {
            64 => write!(f, "{}/64", self.address),
            _ => write!(f, "{}", self.address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_64s_are_targets_and_come_back_from_their_rows() {
        for (text, shown) in [
            ("192.0.2.7", "192.0.2.7"),
            ("192.0.2.7/32", "192.0.2.7"),
            ("2001:DB8::7", "2001:db8::7"),
            ("2001:db8::7/128", "2001:db8::7"),
            ("2001:db8::/64", "2001:db8::/64"),
            ("::/64", "::/64"),
            ("0.0.0.0", "0.0.0.0"),
        ] {
            let target: Target = text.parse().expect(text);
            assert_eq!(target.to_string(), shown);
            assert_eq!(Target::of_key(&target.key(Scope::All)), Some(target));
            assert_eq!(shown.parse(), Ok(target));
        }
    }

    #[test]
    fn other_texts_are_refused_with_what_to_do() {
        for (text, expected) in [
            ("192.0.2.0/24", "use `deny`"),
            ("2001:db8::/48", "use `deny`"),
            ("2001:db8::7/64", "write 2001:db8::/64"),
            ("::ffff:192.0.2.7", "write 192.0.2.7"),
            ("nonsense", "neither a prefix nor an address"),
            ("", "neither"),
            ("192.0.2.7 192.0.2.8", "neither"),
            ("fe80::1%eth0", "no zone"),
        ] {
            let error = text.parse::<Target>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
