//! The bypass: everything passes, is counted, and the packet program itself ends it.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_udp};
use edge_filter_tests::netns::wait::{self, PATIENCE, SILENCE};

use crate::{PORT, WIRE};

const POLICY: &str = r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/udp"]
allow = ["10.77.0.10"]
"#;

#[test]
fn everything_passes_and_is_counted_until_it_ends_by_itself_with_the_daemon_dead() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let server = (WIRE.server(false), PORT);
    let _udp = Echo::udp(&net.server, server);
    let ask_for = |wait| {
        let source = WIRE.client(11, false);
        net.client.run(|| ask_udp(source, server.into(), 10, wait))
    };
    let ask = || ask_for(SILENCE);
    assert_eq!(ask(), Answer::Silence);
    let text = host.ask(&["bypass", "--for", "10m"]);
    assert!(text.contains("EVERYTHING PASSES until"), "{text}");
    assert_eq!(ask_for(PATIENCE), Answer::Served);
    let metrics = host.metrics();
    assert_eq!(metrics.value("edge_filter_bypass", &[]), 1.0);
    assert!(metrics.packets("api", "would_drop", "not_allowed") >= 1);
    let left = host.json(&["status"])["bypass_seconds_left"].clone();
    assert!(
        left.as_u64().is_some_and(|left| (1..=600).contains(&left)),
        "{left}"
    );
    host.ask(&["bypass", "--end"]);
    assert_eq!(ask(), Answer::Silence);
    assert_eq!(host.metrics().value("edge_filter_bypass", &[]), 0.0);

    host.kill();
    // Again if this machine stalled for longer than the bypass lasts.
    wait::until("an answer under the bypass", || {
        host.ask(&["bypass", "--for", "2s"]);
        (ask() == Answer::Served).then_some(())
    });
    wait::until("the end of the bypass", || {
        (ask() == Answer::Silence).then_some(())
    });
    // A daemon that returns in the middle of one lets it be.
    host.ask(&["bypass", "--for", "10m"]);
    host.start();
    assert_eq!(ask_for(PATIENCE), Answer::Served);
    host.ask(&["bypass", "--end"]);
    assert_eq!(ask(), Answer::Silence);
}

#[test]
fn neither_it_nor_a_rollback_asks_for_more_pins_than_it_needs() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, POLICY);
    let server = (WIRE.server(false), PORT);
    let _udp = Echo::udp(&net.server, server);
    let ask = |client, wait| {
        let source = WIRE.client(client, false);
        net.client.run(|| ask_udp(source, server.into(), 10, wait))
    };
    host.write(
        "candidate.toml",
        &host.config(&POLICY.replace(".10\"", ".11\"")),
    );
    let candidate = host.path("candidate.toml");
    let candidate = candidate.to_str().expect("it is text");
    host.ask(&["apply", candidate, "--confirm", "1h"]);
    host.kill();
    let others = host.pins().into_iter().filter(|pin| {
        let name = pin.file_name().and_then(|name| name.to_str());
        pin.parent().is_some_and(|folder| folder.ends_with("maps")) && name != Some("STATE")
    });
    let others: Vec<_> = others.collect();
    assert!(others.len() > 5, "{others:?}");
    host.inside(|| others.iter().try_for_each(std::fs::remove_file))
        .expect("they are pinned");
    assert_eq!(ask(10, SILENCE), Answer::Silence);
    host.ask(&["bypass", "--for", "10m"]);
    assert_eq!(ask(10, PATIENCE), Answer::Served);
    host.ask(&["bypass", "--end"]);
    assert_eq!(ask(10, SILENCE), Answer::Silence);
    host.ask(&["rollback"]);
    assert_eq!(ask(10, PATIENCE), Answer::Served);
    assert_eq!(ask(11, SILENCE), Answer::Silence);
}

#[test]
fn nothing_to_bypass_is_a_failure() {
    let net = Net::new();
    let host = Host::new(&net.server);
    host.write_config(POLICY);
    let output = host.command(&["bypass", "--for", "10m"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("nothing is pinned"), "{text}");
}
