//! What the page polls, in the words of `top --once --json` with rates added.

use crate::live::{self, Ban, Dropper, Events};
use crate::report::Status;
use serde::Serialize;

/// Everything that is shown at one moment.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// Name of this host.
    pub host: String,
    /// Unix time, milliseconds.
    pub at_unix_ms: u64,
    /// What is attached and in force.
    pub status: Status,
    /// Packets a second by action.
    pub totals: Totals,
    /// Counters and their rates, most packets a second first.
    pub lines: Vec<Line>,
    /// Who is dropped most of late.
    pub sources: Vec<Dropper>,
    /// Sources that had to make room for others.
    pub evictions: u64,
    /// What became of events.
    pub events: Events,
    /// The newest bans, newest first.
    pub newest_bans: Vec<Ban>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// Packets a second, oldest first; the last is now.
#[derive(Debug, Serialize)]
pub struct Totals {
    /// Of packets that pass.
    pub pass: Vec<f64>,
    /// Of packets that are dropped.
    pub drop: Vec<f64>,
    /// Of packets that a monitor or a bypass spares.
    pub would_drop: Vec<f64>,
}

/// One service, action and reason.
#[derive(Debug, Serialize)]
pub struct Line {
    service: String,
    action: &'static str,
    reason: &'static str,
    packets: u64,
    bytes: u64,
    packets_per_second: f64,
    bytes_per_second: f64,
    history: Vec<f64>,
}

impl From<live::Line> for Line {
    fn from(line: live::Line) -> Self {
        Self {
            service: line.counter.service,
            action: line.counter.action,
            reason: line.counter.reason,
            packets: line.counter.packets,
            bytes: line.counter.bytes,
            packets_per_second: hundredths(line.packets_per_second),
            bytes_per_second: hundredths(line.bytes_per_second),
            history: line.history.into_iter().map(hundredths).collect(),
        }
    }
}

/// As exact as anybody reads; the rest would be most of the answer.
pub(super) fn hundredths(rate: f64) -> f64 {
    (rate * 100.0).round() / 100.0
}
