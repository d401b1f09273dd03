//! Floods from forged sources: they cost those who behave nothing, and the daemon neither memory nor
//! its answers. How fast a flood is, and how fast anybody is served under it, decides nothing here.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Instant;

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::crowd::{self, CLIENTS};
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, PATIENCE};
use edge_filter_tests::random::Random;

use crate::interfaces::foreign_program;
use crate::{FAMILIES, PORT, WIRE};

/// Forged SYNs at the least: some twenty times as many sources as the tests' daemons have room for.
const FORGED: u64 = 400_000;
/// Resident memory may grow by this: allocators keep some.
pub const MEMORY_BYTES: f64 = 8e6;
/// `events_per_second` of the test's daemons, of each of ten reasons.
const EVENTS: f64 = 1000.0;

/// A source keeps its place for minutes, so that the table is full however slow the flood is.
pub fn policy(allow: &str, second: u16) -> String {
    format!(
        r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["{PORT}/tcp", "{second}/tcp"]
allow = [{allow}]
log_connections = true

[service.rate_limit]
connections_per_second = 0.01
burst = 100
"#
    )
}

/// Sends SYNs with sources drawn at random until dropped.
pub struct Forger {
    is_ended: AtomicBool,
    sent: AtomicU64,
}

impl Forger {
    /// Has sent nothing yet.
    pub const fn new() -> Self {
        Self {
            is_ended: AtomicBool::new(false),
            sent: AtomicU64::new(0),
        }
    }

    /// SYNs sent so far.
    pub fn sent(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// Floods from a thread in the client's namespace while `work` is done.
    pub fn during<T>(&self, net: &Net, seed: u64, work: impl FnOnce() -> T) -> T {
        let namespace = net.client.clone();
        self.is_ended.store(false, Ordering::Relaxed);
        thread::scope(|scope| {
            let flood = scope.spawn(|| namespace.run(|| self.flood(seed)));
            let ending = Ending(&self.is_ended);
            let done = work();
            drop(ending);
            flood.join().expect("it ends");
            done
        })
    }

    fn flood(&self, seed: u64) {
        let socket = PacketSocket::open(&WIRE.client_device());
        let mut random = Random::new(seed);
        while !self.is_ended.load(Ordering::Relaxed) {
            let bits = (u128::from(random.next()) << 64) | u128::from(random.next());
            let source: IpAddr = if random.one_in(2) {
                // 10.128.0.0/9 and fd78::/16: never one of those who behave.
                Ipv4Addr::from_bits(0x0a80_0000 | bits as u32 >> 9).into()
            } else {
                Ipv6Addr::from_bits((0xfd78 << 112) | bits >> 16).into()
            };
            let server = (WIRE.server(source.is_ipv6()), PORT);
            let flow = Flow::new((source, random.next() as u16 | 1024), server);
            let number = self.sent.fetch_add(1, Ordering::Relaxed);
            socket.send(&flow.tcp(SYN, Mark { flow: 0, number }));
        }
    }
}

/// Ends a flood, also when a test fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Packets that the wire itself did not take, since its queue was full: the filter never saw them.
fn lost_on_the_wire(net: &Net) -> u64 {
    let path = format!(
        "/sys/class/net/{}/statistics/tx_dropped",
        WIRE.client_device()
    );
    let text = net
        .client
        .run(|| fs::read_to_string(path))
        .expect("there is one");
    text.trim().parse().expect("it is a number")
}

/// A connection of each of a thousand clients; how many were served. `between` is called now and
/// then.
fn serve_the_crowd(net: &Net, port: u16, mut between: impl FnMut()) -> u16 {
    let mut served = 0;
    for number in 0..CLIENTS {
        let source = crowd::client(number);
        let server = (WIRE.server(source.is_ipv6()), port).into();
        let answer = net.client.run(|| ask_tcp(source, server, 100, PATIENCE));
        served += u16::from(answer == Answer::Served);
        if number % 100 == 0 {
            between();
        }
    }
    served
}

/// Real connections and a flood at once; no packet of either is over its own source's rate.
fn nobody_is_dropped(allow: &str) {
    const QUIET: u16 = 7001;
    let net = Net::new();
    crowd::gather(&net, WIRE);
    let mut host = Host::start_with(&net.server, &policy(allow, QUIET));
    // Beside the port that is flooded: what its listener does is not the filter's.
    let echoes = FAMILIES.map(|is_ipv6| Echo::tcp(&net.server, (WIRE.server(is_ipv6), QUIET)));
    // The neighbour is asked for before a flood fills the queue that the question would wait in.
    for source in (0..2).map(crowd::client) {
        let server = (WIRE.server(source.is_ipv6()), QUIET).into();
        let answer = net.client.run(|| ask_tcp(source, server, 100, PATIENCE));
        assert_eq!(answer, Answer::Served, "{source}");
    }
    let memory = |host: &Host| host.metrics().value("process_resident_memory_bytes", &[]);
    let before = memory(&host);
    let began = Instant::now();
    let forger = Forger::new();
    let served = forger.during(&net, 1, || {
        let served = serve_the_crowd(&net, QUIET, || {
            let generation = host.metrics().value("edge_filter_policy_generation", &[]);
            assert!(generation >= 1.0, "a scrape under the flood");
        });
        wait::until("the whole flood", || {
            (forger.sent() >= FORGED).then_some(())
        });
        served
    });
    // Every forged packet is judged in the end, unless the wire lost it before.
    let forged = forger.sent();
    wait::until("all packets to be counted", || {
        let counted = host.metrics().sum("edge_filter_packets_total", &[]) as u64;
        (counted + lost_on_the_wire(&net) >= forged).then_some(())
    });
    let metrics = host.metrics();
    let drops = metrics.sum("edge_filter_packets_total", &[("action", "drop")]);
    assert_eq!(
        drops, 0.0,
        "of {forged} forged SYNs and {served} real connections"
    );
    let evictions = metrics.value("edge_filter_source_evictions_total", &[]);
    assert!(evictions > 0.0, "there was room for all: nothing was tried");
    // Each connection was told or is counted as lost, and told within the budget, of which the
    // windows at both ends may be used up too.
    let events = metrics.value("edge_filter_events_total", &[]);
    let lost = metrics.value("edge_filter_events_lost_total", &[]);
    let passed = metrics.packets("api", "pass", "allowed");
    assert!(
        events > 0.0 && events + lost <= passed as f64,
        "{events} and {lost} of {passed}"
    );
    let processors = thread::available_parallelism().map_or(1, usize::from) as f64;
    let budget = EVENTS * processors * (began.elapsed().as_secs_f64() + 2.0);
    assert!(events <= budget, "{events} events, {budget} at most");
    let after = memory(&host);
    assert!(
        after < before + MEMORY_BYTES,
        "{before} bytes, then {after}"
    );
    host.ask(&["status"]);
    assert!(host.daemon().ended().is_none());

    // The same with a program that passes everything: one that has no policy.
    host.ask(&["unload"]);
    host.daemon().wait();
    let _passing = net.server.run(|| foreign_program("s0"));
    let without = forger.during(&net, 2, || serve_the_crowd(&net, QUIET, || {}));
    drop(echoes);
    println!(
        "{forged} forged SYNs, {} lost on the wire, {evictions} evictions; served of {CLIENTS}: \
         {served} with the filter, {without} with a program that passes everything",
        lost_on_the_wire(&net)
    );
    // Who connects at the wrong moment tries again under either: one in a hundred is chance.
    assert!(
        served + CLIENTS / 100 >= without,
        "{served} served, {without} without the filter"
    );
    assert!(without > 0, "nobody can be served here");
}

#[test]
fn forged_sources_from_everywhere_cost_those_who_behave_nothing() {
    nobody_is_dropped("\"any\"");
}

#[test]
fn forged_sources_inside_an_allowed_prefix_neither() {
    nobody_is_dropped("\"10.0.0.0/8\", \"fd00::/8\"");
}
