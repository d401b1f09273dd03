//! Who is served and who is not.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp, ask_udp, ping};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};

use crate::{FAMILIES, PORT, WIRE};

/// Host 10 is listed, 11 is listed and denied, 12 is not listed.
const POLICY: &str = r#"
[[interface]]
name = "s0"

[prefix_list.customers]
prefixes = ["10.77.0.10", "fd77::a", "10.77.0.11/32", "fd77::b/128"]

[prefix_list.abusers]
prefixes = ["10.77.0.11", "fd77::b"]

[[service]]
name = "api"
ports = ["7000/tcp", "7000/udp"]
allow = ["customers"]
deny = ["abusers"]
"#;

#[test]
fn a_listed_source_is_served_and_others_meet_silence() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    for is_ipv6 in FAMILIES {
        let server = (WIRE.server(is_ipv6), PORT);
        let _tcp = Echo::tcp(&net.server, server);
        let _udp = Echo::udp(&net.server, server);
        let [listed, denied, unlisted] = [10, 11, 12].map(|host| WIRE.client(host, is_ipv6));
        net.client.run(|| {
            assert_eq!(
                ask_tcp(listed, server.into(), 5000, PATIENCE),
                Answer::Served
            );
            assert_eq!(
                ask_udp(listed, server.into(), 500, PATIENCE),
                Answer::Served
            );
        });
        for (source, reason) in [(denied, "denied"), (unlisted, "not_allowed")] {
            let before = host.metrics().packets("api", "drop", reason);
            net.client.run(|| {
                assert_eq!(ask_tcp(source, server.into(), 1, SILENCE), Answer::Silence);
                assert_eq!(ask_udp(source, server.into(), 1, SILENCE), Answer::Silence);
            });
            wait::until("both packets counted as dropped", || {
                let dropped = host.metrics().packets("api", "drop", reason) - before;
                (dropped >= 2).then_some(())
            });
        }
    }
    // Per family: SYN, ACK, data and FIN of TCP at the least, and one datagram.
    assert!(host.metrics().packets("api", "pass", "allowed") >= 8);
}

#[test]
fn ports_that_no_service_lists_pass_by_default() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let server = (WIRE.server(false), PORT + 1);
    let _tcp = Echo::tcp(&net.server, server);
    let answer = net
        .client
        .run(|| ask_tcp(WIRE.client(12, false), server.into(), 10, PATIENCE));
    assert_eq!(answer, Answer::Served);
    assert!(host.metrics().packets("-", "pass", "unlisted_port") >= 3);
}

#[test]
fn ping_and_neighbour_discovery_pass_from_anyone() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    for is_ipv6 in FAMILIES {
        net.server.ip("neighbour flush dev s0");
        net.client.ip("neighbour flush dev c0");
        let before = host.metrics().packets("-", "pass", "icmp");
        let answer = net
            .client
            .run(|| ping(WIRE.client(12, is_ipv6), WIRE.server(is_ipv6), PATIENCE));
        assert_eq!(answer, Answer::Served);
        // Over IPv6 also the neighbour solicitation.
        let counted = host.metrics().packets("-", "pass", "icmp") - before;
        assert!(counted > u64::from(is_ipv6), "{counted}");
    }
    assert!(host.metrics().packets("-", "pass", "not_ip") >= 1, "ARP");
}
