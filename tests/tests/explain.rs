//! `explain`'s two ways to an answer, the loaded program and the offline one, on the whole fixture
//! table: they agree word by word, asking leaves no trace, and what they say then happens.

use edge_filter_tests::fixtures::{Unlisted, all, generation};
use edge_filter_tests::frame::{self, V4, flags};
use edge_filter_tests::kernel::{Tested, anonymous};
use edge_filter_tests::netns::wait;
use filter_common::addr::Address;
use filter_common::verdict::Outcome;
use filter_ebpf::tables::Ends;
use filter_user::offline::Host;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::process::Command;

/// Longer than any rate of the table takes to refill, and a whole number of both clocks' units.
const AGE_NS: u64 = 1_024_000_000_000;

#[test]
fn kernel_and_offline_answers_agree_and_come_true() {
    let mut tested = Tested::load().expect("the test object");
    let mut fixtures = all();
    fixtures.sort_by_key(|fixture| (fixture.unlisted as u8, fixture.is_monitor));
    let mut placed = None;
    for (number, fixture) in fixtures.iter().enumerate() {
        let policy = (fixture.unlisted, fixture.is_monitor);
        if placed.as_ref().is_none_or(|(of, _)| *of != policy) {
            let generation = generation(policy.0, policy.1);
            tested.place(&generation).expect("placed");
            placed = Some((policy, generation));
        }
        let (_, generation) = placed.as_ref().expect("just placed");
        let now_ns = AGE_NS * (number as u64 + 1);
        let name = &fixture.name;
        let fixture = fixture.at(now_ns);
        let host = fixture.host(now_ns);
        for frame in &fixture.before {
            host.decide(generation, frame);
        }
        let offline = host.ask(generation, &fixture.frame);
        assert_eq!(host.ask(generation, &fixture.frame), offline, "{name}");
        let decision = host.decide(generation, &fixture.frame);
        let (asked, (interface, service, outcome)) = fixture
            .within(&mut tested, now_ns, |tested| {
                for frame in &fixture.before {
                    tested.run(frame)?;
                }
                let asked = tested.ask_without_a_trace(&fixture.frame)?;
                Ok((asked, tested.run(&fixture.frame)?))
            })
            .unwrap_or_else(|error| panic!("{name}: {error:#}"));
        assert_eq!(anonymous(asked), offline, "{name}");
        assert!(asked.active().is_set(), "{name}");
        assert_eq!(asked.outcome(), outcome, "{name}");
        assert_eq!(asked.interface, u64::from(interface), "{name}");
        if service.is_some() {
            assert_eq!(asked.service(), service, "{name}");
        }
        assert_eq!(decision.outcome(), outcome, "{name}");
    }
}

#[test]
fn sockets_are_asked_for_as_for_a_packet() {
    let mut tested = Tested::load().expect("the test object");
    let generation = generation(Unlisted::Drop, false);
    tested.place(&generation).expect("placed");
    tested.set_interface(Some(0));
    tested.set_clock(AGE_NS).expect("set");
    // On any address of a namespace that has no other socket.
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 40_000)).expect("a socket");
    let source = Ipv4Addr::new(192, 0, 2, 53);
    let frame = |port| {
        let packet = V4::new(source, Ipv4Addr::new(192, 0, 2, 1), 17);
        packet.frame(&frame::udp(port, b"an answer"))
    };
    for (port, wanted) in [(40_000, Outcome::REPLY), (40_001, Outcome::UNLISTED)] {
        let mut host = Host::default();
        host.now_ns = AGE_NS;
        host.udp_unconnected = vec![40_000_u16.to_be()];
        let asked = tested.ask(&frame(port)).expect("an answer");
        assert_eq!(anonymous(asked), host.ask(&generation, &frame(port)));
        assert_eq!(asked.outcome(), wanted);
    }
    drop(socket);
    // A process that another test is just starting may hold it a moment longer.
    wait::until("the socket to be gone", || {
        let asked = tested.ask(&frame(40_000)).expect("an answer");
        (asked.outcome() == Outcome::UNLISTED).then_some(())
    });
}

#[test]
fn tcp_sockets_and_peers_of_udp_sockets_are_asked_for_as_for_a_packet() {
    let mut tested = Tested::load().expect("the test object");
    let generation = generation(Unlisted::Drop, false);
    tested.place(&generation).expect("placed");
    tested.set_interface(Some(0));
    tested.set_clock(AGE_NS).expect("set");
    // In the namespace that the object was loaded in.
    let ip = Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    assert!(ip.expect("iproute2").success());
    let here = Ipv4Addr::LOCALHOST;
    let listener = TcpListener::bind((here, 41_000)).expect("a socket");
    let open = TcpStream::connect((here, 41_000)).expect("it listens");
    let (accepted, _) = listener.accept().expect("one has come");
    // Who closes first waits: TIME_WAIT.
    let waits = TcpStream::connect((here, 41_000)).expect("it listens");
    let (mut other, _) = listener.accept().expect("one has come");
    let waiting = waits.local_addr().expect("it is bound").port();
    waits.shutdown(Shutdown::Both).expect("it is open");
    let ended = std::io::Read::read(&mut other, &mut [0]).expect("it is open");
    assert_eq!(ended, 0);
    drop((other, waits));
    let udp = UdpSocket::bind((here, 42_000)).expect("a socket");
    udp.connect((here, 42_053)).expect("a peer");

    let sent_from = |from: u16, mut segment: Vec<u8>| {
        segment[..2].copy_from_slice(&from.to_be_bytes());
        segment
    };
    let tcp = |from, to, set| (6, from, to, sent_from(from, frame::tcp(to, set)));
    let udp_from = |from| {
        (
            17,
            from,
            42_000,
            sent_from(from, frame::udp(42_000, b"an answer")),
        )
    };
    let opened = open.local_addr().expect("it is bound").port();
    let cases = [
        ("established", tcp(41_000, opened, flags::ACK), true),
        ("another's port", tcp(41_001, opened, flags::ACK), false),
        (
            "a SYN, whatever there is",
            tcp(41_000, opened, flags::SYN),
            false,
        ),
        ("TIME_WAIT", tcp(41_000, waiting, flags::ACK), true),
        ("listening", tcp(43_000, 41_000, flags::ACK), false),
        ("its connection", tcp(opened, 41_000, flags::ACK), true),
        ("the peer of a UDP socket", udp_from(42_053), true),
        ("who is not its peer", udp_from(42_054), false),
    ];
    for (name, (protocol, from, to, payload), answers) in cases {
        let frame = V4::new(here, here, protocol).frame(&payload);
        let mut host = Host::default();
        host.now_ns = AGE_NS;
        let ends = Ends {
            source: Address::V4(here.to_bits()),
            destination: Address::V4(here.to_bits()),
            source_port: u16::to_be(from),
            port: u16::to_be(to),
        };
        match protocol {
            6 if answers || name.starts_with("a SYN") => host.tcp.push(ends),
            17 if answers => host.udp_connected.push(ends),
            _ => {}
        }
        let asked = tested.ask(&frame).expect("an answer");
        assert_eq!(anonymous(asked), host.ask(&generation, &frame), "{name}");
        let wanted = if answers {
            Outcome::REPLY
        } else {
            Outcome::UNLISTED
        };
        assert_eq!(asked.outcome(), wanted, "{name}");
        let (_, _, judged) = tested.run(&frame).expect("judged");
        assert_eq!(judged, wanted, "{name}");
    }
    drop((accepted, open));
}

#[test]
fn without_a_generation_nothing_is_judged() {
    let mut tested = Tested::load().expect("the test object");
    let asked = tested.ask(&frame::ethernet(0x0806, &[0; 46]));
    assert_eq!(asked.expect("an answer").outcome(), Outcome::NO_POLICY);
}
