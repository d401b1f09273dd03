//! `explain`'s two ways to an answer, the loaded program and the offline one, on the whole fixture
//! table: they agree word by word, asking leaves no trace, and what they say then happens.

use edge_filter_tests::fixtures::{Unlisted, all, generation};
use edge_filter_tests::frame::{self, V4};
use edge_filter_tests::kernel::{Tested, anonymous};
use filter_common::verdict::Outcome;
use filter_user::offline::Host;
use std::net::{Ipv4Addr, UdpSocket};

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
        assert_eq!(decision.outcome, outcome, "{name}");
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
    let asked = tested.ask(&frame(40_000)).expect("an answer");
    assert_eq!(asked.outcome(), Outcome::UNLISTED);
}

#[test]
fn without_a_generation_nothing_is_judged() {
    let mut tested = Tested::load().expect("the test object");
    let asked = tested.ask(&frame::ethernet(0x0806, &[0; 46]));
    assert_eq!(asked.expect("an answer").outcome(), Outcome::NO_POLICY);
}
