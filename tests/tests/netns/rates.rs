//! Connection rates: what is let through is what a bucket lets through that holds the burst and is
//! filled at the rate, within two.

use std::time::Duration;

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;

use crate::flood::{self, Flood, flow};

/// For the clock's tick, and for what is on its way when it is read.
const TOLERANCE: f64 = 2.0;
const LONG: Duration = Duration::from_secs(2);
const PACE: Duration = Duration::from_millis(2);

fn policy(rate: f64, burst: u32, more: &str) -> String {
    format!(
        r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.0/16", "fd77::/32"]
exempt = ["10.77.0.15"]

[service.rate_limit]
connections_per_second = {rate}
burst = {burst}
{more}
"#
    )
}

fn assert_held(flood: &Flood, flow: usize, rate: f64, burst: u32) {
    let due = flood.due(rate, burst);
    let passed = flood.passed[flow] as f64;
    assert!(
        (passed - due).abs() <= TOLERANCE,
        "{passed} SYNs of {} passed; {due} of a burst of {burst} and {rate} a second",
        flood.sent.len(),
    );
}

fn assert_counted(host: &Host, flood: &Flood) {
    let metrics = host.metrics();
    let passed: u64 = flood.passed.iter().sum();
    let sent = (flood.sent.len() * flood.passed.len()) as u64;
    assert_eq!(metrics.packets("api", "pass", "allowed"), passed);
    assert_eq!(
        metrics.packets("api", "drop", "connection_rate"),
        sent - passed
    );
}

#[test]
fn a_flood_is_held_to_fifty_a_second() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &policy(50.0, 20, ""));
    let flood = flood::run(&net, &[flow("10.77.0.10")], LONG, PACE);
    assert_held(&flood, 0, 50.0, 20);
    assert_counted(&host, &flood);
}

#[test]
fn a_flood_is_held_to_five_a_second() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &policy(5.0, 1, ""));
    let flood = flood::run(&net, &[flow("10.77.0.10")], LONG, PACE);
    assert_held(&flood, 0, 5.0, 1);
    assert_counted(&host, &flood);
}

#[test]
fn a_rate_is_one_whatever_cpu_packets_arrive_on() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &policy(20.0, 10, ""));
    let flows = ["10.77.0.10", "fd77::a"].map(flow);
    let flood = flood::run_on_each_cpu(&net, &flows, LONG, PACE);
    for source in 0..flows.len() {
        assert_held(&flood, source, 20.0, 10);
    }
    assert_counted(&host, &flood);
}

#[test]
fn each_source_has_a_rate_of_its_own() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &policy(10.0, 5, ""));
    let flows = ["10.77.0.10", "10.77.0.11", "10.77.200.1"].map(flow);
    let flood = flood::run(&net, &flows, LONG, PACE);
    for source in 0..flows.len() {
        assert_held(&flood, source, 10.0, 5);
    }
    assert_counted(&host, &flood);
}

#[test]
fn ipv6_sources_share_the_rate_of_their_64() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &policy(10.0, 5, ""));
    let flows = ["fd77::a", "fd77::ffff:0:0:1", "fd77:0:0:1::a"].map(flow);
    let mut flood = flood::run(&net, &flows, LONG, PACE);
    assert_counted(&host, &flood);
    assert_held(&flood, 2, 10.0, 5);
    flood.passed[0] += flood.passed[1];
    assert_held(&flood, 0, 10.0, 5);
}

#[test]
fn overrides_and_exempt_sources_have_other_rates() {
    let net = Net::new();
    let more = r#"
[[service.rate_limit.override]]
sources = ["10.77.1.0/24"]
connections_per_second = 20
burst = 40
"#;
    let host = Host::start_with(&net.server, &policy(2.0, 1, more));
    let flows = ["10.77.0.10", "10.77.1.10", "10.77.0.15"].map(flow);
    let flood = flood::run(&net, &flows, LONG, PACE);
    assert_held(&flood, 0, 2.0, 1);
    assert_held(&flood, 1, 20.0, 40);
    assert_eq!(flood.passed[2], flood.sent.len() as u64);
    assert_counted(&host, &flood);
}
