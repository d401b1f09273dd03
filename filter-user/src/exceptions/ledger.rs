//! What the journal comes to: who is banned or allowed, until when and why. Pure.

use super::{Note, Target};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

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
    /// Why.
    pub note: Option<Note>,
    /// Unix time, seconds, at which it was said.
    pub at: u64,
}

impl Entry {
    /// Whether its end has come.
    pub fn is_over(&self, now_unix: u64) -> bool {
        self.until_unix.is_some_and(|until| until <= now_unix)
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

    /// Forgets what is over.
    pub fn expire(&mut self, now_unix: u64) {
        self.entries.retain(|_, entry| !entry.is_over(now_unix));
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
        again.expire(99);
        assert_eq!(again.len(), 2);
        again.expire(100);
        assert_eq!(again.len(), 1);
    }
}
