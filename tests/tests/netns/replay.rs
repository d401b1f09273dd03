//! `replay`: what it says of a capture is what the filter did with the same packets.

use std::path::{Path, PathBuf};

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{ACK, Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::tcpdump::Tcpdump;
use edge_filter_tests::netns::wait;
use serde_json::Value;

use crate::{FAMILIES, PORT, WIRE};

/// Host 10 is listed, 11 is listed and denied, 12 is not listed; no connection comes back within a
/// test, so that the clock's tick does not matter.
const POLICY: &str = r#"
[[interface]]
name = "s0"
attach_mode = "native"

[policy]
unlisted_ports = "drop"
management = "none"

[[service]]
name = "api"
ports = ["7000/tcp", "7000/udp"]
allow = ["10.77.0.10", "fd77::a", "10.77.0.11", "fd77::b"]
deny = ["10.77.0.11", "fd77::b"]

[service.rate_limit]
connections_per_second = 0.001
burst = 4
"#;

/// Of each kind.
const ROUNDS: u64 = 10;

/// Sends packets of every kind from the client; how many.
fn send(net: &Net) -> u64 {
    net.client.run(|| {
        let socket = PacketSocket::open(&WIRE.client_device());
        let mut sent = 0;
        let mut send = |frame: &[u8]| {
            socket.send(frame);
            sent += 1;
        };
        for number in 0..ROUNDS {
            let mark = Mark { flow: 0, number };
            for is_ipv6 in FAMILIES {
                for tags in [&[][..], &[(0x8100, 5)], &[(0x88a8, 5), (0x8100, 6)]] {
                    for source in [10, 11, 12] {
                        let source = (WIRE.client(source, is_ipv6), 40_000);
                        let to = |port| Flow::new(source, (WIRE.server(is_ipv6), port));
                        send(&to(PORT).tagged(tags).tcp(SYN, mark));
                        send(&to(PORT).tagged(tags).tcp(ACK, mark));
                        send(&to(PORT).tagged(tags).udp(mark));
                        send(&to(PORT + 1).tagged(tags).tcp(SYN, mark));
                    }
                }
                let source = (WIRE.client(10, is_ipv6), 40_000);
                let flow = Flow::new(source, (WIRE.server(is_ipv6), PORT));
                // SYN and FIN at once: malformed.
                send(&flow.tcp(SYN | 1, mark));
            }
        }
        send(&last());
        sent
    })
}

/// Known among all others.
fn last() -> Vec<u8> {
    let source = (WIRE.client(15, false), 9);
    let mark = Mark {
        flow: 1,
        number: u64::MAX,
    };
    Flow::new(source, (WIRE.server(false), 9)).tcp(ACK, mark)
}

/// Service, action, reason, packets and bytes; without what the kernels say to each other, which
/// goes on before and after a capture.
fn rows(rows: &Value) -> Vec<(String, String, String, u64, u64)> {
    let rows = rows.as_array().expect("rows").iter().map(|row| {
        let text = |key: &str| row[key].as_str().expect("text").to_owned();
        let number = |key: &str| row[key].as_u64().expect("a number");
        let labels = (text("service"), text("action"), text("reason"));
        let (service, action, reason) = labels;
        (service, action, reason, number("packets"), number("bytes"))
    });
    rows.filter(|row| row.2 != "icmp" && row.2 != "not_ip")
        .collect()
}

/// What the filter counted, once it has seen them all.
fn counted(host: &Host, sent: u64) -> Vec<(String, String, String, u64, u64)> {
    wait::until("all packets to be counted", || {
        let counted = rows(&host.json(&["counters"]));
        let packets: u64 = counted.iter().map(|row| row.3).sum();
        (packets >= sent).then_some(counted)
    })
}

fn replay(host: &Host, file: &Path, more: &[&str]) -> Value {
    let file = file.to_str().expect("a path");
    let (v4, v6) = (WIRE.server(false), WIRE.server(true));
    let (v4, v6) = (v4.to_string(), v6.to_string());
    let arguments = ["replay", file, "--to", &v4, "--to", &v6];
    host.json(&[&arguments[..], more].concat())
}

/// A capture of `send`'s packets at the client's end: XDP drops before a capture on the server's.
fn captured(net: &Net, host: &Host, captures: &[(&str, &[&str])]) -> (u64, Vec<PathBuf>) {
    let start = |(name, arguments): &(&str, &[&str])| {
        let file = host.path(name);
        let tcpdump = Tcpdump::start(&net.client, arguments, &file);
        (tcpdump, file)
    };
    let started: Vec<_> = captures.iter().map(start).collect();
    let sent = send(net);
    let last = last();
    let end = |(tcpdump, file): (Tcpdump, PathBuf)| {
        // Its IP packet, whatever stands before it.
        tcpdump.end_after(&last[14..]);
        file
    };
    (sent, started.into_iter().map(end).collect())
}

#[test]
fn it_counts_what_the_filter_counted() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let (sent, files) = captured(
        &net,
        &host,
        &[
            ("ethernet.pcap", &["-i", "c0"]),
            ("nanoseconds.pcap", &["-i", "c0", "--nano"]),
            ("headers.pcap", &["-i", "c0", "-s", "96"]),
            ("any.pcap", &["-i", "any", "-y", "LINUX_SLL2"]),
            ("cooked.pcap", &["-i", "any", "-y", "LINUX_SLL"]),
        ],
    );
    let counted = counted(&host, sent);
    // Both families, each tagged in three ways.
    let connections = 4;
    let kinds = 3 * ROUNDS;
    let packets = |reason: &str| {
        let rows = counted.iter().filter(|row| row.2 == reason);
        rows.map(|row| row.3).sum::<u64>()
    };
    assert_eq!(packets("connection_rate"), 2 * (kinds - connections));
    assert_eq!(packets("allowed"), 2 * (2 * kinds + connections));
    assert_eq!(packets("malformed"), 2 * ROUNDS);
    for file in files {
        let found = replay(&host, &file, &[]);
        let (mut found_rows, mut counted) = (rows(&found["verdicts"]), counted.clone());
        if ["any.pcap", "cooked.pcap"]
            .iter()
            .any(|name| file.ends_with(name))
        {
            // Cooked packets have lost their VLAN tags, four bytes each.
            for row in found_rows.iter_mut().chain(&mut counted) {
                row.4 = 0;
            }
        }
        assert_eq!(found_rows, counted, "{}", file.display());
        assert_eq!(found["not_judged"]["cut_short"]["packets"], 0);
        assert_eq!(found["times_that_go_back"], 0);
        let is_cut = file.ends_with("headers.pcap");
        let cut = found["cut_by_snapshot_length"].as_u64().expect("a number");
        assert_eq!(cut > 0, is_cut, "{}", file.display());
        let top = &found["top_sources"]["sources"];
        let sources = ["10.77.0.11", "10.77.0.12", "fd77::b", "fd77::c"];
        for (row, source) in top.as_array().expect("rows").iter().zip(sources) {
            assert_eq!(row["source"], source);
            assert_eq!(row["packets"], 4 * kinds);
        }
    }
}

#[test]
fn it_says_what_another_policy_would_change() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let (_, files) = captured(&net, &host, &[("ethernet.pcap", &["-i", "c0"])]);
    let stricter = POLICY.replace("\"10.77.0.11\", \"fd77::b\"]\n\n", "\"10.77.0.10\"]\n\n");
    assert_ne!(stricter, POLICY);
    host.write("stricter.toml", &host.config(&stricter));
    let path = host.path("stricter.toml");
    let path = path.to_str().expect("a path");
    let against = ["--config", path, "--against", "running"];
    for is_alive in [true, false] {
        let found = replay(&host, &files[0], &against);
        assert_eq!(found["against_generation"], 1);
        let changes = &found["changes"];
        let source = |list: &str| changes[list]["sources"][0]["source"].clone();
        assert_eq!(source("newly_dropped"), "10.77.0.10");
        assert_eq!(source("newly_passed"), "10.77.0.11");
        let row = &changes["rows"][0];
        assert_eq!(row["then"]["reason"], "allowed");
        assert_eq!(row["now"]["reason"], "denied");
        if is_alive {
            host.kill();
        }
    }
    // The same policy changes nothing.
    let found = replay(&host, &files[0], &["--against", "running"]);
    assert_eq!(found["changes"]["rows"], serde_json::json!([]));
    host.ask(&["unload"]);
    let file = files[0].to_str().expect("a path");
    let output = host.command(&["replay", file, "--against", "running"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("nothing is pinned here"), "{said}");
}

#[test]
fn a_capture_comes_from_standard_input_and_a_text_for_people_goes_out() {
    let net = Net::new();
    let host = Host::new(&net.server);
    host.write_config(POLICY);
    let (_, files) = captured(&net, &host, &[("ethernet.pcap", &["-i", "c0"])]);
    let input = std::fs::File::open(&files[0]).expect("it is there");
    let output = host.command_reading(&["replay", "-", "--top", "1"], input);
    assert!(output.status.success());
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.starts_with("capture     - (pcap), "), "{text}");
    assert!(text.contains("\nservice  action  reason"), "{text}");
    assert!(text.contains("sources dropped most"), "{text}");
    // What is no capture.
    let output = host.command(&["replay", "/dev/null"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("/dev/null: it ends at byte 0"), "{said}");
    // Damage further on: what lies before is told, and the exit status says that it is not all.
    let mut damaged = std::fs::read(&files[0]).expect("it is there");
    let at = damaged.len();
    damaged.extend([0xff; 16]);
    let file = host.path("damaged.pcap");
    std::fs::write(&file, damaged).expect("the folder is ours");
    let file = file.to_str().expect("a path");
    let output = host.command(&["replay", file, "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("the record at byte {at}")), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert!(found["judged"]["packets"].as_u64() > Some(ROUNDS));
    assert!(
        found["damage"]
            .as_str()
            .is_some_and(|d| d.contains("damaged"))
    );
    host.write("broken.toml", "nonsense = 1");
    let (file, broken) = (&files[0], host.path("broken.toml"));
    let arguments = [file, &broken].map(|path| path.to_str().expect("a path"));
    let output = host.command(&["replay", arguments[0], "--config", arguments[1]]);
    assert_eq!(output.status.code(), Some(3));
}
