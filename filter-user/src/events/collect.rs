//! The reader of the ring: a task of its own, apart from the daemon's loop.

use super::decode::{Clocks, decode};
use super::journal::Journal;
use super::line::{Cause, Line, Loss, Record};
use crate::daemon::Shared;
use crate::kernel::clock::monotonic_ns;
use crate::kernel::events::{Budgets, Ring, Sent};
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::time::{Instant, sleep_until};

/// Records between two looks at everything else that the daemon has to do.
const BATCH: usize = 64;
/// From an event to the look at what was lost beside it.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the ring for ever: into the log, the journal, and to followers.
pub async fn collect(
    mut ring: Ring,
    budgets: Arc<Budgets>,
    shared: Arc<Shared>,
    journal: Arc<Journal>,
) {
    let mut losses = Losses::new(budgets);
    let mut records = Vec::new();
    loop {
        let look = losses.look;
        tokio::select! {
            read = ring.read(BATCH, |bytes| records.push(read_one(bytes, &shared))) => {
                if let Err(error) = read {
                    tracing::error!(%error, "NO EVENTS any more: restart the daemon");
                    return;
                }
                losses.look.get_or_insert_with(|| Instant::now() + LOOK);
            }
            () = until(look) => losses.tell(&journal),
        }
        for record in records.drain(..) {
            match record {
                Some(record) => {
                    log(&record);
                    journal.publish(&Line::Event(record));
                }
                None => tracing::warn!("a record of the ring is no event: skipped"),
            }
        }
        tokio::task::yield_now().await;
    }
}

fn read_one(bytes: &[u8], shared: &Shared) -> Option<Record> {
    let clocks = Clocks {
        wall: SystemTime::now(),
        monotonic_ns: monotonic_ns(),
    };
    decode(bytes, &shared.view().book, clocks)
}

async fn until(look: Option<Instant>) {
    match look {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// What was lost, told as it grows.
struct Losses {
    budgets: Arc<Budgets>,
    told: Sent,
    /// When to look next; `None` while nothing happens.
    look: Option<Instant>,
}

impl Losses {
    fn new(budgets: Arc<Budgets>) -> Self {
        let told = budgets.read().unwrap_or_default();
        Self {
            budgets,
            told,
            look: None,
        }
    }

    fn tell(&mut self, journal: &Journal) {
        self.look = None;
        let now = match self.budgets.read() {
            Ok(now) => now,
            Err(error) => {
                tracing::error!("lost events are not known: {error:#}");
                return;
            }
        };
        let lost = now.all_lost().saturating_sub(self.told.all_lost());
        if lost > 0 {
            let loss = Loss {
                lost,
                cause: Cause::Budget,
                by_reason: now.lost_since(&self.told),
            };
            tracing::info!(target: super::LOG_TARGET, lost, "{loss}");
            journal.publish(&Line::Lost(loss));
            // It may go on although no event is sent any more.
            self.look = Some(Instant::now() + LOOK);
        }
        self.told = now;
    }
}

/// Names come from the configuration, everything else is numbers: the log quotes and escapes.
fn log(record: &Record) {
    tracing::info!(
        target: super::LOG_TARGET,
        at = record.time,
        device = record.device,
        action = record.action,
        reason = record.reason,
        service = record.service,
        source = record.source.map(display),
        source_port = record.source_port,
        destination = record.destination.map(display),
        destination_port = record.destination_port,
        protocol = record.protocol,
        tcp_flags = record.tcp_flags,
        vlan = record.vlans.first(),
        packet_length = record.packet_length,
        generation = record.generation,
        "event"
    );
}
