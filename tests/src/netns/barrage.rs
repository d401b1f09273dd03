//! Continuous traffic of crafted frames, each one accounted for: what must pass is never lost, what
//! must not pass never arrives.
//!
//! The sender waits for what must pass after `WINDOW` rounds, so that no queue overflows, however
//! slow the machine is: a frame that is missing was dropped by the filter.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::frames::{ACK, Flow, Mark};
use super::raw::PacketSocket;
use super::wait::PATIENCE;
use super::{Net, Wire};

/// Frames of one round times this stay far under the 256 places of a veth's queue.
const WINDOW: u64 = 8;
const LOOK: Duration = Duration::from_millis(20);

/// What is to become of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// Each arrives.
    Passes,
    /// None arrives.
    Dropped,
}

/// One kind of frame, sent once a round.
#[derive(Clone, Debug)]
pub struct Probe {
    /// What it stands for.
    pub name: &'static str,
    /// From where to where.
    pub flow: Flow,
    /// TCP (an ACK) or UDP.
    pub is_tcp: bool,
    /// What is to become of it.
    pub expect: Expect,
}

/// Probes on their way, round after round, until stopped.
pub struct Barrage {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

struct Shared {
    probes: Vec<Probe>,
    /// How many of each probe came out behind the filter.
    arrived: Vec<AtomicU64>,
    rounds: AtomicU64,
    stop: AtomicBool,
    is_sent: AtomicBool,
}

impl Barrage {
    /// Starts to send.
    pub fn start(net: &Net, probes: Vec<Probe>) -> Self {
        let shared = Arc::new(Shared {
            arrived: probes.iter().map(|_| AtomicU64::new(0)).collect(),
            probes,
            rounds: AtomicU64::new(0),
            stop: AtomicBool::new(false),
            is_sent: AtomicBool::new(false),
        });
        let device = Wire(0).server_device();
        let receiver = net.server.run(|| PacketSocket::open(&device));
        let device = Wire(0).client_device();
        let sender = net.client.run(|| PacketSocket::open(&device));
        let (to_receive, to_send) = (Arc::clone(&shared), Arc::clone(&shared));
        let threads = vec![
            net.server.spawn(move || to_receive.receive(&receiver)),
            net.client.spawn(move || to_send.send(&sender)),
        ];
        Self { shared, threads }
    }

    /// How many rounds have been sent.
    pub fn rounds(&self) -> u64 {
        self.shared.rounds.load(Ordering::Acquire)
    }

    /// Whether everything is as expected so far.
    ///
    /// # Panics
    /// If not, naming the probe.
    pub fn check(&self) {
        self.shared.check_dropped();
        assert!(
            !self.threads.iter().any(JoinHandle::is_finished),
            "a probe is missing: {}",
            self.shared.account()
        );
    }

    /// Ends it after a whole round; returns the number of rounds.
    ///
    /// # Panics
    /// If a probe was lost that had to pass, or one passed that had to be dropped.
    pub fn finish(mut self) -> u64 {
        self.shared.stop.store(true, Ordering::Release);
        let fine = self
            .threads
            .drain(..)
            .map(JoinHandle::join)
            .all(|end| end.is_ok());
        let account = self.shared.account();
        assert!(fine, "the traffic did not come to its end: {account}");
        self.shared.check_dropped();
        let rounds = self.rounds();
        assert_eq!(self.shared.fewest(), rounds, "probes were lost: {account}");
        rounds
    }
}

impl Drop for Barrage {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        for thread in self.threads.drain(..) {
            // Whoever dropped it has failed already.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn send(&self, socket: &PacketSocket) {
        // Also when it fails: the receiver must not wait for ever.
        let _told = Tell(&self.is_sent);
        while !self.stop.load(Ordering::Acquire) {
            let number = self.rounds.load(Ordering::Relaxed);
            for (flow, probe) in (0..).zip(&self.probes) {
                let mark = Mark { flow, number };
                socket.send(&match probe.is_tcp {
                    true => probe.flow.tcp(ACK, mark),
                    false => probe.flow.udp(mark),
                });
            }
            self.rounds.store(number + 1, Ordering::Release);
            self.wait_for((number + 1).saturating_sub(WINDOW));
        }
        self.wait_for(self.rounds.load(Ordering::Relaxed));
    }

    fn wait_for(&self, rounds: u64) {
        let deadline = Instant::now() + PATIENCE;
        while self.fewest() < rounds {
            assert!(Instant::now() < deadline, "lost: {}", self.account());
            std::thread::yield_now();
        }
    }

    fn receive(&self, socket: &PacketSocket) {
        let mut is_last = false;
        loop {
            // Asked before the look, so that what was sent before it is still found.
            let is_sent = self.is_sent.load(Ordering::Acquire);
            match socket.receive(LOOK) {
                Some(frame) => {
                    if let Some(mark) = Mark::of(&frame)
                        && let Some(arrived) = self.arrived.get(mark.flow as usize)
                    {
                        arrived.fetch_add(1, Ordering::Release);
                    }
                }
                None if is_last => return,
                None => is_last = is_sent,
            }
        }
    }

    /// How many arrived of the probe that must pass and lags most.
    fn fewest(&self) -> u64 {
        let passing = self.probes.iter().zip(&self.arrived);
        passing
            .filter(|(probe, _)| probe.expect == Expect::Passes)
            .map(|(_, arrived)| arrived.load(Ordering::Acquire))
            .min()
            .expect("some probe must pass, or nothing paces the sender")
    }

    fn check_dropped(&self) {
        for (probe, arrived) in self.probes.iter().zip(&self.arrived) {
            let arrived = arrived.load(Ordering::Acquire);
            assert!(
                probe.expect == Expect::Passes || arrived == 0,
                "{arrived} frames passed that must not: {}",
                probe.name
            );
        }
    }

    fn account(&self) -> String {
        let mut text = format!("{} rounds", self.rounds.load(Ordering::Acquire));
        for (probe, arrived) in self.probes.iter().zip(&self.arrived) {
            let arrived = arrived.load(Ordering::Acquire);
            text += &format!("; {} ({:?}): {arrived}", probe.name, probe.expect);
        }
        text
    }
}

struct Tell<'a>(&'a AtomicBool);

impl Drop for Tell<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
