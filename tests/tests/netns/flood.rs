//! Floods of SYNs from the client, counted behind the filter.

use std::thread;
use std::time::{Duration, Instant};

use edge_filter_tests::netns::Net;
use edge_filter_tests::netns::frames::{ACK, Flow, Mark, SYN};
use edge_filter_tests::netns::raw::PacketSocket;
use edge_filter_tests::netns::wait::PATIENCE;

use crate::{PORT, WIRE};

/// Passes the filter unasked and tells the receiver that all has come.
const LAST: Mark = Mark {
    flow: u32::MAX,
    number: 0,
};

/// How a flood went, for each of its flows.
pub struct Flood {
    /// SYNs sent.
    pub sent: u64,
    /// SYNs that came out behind the filter.
    pub passed: Vec<u64>,
    /// From the first SYN to the last.
    pub lasted: Duration,
}

/// A flow of SYNs to the service.
pub fn flow(source: &str) -> Flow {
    let source = source.parse().expect("it is an address");
    Flow::new((source, 40_000), (WIRE.server(source.is_ipv6()), PORT))
}

/// Sends a SYN of each flow every `interval`, until `duration` has passed.
pub fn run(net: &Net, flows: &[Flow], duration: Duration, interval: Duration) -> Flood {
    let receiver = net.server.run(|| PacketSocket::open(&WIRE.server_device()));
    thread::scope(|scope| {
        let passed = scope.spawn(|| receive(&receiver, flows.len()));
        let (sent, lasted) = net.client.run(|| send(flows, duration, interval));
        Flood {
            sent,
            passed: passed.join().expect("the last frame arrives"),
            lasted,
        }
    })
}

fn send(flows: &[Flow], duration: Duration, interval: Duration) -> (u64, Duration) {
    let socket = PacketSocket::open(&WIRE.client_device());
    let start = Instant::now();
    let mut number = 0;
    let mut lasted = Duration::ZERO;
    while start.elapsed() <= duration {
        lasted = start.elapsed();
        for (flow, to) in (0..).zip(flows) {
            socket.send(&to.tcp(SYN, Mark { flow, number }));
        }
        number += 1;
        // A pace, not a wait: what counts is the time that has really passed.
        thread::sleep(interval);
    }
    let unlisted = Flow::new((WIRE.client(10, false), 9), (WIRE.server(false), 9));
    socket.send(&unlisted.tcp(ACK, LAST));
    (number, lasted)
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
