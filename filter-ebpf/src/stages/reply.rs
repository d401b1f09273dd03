//! Row 7 under "drop" and "monitor": what answers the host itself passes.

use crate::parse::{Segment, Transport};
use crate::tables::{Ends, Tables, UdpSocket};
use filter_common::policy::{PortEntry, UNLISTED_MONITOR, UNLISTED_PASS};
use filter_common::verdict::Outcome;

/// Whether a segment to an unlisted port answers the host.
#[inline(always)]
pub fn answers_host<T: Tables>(tables: &T, port: PortEntry, segment: &Segment) -> bool {
    let ends = Ends {
        source: segment.source,
        destination: segment.destination(),
        source_port: segment.source_port,
        port: segment.port,
    };
    match segment.transport {
        // Refused without a look-up, `reply_ports` or not: a flood of SYNs stays cheap.
        Transport::Tcp { opens: Some(_) } => false,
        Transport::Tcp { opens: None } => port.is_reply() || tables.has_tcp_connection(&ends),
        Transport::Udp { .. } => {
            port.is_reply()
                || match tables.udp_socket(&ends) {
                    UdpSocket::None => false,
                    UdpSocket::Connected => true,
                    UdpSocket::Unconnected => tables.is_ephemeral(u16::from_be(segment.port)),
                }
        }
    }
}

/// Row 7 for what is neither TCP nor UDP.
#[inline(always)]
pub fn other_protocol<T: Tables>(tables: &T, protocol: u8) -> Outcome {
    let settings = &tables.fixed().settings;
    if settings.unlisted == UNLISTED_PASS {
        return Outcome::UNLISTED_PASSED;
    }
    if settings.protocols[usize::from(protocol >> 6)] >> (protocol & 63) & 1 != 0 {
        return Outcome::REPLY;
    }
    unlisted(tables)
}

/// What becomes of the rest.
#[inline(always)]
pub fn unlisted<T: Tables>(tables: &T) -> Outcome {
    if tables.fixed().settings.unlisted == UNLISTED_MONITOR {
        Outcome::UNLISTED.spared()
    } else {
        Outcome::UNLISTED
    }
}
