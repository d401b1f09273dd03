//! Setting and lifting: first the journal, then the maps; all of it or nothing.

use super::desk::{Desk, DeskError};
use super::journal::JournalError;
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
}

/// What came of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Sources that were not banned, or allowed, before.
    pub new: usize,
    /// Sources that were, and now are until another time.
    pub renewed: usize,
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
        let rows: Vec<Row> = targets.iter().map(|t| (t.key(scope), expiry)).collect();
        let before = rows.iter().map(|(key, _)| map.get(key));
        let before: Vec<Option<u64>> = before.collect::<Result<_, _>>()?;
        let mut wanted = before.iter().filter(|end| end.is_none()).count();
        if keeps_any(order.kind, scope) {
            for target in targets {
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
        let records: Vec<_> = targets.iter().map(record).collect();
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
            until_unix,
        })
    }

    /// Ends bans or allows: those of one service, or all of a source. Works on what is written
    /// down alone if nothing is pinned.
    ///
    /// # Errors
    /// The journal or the maps refuse.
    pub fn lift(
        &self,
        kind: Kind,
        service: Option<&str>,
        targets: &BTreeSet<Target>,
    ) -> Result<Vec<Lifted>, ChangeError> {
        let now = Now::read();
        let now_ns = now.monotonic_ns;
        let record = |ip: &Target| Record {
            op: service.map_or(Op::LiftEvery, |_| Op::Lift),
            kind,
            ip: *ip,
            service: service.map(str::to_owned),
            until_unix: None,
            until_boot: None,
            note: None,
            at: now.unix(),
        };
        let records: Vec<_> = targets.iter().map(record).collect();
        self.journal.append(&records)?;
        let mut found: HashMap<Target, Vec<Row>> = HashMap::new();
        if let Some(pins) = &self.pins {
            for row in map_of(&pins.exceptions, kind).rows()? {
                if let Some(target) = Target::of_key(&row.0) {
                    found.entry(target).or_default().push(row);
                }
            }
        }
        // A service that the policy does not have now has no rows either.
        let scope = service.and_then(|name| self.scope(Some(name)).ok());
        let is_meant = |key: &SourceKey| match (service, scope) {
            (None, _) => key.scope() != Some(Scope::Any),
            (Some(_), scope) => scope.is_some() && key.scope() == scope,
        };
        let mut lifted = Vec::new();
        for target in targets {
            let (mut was_in_force, mut goes_on_for_all) = (false, false);
            for (key, expiry) in found.get(target).into_iter().flatten() {
                goes_on_for_all |=
                    !is_meant(key) && key.scope() == Some(Scope::All) && *expiry > now_ns;
                if let Some(pins) = &self.pins
                    && is_meant(key)
                {
                    map_of(&pins.exceptions, kind).remove(key)?;
                    was_in_force |= *expiry > now_ns;
                }
            }
            let lasts = |rows: &Vec<Row>| rows.iter().any(|(_, expiry)| *expiry > now_ns);
            let network = target.network().filter(|net| !targets.contains(net));
            lifted.push(Lifted {
                target: *target,
                was_in_force,
                goes_on_for_all,
                covered_by: network.filter(|net| found.get(net).is_some_and(lasts)),
            });
        }
        if let (Kind::Allow, Some(pins)) = (kind, &self.pins) {
            settle_any(&pins.exceptions.allows, targets.iter().copied())?;
        }
        self.compact(&now);
        Ok(lifted)
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
