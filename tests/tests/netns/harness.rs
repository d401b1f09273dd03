//! The wire itself, without a filter: what a later test does not see was not lost here.

use edge_filter_tests::netns::barrage::{Barrage, Expect, Probe};
use edge_filter_tests::netns::frames::Flow;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp, ask_udp, ping};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use edge_filter_tests::netns::{Net, Wire};

use crate::WIRE;

#[test]
fn sockets_reach_each_other_over_the_wire() {
    let net = Net::new();
    for is_ipv6 in [false, true] {
        let (client, server) = (WIRE.client(10, is_ipv6), WIRE.server(is_ipv6));
        let _tcp = Echo::tcp(&net.server, (server, 7000));
        let _udp = Echo::udp(&net.server, (server, 7000));
        let (open, closed) = ((server, 7000).into(), (server, 7001).into());
        net.client.run(|| {
            assert_eq!(ask_tcp(client, open, 5000, PATIENCE), Answer::Served);
            assert_eq!(ask_udp(client, open, 5000, PATIENCE), Answer::Served);
            assert_eq!(ask_tcp(client, closed, 1, PATIENCE), Answer::Closed);
            assert_eq!(ask_udp(client, closed, 1, PATIENCE), Answer::Closed);
            assert_eq!(ping(client, server, PATIENCE), Answer::Served);
        });
    }
}

#[test]
fn nobody_is_silence() {
    let net = Net::new();
    let nobody = match WIRE.server(false) {
        std::net::IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            std::net::IpAddr::from([a, b, c, 99])
        }
        other => other,
    };
    let client = WIRE.client(10, false);
    // A neighbour that does not answer is told as an error only after seconds.
    let answer = net
        .client
        .run(|| ask_udp(client, (nobody, 7000).into(), 1, SILENCE));
    assert_eq!(answer, Answer::Silence);
}

#[test]
fn two_wires_are_two_networks() {
    let net = Net::with(2, 9000);
    let (client, server) = (Wire(1).client(10, true), Wire(1).server(true));
    let _tcp = Echo::tcp(&net.server, (server, 7000));
    let answer = net
        .client
        .run(|| ask_tcp(client, (server, 7000).into(), 100_000, PATIENCE));
    assert_eq!(answer, Answer::Served);
}

#[test]
fn every_frame_of_a_barrage_arrives() {
    let net = Net::new();
    let flow = |is_ipv6| Flow::new((WIRE.client(10, is_ipv6), 1), (WIRE.server(is_ipv6), 7000));
    let probe = |name, flow, is_tcp| Probe {
        name,
        flow,
        is_tcp,
        expect: Expect::Passes,
    };
    let barrage = Barrage::start(
        &net,
        vec![
            probe("IPv4", flow(false), true),
            probe("IPv6", flow(true), false),
            probe(
                "tagged",
                flow(false).tagged(&[(0x88a8, 5), (0x8100, 6)]),
                true,
            ),
        ],
    );
    wait::until("a thousand rounds", || {
        barrage.check();
        (barrage.rounds() > 1000).then_some(())
    });
    assert!(barrage.finish() > 1000);
}
