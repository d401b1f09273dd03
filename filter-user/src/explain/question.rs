//! What is asked about: one packet, as an operator names it.

use crate::config::policy::Transport;
use crate::config::{parse_ports, parse_protocol};
use serde::Serialize;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

/// ICMP, by the family of the addresses.
const ICMP: u8 = 1;
const ICMP_V6: u8 = 58;
const IGMP: u8 = 2;

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Who sends it.
    pub source: IpAddr,
    /// To which of the host's addresses; of the same family.
    pub destination: IpAddr,
    /// What it carries.
    pub what: What,
    /// Of TCP and UDP.
    pub source_port: u16,
    /// Of TCP.
    pub flags: Flags,
    /// VLAN ids, the outer one first; at most two.
    pub vlans: Vec<u16>,
}

/// What a packet carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// TCP to a port.
    Tcp(u16),
    /// UDP to a port, with some bytes that are not QUIC.
    Udp(u16),
    /// An Initial of QUIC to a UDP port.
    Quic(u16),
    /// ICMP, or ICMPv6, as the addresses are.
    Icmp,
    /// Another IP protocol.
    Protocol(u8),
}

impl What {
    /// The port it goes to.
    pub const fn port(self) -> Option<u16> {
        match self {
            Self::Tcp(port) | Self::Udp(port) | Self::Quic(port) => Some(port),
            Self::Icmp | Self::Protocol(_) => None,
        }
    }

    /// Number of the IP protocol, between addresses of this family.
    pub const fn protocol(self, is_ipv6: bool) -> u8 {
        match self {
            Self::Tcp(_) => 6,
            Self::Udp(_) | Self::Quic(_) => 17,
            Self::Icmp if is_ipv6 => ICMP_V6,
            Self::Icmp => ICMP,
            Self::Protocol(number) => number,
        }
    }
}

impl FromStr for What {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "icmp" | "icmpv6" | "ipv6-icmp" => return Ok(Self::Icmp),
            "igmp" => return Ok(Self::Protocol(IGMP)),
            "tcp" | "udp" | "quic" => return Err(format!("which port? for example 443/{text}")),
            _ => {}
        }
        let with_help = |error: String, help: Option<String>| match help {
            Some(help) => format!("{error}: {help}"),
            None => error,
        };
        if text.contains('/') || text.parse::<u16>().is_ok_and(|number| number > 255) {
            let ports =
                parse_ports(text).map_err(|error| with_help(error.to_string(), error.help()))?;
            if ports.first != ports.last {
                return Err("a packet goes to one port".to_owned());
            }
            return Ok(match ports.transport {
                Transport::Tcp => Self::Tcp(ports.first),
                Transport::Udp => Self::Udp(ports.first),
                Transport::Quic => Self::Quic(ports.first),
            });
        }
        match parse_protocol(text) {
            Ok(number) => Ok(Self::Protocol(number)),
            Err(error) => Err(with_help(error.to_string(), error.help())),
        }
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(port) => write!(f, "{port}/tcp"),
            Self::Udp(port) => write!(f, "{port}/udp"),
            Self::Quic(port) => write!(f, "{port}/quic"),
            Self::Icmp => write!(f, "icmp"),
            Self::Protocol(number) => write!(f, "protocol {number}"),
        }
    }
}

/// TCP flags, as bits of the header's 14th byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flags(u8);

/// By bit.
const FLAGS: [&str; 8] = ["fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr"];

impl Flags {
    /// What opens a connection.
    pub const SYN: Self = Self(2);

    /// SYN without ACK: a new connection.
    pub const fn opens(self) -> bool {
        self.0 & 0x12 == 2
    }

    /// The byte of the header.
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl FromStr for Flags {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "none" {
            return Ok(Self(0));
        }
        let mut bits = 0;
        for name in text.split([',', '+']) {
            let bit = FLAGS.iter().position(|known| *known == name);
            let Some(bit) = bit else {
                let known = FLAGS.join(", ");
                return Err(format!("no TCP flag is named \"{name}\": {known}, or none"));
            };
            bits |= 1 << bit;
        }
        Ok(Self(bits))
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let set = FLAGS.iter().enumerate();
        let set = set.filter(|(bit, _)| self.0 >> bit & 1 == 1);
        let names: Vec<_> = set.map(|(_, name)| *name).collect();
        f.write_str(if names.is_empty() { "none" } else { "" })?;
        f.write_str(&names.join(","))
    }
}

/// The packet in an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Packet {
    /// Who sends it.
    pub source: IpAddr,
    /// To which address.
    pub destination: IpAddr,
    /// `443/tcp`, `icmp`.
    pub port: String,
    /// Where there are ports.
    pub source_port: Option<u16>,
    /// Where it is TCP: `syn`, `syn,ack`.
    pub flags: Option<String>,
    /// VLAN ids, the outer one first.
    pub vlans: Vec<u16>,
}

impl From<&Question> for Packet {
    fn from(question: &Question) -> Self {
        let flags = matches!(question.what, What::Tcp(_)).then(|| question.flags.to_string());
        Self {
            source: question.source,
            destination: question.destination,
            port: question.what.to_string(),
            source_port: question.what.port().map(|_| question.source_port),
            flags,
            vlans: question.vlans.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_and_protocols_are_read() {
        for (text, wanted) in [
            ("443/tcp", What::Tcp(443)),
            ("53/udp", What::Udp(53)),
            ("443/quic", What::Quic(443)),
            ("icmp", What::Icmp),
            ("esp", What::Protocol(50)),
            ("89", What::Protocol(89)),
        ] {
            assert_eq!(text.parse(), Ok(wanted), "{text}");
        }
        for (text, said) in [
            ("443", "write \"443/tcp\""),
            ("tcp", "443/tcp"),
            ("1-2/tcp", "one port"),
            ("0/tcp", "port 0"),
            ("eps", "did you mean \"esp\"?"),
            ("443/tpc", "did you mean tcp?"),
        ] {
            let error = text.parse::<What>().unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
    }

    #[test]
    fn flags_are_read_and_written() {
        for text in ["syn", "syn,ack", "rst", "fin,ack", "none"] {
            let flags: Flags = text.parse().unwrap();
            assert_eq!(flags.to_string(), text);
        }
        assert_eq!("syn".parse(), Ok(Flags::SYN));
        assert!("sin".parse::<Flags>().unwrap_err().contains("fin, syn"));
    }
}
