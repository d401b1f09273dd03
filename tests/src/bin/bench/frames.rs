//! The frames that are measured.

use std::net::{Ipv4Addr, Ipv6Addr};

use edge_filter_tests::frame::{self, V4, V6, flags};

/// Where they go.
pub const HOST4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
/// The same, IPv6.
pub const HOST6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The service that is asked for.
pub const PORT: u16 = 443;

/// What a packet wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A packet of a connection.
    Established,
    /// A new connection.
    Opening,
}

impl Kind {
    const fn flags(self) -> u8 {
        match self {
            Self::Established => flags::ACK,
            Self::Opening => flags::SYN,
        }
    }
}

/// TCP over IPv4, with a right header checksum, behind so many VLAN tags.
pub fn tcp4(source: u32, port: u16, kind: Kind, tags: usize) -> Vec<u8> {
    let packet = V4::new(source.into(), HOST4, 6);
    let mut packet = packet.bytes(&frame::tcp(port, kind.flags()));
    let sum = edge_filter_tests::netns::frames::checksum(&packet[..20]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    finish(0x0800, &packet, tags)
}

/// TCP over IPv6.
pub fn tcp6(upper: u64, port: u16, kind: Kind, tags: usize) -> Vec<u8> {
    let source = Ipv6Addr::from(u128::from(upper) << 64 | 1);
    let packet = V6::new(source, HOST6, 6);
    finish(0x86dd, &packet.bytes(&frame::tcp(port, kind.flags())), tags)
}

fn finish(kind: u16, packet: &[u8], tags: usize) -> Vec<u8> {
    const TAGS: [(u16, u16); 2] = [(0x8100, 5), (0x8100, 6)];
    let mut frame = frame::tagged(&TAGS[..tags], kind, packet);
    // As short frames are on a wire.
    frame.resize(frame.len().max(60), 0);
    frame
}
