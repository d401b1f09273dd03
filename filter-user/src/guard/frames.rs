//! Packets of a peer, as the wire would carry them.

use super::{Peer, Transport};
use etherparse::PacketBuilder;
use std::net::IpAddr;

const SENDER: [u8; 6] = [2, 0, 0, 0, 0, 1];
const HOST: [u8; 6] = [2, 0, 0, 0, 0, 2];
const HOP_LIMIT: u8 = 64;
const WINDOW: u16 = 64_240;

/// The packet that opens a connection, or one of an established one. `None` if this peer sends no
/// such packet, or its addresses are of two families.
pub fn frame(peer: &Peer, is_new: bool) -> Option<Vec<u8>> {
    if is_new && !peer.opens {
        return None;
    }
    let ethernet = PacketBuilder::ethernet2(SENDER, HOST);
    let ip = match (peer.remote.ip(), peer.local.ip()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ethernet.ipv4(from.octets(), to.octets(), HOP_LIMIT),
        (IpAddr::V6(from), IpAddr::V6(to)) => ethernet.ipv6(from.octets(), to.octets(), HOP_LIMIT),
        _ => return None,
    };
    let (from, to) = (peer.remote.port(), peer.local.port());
    let mut frame = Vec::new();
    let written = match peer.transport {
        Transport::Tcp if is_new => ip.tcp(from, to, 1, WINDOW).syn().write(&mut frame, &[]),
        Transport::Tcp => ip.tcp(from, to, 1, WINDOW).ack(1).write(&mut frame, &[]),
        Transport::Udp => ip.udp(from, to).write(&mut frame, &[0; 32]),
        Transport::Icmp => match peer.remote {
            std::net::SocketAddr::V4(_) => ip.icmpv4_echo_request(1, 1).write(&mut frame, &[]),
            std::net::SocketAddr::V6(_) => ip.icmpv6_echo_request(1, 1).write(&mut frame, &[]),
        },
    };
    // Writing to memory does not fail; lengths are small.
    written.ok().map(|()| frame)
}
