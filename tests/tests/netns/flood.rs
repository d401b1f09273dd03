//! Floods of SYNs from the client, counted behind the filter.

use std::thread;
use std::time::{Duration, Instant};

use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{ACK, Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::wait::PATIENCE;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::{PORT, WIRE};

/// Passes the filter unasked and tells the receiver that all has come.
const LAST: Mark = Mark {
    flow: u32::MAX,
    number: 0,
};

/// How a flood went, for each of its flows.
pub struct Flood {
    /// When a SYN of each flow was sent, in order.
    pub sent: Vec<Instant>,
    /// SYNs that came out behind the filter.
    pub passed: Vec<u64>,
}

impl Flood {
    /// How many of a flow a bucket lets through that holds `burst` tokens at first and at most,
    /// and gets `rate` a second. What the sender was late for is nobody's.
    pub fn due(&self, rate: f64, burst: u32) -> f64 {
        let burst = f64::from(burst);
        let (mut passed, mut tokens, mut before) = (0.0, burst, self.sent.first());
        for now in &self.sent {
            let since = before
                .replace(now)
                .map_or(Duration::ZERO, |last| *now - *last);
            tokens = (tokens + rate * since.as_secs_f64()).min(burst);
            if tokens >= 1.0 {
                tokens -= 1.0;
                passed += 1.0;
            }
        }
        passed
    }
}

/// A flow of SYNs to the service.
pub fn flow(source: &str) -> Flow {
    let source = source.parse().expect("it is an address");
    Flow::new((source, 40_000), (WIRE.server(source.is_ipv6()), PORT))
}

/// Sends a SYN of each flow every `interval`, until `duration` has passed.
pub fn run(net: &Net, flows: &[Flow], duration: Duration, interval: Duration) -> Flood {
    between(net, flows.len(), || {
        net.client.run(|| send(flows, duration, interval))
    })
}

/// The same from every CPU at once, on which veth then judges what is sent there.
pub fn run_on_each_cpu(net: &Net, flows: &[Flow], duration: Duration, interval: Duration) -> Flood {
    let allowed = sched_getaffinity(None).expect("of this thread");
    let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| allowed.is_set(*cpu));
    let cpus: Vec<usize> = cpus.collect();
    let send_on = |cpu| {
        net.client.run(|| {
            let mut only = CpuSet::new();
            only.set(cpu);
            sched_setaffinity(None, &only).expect("it is allowed");
            send(flows, duration, interval)
        })
    };
    between(net, flows.len(), || {
        thread::scope(|scope| {
            let floods: Vec<_> = cpus
                .iter()
                .map(|cpu| scope.spawn(|| send_on(*cpu)))
                .collect();
            let floods = floods.into_iter();
            let floods = floods.map(|flood| flood.join().expect("it is sent"));
            let mut sent: Vec<Instant> = floods.flatten().collect();
            sent.sort();
            sent
        })
    })
}

/// Counts what comes out while `send` sends; it says how much, and for how long.
fn between(net: &Net, flows: usize, send: impl FnOnce() -> Vec<Instant>) -> Flood {
    let receiver = net.server.run(|| PacketSocket::open(&WIRE.server_device()));
    thread::scope(|scope| {
        let passed = scope.spawn(|| receive(&receiver, flows));
        let sent = send();
        net.client.run(end);
        Flood {
            sent,
            passed: passed.join().expect("the last frame arrives"),
        }
    })
}

/// At least so many rounds, however slow the machine.
const ROUNDS: usize = 10;

/// When a SYN of each flow was sent.
fn send(flows: &[Flow], duration: Duration, interval: Duration) -> Vec<Instant> {
    let socket = PacketSocket::open(&WIRE.client_device());
    let start = Instant::now();
    let mut sent = Vec::new();
    while start.elapsed() <= duration || sent.len() < ROUNDS {
        let number = sent.len() as u64;
        sent.push(Instant::now());
        for (flow, to) in (0..).zip(flows) {
            socket.send(&to.tcp(SYN, Mark { flow, number }));
        }
        // A pace, not a wait: what counts is the time that has really passed.
        thread::sleep(interval);
    }
    sent
}

fn end() {
    let unlisted = Flow::new((WIRE.client(10, false), 9), (WIRE.server(false), 9));
    PacketSocket::open(&WIRE.client_device()).send(&unlisted.tcp(ACK, LAST));
}

fn receive(socket: &PacketSocket, flows: usize) -> Vec<u64> {
    let mut passed = vec![0; flows];
    loop {
        let frame = socket
            .receive(PATIENCE)
            .expect("the frame that ends the flood must pass");
        match Mark::of(&frame) {
            Some(LAST) => return passed,
            Some(mark) => passed[mark.flow as usize] += 1,
            None => {}
        }
    }
}
