//! Packets of other links than Ethernet are judged as the Ethernet frames that they were.

use super::super::{Direction, Frame, LinkType, ends};
use super::{syn, v4};
use etherparse::PacketBuilder;
use filter_ebpf::Packet as _;
use filter_ebpf::parse::{Parsed, parse};

const SOURCE: [u8; 4] = [10, 0, 0, 1];
const DESTINATION: [u8; 4] = [10, 0, 0, 2];

/// The SYN behind another header than Ethernet's, and its link type's number.
fn linked() -> Vec<(u32, Vec<u8>, Direction)> {
    let ethernet = syn(SOURCE, DESTINATION, 443);
    let ip = &ethernet[14..];
    let cooked = |kind: u8| {
        let header = [0, kind, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0, 8, 0];
        [&header[..], ip].concat()
    };
    let cooked2 = |kind: u8| {
        let header = [
            8, 0, 0, 0, 0, 0, 0, 2, 0, 1, kind, 6, 2, 0, 0, 0, 0, 1, 0, 0,
        ];
        [&header[..], ip].concat()
    };
    vec![
        (1, ethernet.clone(), Direction::Unknown),
        (101, ip.to_vec(), Direction::Unknown),
        (228, ip.to_vec(), Direction::Unknown),
        (113, cooked(0), Direction::In),
        (113, cooked(4), Direction::Out),
        (276, cooked2(0), Direction::In),
        (276, cooked2(4), Direction::Out),
    ]
}

fn frame(number: u32, data: &[u8], wire: usize) -> (Frame<'_>, Direction) {
    let link = LinkType::from_number(number).expect("supported");
    link.frame(data, wire as u32).expect("a link's header")
}

#[test]
fn every_link_gives_the_same_frame() {
    let ethernet = syn(SOURCE, DESTINATION, 443);
    let wanted = parse(&ethernet[..]);
    assert!(matches!(wanted, Parsed::Segment(_)));
    for (number, data, direction) in linked() {
        let (frame, said) = frame(number, &data, data.len());
        assert_eq!(parse(&frame), wanted, "{number}");
        assert_eq!(frame.wire_bytes(), ethernet.len() as u64, "{number}");
        assert_eq!(ends(&frame), Some((v4(1), v4(2))), "{number}");
        assert_eq!(said, direction, "{number}");
        assert!(!frame.is_short());
    }
}

#[test]
fn netlink_messages_are_no_ip() {
    for (number, mut data, _) in linked() {
        let hardware = match number {
            113 => 2,
            276 => 8,
            _ => continue,
        };
        data[hardware..hardware + 2].copy_from_slice(&824_u16.to_be_bytes());
        let (frame, _) = frame(number, &data, data.len());
        assert_eq!(parse(&frame), Parsed::NotIp, "{number}");
    }
}

#[test]
fn loads_may_span_the_header_that_was_made_up() {
    let (_, data, _) = linked().swap_remove(3);
    let (frame, _) = frame(113, &data, data.len());
    assert_eq!(frame.load::<4>(12), Some([8, 0, 0x45, 0]));
    assert_eq!(frame.load::<2>(53), None);
}

#[test]
fn a_cut_packet_is_judged_by_its_length_on_the_wire() {
    let ethernet = long();
    let wanted = parse(&ethernet[..]);
    let (cut, _) = frame(1, &ethernet[..54], ethernet.len());
    assert_eq!(parse(&cut), wanted);
    assert!(!cut.is_short(), "the headers are there");
    let (cut, _) = frame(1, &ethernet[..40], ethernet.len());
    assert_eq!(parse(&cut), Parsed::Malformed);
    assert!(cut.is_short(), "the ports are not");
    // A frame that really is that short is malformed, and nobody needs to ask for more.
    let (whole, _) = frame(1, &ethernet[..40], 40);
    assert_eq!(parse(&whole), Parsed::Malformed);
    assert!(!whole.is_short());
}

/// A packet of an established connection, of 1054 bytes.
fn long() -> Vec<u8> {
    let ip = PacketBuilder::ethernet2([2; 6], [4; 6]).ipv4(SOURCE, DESTINATION, 64);
    let mut frame = Vec::new();
    let packet = ip.tcp(50_000, 443, 1, 64_000).ack(1);
    packet
        .write(&mut frame, &[7; 1000])
        .expect("room in memory");
    frame
}

#[test]
fn less_than_a_links_header_is_no_frame() {
    for (number, header) in [(113, 16), (276, 20)] {
        let link = LinkType::from_number(number).expect("supported");
        assert!(link.frame(&vec![0; header - 1], 60).is_none());
        assert!(link.frame(&vec![0; header], 60).is_some());
    }
    assert_eq!(LinkType::from_number(105), None);
}
