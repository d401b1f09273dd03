//! Random policies and packets over a small world, so that they meet.

mod policies;

use crate::built;
use crate::frame::{self, V4, V6, flags};
use crate::oracle::Context;
use crate::random::Random;
use filter_user::config::policy::{Policy, Transport};
pub use policies::policy;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const PORTS: [u16; 10] = [22, 53, 68, 123, 443, 546, 8000, 8001, 8002, 40_000];
const HOST: [&str; 4] = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2"];

fn source4(random: &mut Random) -> Ipv4Addr {
    let [a, b, c] = [random.below(2), random.below(2), random.below(8)];
    Ipv4Addr::new(10, a as u8 * 128, b as u8, 250 + c as u8 % 6)
}

fn source6(random: &mut Random) -> Ipv6Addr {
    let [a, b, c] = [random.below(2), random.below(2), random.below(4)];
    Ipv6Addr::new(
        0x2001,
        0xdb8,
        0,
        a as u16,
        b as u16 * 0x8000,
        0,
        0,
        c as u16,
    )
}

/// What packets meet: an interface, bans, timed allows, a bypass now and then.
pub fn context(random: &mut Random, policy: &Policy) -> Context {
    let mut context = Context {
        interface: match random.below(policy.interfaces.len() + 1) {
            0 => None,
            n => Some(n - 1),
        },
        ..Context::default()
    };
    let exceptions = |random: &mut Random| {
        let times = if random.one_in(2) { 0 } else { random.below(4) };
        (0..times)
            .map(|_| {
                let service = match random.below(policy.services.len() + 1) {
                    0 => None,
                    n => Some(n - 1),
                };
                let lasts = random.below(3) as u64 * 500_000_000;
                let (address, length) = match random.below(3) {
                    0 => (IpAddr::V4(source4(random)), 32),
                    1 => (IpAddr::V6(source6(random)), 128),
                    _ => {
                        let net = ipnet::Ipv6Net::new(source6(random), 64).expect("a length");
                        (IpAddr::V6(net.network()), 64)
                    }
                };
                (address, length, service, lasts)
            })
            .collect::<Vec<_>>()
    };
    context.bans = exceptions(random);
    context.allows = exceptions(random);
    context.is_bypassed = random.one_in(12);
    context
}

/// Sockets of the host, where packets that answer go: what a kernel must be given, so not part of
/// every context.
pub fn sockets(random: &mut Random, context: &mut Context) {
    for _ in 0..random.below(60) {
        let (source, host) = match random.one_in(2) {
            true => (IpAddr::V4(source4(random)), HOST[random.below(2)]),
            false => (IpAddr::V6(source6(random)), HOST[2 + random.below(2)]),
        };
        let host = host.parse().expect("an address");
        let flow = (source, 40_000, host, random.pick(&PORTS));
        match random.one_in(2) {
            true => context.tcp.push(flow),
            false => context.udp.push(flow),
        }
    }
    for _ in 0..random.below(3) {
        context.udp_ports.push(random.pick(&PORTS));
    }
}

/// A packet that opens a connection, or might, at one of the policy's services: the same few
/// sources come again and again, so that rates bind.
pub fn visit(random: &mut Random, policy: &Policy) -> Vec<u8> {
    let service = &policy.services[random.below(policy.services.len())];
    let ports = &service.ports[random.below(service.ports.len())];
    let port = if ports.first == ports.last {
        ports.first
    } else {
        8001
    };
    let (protocol, payload) = match ports.transport {
        Transport::Tcp => {
            let set = random.pick(&[flags::SYN, flags::SYN, flags::SYN, flags::ACK]);
            (6, frame::tcp(port, set))
        }
        Transport::Udp => (17, frame::udp(port, b"a question")),
        Transport::Quic => (17, frame::udp(port, &frame::quic(0xc0, 1, 1200))),
    };
    if random.one_in(2) {
        let source = Ipv4Addr::new(10, 0, 0, 250 + random.below(2) as u8);
        V4::new(source, HOST[0].parse().expect("IPv4"), protocol).frame(&payload)
    } else {
        let source = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, random.below(2) as u16);
        V6::new(source, HOST[2].parse().expect("IPv6"), protocol).frame(&payload)
    }
}

/// A frame: mostly sound, sometimes not.
pub fn frame(random: &mut Random) -> Vec<u8> {
    let mut frame = sound(random);
    if random.one_in(4) {
        for _ in 0..1 + random.below(3) {
            let at = random.below(frame.len().min(90));
            frame[at] = random.next() as u8;
        }
    }
    if random.one_in(12) {
        frame.truncate(14 + random.below(frame.len() - 13));
    }
    if random.one_in(10) {
        frame.resize(frame.len() + random.below(30), 0xa5);
    }
    frame
}

/// A frame of etherparse's making, sometimes with bytes changed.
///
/// # Panics
/// Never: the host's addresses are ones.
pub fn built(random: &mut Random) -> Vec<u8> {
    let [server4, server6] = [random.below(2), 2 + random.below(2)].map(|at| HOST[at]);
    let server4: Ipv4Addr = server4.parse().expect("IPv4");
    let server6: Ipv6Addr = server6.parse().expect("IPv6");
    let ends4 = [source4(random).octets(), server4.octets()];
    let ends6 = [source6(random).octets(), server6.octets()];
    let port = random.pick(&PORTS);
    let mut frame = built::frame(random, ends4, ends6, port);
    if random.one_in(3) {
        for _ in 0..1 + random.below(3) {
            let at = random.below(frame.len().min(120));
            frame[at] = random.next() as u8;
        }
    }
    frame
}

fn sound(random: &mut Random) -> Vec<u8> {
    let (protocol, payload) = payload(random);
    let (kind, packet) = if random.one_in(2) {
        let mut packet = V4::new(
            source4(random),
            HOST[random.below(2)].parse().expect("IPv4"),
            protocol,
        );
        if random.one_in(6) {
            packet.options = vec![1; 4 * (1 + random.below(10))];
        }
        if random.one_in(6) {
            packet.fragment = random.pick(&[0x2000, 0x2001, 1, 2, 3, 0x2003, 0x1fff, 0x8000]);
        }
        (0x0800, packet.bytes(&payload))
    } else {
        let mut packet = V6::new(
            source6(random),
            HOST[2 + random.below(2)].parse().expect("IPv6"),
            protocol,
        );
        if random.one_in(3) {
            for _ in 0..1 + random.below(10) {
                packet = match random.below(9) {
                    0 => packet.fragment(random.pick(&[0, 0, 0, 1, 2, 3, 100]), random.one_in(2)),
                    n => {
                        let kind = [0, 43, 51, 60, 135, 139, 140, 60][n - 1];
                        packet.extension(kind, random.below(4) as u8)
                    }
                };
            }
        }
        (0x86dd, packet.bytes(&payload))
    };
    let tags = if random.one_in(5) { random.below(4) } else { 0 };
    let tags: Vec<_> = (0..tags)
        .map(|n| (random.pick(&[0x8100, 0x88a8]), n as u16 * 7))
        .collect();
    let kind = if random.one_in(50) { 0x0806 } else { kind };
    frame::tagged(&tags, kind, &packet)
}

fn payload(random: &mut Random) -> (u8, Vec<u8>) {
    let port = random.pick(&PORTS);
    match random.below(12) {
        0..=3 => {
            let usual = [flags::SYN, flags::ACK, flags::SYN | flags::ACK, flags::RST];
            let set = if random.one_in(6) {
                random.next() as u8
            } else {
                random.pick(&usual)
            };
            let offset = if random.one_in(8) {
                random.next() as u8
            } else {
                0x50
            };
            (
                6,
                frame::tcp_with(port, set, offset, &vec![0; random.below(30)]),
            )
        }
        4..=5 => (6, frame::tcp(port, flags::SYN)),
        6..=7 => {
            let payload = vec![0x40; random.below(40)];
            let length = match random.below(8) {
                0 => 0,
                1 => random.below(60) as u16,
                _ => 8 + payload.len() as u16,
            };
            (17, frame::udp_with(port, length, &payload))
        }
        8..=9 => {
            let version = random.pick(&[0, 1, 0x6b33_43cf, 0xff00_001d]);
            let size = random.pick(&[1200, 1200, 1252, 1199, 40, 5]);
            let first = 0xc0 | (random.next() as u8 & 0x3f);
            let datagram = match random.below(3) {
                0 => frame::quic(first, version, size),
                _ => coalesced(random, first, version, size),
            };
            (17, frame::udp(port, &datagram))
        }
        10 => (random.pick(&[1, 2, 58]), vec![8, 0, 0, 0, 0, 0, 0, 0]),
        _ => (random.pick(&[50, 89, 47, 132, 41, 59]), vec![0; 20]),
    }
}

/// QUIC packets in one datagram, or what looks a little like them.
fn coalesced(random: &mut Random, first: u8, version: u32, size: usize) -> Vec<u8> {
    let mut datagram = Vec::new();
    for _ in 0..1 + random.below(5) {
        let ids = [random.pick(&[0, 8, 20, 255]), random.pick(&[0, 8, 20])];
        let rest = random.pick(&[0, 1, 63, 100, 300, 1100, 1180, 1400]);
        let first = random.pick(&[first, 0xd0, 0xe0]);
        let version = random.pick(&[version, 1]);
        datagram.extend(frame::quic_long(
            first,
            version,
            ids,
            random.pick(&[1, 2, 4]),
            rest,
        ));
    }
    datagram.extend(frame::quic(
        random.pick(&[0x00, 0x40, 0x80, 0xc0]),
        version,
        5,
    ));
    datagram.resize(size, random.next() as u8);
    datagram
}
