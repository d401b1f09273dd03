//! A capture, packet by packet: which are judged, at what time, and what is written down of each.

use super::capture::{Capture, Captured};
use super::changes::Changes;
use super::clock::Clock;
use super::judge::Judge;
use super::link::Direction;
use super::sources::Sources;
use super::{Frame, ReplayError, ends};
use filter_common::verdict::Count;
use ipnet::IpNet;
use std::io::Read;

/// A replay, and what came of it so far.
pub struct Replay {
    pub(super) judge: Judge,
    pub(super) changes: Option<Changes>,
    to: Vec<IpNet>,
    interface: Option<usize>,
    pub(super) clock: Clock,
    pub(super) seen: Seen,
    /// Of packets that are dropped, or would be.
    pub(super) dropped: Sources,
}

/// Packets by what was done with them here.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Seen {
    pub captured: Count,
    pub judged: Count,
    /// Destinations that were not asked for.
    pub elsewhere: Count,
    /// Sent by the capturing host.
    pub outgoing: Count,
    /// What decides was not captured.
    pub short: Count,
    /// Judged, though a part was not captured.
    pub cut: u64,
}

fn add(count: &mut Count, bytes: u64) {
    count.packets += 1;
    count.bytes += bytes;
}

impl Replay {
    /// Through a policy, and through the one in force beside it if that is given. Packets to other
    /// destinations than `to` are not judged; none is every destination.
    pub fn new(judge: Judge, then: Option<Judge>, to: Vec<IpNet>) -> Self {
        Self {
            judge,
            changes: then.map(Changes::new),
            to,
            interface: None,
            clock: Clock::default(),
            seen: Seen::default(),
            dropped: Sources::default(),
        }
    }

    /// Its judges, if there were two.
    pub fn into_judges(self) -> Option<[Judge; 2]> {
        Some([self.judge, self.changes?.then])
    }

    /// Reads a capture to its end.
    ///
    /// # Errors
    /// It is damaged, or does not say by which interface its packets came. What was judged before
    /// is written down.
    pub fn run<R: Read>(&mut self, capture: &mut Capture<R>) -> Result<(), ReplayError> {
        while let Some(captured) = capture.next()? {
            if self.interface != Some(captured.interface) {
                self.judge.come_in_by(captured.device)?;
                if let Some(changes) = &mut self.changes {
                    changes.then.come_in_by(captured.device)?;
                }
                self.interface = Some(captured.interface);
            }
            self.packet(&captured);
        }
        Ok(())
    }

    fn packet(&mut self, captured: &Captured<'_>) {
        let now_ns = self.clock.at(captured.at_ns);
        let Some((frame, direction)) = captured.frame() else {
            add(&mut self.seen.captured, captured.wire_bytes.into());
            add(&mut self.seen.short, captured.wire_bytes.into());
            return;
        };
        let bytes = frame.wire_bytes();
        add(&mut self.seen.captured, bytes);
        if self.to.is_empty() {
            if direction == Direction::Out {
                return add(&mut self.seen.outgoing, bytes);
            }
        } else if !self.is_to(&frame) {
            return add(&mut self.seen.elsewhere, bytes);
        }
        // What its addresses were read for does not matter to the verdict.
        frame.ask_anew();
        let now = self.judge.decide(&frame, now_ns);
        let then = match &mut self.changes {
            Some(changes) => Some(changes.then.decide(&frame, now_ns)),
            None => None,
        };
        if frame.is_short() {
            return add(&mut self.seen.short, bytes);
        }
        add(&mut self.seen.judged, bytes);
        self.seen.cut += u64::from(captured.is_cut());
        self.judge.count(now, bytes);
        let source = || ends(&frame).map(|(source, _)| source);
        if now.outcome().is_reported()
            && let Some(source) = source()
        {
            self.dropped
                .add(source, now.outcome().reason(), bytes, self.clock.now_ns());
        }
        if let (Some(changes), Some(then)) = (&mut self.changes, then) {
            changes.add(then, now, bytes, self.clock.now_ns(), source);
        }
    }

    /// What has no destination that can be read reaches every host on the wire.
    fn is_to(&self, frame: &Frame<'_>) -> bool {
        match ends(frame) {
            Some((_, destination)) => self.to.iter().any(|to| to.contains(&destination)),
            None => true,
        }
    }
}
