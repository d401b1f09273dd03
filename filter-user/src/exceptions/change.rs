//! Setting and lifting: first the journal, then the maps; all of it or nothing.

use super::desk::{Desk, DeskError};
use super::journal::JournalError;
use super::ledger::{Entry, Key};
use super::sync::{flags_of, remove_expired, settle_any};
use super::{FOREVER, Kind, Note, Now, Op, Record, Target};
use crate::kernel::exceptions::{ExceptionMap, Exceptions, Row};
use crate::kernel::{KernelError, Pins};
use filter_common::addr::{Scope, SourceKey};
use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

/// What to set.
#[derive(Clone, Debug)]
pub struct Order {
    /// Ban or allow.
    pub kind: Kind,
    /// From or to which service; every one without.
    pub service: Option<String>,
    /// For how long; without end if `None`.
    pub duration: Option<Duration>,
    /// Why.
    pub note: Option<Note>,
    /// Whether one that ends later stays as it is.
    pub keeps_longer: bool,
}

/// What to lift of a source: everything, or what all of this holds for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Which<'a> {
    /// That of this service.
    pub service: Option<&'a str>,
    /// What was set with this note.
    pub note: Option<&'a Note>,
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Sources that were not banned, or allowed, before.
    pub new: usize,
    /// Sources that were, and now are until another time.
    pub renewed: usize,
    /// Sources that were, and stay so until another time.
    pub kept: usize,
    /// Unix time, seconds, at which it ends.
    pub until_unix: Option<u64>,
}

/// What came of lifting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifted {
    /// Whose.
    pub target: Target,
    /// Whether anything was in force.
    pub was_in_force: bool,
    /// The /64 around it that still is in force.
    pub covered_by: Option<Target>,
    /// Whether it was lifted for one service while that for every service goes on.
    pub goes_on_for_all: bool,
    /// Whether one with another note goes on.
    pub goes_on_with_another_note: bool,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    /// What it works on is not there.
    #[error(transparent)]
    Desk(#[from] DeskError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The maps.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// They are full.
    #[error(
        "no room: {wanted} more rows are needed and {free} are free of {capacity}; NOTHING was done. \
         {advice}"
    )]
    Full {
        /// Rows.
        wanted: usize,
        /// Rows.
        free: usize,
        /// Rows.
        capacity: usize,
        /// What to do.
        advice: &'static str,
    },
}

/// That of a kind.
pub(super) fn map_of(exceptions: &Exceptions, kind: Kind) -> &ExceptionMap {
    match kind {
        Kind::Ban => &exceptions.bans,
        Kind::Allow => &exceptions.allows,
    }
}

impl Desk {
    /// Bans or allows sources. One that is already gets the new end and note.
    ///
    /// # Errors
    /// Why nothing was changed.
    pub fn set(&self, order: &Order, targets: &BTreeSet<Target>) -> Result<Change, ChangeError> {
        let pins = self.pinned()?;
        let map = map_of(&pins.exceptions, order.kind);
        let scope = self.scope(order.service.as_deref())?;
        let now = Now::read();
        let until_boot = order.duration.map(|duration| now.end_after(duration));
        let expiry = until_boot.as_ref().map_or(FOREVER, |end| end.monotonic_ns);
        let until_unix = order.duration.map(|duration| now.unix_after(duration));
        let mut changed = Vec::new();
        let mut before = Vec::new();
        // Maps that were just made do not have what is written down yet.
        let written = order
            .keeps_longer
            .then(|| self.journal.read())
            .transpose()?;
        let is_longer = |target: &Target, end: Option<u64>| {
            end.is_some_and(|end| end >= expiry)
                || written.as_ref().is_some_and(|content| {
                    let key = Key {
                        kind: order.kind,
                        target: *target,
                        service: order.service.clone(),
                    };
                    let entry = content.ledger.get(&key);
                    let left = |entry: &Entry| entry.left_ns(&now).unwrap_or(FOREVER);
                    let end = entry.map(|entry| now.monotonic_ns.saturating_add(left(entry)));
                    end.is_some_and(|end| end >= expiry)
                })
        };
        for target in targets {
            let end = map.get(&target.key(scope))?;
            if !(order.keeps_longer && is_longer(target, end)) {
                changed.push(*target);
                before.push(end);
            }
        }
        let kept = targets.len() - changed.len();
        let rows: Vec<Row> = changed.iter().map(|t| (t.key(scope), expiry)).collect();
        let mut wanted = before.iter().filter(|end| end.is_none()).count();
        if keeps_any(order.kind, scope) {
            for target in &changed {
                wanted += usize::from(map.get(&target.key(Scope::Any))?.is_none());
            }
        }
        make_room(pins, order.kind, wanted)?;

        let record = |ip: &Target| Record {
            op: Op::Set,
            kind: order.kind,
            ip: *ip,
            service: order.service.clone(),
            until_unix,
            until_boot: until_boot.clone(),
            note: order.note.clone(),
            at: now.unix(),
        };
        let records: Vec<_> = changed.iter().map(record).collect();
        let end = self.journal.append(&records)?;
        if let Err(error) = write(pins, order.kind, scope, &rows) {
            undo(map, &rows, &before);
            self.journal.take_back(&end)?;
            return Err(error.into());
        }
        self.compact(&now);
        let renewed = before
            .iter()
            .flatten()
            .filter(|end| **end > now.monotonic_ns);
        let renewed = renewed.count();
        Ok(Change {
            new: rows.len() - renewed,
            renewed,
            kept,
            until_unix,
        })
    }

    /// Ends bans or allows of sources. Works on what is written down alone if nothing is pinned.
    ///
    /// # Errors
    /// The journal or the maps refuse.
    pub fn lift(
        &self,
        kind: Kind,
        which: Which<'_>,
        targets: &BTreeSet<Target>,
    ) -> Result<Vec<Lifted>, ChangeError> {
        let now = Now::read();
        let now_ns = now.monotonic_ns;
        let record = |ip: &Target, service: Option<&str>, op| Record {
            op,
            kind,
            ip: *ip,
            service: service.map(str::to_owned),
            until_unix: None,
            until_boot: None,
            note: None,
            at: now.unix(),
        };
        let noted = which
            .note
            .map(|note| self.noted(kind, which, note, targets));
        let noted = noted.transpose()?;
        let records: Vec<_> = match (&noted, which.service) {
            (Some(noted), _) => noted
                .iter()
                .map(|key| record(&key.target, key.service.as_deref(), Op::Lift))
                .collect(),
            (None, Some(name)) => {
                let lift = |ip| record(ip, Some(name), Op::Lift);
                targets.iter().map(lift).collect()
            }
            (None, None) => {
                let lift = |ip| record(ip, None, Op::LiftEvery);
                targets.iter().map(lift).collect()
            }
        };
        if !records.is_empty() {
            self.journal.append(&records)?;
        }
        let mut found: HashMap<Target, Vec<Row>> = HashMap::new();
        if let Some(pins) = &self.pins {
            for row in map_of(&pins.exceptions, kind).rows()? {
                if let Some(target) = Target::of_key(&row.0) {
                    found.entry(target).or_default().push(row);
                }
            }
        }
        // A service that the policy does not have now has no rows either.
        let scope = which.service.and_then(|name| self.scope(Some(name)).ok());
        let noted = noted.map(|noted| {
            let mut scopes: HashMap<Target, Vec<Scope>> = HashMap::new();
            for key in noted {
                let scope = self.scope(key.service.as_deref()).ok();
                scopes.entry(key.target).or_default().extend(scope);
            }
            scopes
        });
        let is_meant = |target: &Target, key: &SourceKey| match (&noted, which.service) {
            (Some(noted), _) => key.scope().is_some_and(|scope| {
                let scopes = noted.get(target);
                scopes.is_some_and(|scopes| scopes.contains(&scope))
            }),
            (None, None) => key.scope() != Some(Scope::Any),
            (None, Some(_)) => scope.is_some() && key.scope() == scope,
        };
        let mut lifted = Vec::new();
        for target in targets {
            let mut one = Lifted {
                target: *target,
                was_in_force: false,
                covered_by: None,
                goes_on_for_all: false,
                goes_on_with_another_note: false,
            };
            for (key, expiry) in found.get(target).into_iter().flatten() {
                let is_in_force = *expiry > now_ns;
                if !is_meant(target, key) {
                    one.goes_on_for_all |= is_in_force && key.scope() == Some(Scope::All);
                    one.goes_on_with_another_note |= is_in_force
                        && which.note.is_some()
                        && key.scope() != Some(Scope::Any)
                        && (which.service.is_none() || key.scope() == scope);
                } else if let Some(pins) = &self.pins {
                    map_of(&pins.exceptions, kind).remove(key)?;
                    one.was_in_force |= is_in_force;
                }
            }
            let lasts = |rows: &Vec<Row>| rows.iter().any(|(_, expiry)| *expiry > now_ns);
            let network = target.network().filter(|net| !targets.contains(net));
            one.covered_by = network.filter(|net| found.get(net).is_some_and(lasts));
            lifted.push(one);
        }
        if let (Kind::Allow, Some(pins)) = (kind, &self.pins) {
            settle_any(&pins.exceptions.allows, targets.iter().copied())?;
        }
        self.compact(&now);
        Ok(lifted)
    }

    /// What was set with this note, of these sources and this service.
    fn noted(
        &self,
        kind: Kind,
        which: Which<'_>,
        note: &Note,
        targets: &BTreeSet<Target>,
    ) -> Result<Vec<Key>, ChangeError> {
        let ledger = self.journal.read()?.ledger;
        let is_one = |(key, entry): &(&Key, &Entry)| {
            key.kind == kind
                && targets.contains(&key.target)
                && which
                    .service
                    .is_none_or(|name| key.service.as_deref() == Some(name))
                && entry.note.as_ref() == Some(note)
        };
        let found = ledger.iter().filter(is_one);
        Ok(found.map(|(key, _)| key.clone()).collect())
    }

    /// What was done is done: a disk without room for this is the daemon's to complain about.
    fn compact(&self, now: &Now) {
        if let Err(error) = self.journal.compact_if_due(now) {
            tracing::warn!(%error, "the journal of bans and allows grows");
        }
    }
}

fn write(pins: &Pins, kind: Kind, scope: Scope, rows: &[Row]) -> Result<(), KernelError> {
    let map = map_of(&pins.exceptions, kind);
    // First: a look-up too many costs little, rows that nobody looks up would be no ban.
    let flags = pins.state.exceptions() | flags_of(kind, rows);
    pins.state.set_exceptions(flags);
    map.set(rows)?;
    if keeps_any(kind, scope) {
        settle_any(map, rows.iter().filter_map(|(key, _)| Target::of_key(key)))?;
    }
    Ok(())
}

/// After a refusal that nobody expects: as it was, as far as the kernel lets.
fn undo(map: &ExceptionMap, rows: &[Row], before: &[Option<u64>]) {
    for ((key, _), before) in rows.iter().zip(before) {
        let _ = match before {
            Some(expiry) => map.set(&[(*key, *expiry)]),
            None => map.remove(key).map(drop),
        };
    }
}

/// Whether a row of [`Scope::Any`] stands beside these.
const fn keeps_any(kind: Kind, scope: Scope) -> bool {
    matches!((kind, scope), (Kind::Allow, Scope::Service(_)))
}

fn make_room(pins: &Pins, kind: Kind, wanted: usize) -> Result<(), ChangeError> {
    if wanted == 0 {
        return Ok(());
    }
    let map = map_of(&pins.exceptions, kind);
    let free = |rows: usize| map.capacity().saturating_sub(rows);
    let rows = map.rows()?;
    if wanted <= free(rows.len()) {
        return Ok(());
    }
    let left = remove_expired(map, rows)?;
    if wanted <= free(left.len()) {
        return Ok(());
    }
    Err(ChangeError::Full {
        wanted,
        free: free(left.len()),
        capacity: map.capacity(),
        advice: match kind {
            Kind::Ban => "Lift some (edge-filter unban), or put whole networks into `deny`",
            Kind::Allow => {
                "Lift some (edge-filter disallow), or put them into `allow` of the configuration; an \
                 allow of a single service takes two rows"
            }
        },
    })
}
