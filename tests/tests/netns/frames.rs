//! What carries the packet: VLAN tags, fragments, jumbo frames.

use std::net::SocketAddr;
use std::time::Duration;

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::{Barrage, Expect, Probe};
use edge_filter_tests::netns::frames::Flow;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp, ask_udp, connect, exchange};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};

use crate::{FAMILIES, PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"
attach_mode = "native"

[[service]]
name = "api"
ports = ["7000/tcp", "7000/udp"]
allow = ["10.77.0.10", "fd77::a"]
"#;

const ROUNDS: u64 = 100;

#[test]
fn tagged_frames_are_filtered_as_untagged_ones() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let mut probes = Vec::new();
    for (name, tags) in [
        ("802.1Q", &[(0x8100, 5)][..]),
        ("802.1ad", &[(0x88a8, 5)]),
        ("QinQ", &[(0x88a8, 5), (0x8100, 6)]),
        ("QinQ of old switches", &[(0x8100, 5), (0x8100, 6)]),
        ("VLAN 0", &[(0x8100, 0)]),
    ] {
        for (source, expect) in [(10, Expect::Passes), (11, Expect::Dropped)] {
            let is_ipv6 = name == "QinQ";
            let source = (WIRE.client(source, is_ipv6), 40_000);
            probes.push(Probe {
                name,
                flow: Flow::new(source, (WIRE.server(is_ipv6), PORT)).tagged(tags),
                is_tcp: true,
                expect,
            });
        }
    }
    let kinds = probes.len() as u64 / 2;
    let three = [(0x88a8, 5), (0x8100, 6), (0x8100, 7)];
    let source = (WIRE.client(10, false), 40_000);
    probes.push(Probe {
        name: "three tags",
        flow: Flow::new(source, (WIRE.server(false), PORT)).tagged(&three),
        is_tcp: true,
        expect: Expect::Dropped,
    });
    let barrage = Barrage::start(&net, probes);
    wait::until("enough rounds", || {
        barrage.check();
        (barrage.rounds() >= ROUNDS).then_some(())
    });
    let rounds = barrage.finish();
    let metrics = host.metrics();
    assert_eq!(metrics.packets("api", "pass", "allowed"), kinds * rounds);
    assert_eq!(
        metrics.packets("api", "drop", "not_allowed"),
        kinds * rounds
    );
    assert_eq!(metrics.packets("-", "drop", "malformed"), rounds);
}

#[test]
fn datagrams_that_linux_fragments_arrive_whole() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    assert_fragments_arrive(&net, &host);
}

#[test]
fn datagrams_that_linux_fragments_arrive_whole_under_drop_too() {
    let net = Net::new();
    let drop = "[policy]\nunlisted_ports = \"drop\"\nmanagement = \"none\"\n";
    let host = Host::start_with(&net.server, &format!("{drop}{POLICY}"));
    assert_fragments_arrive(&net, &host);
}

fn assert_fragments_arrive(net: &Net, host: &Host) {
    for is_ipv6 in FAMILIES {
        let server = (WIRE.server(is_ipv6), PORT);
        let _udp = Echo::udp(&net.server, server);
        let ask = |source, length, wait| {
            let source = WIRE.client(source, is_ipv6);
            net.client
                .run(|| ask_udp(source, server.into(), length, wait))
        };
        for length in [1473, 4000, 20_000] {
            assert_eq!(ask(10, length, PATIENCE), Answer::Served, "{length} bytes");
        }
        assert_eq!(ask(11, 4000, SILENCE), Answer::Silence);
    }
    let metrics = host.metrics();
    // Later fragments; the first ones are judged by their port.
    assert!(metrics.packets("-", "pass", "fragment") >= 2 * (1 + 2 + 13));
    assert!(metrics.packets("api", "pass", "allowed") >= 2 * 3);
    assert!(metrics.packets("api", "drop", "not_allowed") >= 2);
}

#[test]
fn jumbo_frames_pass_natively_and_are_filtered() {
    let net = Net::with(1, 9000);
    let host = Host::start_with(&net.server, POLICY);
    let native = [("device", "s0"), ("mode", "native")];
    assert_eq!(host.metrics().value("edge_filter_attached", &native), 1.0);
    for is_ipv6 in FAMILIES {
        let server = (WIRE.server(is_ipv6), PORT);
        let _tcp = Echo::tcp(&net.server, server);
        let _udp = Echo::udp(&net.server, server);
        let server = SocketAddr::from(server);
        let source = |host| WIRE.client(host, is_ipv6);
        net.client.run(|| {
            assert_eq!(ask_udp(source(10), server, 8000, PATIENCE), Answer::Served);
            assert_eq!(ask_udp(source(11), server, 8000, SILENCE), Answer::Silence);
            assert_eq!(ask_tcp(source(11), server, 8000, SILENCE), Answer::Silence);
            let mut stream = allowed(source(10), server, PATIENCE);
            for _ in 0..20 {
                exchange(&mut stream, 8000);
            }
            exchange(&mut stream, 100_000);
        });
    }
}

fn allowed(source: std::net::IpAddr, server: SocketAddr, wait: Duration) -> std::net::TcpStream {
    connect(source, server, wait).unwrap_or_else(|answer| panic!("{source}: {answer:?}"))
}
