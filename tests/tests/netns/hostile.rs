//! Floods from forged sources: they cost those who behave nothing, and the daemon neither memory nor
//! its answers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use edge_filter_tests::daemon::Host;
use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::sockets::{Answer, Echo, ask_tcp};
use edge_filter_tests::netns::wait::{self, PATIENCE};
use edge_filter_tests::random::Random;

use crate::{FAMILIES, PORT, WIRE};

/// Forged SYNs: some twenty times as many sources as the tests' daemons have room for.
const FORGED: u64 = 400_000;
/// Resident memory may grow by this: allocators keep some.
const MEMORY_BYTES: f64 = 8e6;

fn policy(allow: &str, second: &str) -> String {
    format!(
        r#"
[[interface]]
name = "s0"

[[service]]
name = "api"
ports = ["7000/tcp", "{second}/tcp"]
allow = [{allow}]
log_connections = true

[service.rate_limit]
connections_per_second = 5
burst = 10
source_prefix_ipv6 = 128   # those who behave share a /64
"#
    )
}

/// Sends SYNs with sources drawn at random until dropped.
struct Forger<'a> {
    is_ended: &'a AtomicBool,
    sent: &'a AtomicU64,
}

impl Forger<'_> {
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

fn descriptors(host: &mut Host) -> usize {
    let folder = format!("/proc/{}/fd", host.daemon().pid());
    std::fs::read_dir(folder).expect("it runs").count()
}

/// Real connections and a flood at once; no packet of either is over its own source's rate.
fn nobody_is_dropped(allow: &str) {
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &policy(allow, "7001"));
    // Beside the port that is flooded: what its listener does is not the filter's.
    let echoes = FAMILIES.map(|is_ipv6| Echo::tcp(&net.server, (WIRE.server(is_ipv6), 7001)));
    let memory = || {
        let metrics = host.metrics();
        metrics.value("process_resident_memory_bytes", &[])
    };
    let before = memory();
    let (is_ended, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let forger = Forger {
        is_ended: &is_ended,
        sent: &sent,
    };
    let namespace = net.client.clone();
    let (served, scrapes) = thread::scope(|scope| {
        let flood = scope.spawn(|| namespace.run(|| forger.flood(1)));
        let ending = Ending(&is_ended);
        let mut served = 0;
        let mut scrapes = 0;
        while sent.load(Ordering::Relaxed) < FORGED {
            assert!(!flood.is_finished(), "the flood ended");
            for is_ipv6 in FAMILIES {
                for client in 10..16 {
                    let server = (WIRE.server(is_ipv6), 7001).into();
                    let source = WIRE.client(client, is_ipv6);
                    let asked = Instant::now();
                    let answer = net.client.run(|| ask_tcp(source, server, 100, PATIENCE));
                    assert_eq!(answer, Answer::Served, "{source}");
                    served += 1;
                    // Twelve sources in turn, each below five a second.
                    let pace = Duration::from_millis(20);
                    thread::sleep(pace.saturating_sub(asked.elapsed()));
                }
            }
            let metrics = host.metrics();
            assert!(metrics.value("edge_filter_policy_generation", &[]) >= 1.0);
            scrapes += 1;
        }
        drop(ending);
        flood.join().expect("it ends");
        (served, scrapes)
    });
    drop(echoes);
    assert!(
        served >= 12 && scrapes >= 1,
        "{served} served, {scrapes} scrapes"
    );
    // Every forged packet is judged in the end.
    let forged = sent.load(Ordering::Relaxed);
    wait::until("all packets to be counted", || {
        let passed = host.metrics().packets("api", "pass", "allowed");
        (passed >= forged).then_some(())
    });
    let metrics = host.metrics();
    let drops = metrics.sum("edge_filter_packets_total", &[("action", "drop")]);
    assert_eq!(
        drops, 0.0,
        "of {forged} forged and {served} real connections"
    );
    let evictions = metrics.value("edge_filter_source_evictions_total", &[]);
    assert!(evictions > FORGED as f64 / 2.0, "{evictions}");
    // Their budget is a thousand a second and CPU by default; the rest is counted as lost.
    let events = metrics.value("edge_filter_events_total", &[]);
    let lost = metrics.value("edge_filter_events_lost_total", &[]);
    assert!(lost > events, "{events} events, {lost} lost");
    let after = memory();
    assert!(
        after < before + MEMORY_BYTES,
        "{before} bytes, then {after}"
    );
    host.ask(&["status"]);
    assert!(host.daemon().ended().is_none());
}

#[test]
fn forged_sources_from_everywhere_cost_those_who_behave_nothing() {
    nobody_is_dropped("\"any\"");
}

#[test]
fn forged_sources_inside_an_allowed_prefix_neither() {
    nobody_is_dropped("\"10.0.0.0/8\", \"fd00::/8\"");
}

#[test]
fn reloads_under_a_flood_leak_nothing() {
    const RELOADS: usize = 100;
    let net = Net::new();
    let mut host = Host::start_with(&net.server, &policy("\"any\"", "7001"));
    let (is_ended, sent) = (AtomicBool::new(false), AtomicU64::new(0));
    let forger = Forger {
        is_ended: &is_ended,
        sent: &sent,
    };
    let namespace = net.client.clone();
    thread::scope(|scope| {
        let flood = scope.spawn(|| namespace.run(|| forger.flood(2)));
        let ending = Ending(&is_ended);
        let mut before = None;
        for reload in 0..RELOADS {
            host.reload_with(&policy("\"any\"", ["7001", "7002"][reload % 2]));
            if reload == 10 {
                // Everything that is opened once is open.
                let memory = host.metrics().value("process_resident_memory_bytes", &[]);
                before = Some((descriptors(&mut host), memory));
            }
        }
        let (open, memory) = before.expect("there were more");
        let now = host.metrics().value("process_resident_memory_bytes", &[]);
        // What was open for a moment, such as a connection to the kernel, is closed a moment later.
        wait::until("descriptors to be closed", || {
            (descriptors(&mut host) <= open).then_some(())
        });
        assert!(now < memory + MEMORY_BYTES, "{memory} bytes, then {now}");
        drop(ending);
        flood.join().expect("it ends");
    });
    assert!(sent.load(Ordering::Relaxed) > RELOADS as u64);
    let drops = [("action", "drop")];
    assert_eq!(host.metrics().sum("edge_filter_packets_total", &drops), 0.0);
}
