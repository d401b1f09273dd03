//! The frame that asks: what a question's packet looks like on the wire, as far as the filter
//! reads it. Checksums are zero, since it verifies none.

use super::question::{Question, What};
use crate::config::is_ipv6_extension;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An Initial comes in a datagram of at least this size (RFC 9000 s. 14.1).
const INITIAL_BYTES: usize = 1200;
/// Type Initial and a version, which is all that tells one.
const INITIAL: [u8; 5] = [0xc0, 0, 0, 0, 1];
/// Both locally administered.
const ADDRESSES: [u8; 12] = [2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1];
const VLAN: u16 = 0x8100;
/// The outer of two tags (IEEE 802.1ad).
const SERVICE_VLAN: u16 = 0x88a8;

/// The whole frame, from the Ethernet header on.
pub fn frame(question: &Question) -> Vec<u8> {
    let mut frame = ADDRESSES.to_vec();
    for (n, vlan) in question.vlans.iter().enumerate() {
        let is_outer = n + 1 < question.vlans.len();
        frame.extend(if is_outer { SERVICE_VLAN } else { VLAN }.to_be_bytes());
        frame.extend(vlan.to_be_bytes());
    }
    let payload = payload(question);
    let protocol = question.what.protocol(question.source.is_ipv6());
    match (question.source, question.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            ipv4(&mut frame, source, destination, protocol, payload.len());
        }
        (source, destination) => {
            let [source, destination] = [source, destination].map(|address| match address {
                IpAddr::V4(address) => address.to_ipv6_mapped(),
                IpAddr::V6(address) => address,
            });
            ipv6(&mut frame, source, destination, protocol, payload.len());
        }
    }
    frame.extend(payload);
    frame
}

fn ipv4(frame: &mut Vec<u8>, source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, length: usize) {
    frame.extend(0x0800_u16.to_be_bytes());
    frame.extend([0x45, 0]);
    frame.extend((20 + length as u16).to_be_bytes());
    // No identification; do not fragment; a time to live.
    frame.extend([0, 0, 0x40, 0, 64, protocol, 0, 0]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
}

fn ipv6(frame: &mut Vec<u8>, source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, length: usize) {
    frame.extend(0x86dd_u16.to_be_bytes());
    frame.extend([0x60, 0, 0, 0]);
    frame.extend((length as u16).to_be_bytes());
    frame.extend([protocol, 64]);
    frame.extend(source.octets());
    frame.extend(destination.octets());
}

fn payload(question: &Question) -> Vec<u8> {
    match question.what {
        What::Tcp(port) => {
            let mut header = ports(question, port);
            header.extend([0; 8]);
            // Five words of header; then flags, window, checksum and urgent pointer.
            header.extend([0x50, question.flags.bits(), 0xff, 0xff, 0, 0, 0, 0]);
            header
        }
        What::Udp(port) => datagram(question, port, &[0; 8]),
        What::Quic(port) => {
            let mut initial = INITIAL.to_vec();
            initial.resize(INITIAL_BYTES, 0);
            datagram(question, port, &initial)
        }
        // An echo request, or zeros.
        What::Icmp if question.source.is_ipv6() => vec![128, 0, 0, 0, 0, 0, 0, 0],
        What::Icmp => vec![8, 0, 0, 0, 0, 0, 0, 0],
        What::Protocol(number) if question.source.is_ipv6() && is_ipv6_extension(number) => {
            extension_header(number)
        }
        What::Protocol(_) => vec![0; 20],
    }
}

/// 24 bytes, or less where its length counts otherwise, and no header behind it.
fn extension_header(number: u8) -> Vec<u8> {
    const NO_NEXT_HEADER: u8 = 59;
    const ROUTING: u8 = 43;
    /// One that hosts take (RFC 8754).
    const SEGMENT_ROUTING: u8 = 4;
    let kind = if number == ROUTING {
        SEGMENT_ROUTING
    } else {
        0
    };
    let mut header = vec![0; 24];
    header[..3].copy_from_slice(&[NO_NEXT_HEADER, 2, kind]);
    header
}

fn datagram(question: &Question, port: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = ports(question, port);
    bytes.extend((8 + payload.len() as u16).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(payload);
    bytes
}

fn ports(question: &Question, port: u16) -> Vec<u8> {
    [question.source_port.to_be_bytes(), port.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::super::question::Flags;
    use super::*;
    use filter_common::addr::Address;
    use filter_common::gcra::Cost;
    use filter_ebpf::parse::{Parsed, Transport, parse};

    fn asked(source: &str, destination: &str, what: What, vlans: &[u16]) -> Parsed {
        let question = Question {
            source: source.parse().unwrap(),
            destination: destination.parse().unwrap(),
            what,
            source_port: 50_000,
            flags: Flags::SYN,
            vlans: vlans.to_vec(),
        };
        parse(&frame(&question)[..])
    }

    fn address(text: &str) -> Address {
        match text.parse().unwrap() {
            IpAddr::V4(address) => Address::V4(address.into()),
            IpAddr::V6(address) => Address::V6 {
                upper: (u128::from(address) >> 64) as u64,
                lower: u128::from(address) as u64,
            },
        }
    }

    #[test]
    fn the_frame_is_what_was_asked_about() {
        for (source, destination) in [("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")] {
            for vlans in [&[][..], &[7], &[7, 8]] {
                let Parsed::Segment(tcp) = asked(source, destination, What::Tcp(443), vlans) else {
                    panic!("no segment");
                };
                assert_eq!(
                    tcp.transport,
                    Transport::Tcp {
                        opens: Some(Cost::Whole)
                    }
                );
                assert_eq!(tcp.port, 443_u16.to_be());
                assert_eq!(tcp.source_port, 50_000_u16.to_be());
                assert_eq!(tcp.destination(), address(destination));
                assert_eq!(tcp.source, address(source));
            }
            for (what, length) in [(What::Udp(53), 8), (What::Quic(443), 1200)] {
                let Parsed::Segment(udp) = asked(source, destination, what, &[]) else {
                    panic!("no segment");
                };
                let Transport::Udp { payload_length, .. } = udp.transport else {
                    panic!("no datagram");
                };
                assert_eq!(payload_length, length);
            }
            assert_eq!(asked(source, destination, What::Icmp, &[]), Parsed::Icmp);
            assert_eq!(
                asked(source, destination, What::Protocol(50), &[]),
                Parsed::Other { protocol: 50 }
            );
        }
    }

    #[test]
    fn what_is_an_extension_header_over_ipv6_is_asked_about_as_one() {
        for number in (0..=u8::MAX).filter(|number| is_ipv6_extension(*number)) {
            let what = What::Protocol(number);
            assert_eq!(
                asked("2001:db8::1", "2001:db8::2", what, &[]),
                Parsed::Other { protocol: 59 },
                "{number}"
            );
            assert_eq!(
                asked("192.0.2.1", "192.0.2.2", what, &[]),
                Parsed::Other { protocol: number }
            );
        }
    }
}
