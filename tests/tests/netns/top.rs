//! `top` in a real terminal, and one screen of it without any.

use edge_filter_tests::daemon::{Host, Terminal};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::wait;
use rustix::process::{Pid, Signal, kill_process};

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]
"#;

fn send(net: &Net, source: u8, times: u64) {
    let flow = Flow::new(
        (WIRE.client(source, false), 40_000),
        (WIRE.server(false), PORT),
    );
    net.client.run(|| {
        let socket = PacketSocket::open(&WIRE.client_device());
        for number in 0..times {
            socket.send(&flow.tcp(SYN, Mark { flow: 0, number }));
        }
    });
}

#[test]
fn a_source_is_seen_explained_and_banned_and_the_daemons_end_is_told() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let terminal = Terminal::start(&net.server, &host, "top --interval 200ms");
    terminal.wait_for("daemon pid");
    send(&net, 11, 20);
    let screen = terminal.wait_for("> 10.77.0.11");
    for part in ["generation 1", "s0 ", "not_allowed", "bans 0"] {
        assert!(screen.contains(part), "{part}:\n{screen}");
    }

    terminal.press(&["p"]);
    terminal.wait_for("PAUSED");
    terminal.press(&["p", "f", "w", "e", "b", "Enter"]);
    terminal.wait_for("nothing is counted yet");
    terminal.press(&["s", "f", "Escape"]);
    terminal.wait_for("by total");
    terminal.wait_for("> 10.77.0.11");

    terminal.press(&["e"]);
    terminal.wait_for("drop: not_allowed");
    terminal.press(&["x", "b"]);
    terminal.wait_for("for: 1h");
    terminal.press(&["Enter"]);
    terminal.wait_for("y bans, else not");
    terminal.press(&["y"]);
    terminal.wait_for("bans 1");
    let bans = host.json(&["bans"]);
    assert_eq!(bans["bans"][0]["address"], "10.77.0.11", "{bans}");

    host.kill();
    terminal.press(&["?", "x"]);
    let screen = terminal.wait_for("daemon NOT RUNNING");
    assert!(screen.contains("generation 1"), "{screen}");
    terminal.press(&["q"]);
    terminal.wait_for("ended with 0");
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let terminal = Terminal::start(&net.server, &host, "top");
    terminal.wait_for("daemon pid");
    let program = Pid::from_raw(terminal.program()).expect("it is a process");
    kill_process(program, Signal::TERM).expect("it runs");
    let screen = terminal.wait_for("ended with 0");
    assert!(!screen.contains("daemon pid"), "{screen}");
}

/// A connection that breaks must not leave a process that spins.
#[test]
fn it_ends_with_its_terminal() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let terminal = Terminal::start(&net.server, &host, "top");
    terminal.wait_for("daemon pid");
    let program = format!("/proc/{}/stat", terminal.program());
    drop(terminal);
    wait::until("the end of top", || {
        // Gone, or waiting for somebody to take note of it.
        let stat = std::fs::read_to_string(&program).unwrap_or_default();
        (stat.is_empty() || stat.contains(") Z ")).then_some(())
    });
}

#[test]
fn without_a_terminal_it_says_what_to_do_instead() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    let output = host.command(&["top"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("top --once"), "{text}");
}

#[test]
fn one_screen_needs_neither_terminal_nor_daemon() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    send(&net, 11, 5);
    host.kill();
    let arguments = ["top", "--once", "--interval", "100ms"];
    let text = host.ask(&arguments);
    for part in ["daemon NOT RUNNING", "api ", "not_allowed"] {
        assert!(text.contains(part), "{part}:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text:?}");
    let reading = host.json(&arguments);
    let counters = reading["counters"].as_array().expect("it is a list");
    let dropped = counters.iter().find(|c| c["reason"] == "not_allowed");
    assert_eq!(dropped.map(|c| &c["packets"]), Some(&5.into()), "{reading}");
}
