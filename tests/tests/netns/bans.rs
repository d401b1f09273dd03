//! Bans and timed allows as the operator makes them: at once, for as long as said, whatever
//! becomes of the daemon.

use edge_filter_tests::daemon::{Host, binary};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_udp};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use rustix::process::Signal;
use serde_json::Value;
use std::fmt::Write as _;
use std::io::Write as _;
use std::process::Command;

use crate::{FAMILIES, PORT, WIRE};

/// Hosts 10, 11 and 13 are listed; 13 is exempt; 12 is not listed.
const POLICY: &str = r#"
[[interface]]
name = "s0"

[prefix_list.customers]
prefixes = ["10.77.0.10/31", "fd77::a/127", "10.77.0.13", "fd77::d"]

[[service]]
name = "api"
ports = ["7000/udp"]
allow = ["customers"]
exempt = ["10.77.0.13", "fd77::d"]

[[service]]
name = "other"
ports = ["7001/udp"]
allow = ["customers"]
"#;

/// Echo servers of both ports and families, and who reaches them.
struct Served<'a> {
    net: &'a Net,
    _servers: Vec<Echo>,
}

impl<'a> Served<'a> {
    fn new(net: &'a Net) -> Self {
        let addresses = FAMILIES.map(|is_ipv6| WIRE.server(is_ipv6));
        let places = addresses.map(|address| [(address, PORT), (address, PORT + 1)]);
        let servers = places.into_iter().flatten();
        Self {
            net,
            _servers: servers.map(|place| Echo::udp(&net.server, place)).collect(),
        }
    }

    fn ask(&self, host: u8, is_ipv6: bool, port: u16, wait: std::time::Duration) -> Answer {
        let server = (WIRE.server(is_ipv6), port);
        let source = WIRE.client(host, is_ipv6);
        self.net
            .client
            .run(|| ask_udp(source, server.into(), 10, wait))
    }

    #[track_caller]
    fn assert_served(&self, host: u8, is_ipv6: bool, port: u16) {
        assert_eq!(self.ask(host, is_ipv6, port, PATIENCE), Answer::Served);
    }

    #[track_caller]
    fn assert_silent(&self, host: u8, is_ipv6: bool, port: u16) {
        assert_eq!(self.ask(host, is_ipv6, port, SILENCE), Answer::Silence);
    }

    /// Whether IPv4 is served at the first port now.
    fn is_served(&self, host: u8) -> bool {
        self.ask(host, false, PORT, SILENCE) == Answer::Served
    }
}

fn total(host: &Host, command: &str) -> u64 {
    let listing = host.json(&[command]);
    listing["total"].as_u64().expect("it is a number")
}

/// Runs a command with this on its standard input: exit status, stdout, stderr.
fn feed(host: &Host, arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut file = tempfile::tempfile().expect("a temporary file");
    file.write_all(input.as_bytes()).expect("there is room");
    std::io::Seek::rewind(&mut file).expect("it is a file");
    let output = host.command_reading(arguments, file);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

#[test]
fn a_ban_cuts_off_at_once_and_unban_lets_in_again() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let served = Served::new(&net);
    for is_ipv6 in FAMILIES {
        let source = WIRE.client(10, is_ipv6).to_string();
        served.assert_served(10, is_ipv6, PORT);
        host.ask(&["ban", &source, "--for", "1h", "--note", "too \u{1b}[31mred"]);
        served.assert_silent(10, is_ipv6, PORT);
        served.assert_silent(10, is_ipv6, PORT + 1);
        served.assert_served(11, is_ipv6, PORT);
        let text = host.ask(&["bans"]);
        assert!(
            text.contains(&source) && text.contains("too \\u{1b}[31mred"),
            "{text}"
        );
        let bans = host.json(&["bans"]);
        assert_eq!(bans["bans"][0]["address"], Value::from(source.clone()));
        assert_eq!(bans["bans"][0]["is_in_force"], Value::from(true));
        host.ask(&["unban", &source]);
        served.assert_served(10, is_ipv6, PORT);

        host.ask(&["ban", &source]);
        let output = host.command(&["unban", &source, "--service", "api"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("still banned"), "{text}");
        host.ask(&["unban", &source]);

        host.ask(&["ban", &source, "--service", "other"]);
        served.assert_served(10, is_ipv6, PORT);
        served.assert_silent(10, is_ipv6, PORT + 1);
        host.ask(&["unban", &source]);
        served.assert_served(10, is_ipv6, PORT + 1);
    }
    // The /64 holds an exempt address.
    assert_eq!(host.command(&["ban", "fd77::/64"]).status.code(), Some(1));
    host.ask(&["ban", "fd77::/64", "--force"]);
    served.assert_silent(10, true, PORT);
    served.assert_served(10, false, PORT);
    let output = host.command(&["unban", "fd77::a"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("part of fd77::/64"), "{text}");
    served.assert_silent(10, true, PORT);
    host.ask(&["unban", "fd77::/64"]);
    served.assert_served(10, true, PORT);
    assert!(host.metrics().packets("api", "drop", "banned") >= 3);
    assert_eq!(total(&host, "bans"), 0);
}

#[test]
fn a_ban_ends_by_itself_with_the_daemon_dead() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let served = Served::new(&net);
    host.kill();
    // Again if this machine stalled for longer than the ban lasts.
    wait::until("silence for a banned source", || {
        host.ask(&["ban", "10.77.0.10", "--for", "2s"]);
        (!served.is_served(10)).then_some(())
    });
    wait::until("the end of the ban", || served.is_served(10).then_some(()));
    assert_eq!(total(&host, "bans"), 0);
}

#[test]
fn an_allow_lets_in_for_as_long_as_it_says_and_a_ban_wins() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let served = Served::new(&net);
    for is_ipv6 in FAMILIES {
        let source = WIRE.client(12, is_ipv6).to_string();
        served.assert_silent(12, is_ipv6, PORT);
        host.ask(&["allow", &source, "--for", "1h", "--service", "api"]);
        served.assert_served(12, is_ipv6, PORT);
        served.assert_silent(12, is_ipv6, PORT + 1);
        assert_eq!(total(&host, "allows"), 1);
        host.ask(&["ban", &source]);
        served.assert_silent(12, is_ipv6, PORT);
        let output = host.command(&["allow", &source, "--for", "1h"]);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(text.contains("BANNED"), "{text}");
        host.ask(&["unban", &source]);
        served.assert_served(12, is_ipv6, PORT + 1);
        host.ask(&["disallow", &source]);
        served.assert_silent(12, is_ipv6, PORT);
    }
    host.kill();
    wait::until("an answer for an allowed source", || {
        host.ask(&["allow", "10.77.0.12", "--for", "2s"]);
        served.is_served(12).then_some(())
    });
    wait::until("its end", || (total(&host, "allows") == 0).then_some(()));
    // The packet program's clock is a tick behind at most.
    wait::until("silence for it", || (!served.is_served(12)).then_some(()));
}

#[test]
fn bans_and_allows_survive_the_daemon_and_the_maps() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let served = Served::new(&net);
    host.ask(&["ban", "10.77.0.10", "--for", "1h"]);
    host.ask(&["ban", "fd77::a", "--service", "other"]);
    host.ask(&[
        "allow",
        "10.77.0.12",
        "--for",
        "1h",
        "--note",
        "on the phone",
    ]);
    let check = |host: &Host| {
        served.assert_silent(10, false, PORT);
        served.assert_silent(10, true, PORT + 1);
        served.assert_served(10, true, PORT);
        served.assert_served(12, false, PORT);
        assert_eq!((total(host, "bans"), total(host, "allows")), (2, 1));
    };
    check(&host);
    host.kill();
    check(&host);
    host.ask(&["ban", "10.77.0.11"]);
    host.ask(&["unban", "10.77.0.11"]);
    host.start();
    check(&host);
    host.reload_with(&format!("{POLICY}\n# changed\n"));
    check(&host);
    // As after a reboot: nothing is pinned.
    host.terminate();
    host.ask(&["unload"]);
    let text = host.ask(&["bans"]);
    assert!(text.contains("NOT IN FORCE"), "{text}");
    assert_eq!(host.command(&["ban", "10.77.0.11"]).status.code(), Some(1));
    // A line was torn when the power went.
    let mut journal = std::fs::File::options()
        .append(true)
        .open(host.path("state/exceptions.jsonl"))
        .expect("it is kept there");
    journal.write_all(b"{\"op\":\"se").expect("there is room");
    host.start();
    check(&host);
    assert!(host.log().contains("exceptions.damaged"), "it says so");
    let metrics = host.metrics();
    assert_eq!(metrics.value("edge_filter_bans", &[]), 2.0);
    assert_eq!(metrics.value("edge_filter_allows", &[]), 1.0);
    assert!(host.ask(&["status"]).contains("bans 2, timed allows 1"));
}

#[test]
fn everything_an_operator_needs_works_while_the_daemon_hangs() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let served = Served::new(&net);
    host.daemon().signal(Signal::STOP);
    host.ask(&["ban", "10.77.0.10"]);
    served.assert_silent(10, false, PORT);
    assert_eq!(total(&host, "bans"), 1);
    host.ask(&["unban", "10.77.0.10"]);
    served.assert_served(10, false, PORT);
    host.ask(&["allow", "10.77.0.12", "--for", "1h"]);
    served.assert_served(12, false, PORT);
    host.ask(&["disallow", "10.77.0.12"]);
    served.assert_silent(12, false, PORT);
    host.ask(&["bypass", "--for", "10m"]);
    served.assert_served(12, false, PORT);
    assert!(host.ask(&["status"]).contains("BYPASS"));
    assert!(host.ask(&["counters"]).contains("would_drop"));
    let asked = ["explain", "--src", "10.77.0.12", "--port", "7000/udp"];
    assert!(host.ask(&asked).contains("bypass"));
    host.ask(&["bypass", "--end"]);
    served.assert_silent(12, false, PORT);
    host.ask(&["unload"]);
    served.assert_served(12, false, PORT);
    assert!(host.pins().is_empty());
    host.daemon().signal(Signal::CONT);
}

#[test]
fn a_list_is_taken_as_far_as_it_goes_and_what_is_not_is_named() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let served = Served::new(&net);
    let list = "10.77.0.10\n# a comment\n10.77.0.0/24\n10.77.0.13\nfd77::a\n\n192.0.2.7\n";
    let (status, output, errors) = feed(&host, &["ban", "-", "--for", "1h"], list);
    assert_eq!(status, Some(1));
    assert!(
        output.starts_with("banned 3 sources from all services, until "),
        "{output}"
    );
    assert!(
        errors.contains("line 3") && errors.contains("`deny`"),
        "{errors}"
    );
    assert!(
        errors.contains("10.77.0.13: NOT banned: in `exempt` of service api"),
        "{errors}"
    );
    assert!(errors.contains("2 of 5 were not banned"), "{errors}");
    assert_eq!(total(&host, "bans"), 3);
    served.assert_silent(10, false, PORT);
    served.assert_silent(10, true, PORT);
    served.assert_served(13, false, PORT);
    // It is exempt from that service only.
    host.ask(&["ban", "10.77.0.13", "--service", "other"]);
    host.ask(&["ban", "10.77.0.13", "--force"]);
    served.assert_silent(13, false, PORT);
    let (status, output, _) = feed(&host, &["unban", "-"], "10.77.0.13\n10.77.0.10\nfd77::a\n");
    assert_eq!(
        (status, output.as_str()),
        (Some(0), "3 sources no longer banned\n")
    );
    served.assert_served(10, false, PORT);
}

#[test]
fn peers_that_the_operator_or_the_host_needs_are_not_banned_by_mistake() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    net.server.ip("route add default via 10.77.0.10\n");
    let output = host.command(&["ban", "10.77.0.10"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("10.77.0.10 is a default gateway"), "{text}");
    // The shell between has no such variable, as under sudo.
    let program = binary();
    let config = host.path("config.toml");
    let output = net.server.run(|| {
        Command::new("sh")
            .args(["-c", "env -u SSH_CONNECTION \"$@\"; exit $?", "sh"])
            .arg(program)
            .args(["ban", "10.77.0.11", "--config"])
            .arg(config)
            .env("SSH_CONNECTION", "10.77.0.11 50000 10.77.0.1 22")
            .output()
    });
    let output = output.expect("there is a shell");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("the other end of your SSH connection"),
        "{text}"
    );
    assert_eq!(total(&host, "bans"), 0);
    host.ask(&["ban", "10.77.0.10", "--force"]);
    assert_eq!(total(&host, "bans"), 1);
}

#[test]
fn a_hundred_thousand_bans_come_in_one_go_and_are_listed_by_page() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let served = Served::new(&net);
    let mut list = String::new();
    for n in 0..99_999u32 {
        let _ = writeln!(list, "{}", std::net::Ipv4Addr::from_bits(0x6440_0000 + n));
    }
    list += "10.77.0.10\n";
    let (status, output, errors) = feed(&host, &["ban", "-", "--for", "1h"], &list);
    assert_eq!(status, Some(0), "{errors}");
    assert!(output.starts_with("banned 100000 sources"), "{output}");
    served.assert_silent(10, false, PORT);
    served.assert_served(11, false, PORT);
    assert_eq!(host.metrics().value("edge_filter_bans", &[]), 100_000.0);
    let page = host.json(&["bans", "--limit", "100", "--page", "1000"]);
    assert_eq!(page["total"], Value::from(100_000));
    assert_eq!(page["bans"].as_array().map(Vec::len), Some(100));
    let (status, _, errors) = feed(&host, &["ban", "-"], "10.77.0.11\n192.0.2.1\n");
    assert_eq!(status, Some(1));
    assert!(errors.contains("NOTHING was done"), "{errors}");
    served.assert_served(11, false, PORT);
    feed(&host, &["unban", "-"], &list);
    served.assert_served(10, false, PORT);
    assert_eq!(total(&host, "bans"), 0);
}

#[test]
fn a_service_that_gets_anothers_number_does_not_get_its_bans() {
    let net = Net::new();
    let policy = |first: &str, fillers: std::ops::Range<u16>| {
        let mut text = String::from("[[interface]]\nname = \"s0\"\n");
        let mut service = |name: &str, port: u16| {
            let _ = write!(
                text,
                "[[service]]\nname = \"{name}\"\nports = [\"{port}/udp\"]\nallow = [\"any\"]\n"
            );
        };
        service(first, PORT);
        fillers.for_each(|n| service(&format!("filler{n}"), 9000 + n));
        text
    };
    // All 64 numbers are taken.
    let host = Host::start_with(&net.server, &policy("api", 0..63));
    let served = Served::new(&net);
    host.ask(&["ban", "10.77.0.10", "--service", "api"]);
    served.assert_silent(10, false, PORT);
    host.reload_with(&policy("fresh", 0..63));
    served.assert_served(10, false, PORT);
    let text = host.ask(&["bans"]);
    assert!(text.contains("NOT IN FORCE"), "{text}");
    host.reload_with(&policy("api", 1..63));
    served.assert_silent(10, false, PORT);
    host.ask(&["unban", "10.77.0.10", "--service", "api"]);
    served.assert_served(10, false, PORT);
}
