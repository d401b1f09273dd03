//! `apply`, `confirm` and `rollback`: a candidate is kept or comes to nothing, whoever lives or
//! dies meanwhile.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use rustix::process::Signal;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::{PORT, WIRE};

/// Time enough for a few commands before the deadline, and short enough to wait for.
const CONFIRM: &str = "20s";

/// A policy that serves one host.
fn serving(host: u8) -> String {
    format!(
        "[[interface]]\nname = \"s0\"\n[[service]]\nname = \"api{host}\"\nports = [\"{PORT}/tcp\"]\n\
         allow = [\"10.77.0.{host}\"]\n"
    )
}

/// A host that serves client 10, and an echo behind it.
struct Scene {
    net: Net,
    host: Host,
    _echo: Echo,
}

impl Scene {
    fn new() -> Self {
        let net = Net::new();
        let host = Host::start_with(&net.server, &serving(10));
        let echo = Echo::tcp(&net.server, (WIRE.server(false), PORT));
        Self {
            net,
            host,
            _echo: echo,
        }
    }

    fn candidate(&self, policy: &str) -> PathBuf {
        let path = self.host.path("candidate.toml");
        self.host.write("candidate.toml", &self.host.config(policy));
        path
    }

    fn apply(&self, policy: &str, options: &[&str]) -> serde_json::Value {
        let path = self.candidate(policy);
        let path = path.to_str().expect("it is text");
        self.host.json(&[&["apply", path][..], options].concat())
    }

    fn serves(&self, client: u8, wait: Duration) -> bool {
        let server = (WIRE.server(false), PORT).into();
        let source = WIRE.client(client, false);
        self.net
            .client
            .run(|| ask_tcp(source, server, 100, wait) == Answer::Served)
    }

    #[track_caller]
    fn serves_only(&self, client: u8) {
        let other = if client == 10 { 11 } else { 10 };
        assert!(self.serves(client, PATIENCE), "{client} is not served");
        assert!(!self.serves(other, SILENCE), "{other} is served");
    }

    fn wait_until_only(&self, client: u8) {
        wait::until(&format!("only {client} is served"), || {
            self.serves(client, SILENCE).then_some(())
        });
        self.serves_only(client);
    }

    fn config(&self) -> String {
        fs::read_to_string(self.host.path("config.toml")).expect("there is always one")
    }

    /// What a command says that fails with status 1.
    #[track_caller]
    fn fails(&self, arguments: &[&str]) -> String {
        let output = self.host.command(arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        text
    }

    fn stage(&self) -> String {
        let status = self.host.json(&["status"]);
        status["apply"]["stage"].as_str().unwrap_or("none").into()
    }
}

#[test]
fn a_candidate_reverts_by_itself_when_the_daemon_is_killed() {
    let mut scene = Scene::new();
    let before = scene.config();
    scene.apply(&serving(11), &["--confirm", CONFIRM]);
    scene.serves_only(11);
    assert_eq!(scene.stage(), "pending");
    scene.host.kill();
    scene.serves_only(11);
    scene.wait_until_only(10);
    // From the pins alone, and from the next daemon.
    assert_eq!(scene.stage(), "reverted");
    scene.host.start();
    scene.serves_only(10);
    assert_eq!(scene.stage(), "reverted");
    scene.host.wait_for_log("REVERTED");
    assert!(scene.fails(&["confirm"]).contains("reverted at 2"));
    assert_eq!(scene.config(), before);
}

#[test]
fn a_living_daemon_tidies_up_behind_a_revert() {
    let scene = Scene::new();
    let applied = scene.apply(&serving(11), &["--confirm", CONFIRM]);
    let metrics = scene.host.metrics();
    assert_eq!(
        metrics.value("edge_filter_apply_deadline_timestamp_seconds", &[]),
        applied["reverts_at"].as_f64().expect("a number")
    );
    assert_eq!(metrics.value("edge_filter_policy_file_differs", &[]), 1.0);
    scene.wait_until_only(10);
    scene.host.wait_for_log("BACK to the policy");
    let metrics = scene.host.metrics();
    let value = |name| metrics.value(name, &[]);
    assert_eq!(value("edge_filter_policy_file_differs"), 0.0);
    assert_eq!(value("edge_filter_apply_deadline_timestamp_seconds"), 0.0);
    let reverted = [("outcome", "reverted")];
    assert_eq!(metrics.value("edge_filter_reloads_total", &reverted), 1.0);
    assert!(scene.fails(&["confirm"]).contains("reverted at 2"));
    assert!(scene.fails(&["rollback"]).contains("reverted at 2"));
    scene.host.reload_with(&serving(11));
    scene.serves_only(11);
}

#[test]
fn a_confirmed_candidate_is_the_configured_file_and_can_be_rolled_back() {
    let mut scene = Scene::new();
    let before = scene.config();
    scene.apply(&serving(11), &["--confirm", "60s"]);
    let candidate = fs::read_to_string(scene.host.path("candidate.toml")).expect("it is there");
    scene.host.ask(&["confirm"]);
    assert_eq!(scene.config(), candidate);
    let kept = fs::read_to_string(scene.host.path("config.toml.previous"));
    assert_eq!(kept.expect("it is kept"), before);
    assert!(scene.fails(&["confirm"]).contains("nothing waits"));
    // Restarts and reloads of the same file change nothing, nor what a rollback goes back to.
    scene.host.kill();
    scene.host.start();
    scene.serves_only(11);
    scene.host.ask(&["reload"]);
    scene.serves_only(11);
    assert_eq!(scene.stage(), "confirmed");
    scene.host.ask(&["rollback"]);
    scene.serves_only(10);
    assert_eq!(scene.config(), before);
    let undone = fs::read_to_string(scene.host.path("config.toml.undone"));
    assert_eq!(undone.expect("it is kept"), candidate);
    assert!(scene.fails(&["rollback"]).contains("rolled back at 2"));
    scene.host.kill();
    scene.host.start();
    scene.serves_only(10);
}

#[test]
fn a_configuration_that_was_edited_since_is_not_rolled_back_over() {
    let scene = Scene::new();
    scene.apply(&serving(11), &[]);
    scene.serves_only(11);
    scene.host.reload_with(&serving(10));
    assert!(
        scene
            .fails(&["rollback"])
            .contains("changed by other means")
    );
    scene.serves_only(10);
}

#[test]
fn nothing_else_replaces_a_policy_that_waits() {
    let mut scene = Scene::new();
    scene.apply(&serving(11), &["--confirm", "60s"]);
    assert!(scene.fails(&["reload"]).contains("deferred"));
    scene.host.daemon().signal(Signal::HUP);
    let edited = serving(10).replace("api10", "edited");
    scene.host.write_config(&edited);
    scene.host.wait_for_log("reload DEFERRED");
    scene.serves_only(11);
    // The revert target stays the last confirmed policy, whatever is applied meanwhile.
    scene.apply(&serving(12), &["--confirm", "60s"]);
    assert!(scene.serves(12, PATIENCE));
    scene.host.ask(&["rollback"]);
    scene.wait_until_only(10);
    // What was deferred follows.
    scene.host.wait_for_log("reloaded");
    scene.serves_only(10);
}

#[test]
fn a_daemon_that_is_restarted_goes_on_waiting() {
    let mut scene = Scene::new();
    scene.apply(&serving(11), &["--confirm", "60s"]);
    scene.host.kill();
    scene.host.start();
    scene.serves_only(11);
    assert_eq!(scene.stage(), "pending");
    assert!(scene.fails(&["reload"]).contains("deferred"));
    assert!(scene.host.terminate().success());
    scene.host.start();
    scene.host.ask(&["confirm"]);
    scene.serves_only(11);
    scene.host.kill();
    scene.host.start();
    scene.serves_only(11);
}

#[test]
fn rollback_needs_no_daemon() {
    let mut scene = Scene::new();
    let before = scene.config();
    scene.apply(&serving(11), &["--confirm", "60s"]);
    scene.host.kill();
    scene.host.ask(&["rollback"]);
    scene.serves_only(10);
    assert_eq!(scene.stage(), "rolled_back");
    scene.host.start();
    scene.serves_only(10);
    // A confirmed one too.
    scene.apply(&serving(11), &[]);
    scene.serves_only(11);
    scene.host.kill();
    scene.host.ask(&["rollback"]);
    scene.serves_only(10);
    assert_eq!(scene.config(), before);
    scene.host.start();
    scene.serves_only(10);
}

#[test]
fn rollback_does_not_wait_for_a_daemon_that_hangs() {
    let mut scene = Scene::new();
    scene.apply(&serving(11), &["--confirm", "60s"]);
    scene.host.daemon().signal(Signal::STOP);
    scene.host.ask(&["rollback"]);
    scene.serves_only(10);
    scene.host.daemon().signal(Signal::CONT);
    // The daemon finds it done.
    scene.host.wait_for_log("BACK to the policy");
    assert_eq!(scene.stage(), "rolled_back");
    scene.serves_only(10);
    scene.host.reload_with(&serving(11));
    scene.serves_only(11);
}

#[test]
fn a_reboot_reverts() {
    let mut scene = Scene::new();
    scene.apply(&serving(11), &["--confirm", "60s"]);
    scene.host.kill();
    // As far as the daemon can tell: the pins are gone, and it is another boot.
    scene.host.ask(&["unload"]);
    let record = scene.host.path("state/applied.json");
    let text = fs::read_to_string(&record).expect("it is there");
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").expect("it is there");
    let text = text.replace(boot.trim(), "another");
    assert!(text.contains("another"));
    fs::write(&record, text).expect("it is ours");
    scene.host.start();
    scene.serves_only(10);
    assert_eq!(scene.stage(), "reverted");
    assert!(scene.fails(&["confirm"]).contains("reverted at 2"));
}

#[test]
fn an_invalid_candidate_changes_nothing_and_is_named() {
    let scene = Scene::new();
    let path = scene.candidate(&serving(11).replace("10.77.0.11", "10.77.0.11/8"));
    let path = path.to_str().expect("it is text");
    let output = scene.host.command(&["apply", path, "--confirm"]);
    assert_eq!(output.status.code(), Some(3));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("candidate.toml:"), "{text}");
    assert_eq!(scene.stage(), "none");
    scene.serves_only(10);
}

#[test]
fn lists_are_those_beside_the_configured_file() {
    let scene = Scene::new();
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let path = folder.path().join("candidate.toml");
    let policy = serving(11).replace("\"10.77.0.11\"", "\"l\"");
    let policy = policy + "[prefix_list.l]\nfile = \"list.txt\"\n";
    fs::write(&path, scene.host.config(&policy)).expect("it is ours");
    fs::write(folder.path().join("list.txt"), "10.77.0.12\n").expect("it is ours");
    scene.host.write("list.txt", "10.77.0.11\n");
    scene.host.ask(&[
        "apply",
        path.to_str().expect("it is text"),
        "--confirm",
        "60s",
    ]);
    scene.serves_only(11);
    // A list that changes while the candidate waits is read again behind the confirmation.
    scene.host.write("list.txt", "10.77.0.11\n10.77.0.10\n");
    scene.serves_only(11);
    scene.host.ask(&["confirm"]);
    wait::until("the list is read again", || {
        scene.serves(10, SILENCE).then_some(())
    });
    assert!(scene.serves(11, PATIENCE));
    scene.host.ask(&["rollback"]);
    scene.serves_only(10);
}

#[test]
fn an_interface_that_the_candidate_leaves_out_is_detached_at_the_confirmation() {
    let net = Net::with(2, 1500);
    let both = "[[interface]]\nname = \"s1\"\n".to_owned() + &serving(10);
    let host = Host::start_with(&net.server, &both);
    let modes = || {
        let status = host.json(&["status"]);
        let interfaces = status["interfaces"].as_array().expect("a list").clone();
        let mut attached: Vec<_> = interfaces
            .iter()
            .filter(|interface| interface["mode"] != "none")
            .map(|interface| interface["device"].as_str().expect("a name").to_owned())
            .collect();
        attached.sort();
        attached
    };
    assert_eq!(modes(), ["s0", "s1"]);
    host.write("candidate.toml", &host.config(&serving(10)));
    let path = host.path("candidate.toml");
    let path = path.to_str().expect("it is text");
    host.ask(&["apply", path, "--confirm", "60s"]);
    assert_eq!(modes(), ["s0", "s1"]);
    host.ask(&["confirm"]);
    assert_eq!(modes(), ["s0"]);
    host.ask(&["rollback"]);
    assert_eq!(modes(), ["s0", "s1"]);
}

#[test]
fn state_that_is_damaged_is_set_aside_and_named() {
    let mut scene = Scene::new();
    scene.apply(&serving(11), &[]);
    scene.host.kill();
    let names = [
        "applied.json",
        "in-force.json",
        "ids.json",
        "last-good",
        "previous",
    ];
    for damage in [&b""[..], b"{", b"\xff\xfe\x00", b"{\"version\":99}\n"] {
        for name in names {
            fs::write(scene.host.path("state").join(name), damage).expect("it is ours");
        }
        scene.host.start();
        scene.serves_only(11);
        for name in ["applied.json", "in-force.json", "ids.json"] {
            scene.host.wait_for_log(&format!("{name}.damaged"));
        }
        scene.host.kill();
    }
    // With a broken configuration and a last good copy that is damaged there is nothing to use.
    scene.host.write_config("nonsense = 1");
    for name in names {
        fs::write(scene.host.path("state").join(name), "{").expect("it is ours");
    }
    let status = scene.host.try_start().expect_err("it refuses");
    assert_eq!(status.code(), Some(3));
    assert!(scene.host.log().contains("last-good.damaged"));
    // What is pinned stays in force.
    scene.serves_only(11);
}
