//! Modes that drop nothing and count what they would drop.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{PATIENCE, SILENCE};

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]

[[service]]
name = "trial"
ports = ["7001/tcp"]
mode = "monitor"
allow = ["10.77.0.10"]
"#;

fn ask(net: &Net, port: u16) -> Answer {
    let server = (WIRE.server(false), port);
    let _tcp = Echo::tcp(&net.server, server);
    let wait = if port == PORT { SILENCE } else { PATIENCE };
    net.client
        .run(|| ask_tcp(WIRE.client(11, false), server.into(), 10, wait))
}

#[test]
fn a_monitored_service_passes_and_counts() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    assert_eq!(ask(&net, PORT), Answer::Silence);
    assert_eq!(ask(&net, PORT + 1), Answer::Served);
    let metrics = host.metrics();
    assert!(metrics.packets("trial", "would_drop", "not_allowed") >= 3);
    assert_eq!(metrics.packets("trial", "drop", "not_allowed"), 0);
    assert_eq!(metrics.packets("api", "would_drop", "not_allowed"), 0);
}

#[test]
fn a_monitored_policy_drops_nothing_whatever_stands_below() {
    let net = Net::new();
    let monitored = format!("[policy]\nmode = \"monitor\"\n{POLICY}");
    let host = Host::start_with(&net.server, &monitored);
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    let answer = net
        .client
        .run(|| ask_tcp(WIRE.client(11, false), server.into(), 10, PATIENCE));
    assert_eq!(answer, Answer::Served);
    let metrics = host.metrics();
    assert!(metrics.packets("api", "would_drop", "not_allowed") >= 3);
    let dropped = metrics.sum("edge_filter_packets_total", &[("action", "drop")]);
    assert_eq!(dropped, 0.0);
}
