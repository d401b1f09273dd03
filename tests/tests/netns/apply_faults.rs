//! An `apply` while another one waits, cut short at any step: what is in force then can be kept,
//! and taken back, with its files.

use edge_filter_tests::daemon::{Host, Strace};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::wait;
use std::fs;

use crate::faults::{MANY, lives_on};
use crate::{PORT, WIRE};

/// How the second is applied: until somebody confirms it, or for good.
const WAYS: [&[&str]; 2] = [&["--confirm", "1h"], &[]];

struct Scene {
    _net: Net,
    host: Host,
}

impl Scene {
    fn new() -> Self {
        let net = Net::new();
        let host = Host::start_with(&net.server, &serving(10));
        Self { _net: net, host }
    }

    /// Applies a policy that serves this client. Whether that was done.
    fn apply(&self, client: u8, options: &[&str]) -> bool {
        let candidate = self.host.path("candidate.toml");
        self.host
            .write("candidate.toml", &self.host.config(&serving(client)));
        let candidate = candidate.to_str().expect("it is text");
        let arguments = [&["apply", candidate, "--force"][..], options].concat();
        self.host.command(&arguments).status.success()
    }

    /// Applies the policy that serves client 12 while the daemon is killed at this renaming of a
    /// file. Returns whom the policy in force serves, and whether the daemon made fewer.
    fn apply_killed_at(&mut self, call: usize, options: &[&str]) -> (u8, bool) {
        let inject = format!("rename:signal=KILL:when={call}");
        let log = self.host.path("strace.log");
        let strace = Strace::attach(self.host.daemon(), &inject, &log);
        if !self.apply(12, options) {
            wait::until("the end of the daemon", || self.host.daemon().ended());
        }
        drop(strace);
        (self.served(), lives_on(self.host.daemon()))
    }

    /// The one client that is served, by the kernel's own word.
    fn served(&self) -> u8 {
        let port = format!("{PORT}/tcp");
        let is_served = |client: &u8| {
            let source = WIRE.client(*client, false).to_string();
            let ask = [
                "explain", "--device", "s0", "--src", &source, "--port", &port,
            ];
            self.host.json(&ask)["reason"] == "allowed"
        };
        let served: Vec<_> = (10..13).filter(is_served).collect();
        assert_eq!(served.len(), 1, "{served:?}");
        served[0]
    }

    fn config(&self) -> String {
        fs::read_to_string(self.host.path("config.toml")).expect("there is always one")
    }

    /// What is in force can be kept as the configured file, and undone.
    fn keep_and_undo(&self, context: &str) {
        let in_force = self.served();
        if self.host.json(&["status"])["apply"]["stage"] == "pending" {
            self.host.ask(&["confirm"]);
        }
        assert_eq!(self.served(), in_force, "{context}");
        assert_eq!(
            self.config(),
            self.host.config(&serving(in_force)),
            "{context}"
        );
        self.host.ask(&["rollback"]);
        assert_eq!(self.served(), 10, "{context}");
        assert_eq!(self.config(), self.host.config(&serving(10)), "{context}");
    }
}

fn serving(client: u8) -> String {
    format!(
        "[[interface]]\nname = \"s0\"\n[[service]]\nname = \"api\"\nports = [\"{PORT}/tcp\"]\n\
         allow = [\"10.77.0.{client}\"]\n"
    )
}

#[test]
fn a_second_apply_that_the_kernel_refuses_leaves_the_first_waiting() {
    let mut scene = Scene::new();
    for options in WAYS {
        let mut refused = 0;
        for call in 1.. {
            assert!(call < MANY, "an apply makes no end of calls");
            assert!(scene.apply(11, WAYS[0]));
            let inject = format!("bpf:error=ENOMEM:when={call}");
            let log = scene.host.path("strace.log");
            let strace = Strace::attach(scene.host.daemon(), &inject, &log);
            let is_applied = scene.apply(12, options);
            let is_injected = strace.finish();
            let context = format!("{options:?}, call {call}");
            assert_eq!(
                scene.served(),
                if is_applied { 12 } else { 11 },
                "{context}"
            );
            refused += usize::from(!is_applied);
            scene.keep_and_undo(&context);
            if !is_injected {
                break;
            }
        }
        assert!(refused > 0, "{options:?}: nothing was refused");
    }
}

#[test]
fn killed_at_any_renaming_of_a_second_apply_the_next_start_knows_what_is_in_force() {
    let mut scene = Scene::new();
    for options in WAYS {
        for call in 1.. {
            assert!(call < MANY, "an apply makes no end of calls");
            assert!(scene.apply(11, WAYS[0]));
            let (in_force, has_survived) = scene.apply_killed_at(call, options);
            if !has_survived {
                scene.host.start();
            }
            let context = format!("{options:?}, call {call}");
            assert_ne!(in_force, 10, "{context}");
            assert_eq!(scene.served(), in_force, "{context}");
            scene.keep_and_undo(&context);
            if has_survived {
                assert!(call > 1, "{options:?} renames nothing");
                break;
            }
        }
    }
}

#[test]
fn cut_short_at_any_renaming_a_rollback_without_a_daemon_finds_the_file_that_belongs_to_it() {
    let mut scene = Scene::new();
    for call in 1.. {
        assert!(call < MANY, "an apply makes no end of calls");
        // One is kept, so that there is an older file that must not come back in its place.
        assert!(scene.apply(11, &[]));
        let (in_force, has_survived) = scene.apply_killed_at(call, &[]);
        let before = if in_force == 12 { 11 } else { 10 };
        scene.host.ask(&["rollback"]);
        let assert = |scene: &Scene| {
            assert_eq!(scene.served(), before, "call {call}");
            let config = scene.host.config(&serving(before));
            assert_eq!(scene.config(), config, "call {call}");
        };
        assert(&scene);
        if !has_survived {
            scene.host.start();
            assert(&scene);
        }
        scene.host.reload_with(&serving(10));
        if has_survived {
            assert!(call > 1, "it renames nothing");
            return;
        }
    }
}

#[test]
fn with_numbers_that_are_lost_nothing_is_waited_for_and_nothing_rolled_back_to() {
    let mut scene = Scene::new();
    for (options, served, stage) in [(WAYS[0], 10, "reverted"), (WAYS[1], 11, "superseded")] {
        assert!(scene.apply(11, options));
        scene.host.kill();
        fs::write(scene.host.path("state/ids.json"), "{").expect("it is ours");
        scene.host.start();
        assert_eq!(scene.served(), served);
        assert_eq!(scene.host.json(&["status"])["apply"]["stage"], stage);
        let output = scene.host.command(&["rollback"]);
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(scene.served(), served);
    }
}
