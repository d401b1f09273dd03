//! The daemon dies, returns, and meets another: the filter stays.

use edge_filter_tests::daemon::{Daemon, Host, binary};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::Barrage;
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp, connect, exchange};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use serde_json::Value;
use std::time::Duration;

use crate::flood::{self, flow};
use crate::interfaces::attached_program;
use crate::{PORT, WIRE, traffic};

const LISTED: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]
"#;

#[test]
fn killing_and_restarting_changes_nothing_for_packets() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    // And a connection that is established all the while.
    let server = (WIRE.server(false), traffic::CONNECTIONS);
    let _tcp = Echo::tcp(&net.server, server);
    let mut stream = net.client.run(|| {
        connect(WIRE.client(12, false), server.into(), PATIENCE)
            .unwrap_or_else(|answer| panic!("not served: {answer:?}"))
    });
    let mut counted = Counted::default();
    for is_killed in [true, true, false, true, false] {
        more_rounds(&barrage);
        counted.grows(&host);
        if is_killed {
            host.kill();
        } else {
            assert!(host.terminate().success(), "SIGTERM ends it in good order");
        }
        more_rounds(&barrage);
        // The daemon is dead: read from the pinned maps.
        counted.grows(&host);
        exchange(&mut stream, 5000);
        host.start();
        counted.grows(&host);
        exchange(&mut stream, 5000);
    }
    more_rounds(&barrage);
    let rounds = barrage.finish();
    counted.grows(&host);
    traffic::assert_counted(&host, rounds);
}

fn more_rounds(barrage: &Barrage) {
    let enough = barrage.rounds() + 20;
    wait::until("more rounds of traffic", || {
        barrage.check();
        (barrage.rounds() > enough).then_some(())
    });
}

/// What `counters` said last.
#[derive(Default)]
struct Counted {
    allowed: u64,
    refused: u64,
}

impl Counted {
    fn grows(&mut self, host: &Host) {
        let counters = host.json(&["counters"]);
        let allowed = packets(&counters, "allowed");
        let refused = packets(&counters, "not_allowed");
        assert!(
            allowed >= self.allowed && refused >= self.refused,
            "from {} and {} to {allowed} and {refused}",
            self.allowed,
            self.refused
        );
        assert!(allowed > 0, "{counters}");
        *self = Self { allowed, refused };
    }
}

/// Sum of the packets under a reason, wherever they stand in the output of `counters --json`.
fn packets(counters: &Value, reason: &str) -> u64 {
    match counters {
        Value::Array(values) => values.iter().map(|value| packets(value, reason)).sum(),
        Value::Object(fields) if fields.get("reason").is_some_and(|text| text == reason) => {
            fields["packets"].as_u64().expect("it is a number")
        }
        Value::Object(fields) => fields.values().map(|value| packets(value, reason)).sum(),
        _ => 0,
    }
}

#[test]
fn a_service_keeps_its_counters_by_name() {
    let net = Net::new();
    let service = |name: &str, port: u16| {
        format!(
            "[[service]]\nname = {name:?}\nports = [\"{port}/tcp\"]\nallow = [\"10.77.0.10\"]\n"
        )
    };
    let interface = "[[interface]]\nname = \"s0\"\n";
    let (api, web) = (service("api", PORT), service("web", PORT + 1));
    let mut host = Host::start_with(&net.server, &format!("{interface}{api}{web}"));
    let send = |port: u16, times: u64| {
        let from = (WIRE.client(10, false), 40_000);
        let flow = Flow::new(from, (WIRE.server(false), port));
        net.client.run(|| {
            let socket = PacketSocket::open(&WIRE.client_device());
            for number in 0..times {
                socket.send(&flow.tcp(SYN, Mark { flow: 0, number }));
            }
        });
    };
    let wait_for = |host: &Host, wanted: (u64, u64)| {
        wait::until(&format!("{wanted:?}"), || {
            let metrics = host.metrics();
            let of = |service| metrics.packets(service, "pass", "allowed");
            assert!(of("api") <= wanted.0 && of("web") <= wanted.1);
            ((of("api"), of("web")) == wanted).then_some(())
        });
    };
    send(PORT, 3);
    send(PORT + 1, 5);
    wait_for(&host, (3, 5));
    // In another order, with others before them, on each other's ports.
    let (api, web) = (service("api", PORT + 1), service("web", PORT));
    let other = service("other", 9000);
    host.reload_with(&format!("{interface}{other}{web}{api}"));
    wait_for(&host, (3, 5));
    send(PORT, 10);
    wait_for(&host, (3, 15));
    host.kill();
    host.write_config(&format!("{interface}{api}{other}{web}"));
    host.start();
    send(PORT + 1, 20);
    wait_for(&host, (23, 15));
}

#[test]
fn a_spent_burst_stays_spent_across_a_kill() {
    let net = Net::new();
    let policy =
        LISTED.to_owned() + "[service.rate_limit]\nconnections_per_second = 0.001\nburst = 5\n";
    let mut host = Host::start_with(&net.server, &policy);
    let flood = || {
        let flood = flood::run(
            &net,
            &[flow("10.77.0.10")],
            Duration::from_millis(100),
            Duration::from_millis(2),
        );
        flood.passed[0]
    };
    assert_eq!(flood(), 5);
    host.kill();
    assert_eq!(flood(), 0);
    host.start();
    assert_eq!(flood(), 0);
    // Nor does a reload fill it.
    host.reload_with(&(policy.clone() + "\n# changed\n"));
    assert_eq!(flood(), 0);
    assert_eq!(host.metrics().packets("api", "pass", "allowed"), 5);
}

#[test]
fn the_filter_stays_when_the_daemon_ends() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, LISTED);
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    assert!(host.terminate().success());
    net.client.run(|| {
        let ask = |source, wait| ask_tcp(WIRE.client(source, false), server.into(), 10, wait);
        assert_eq!(ask(10, PATIENCE), Answer::Served);
        assert_eq!(ask(11, SILENCE), Answer::Silence);
    });
    // These work from the pins alone.
    assert!(host.ask(&["status"]).contains("s0"));
    assert!(packets(&host.json(&["counters"]), "not_allowed") >= 1);
    host.json(&["status"]);
    // Whoever asks the daemon is told that there is none.
    let output = host.command(&["reload"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(!output.stderr.is_empty());
}

#[test]
fn unload_leaves_nothing() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, LISTED);
    host.terminate();
    assert!(attached_program(&net).is_some());
    assert!(!host.pins().is_empty());
    host.ask(&["unload"]);
    assert_eq!(attached_program(&net), None);
    let pins = host.pins();
    assert!(pins.is_empty(), "{pins:?}");
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    let answer = net
        .client
        .run(|| ask_tcp(WIRE.client(11, false), server.into(), 10, PATIENCE));
    assert_eq!(answer, Answer::Served);
    // And it can start again.
    host.start();
    assert!(attached_program(&net).is_some());
}

#[test]
fn pins_that_are_missing_are_made_at_the_next_start() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, LISTED);
    host.kill();
    // As a start leaves them that had no memory for larger tables.
    let maps = host.pins().into_iter();
    let missing = |pin: &std::path::PathBuf| {
        let name = pin.file_name().and_then(|name| name.to_str());
        ["CONNECTIONS", "PACKETS", "BANS", "EVENT_BUDGETS"]
            .map(Some)
            .contains(&name)
    };
    let missing: Vec<_> = maps.filter(missing).collect();
    assert_eq!(missing.len(), 4, "{:?}", host.pins());
    let remove = || missing.iter().try_for_each(std::fs::remove_file);
    host.inside(remove).expect("they are pinned");
    host.start();
    assert!(missing.iter().all(|pin| host.pins().contains(pin)));
    host.ask(&["ban", "10.77.0.99", "--for", "1h"]);
    assert!(attached_program(&net).is_some());
}

#[test]
fn a_second_daemon_is_refused() {
    let net = Net::new();
    let host = Host::start_with(&net.server, LISTED);
    let mut second = Daemon::spawn(
        &net.server,
        &binary(),
        &host.path("config.toml"),
        &host.path("second.log"),
        &host.path("second.sock"),
    );
    let status = second
        .wait_until_ready()
        .expect_err("the second daemon must not run");
    assert_eq!(status.code(), Some(1));
    let log = std::fs::read_to_string(host.path("second.log")).expect("it says why");
    assert!(log.contains("another") || log.contains("already"), "{log}");
    // The first one is not disturbed.
    host.ask(&["reload"]);
    assert!(attached_program(&net).is_some());
}

#[test]
fn without_a_valid_file_the_last_good_policy_stands_in() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    let listed = LISTED.replace("[\"10.77.0.10\"]", "[\"partners\"]");
    host.write("partners.txt", "10.77.0.10\n");
    host.write_config(&(listed + "[prefix_list.partners]\nfile = \"partners.txt\"\n"));
    host.start();
    host.kill();
    // With its lists: what the files say now is of no importance.
    std::fs::remove_file(host.path("partners.txt")).expect("it is ours");
    host.write_config("this is not a policy");
    host.start();
    assert_eq!(
        host.metrics().value("edge_filter_policy_fallback", &[]),
        1.0
    );
    let said = "THE LAST GOOD POLICY IS USED INSTEAD";
    assert!(host.log().contains(said), "{}", host.log());
    assert_eq!(host.command(&["reload"]).status.code(), Some(3));
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    net.client.run(|| {
        let ask = |source, wait| ask_tcp(WIRE.client(source, false), server.into(), 10, wait);
        assert_eq!(ask(10, PATIENCE), Answer::Served);
        assert_eq!(ask(11, SILENCE), Answer::Silence);
    });
    host.reload_with(LISTED);
    assert_eq!(
        host.metrics().value("edge_filter_policy_fallback", &[]),
        0.0
    );
}
