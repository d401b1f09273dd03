//! Which sockets the host has for a packet, in the interface's network namespace.

use aya_ebpf::bindings::{BPF_F_CURRENT_NETNS, BPF_TCP_LISTEN, bpf_sock, bpf_sock_tuple};
use aya_ebpf::helpers::generated::{bpf_sk_lookup_udp, bpf_sk_release, bpf_skc_lookup_tcp};
use aya_ebpf::programs::XdpContext;
use filter_common::addr::Address;
use filter_ebpf::tables::{Ends, UdpSocket};

const NETNS: u64 = BPF_F_CURRENT_NETNS as i64 as u64;

/// Whether there is a TCP socket that does not listen: established, closing, in TIME_WAIT, or
/// a connection request. (`bpf_sk_lookup_tcp` would not find the last two.)
#[inline(always)]
pub fn has_tcp_connection(ctx: &XdpContext, ends: &Ends) -> bool {
    let (mut tuple, size) = tuple(ends);
    let at: *mut bpf_sock_tuple = (&raw mut tuple).cast();
    // SAFETY: the context is the program's own, the tuple lives on the stack and has `size` bytes.
    let socket = unsafe { bpf_skc_lookup_tcp(ctx.ctx.cast(), at, size, NETNS, 0) };
    if socket.is_null() {
        return false;
    }
    // SAFETY: not null, so a referenced sock_common, of which the state is part.
    let state = unsafe { (*socket).state };
    release(socket);
    state != BPF_TCP_LISTEN
}

/// The UDP socket that would get the packet.
#[inline(always)]
pub fn udp_socket(ctx: &XdpContext, ends: &Ends) -> UdpSocket {
    let (mut tuple, size) = tuple(ends);
    let at: *mut bpf_sock_tuple = (&raw mut tuple).cast();
    // SAFETY: as above.
    let socket = unsafe { bpf_sk_lookup_udp(ctx.ctx.cast(), at, size, NETNS, 0) };
    if socket.is_null() {
        return UdpSocket::None;
    }
    // SAFETY: not null, so a referenced socket. The look-up gives a connected one only to its
    // peer, so any bound peer is the sender.
    let peer_port = unsafe { (*socket).dst_port };
    release(socket);
    if peer_port != 0 {
        UdpSocket::Connected
    } else {
        UdpSocket::Unconnected
    }
}

#[inline(always)]
fn release(socket: *mut bpf_sock) {
    // SAFETY: the reference that a look-up took, given back once.
    let _ = unsafe { bpf_sk_release(socket.cast()) };
}

/// `bpf_sock_tuple`, as words in network order: source, destination, ports.
type Tuple = [u32; 9];

/// Both ends, and the size of what the family uses of it. Always filled, and as plain words: of
/// the union LLVM makes copies that the verifier cannot follow.
#[inline(always)]
fn tuple(ends: &Ends) -> (Tuple, u32) {
    let ports = u32::from(ends.source_port) | u32::from(ends.port) << 16;
    match (ends.source, ends.destination) {
        (Address::V6 { upper: a, lower: b }, Address::V6 { upper: c, lower: d }) => {
            let [a, b, c, d] = [a.to_be(), b.to_be(), c.to_be(), d.to_be()];
            let (low, high) = (|word: u64| word as u32, |word: u64| (word >> 32) as u32);
            let ends = [
                low(a),
                high(a),
                low(b),
                high(b),
                low(c),
                high(c),
                low(d),
                high(d),
            ];
            let [a, b, c, d, e, f, g, h] = ends;
            ([a, b, c, d, e, f, g, h, ports], 36)
        }
        (Address::V4(source), Address::V4(destination)) => (
            [source.to_be(), destination.to_be(), ports, 0, 0, 0, 0, 0, 0],
            12,
        ),
        // One packet has one family.
        _ => ([0; 9], 12),
    }
}
