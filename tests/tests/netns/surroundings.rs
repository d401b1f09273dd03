//! What happens around a daemon: its pins, its interface, its disk, its socket. The filter stays as it
//! is, and what cannot be done is said.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::Barrage;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, mount_remount, unmount};
use rustix::process::Signal;

use crate::{PORT, WIRE, traffic};

/// Something on an interface changes: the daemon looks.
fn poke(net: &Net) {
    for length in [999, 1000] {
        net.server.ip(&format!("link set s0 txqueuelen {length}\n"));
    }
}

fn attached(host: &Host) -> f64 {
    let labels = [("device", "s0"), ("mode", "native")];
    host.metrics().value("edge_filter_attached", &labels)
}

#[test]
fn pins_that_are_removed_are_made_again_and_nothing_gets_through_meanwhile() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    let before = host.pins();
    let asked = ["explain", "--src", "10.77.0.10", "--port", "1000/tcp"];
    let explained = host.json(&asked);
    let pin_path = host.pin_path();
    net.server
        .run(|| fs::remove_dir_all(&pin_path))
        .expect("root may");
    assert_eq!(attached(&host), 1.0);
    poke(&net);
    host.wait_for_log("pins were removed while the filter runs");
    assert_eq!(host.pins(), before);
    assert_eq!(host.json(&asked), explained);
    host.ask(&["ban", "10.77.0.99", "--for", "1h"]);
    barrage.check();
    // The next daemon finds everything.
    host.kill();
    host.start();
    host.reload_with(&traffic::policy(true));
    let rounds = barrage.finish();
    traffic::assert_counted(&host, rounds);
}

#[test]
fn a_bpffs_that_is_unmounted_takes_the_commands_away_but_not_the_filter() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    let before = host.pins();
    let bpffs = host.path("bpf");
    net.server
        .run(|| unmount(&bpffs, UnmountFlags::DETACH))
        .expect("root may");
    poke(&net);
    host.wait_for_log("pins were removed and cannot be made again");
    assert_eq!(attached(&host), 1.0);
    host.reload_with(&traffic::policy(true));
    barrage.check();
    // What was made in its place must not be in the way.
    let _ = fs::remove_dir_all(host.pin_path());
    net.server.mount_bpffs(&bpffs);
    poke(&net);
    host.wait_for_log("pins were removed while the filter runs");
    assert_eq!(host.pins(), before);
    host.kill();
    host.start();
    let rounds = barrage.finish();
    traffic::assert_counted(&host, rounds);
}

#[test]
fn a_daemon_that_hung_during_unload_ends_when_it_wakes_and_attaches_nothing() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    host.daemon().signal(Signal::STOP);
    let said = host.ask(&["unload"]);
    assert!(said.contains("detached from s0"), "{said}");
    let server = (WIRE.server(false), 1000);
    let _tcp = Echo::tcp(&net.server, server);
    // Of a source that the policy did not let in.
    let ask = || ask_tcp(WIRE.client(12, false), server.into(), 10, PATIENCE);
    assert_eq!(net.client.run(ask), Answer::Served);
    host.daemon().signal(Signal::CONT);
    assert!(host.daemon().wait().success());
    assert!(host.log().contains("unloaded by a command"));
    assert_eq!(host.pins(), [] as [std::path::PathBuf; 0]);
    assert_eq!(net.client.run(ask), Answer::Served);
}

const ONE: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10"]
"#;

/// Only host 10 is served.
fn filters(net: &Net) {
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    let ask = |source, wait| {
        net.client
            .run(|| ask_tcp(WIRE.client(source, false), server.into(), 10, wait))
    };
    assert_eq!(ask(10, PATIENCE), Answer::Served);
    assert_eq!(ask(11, SILENCE), Answer::Silence);
}

#[test]
fn an_interface_that_goes_down_and_up_or_away_and_back_is_filtered() {
    let net = Net::new();
    let host = Host::start_with(&net.server, ONE);
    net.server.ip("link set s0 down\nlink set s0 up\n");
    filters(&net);
    assert_eq!(attached(&host), 1.0);

    net.take_away(WIRE);
    host.wait_for_log("the interface vanished");
    wait::until("edge_filter_attached 0", || {
        let labels = [("device", "s0"), ("mode", "none")];
        let metrics = host.metrics();
        (metrics.value("edge_filter_attached", &labels) == 0.0).then_some(())
    });
    net.bring_back(WIRE);
    wait::until("edge_filter_attached 1", || {
        let labels = [("device", "s0")];
        let metrics = host.metrics();
        (metrics.sum("edge_filter_attached", &labels) == 1.0).then_some(())
    });
    filters(&net);
}

/// A running host whose state directory has room for little, and where to put what fills it.
fn on_a_small_disk(net: &Net) -> (Host, PathBuf) {
    let mut host = Host::new(&net.server);
    let state = host.path("state");
    fs::create_dir(&state).expect("the folder is ours");
    net.server
        .run(|| mount("tmpfs", &state, "tmpfs", MountFlags::empty(), c"size=128k"))
        .expect("root may");
    host.write_config(ONE);
    host.start();
    (host, state.join("ballast"))
}

#[test]
fn a_full_disk_keeps_no_policy_from_taking_force_that_needs_nothing_written() {
    let net = Net::new();
    let (mut host, ballast) = on_a_small_disk(&net);
    let fill = || fs::write(&ballast, vec![1; 1 << 20]);
    let error = net.server.run(fill).expect_err("it is full");
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);

    // Names need numbers, and numbers must be written down before they are used.
    host.write_config(&ONE.replace("\"api\"", "\"www\""));
    let output = host.command(&["reload"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    filters(&net);
    // Other prefixes need none.
    host.reload_with(&ONE.replace("10.77.0.10", "10.77.0.11"));
    let explained = host.json(&["explain", "--src", "10.77.0.11", "--port", "7000/tcp"]);
    assert_eq!(explained["reason"], "allowed");
    assert!(host.log().contains("not kept for the next start"));

    net.server
        .run(|| fs::remove_file(&ballast))
        .expect("it is ours");
    host.reload_with(&ONE.replace("\"api\"", "\"www\""));
    filters(&net);
    host.kill();
    host.start();
    filters(&net);
}

#[test]
fn a_full_disk_keeps_no_rollback_from_lasting() {
    let net = Net::new();
    let (mut host, ballast) = on_a_small_disk(&net);
    let candidate = host.config(&ONE.replace("10.77.0.10", "10.77.0.11"));
    host.write("candidate.toml", &candidate);
    let candidate = host.path("candidate.toml");
    host.ask(&["apply", candidate.to_str().expect("it is text"), "--force"]);
    host.kill();
    let fill = || fs::write(&ballast, vec![1; 1 << 20]);
    net.server.run(fill).expect_err("it is full");
    let output = host.command(&["rollback"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("is not written down"), "{said}");
    filters(&net);
    net.server
        .run(|| fs::remove_file(&ballast))
        .expect("it is ours");
    host.start();
    filters(&net);
}

#[test]
fn a_read_only_state_directory_keeps_no_policy_from_taking_force_that_needs_nothing_written() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    let state = host.path("state");
    fs::create_dir(&state).expect("the folder is ours");
    host.write_config(ONE);
    host.start();
    // Another mount of the same folder: the one below has a file that is open for writing.
    let close = || {
        mount_bind(&state, &state)?;
        mount_remount(&state, MountFlags::BIND | MountFlags::RDONLY, "")
    };
    net.server.run(close).expect("root may");

    host.write_config(&ONE.replace("\"api\"", "\"www\""));
    let output = host.command(&["reload"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    filters(&net);
    host.reload_with(&ONE.replace("10.77.0.10", "10.77.0.11"));
    let explained = host.json(&["explain", "--src", "10.77.0.11", "--port", "7000/tcp"]);
    assert_eq!(explained["reason"], "allowed");
    host.reload_with(ONE);
    filters(&net);
    // Without it no other daemon starts, and what is in force stays.
    host.kill();
    let refused = host.try_start().expect_err("it cannot lock");
    assert!(!refused.success());
    assert!(
        host.log().contains("Read-only file system"),
        "{}",
        host.log()
    );
    filters(&net);
    let open = || unmount(&state, UnmountFlags::empty());
    net.server.run(open).expect("root may");
    host.start();
    filters(&net);
}

/// `calls` fail for a daemon that is started by this.
fn failing(host: &Host, calls: &str) -> std::path::PathBuf {
    let strace = format!(
        "exec strace --daemonize --follow-forks --output=/dev/null --trace={} --inject={calls}",
        calls.split(':').next().expect("it names a call")
    );
    let daemon = edge_filter_tests::daemon::binary();
    host.write(
        "failing",
        &format!("#!/bin/sh\n{strace} {} \"$@\"\n", daemon.display()),
    );
    let program = host.path("failing");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("ours");
    program
}

#[test]
fn without_watches_files_are_looked_at_all_the_same() {
    for (calls, said) in [
        ("inotify_add_watch:error=ENOSPC", "cannot watch"),
        (
            "inotify_init1:error=EMFILE",
            "looked at every few seconds only",
        ),
    ] {
        let net = Net::new();
        let mut host = Host::new(&net.server);
        host.write_config(ONE);
        let program = failing(&host, calls);
        host.try_start_as(&program).expect("it starts");
        host.wait_for_log(said);
        host.write_config(&ONE.replace("10.77.0.10", "10.77.0.11"));
        wait::until("the reload", || {
            let explained = host.json(&["explain", "--src", "10.77.0.11", "--port", "7000/tcp"]);
            (explained["reason"] == "allowed").then_some(())
        });
    }
}

#[test]
fn without_its_control_socket_the_daemon_is_reached_by_signals_and_pins() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, ONE);
    fs::remove_file(host.path("control.sock")).expect("it is there");
    let status = host.json(&["status"]);
    assert_eq!(status["policy"]["generation"], 1, "{status}");
    let output = host.command(&["reload"]);
    assert!(!output.status.success());
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("control.sock"), "{said}");
    host.write_config(&ONE.replace("10.77.0.10", "10.77.0.11"));
    host.daemon().signal(Signal::HUP);
    wait::until("the reload", || {
        let explained = host.json(&["explain", "--src", "10.77.0.11", "--port", "7000/tcp"]);
        (explained["reason"] == "allowed").then_some(())
    });
}
