//! The packet program's own log: in the daemon's where the operator asks for it, else nowhere.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{ACK, Flow, Mark};
use edge_filter_tests::netns::raw::PacketSocket;

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]
"#;

/// What the packet program says of a packet that it drops.
const SAID: &str = "drop: interface slot 0, service 0, outcome ";
/// What the daemon says of the same packet, whatever the packet program says.
const TOLD: &str = "reason=\"not_allowed\"";

/// A packet that is dropped.
fn send(net: &Net) {
    let flow = Flow::new((WIRE.client(11, false), 40_000), (WIRE.server(false), PORT));
    let mark = Mark { flow: 0, number: 0 };
    net.client
        .run(|| PacketSocket::open(&WIRE.client_device()).send(&flow.tcp(ACK, mark)));
}

#[test]
fn the_packet_program_is_heard_when_its_level_is_raised_and_only_then() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    send(&net);
    host.wait_for_log(TOLD);
    assert!(!host.log().contains(SAID), "{}", host.log());
    host.kill();
    // Alone: the daemon's own level stays as it is.
    host.try_start_with("--kernel-log debug")
        .unwrap_or_else(|status| panic!("{status}"));
    send(&net);
    host.wait_for_log(SAID);
    assert!(!host.log().contains("swept the tables"), "{}", host.log());
}
