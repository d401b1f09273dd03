//! What the journal comes to: who is banned or allowed, until when and why. Pure.

use super::{BootEnd, Note, Now, Target};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

const SECOND_NS: u128 = 1_000_000_000;

/// Ban or timed allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Refused.
    Ban,
    /// Let in beside the lists.
    Allow,
}

impl Kind {
    /// One of them, in messages.
    pub const fn noun(self) -> &'static str {
        match self {
            Self::Ban => "ban",
            Self::Allow => "timed allow",
        }
    }

    /// What a source then is.
    pub const fn participle(self) -> &'static str {
        match self {
            Self::Ban => "banned",
            Self::Allow => "allowed",
        }
    }
}

/// What a line of the journal says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// It holds from now on; an earlier one of the same key is replaced.
    Set,
    /// It ends.
    Lift,
    /// Every one of this source ends, for whatever service.
    LiftEvery,
}

/// A line of the journal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// What happens.
    pub op: Op,
    /// To what.
    pub kind: Kind,
    /// To whom.
    pub ip: Target,
    /// Name of the service; none for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Unix time, seconds; none for no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_unix: Option<u64>,
    /// The same end by the clock that nobody sets; none if it is not known, or there is no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_boot: Option<BootEnd>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// Unix time, seconds.
    pub at: u64,
}

/// What an entry is found by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Ban or allow.
    pub kind: Kind,
    /// Whose.
    pub target: Target,
    /// Name of the service; none for all.
    pub service: Option<String>,
}

/// The rest of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Unix time, seconds; none for no end.
    pub until_unix: Option<u64>,
    /// The same end by the clock that nobody sets.
    pub until_boot: Option<BootEnd>,
    /// Why.
    pub note: Option<Note>,
    /// Unix time, seconds, at which it was said.
    pub at: u64,
}

impl Entry {
    /// Nanoseconds until its end; none if it has none.
    ///
    /// After a boot only the wall clock can tell. Should it have gone back, an entry still does not
    /// last longer than it was set for.
    pub fn left_ns(&self, now: &Now) -> Option<u64> {
        let until = self.until_unix?;
        if let Some(end) = &self.until_boot
            && end.boot_id == now.boot_id
        {
            return Some(end.monotonic_ns.saturating_sub(now.monotonic_ns));
        }
        let left = (u128::from(until) * SECOND_NS).saturating_sub(now.unix_ns);
        let whole = u128::from(until.saturating_sub(self.at)) * SECOND_NS;
        u64::try_from(left.min(whole)).ok()
    }

    /// Whether its end is known by the clock of a boot, which nobody sets.
    fn is_known_in(&self, boot_id: &str) -> bool {
        let end = self.until_boot.as_ref();
        end.is_some_and(|end| end.boot_id == boot_id)
    }

    /// Whether its end has come.
    pub fn is_over(&self, now: &Now) -> bool {
        self.left_ns(now) == Some(0)
    }
}

/// All entries, by kind, address and service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: BTreeMap<Key, Entry>,
}

impl Ledger {
    /// Takes in a line.
    pub fn apply(&mut self, record: Record) {
        let key = Key {
            kind: record.kind,
            target: record.ip,
            service: record.service,
        };
        match record.op {
            Op::Set => {
                let entry = Entry {
                    until_unix: record.until_unix,
                    until_boot: record.until_boot,
                    note: record.note,
                    at: record.at,
                };
                self.entries.insert(key, entry);
            }
            Op::Lift => {
                self.entries.remove(&key);
            }
            Op::LiftEvery => {
                let first = Key {
                    service: None,
                    ..key
                };
                let of_source = self.entries.range(first.clone()..);
                let of_source =
                    of_source.take_while(|(k, _)| k.kind == first.kind && k.target == first.target);
                let keys: Vec<_> = of_source.map(|(key, _)| key.clone()).collect();
                for key in keys {
                    self.entries.remove(&key);
                }
            }
        }
    }

    /// Forgets for good what is over beyond doubt: by this boot's clock, or by a wall clock that is
    /// kept right. Whether there was any.
    pub fn forget(&mut self, now: &Now) -> bool {
        let before = self.entries.len();
        self.entries.retain(|_, entry| {
            let is_certain = now.is_synchronised || entry.is_known_in(&now.boot_id);
            !(is_certain && entry.is_over(now))
        });
        self.entries.len() < before
    }

    /// Forgets what is over, by what is known now.
    pub fn expire(&mut self, now: &Now) {
        self.entries.retain(|_, entry| !entry.is_over(now));
    }

    /// Writes down, for entries of earlier boots, their ends by this boot's clock, so that what the
    /// wall clock said first is what holds: first, once it is kept right. Whether there were any.
    pub fn anchor(&mut self, now: &Now) -> bool {
        let mut is_changed = false;
        if !now.is_synchronised {
            return false;
        }
        for entry in self.entries.values_mut() {
            if entry.is_known_in(&now.boot_id) {
                continue;
            }
            if let Some(left) = entry.left_ns(now) {
                entry.until_boot = Some(now.end_after(Duration::from_nanos(left)));
                is_changed = true;
            }
        }
        is_changed
    }

    /// All of them, sorted by kind, address and service.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter()
    }

    /// One of them.
    pub fn get(&self, key: &Key) -> Option<&Entry> {
        self.entries.get(key)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The fewest lines that come to the same.
    pub fn records(&self) -> impl Iterator<Item = Record> + '_ {
        self.entries.iter().map(|(key, entry)| Record {
            op: Op::Set,
            kind: key.kind,
            ip: key.target,
            service: key.service.clone(),
            until_unix: entry.until_unix,
            until_boot: entry.until_boot.clone(),
            note: entry.note.clone(),
            at: entry.at,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(op: Op, kind: Kind, ip: &str, service: Option<&str>) -> Record {
        Record {
            op,
            kind,
            ip: ip.parse().unwrap(),
            service: service.map(Into::into),
            until_unix: None,
            until_boot: None,
            note: None,
            at: 1,
        }
    }

    #[test]
    fn the_last_word_counts_and_lifting_all_spares_other_sources_and_kinds() {
        let mut ledger = Ledger::default();
        for (kind, ip, service) in [
            (Kind::Ban, "192.0.2.1", None),
            (Kind::Ban, "192.0.2.1", Some("a")),
            (Kind::Ban, "192.0.2.1", Some("b")),
            (Kind::Ban, "192.0.2.2", Some("a")),
            (Kind::Allow, "192.0.2.1", Some("a")),
        ] {
            ledger.apply(record(Op::Set, kind, ip, service));
        }
        ledger.apply(record(Op::Lift, Kind::Ban, "192.0.2.1", Some("b")));
        assert_eq!(ledger.len(), 4);
        ledger.apply(record(Op::LiftEvery, Kind::Ban, "192.0.2.1", None));
        let left: Vec<_> = ledger
            .iter()
            .map(|(key, _)| key.target.to_string())
            .collect();
        assert_eq!(left, ["192.0.2.2", "192.0.2.1"]);
    }

    #[test]
    fn records_come_to_the_same_ledger() {
        let mut ledger = Ledger::default();
        let mut timed = record(Op::Set, Kind::Ban, "2001:db8::/64", Some("a"));
        timed.until_unix = Some(100);
        ledger.apply(timed);
        ledger.apply(record(Op::Set, Kind::Allow, "2001:db8::1", None));
        let mut again = Ledger::default();
        ledger.records().for_each(|record| again.apply(record));
        assert_eq!(again, ledger);
        again.expire(&now(99, "boot", 0));
        assert_eq!(again.len(), 2);
        again.expire(&now(100, "boot", 0));
        assert_eq!(again.len(), 1);
    }

    fn now(unix: u64, boot_id: &str, seconds: u64) -> Now {
        Now {
            unix_ns: u128::from(unix) * SECOND_NS,
            monotonic_ns: seconds * 1_000_000_000,
            boot_id: boot_id.into(),
            is_synchronised: true,
        }
    }

    #[test]
    fn a_clock_that_is_set_moves_no_end_within_a_boot_and_lengthens_none_after_it() {
        const HOUR: u64 = 3600;
        const DAY: u64 = 24 * HOUR;
        let start = now(100 * DAY, "first", 50);
        let hour = Duration::from_secs(HOUR);
        let mut record = record(Op::Set, Kind::Ban, "192.0.2.1", None);
        record.at = start.unix();
        record.until_unix = Some(start.unix_after(hour));
        record.until_boot = Some(start.end_after(hour));
        let mut ledger = Ledger::default();
        ledger.apply(record);
        let seconds_left = |ledger: &Ledger, now: &Now| {
            let left = ledger
                .iter()
                .next()
                .and_then(|(_, entry)| entry.left_ns(now));
            left.map(|ns| ns / 1_000_000_000)
        };
        for wall in [1, 97 * DAY, 103 * DAY] {
            assert_eq!(
                seconds_left(&ledger, &now(wall, "first", 60)),
                Some(HOUR - 10)
            );
        }
        assert_eq!(seconds_left(&ledger, &now(1, "first", 50 + HOUR)), Some(0));
        // A boot later the wall clock is all there is.
        let later = now(100 * DAY + 600, "second", 7);
        assert_eq!(seconds_left(&ledger, &later), Some(HOUR - 600));
        assert_eq!(seconds_left(&ledger, &now(1, "second", 7)), Some(HOUR));
        assert_eq!(seconds_left(&ledger, &now(101 * DAY, "second", 7)), Some(0));
        // What it said then holds, whatever it says next.
        assert!(ledger.anchor(&later));
        assert!(!ledger.anchor(&later));
        assert_eq!(
            seconds_left(&ledger, &now(1, "second", 17)),
            Some(HOUR - 610)
        );
    }

    #[test]
    fn a_clock_that_nobody_keeps_right_ends_and_prolongs_nothing_for_good() {
        let mut record = record(Op::Set, Kind::Allow, "192.0.2.1", None);
        (record.at, record.until_unix) = (1000, Some(4600));
        let mut ledger = Ledger::default();
        ledger.apply(record);
        let wrong = |unix| Now {
            is_synchronised: false,
            ..now(unix, "second", 7)
        };
        // Ahead, it looks over; behind, it would begin anew.
        for unix in [5000, 1] {
            assert!(!ledger.forget(&wrong(unix)) && !ledger.anchor(&wrong(unix)));
            assert_eq!(ledger.len(), 1);
        }
        assert!(ledger.clone().forget(&now(5000, "second", 8)));
        assert!(ledger.anchor(&now(4000, "second", 8)));
        assert!(!ledger.forget(&wrong(1)));
        let later = Now {
            monotonic_ns: 608 * 1_000_000_000,
            ..wrong(1)
        };
        assert!(ledger.forget(&later), "by a clock that nobody sets");
    }
}
