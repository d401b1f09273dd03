//! Calls to the kernel that fail, and a daemon that dies between any two of them: the verdicts are
//! those of the old policy or of the new one, never a mixture, and what is said is so.
//!
//! Every call of its kind that a reload makes is met in turn, until a reload makes no further one.

use edge_filter_tests::daemon::{Daemon, Host, Strace};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::Barrage;
use edge_filter_tests::netns::wait;

use std::fs;

use crate::{FAMILIES, WIRE, traffic};

/// More calls of one kind than a reload makes.
pub const MANY: usize = 200;
/// Turns over all calls of a reload in which each step is met for certain.
const TURNS: usize = 6;

/// Services that share ports, each on an address of its own, so that tables take several pages.
fn shared_ports() -> String {
    const SERVICES: u32 = 8;
    let service = |number: u32| {
        // A port for each way to choose some of them.
        let ports: Vec<_> = (1..1 << SERVICES)
            .filter(|chosen| chosen >> number & 1 == 1)
            .map(|chosen| format!("\"{}/tcp\"", 20_000 + chosen))
            .collect();
        format!(
            r#"
[[service]]
name = "shared{number}"
ports = [{}]
addresses = ["192.0.2.{}"]
allow = ["10.77.0.12"]
"#,
            ports.join(", "),
            number + 1
        )
    };
    (0..SERVICES).map(service).collect()
}

/// The second policy has one interface more, which must be attached to.
fn policy(is_second: bool) -> String {
    let policy = traffic::policy(is_second) + &shared_ports();
    if is_second {
        policy.replacen(
            "[[interface]]",
            "[[interface]]\nname = \"s1\"\n\n[[interface]]",
            1,
        )
    } else {
        policy
    }
}

/// Which of the two decides, read from the kernel's maps; in every way the same one.
fn in_force(host: &Host) -> bool {
    let mut found = Vec::new();
    for is_ipv6 in FAMILIES {
        for (source, port, second) in [(10, "1000/tcp", "beta"), (11, "2000/tcp", "alpha")] {
            let source = WIRE.client(source, is_ipv6).to_string();
            let said = host.json(&[
                "explain", "--device", "s0", "--src", &source, "--port", port,
            ]);
            assert_eq!(said["reason"], "allowed", "{said}");
            found.push(said["service"]["name"] == second);
        }
    }
    assert!(
        found.iter().all(|is_second| *is_second == found[0]),
        "a mixture: {found:?}"
    );
    found[0]
}

/// How many reloads came to an end, by the daemon's log.
fn reloads(host: &Host) -> usize {
    let log = host.log();
    log.matches(" reloaded").count() + log.matches("reload REJECTED").count()
}

fn descriptors(host: &mut Host) -> usize {
    let folder = format!("/proc/{}/fd", host.daemon().pid());
    std::fs::read_dir(folder).expect("it runs").count()
}

#[test]
fn a_refused_bpf_call_leaves_the_old_policy_or_the_new_one_and_says_which() {
    let net = Net::with(2, 1500);
    let mut host = Host::start_with(&net.server, &policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    // A first round, so that what is opened once is open.
    host.reload_with(&policy(true));
    host.reload_with(&policy(false));
    let descriptors_before = descriptors(&mut host);
    for error in ["ENOMEM", "EPERM"] {
        let mut refusals = Vec::new();
        let (mut turns, mut spoilt) = (0, 0);
        let mut call = 0;
        loop {
            call += 1;
            assert!(call < MANY, "a reload makes no end of calls");
            let inject = format!("bpf:error={error}:when={call}");
            let log = host.path("strace.log");
            let strace = Strace::attach(host.daemon(), &inject, &log);
            let before = reloads(&host);
            host.write_config(&policy(true));
            let output = host.command(&["reload"]);
            let is_injected = strace.finish();
            if reloads(&host) > before + 1 {
                // The daemon noticed the file before it was told to: which of the two reloads met
                // the call cannot be said. Once more.
                spoilt += 1;
                assert!(spoilt < MANY, "this machine is too slow");
                call -= 1;
                host.reload_with(&policy(false));
                continue;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(
                in_force(&host),
                output.status.success(),
                "{error} at call {call}: {said}"
            );
            if output.status.success() {
                // Told, and then attached by the daemon's next try, is as good.
                let is_told = said.contains("s1: NOT FILTERED");
                assert!(
                    is_told || is_attached(&host, "s1"),
                    "{error} at {call}: {said}"
                );
            } else {
                refusals.push(said);
            }
            barrage.check();
            // What has failed once does not stand in the way of the next.
            host.ask(&["reload"]);
            assert!(in_force(&host), "{error} at call {call}");
            assert!(is_attached(&host, "s1"), "{error} at call {call}");
            host.reload_with(&policy(false));
            if is_injected {
                continue;
            }
            // Every call has had its turn. But strace counts by thread, and which thread makes a
            // call is the daemon's affair: what was missed in one turn is met in another.
            turns += 1;
            call = 0;
            if each_step_is_met(&refusals) {
                break;
            }
            assert!(turns < TURNS, "{error} was met {refusals:?}");
        }
        for said in refusals {
            let names_the_step = ["making an inner map", "filling a slot", "reading it"]
                .iter()
                .any(|step| said.contains(step));
            assert!(names_the_step, "{said}");
            assert!(said.contains("os error"), "{said}");
        }
    }
    // What was open for a moment, such as a connection to the kernel, is closed a moment later.
    wait::until("descriptors to be closed", || {
        (descriptors(&mut host) <= descriptors_before).then_some(())
    });
    let rounds = barrage.finish();
    traffic::assert_counted(&host, rounds);
}

/// Both maps are made, and a slot of each of the two outer ones is filled.
fn each_step_is_met(refusals: &[String]) -> bool {
    let is_met = |map, step| {
        let mut said = refusals.iter();
        said.any(|said| said.contains(map) && said.contains(step))
    };
    ["map FIXED", "map PAGES"]
        .iter()
        .all(|map| is_met(*map, "making an inner map") && is_met(*map, "filling a slot"))
}

fn is_attached(host: &Host, device: &str) -> bool {
    let status = host.json(&["status"]);
    let interfaces = status["interfaces"].as_array().expect("it lists them");
    interfaces
        .iter()
        .any(|interface| interface["device"] == device && interface["mode"] != "none")
}

#[test]
fn killed_at_any_call_to_bpf_one_policy_judges_and_the_next_start_goes_on() {
    killed_at_any(&["bpf"]);
}

#[test]
fn killed_at_any_opening_of_a_file_one_policy_judges_and_the_next_start_goes_on() {
    killed_at_any(&["openat"]);
}

#[test]
fn killed_at_any_other_call_for_files_one_policy_judges_and_the_next_start_goes_on() {
    killed_at_any(&["rename", "fsync", "ftruncate", "unlink"]);
}

/// Calls of a reload to either policy; of each kind there is at least one. A kind's last call was
/// met when neither reload makes a further one: some are made on the way to one policy alone, such
/// as the `unlink` of an interface's pin.
fn killed_at_any(kinds: &[&str]) {
    let net = Net::with(2, 1500);
    let mut host = Host::start_with(&net.server, &policy(false));
    host.ask(&["ban", "10.77.0.99", "--for", "1h"]);
    let barrage = Barrage::start(&net, traffic::probes());
    for calls in kinds {
        let mut call = 1;
        let mut survived = 0;
        while survived < 2 {
            assert!(call < MANY, "a reload makes no end of calls");
            let before = in_force(&host);
            let inject = format!("{calls}:signal=KILL:when={call}");
            let log = host.path("strace.log");
            let strace = Strace::attach(host.daemon(), &inject, &log);
            host.write_config(&policy(!before));
            let is_answered = host.command(&["reload"]).status.success();
            if !is_answered {
                wait::until("the end of the daemon", || host.daemon().ended());
            }
            drop(strace);
            let after = in_force(&host);
            barrage.check();
            if is_answered {
                assert_ne!(after, before, "reloaded at {calls} {call}");
            }
            // With the answer given it may still have met its end, by a call of its own accord.
            if lives_on(host.daemon()) {
                survived += 1;
                continue;
            }
            survived = 0;
            host.start();
            assert_ne!(in_force(&host), before, "started after {calls} {call}");
            let bans = host.ask(&["bans"]);
            assert!(bans.contains("10.77.0.99"), "after {calls} {call}: {bans}");
            barrage.check();
            call += 1;
        }
        eprintln!("{calls}: {} deaths", call - 1);
        assert!(call > 1, "no call of {calls}");
    }
    let rounds = barrage.finish();
    traffic::assert_counted(&host, rounds);
}

#[test]
fn killed_at_any_renaming_of_a_confirmation_the_next_start_brings_it_to_its_end() {
    let net = Net::with(2, 1500);
    let mut host = Host::start_with(&net.server, &policy(false));
    let config = |host: &Host| fs::read_to_string(host.path("config.toml")).expect("it is there");
    let first = config(&host);
    let second = host.config(&policy(true));
    host.write("candidate.toml", &second);
    let candidate = host.path("candidate.toml");
    let candidate = candidate.to_str().expect("it is text");
    for call in 1.. {
        assert!(call < MANY, "a confirmation makes no end of calls");
        host.ask(&["apply", candidate, "--confirm", "1h", "--force"]);
        let inject = format!("rename:signal=KILL:when={call}");
        let log = host.path("strace.log");
        let strace = Strace::attach(host.daemon(), &inject, &log);
        if !host.command(&["confirm"]).status.success() {
            wait::until("the end of the daemon", || host.daemon().ended());
        }
        drop(strace);
        assert!(in_force(&host), "killed at {call}");
        let has_survived = lives_on(host.daemon());
        if !has_survived {
            host.start();
        }
        assert!(in_force(&host), "started after {call}");
        if host.json(&["status"])["apply"]["stage"] == "pending" {
            host.ask(&["confirm"]);
        }
        assert_eq!(config(&host), second, "after {call}");
        // However it came about, it can be undone, for good.
        host.ask(&["rollback"]);
        assert!(!in_force(&host), "rolled back after {call}");
        assert_eq!(config(&host), first, "rolled back after {call}");
        if has_survived {
            assert!(call > 1, "a confirmation renames nothing");
            return;
        }
    }
}

/// Whether it was not killed. A thread that sleeps has seen every signal that was sent to it before.
pub fn lives_on(daemon: &mut Daemon) -> bool {
    wait::until("the daemon's end, or rest", || match daemon.ended() {
        Some(_) => Some(false),
        None => daemon.is_at_rest().then_some(true),
    })
}
