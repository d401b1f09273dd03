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
    if header[0] >> 4 != 4 || length < HEADER || total < length || !packet.reaches(at + total) {
        return Err(Parsed::Malformed);
    }
    let fragment = Fragment(header.u16_at::<6>());
    // Linux cuts off what a fragment with more to come has beyond a multiple of 8 (`ip_frag_queue`):
    // what stands there is not what is judged, the next fragment has it.
    let ragged = if fragment.is_first() {
        (total - length) & 7
    } else {
        0
    };
    Ok(Datagram {
        source: Address::V4(header.u32_at::<12>()),
        destination: [0, header.wire32_at::<16>().into()],
        protocol: header[9],
        at: at + length,
        end: at + total - ragged,
        fragment,
    })
}
