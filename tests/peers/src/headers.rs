//! Reading a frame as plainly as the verifier allows: at most two VLAN tags, no extension headers.

use aya_ebpf::programs::XdpContext;

/// What the filters ask a packet.
pub struct Flow {
    /// As on the wire; for IPv4 in the first half of the first word. (Words of eight bytes: the
    /// verifier wants keys on the stack aligned to what they are written by.)
    pub source: [u64; 2],
    /// Whether it is IPv6.
    pub is_ipv6: bool,
    /// Destination port, as on the wire.
    pub port: u16,
    /// SYN without ACK.
    pub opens: bool,
}

/// Reads Ethernet, VLAN, IP and TCP. `None` for anything else.
#[inline(always)]
pub fn parse(ctx: &XdpContext) -> Option<Flow> {
    const VLAN: [u16; 2] = [0x8100_u16.to_be(), 0x88a8_u16.to_be()];
    let mut at = 12;
    let mut kind: u16 = load(ctx, at)?;
    for _ in 0..2 {
        if VLAN.contains(&kind) {
            at += 4;
            kind = load(ctx, at)?;
        }
    }
    at += 2;
    if kind == 0x0800_u16.to_be() {
        let [first, _, _, _]: [u8; 4] = load(ctx, at)?;
        let fragment: u16 = load(ctx, at + 6)?;
        let protocol: u8 = load(ctx, at + 9)?;
        if first & 15 < 5 || fragment & 0x1fff_u16.to_be() != 0 || protocol != 6 {
            return None;
        }
        let source: u32 = load(ctx, at + 12)?;
        let [port, opens] = tcp(ctx, at + usize::from(first & 15) * 4)?;
        Some(Flow {
            source: [u64::from(source), 0],
            is_ipv6: false,
            port,
            opens: opens != 0,
        })
    } else if kind == 0x86dd_u16.to_be() {
        let next: u8 = load(ctx, at + 6)?;
        if next != 6 {
            return None;
        }
        let source: [u64; 2] = load(ctx, at + 8)?;
        let [port, opens] = tcp(ctx, at + 40)?;
        Some(Flow {
            source,
            is_ipv6: true,
            port,
            opens: opens != 0,
        })
    } else {
        None
    }
}

#[inline(always)]
fn tcp(ctx: &XdpContext, at: usize) -> Option<[u16; 2]> {
    let words: [u32; 5] = load(ctx, at)?;
    let [_, _, low, high] = words[0].to_ne_bytes();
    let [_, flags, _, _] = words[3].to_ne_bytes();
    Some([
        u16::from_ne_bytes([low, high]),
        u16::from(flags & 0x12 == 0x02),
    ])
}

#[inline(always)]
fn load<T: Copy>(ctx: &XdpContext, at: usize) -> Option<T> {
    let start = ctx.data() + at;
    if start + size_of::<T>() > ctx.data_end() {
        return None;
    }
    // SAFETY: [start, start + size) was just found to lie inside the frame; `T` here is a number or
    // an array of numbers, and the read needs no alignment.
    Some(unsafe { (start as *const T).read_unaligned() })
}
