//! The IPv4 header (RFC 791).

use super::{Datagram, Fragment, Parsed};
use crate::packet::{Fields as _, Packet};
use filter_common::addr::Address;

const HEADER: usize = 20;

#[inline(always)]
pub(super) fn datagram<P: Packet + ?Sized>(packet: &P, at: usize) -> Result<Datagram, Parsed> {
    let header = packet.load::<HEADER>(at).ok_or(Parsed::Malformed)?;
    let length = usize::from(header[0] & 15) * 4;
    let total = usize::from(header.u16_at::<2>());
    let end = at + total;
    if header[0] >> 4 != 4 || length < HEADER || total < length || !packet.reaches(end) {
        return Err(Parsed::Malformed);
    }
    // Flags: reserved, don't fragment, more fragments; then the offset in units of 8 bytes.
    let fragment = header.u16_at::<6>();
    Ok(Datagram {
        source: Address::V4(header.u32_at::<12>()),
        destination: Address::V4(header.u32_at::<16>()),
        protocol: header[9],
        at: at + length,
        end,
        fragment: Fragment(fragment << 3 | fragment >> 13 & 1),
    })
}
