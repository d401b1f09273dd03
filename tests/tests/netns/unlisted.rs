//! `unlisted_ports = "drop"`: what answers the host itself passes, the rest does not.

use std::net::UdpSocket;

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{
    Answer, Echo, ask_tcp, ask_udp, ask_udp_unconnected, ping,
};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};

use crate::{FAMILIES, PORT, WIRE};

const POLICY: &str = r#"
[policy]
unlisted_ports = "drop"

[policy.management]
ports = ["22/tcp"]
from = ["10.77.0.12", "fd77::c"]

[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10", "fd77::a"]
"#;

#[test]
fn what_the_host_itself_asks_is_answered() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    for is_ipv6 in FAMILIES {
        // The roles are changed: the filtered host is the one that asks.
        let (here, there) = (WIRE.server(is_ipv6), WIRE.client(11, is_ipv6));
        let _web = Echo::tcp(&net.client, (there, 443));
        let _dns = Echo::udp(&net.client, (there, 53));
        net.server.run(|| {
            let (web, dns) = ((there, 443).into(), (there, 53).into());
            assert_eq!(ask_tcp(here, web, 100_000, PATIENCE), Answer::Served);
            assert_eq!(ask_udp(here, dns, 60, PATIENCE), Answer::Served);
            assert_eq!(ask_udp(here, dns, 1200, PATIENCE), Answer::Served);
            assert_eq!(ask_udp_unconnected(here, dns, PATIENCE), Answer::Served);
            assert_eq!(ping(here, there, PATIENCE), Answer::Served);
            // Refused by the other host, not by the filter: its RST passes.
            assert_eq!(
                ask_tcp(here, (there, 81).into(), 1, PATIENCE),
                Answer::Closed
            );
        });
    }
    let metrics = host.metrics();
    assert!(metrics.packets("-", "pass", "reply") >= 2 * 7);
    assert_eq!(metrics.packets("-", "drop", "unlisted_port"), 0);
}

#[test]
fn what_nobody_asked_for_is_dropped() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    for is_ipv6 in FAMILIES {
        let server = WIRE.server(is_ipv6);
        let _listens = Echo::tcp(&net.server, (server, 8000));
        let _udp = Echo::udp(&net.server, (server, 8000));
        let before = host.metrics().packets("-", "drop", "unlisted_port");
        net.client.run(|| {
            for (source, port) in [(10, 8000), (12, 8001)] {
                let (source, to) = (WIRE.client(source, is_ipv6), (server, port).into());
                assert_eq!(ask_tcp(source, to, 1, SILENCE), Answer::Silence);
                assert_eq!(ask_udp(source, to, 1, SILENCE), Answer::Silence);
            }
        });
        wait::until("all of it counted", || {
            let dropped = host.metrics().packets("-", "drop", "unlisted_port") - before;
            (dropped >= 4).then_some(())
        });
    }
}

#[test]
fn a_connected_udp_socket_hears_its_peer_only() {
    let net = Net::new();
    let _host = Host::start_with(&net.server, POLICY);
    for is_ipv6 in FAMILIES {
        let (here, there) = (WIRE.server(is_ipv6), WIRE.client(11, is_ipv6));
        let stranger = WIRE.client(10, is_ipv6);
        let socket = net.server.run(|| {
            let socket = UdpSocket::bind((here, 0)).expect("it is an address of this host");
            socket.connect((there, 5000)).expect("there is a route");
            socket.set_read_timeout(Some(PATIENCE)).expect("not zero");
            socket
        });
        let to = socket.local_addr().expect("it is bound");
        let send = |from: (std::net::IpAddr, u16), text: &[u8]| {
            net.client.run(|| {
                let socket = UdpSocket::bind(from).expect("it is an address of the client");
                socket.send_to(text, to).expect("there is a route");
            });
        };
        send((stranger, 5000), b"stranger");
        send((there, 5001), b"another port");
        send((there, 5000), b"peer");
        let mut buffer = [0; 64];
        let length = socket.recv(&mut buffer).expect("the peer is heard");
        assert_eq!(&buffer[..length], b"peer");
    }
}

#[test]
fn management_and_services_stay_reachable() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    for is_ipv6 in FAMILIES {
        let server = WIRE.server(is_ipv6);
        let _ssh = Echo::tcp(&net.server, (server, 22));
        let _api = Echo::tcp(&net.server, (server, PORT));
        net.client.run(|| {
            let ask = |source, port, wait| {
                ask_tcp(
                    WIRE.client(source, is_ipv6),
                    (server, port).into(),
                    10,
                    wait,
                )
            };
            assert_eq!(ask(12, 22, PATIENCE), Answer::Served);
            assert_eq!(ask(10, 22, SILENCE), Answer::Silence);
            assert_eq!(ask(10, PORT, PATIENCE), Answer::Served);
            assert_eq!(ask(12, PORT, SILENCE), Answer::Silence);
        });
    }
    assert!(host.metrics().packets("-", "pass", "management") >= 2 * 3);
}

#[test]
fn monitored_unlisted_ports_pass_and_are_counted() {
    let net = Net::new();
    let monitored = POLICY.replace("\"drop\"", "\"monitor\"");
    let host = Host::start_with(&net.server, &monitored);
    let server = (WIRE.server(false), 8000);
    let _listens = Echo::tcp(&net.server, server);
    let answer = net
        .client
        .run(|| ask_tcp(WIRE.client(11, false), server.into(), 10, PATIENCE));
    assert_eq!(answer, Answer::Served);
    // The SYN at the least: what follows belongs to a connection of the host's.
    assert!(host.metrics().packets("-", "would_drop", "unlisted_port") >= 1);
    assert_eq!(host.metrics().packets("-", "drop", "unlisted_port"), 0);
}
