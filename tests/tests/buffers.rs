//! Frames longer than a driver's first buffer: all of their bytes are counted and told.

use edge_filter_tests::events::Tap;
use edge_filter_tests::frame::{V4, V6, ethernet, flags, tagged, tcp, udp};
use edge_filter_tests::kernel::Tested;
use filter_common::verdict::{Decision, Outcome};
use filter_user::compile::{Generation, Ids, compile};
use filter_user::config::{HostFacts, load_from};
use std::path::Path;

/// A test run puts a page, less room for headers of its own, into the first buffer: some 3.5 kB.
const FIRST_ENDS_WITHIN: std::ops::Range<usize> = 3300..3900;
/// Bytes of a jumbo frame behind its transport header.
const JUMBO: usize = 8900;

const POLICY: &str = r#"
[[interface]]
name = "eth0"
[policy]
unlisted_ports = "drop"
management = "none"
[[service]]
name = "api"
ports = ["443/tcp", "443/udp"]
allow = ["198.51.100.0/24", "2001:db8::/32"]
"#;

fn generation() -> Generation {
    let read = |_: &Path| Err(std::io::Error::other("no files here"));
    let path = Path::new("buffers.toml");
    let loaded = load_from(path, POLICY.as_bytes(), &read, &HostFacts::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
    compile(&loaded.policy, &Ids::in_order(&loaded.policy)).expect("compiles")
}

fn start() -> Tested {
    let mut tested = Tested::load().expect("the test object");
    tested.place(&generation()).expect("placed");
    tested.set_interface(Some(0));
    tested
}

fn with_room(mut segment: Vec<u8>, bytes: usize) -> Vec<u8> {
    segment.resize(segment.len() + bytes, 0xa5);
    segment
}

fn v4(host: u8, payload: &[u8]) -> Vec<u8> {
    v4_of(host, 6).frame(payload)
}

fn v4_of(host: u8, protocol: u8) -> V4 {
    V4::new([198, 51, host, 7].into(), [192, 0, 2, 1].into(), protocol)
}

fn v6_of(source: &str, protocol: u8) -> V6 {
    let [source, server] = [source, "2001:db8:1::1"].map(|text| text.parse().expect("one"));
    V6::new(source, server, protocol)
}

#[test]
fn whatever_becomes_of_a_frame_all_of_its_bytes_are_counted() {
    let mut tested = start();
    let ack = with_room(tcp(443, flags::ACK), JUMBO);
    let unlisted = with_room(tcp(444, flags::ACK), JUMBO);
    let datagram = udp(443, &[0; JUMBO]);
    let mut of_another_version = v4(100, &ack);
    of_another_version[14] = 0x65;
    let longer_than_its_frame = {
        let mut frame = v4(100, &ack);
        frame.pop();
        frame
    };
    let inside = v4_of(100, 6).bytes(&ack);
    let cases = [
        (Outcome::ALLOWED, v4(100, &ack)),
        (Outcome::ALLOWED, v6_of("2001:db8::7", 6).frame(&ack)),
        (Outcome::ALLOWED, v4_of(100, 17).frame(&datagram)),
        (
            Outcome::ALLOWED,
            tagged(&[(0x88a8, 5), (0x8100, 6)], 0x0800, &inside),
        ),
        (Outcome::NOT_ALLOWED, v4(7, &ack)),
        (Outcome::NOT_ALLOWED, v6_of("2a00::7", 6).frame(&ack)),
        (Outcome::UNLISTED, v4(100, &unlisted)),
        (Outcome::ICMP, v4_of(100, 1).frame(&ack)),
        (
            Outcome::FRAGMENT_PASSED,
            v6_of("2001:db8::7", 6).fragment(185, true).frame(&ack),
        ),
        (Outcome::MALFORMED, of_another_version),
        (Outcome::MALFORMED, longer_than_its_frame),
        (Outcome::NOT_IP, ethernet(0x88cc, &ack)),
    ];
    for (expected, frame) in cases {
        let (_, _, outcome) = tested.run(&frame).unwrap_or_else(|error| {
            panic!("{expected:?}, {} bytes: {error:#}", frame.len());
        });
        assert_eq!(outcome, expected, "{} bytes", frame.len());
    }
    // A slot that the policy has no interface for.
    tested.set_interface(Some(1));
    let (_, _, outcome) = tested.run(&v4(100, &ack)).expect("counted");
    assert_eq!(outcome, Outcome::NO_POLICY);
}

#[test]
fn nothing_is_special_about_where_the_first_buffer_ends() {
    let mut tested = start();
    let allowed = Decision::of_service(Outcome::ALLOWED, 0).counter(0);
    let malformed = Decision::general(Outcome::MALFORMED).counter(0);
    let mut run = 0;
    for bytes in FIRST_ENDS_WITHIN {
        let ack = with_room(tcp(443, flags::ACK), bytes);
        for frame in [v4(100, &ack), v6_of("2001:db8::7", 6).frame(&ack)] {
            let cut = &frame[..frame.len() - 1];
            for (frame, place) in [(&frame[..], allowed), (cut, malformed)] {
                tested.run_at(frame, place).unwrap_or_else(|error| {
                    panic!("{} bytes: {error:#}", frame.len());
                });
                run += 1;
            }
        }
    }
    assert_eq!(tested.packets().expect("counted"), run);
}

#[test]
fn a_header_is_read_in_whichever_buffer_it_is() {
    const DESTINATION_OPTIONS: u8 = 60;
    let mut tested = start();
    let mut tap = Tap::open(&tested, 10).expect("opened");
    // Two of nearly 2 kB each: the transport header is in the second buffer, or in both.
    for units in (0..=u8::MAX).rev().take(140) {
        let frame = |source, port| {
            v6_of(source, 6)
                .extension(DESTINATION_OPTIONS, u8::MAX)
                .extension(DESTINATION_OPTIONS, units)
                .frame(&tcp(port, flags::ACK))
        };
        let cases = [
            ("2001:db8::7", 443, Outcome::ALLOWED),
            ("2a00::7", 443, Outcome::NOT_ALLOWED),
            ("2001:db8::7", 444, Outcome::UNLISTED),
        ];
        for (source, port, expected) in cases {
            let place = match expected {
                Outcome::UNLISTED => Decision::general(expected),
                of_service => Decision::of_service(of_service, 0),
            };
            let frame = frame(source, port);
            tested
                .run_at(&frame, place.counter(0))
                .unwrap_or_else(|error| panic!("{} bytes: {error:#}", frame.len()));
        }
    }
    let events = tap.read().expect("read");
    assert!(!events.is_empty());
    for event in events {
        assert_eq!(event.ip_version, 6);
        assert!([443, 444].contains(&event.destination_port), "{event:?}");
        assert!(event.packet_length > 3300, "{event:?}");
    }
}

#[test]
fn an_event_tells_all_of_them_within_the_budget_and_beyond() {
    let mut tested = start();
    let mut tap = Tap::open(&tested, 1).expect("opened");
    let frame = v4(7, &with_room(tcp(443, flags::ACK), JUMBO));
    for _ in 0..3 {
        tested.run(&frame).expect("counted");
    }
    let events = tap.read().expect("read");
    let lengths: Vec<_> = events.iter().map(|event| event.packet_length).collect();
    assert_eq!(lengths, [frame.len() as u32]);
    assert_eq!(tap.counted().expect("read").all_lost(), 2);
}
