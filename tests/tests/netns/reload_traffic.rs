//! Reloads under continuous traffic: each packet is judged wholly by one policy.

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::barrage::Barrage;
use edge_filter_tests::netns::sockets::{Echo, connect, exchange};
use edge_filter_tests::netns::wait::PATIENCE;

use crate::{WIRE, traffic};

const RELOADS: usize = 200;

#[test]
fn two_hundred_reloads_lose_nothing_and_let_nothing_through() {
    let net = Net::new();
    let host = Host::start_with(&net.server, &traffic::policy(false));
    let barrage = Barrage::start(&net, traffic::probes());
    let server = (WIRE.server(false), traffic::CONNECTIONS);
    let _tcp = Echo::tcp(&net.server, server);
    let mut stream = net.client.run(|| {
        connect(WIRE.client(12, false), server.into(), PATIENCE)
            .unwrap_or_else(|answer| panic!("not served: {answer:?}"))
    });
    for reload in 1..=RELOADS {
        host.reload_with(&traffic::policy(reload % 2 == 1));
        barrage.check();
        exchange(&mut stream, 5000);
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
