//! The guard: who would lose something is named before it is lost.

use edge_filter_tests::daemon::{Host, METRICS};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Echo, connect, exchange};
use edge_filter_tests::netns::wait::PATIENCE;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::{PORT, WIRE};

fn policy(allow: &str) -> String {
    format!(
        "[[interface]]\nname = \"s0\"\n[[service]]\nname = \"api\"\nports = [\"{PORT}/tcp\"]\n\
         allow = {allow}\n"
    )
}

const BOTH: &str = "[\"10.77.0.10\", \"10.77.0.11\"]";
const FIRST: &str = "[\"10.77.0.10\"]";

struct Scene {
    net: Net,
    host: Host,
    _echo: Echo,
}

impl Scene {
    fn new() -> Self {
        let net = Net::new();
        let host = Host::start_with(&net.server, &policy(BOTH));
        let echo = Echo::tcp(&net.server, (WIRE.server(false), PORT));
        Self {
            net,
            host,
            _echo: echo,
        }
    }

    fn connect(&self, client: u8) -> TcpStream {
        let server = (WIRE.server(false), PORT).into();
        let source = WIRE.client(client, false);
        self.net
            .client
            .run(|| connect(source, server, PATIENCE).unwrap_or_else(|answer| panic!("{answer:?}")))
    }

    fn apply(&self, policy: &str, options: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
        self.host.write("candidate.toml", &self.host.config(policy));
        let path = self.host.path("candidate.toml");
        let path = path.to_str().expect("it is text");
        let arguments = [&["apply", path][..], options].concat();
        let output = self.host.command_with(variables, &arguments);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.code().expect("it ended"), text)
    }
}

#[test]
fn an_apply_that_cuts_a_connection_is_refused_unless_forced() {
    let scene = Scene::new();
    let mut first = scene.connect(10);
    let mut second = [scene.connect(11), scene.connect(11)];
    let (status, text) = scene.apply(&policy(FIRST), &[], &[]);
    assert_eq!(status, 1, "{text}");
    let finding = format!(
        "the client 10.77.0.11 would lose 2 connections, and new ones to {} port {PORT}/tcp: \
         not_allowed, service \"api\"",
        WIRE.server(false)
    );
    assert!(text.contains(&finding), "{text}");
    assert!(text.contains("candidate.toml:3)"), "{text}");
    assert!(!text.contains("10.77.0.10"), "{text}");
    for stream in &mut second {
        exchange(stream, 100);
    }
    let (status, text) = scene.apply(&policy(FIRST), &["--force"], &[]);
    assert_eq!(status, 0, "{text}");
    assert!(text.contains(&finding), "{text}");
    exchange(&mut first, 100);
    let findings = scene
        .host
        .metrics()
        .value("edge_filter_guard_findings", &[]);
    assert_eq!(findings, 1.0);
}

#[test]
fn the_operators_own_way_in_is_asked_about() {
    let scene = Scene::new();
    let drop = policy(BOTH) + "[policy]\nunlisted_ports = \"drop\"\nmanagement = \"none\"\n";
    let from = format!("10.77.0.50 50000 {} 22", WIRE.server(false));
    let ssh = [("SSH_CONNECTION", from.as_str())];
    let (status, text) = scene.apply(&drop, &[], &ssh);
    assert_eq!(status, 1, "{text}");
    assert!(text.contains("your own SSH peer 10.77.0.50"), "{text}");
    assert!(text.contains("new connections"), "{text}");
    assert!(text.contains("unlisted_port"), "{text}");
    let managed = drop.replace("management = \"none\"", "")
        + "[policy.management]\nports = [\"22/tcp\"]\nfrom = [\"10.77.0.0/24\"]\n";
    let (status, text) = scene.apply(&managed, &[], &ssh);
    assert_eq!(status, 0, "{text}");
}

#[test]
fn the_gateway_and_who_scraped_last_are_asked_about() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    let local = format!("metrics_listen = \"{METRICS}\"");
    let open = |policy: &str| {
        let everywhere = "metrics_listen = \"0.0.0.0:9477\"";
        host.config(policy).replace(&local, everywhere)
    };
    let (before, drop) = (
        open(&policy(BOTH)),
        "[policy]\nunlisted_ports = \"drop\"\nmanagement = \"none\"\n[[service]]\nname = \"boot\"\n\
         ports = [\"68/udp\"]\nallow = [\"10.77.0.11\"]\n",
    );
    let candidate = open(&(policy(BOTH) + drop));
    net.server.ip("route add default via 10.77.0.10");
    host.write("config.toml", &before);
    host.start();
    host.write("candidate.toml", &candidate);
    net.client.run(|| {
        let server = (WIRE.server(false), 9477).into();
        let mut stream = connect(WIRE.client(12, false), server, PATIENCE)
            .unwrap_or_else(|answer| panic!("{answer:?}"));
        let request = b"GET /metrics HTTP/1.0\r\n\r\n";
        stream.write_all(request).expect("it listens");
        let mut text = String::new();
        stream.read_to_string(&mut text).expect("it answers");
        assert!(text.contains("edge_filter_attached"), "{text}");
    });
    let candidate = host.path("candidate.toml");
    let output = host.command(&["apply", candidate.to_str().expect("it is text")]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    let server = WIRE.server(false);
    for lost in [
        format!("the default gateway 10.77.0.10 would lose its connection to {server} port 68/udp"),
        format!("the metrics scraper 10.77.0.12 would lose new connections to {server} port 9477"),
    ] {
        assert!(text.contains(&lost), "{lost}: {text}");
    }
    // Nor is the scraper banned by mistake, whoever lives; it is written down with the policy.
    host.ask(&["reload"]);
    host.kill();
    let output = host.command(&["ban", "10.77.0.12"]);
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("who read the metrics last"), "{text}");
    host.ask(&["ban", "10.77.0.12", "--force"]);
}

#[test]
fn a_reload_and_a_start_do_it_and_say_so() {
    let mut scene = Scene::new();
    let _second = scene.connect(11);
    // The daemon sees the file change by itself, and on a slow machine it may be first: then it is the
    // one that says so. Right after a reload it lets a second go by.
    let is_told = (0..20).any(|_| {
        scene.host.reload_with(&policy(BOTH));
        scene.host.write_config(&policy(FIRST));
        let output = scene.host.command(&["reload"]);
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stderr).contains("the client 10.77.0.11 would lose")
    });
    assert!(is_told, "{}", scene.host.log());
    assert!(scene.host.log().contains("the guard: peers that matter"));
    let findings = |host: &Host| host.metrics().value("edge_filter_guard_findings", &[]);
    assert_eq!(findings(&scene.host), 1.0);
    scene.host.reload_with(&policy(BOTH));
    assert_eq!(findings(&scene.host), 0.0);
    scene.host.kill();
    scene.host.write_config(&policy(FIRST));
    scene.host.start();
    assert_eq!(findings(&scene.host), 1.0);
}
