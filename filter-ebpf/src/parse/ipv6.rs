//! The IPv6 header and its extension headers (RFC 8200).

use super::transport::{TCP, UDP};
use super::{Datagram, Fragment, Parsed};
use crate::packet::{Fields as _, Packet};
use filter_common::addr::Address;

const HEADER: usize = 40;
/// More than anything but a scan sends; each costs the verifier a turn of the loop.
const EXTENSION_HEADERS: usize = 8;
/// Larger than any offset that eight extension headers of 2,048 bytes reach. It gives `at` the
/// same range after each turn, so that the verifier merges them.
const OFFSET_MASK: usize = 0x7fff;
/// Set in a fragment state once a fragment header was seen: a reserved bit of that header.
const SEEN: u16 = 2;

/// IANA "Assigned Internet Protocol Numbers".
mod next {
    pub(super) const HOP_BY_HOP: u8 = 0;
    pub(super) const ROUTING: u8 = 43;
    pub(super) const FRAGMENT: u8 = 44;
    pub(super) const AUTHENTICATION: u8 = 51;
    pub(super) const NONE: u8 = 59;
    pub(super) const DESTINATION: u8 = 60;
    pub(super) const MOBILITY: u8 = 135;
    pub(super) const HOST_IDENTITY: u8 = 139;
    pub(super) const SHIM6: u8 = 140;
}

#[inline(always)]
pub(super) fn datagram<P: Packet + ?Sized>(packet: &P, at: usize) -> Result<Datagram, Parsed> {
    let header = packet.load::<HEADER>(at).ok_or(Parsed::Malformed)?;
    let payload = usize::from(header.u16_at::<4>());
    let end = at + HEADER + payload;
    let is_jumbogram = payload == 0 && header[6] != next::NONE;
    if header[0] >> 4 != 6 || is_jumbogram || !packet.reaches(end) {
        return Err(Parsed::Malformed);
    }
    let datagram = Datagram {
        source: Address::V6 {
            upper: header.u64_at::<8>(),
            lower: header.u64_at::<16>(),
        },
        destination: [header.wire64_at::<24>(), header.wire64_at::<32>()],
        protocol: header[6],
        at: at + HEADER,
        end,
        fragment: Fragment(0),
    };
    extensions(packet, datagram)
}

/// Past the extension headers, or to where a later fragment's data begins.
#[inline(always)]
fn extensions<P: Packet + ?Sized>(packet: &P, mut ip: Datagram) -> Result<Datagram, Parsed> {
    // Nearly every packet has none.
    if ip.protocol == TCP || ip.protocol == UDP {
        return Ok(ip);
    }
    let mut fragment = 0u16;
    for _ in 0..EXTENSION_HEADERS {
        if !is_extension(ip.protocol) {
            break;
        }
        // The smallest has eight bytes; one number of the four that matter, not an array, which
        // LLVM would spill in pieces that the verifier calls misaligned.
        if ip.at + 8 > ip.end {
            return Err(Parsed::Malformed);
        }
        let header = packet
            .load::<4>(ip.at)
            .ok_or(Parsed::Malformed)?
            .u32_at::<0>();
        let length = (header >> 16 & 0xff) as usize;
        let size = match ip.protocol {
            next::FRAGMENT => {
                if fragment & SEEN != 0 {
                    return Err(Parsed::Malformed);
                }
                fragment = header as u16 & !6 | SEEN;
                8
            }
            next::AUTHENTICATION => 8 + length * 4,
            // Type 0 is a traffic amplifier (RFC 5095).
            next::ROUTING if header >> 8 & 0xff == 0 => return Err(Parsed::Malformed),
            _ => 8 + length * 8,
        };
        ip.protocol = (header >> 24) as u8;
        if fragment >> 3 != 0 {
            ip.fragment = state(fragment);
            return Ok(ip);
        }
        let after = (ip.at + size) & OFFSET_MASK;
        if after > ip.end {
            return Err(Parsed::Malformed);
        }
        ip.at = after;
    }
    if is_extension(ip.protocol) {
        return Err(Parsed::Malformed);
    }
    ip.fragment = state(fragment);
    Ok(ip)
}

/// Of a fragment header's second word: the offset in units of 8 bytes, reserved bits, and in the
/// lowest whether more fragments follow.
#[inline(always)]
fn state(fragment: u16) -> Fragment {
    Fragment(fragment >> 3 | ((fragment & 1) * Fragment::MORE))
}

#[inline(always)]
fn is_extension(kind: u8) -> bool {
    matches!(
        kind,
        next::HOP_BY_HOP
            | next::ROUTING
            | next::FRAGMENT
            | next::AUTHENTICATION
            | next::DESTINATION
            | next::MOBILITY
            | next::HOST_IDENTITY
            | next::SHIM6
    )
}
