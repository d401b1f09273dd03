//! Bans or allows as they are listed: what was said, and what of it is in force.

use super::change::map_of;
use super::{FOREVER, Key, Kind, Ledger, Note, Now, Target};
use crate::ids::Book;
use crate::kernel::{KernelError, Pins};
use filter_common::addr::Scope;
use serde::Serialize;
use std::collections::HashMap;
use std::time::Duration;

/// The kernel may let go of a row by so much before its end by the clock read here.
const ENDING_NS: u64 = 5_000_000_000;

/// By what a list is sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Sort {
    /// By address, IPv4 first.
    #[default]
    Address,
    /// What ends first comes first.
    Expiry,
}

/// One ban or allow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Whose.
    pub address: Target,
    /// Name of the service; none for all.
    pub service: Option<String>,
    /// Whether the kernel has it.
    pub is_in_force: bool,
    /// How long it still lasts; none for no end.
    pub seconds_left: Option<u64>,
    /// Unix time, seconds, at which it was said.
    pub since: Option<u64>,
    /// Why.
    pub note: Option<Note>,
}

/// A page of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Listing {
    /// How many there are on all pages.
    pub total: usize,
    /// From 1.
    pub page: usize,
    /// How many pages.
    pub pages: usize,
    /// Those of this page.
    pub rows: Vec<Row>,
}

/// All of a kind.
///
/// # Errors
/// The map cannot be read.
pub fn list(
    ledger: &Ledger,
    kind: Kind,
    pins: Option<&Pins>,
    book: &Book,
    now: &Now,
) -> Result<Vec<Row>, KernelError> {
    let found = match pins {
        Some(pins) => map_of(&pins.exceptions, kind).rows()?,
        None => Vec::new(),
    };
    let now_ns = now.monotonic_ns;
    let mut in_force: HashMap<Key, u64> = HashMap::new();
    for (key, expiry) in found {
        let service = match key.scope() {
            Some(Scope::All) => None,
            Some(Scope::Service(number)) => match book.services.name(number) {
                Some(name) => Some(name.to_owned()),
                None => continue,
            },
            Some(Scope::Any) | None => continue,
        };
        let Some(target) = Target::of_key(&key).filter(|_| expiry > now_ns) else {
            continue;
        };
        let key = Key {
            kind,
            target,
            service,
        };
        in_force.insert(key, expiry);
    }
    let left = |expiry: u64| (expiry != FOREVER).then(|| (expiry - now_ns).div_ceil(1_000_000_000));
    let mut rows = Vec::new();
    for (key, entry) in ledger.iter().filter(|(key, _)| key.kind == kind) {
        let expiry = in_force.remove(key);
        let left_ns = entry.left_ns(now);
        let is_ending =
            left_ns.is_some_and(|left| left <= ENDING_NS) && is_looked_up(key, pins, book);
        if expiry.is_none() && (left_ns == Some(0) || is_ending) {
            continue;
        }
        rows.push(Row {
            address: key.target,
            service: key.service.clone(),
            is_in_force: expiry.is_some(),
            seconds_left: match expiry {
                Some(expiry) => left(expiry),
                None => left_ns.map(|left| left.div_ceil(1_000_000_000)),
            },
            since: Some(entry.at),
            note: entry.note.clone(),
        });
    }
    // In force, and nobody wrote down why.
    rows.extend(in_force.into_iter().map(|(key, expiry)| Row {
        address: key.target,
        service: key.service,
        is_in_force: true,
        seconds_left: left(expiry),
        since: None,
        note: None,
    }));
    Ok(rows)
}

/// Whether the kernel would have it: the service is in the policy.
fn is_looked_up(key: &Key, pins: Option<&Pins>, book: &Book) -> bool {
    pins.is_some()
        && match &key.service {
            None => true,
            Some(name) => book.services.number(name).is_some(),
        }
}

impl Listing {
    /// A page; `limit` 0 puts all on one.
    pub fn new(mut rows: Vec<Row>, sort: Sort, limit: usize, page: usize) -> Self {
        let by_address = |row: &Row| (row.address, row.service.clone());
        match sort {
            Sort::Address => rows.sort_by_cached_key(by_address),
            Sort::Expiry => rows
                .sort_by_cached_key(|row| (row.seconds_left.unwrap_or(u64::MAX), by_address(row))),
        }
        let total = rows.len();
        let limit = if limit == 0 { total.max(1) } else { limit };
        let rows: Vec<_> = rows
            .into_iter()
            .skip(limit.saturating_mul(page.saturating_sub(1)))
            .take(limit)
            .collect();
        Self {
            total,
            page,
            pages: total.div_ceil(limit).max(1),
            rows,
        }
    }

    /// As a table.
    pub fn to_text(&self) -> String {
        let cells = |row: &Row| {
            let left = row.seconds_left.map(Duration::from_secs);
            let left = left.map_or("no end".into(), |l| {
                humantime::format_duration(l).to_string()
            });
            let left = if row.is_in_force {
                left
            } else {
                format!("{left}, NOT IN FORCE")
            };
            let service = row.service.clone().unwrap_or_else(|| "(all)".into());
            let note = row.note.as_ref().map(ToString::to_string);
            [
                row.address.to_string(),
                service,
                left,
                note.unwrap_or_default(),
            ]
        };
        let mut lines = vec![["address", "service", "time left", "note"].map(String::from)];
        lines.extend(self.rows.iter().map(cells));
        let widths = [0, 1, 2].map(|n| lines.iter().map(|line| line[n].len()).max().unwrap_or(0));
        let mut text = String::new();
        for [address, service, left, note] in lines {
            let [a, b, c] = widths;
            let line = format!("{address:<a$}  {service:<b$}  {left:<c$}  {note}");
            text += line.trim_end();
            text.push('\n');
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(address: &str, seconds_left: Option<u64>) -> Row {
        Row {
            address: address.parse().unwrap(),
            service: None,
            is_in_force: true,
            seconds_left,
            since: None,
            note: None,
        }
    }

    #[test]
    fn pages_hold_everything_once_in_order() {
        let rows: Vec<_> = (0..25u8)
            .rev()
            .map(|n| row(&format!("10.0.0.{n}"), Some(100 - u64::from(n))))
            .collect();
        for sort in [Sort::Address, Sort::Expiry] {
            let all = Listing::new(rows.clone(), sort, 0, 1);
            assert_eq!((all.total, all.pages), (25, 1));
            let pages = (1..=3).map(|page| Listing::new(rows.clone(), sort, 10, page));
            let pages: Vec<_> = pages.collect();
            assert!(pages.iter().all(|page| page.total == 25 && page.pages == 3));
            let joined: Vec<_> = pages.into_iter().flat_map(|page| page.rows).collect();
            assert_eq!(joined, all.rows);
        }
        assert!(Listing::new(rows, Sort::Address, 10, 4).rows.is_empty());
        assert_eq!(Listing::new(Vec::new(), Sort::Address, 0, 1).pages, 1);
    }

    #[test]
    fn a_ban_without_end_comes_last_and_says_so() {
        let rows = vec![row("10.0.0.1", None), row("10.0.0.2", Some(90))];
        let text = Listing::new(rows, Sort::Expiry, 0, 1).to_text();
        assert_eq!(
            text,
            "address   service  time left  note\n\
             10.0.0.2  (all)    1m 30s\n\
             10.0.0.1  (all)    no end\n"
        );
    }
}
