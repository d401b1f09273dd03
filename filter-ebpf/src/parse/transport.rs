//! TCP (RFC 9293) and UDP (RFC 768) headers, and who has none.

use super::{Datagram, Parsed, Segment, Transport};
use crate::packet::{Fields as _, Packet};
use filter_common::addr::Address;
use filter_common::gcra::Cost;

const ICMP: u8 = 1;
const IGMP: u8 = 2;
pub(super) const TCP: u8 = 6;
pub(super) const UDP: u8 = 17;
const ICMPV6: u8 = 58;

const TCP_HEADER: usize = 20;
const UDP_HEADER: usize = 8;

#[inline(always)]
pub(super) fn segment<P: Packet + ?Sized>(packet: &P, ip: &Datagram) -> Parsed {
    if ip.fragment.is_later() {
        return if ip.protocol == TCP && ip.fragment.overlaps_tcp_header() {
            Parsed::BadFragment
        } else {
            Parsed::LaterFragment { source: ip.source }
        };
    }
    match ip.protocol {
        TCP => tcp(packet, ip),
        UDP => udp(packet, ip),
        protocol if is_icmp(protocol, ip.source) => Parsed::Icmp,
        protocol => Parsed::Other { protocol },
    }
}

#[inline(always)]
fn is_icmp(protocol: u8, source: Address) -> bool {
    match source {
        Address::V4(_) => protocol == ICMP || protocol == IGMP,
        Address::V6 { .. } => protocol == ICMPV6,
    }
}

/// A header that the packet cuts short: in a first fragment it hides the ports (row 3).
#[inline(always)]
fn cut_short(ip: &Datagram) -> Parsed {
    if ip.fragment.is_first() {
        Parsed::BadFragment
    } else {
        Parsed::Malformed
    }
}

#[inline(always)]
fn tcp<P: Packet + ?Sized>(packet: &P, ip: &Datagram) -> Parsed {
    let Some(header) = packet.load_within::<TCP_HEADER>(ip.at, ip.end) else {
        return cut_short(ip);
    };
    let length = usize::from(header[12] >> 4) * 4;
    if length < TCP_HEADER || is_impossible(header[13]) {
        return Parsed::Malformed;
    }
    if ip.at + length > ip.end {
        return cut_short(ip);
    }
    let opens = if header[13] & (SYN | ACK) == SYN {
        Some(Cost::Whole)
    } else {
        None
    };
    Parsed::Segment(Segment {
        source: ip.source,
        destination: ip.destination,
        source_port: header.wire16_at::<0>(),
        port: header.wire16_at::<2>(),
        transport: Transport::Tcp { opens },
    })
}

#[inline(always)]
fn udp<P: Packet + ?Sized>(packet: &P, ip: &Datagram) -> Parsed {
    let Some(header) = packet.load_within::<UDP_HEADER>(ip.at, ip.end) else {
        return cut_short(ip);
    };
    let room = ip.end - ip.at;
    let length = match (usize::from(header.u16_at::<4>()), ip.source) {
        // Longer than the field can say (RFC 2675 s. 4): the IP length counts, and of a first
        // fragment that is not known.
        (0, Address::V6 { .. }) if ip.fragment.is_first() => usize::from(u16::MAX),
        (0, Address::V6 { .. }) => room,
        (length, _) => length,
    };
    if length < UDP_HEADER || length > room && !ip.fragment.is_first() {
        return Parsed::Malformed;
    }
    Parsed::Segment(Segment {
        source: ip.source,
        destination: ip.destination,
        source_port: header.wire16_at::<0>(),
        port: header.wire16_at::<2>(),
        transport: Transport::Udp {
            payload: ip.at + UDP_HEADER,
            payload_length: length - UDP_HEADER,
            end: ip.end,
        },
    })
}

const FIN: u8 = 1;
const SYN: u8 = 2;
const RST: u8 = 4;
const ACK: u8 = 16;

/// One bit for each combination of FIN, SYN, RST, PSH, ACK and URG that no stack sends: a test
/// is a shift.
const IMPOSSIBLE: u64 = {
    let mut bits = 0;
    let mut flags = 0u8;
    while flags < 64 {
        if flags == 0
            || flags & (SYN | FIN) == SYN | FIN
            || flags & (SYN | RST) == SYN | RST
            || flags & (FIN | ACK) == FIN
        {
            bits |= 1 << flags;
        }
        flags += 1;
    }
    bits
};

#[inline(always)]
fn is_impossible(flags: u8) -> bool {
    IMPOSSIBLE >> (flags & 63) & 1 != 0
}
