//! `top` in a real terminal, and one screen of it without any.

use edge_filter_tests::daemon::{Host, Terminal};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::wait;
use rustix::fs::OFlags;
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::Stdio;

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

#[test]
fn a_terminal_that_goes_away_ends_it() {
    let net = Net::new();
    let host = Host::start_with(&net.server, POLICY);
    // Without a controlling terminal nobody sends it SIGHUP: it has to see for itself.
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
    let master = master.expect("a terminal");
    grantpt(&master).expect("ours");
    unlockpt(&master).expect("ours");
    let name = ptsname(&master, Vec::new()).expect("its name");
    let name = std::ffi::OsString::from_vec(name.into_bytes());
    let end = || -> Stdio {
        let mut options = File::options();
        let options = options.read(true).write(true);
        let flags = OFlags::NOCTTY.bits().cast_signed();
        options
            .custom_flags(flags)
            .open(&name)
            .expect("its other end")
            .into()
    };
    let mut command = host.prepare(&["top", "--interval", "200ms"]);
    command
        .env("TERM", "xterm")
        .stdin(end())
        .stdout(end())
        .stderr(end());
    let mut child = net.server.run(|| command.spawn()).expect("it starts");
    drop(command);
    let mut master = File::from(master);
    let mut shown = Vec::new();
    // It has the terminal once it has asked for the other screen.
    while !String::from_utf8_lossy(&shown).contains("[?1049h") {
        let mut bytes = [0; 4096];
        let length = master.read(&mut bytes).expect("it draws");
        shown.extend_from_slice(&bytes[..length]);
    }
    drop(master);
    let status = wait::until("its end", || child.try_wait().expect("a child"));
    assert_eq!(status.code(), Some(129), "{status}");
}
