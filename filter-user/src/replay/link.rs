//! A captured packet as the Ethernet frame that the filter would have seen.
//!
//! Must never copy a packet: what is missing of an Ethernet header stands beside its bytes.

use filter_ebpf::Packet;
use std::cell::Cell;

const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IPV6: [u8; 2] = [0x86, 0xdd];
/// Of both cooked headers: the packet was sent by the capturing host.
const OUTGOING: u8 = 4;
/// Hardware type of netlink messages (ARPHRD_NETLINK), whose protocol is no EtherType.
const NETLINK: [u8; 2] = 824_u16.to_be_bytes();

/// What stands before the IP header (tcpdump.org/linktypes.html).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkType {
    /// 1.
    Ethernet,
    /// 101, and what BSDs wrote for it: nothing.
    Raw,
    /// 228: nothing.
    Ipv4,
    /// 229: nothing.
    Ipv6,
    /// 113: what `tcpdump -i any` wrote.
    Cooked,
    /// 276: what it writes.
    Cooked2,
}

/// Which way a packet went, as far as the capture says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// It does not.
    Unknown,
    /// Into the capturing host, or past it.
    In,
    /// Out of it: no filter of incoming packets sees it.
    Out,
}

impl LinkType {
    /// By its number, if it is one of these.
    pub const fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            1 => Self::Ethernet,
            12 | 14 | 101 => Self::Raw,
            113 => Self::Cooked,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::Cooked2,
            _ => return None,
        })
    }

    /// The frame of a packet of `wire_bytes`, of which `data` was captured. `None` if less than
    /// the link's header was.
    pub fn frame(self, data: &[u8], wire_bytes: u32) -> Option<(Frame<'_>, Direction)> {
        let (header, kind, direction) = match self {
            Self::Ethernet => return Some((Frame::whole(data, wire_bytes), Direction::Unknown)),
            Self::Raw => (0, version(data), Direction::Unknown),
            Self::Ipv4 => (0, IPV4, Direction::Unknown),
            Self::Ipv6 => (0, IPV6, Direction::Unknown),
            // Packet type, hardware type, length of the address, address, protocol.
            Self::Cooked => {
                let header = data.first_chunk::<16>()?;
                let kind = kind([header[2], header[3]], [header[14], header[15]]);
                (16, kind, direction(header[1]))
            }
            // Protocol, reserved, interface, hardware type, packet type, length, address.
            Self::Cooked2 => {
                let header = data.first_chunk::<20>()?;
                let kind = kind([header[8], header[9]], [header[0], header[1]]);
                (20, kind, direction(header[10]))
            }
        };
        let mut head = [0; ETHERNET];
        head[12..].copy_from_slice(&kind);
        let frame = Frame {
            head,
            head_bytes: ETHERNET,
            body: data.get(header..)?,
            wire_bytes: u64::from(wire_bytes).saturating_sub(header as u64) + ETHERNET as u64,
            is_short: Cell::new(false),
        };
        Some((frame, direction))
    }
}

fn version(data: &[u8]) -> [u8; 2] {
    match data.first().map(|byte| byte >> 4) {
        Some(4) => IPV4,
        Some(6) => IPV6,
        _ => [0, 0],
    }
}

fn kind(hardware: [u8; 2], protocol: [u8; 2]) -> [u8; 2] {
    if hardware == NETLINK {
        [0, 0]
    } else {
        protocol
    }
}

const fn direction(kind: u8) -> Direction {
    if kind == OUTGOING {
        Direction::Out
    } else {
        Direction::In
    }
}

/// A frame of which a part may not have been captured. Its length is that on the wire.
pub struct Frame<'a> {
    head: [u8; ETHERNET],
    head_bytes: usize,
    body: &'a [u8],
    wire_bytes: u64,
    is_short: Cell<bool>,
}

impl<'a> Frame<'a> {
    /// Bytes that it had, from the Ethernet header on.
    pub const fn wire_bytes(&self) -> u64 {
        self.wire_bytes
    }

    fn whole(body: &'a [u8], wire_bytes: u32) -> Self {
        Self {
            head: [0; ETHERNET],
            head_bytes: 0,
            body,
            wire_bytes: u64::from(wire_bytes),
            is_short: Cell::new(false),
        }
    }

    /// Forgets what was asked for so far.
    pub(super) fn ask_anew(&self) {
        self.is_short.set(false);
    }

    /// Whether bytes were asked for that the packet had and the capture has not: nobody knows
    /// what would have become of it.
    pub fn is_short(&self) -> bool {
        self.is_short.get()
    }

    fn captured<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        if let Some(at) = at.checked_sub(self.head_bytes) {
            return self.body.get(at..)?.first_chunk().copied();
        }
        let mut bytes = self.head.get(at..)?.iter().chain(self.body);
        let mut loaded = [0; N];
        for place in &mut loaded {
            *place = *bytes.next()?;
        }
        Some(loaded)
    }
}

impl Packet for Frame<'_> {
    #[inline(always)]
    fn reaches(&self, end: usize) -> bool {
        end as u64 <= self.wire_bytes
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let loaded = self.captured(at);
        if loaded.is_none() && (at + N) as u64 <= self.wire_bytes {
            self.is_short.set(true);
        }
        loaded
    }
}
