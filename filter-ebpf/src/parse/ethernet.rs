//! Ethernet and up to two VLAN tags.

use super::Parsed;
use crate::packet::{Fields as _, Packet};

const HEADER: usize = 14;
const TAG: usize = 4;
/// A frame with a third tag is malformed: no switch makes it, and whoever reads on is filtered
/// by nobody.
const TAGS: usize = 2;

/// Of a tag, without its priority.
const VLAN_ID: u16 = 0xfff;

const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// IEEE 802.1Q and 802.1ad.
const VLAN: [u16; 2] = [0x8100, 0x88a8];

/// Where the IP header starts.
pub(super) enum Network {
    Ipv4(usize),
    Ipv6(usize),
}

#[inline(always)]
pub(super) fn network<P: Packet + ?Sized>(packet: &P) -> Result<Network, Parsed> {
    let header = packet.load::<HEADER>(0).ok_or(Parsed::Malformed)?;
    let mut kind = header.u16_at::<12>();
    let mut at = HEADER;
    for _ in 0..TAGS {
        if !is_vlan(kind) {
            break;
        }
        let tag = packet.load::<TAG>(at).ok_or(Parsed::Malformed)?;
        kind = tag.u16_at::<2>();
        at += TAG;
    }
    match kind {
        IPV4 => Ok(Network::Ipv4(at)),
        IPV6 => Ok(Network::Ipv6(at)),
        _ if is_vlan(kind) => Err(Parsed::Malformed),
        _ => Err(Parsed::NotIp),
    }
}

/// The tags before an IP header at `at`, as events have them: 1 more than the id, outer first, 0
/// for none.
#[inline(always)]
pub(super) fn vlans<P: Packet + ?Sized>(packet: &P, at: usize) -> [u16; TAGS] {
    let id = |tag: Option<[u8; TAG]>| tag.map_or(0, |tag| (tag.u16_at::<0>() & VLAN_ID) + 1);
    let outer = if at > HEADER {
        packet.load(HEADER)
    } else {
        None
    };
    let inner = if at > HEADER + TAG {
        packet.load(HEADER + TAG)
    } else {
        None
    };
    [id(outer), id(inner)]
}

#[inline(always)]
fn is_vlan(kind: u16) -> bool {
    kind == VLAN[0] || kind == VLAN[1]
}
