//! Several interfaces, and interfaces that come and go.

use edge_filter_tests::daemon::{Daemon, Host, binary};
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};
use edge_filter_tests::netns::{Net, Wire};

use crate::{PORT, WIRE};

const ONE: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp"]
allow = ["10.77.0.10", "10.77.1.10", "fd77:0:0:1::a"]
"#;

#[test]
fn a_service_of_one_interface_leaves_the_other_alone() {
    let net = Net::with(2, 1500);
    let limited = ONE.replace("allow", "interfaces = [\"s1\"]\nallow");
    let host = Host::start_with(
        &net.server,
        &format!("[[interface]]\nname = \"s1\"\n{limited}"),
    );
    let ask = |wire: Wire, source, is_ipv6, wait| {
        let server = (wire.server(is_ipv6), PORT);
        let _tcp = Echo::tcp(&net.server, server);
        net.client
            .run(|| ask_tcp(wire.client(source, is_ipv6), server.into(), 10, wait))
    };
    for is_ipv6 in [false, true] {
        assert_eq!(ask(Wire(1), 10, is_ipv6, PATIENCE), Answer::Served);
        assert_eq!(ask(Wire(1), 11, is_ipv6, SILENCE), Answer::Silence);
        assert_eq!(ask(Wire(0), 11, is_ipv6, PATIENCE), Answer::Served);
    }
    let counted = |device, service, action| {
        host.metrics().sum(
            "edge_filter_packets_total",
            &[("device", device), ("service", service), ("action", action)],
        )
    };
    assert!(counted("s1", "api", "pass") >= 3.0);
    assert!(counted("s1", "api", "drop") >= 1.0);
    assert!(counted("s0", "-", "pass") >= 3.0);
    assert_eq!(counted("s0", "api", "pass"), 0.0);
    assert_eq!(counted("s0", "-", "drop"), 0.0);
}

#[test]
fn generic_mode_filters_too() {
    let net = Net::new();
    let generic = ONE.replace("name = \"s0\"", "name = \"s0\"\nattach_mode = \"generic\"");
    let host = Host::start_with(&net.server, &generic);
    let labels = [("device", "s0"), ("mode", "generic")];
    assert_eq!(host.metrics().value("edge_filter_attached", &labels), 1.0);
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    net.client.run(|| {
        let ask = |source, wait| ask_tcp(WIRE.client(source, false), server.into(), 5000, wait);
        assert_eq!(ask(10, PATIENCE), Answer::Served);
        assert_eq!(ask(11, SILENCE), Answer::Silence);
    });
}

#[test]
fn an_interface_that_appears_later_is_attached() {
    let net = Net::new();
    let two = format!("[[interface]]\nname = \"s1\"\n{ONE}");
    let mut host = Host::new(&net.server);
    host.write_config(&two);
    host.start();
    let attached = |device| {
        host.metrics()
            .sum("edge_filter_attached", &[("device", device)])
    };
    assert_eq!((attached("s0"), attached("s1")), (1.0, 0.0));
    assert!(host.log().contains("NOT FILTERED until they appear"));
    net.join(Wire(1), 1500);
    wait::until("the new interface to be attached", || {
        (attached("s1") == 1.0).then_some(())
    });
    let server = (Wire(1).server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    net.client.run(|| {
        let ask = |source, wait| ask_tcp(Wire(1).client(source, false), server.into(), 10, wait);
        assert_eq!(ask(10, PATIENCE), Answer::Served);
        assert_eq!(ask(11, SILENCE), Answer::Silence);
    });
}

#[test]
fn ready_is_said_when_the_last_interface_is_attached() {
    let net = Net::new();
    let host = Host::new(&net.server);
    host.write_config(&format!("[[interface]]\nname = \"s1\"\n{ONE}"));
    let log = host.path("daemon.log");
    let mut daemon = Daemon::spawn(
        &net.server,
        &binary(),
        &host.path("config.toml"),
        &log,
        &host.path("notify.sock"),
    );
    host.wait_for_log("device=\"s0\"");
    let is_ready = || host.log().contains(" ready generation=");
    // Unless this machine stalled for as long as the daemon waits; then it was loud.
    assert!(!is_ready() || host.log().contains("NOT FILTERED until they appear"));
    net.join(Wire(1), 1500);
    daemon.wait_until_ready().expect("it runs");
    let attached = [("device", "s1"), ("mode", "native")];
    wait::until("the second interface to be attached", || {
        (host.metrics().sum("edge_filter_attached", &attached) == 1.0).then_some(())
    });
    let text = host.log();
    let at = |text: &str, part| text.find(part);
    let is_loud = text.contains("NOT FILTERED until they appear");
    let is_last = at(&text, "device=\"s1\" mode") < at(&text, " ready generation=");
    assert!(is_last || is_loud, "{text}");
}

#[test]
fn only_ethernet_is_attached_to_and_the_loopback_by_force() {
    let net = Net::new();
    net.server
        .ip("tuntap add dev tunnel0 mode tun\nlink set tunnel0 up");
    let mut host = Host::new(&net.server);
    let device = |name: &str| host.config(&ONE.replace("\"s0\"", &format!("{name:?}")));
    let (loopback, tunnel) = (device("lo"), device("tunnel0"));
    for (config, why) in [
        (&tunnel, "tunnel0: not an Ethernet device"),
        (
            &loopback,
            "lo: the loopback interface is attached to with --force only",
        ),
    ] {
        host.write("config.toml", config);
        let status = host.try_start().expect_err("it refuses");
        assert_eq!(status.code(), Some(1));
        assert!(host.log().contains(why), "{}", host.log());
    }
    host.try_start_with("--force")
        .unwrap_or_else(|status| panic!("{status}"));
    let attached = [("device", "lo"), ("mode", "generic")];
    assert_eq!(host.metrics().value("edge_filter_attached", &attached), 1.0);
    host.kill();
    host.ask(&["unload"]);
    host.write("config.toml", &tunnel);
    let status = host.try_start_with("--force").expect_err("nor by force");
    assert_eq!(status.code(), Some(1));
}

#[test]
fn an_interface_that_vanishes_and_returns_is_attached_again() {
    let net = Net::new();
    let host = Host::start_with(&net.server, ONE);
    let attached = |labels: &[(&str, &str)]| {
        let wanted = [&[("device", "s0")], labels].concat();
        host.metrics().sum("edge_filter_attached", &wanted)
    };
    assert_eq!(attached(&[("mode", "native")]), 1.0);
    net.cut(WIRE);
    wait::until("the metric to say that it is gone", || {
        (attached(&[]) == 0.0).then_some(())
    });
    net.join(WIRE, 1500);
    wait::until("the interface to be attached again", || {
        (attached(&[("mode", "native")]) == 1.0).then_some(())
    });
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    net.client.run(|| {
        let ask = |source, wait| ask_tcp(WIRE.client(source, false), server.into(), 10, wait);
        assert_eq!(ask(10, PATIENCE), Answer::Served);
        assert_eq!(ask(11, SILENCE), Answer::Silence);
    });
}

#[test]
fn an_interface_made_while_no_daemon_lives_is_unfiltered_until_one_does() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, ONE);
    host.kill();
    net.cut(WIRE);
    net.join(WIRE, 1500);
    let server = (WIRE.server(false), PORT);
    let _tcp = Echo::tcp(&net.server, server);
    let ask = |wait| {
        let source = WIRE.client(11, false);
        net.client.run(|| ask_tcp(source, server.into(), 10, wait))
    };
    assert_eq!(ask(PATIENCE), Answer::Served);
    let status = host.json(&["status"]);
    assert_eq!(status["interfaces"][0]["mode"], "none", "{status}");
    host.start();
    assert_eq!(ask(SILENCE), Answer::Silence);
    let native = [("device", "s0"), ("mode", "native")];
    assert_eq!(host.metrics().value("edge_filter_attached", &native), 1.0);
}

#[test]
fn another_xdp_program_is_named_and_stays() {
    let net = Net::new();
    let mut foreign = net.server.run(|| foreign_program("s0"));
    let mut host = Host::new(&net.server);
    host.write_config(ONE);
    let refused = host.try_start();
    // The kernel keeps 15 letters of a program's name.
    host.wait_for_log("edge_filter_lin");
    if refused.is_ok() {
        let attached = host.metrics().sum("edge_filter_attached", &[]);
        assert_eq!(
            attached, 0.0,
            "it runs, so it must say that it does not filter"
        );
    }
    let still_there = net.server.run(|| {
        let program: &mut aya::programs::Xdp = foreign
            .program_mut("edge_filter_linear")
            .expect("the object has it")
            .try_into()
            .expect("it is XDP");
        program.info().expect("it is loaded").id()
    });
    assert_eq!(attached_program(&net), Some(still_there));
}

/// An XDP program on a device that is not the daemon's.
pub fn foreign_program(device: &str) -> aya::Ebpf {
    use aya::programs::{Xdp, XdpMode};
    let mut object = aya::EbpfLoader::new()
        .load_file(edge_filter_tests::daemon::object())
        .expect("the packet program must be built: cargo xtask build");
    let program: &mut Xdp = object
        .program_mut("edge_filter_linear")
        .expect("the object has it")
        .try_into()
        .expect("it is XDP");
    program.load().expect("the verifier takes it");
    program
        .attach(device, XdpMode::Driver)
        .expect("nothing else is there");
    object
}

/// Id of the XDP program on s0.
pub fn attached_program(net: &Net) -> Option<u32> {
    let output = net.server.run(|| {
        std::process::Command::new("ip")
            .args(["-json", "link", "show", "s0"])
            .output()
            .expect("iproute2 must be installed")
    });
    let links: serde_json::Value = serde_json::from_slice(&output.stdout).expect("it is JSON");
    links[0]["xdp"]["prog"]["id"].as_u64().map(|id| id as u32)
}
