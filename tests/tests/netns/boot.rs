//! How the daemon starts, and what it knows of its interfaces.

use edge_filter_tests::daemon::{Host, binary, next_binary};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, SILENCE};
use std::os::unix::fs::PermissionsExt as _;
use std::process::Command;

use crate::interfaces::attached_program;
use crate::{PORT, WIRE};

fn policy() -> String {
    format!(
        "[[interface]]\nname = \"s0\"\n[[service]]\nname = \"api\"\nports = [\"{PORT}/tcp\"]\n\
         allow = [\"10.77.0.10\"]\n"
    )
}

fn answer(net: &Net, client: u8) -> Answer {
    let server = (WIRE.server(false), PORT).into();
    let source = WIRE.client(client, false);
    net.client.run(|| ask_tcp(source, server, 100, SILENCE))
}

fn ip(net: &Net, arguments: &[&str]) {
    let status = net
        .server
        .run(|| Command::new("ip").args(arguments).status());
    assert!(
        status.expect("iproute2 is there").success(),
        "{arguments:?}"
    );
}

#[test]
fn without_a_valid_file_or_a_last_good_policy_nothing_is_attached() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    host.write_config("nonsense = 1");
    let invalid = host.try_start().expect_err("it is not valid");
    assert_eq!(invalid.code(), Some(3));
    assert!(host.log().contains("no last good policy"), "{}", host.log());
    assert_eq!(attached_program(&net), None);
    assert!(host.pins().len() <= 1, "{:?}", host.pins());
}

#[test]
fn a_renamed_interface_stays_filtered() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &policy());
    let _echo = Echo::tcp(&net.server, (WIRE.server(false), PORT));
    let attached = attached_program(&net);
    assert!(attached.is_some());
    ip(&net, &["link", "set", "s0", "down"]);
    ip(&net, &["link", "set", "s0", "name", "wan0"]);
    ip(&net, &["link", "set", "wan0", "up"]);
    host.wait_for_log("was renamed");
    assert_eq!(answer(&net, 11), Answer::Silence);
    wait::until("the listed client is served", || {
        (answer(&net, 10) == Answer::Served).then_some(())
    });
    let status = host.json(&["status"]);
    assert_eq!(status["interfaces"][0]["renamed_to"], "wan0");
    assert_ne!(status["interfaces"][0]["mode"], "none");
    // A restart finds it by its link, and so does another build.
    for program in [binary(), next_binary()] {
        host.kill();
        host.try_start_as(&program).expect("it starts");
        assert_eq!(answer(&net, 11), Answer::Silence);
        assert_eq!(answer(&net, 10), Answer::Served);
        let status = host.json(&["status"]);
        assert_eq!(status["interfaces"][0]["renamed_to"], "wan0");
        assert_ne!(status["interfaces"][0]["mode"], "none");
    }
    // Under its old name again too.
    ip(&net, &["link", "set", "wan0", "down"]);
    ip(&net, &["link", "set", "wan0", "name", "s0"]);
    ip(&net, &["link", "set", "s0", "up"]);
    host.kill();
    host.start();
    assert_eq!(answer(&net, 11), Answer::Silence);
    let status = host.json(&["status"]);
    assert_eq!(
        status["interfaces"][0]["renamed_to"],
        serde_json::Value::Null
    );
}

#[test]
fn attached_is_what_the_kernel_says() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &policy());
    let attached = |mode| {
        let labels = [("device", "s0"), ("mode", mode)];
        host.metrics().sum("edge_filter_attached", &labels)
    };
    assert_eq!(attached("native"), 1.0);
    host.ask(&["unload", "--device", "s0"]);
    assert_eq!((attached("native"), attached("none")), (0.0, 0.0));
    let samples = host.metrics();
    let modes: Vec<_> = samples
        .named("edge_filter_attached")
        .map(|sample| sample.label("mode").to_owned())
        .collect();
    assert_eq!(modes, ["none"]);
}

#[test]
fn attached_is_zero_as_soon_as_the_interface_is_gone() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &policy());
    ip(&net, &["link", "del", "s0"]);
    // Asked from the kernel at scrape: true at once, whatever the daemon has heard.
    let samples = host.metrics();
    let values: Vec<_> = samples
        .named("edge_filter_attached")
        .map(|sample| (sample.label("mode").to_owned(), sample.value))
        .collect();
    assert_eq!(values, [("none".to_owned(), 0.0)]);
}

#[test]
fn the_units_capabilities_suffice() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    host.write_config(&policy());
    // As the unit bounds them, and nothing else: no CAP_SYS_ADMIN, no CAP_DAC_OVERRIDE.
    let unit = include_str!("../../../config/edge-filter.service");
    let bounded = unit
        .lines()
        .find_map(|line| line.strip_prefix("CapabilityBoundingSet="))
        .expect("the unit bounds them");
    let bounded: String = bounded
        .split_whitespace()
        .map(|name| format!(",+{}", name.trim_start_matches("CAP_").to_lowercase()))
        .collect();
    let bounded =
        format!("exec setpriv --no-new-privs --bounding-set=-all{bounded} --inh-caps=-all");
    let daemon = edge_filter_tests::daemon::binary();
    let script = format!("#!/bin/sh\n{bounded} {} \"$@\"\n", daemon.display());
    host.write("bounded", &script);
    let program = host.path("bounded");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).expect("ours");
    host.try_start_as(&program).expect("it starts");
    let _echo = Echo::tcp(&net.server, (WIRE.server(false), PORT));
    assert_eq!(answer(&net, 10), Answer::Served);
    assert_eq!(answer(&net, 11), Answer::Silence);
    host.reload_with(&policy().replace("10.77.0.10", "10.77.0.11"));
    assert_eq!(answer(&net, 11), Answer::Served);
    host.write("candidate.toml", &host.config(&policy()));
    let candidate = host.path("candidate.toml");
    let candidate = candidate.to_str().expect("it is text");
    host.ask(&["apply", candidate, "--confirm", "1h", "--force"]);
    host.ask(&["confirm"]);
    assert_eq!(answer(&net, 11), Answer::Silence);
    host.ask(&["explain", "--src", "10.77.0.10", "--port", "7000/tcp"]);
    host.kill();
    host.try_start_as(&program)
        .expect("it takes over what it left");
    assert_eq!(answer(&net, 11), Answer::Silence);
}
