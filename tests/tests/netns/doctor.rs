//! The doctor, on hosts that have something.

use edge_filter_tests::daemon::{Host, binary};
use edge_filter_tests::netns::Net;
use serde_json::Value;
use socket2::SockRef;
use std::process::Command;

use crate::WIRE;
use crate::interfaces::foreign_program;

fn policy(unlisted: &str) -> String {
    format!(
        "[[interface]]\nname = \"s0\"\n[policy]\nunlisted_ports = \"{unlisted}\"\n\
         management = \"none\"\n[[service]]\nname = \"api\"\nports = [\"7000/tcp\"]\nallow = [\"any\"]\n"
    )
}

/// What is found, by check, device and severity. What is true of the machine that runs the tests,
/// such as its clock, is not looked at.
fn findings(host: &Host, arguments: &[&str]) -> Vec<(String, String, String)> {
    let output = host.command(&[&["doctor", "--json"], arguments].concat());
    let found: Value = serde_json::from_slice(&output.stdout).expect("it prints JSON");
    let found = found["findings"].as_array().expect("a list");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let is_wrong = found.iter().any(|finding| finding["severity"] != "note");
    assert_eq!(
        output.status.code(),
        Some(i32::from(is_wrong)),
        "{found:#?}"
    );
    for finding in found {
        assert!(finding["fix"].is_string(), "{finding}");
    }
    let found = found
        .iter()
        .map(|f| (text(&f["check"]), text(&f["device"]), text(&f["severity"])));
    let of_machine = |check: &str| {
        matches!(
            check,
            "clock" | "clocksource" | "boot" | "jit" | "statistics"
        )
    };
    found.filter(|(check, ..)| !of_machine(check)).collect()
}

fn finding(check: &str, device: &str, severity: &str) -> (String, String, String) {
    (check.into(), device.into(), severity.into())
}

#[test]
fn a_filter_that_runs_on_jumbo_frames_is_well() {
    let net = Net::with(1, 9000);
    let mut host = Host::new(&net.server);
    host.write_config(&policy("drop"));
    // Foretold, and then so.
    assert_eq!(findings(&host, &[]), []);
    host.start();
    assert_eq!(host.json(&["status"])["interfaces"][0]["mode"], "native");
    assert_eq!(findings(&host, &[]), []);
    host.kill();
    assert_eq!(findings(&host, &[]), [finding("daemon", "", "warning")]);
}

#[test]
fn generic_mode_where_native_could_be_had_is_named() {
    let net = Net::new();
    let generic = policy("pass").replacen("\"s0\"", "\"s0\"\nattach_mode = \"generic\"", 1);
    let host = Host::start_with(&net.server, &generic);
    assert_eq!(findings(&host, &[]), []);
    host.write_config(&policy("pass"));
    assert_eq!(findings(&host, &[]), [finding("native", "s0", "warning")]);
}

#[test]
fn devices_are_asked_about_before_they_are_configured() {
    let net = Net::new();
    let host = Host::new(&net.server);
    host.write_config(&policy("pass"));
    assert_eq!(findings(&host, &["--device", "s0"]), []);
    assert_eq!(
        findings(&host, &["--device", "lo"]),
        [finding("device", "lo", "warning")]
    );
    assert_eq!(
        findings(&host, &["--device", "s7"]),
        [finding("device", "s7", "warning")]
    );
    let _foreign = net.server.run(|| foreign_program("s0"));
    assert_eq!(
        findings(&host, &[]),
        [finding("foreign_xdp", "s0", "error")]
    );
}

#[test]
fn what_drop_would_cut_is_named() {
    let net = Net::new();
    let host = Host::new(&net.server);
    host.write_config(&policy("drop"));
    net.server
        .ip("link add link s0 name upper type macvlan\nlink set upper up");
    let socket = net.server.run(|| {
        let socket = std::net::UdpSocket::bind("0.0.0.0:123").expect("nobody has it");
        SockRef::from(&socket)
            .bind_device(Some(b"upper"))
            .expect("as root");
        socket
    });
    assert_eq!(
        findings(&host, &[]),
        [finding("bound_sockets", "upper", "warning")]
    );
    host.write_config(&policy("pass"));
    assert_eq!(findings(&host, &[]), []);
    drop(socket);
    net.server
        .run(|| std::fs::write("/proc/sys/net/ipv4/ip_forward", "1"))
        .expect("as root");
    assert_eq!(findings(&host, &[]), []);
    host.write_config(&policy("drop"));
    assert_eq!(findings(&host, &[]), [finding("forwarding", "", "error")]);
}

#[test]
fn ways_around_the_filter_are_named() {
    let net = Net::with(2, 1500);
    let host = Host::new(&net.server);
    host.write_config(&policy("pass"));
    net.server
        .ip("tuntap add dev tunnel0 mode tun\nlink set tunnel0 up");
    let found = findings(&host, &[]);
    let expected = [
        finding("uncovered", "tunnel0", "warning"),
        finding("uncovered", "s1", "note"),
    ];
    assert_eq!(found, expected);
}

#[test]
fn without_capabilities_it_says_so_and_what_it_still_sees() {
    let net = Net::new();
    let host = Host::new(&net.server);
    host.write_config(&policy("pass"));
    let mut command = Command::new("setpriv");
    command
        .args(["--bounding-set=-all", "--inh-caps=-all"])
        .arg(binary())
        .arg("--config")
        .arg(host.path("config.toml"))
        .args(["doctor", "--device", "s0"]);
    let output = net
        .server
        .run(|| command.output())
        .expect("util-linux is there");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "error   capabilities: this process lacks CAP_NET_ADMIN, CAP_PERFMON, CAP_BPF",
        "sudo edge-filter doctor",
        "note    features: features were not probed",
    ] {
        assert!(text.contains(line), "{text}");
    }
    assert!(
        WIRE.server_device() == "s0" && !text.contains("native:"),
        "{text}"
    );
}
