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
/// More than any client puts into a packet, and few enough for the verifier's bounds.
const LONGEST: u32 = 0x3fff;
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
    if length < 5 {
        return Quic::Other;
    }
    let Some(header) = packet.load_within::<5>(at, end) else {
        return Quic::Hidden;
    };
    if header[0] & LONG_HEADER == 0 {
        return Quic::Other;
    }
    let initial = match header.u32_at::<1>() {
        // Version negotiation, which only servers send.
        0 => return Quic::Other,
        VERSION_1 => INITIAL_1,
        VERSION_2 => INITIAL_2,
        _ => header[0] & TYPE,
    };
    match header[0] & TYPE == initial {
        true if length < INITIAL_DATAGRAM => Quic::ShortInitial,
        true => Quic::Initial,
        false if length < INITIAL_DATAGRAM => Quic::Other,
        false if packet.may_hide_initial(at, at + length, end) => Quic::Initial,
        false => Quic::Other,
    }
}

/// A datagram may carry several packets (RFC 9000 s. 12.2). No client puts one with a long header
/// behind a 0-RTT or Handshake packet, as stands at `at`: it would hide an Initial from its rate. So
/// would what cannot be read of it.
#[inline(always)]
pub fn may_hide_initial<P: Packet + ?Sized>(
    packet: &P,
    at: usize,
    datagram_end: usize,
    end: usize,
) -> bool {
    match next_packet(packet, at, end) {
        Some(next) if next >= datagram_end => false,
        Some(next) => {
            let first = packet.load_within::<1>(next, end);
            first.is_none_or(|[first]| first & LONG_HEADER != 0)
        }
        None => true,
    }
}

/// Where a packet of a 0-RTT or Handshake type ends (RFC 9000 s. 17.2).
#[inline(always)]
fn next_packet<P: Packet + ?Sized>(packet: &P, at: usize, end: usize) -> Option<usize> {
    let destination_id = at + 5;
    let [size] = packet.load_within::<1>(destination_id, end)?;
    let source_id = destination_id + 1 + usize::from(size);
    let [size] = packet.load_within::<1>(source_id, end)?;
    let length = source_id + 1 + usize::from(size);
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
