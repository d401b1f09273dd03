//! Reloads under continuous traffic: each packet is judged wholly by one policy.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::Barrage;

use crate::traffic;

const RELOADS: usize = 200;

#[test]
fn two_hundred_reloads_lose_nothing_and_let_nothing_through() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &traffic::policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    for reload in 1..=RELOADS {
        host.reload_with(&traffic::policy(reload % 2 == 1));
        barrage.check();
    }
    let rounds = barrage.finish();
    assert!(
        rounds > RELOADS as u64,
        "{rounds} rounds in {RELOADS} reloads: too little traffic to prove anything"
    );
    traffic::assert_counted(&host, rounds);
    let applied = [("outcome", "applied")];
    let reloads = host.metrics().value("edge_filter_reloads_total", &applied);
    assert!(reloads >= RELOADS as f64, "{reloads}");
}
