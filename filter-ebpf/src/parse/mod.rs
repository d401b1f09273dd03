//! Frame -> what it carries: rows 1 to 3 and 5 of the verdict table, and all that the later
//! rows ask about. Only the outermost IP header is read.

pub mod describe;
mod ethernet;
mod ipv4;
mod ipv6;
pub mod quic;
mod transport;

use crate::packet::Packet;
use ethernet::Network;
use filter_common::addr::Address;
use filter_common::gcra::Cost;

/// What a frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Row 1.
    NotIp,
    /// Row 2.
    Malformed,
    /// Row 3: a fragment that hides or could rewrite its transport header.
    BadFragment,
    /// Row 4: a fragment that carries no port.
    LaterFragment {
        /// Who sent it.
        source: Address,
    },
    /// Row 5.
    Icmp,
    /// Another IP protocol.
    Other {
        /// Its number.
        protocol: u8,
    },
    /// TCP or UDP.
    Segment(Segment),
}

/// A TCP or UDP header, and where it came from and goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Who sent it.
    pub source: Address,
    /// To whom.
    destination: Destination,
    /// As on the wire.
    pub source_port: u16,
    /// As on the wire.
    pub port: u16,
    /// Which header.
    pub transport: Transport,
}

/// An address of the source's family, as it stands on the wire: few packets are asked for it. An
/// IPv4 address is the second word.
type Destination = [u64; 2];

impl Segment {
    /// To which of the host's addresses.
    #[inline(always)]
    pub fn destination(&self) -> Address {
        let [upper, lower] = self.destination;
        match self.source {
            Address::V4(_) => Address::V4(u32::from_be(lower as u32)),
            Address::V6 { .. } => Address::V6 {
                upper: u64::from_be(upper),
                lower: u64::from_be(lower),
            },
        }
    }
}

/// What the rows ask of a transport header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp {
        /// What it costs to open a connection: SYN without ACK. `None` for every other segment.
        opens: Option<Cost>,
    },
    /// UDP.
    Udp {
        /// Offset of the payload in the frame.
        payload: usize,
        /// Bytes of payload, in all fragments.
        payload_length: usize,
        /// Offset of the IP packet's end in the frame.
        end: usize,
    },
}

/// An IP header read: what is common to both versions.
#[derive(Clone, Copy)]
struct Datagram {
    source: Address,
    destination: Destination,
    protocol: u8,
    /// Offset of the transport header.
    at: usize,
    /// Offset of the packet's end: every bound is the IP length.
    end: usize,
    fragment: Fragment,
}

/// Fragment state, as an IPv4 header has it: flags of which one says that more fragments follow,
/// then the offset in units of 8 bytes. 0 is a whole packet.
#[derive(Clone, Copy)]
struct Fragment(u16);

impl Fragment {
    const MORE: u16 = 1 << 13;
    const OFFSET: u16 = Self::MORE - 1;

    #[inline(always)]
    fn is_later(self) -> bool {
        self.0 & Self::OFFSET != 0
    }

    #[inline(always)]
    fn is_first(self) -> bool {
        self.0 & Self::MORE != 0
    }

    /// TCP at offset 8 or 16 could rewrite the flags of the first fragment (RFC 3128, RFC 1858).
    #[inline(always)]
    fn overlaps_tcp_header(self) -> bool {
        self.0 & Self::OFFSET < 3
    }
}

/// Reads a frame.
#[inline(always)]
pub fn parse<P: Packet + ?Sized>(packet: &P) -> Parsed {
    let parsed = match ethernet::network(packet) {
        Ok(Network::Ipv4(at)) => ipv4::datagram(packet, at),
        Ok(Network::Ipv6(at)) => ipv6::datagram(packet, at),
        Err(parsed) => Err(parsed),
    };
    match parsed {
        Ok(datagram) => transport::segment(packet, &datagram),
        Err(parsed) => parsed,
    }
}
