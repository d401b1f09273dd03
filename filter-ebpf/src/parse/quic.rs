//! QUIC's version-independent header (RFC 8999), as far as it tells a new connection.

use crate::packet::{Fields as _, Packet};

const LONG_HEADER: u8 = 0x80;
/// Bits of the packet type in versions 1 and 2.
const TYPE: u8 = 0x30;
const VERSION_1: u32 = 1;
/// RFC 9369 s. 3.1; there an Initial is of type 1.
const VERSION_2: u32 = 0x6b33_43cf;
const INITIAL_1: u8 = 0x00;
const INITIAL_2: u8 = 0x10;
/// First byte and version.
const START: usize = 5;
/// More than any client puts into one datagram.
const PACKETS: usize = 4;
/// More than any client puts into a packet, and few enough for the verifier's bounds.
const LONGEST: u32 = 0x3fff;
/// As in `ipv6`.
const OFFSET_MASK: usize = 0x7fff;
/// An Initial comes in a datagram of at least this size (RFC 9000 s. 14.1).
const INITIAL_DATAGRAM: usize = 1200;

/// What a datagram on a `quic` port is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quic {
    /// It belongs to a connection that is there, or to none.
    Other,
    /// It opens a connection.
    Initial,
    /// It would, but no client sends it so short.
    ShortInitial,
    /// A first fragment that ends before the header does. QUIC is never fragmented (RFC 9000
    /// s. 14); this would hide an Initial from its rate.
    Hidden,
}

/// Looks at the payload from `at` on; `end` is where the IP packet ends.
#[inline(always)]
pub fn classify<P: Packet + ?Sized>(packet: &P, at: usize, length: usize, end: usize) -> Quic {
    if length < START {
        return Quic::Other;
    }
    let Some(header) = packet.load_within::<START>(at, end) else {
        return Quic::Hidden;
    };
    match kind(header) {
        Kind::Initial if length < INITIAL_DATAGRAM => Quic::ShortInitial,
        Kind::Initial => Quic::Initial,
        Kind::BeforeOthers
            if length >= INITIAL_DATAGRAM && packet.may_hide_initial(at, at + length, end) =>
        {
            Quic::Initial
        }
        Kind::BeforeOthers | Kind::Last => Quic::Other,
    }
}

/// Of a packet in a datagram.
enum Kind {
    Initial,
    /// 0-RTT or Handshake: others may follow it. So may, to this parser, what a client never sends.
    BeforeOthers,
    /// Nothing follows it: a short header, or version negotiation, which only servers send.
    Last,
}

#[inline(always)]
fn kind(header: [u8; START]) -> Kind {
    if header[0] & LONG_HEADER == 0 {
        return Kind::Last;
    }
    let is_initial = match header.u32_at::<1>() {
        0 => return Kind::Last,
        VERSION_1 => header[0] & TYPE == INITIAL_1,
        VERSION_2 => header[0] & TYPE == INITIAL_2,
        _ => true,
    };
    if is_initial {
        Kind::Initial
    } else {
        Kind::BeforeOthers
    }
}

/// Whether an Initial stands behind the packet at `at`, or what stands there cannot be read: a datagram
/// may carry several packets (RFC 9000 s. 12.2), of which a receiver may take any for the first of a
/// connection.
#[inline(always)]
pub fn may_hide_initial<P: Packet + ?Sized>(
    packet: &P,
    mut at: usize,
    datagram_end: usize,
    end: usize,
) -> bool {
    for _ in 0..PACKETS {
        let Some(next) = next_packet(packet, at & OFFSET_MASK, end) else {
            return true;
        };
        // Less is no packet.
        if next + START > datagram_end {
            return false;
        }
        match packet.load_within::<START>(next, end).map(kind) {
            Some(Kind::Last) => return false,
            Some(Kind::BeforeOthers) => at = next,
            Some(Kind::Initial) | None => return true,
        }
    }
    true
}

/// Where a 0-RTT or Handshake packet ends (RFC 9000 s. 17.2).
#[inline(always)]
fn next_packet<P: Packet + ?Sized>(packet: &P, at: usize, end: usize) -> Option<usize> {
    let destination_id = at + START;
    let source_id = destination_id + 1 + byte(packet, destination_id, end)?;
    let length = source_id + 1 + byte(packet, source_id, end)?;
    // Of one, two, four or eight bytes (RFC 9000 s. 16); no datagram needs the longest.
    let number = packet.load_within::<4>(length, end)?.u32_at::<0>();
    let (size, rest) = match number >> 30 {
        0 => (1, number >> 24 & 0x3f),
        1 => (2, number >> 16 & 0x3fff),
        2 => (4, number & 0x3fff_ffff),
        _ => return None,
    };
    if rest > LONGEST {
        return None;
    }
    Some(length + size + rest as usize)
}

/// Read with the byte behind it: a comparison that speaks for one byte tells the verifier nothing.
#[inline(always)]
fn byte<P: Packet + ?Sized>(packet: &P, at: usize, end: usize) -> Option<usize> {
    let [byte, _] = packet.load_within::<2>(at, end)?;
    Some(usize::from(byte))
}
