//! What the loaded program tells of a packet, and how much.

use edge_filter_tests::events::Tap;
use edge_filter_tests::frame::{V4, V6, ethernet, flags, ip, quic, tagged, tcp, tcp_with, udp};
use edge_filter_tests::kernel::Tested;
use filter_common::event::{Event, Limits};
use filter_common::verdict::{Outcome, Reason};
use filter_user::compile::{Generation, Ids, compile};
use filter_user::config::{HostFacts, load_from};
use filter_user::kernel::events::set_limits;
use std::net::IpAddr;
use std::path::Path;

/// A window of budgets begins here.
const START_NS: u64 = 1000 << 30;

const POLICY: &str = r#"
[[interface]]
name = "eth0"
[policy]
unlisted_ports = "drop"
management = "none"
[[service]]
name = "api"
ports = ["443/tcp", "443/quic"]
allow = ["198.51.100.0/24", "2001:db8::/32"]
deny = ["198.51.100.66"]
log_connections = true
[[service]]
name = "quiet"
ports = ["444/tcp"]
allow = ["198.51.100.0/24"]
"#;

fn generation() -> Generation {
    let read = |_: &Path| Err(std::io::Error::other("no files here"));
    let path = Path::new("events.toml");
    let loaded = load_from(path, POLICY.as_bytes(), &read, &HostFacts::default())
        .unwrap_or_else(|errors| panic!("{errors}"));
    compile(&loaded.policy, &Ids::in_order(&loaded.policy)).expect("compiles")
}

fn start(events_per_second: u32) -> (Tested, Tap) {
    let mut tested = Tested::load().expect("the test object");
    tested.place(&generation()).expect("placed");
    tested.set_interface(Some(0));
    tested.set_clock(START_NS).expect("set");
    let tap = Tap::open(&tested, events_per_second).expect("opened");
    (tested, tap)
}

fn packet(source: &str, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let source: IpAddr = source.parse().expect("an address");
    let destination = if source.is_ipv4() {
        "192.0.2.1"
    } else {
        "2001:db8:1::1"
    };
    let destination = destination.parse().expect("an address");
    ip(source, destination, protocol, payload)
}

/// What every event of these tests has, of a frame.
fn event(outcome: Outcome, frame: &[u8]) -> Event {
    Event {
        time_ns: START_NS,
        packet_length: frame.len() as u32,
        generation: 1,
        interface_index: 1,
        outcome: outcome.number(),
        ..Event::default()
    }
}

const V4_ENDS: ([u64; 2], [u64; 2]) = ([0, 0xcb00_7107], [0, 0xc000_0201]);
const V6_ENDS: ([u64; 2], [u64; 2]) = ([0x2a00_0000_0000_0000, 7], [0x2001_0db8_0001_0000, 1]);

fn from_v4(event: Event, protocol: u8) -> Event {
    let (source, destination) = V4_ENDS;
    Event {
        source,
        destination,
        ip_version: 4,
        protocol,
        ..event
    }
}

fn from_v6(event: Event, protocol: u8) -> Event {
    let (source, destination) = V6_ENDS;
    Event {
        source,
        destination,
        ip_version: 6,
        protocol,
        ..event
    }
}

fn with_ports(event: Event, port: u16, tcp_flags: u8) -> Event {
    Event {
        source_port: 40_000,
        destination_port: port,
        has_ports: 1,
        tcp_flags,
        ..event
    }
}

#[test]
fn an_event_tells_what_the_packet_is() {
    let (mut tested, mut tap) = start(1_000_000);
    let (v4, v6) = ("203.0.113.7", "2a00::7");
    let syn = packet(v4, 6, &tcp(443, flags::SYN));
    let inside = V4::new([203, 0, 113, 7].into(), [192, 0, 2, 1].into(), 6);
    let tags = tagged(
        &[(0x88a8, 0xe005), (0x8100, 4094)],
        0x0800,
        &inside.bytes(&tcp(443, flags::ACK)),
    );
    let options = V6::new(
        "2a00::7".parse().unwrap(),
        "2001:db8:1::1".parse().unwrap(),
        17,
    );
    let options = options.extension(60, 1).frame(&udp(444, b"x"));
    let xmas = packet(v4, 6, &tcp_with(9, flags::FIN | flags::SYN, 0x50, &[]));
    let short = packet(v6, 17, &udp(443, &quic(0xc0, 1, 100)));
    let esp = packet(v4, 50, &[0; 20]);
    let cut = ethernet(0x0800, &[0x45, 0, 0, 40]);
    let not_allowed = |frame| event(Outcome::NOT_ALLOWED, frame);
    let cases = [
        (
            &syn,
            with_ports(from_v4(not_allowed(&syn), 6), 443, flags::SYN),
        ),
        (
            &tags,
            Event {
                vlans: [6, 4095],
                ..with_ports(from_v4(not_allowed(&tags), 6), 443, flags::ACK)
            },
        ),
        (
            &options,
            with_ports(from_v6(event(Outcome::UNLISTED, &options), 17), 444, 0),
        ),
        (
            &xmas,
            with_ports(
                from_v4(event(Outcome::MALFORMED, &xmas), 6),
                9,
                flags::FIN | flags::SYN,
            ),
        ),
        (
            &short,
            with_ports(
                from_v6(event(Outcome::SERVICE_MALFORMED, &short), 17),
                443,
                0,
            ),
        ),
        (&esp, from_v4(event(Outcome::UNLISTED, &esp), 50)),
        (&cut, event(Outcome::MALFORMED, &cut)),
    ];
    for (frame, wanted) in cases {
        let (_, service, _) = tested.run(frame).expect("runs");
        assert_eq!(
            service,
            Outcome::from_number(wanted.outcome)
                .and_then(|o| { o.has_service().then_some(wanted.service) })
        );
        assert_eq!(tap.read().expect("read"), [wanted], "{frame:02x?}");
    }
}

#[test]
fn accepted_connections_are_told_where_the_service_asks_for_it_and_no_other_packets() {
    let (mut tested, mut tap) = start(1_000_000);
    let allowed = "198.51.100.7";
    for (frame, is_told) in [
        (packet(allowed, 6, &tcp(443, flags::SYN)), true),
        (packet(allowed, 6, &tcp(443, flags::ACK)), false),
        (
            packet(allowed, 6, &tcp(443, flags::SYN | flags::ACK)),
            false,
        ),
        (packet("2001:db8::7", 6, &tcp(443, flags::SYN)), true),
        (packet(allowed, 17, &udp(443, &quic(0xc0, 1, 1200))), true),
        (packet(allowed, 17, &udp(443, &quic(0x40, 1, 1200))), false),
        (packet(allowed, 6, &tcp(444, flags::SYN)), false),
        (packet(allowed, 1, &[8, 0, 0, 0, 0, 0, 0, 0]), false),
        (ethernet(0x0806, &[0; 28]), false),
    ] {
        let (_, _, outcome) = tested.run(&frame).expect("runs");
        assert!(!outcome.drops(), "{outcome:?}");
        let events = tap.read().expect("read");
        assert_eq!(events.len(), usize::from(is_told), "{frame:02x?}");
        for event in events {
            assert_eq!(event.outcome, Outcome::ALLOWED.number());
        }
    }
    let denied = packet("198.51.100.66", 6, &tcp(443, flags::SYN));
    tested.run(&denied).expect("runs");
    let events = tap.read().expect("read");
    assert_eq!(events.len(), 1, "one packet, one event");
    assert_eq!(events[0].outcome, Outcome::DENIED.number());
}

#[test]
fn a_flood_of_one_reason_leaves_the_others_their_share_and_losses_are_counted() {
    let (mut tested, mut tap) = start(100);
    let limits = Limits::new(100);
    let one = u64::from(limits.share + limits.pool);
    let share = u64::from(limits.share);
    let flood = packet("203.0.113.7", 6, &tcp(443, flags::SYN));
    let others = [
        (
            packet("198.51.100.66", 6, &tcp(443, flags::ACK)),
            Reason::Denied,
        ),
        (
            packet("203.0.113.7", 6, &tcp(9, flags::ACK)),
            Reason::UnlistedPort,
        ),
        (packet("203.0.113.7", 6, &tcp(9, 0)), Reason::Malformed),
        (
            packet("198.51.100.7", 6, &tcp(443, flags::SYN)),
            Reason::Allowed,
        ),
    ];
    for second in 0..3u64 {
        tested.set_clock(START_NS + (second << 30)).expect("set");
        tested.flood(&flood, 300).expect("runs");
        assert_eq!(tap.read().expect("read").len() as u64, one);
        for (frame, reason) in &others {
            tested.flood(frame, 20).expect("runs");
            let events = tap.read().expect("read");
            assert_eq!(events.len() as u64, share, "{reason:?}");
        }
        let counted = tap.counted().expect("read");
        let seconds = second + 1;
        assert_eq!(counted.sent, seconds * (one + 4 * share));
        let lost = |reason: Reason| counted.lost[reason as usize];
        assert_eq!(lost(Reason::NotAllowed), seconds * (300 - one));
        for (_, reason) in &others {
            assert_eq!(lost(*reason), seconds * (20 - share), "{reason:?}");
        }
        assert_eq!(counted.all_lost(), seconds * (300 - one + 4 * (20 - share)));
    }
}

#[test]
fn a_full_ring_loses_the_newest_and_counts_them() {
    let (mut tested, mut tap) = start(1_000_000);
    let frame = packet("203.0.113.7", 6, &tcp(443, flags::SYN));
    let all = 8000;
    tested.flood(&frame, all).expect("runs");
    let counted = tap.counted().expect("read");
    assert!(counted.all_lost() > 0);
    assert_eq!(counted.sent + counted.all_lost(), u64::from(all));
    assert_eq!(tap.read().expect("read").len() as u64, counted.sent);
    // Once it is read, there is room again.
    tested.run(&frame).expect("runs");
    assert_eq!(tap.read().expect("read").len(), 1);
}

#[test]
fn a_budget_of_zero_sends_nothing() {
    let (mut tested, mut tap) = start(0);
    let frame = packet("203.0.113.7", 6, &tcp(443, flags::SYN));
    tested.run(&frame).expect("runs");
    assert_eq!(tap.read().expect("read"), []);
    assert_eq!(tap.counted().expect("read").all_lost(), 1);
}

#[test]
fn a_budget_that_was_spent_is_asked_for_again_with_the_next_tick() {
    let (mut tested, mut tap) = start(0);
    let frame = packet("203.0.113.7", 6, &tcp(443, flags::SYN));
    let other = packet("198.51.100.66", 6, &tcp(443, flags::SYN));
    for _ in 0..3 {
        tested.run(&frame).expect("runs");
    }
    assert_eq!(tap.read().expect("read"), []);
    // What the operator grants later in the same second.
    set_limits(tested.folder(), Limits::new(1000)).expect("set");
    tested.run(&other).expect("runs");
    assert_eq!(
        tap.read().expect("read").len(),
        1,
        "of another reason: at once"
    );
    tested.set_clock(START_NS + 1_000_000).expect("set");
    tested.run(&frame).expect("runs");
    assert_eq!(tap.read().expect("read").len(), 1, "a tick later");
    let counted = tap.counted().expect("read");
    assert_eq!((counted.sent, counted.all_lost()), (2, 3));
}
