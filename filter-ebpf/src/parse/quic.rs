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
    let is_initial = match header.u32_at::<1>() {
        // Version negotiation, which only servers send.
        0 => false,
        VERSION_1 => header[0] & TYPE == INITIAL_1,
        VERSION_2 => header[0] & TYPE == INITIAL_2,
        _ => true,
    };
    match is_initial {
        true if length < INITIAL_DATAGRAM => Quic::ShortInitial,
        true => Quic::Initial,
        false => Quic::Other,
    }
}
