//! `explain`: what it says of a packet is what happens to it, whoever is alive to ask.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{PATIENCE, SILENCE};
use filter_common::addr::{Scope, SourceKey};
use filter_common::state::BANS_V4;
use filter_user::kernel::{Pins, clock};
use serde_json::Value;
use std::net::IpAddr;
use std::path::Path;

use crate::{FAMILIES, PORT, WIRE};

/// Host 10 is listed, 11 is listed and denied, 12 is not listed; nobody's connections come back
/// within a test.
const POLICY: &str = r#"
[[interface]]
name = "s0"

[policy]
unlisted_ports = "drop"
management = "none"

[prefix_list.customers]
prefixes = ["10.77.0.10", "fd77::a", "10.77.0.11/32", "fd77::b/128"]

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["customers"]
deny = ["10.77.0.11", "fd77::b"]

[service.rate_limit]
connections_per_second = 0.001
burst = 4
"#;

fn explain(host: &Host, source: IpAddr) -> Value {
    let source = source.to_string();
    host.json(&["explain", "--src", &source, "--port", "7000/tcp"])
}

/// What is counted, but for what the client's host says of itself at any time, such as which groups
/// it is in.
fn counted_beside_icmp(host: &Host) -> Vec<Value> {
    let counters = host.json(&["counters"]);
    let lines = counters.as_array().expect("it lists them").iter();
    lines
        .filter(|line| line["reason"] != "icmp")
        .cloned()
        .collect()
}

/// Exit status and what it says on stderr.
fn fails(host: &Host, arguments: &[&str]) -> (i32, String) {
    let output = host.command(&[&["explain"], arguments].concat());
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().expect("it ended by itself"), said)
}

#[test]
fn it_says_what_then_happens_and_takes_nothing() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    for is_ipv6 in FAMILIES {
        let server = (WIRE.server(is_ipv6), PORT);
        let _tcp = Echo::tcp(&net.server, server);
        let [listed, denied, unlisted] = [10, 11, 12].map(|host| WIRE.client(host, is_ipv6));
        let counted = counted_beside_icmp(&host);
        for (source, verdict, reason, row) in [
            (denied, "drop", "denied", "9"),
            (unlisted, "drop", "not_allowed", "10"),
            (listed, "pass", "allowed", "13"),
        ] {
            let found = explain(&host, source);
            assert_eq!(found["verdict"], verdict);
            assert_eq!(found["reason"], reason);
            assert_eq!(found["row"], row);
            assert_eq!(found["service"]["name"], "api");
            assert_eq!(found["packet"]["destination"], server.0.to_string());
            assert_eq!(found["generation"], 1);
        }
        assert_eq!(counted_beside_icmp(&host), counted, "asking is not counted");
        for left in [4, 3, 2, 1] {
            let found = explain(&host, listed);
            assert_eq!(found["rates"][0]["left"], left);
            let answer = net
                .client
                .run(|| ask_tcp(listed, server.into(), 10, PATIENCE));
            assert_eq!(answer, Answer::Served);
        }
        let found = explain(&host, listed);
        assert_eq!(found["reason"], "connection_rate");
        assert_eq!(found["rates"][0]["left"], 0);
        let wait = found["rates"][0]["next_in_seconds"].as_f64();
        assert!(wait.is_some_and(|wait| 0.0 < wait && wait <= 1000.0));
        let answer = net
            .client
            .run(|| ask_tcp(listed, server.into(), 10, SILENCE));
        assert_eq!(answer, Answer::Silence);
        // What is established goes on.
        let source = listed.to_string();
        let arguments = ["--src", &source, "--port", "7000/tcp", "--flags", "ack"];
        let found = host.json(&[&["explain"], &arguments[..]].concat());
        assert_eq!(found["reason"], "allowed");
    }
}

#[test]
fn it_names_the_lines_of_the_policy_in_force() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    // The file on disk is another by now, and not valid: that is not what judges.
    let config = host.config(POLICY);
    let line = |text: &str| {
        let lines = config.lines().position(|line| line.contains(text));
        lines.expect("the policy has it") as u64 + 1
    };
    let source = WIRE.client(10, false);
    host.write("config.toml", &format!("\n\n\n{}\nbroken = 1", config));
    let found = explain(&host, source);
    let decided = &found["decided_by"];
    assert_eq!(decided["mention"]["list"], "customers");
    assert_eq!(decided["mention"]["prefix"], "10.77.0.10/32");
    assert_eq!(decided["at"]["line"], line("prefixes ="));
    assert_eq!(decided["mention"]["named_at"]["line"], line("allow ="));
    assert_eq!(found["rates"][0]["at"]["line"], line("connections_per"));
    let text = host.ask(&["explain", "--src", "10.77.0.10", "--port", "7000/tcp"]);
    assert!(text.starts_with("pass: allowed, row 13"), "{text}");
    assert!(text.contains("of list customers"), "{text}");
}

#[test]
fn it_answers_when_the_daemon_is_dead_and_after_the_next_has_come() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let source = WIRE.client(10, false);
    let alive = explain(&host, source);
    host.kill();
    assert_eq!(explain(&host, source), alive);

    let IpAddr::V4(address) = source else {
        panic!("asked for IPv4");
    };
    let key = SourceKey::v4(address.to_bits(), Scope::All);
    let (pin_path, in_an_hour) = (host.pin_path(), clock::monotonic_ns() + 3_600_000_000_000);
    net.server.run(|| ban(&pin_path, key, in_an_hour));
    let text = host.ask(&["explain", "--src", "10.77.0.10", "--port", "7000/tcp"]);
    assert!(text.starts_with("drop: banned, row 8"), "{text}");
    assert!(
        text.contains("ban         all services, for another"),
        "{text}"
    );
    let left = explain(&host, source)["ban"]["seconds_left"].as_u64();
    assert!(left.is_some_and(|left| 3000 < left && left <= 3600));
    net.server.run(|| ban(&pin_path, key, 1));
    assert_eq!(explain(&host, source)["reason"], "allowed");

    // Without the state directory's copy nobody knows lines or names; the verdict stands.
    std::fs::rename(host.path("state"), host.path("state.away")).expect("ours");
    let found = explain(&host, source);
    assert_eq!(found["reason"], "allowed");
    assert_eq!(found["decided_by"]["at"], Value::Null);
    assert!(
        found["notes"][0]
            .as_str()
            .is_some_and(|n| n.contains("no copy"))
    );
    std::fs::rename(host.path("state.away"), host.path("state")).expect("ours");

    host.start();
    assert_eq!(explain(&host, source)["reason"], "allowed");
    host.ask(&["unload"]);
    let (status, said) = fails(&host, &["--src", "10.77.0.10", "--port", "7000/tcp"]);
    assert_eq!(status, 1, "{said}");
    assert!(said.contains("nothing is pinned here"), "{said}");
}

/// What `ban` does, as far as the packet program sees it.
fn ban(pin_path: &Path, key: SourceKey, expiry_ns: u64) {
    let pins = Pins::open(pin_path).expect("pins").expect("some");
    let map = aya::maps::MapData::from_pin(pins.folder.map("BANS")).expect("the map");
    let map = aya::maps::Map::HashMap(map);
    let mut map = aya::maps::HashMap::<_, [u8; 24], u64>::try_from(map).expect("of this shape");
    let key: [u8; 24] = zerocopy::transmute!(key);
    map.insert(key, expiry_ns, 0).expect("room");
    pins.state.set_exceptions(BANS_V4);
}

#[test]
fn while_an_apply_waits_it_names_the_lines_of_that_policy() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let source = WIRE.client(12, false);
    let wider = POLICY.replace("[\"customers\"]", "[\"customers\", \"10.77.0.12\"]");
    host.write("wider.toml", &host.config(&wider));
    let path = host.path("wider.toml");
    host.ask(&["apply", path.to_str().expect("a path"), "--confirm", "5m"]);
    for is_alive in [true, false] {
        let found = explain(&host, source);
        assert_eq!(found["reason"], "allowed");
        assert_eq!(found["decided_by"]["mention"]["prefix"], "10.77.0.12/32");
        let note = found["notes"][0].as_str().expect("a note");
        assert!(note.contains("waits for its confirmation"), "{note}");
        if is_alive {
            host.kill();
        }
    }
    host.ask(&["rollback"]);
    let found = explain(&host, source);
    assert_eq!(found["reason"], "not_allowed");
    assert_eq!(found["notes"], serde_json::json!([]));
}

#[test]
fn interfaces_and_sockets_are_the_hosts() {
    let net = Net::with(2, 1500);
    let policy = format!("{POLICY}\n[[interface]]\nname = \"s1\"\n");
    let host = Host::start_with(&net.server, &policy);
    let ask = ["--src", "10.77.0.10", "--port", "7000/tcp"];
    let (status, said) = fails(&host, &ask);
    assert_eq!(status, 2, "{said}");
    assert!(said.contains("--device s0 or --device s1"), "{said}");
    let (status, said) = fails(&host, &[&ask[..], &["--device", "eth9"]].concat());
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("eth9: this host has no such interface; filtered are s0, s1"),
        "{said}"
    );
    let (status, said) = fails(&host, &[&ask[..], &["--device", "lo"]].concat());
    assert_eq!(status, 1, "{said}");
    assert!(
        said.contains("lo: this interface is not filtered"),
        "{said}"
    );
    let found = host.json(&[&["explain"], &ask[..], &["--device", "s1"]].concat());
    assert_eq!(found["device"], "s1");
    assert_eq!(found["reason"], "allowed");

    // A listening socket is no reply's; nor is a port where nobody is.
    let server = (WIRE.server(false), PORT + 1);
    let _tcp = Echo::tcp(&net.server, server);
    let unlisted = [
        "--src",
        "10.77.0.10",
        "--port",
        "7001/tcp",
        "--device",
        "s0",
    ];
    for flags in ["syn", "ack"] {
        let found = host.json(&[&["explain"], &unlisted[..], &["--flags", flags]].concat());
        assert_eq!(found["reason"], "unlisted_port");
        assert_eq!(found["verdict"], "drop");
    }
    let _udp = net
        .server
        .run(|| std::net::UdpSocket::bind((WIRE.server(false), 40_000)).expect("a socket"));
    let udp = [
        "--src",
        "10.77.0.10",
        "--port",
        "40000/udp",
        "--device",
        "s0",
    ];
    let found = host.json(&[&["explain"], &udp[..]].concat());
    assert_eq!(found["reason"], "reply");
    assert_eq!(found["decided_by"]["what"], "a socket of this host");
}

#[test]
fn a_configuration_on_the_command_line_is_asked_offline() {
    let net = Net::new();
    let host = Host::new(&net.server);
    host.write("other.toml", POLICY);
    let config = host.path("other.toml");
    let config = config.to_str().expect("a path");
    let ask = ["explain", "--src", "10.77.0.11", "--port", "7000/tcp"];
    let found = host.json(&[&ask[..], &["--config", config]].concat());
    assert_eq!(found["reason"], "denied");
    assert_eq!(found["generation"], Value::Null);
    assert_eq!(
        found["packet"]["destination"],
        WIRE.server(false).to_string()
    );
    host.write("other.toml", &POLICY.replace("allow", "alow"));
    let output = host.command(&[&ask[..], &["--config", config]].concat());
    assert_eq!(output.status.code(), Some(3));
}
