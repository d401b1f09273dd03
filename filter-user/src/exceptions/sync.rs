//! The maps follow the journal and the numbers of services; what has expired is swept out.

use super::change::map_of;
use super::{FOREVER, Journal, Kind, Ledger, Lock, Now, Target};
use crate::ids::Book;
use crate::kernel::exceptions::{ExceptionMap, Row};
use crate::kernel::{KernelError, Pins, clock};
use filter_common::addr::{Scope, SourceKey};
use filter_common::policy::SERVICES;
use filter_common::state::{ALLOWS, BANS_V4, BANS_V6, BANS_V6_64, of_scope};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Duration;

/// Bans and allows that are in force now.
///
/// # Errors
/// The maps cannot be read.
pub fn count(pins: &Pins) -> Result<(u64, u64), KernelError> {
    let now_ns = clock::monotonic_ns();
    let lasting = |rows: Vec<Row>| {
        let lasts = |(key, expiry): &&Row| *expiry > now_ns && key.scope() != Some(Scope::Any);
        rows.iter().filter(lasts).count() as u64
    };
    let bans = lasting(pins.exceptions.bans.rows()?);
    Ok((bans, lasting(pins.exceptions.allows.rows()?)))
}

/// Removes the rows of service numbers that go to other names: nobody inherits a ban. To be
/// called before the new numbers come in force; `before` is `None` if nobody knows whose they are.
///
/// # Errors
/// The maps cannot be read or written.
pub fn clear_numbers(pins: &Pins, before: Option<&Book>, after: &Book) -> Result<(), KernelError> {
    let is_kept = |number: u8| {
        let name = before.and_then(|book| book.services.name(number));
        name.is_some() && name == after.services.name(number)
    };
    let kept: Vec<bool> = (0..SERVICES as u8).map(is_kept).collect();
    if kept.iter().all(|is_kept| *is_kept) || pins.state.exceptions() == 0 {
        return Ok(());
    }
    for kind in [Kind::Ban, Kind::Allow] {
        let map = map_of(&pins.exceptions, kind);
        for (key, _) in map.rows()? {
            if let Some(Scope::Service(number)) = key.scope()
                && !kept[usize::from(number)]
            {
                map.remove(&key)?;
            }
        }
    }
    Ok(())
}

/// Puts the maps in step with the journal. Rows that are right are not touched.
///
/// # Errors
/// Somebody holds the lock for longer than `patience`; the journal or the maps refuse.
pub fn sync(
    state_directory: &Path,
    pins: &Pins,
    book: &Book,
    patience: Duration,
) -> anyhow::Result<()> {
    let _lock = Lock::take(state_directory, patience)?;
    let now = Now::read();
    let ledger = Journal::new(state_directory).read_and_mend(&now)?;
    let mut flags = 0;
    // More bans than there is room for, of services that have returned, are no reason to let in
    // nobody who is to be let in.
    for kind in [Kind::Allow, Kind::Ban] {
        let map = map_of(&pins.exceptions, kind);
        let present = map.rows()?;
        let wanted = wanted(&ledger, kind, book, &now);
        let present: HashMap<SourceKey, u64> = present.into_iter().collect();
        for key in present.keys().filter(|key| !wanted.contains_key(key)) {
            map.remove(key)?;
        }
        let is_new = |(key, expiry): &Row| present.get(key) != Some(expiry);
        let wanted: Vec<Row> = wanted.into_iter().collect();
        flags |= flags_of(kind, &wanted);
        // Before the rows: there must be none that nobody looks up.
        pins.state.set_exceptions(pins.state.exceptions() | flags);
        let new: Vec<Row> = wanted.iter().copied().filter(is_new).collect();
        map.set(&new)?;
    }
    pins.state.set_exceptions(flags);
    Ok(())
}

/// Rows as they have to be.
fn wanted(ledger: &Ledger, kind: Kind, book: &Book, now: &Now) -> HashMap<SourceKey, u64> {
    let mut wanted = HashMap::new();
    for (key, entry) in ledger.iter().filter(|(key, _)| key.kind == kind) {
        let scope = match &key.service {
            None => Scope::All,
            Some(name) => match book.services.number(name) {
                Some(number) => Scope::Service(number),
                // Kept for its return.
                None => continue,
            },
        };
        let left = entry.left_ns(now);
        let expiry = left.map_or(FOREVER, |left| now.monotonic_ns.saturating_add(left));
        wanted.insert(key.target.key(scope), expiry);
        if kind == Kind::Allow && scope != Scope::All {
            let any = wanted.entry(key.target.key(Scope::Any)).or_insert(0);
            *any = expiry.max(*any);
        }
    }
    wanted
}

/// Removes what has expired. Does nothing while somebody else changes something.
///
/// # Errors
/// The journal or the maps refuse.
pub fn sweep(state_directory: &Path, pins: &Pins) -> anyhow::Result<()> {
    if pins.state.exceptions() == 0 {
        return Ok(());
    }
    let Ok(_lock) = Lock::take(state_directory, Duration::ZERO) else {
        return Ok(());
    };
    let (mut flags, mut is_allow_over) = (0, false);
    for kind in [Kind::Ban, Kind::Allow] {
        let map = map_of(&pins.exceptions, kind);
        let rows = map.rows()?;
        let before = rows.len();
        let left = remove_expired(map, rows)?;
        flags |= flags_of(kind, &left);
        is_allow_over |= kind == Kind::Allow && left.len() < before;
    }
    pins.state.set_exceptions(flags);
    let (journal, now) = (Journal::new(state_directory), Now::read());
    if is_allow_over {
        // At once: a wall clock that is wrong at the next boot must let nobody in again.
        journal.compact(&now)?;
    } else {
        journal.compact_if_due(&now)?;
    }
    Ok(())
}

/// Of all rows of a map; returns those that last.
pub(super) fn remove_expired(map: &ExceptionMap, rows: Vec<Row>) -> Result<Vec<Row>, KernelError> {
    let now_ns = clock::monotonic_ns();
    let (left, over): (Vec<Row>, Vec<Row>) =
        rows.into_iter().partition(|(_, expiry)| *expiry > now_ns);
    for (key, _) in over {
        map.remove(&key)?;
    }
    Ok(left)
}

/// Keeps, beside the allows of single services, one with the latest expiry of them.
pub(super) fn settle_any(
    map: &ExceptionMap,
    targets: impl Iterator<Item = Target>,
) -> Result<(), KernelError> {
    let targets: HashSet<Target> = targets.collect();
    let mut latest: HashMap<Target, u64> = HashMap::new();
    for (key, expiry) in map.rows()? {
        if let (Some(target), Some(Scope::Service(_))) = (Target::of_key(&key), key.scope()) {
            let known = latest.entry(target).or_insert(0);
            *known = expiry.max(*known);
        }
    }
    for target in targets {
        let any = target.key(Scope::Any);
        match latest.get(&target) {
            Some(expiry) => map.set(&[(any, *expiry)])?,
            None => map.remove(&any).map(drop)?,
        }
    }
    Ok(())
}

/// Which look-ups these rows make worth making.
pub(super) fn flags_of(kind: Kind, rows: &[Row]) -> u64 {
    let flag = |(key, _): &Row| {
        let flag = match (kind, key.prefix_length()) {
            (Kind::Allow, _) => ALLOWS,
            (Kind::Ban, 32) => BANS_V4,
            (Kind::Ban, 64) => BANS_V6_64,
            (Kind::Ban, _) => BANS_V6,
        };
        // A scope that means nothing is looked up by nobody.
        key.scope().map_or(0, |scope| of_scope(flag, scope))
    };
    rows.iter().map(flag).fold(0, |all, one| all | one)
}
