//! Another build takes the place of the one that runs, under traffic.

use edge_filter_tests::daemon::{Host, binary, next_binary};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::Barrage;
use edge_filter_tests::netns::wait;
use std::path::Path;

use crate::traffic;

#[test]
fn a_build_of_another_abi_takes_over_without_a_gap_and_counts_on() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    more_rounds(&barrage);
    // There and back again, with the daemon dead in between and without.
    let (this, next) = (binary(), next_binary());
    for (n, program) in [&next, &this, &next].into_iter().enumerate() {
        if n % 2 == 0 {
            host.kill();
        } else {
            assert!(host.terminate().success());
        }
        more_rounds(&barrage);
        start_as(&mut host, program);
        more_rounds(&barrage);
        assert_eq!(versions(&host), 1, "{:?}", host.pins());
    }
    let rounds = barrage.finish();
    // Not one packet was judged by nothing, or counted nowhere.
    let metrics = host.metrics();
    let sum = |action, reason| {
        let services = ["alpha", "beta"];
        let packets = services.map(|service| metrics.packets(service, action, reason));
        packets.iter().sum::<u64>()
    };
    assert_eq!(sum("pass", "allowed"), rounds * traffic::PASSING);
    assert_eq!(sum("drop", "not_allowed"), rounds * traffic::DROPPED);
    assert_eq!(metrics.packets("-", "pass", "no_policy"), 0);
}

#[test]
fn an_upgrade_does_not_take_the_place_of_a_candidate_that_waits() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    host.write("candidate.toml", &host.config(&traffic::policy(true)));
    let candidate = host.path("candidate.toml");
    let candidate = candidate.to_str().expect("it is text");
    host.ask(&["apply", candidate, "--confirm", "60s"]);
    host.kill();
    let status = host.try_start_as(&next_binary()).expect_err("it refuses");
    assert_eq!(status.code(), Some(1));
    assert!(host.log().contains("waits for its confirmation"));
    host.ask(&["rollback"]);
    start_as(&mut host, &next_binary());
}

#[test]
fn unload_removes_what_another_build_has_pinned() {
    let net = Net::new();
    let mut host = Host::new(&net.server);
    host.write_config(&traffic::policy(false));
    start_as(&mut host, &next_binary());
    host.kill();
    assert!(host.ask(&["unload"]).contains("s0"));
    assert!(host.pins().is_empty(), "{:?}", host.pins());
}

fn start_as(host: &mut Host, program: &Path) {
    if let Err(status) = host.try_start_as(program) {
        panic!("the daemon ended: {status}");
    }
}

/// Of how many ABIs there are pins.
fn versions(host: &Host) -> usize {
    let pins = host.pins();
    let is_version = |path: &&std::path::PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with('v') && name[1..].parse::<u32>().is_ok())
    };
    pins.iter().filter(is_version).count()
}

fn more_rounds(barrage: &Barrage) {
    let enough = barrage.rounds() + 20;
    wait::until("more rounds of traffic", || {
        barrage.check();
        (barrage.rounds() > enough).then_some(())
    });
}
