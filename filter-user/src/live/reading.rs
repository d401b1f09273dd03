//! One reading: everything that is shown, as it stood at one moment.

use crate::exceptions::{self, Kind, Ledger, Now};
use crate::ids::Book;
use crate::kernel::{KernelError, Pins};
use crate::report::Status;
use crate::tally::Tally;
use filter_common::verdict::Note;
use serde::Serialize;
use std::collections::BTreeMap;

/// Bans that a reading names; the others are counted.
const NEWEST_BANS: usize = 5;

/// The state of the filter and its counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// Unix time, milliseconds: for people, not for reckoning.
    pub at_unix_ms: u64,
    /// What is attached and in force.
    pub status: Status,
    /// Packets and bytes by service, action and reason, of all devices together.
    pub counters: Vec<Counter>,
    /// Sources that had to make room for others.
    pub evictions: u64,
    /// Sampled events since the filter was loaded.
    pub events: Events,
    /// The newest bans, newest first.
    pub newest_bans: Vec<Ban>,
    /// What could not be read, for people.
    pub problems: Vec<String>,
}

/// What was counted under one service, action and reason. It only grows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Counter {
    /// Name of the service, `-` where the packet belongs to none.
    pub service: String,
    /// `pass`, `drop` or `would_drop`.
    pub action: &'static str,
    /// As in the table of verdicts.
    pub reason: &'static str,
    /// Packets.
    pub packets: u64,
    /// Bytes, from the Ethernet header on.
    pub bytes: u64,
}

/// What became of events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Events {
    /// Passed on.
    pub sent: u64,
    /// Not passed on.
    pub lost: u64,
}

/// A ban in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Ban {
    /// Whose.
    pub address: String,
    /// Name of the service; none for all.
    pub service: Option<String>,
    /// How long it still lasts; none for no end.
    pub seconds_left: Option<u64>,
    /// Why, with nothing in it that a terminal would obey.
    pub note: Option<String>,
}

impl Reading {
    /// Reads counters, evictions and events from the pins into a reading that has its status.
    ///
    /// # Errors
    /// A map cannot be read: no numbers are better than wrong ones.
    pub fn count(&mut self, pins: &Pins, book: &Book) -> Result<(), KernelError> {
        let mut counters = BTreeMap::new();
        for row in Tally::new(&pins.counters.read()?, book).rows() {
            let key = (row.service, row.reason, row.action);
            let (packets, bytes) = counters.entry(key).or_insert((0, 0));
            *packets += row.packets;
            *bytes += row.bytes;
        }
        let counters = counters.into_iter();
        self.counters = counters
            .map(|((service, reason, action), (packets, bytes))| Counter {
                service,
                action,
                reason,
                packets,
                bytes,
            })
            .collect();
        self.evictions = pins.counters.note(Note::SourceEvicted)?;
        let events = pins.budgets.read()?;
        self.events = Events {
            sent: events.sent,
            lost: events.all_lost(),
        };
        Ok(())
    }

    /// Adds the newest bans that are in force.
    ///
    /// # Errors
    /// The map of bans cannot be read.
    pub fn list_bans(
        &mut self,
        ledger: &Ledger,
        pins: &Pins,
        book: &Book,
    ) -> Result<(), KernelError> {
        let mut rows = exceptions::list(ledger, Kind::Ban, Some(pins), book, &Now::read())?;
        rows.retain(|row| row.is_in_force);
        rows.sort_by_key(|row| (std::cmp::Reverse(row.since), row.address));
        let newest = rows.into_iter().take(NEWEST_BANS);
        self.newest_bans = newest
            .map(|row| Ban {
                address: row.address.to_string(),
                service: row.service,
                seconds_left: row.seconds_left,
                note: row.note.map(|note| note.to_string()),
            })
            .collect();
        Ok(())
    }
}
