//! IP protocols by name or number, as IANA's register "Protocol Numbers" has them.

use super::names::{nearest, quoted};

/// Names that operators use; the kernel's `/etc/protocols` need not exist.
const NAMES: [(&str, u8); 44] = [
    ("ggp", 3),
    ("ipip", 4),
    ("ipencap", 4),
    ("ipv4", 4),
    ("st", 5),
    ("egp", 8),
    ("igp", 9),
    ("hmp", 20),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("ipv6", 41),
    ("sit", 41),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("skip", 57),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("mtp", 92),
    ("ax.25", 93),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("carp", 112),
    ("pgm", 113),
    ("l2tp", 115),
    ("isis", 124),
    ("fc", 133),
    ("sctp", 132),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("hip", 139),
    ("shim6", 140),
    ("ethernet", 143),
];

/// Protocols that this key is not about, with the reason.
const ELSEWHERE: [(&str, u8, &str); 6] = [
    ("icmp", 1, ALWAYS),
    ("igmp", 2, ALWAYS),
    ("tcp", 6, BY_PORT),
    ("udp", 17, BY_PORT),
    ("icmpv6", 58, ALWAYS),
    ("ipv6-icmp", 58, ALWAYS),
];
const ALWAYS: &str = "always passes: path MTU, neighbour discovery and multicast need it";
const BY_PORT: &str = "is judged by its ports: see reply_ports, or make it a service";

/// Whether it is an extension header over IPv6: the packet program looks at what follows it.
pub(crate) const fn is_ipv6_extension(protocol: u8) -> bool {
    matches!(protocol, 0 | 43 | 44 | 51 | 60 | 135 | 139 | 140)
}

/// Why a text is no protocol for `protocols`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtocolError {
    #[error("unknown IP protocol {}", quoted(.0))]
    Unknown(String),
    #[error("an IP protocol number is 0 to 255, not {0}")]
    Number(i64),
    #[error("{name} {reason}")]
    Elsewhere {
        name: &'static str,
        reason: &'static str,
    },
}

impl ProtocolError {
    /// What to write.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::Unknown(text) => Some(match nearest(text, NAMES.iter().map(|(n, _)| *n)) {
                Some(near) => format!("did you mean \"{near}\"?"),
                None => "write its number, as in IANA's register \"Protocol Numbers\"".to_owned(),
            }),
            Self::Number(_) => None,
            Self::Elsewhere { .. } => Some("leave it out".to_owned()),
        }
    }
}

/// `"esp"`, `"50"`.
pub(crate) fn parse_protocol(text: &str) -> Result<u8, ProtocolError> {
    let name = text.to_ascii_lowercase();
    let elsewhere = |found: &(&'static str, u8, &'static str)| ProtocolError::Elsewhere {
        name: found.0,
        reason: found.2,
    };
    if let Some(found) = ELSEWHERE.iter().find(|(n, _, _)| *n == name) {
        return Err(elsewhere(found));
    }
    if let Some((_, number)) = NAMES.iter().find(|(n, _)| *n == name) {
        return Ok(*number);
    }
    let number: i64 = name
        .parse()
        .map_err(|_| ProtocolError::Unknown(text.to_owned()))?;
    let number = u8::try_from(number).map_err(|_| ProtocolError::Number(number))?;
    match ELSEWHERE.iter().find(|(_, n, _)| *n == number) {
        Some(found) => Err(elsewhere(found)),
        None => Ok(number),
    }
}
