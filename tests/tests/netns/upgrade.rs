//! Another build takes the place of the one that runs, under traffic.

use edge_filter_tests::daemon::{Host, binary, next_binary};
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::Barrage;
use edge_filter_tests::netns::wait;
use filter_common::version::ABI_VERSION;
use std::fs;
use std::path::Path;

use crate::interfaces::foreign_program;
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

#[test]
fn an_upgrade_with_an_interface_that_cannot_be_attached_filters_the_others() {
    let net = Net::with(2, 1500);
    let _foreign = net.server.run(|| foreign_program("s1"));
    let one = traffic::policy(false);
    let two = one.clone() + "\n[[interface]]\nname = \"s1\"\n";
    let mut host = Host::start_with(&net.server, &one);
    // Added while it runs, it is told and no more; a start is refused, and undoes nothing.
    host.write_config(&two);
    let output = host.command(&["reload"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("s1: NOT FILTERED"),
        "{said}"
    );
    let barrage = Barrage::start(&net, traffic::probes());
    host.kill();
    for _ in 0..2 {
        let status = host.try_start_as(&next_binary());
        assert_eq!(status.expect_err("it is refused").code(), Some(1));
        more_rounds(&barrage);
    }
    host.write_config(&one);
    start_as(&mut host, &next_binary());
    more_rounds(&barrage);
    assert_eq!(versions(&host), 1, "{:?}", host.pins());
    barrage.finish();
}

#[test]
fn a_bypass_outlives_an_upgrade() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    host.ask(&["bypass", "--for", "10m"]);
    host.kill();
    start_as(&mut host, &next_binary());
    assert_eq!(host.metrics().sum("edge_filter_bypass", &[]), 1.0);
}

#[test]
fn what_another_build_has_left_half_done_stops_no_start() {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &traffic::policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    more_rounds(&barrage);
    host.kill();
    let pins = host.pin_path();
    host.inside(|| {
        // One that was killed as it removed what it had counted, and one that got no further than
        // its folders.
        let folder = |abi: u32| pins.join(format!("v{abi}"));
        fs::rename(folder(ABI_VERSION), folder(ABI_VERSION - 1)).expect("it is pinned");
        fs::remove_file(folder(ABI_VERSION - 1).join("maps/COUNTS")).expect("it is pinned");
        fs::create_dir_all(folder(ABI_VERSION - 2).join("maps")).expect("it is a bpffs");
    });
    host.start();
    more_rounds(&barrage);
    assert_eq!(versions(&host), 1, "{:?}", host.pins());
    assert!(host.log().contains("they start at zero"));
    assert!(
        host.log()
            .contains("remains of another version are removed")
    );
    barrage.finish();
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
