//! `events`, and the daemon's own log: what was dropped, and who was let in.

use std::net::IpAddr;

use edge_filter_tests::daemon::{Follower, Host};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{ACK, Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, PATIENCE};
use rustix::process::Signal;
use serde_json::Value;

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]
log_connections = true
"#;

/// Most that may be asked for.
const UNSPARING: &str = "events_per_second = 1000000\n";

fn host(net: &Net) -> Host {
    let mut host = Host::new(&net.server);
    // `[daemon]` is the last table.
    host.write("config.toml", &(host.config(POLICY) + UNSPARING));
    host.start();
    host
}

/// Segments from a client's address to the service, past every socket.
fn send(net: &Net, source: u8, flags: u8, times: u64) {
    let flow = Flow::new(
        (WIRE.client(source, false), 40_000),
        (WIRE.server(false), PORT),
    );
    net.client.run(|| {
        let socket = PacketSocket::open(&WIRE.client_device());
        for number in 0..times {
            socket.send(&flow.tcp(flags, Mark { flow: 0, number }));
        }
    });
}

/// What `events --json` prints, line by line.
fn events(host: &Host, arguments: &[&str]) -> Vec<Value> {
    let text = host.ask(&[&["events", "--json"], arguments].concat());
    let lines = text.lines().map(serde_json::from_str);
    lines.map(|line| line.expect("it is JSON")).collect()
}

/// Waits for so many events.
fn wait_for(host: &Host, arguments: &[&str], count: usize) -> Vec<Value> {
    wait::until(&format!("{count} events"), || {
        let found = events(host, arguments);
        (found.len() >= count).then_some(found)
    })
}

#[test]
fn what_is_dropped_is_told_with_everything_that_is_known() {
    let net = Net::new();
    let host = host(&net);
    send(&net, 11, SYN, 1);
    let found = wait_for(&host, &[], 1);
    assert_eq!(found.len(), 1, "{found:?}");
    let event = &found[0];
    for (field, wanted) in [
        ("device", Value::from("s0")),
        ("action", "drop".into()),
        ("reason", "not_allowed".into()),
        ("service", "api".into()),
        ("source", "10.77.0.11".into()),
        ("source_port", 40_000.into()),
        ("destination", WIRE.server(false).to_string().into()),
        ("destination_port", PORT.into()),
        ("protocol", "tcp".into()),
        ("tcp_flags", "SYN".into()),
        ("generation", 1.into()),
    ] {
        assert_eq!(event[field], wanted, "{field} of {event}");
    }
    let time = event["time"].as_str().expect("it has a time");
    assert!(time.starts_with("20") && time.ends_with('Z'), "{time}");
    assert!(event["packet_length"].as_u64() >= Some(54), "{event}");

    let told = host.command(&["events"]);
    let totals = String::from_utf8_lossy(&told.stderr);
    assert_eq!(totals, "1 events and 0 lost since the filter was loaded\n");
    let text = String::from_utf8_lossy(&told.stdout);
    let wanted = " s0 drop not_allowed api 10.77.0.11:40000 > ";
    assert!(text.contains(wanted), "{text}");
    assert_eq!(events(&host, &["--source", "10.77.0.0/28"]).len(), 1);
    for others in [
        ["--source", "10.77.0.10"],
        ["--reason", "denied"],
        ["--service", "web"],
    ] {
        assert_eq!(events(&host, &others), Vec::<Value>::new());
    }
    // The daemon's own log has it too.
    host.wait_for_log("reason=\"not_allowed\"");
}

#[test]
fn metrics_count_what_is_told_and_what_is_not() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    let settings = "events_per_second = 1\nlog_format = \"json\"\n";
    host.write("config.toml", &(host.config(POLICY) + settings));
    host.start();
    send(&net, 11, SYN, 200);
    let told = wait::until("all packets in the metrics", || {
        let metrics = host.metrics();
        let dropped = metrics.packets("api", "drop", "not_allowed") as f64;
        let told = metrics.value("edge_filter_events_total", &[]);
        let lost = metrics.value("edge_filter_events_lost_total", &[]);
        (dropped >= 200.0 && told + lost == dropped).then_some(told)
    });
    assert!((1.0..100.0).contains(&told), "{told}");
    // The loss is told where the events are.
    wait::until("a line of what was lost", || {
        let lines = events(&host, &[]);
        let lost = lines.iter().filter(|line| line["cause"] == "budget");
        let lost = lost.filter_map(|line| line["by_reason"]["not_allowed"].as_u64());
        (lost.sum::<u64>() as f64 >= 200.0 - told).then_some(())
    });
    // A log in JSON has the fields one by one.
    wait::until("an event in the log", || {
        let log = host.log();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        let mut events = lines.filter(|line: &Value| line["target"] == "edge_filter::events");
        let event = events.find(|line| line["reason"] == "not_allowed")?;
        assert_eq!(event["source"], "10.77.0.11", "{event}");
        assert_eq!(event["destination_port"], PORT, "{event}");
        Some(())
    });
    // Counters go on where they stood.
    host.kill();
    host.start();
    assert!(host.metrics().value("edge_filter_events_total", &[]) >= told);
}

#[test]
fn accepted_connections_are_told_once() {
    let net = Net::new();
    let host = host(&net);
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    let client: IpAddr = WIRE.client(10, false);
    for connections in 1..=3 {
        let ask = || ask_tcp(client, server.into(), 5000, PATIENCE);
        assert_eq!(net.client.run(ask), Answer::Served);
        let found = wait_for(&host, &["--reason", "allowed"], connections);
        assert_eq!(found.len(), connections, "{found:?}");
        let event = &found[connections - 1];
        assert_eq!(event["action"], "pass", "{event}");
        assert_eq!(event["source"], client.to_string(), "{event}");
        assert_eq!(event["tcp_flags"], "SYN", "{event}");
    }
}

#[test]
fn a_follower_sees_what_comes_and_ends_in_good_order() {
    let net = Net::new();
    let host = host(&net);
    send(&net, 11, SYN, 1);
    wait_for(&host, &[], 1);
    let mut follower = Follower::start(&host, &[]);
    let mut choosy = Follower::start(&host, &["--source", "10.77.0.12"]);
    for source in [11, 12, 13] {
        send(&net, source, ACK, 1);
        let event = follower.line();
        assert_eq!(event["source"], format!("10.77.0.{source}"), "{event}");
        assert_eq!(event["tcp_flags"], "ACK", "the earlier one is not told");
    }
    assert_eq!(choosy.line()["source"], "10.77.0.12");
    for follower in [&mut follower, &mut choosy] {
        follower.signal(Signal::INT);
        assert!(follower.wait().success());
    }
}

#[test]
fn a_follower_that_stops_to_read_holds_up_nobody_and_is_told_what_it_lost() {
    const BURST: u64 = 500;
    const BURSTS: u64 = 12;
    let net = Net::new();
    let host = host(&net);
    let stopped = Follower::start(&host, &[]);
    let other = Follower::start(&host, &[]);
    stopped.signal(Signal::STOP);
    for burst in 0..BURSTS {
        send(&net, 11, SYN, BURST);
        let (told, _) = read(&other, BURST);
        assert!(told > 0);
        if burst % 4 == 0 {
            host.ask(&["reload"]);
        }
    }
    assert_eq!(events(&host, &[]).len(), 1000, "the newest are kept");
    stopped.signal(Signal::CONT);
    let (told, lost) = read(&stopped, BURST * BURSTS);
    assert!(told > 0 && lost > 0, "{told} told, {lost} lost");
    // And it goes on.
    send(&net, 12, SYN, 1);
    assert_eq!(stopped.line()["source"], "10.77.0.12");
}

/// Reads until so many events were told or said to be lost on the way to this follower.
fn read(follower: &Follower, events: u64) -> (u64, u64) {
    let (mut told, mut lost) = (0, 0);
    while told + lost < events {
        let line = follower.line();
        match line["lost"].as_u64() {
            Some(count) => {
                assert_eq!(line["cause"], "slow_follower", "{line}");
                lost += count;
            }
            None => told += 1,
        }
    }
    (told, lost)
}

#[test]
fn the_ring_outlives_the_daemon() {
    let net = Net::new();
    let mut host = host(&net);
    host.kill();
    let output = host.command(&["events"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("edge-filter run"), "{text}");
    send(&net, 13, SYN, 3);
    host.start();
    let found = wait_for(&host, &["--source", "10.77.0.13"], 3);
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn followers_have_eight_places() {
    let net = Net::new();
    let host = host(&net);
    let mut followers: Vec<_> = (0..8).map(|_| Follower::start(&host, &[])).collect();
    let output = host.command(&["events", "--follow"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("already"), "{text}");
    // Others are answered all the same.
    host.ask(&["status"]);
    assert_eq!(events(&host, &[]).len(), 0);
    // One that goes, goes unasked for.
    drop(followers.pop());
    wait::until("a place", || {
        let mut follower = Follower::try_start(&host, &[])?;
        follower.signal(Signal::INT);
        follower.wait().success().then_some(())
    });
}
