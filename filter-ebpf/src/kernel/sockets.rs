//! Which sockets the host has for a packet, in the interface's network namespace.

use aya_ebpf::bindings::{
    BPF_F_CURRENT_NETNS, BPF_TCP_LISTEN, bpf_sock, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1,
    bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1, bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2,
};
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
    // SAFETY: the context is the program's own, the tuple lives on the stack, `size` is that of
    // the family's half of it.
    let socket = unsafe { bpf_skc_lookup_tcp(ctx.ctx.cast(), &raw mut tuple, size, NETNS, 0) };
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
    // SAFETY: as above.
    let socket = unsafe { bpf_sk_lookup_udp(ctx.ctx.cast(), &raw mut tuple, size, NETNS, 0) };
    if socket.is_null() {
        return UdpSocket::None;
    }
    // SAFETY: not null, so a referenced socket. The look-up gives a connected one only to its
    // peer, so any bound peer is the sender.
    let peer_port = unsafe { (*socket).dst_port };
    release(socket);
    if peer_port != 0 { UdpSocket::Connected } else { UdpSocket::Unconnected }
}

#[inline(always)]
fn release(socket: *mut bpf_sock) {
    // SAFETY: the reference that a look-up took, given back once.
    let _ = unsafe { bpf_sk_release(socket.cast()) };
}

/// Both ends in network order, and the size of the family's half of the union.
#[inline(always)]
fn tuple(ends: &Ends) -> (bpf_sock_tuple, u32) {
    let (sport, dport) = (ends.source_port, ends.port);
    let (source, destination) = match (ends.source, ends.destination) {
        (Address::V4(source), Address::V4(destination)) => {
            let ipv4 = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
                saddr: source.to_be(),
                daddr: destination.to_be(),
                sport,
                dport,
            };
            let size = size_of_val(&ipv4) as u32;
            let both = bpf_sock_tuple__bindgen_ty_1 { ipv4 };
            return (bpf_sock_tuple { __bindgen_anon_1: both }, size);
        }
        (source, destination) => (words(source), words(destination)),
    };
    let ipv6 = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_2 {
        saddr: source,
        daddr: destination,
        sport,
        dport,
    };
    let size = size_of_val(&ipv6) as u32;
    (bpf_sock_tuple { __bindgen_anon_1: bpf_sock_tuple__bindgen_ty_1 { ipv6 } }, size)
}

#[inline(always)]
fn words(address: Address) -> [u32; 4] {
    let (upper, lower) = match address {
        Address::V4(address) => (0, u64::from(address)),
        Address::V6 { upper, lower } => (upper, lower),
    };
    [
        ((upper >> 32) as u32).to_be(),
        (upper as u32).to_be(),
        ((lower >> 32) as u32).to_be(),
        (lower as u32).to_be(),
    ]
}
