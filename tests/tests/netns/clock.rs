//! The host's clock is set, forwards and back: what lasts a while lasts as long as it was said to.
//!
//! The clock is the whole machine's. So this runs where the machine is the test's own: in the
//! guests of `cargo xtask kernel-matrix`.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{PATIENCE, SILENCE};
use rustix::time::{ClockId, clock_gettime, clock_settime};

use crate::{PORT, WIRE};

const DAYS: i64 = 24 * 3600;

/// A connection in two hours; both hosts may have one.
const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10", "10.77.0.11"]

[service.rate_limit]
connections_per_second = 0.0002
burst = 1
"#;

fn step(seconds: i64) {
    let mut now = clock_gettime(ClockId::Realtime);
    now.tv_sec += seconds;
    clock_settime(ClockId::Realtime, now).expect("root may");
}

#[test]
#[ignore = "sets the machine's clock: for the guests of cargo xtask kernel-matrix"]
fn a_clock_that_is_set_changes_no_rate_ban_or_deadline() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    let ask = |host, wait| {
        let source = WIRE.client(host, false);
        net.client.run(|| ask_tcp(source, server.into(), 10, wait))
    };
    assert_eq!(ask(10, PATIENCE), Answer::Served);
    host.ask(&["ban", "10.77.0.11", "--for", "1h"]);
    host.ask(&["allow", "10.77.0.12", "--for", "1h"]);
    let candidate = host.config(&POLICY.replace("burst = 1", "burst = 2"));
    host.write("candidate.toml", &candidate);
    let candidate = host.path("candidate.toml");
    let candidate = candidate.to_str().expect("it is text");
    host.ask(&["apply", candidate, "--confirm", "1h", "--force"]);
    let check = |host: &Host, after: &str| {
        // Its burst is two now, of which it has had one.
        let rate = |source: &str| host.json(&["explain", "--src", source, "--port", "7000/tcp"]);
        assert_eq!(rate("10.77.0.11")["reason"], "banned", "after {after}");
        assert_eq!(rate("10.77.0.12")["reason"], "allowed", "after {after}");
        assert_eq!(
            host.json(&["status"])["policy"]["generation"],
            2,
            "after {after}"
        );
    };
    check(&host, "nothing");
    assert_eq!(ask(10, PATIENCE), Answer::Served, "the second of its burst");
    for (seconds, name) in [(3 * DAYS, "three days on"), (-6 * DAYS, "six days back")] {
        step(seconds);
        check(&host, name);
        assert_eq!(ask(10, SILENCE), Answer::Silence, "{name}");
        assert_eq!(host.metrics().value("edge_filter_bans", &[]), 1.0, "{name}");
        host.kill();
        host.start();
        check(&host, "a restart");
    }
    host.ask(&["confirm"]);
    step(3 * DAYS);
}
