//! What makes the daemon reload, and what does not.

use std::fs::{self, File};
use std::io::Write as _;
use std::time::Duration;

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::{Barrage, Expect, Probe};
use edge_filter_tests::netns::frames::Flow;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp, connect, exchange};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use rustix::process::Signal;

use crate::{PORT, WIRE};

fn policy(allowed: &str) -> String {
    format!(
        r#"
[[interface]]
name = "s0"

[prefix_list.partners]
file = "partners.txt"
max_shrink_percent = 100

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["partners", {allowed:?}]
"#
    )
}

fn start(net: &Net, allowed: &str) -> Host {
    let mut host = Host::new(&net.server);
    host.write("partners.txt", "10.77.0.15\n");
    host.write_config(&policy(allowed));
    host.start();
    host
}

fn ask(net: &Net, source: u8, wait: Duration) -> Answer {
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    net.client
        .run(|| ask_tcp(WIRE.client(source, false), server.into(), 10, wait))
}

fn wait_until_served(net: &Net, source: u8) {
    wait::until("the new policy to serve", || {
        (ask(net, source, SILENCE) == Answer::Served).then_some(())
    });
}

fn reloads(host: &Host, outcome: &str) -> f64 {
    host.metrics()
        .sum("edge_filter_reloads_total", &[("outcome", outcome)])
}

#[test]
fn the_command_puts_a_new_policy_in_force_and_names_its_generation() {
    let net = Net::new();
    let host = start(&net, "10.77.0.10");
    let generation = || host.metrics().value("edge_filter_policy_generation", &[]);
    let before = generation();
    assert_eq!(ask(&net, 11, SILENCE), Answer::Silence);
    host.write_config(&policy("10.77.0.11"));
    let printed = host.ask(&["reload"]);
    assert_eq!(ask(&net, 11, PATIENCE), Answer::Served);
    assert_eq!(ask(&net, 10, SILENCE), Answer::Silence);
    assert!(generation() > before);
    assert!(printed.contains(char::is_numeric), "{printed}");
}

#[test]
fn a_source_that_is_removed_loses_its_connections() {
    let net = Net::new();
    let host = start(&net, "10.77.0.10");
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    let [mut removed, mut kept] = [10, 15].map(|source| {
        net.client.run(|| {
            connect(WIRE.client(source, false), server.into(), PATIENCE)
                .unwrap_or_else(|answer| panic!("{source}: {answer:?}"))
        })
    });
    exchange(&mut removed, 100);
    exchange(&mut kept, 100);
    host.reload_with(&policy("10.77.0.11"));
    exchange(&mut kept, 100);
    removed.write_all(b"lost").expect("it is only queued");
    removed
        .set_read_timeout(Some(SILENCE))
        .expect("the timeout is not zero");
    let error = std::io::Read::read(&mut removed, &mut [0; 8]).expect_err("nothing comes back");
    assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_rejected_file_changes_nothing_and_says_so() {
    let net = Net::new();
    let host = start(&net, "10.77.0.10");
    let before = host.metrics().value("edge_filter_policy_generation", &[]);
    host.write_config(&(policy("10.77.0.1/8") + "\nalow = [\"any\"]\n"));
    let output = host.command(&["reload"]);
    let messages = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{messages}");
    for expected in ["config.toml:", "10.0.0.0/8", "alow"] {
        assert!(messages.contains(expected), "no {expected} in {messages}");
    }
    assert!(reloads(&host, "rejected") >= 1.0);
    let after = host.metrics().value("edge_filter_policy_generation", &[]);
    assert_eq!(after, before);
    host.wait_for_log("10.0.0.0/8");
    assert_eq!(ask(&net, 10, PATIENCE), Answer::Served);
    assert_eq!(ask(&net, 11, SILENCE), Answer::Silence);
}

#[test]
fn a_file_renamed_into_place_is_noticed() {
    let net = Net::new();
    let host = start(&net, "10.77.0.10");
    for source in [11, 12, 13] {
        host.write_config(&policy(&format!("10.77.0.{source}")));
        wait_until_served(&net, source);
    }
}

#[test]
fn a_changed_list_file_is_noticed() {
    let net = Net::new();
    let host = start(&net, "10.77.0.10");
    host.write("partners.txt", "# renamed\n10.77.0.11\n");
    wait_until_served(&net, 11);
    fs::write(host.path("partners.txt"), "10.77.0.12 # in place\n").expect("the folder is ours");
    wait_until_served(&net, 12);
    assert_eq!(ask(&net, 15, SILENCE), Answer::Silence);
}

#[test]
fn a_list_that_shrinks_too_much_is_taken_by_force_only() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    host.write("partners.txt", "10.77.0.11\n10.77.0.12\n10.77.0.15\n");
    // The default: half of a list may go.
    let policy = policy("10.77.0.10").replace("max_shrink_percent = 100\n", "");
    host.write_config(&policy);
    host.start();
    // As a list that is cut off while it is copied.
    host.write("partners.txt", "10.77.0.11\n");
    host.wait_for_log("2 of 3 prefixes would be lost");
    let output = host.command(&["reload"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("reload --force"), "{said}");
    assert_eq!(ask(&net, 12, PATIENCE), Answer::Served);
    assert!(reloads(&host, "rejected") >= 2.0);
    host.ask(&["reload", "--force"]);
    assert_eq!(ask(&net, 12, SILENCE), Answer::Silence);
    assert_eq!(ask(&net, 11, PATIENCE), Answer::Served);
}

#[test]
fn a_changed_key_of_the_daemon_asks_for_a_restart() {
    let net = Net::new();
    let host = start(&net, "10.77.0.10");
    let config = host.config(&policy("10.77.0.11"));
    let config = config.replace("tracked_sources = 16384", "tracked_sources = 32768");
    host.write("config.toml", &config);
    let output = host.command(&["reload"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let wanted = "needs a restart of the daemon: [daemon] tracked_sources";
    assert!(said.contains(wanted), "{said}");
    assert!(host.log().contains(wanted));
    // The rest of the file is in force.
    assert_eq!(ask(&net, 11, PATIENCE), Answer::Served);
    host.reload_with(&policy("10.77.0.10"));
    assert!(!host.ask(&["status"]).contains("tracked_sources"));
}

#[test]
fn sighup_reloads() {
    let net = Net::new();
    let mut host = start(&net, "10.77.0.10");
    let before = reloads(&host, "applied");
    host.daemon().signal(Signal::HUP);
    wait::until("the reload", || {
        (reloads(&host, "applied") > before).then_some(())
    });
    assert_eq!(host.daemon().ended(), None);
    assert_eq!(ask(&net, 10, PATIENCE), Answer::Served);
}

#[test]
fn a_half_written_file_is_not_taken() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    // A valid file by itself, and one that opens the service to everyone.
    let first_half = host.config("") + OPEN;
    let denied = |more: u8| format!("deny = [\"10.77.0.12\", \"10.77.0.{more}\"]\n");
    host.write("config.toml", &(first_half.clone() + &denied(20)));
    host.start();
    let probe = |source, expect| Probe {
        name: "from a listed source, and from one that only half of the file lets in",
        flow: Flow::new(
            (WIRE.client(source, false), 40_000),
            (WIRE.server(false), PORT),
        ),
        is_tcp: true,
        expect,
    };
    let probes = vec![probe(10, Expect::Passes), probe(12, Expect::Dropped)];
    let barrage = Barrage::start(&net, probes);
    let generation = || host.metrics().value("edge_filter_policy_generation", &[]);
    for more in 21..24 {
        let before = generation();
        // In place, as a careless editor does.
        let mut file = File::create(host.path("config.toml")).expect("the folder is ours");
        for half in [first_half.as_bytes(), denied(more).as_bytes()] {
            file.write_all(half).expect("it can be written");
        }
        wait::until("the whole file to be in force", || {
            barrage.check();
            (generation() > before).then_some(())
        });
    }
    barrage.finish();
    assert_eq!(reloads(&host, "rejected"), 0.0);
}

const OPEN: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["any"]
"#;
