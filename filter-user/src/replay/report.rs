//! What a replay found, in the shape that `--json` prints.

use super::capture::Format;
use super::judge::Verdict;
use super::run::Replay;
use super::sources::Sources;
use filter_common::verdict::Count;
use serde::Serialize;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, UNIX_EPOCH};

/// What was replayed, through what.
#[derive(Clone, Debug, Serialize)]
pub struct About {
    /// The file; `-` for standard input.
    pub capture: String,
    /// How it is written.
    #[serde(serialize_with = "label")]
    pub format: Format,
    /// The configuration.
    pub config: String,
    /// The byte at which the last record begins, if it is not all there.
    pub cut_at_byte: Option<u64>,
    /// What is wrong with the capture, if it cannot be read to its end.
    pub damage: Option<String>,
    /// Generation of the policy that it was compared with.
    pub against_generation: Option<u32>,
}

fn label<S: serde::Serializer>(format: &Format, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(format.label())
}

/// What a replay found. Bytes are those on the wire, from the Ethernet header on.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was replayed.
    #[serde(flatten)]
    pub about: About,
    /// The earliest time of a packet (RFC 3339).
    pub first: Option<String>,
    /// The latest.
    pub last: Option<String>,
    /// Between them, in seconds.
    pub seconds: f64,
    /// All packets of the capture.
    pub captured: Amount,
    /// Those that were judged.
    pub judged: Amount,
    /// Those that were not, and why.
    pub not_judged: NotJudged,
    /// Judged packets of which only the beginning was captured.
    pub cut_by_snapshot_length: u64,
    /// Packets with an earlier time than one before them, judged at the latest time so far.
    pub times_that_go_back: u64,
    /// Packets without a time, judged likewise.
    pub without_time: u64,
    /// What became of those that were judged.
    pub verdicts: Vec<VerdictRow>,
    /// Who was dropped most, or would be.
    pub top_sources: TopSources,
    /// What differs from the policy in force.
    pub changes: Option<ChangeReport>,
    /// What to know before the numbers are believed.
    pub notes: Vec<String>,
}

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

impl From<Count> for Amount {
    fn from(count: Count) -> Self {
        Self {
            packets: count.packets,
            bytes: count.bytes,
        }
    }
}

/// Packets that were not judged.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct NotJudged {
    /// To other destinations than `--to`.
    pub not_to_this_host: Amount,
    /// Sent by the capturing host, as the capture says.
    pub outgoing: Amount,
    /// The capture ends before what decides.
    pub cut_short: Amount,
}

/// Service, action and reason, as counters have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Labels {
    /// `-` where the packet belongs to none.
    pub service: String,
    /// `pass`, `drop` or `would_drop`.
    pub action: &'static str,
    /// As in the table of verdicts.
    pub reason: &'static str,
}

impl From<Verdict> for Labels {
    fn from(verdict: Verdict) -> Self {
        Self {
            service: verdict.service.unwrap_or_else(|| "-".into()),
            action: verdict.action.label(),
            reason: verdict.reason.label(),
        }
    }
}

/// How many packets got a verdict.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct VerdictRow {
    /// Which.
    #[serde(flatten)]
    pub verdict: Labels,
    /// How many.
    #[serde(flatten)]
    pub amount: Amount,
}

/// Sources of most packets.
#[derive(Clone, Debug, Serialize)]
pub struct TopSources {
    /// Most packets first.
    pub sources: Vec<SourceRow>,
    /// By how many packets a count may be short, because there were too many sources.
    pub short_by_at_most: u64,
}

/// A source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceRow {
    /// Its address.
    pub source: IpAddr,
    /// Why, in the order of the verdict table.
    pub reasons: Vec<&'static str>,
    /// How many.
    #[serde(flatten)]
    pub amount: Amount,
    /// When the first was judged (RFC 3339).
    pub first: Option<String>,
    /// When the last was.
    pub last: Option<String>,
}

/// Nanoseconds of Unix time for people.
fn rfc3339(ns: u64) -> String {
    humantime::format_rfc3339_micros(UNIX_EPOCH + Duration::from_nanos(ns)).to_string()
}

impl TopSources {
    fn new(sources: &Sources, most: usize) -> Self {
        let top = sources.top(most).into_iter();
        Self {
            sources: top
                .map(|(source, tallied)| {
                    let (first, last) = tallied.ends_ns.unzip();
                    SourceRow {
                        source,
                        reasons: tallied.reasons(),
                        amount: tallied.count.into(),
                        first: first.map(rfc3339),
                        last: last.map(rfc3339),
                    }
                })
                .collect(),
            short_by_at_most: sources.forgotten(),
        }
    }
}

/// What differs from the policy in force.
#[derive(Clone, Debug, Serialize)]
pub struct ChangeReport {
    /// Packets with another verdict, reason or service.
    pub changed: Amount,
    /// Newly dropped first, then newly passed.
    pub rows: Vec<ChangeRow>,
    /// Who is dropped, or would be, and was not; under the new reasons.
    pub newly_dropped: TopSources,
    /// Who is not any more; under the old reasons.
    pub newly_passed: TopSources,
}

/// From one verdict to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ChangeRow {
    /// Under the policy in force.
    pub then: Labels,
    /// Under the one that was replayed.
    pub now: Labels,
    /// How many.
    #[serde(flatten)]
    pub amount: Amount,
}

impl Report {
    /// Of a replay; `top` sources of each list.
    pub fn new(about: About, replay: &Replay, top: usize) -> Self {
        let (seen, clock) = (&replay.seen, &replay.clock);
        let (first, last) = clock.ends_ns.unzip();
        let counted: BTreeMap<_, _> = replay.judge.counted();
        let verdicts = counted.into_iter().map(|(verdict, count)| VerdictRow {
            verdict: verdict.into(),
            amount: count.into(),
        });
        let mut report = Self {
            about,
            first: first.map(rfc3339),
            last: last.map(rfc3339),
            seconds: clock
                .ends_ns
                .map_or(0.0, |(first, last)| (last - first) as f64 / 1e9),
            captured: seen.captured.into(),
            judged: seen.judged.into(),
            not_judged: NotJudged {
                not_to_this_host: seen.elsewhere.into(),
                outgoing: seen.outgoing.into(),
                cut_short: seen.short.into(),
            },
            cut_by_snapshot_length: seen.cut,
            times_that_go_back: clock.went_back,
            without_time: clock.without_time,
            verdicts: verdicts.collect(),
            top_sources: TopSources::new(&replay.dropped, top),
            changes: Self::compared(replay, top),
            notes: Vec::new(),
        };
        report.notes = report.caveats(replay);
        report
    }

    fn compared(replay: &Replay, top: usize) -> Option<ChangeReport> {
        let changes = replay.changes.as_ref()?;
        let mut changed = Count::default();
        let rows = changes.rows(&replay.judge).into_iter().map(|row| {
            changed.packets += row.count.packets;
            changed.bytes += row.count.bytes;
            ChangeRow {
                then: row.then.into(),
                now: row.now.into(),
                amount: row.count.into(),
            }
        });
        Some(ChangeReport {
            rows: rows.collect(),
            changed: changed.into(),
            newly_dropped: TopSources::new(&changes.newly_dropped, top),
            newly_passed: TopSources::new(&changes.newly_passed, top),
        })
    }

    fn caveats(&self, replay: &Replay) -> Vec<String> {
        let mut notes = Vec::new();
        let mut note = |packets: u64, what: &str| {
            if packets > 0 {
                notes.push(format!("{packets} {what}"));
            }
        };
        note(
            self.cut_by_snapshot_length,
            "packets were cut by the snapshot length and are judged by their headers",
        );
        note(
            self.not_judged.cut_short.packets,
            "packets were cut before what decides; capture with a larger snapshot length: -s 256",
        );
        note(
            self.times_that_go_back,
            "times go back; these packets are judged at the latest time before them",
        );
        note(
            self.without_time,
            "packets have no time and are judged at the latest time before them",
        );
        note(
            replay.judge.evictions(),
            "sources lost their rate's state to others: more than tracked_sources",
        );
        let answered = |row: &&VerdictRow| {
            row.verdict.reason == "unlisted_port" && row.verdict.action != "pass"
        };
        if replay.judge.asks_for_sockets() {
            let packets = self.verdicts.iter().filter(answered);
            note(
                packets.map(|row| row.amount.packets).sum(),
                "packets to unlisted ports: those that answer a socket of the host would pass as \
                 replies, and a capture does not tell",
            );
        }
        notes.extend(
            self.about
                .cut_at_byte
                .map(|byte| format!("the last record, at byte {byte}, is cut short and left out")),
        );
        notes
    }
}
