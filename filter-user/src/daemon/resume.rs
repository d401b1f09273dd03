//! What an earlier daemon left of an apply: it may still wait for its confirmation, or have come to
//! an end that nobody wrote down.

use super::Daemon;
use super::prepare::text_hash;
use super::shared::unix_now;
use crate::applied::{Applied, Stage};
use crate::config::policy::Policy;
use crate::config::{HostFacts, Loaded};
use crate::configured::Beside;
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::clock;
use crate::kernel::netlink::Link;
use crate::last_good::{self, Kept};
use crate::locations::Locations;
use crate::report::time;
use crate::watch::Fingerprint;
use anyhow::{Context as _, bail};
use filter_common::state::Active;
use std::fs;
use std::path::Path;
use std::sync::Arc;

/// What is left of an apply.
pub(super) enum Resumed {
    /// It is in force and waits.
    Pending {
        /// The record.
        applied: Applied,
        /// The candidate.
        candidate: Box<Loaded>,
    },
    /// It waits no more, if there ever was one.
    Settled(Option<Applied>),
}

/// Compares the record with what the kernel has.
pub(super) fn applied(
    locations: &Locations,
    book: &Book,
    active: Active,
    config: &Path,
) -> Resumed {
    let folder = &locations.state_directory;
    let Some(applied) = Applied::recover(folder, &locations.pin_path) else {
        return Resumed::Settled(None);
    };
    let number = applied.generation;
    let applied = applied.as_in_force(active);
    if applied.generation != number
        && let Err(error) = applied.save(folder)
    {
        tracing::error!(%error, "the state directory cannot be written to");
    }
    last_good::forget_candidates(folder, Some(applied.generation));
    let Stage::Pending { deadline } = applied.stage else {
        if is_half_configured(&applied, active, folder) {
            report(finish(&applied, folder, config));
        }
        return Resumed::Settled(Some(applied));
    };
    if applied.is_pending(active) && !active.is_reverted(clock::boot_seconds()) {
        match candidate(&applied, folder, book) {
            Ok(candidate) => return Resumed::Pending { applied, candidate },
            Err(error) => tracing::error!("the candidate cannot be waited for: {error:#}"),
        }
    }
    Resumed::Settled(Some(settled(applied, active, deadline, folder, config)))
}

/// What waits, if it is what was applied, and the numbers that it is judged by are known.
fn candidate(applied: &Applied, folder: &Path, book: &Book) -> anyhow::Result<Box<Loaded>> {
    let kept = Kept::Candidate(applied.generation);
    let candidate = last_good::load(kept, folder, &HostFacts::read())?;
    let candidate = candidate.context("it is gone from the state directory")?;
    if text_hash(&candidate) != applied.sha256 {
        bail!("the state directory holds another candidate");
    }
    numbers(book, &candidate.policy).context("the numbers of its interfaces are lost")?;
    Ok(Box::new(candidate))
}

/// Of a policy's interfaces, in their order; none if one is not known.
pub(super) fn numbers(book: &Book, policy: &Policy) -> Option<Vec<u8>> {
    let interfaces = policy.interfaces.iter();
    let numbers = interfaces.map(|interface| book.interfaces.number(&interface.name));
    numbers.collect()
}

/// It waits no more: to what end it came.
fn settled(
    mut applied: Applied,
    active: Active,
    deadline: u64,
    folder: &Path,
    config: &Path,
) -> Applied {
    let is_of_this_boot = applied.is_of_this_boot();
    let is_newest = active.generation() == applied.generation;
    // Going back, or placing another policy, gives out the number of one that never was in force.
    let is_kept = active.has_previous() && !active.is_pending();
    applied.stage = if is_of_this_boot && is_newest && is_kept {
        // The daemon ended between the kernel's word and the files.
        report(finish(&applied, folder, config));
        Stage::Confirmed { at: unix_now() }
    } else if applied.is_pending(active) || !is_of_this_boot {
        Stage::Reverted {
            at: deadline.min(unix_now()),
        }
    } else {
        Stage::RolledBack { at: unix_now() }
    };
    if let Err(error) = applied.save(folder) {
        tracing::error!(%error, "the state directory cannot be written to");
    }
    applied
}

/// Whether it was applied for good, and the daemon ended before it was the configured file.
fn is_half_configured(applied: &Applied, active: Active, folder: &Path) -> bool {
    matches!(applied.stage, Stage::Confirmed { .. })
        && applied.is_of_this_boot()
        && active.generation() == applied.generation
        && active.has_previous()
        && Kept::Candidate(applied.generation).path(folder).exists()
}

fn report(finished: anyhow::Result<()>) {
    if let Err(error) = finished {
        tracing::error!("the confirmed candidate is not the configured file: {error:#}");
    }
}

/// The confirmed candidate becomes the configured file, as far as it is not: the daemon may have
/// ended behind any step of this.
fn finish(applied: &Applied, folder: &Path, config: &Path) -> anyhow::Result<()> {
    let host = HostFacts::read();
    let kept = Kept::Candidate(applied.generation);
    let Some(candidate) = last_good::load(kept, folder, &host)? else {
        let kept = last_good::load(Kept::LastGood, folder, &host)?;
        let is_done = kept.is_some_and(|kept| text_hash(&kept) == applied.sha256);
        return is_done.then_some(()).context("it is gone");
    };
    let text = &candidate.sources.first().context("it is empty")?.text;
    if fs::read_to_string(config).ok().as_ref() != Some(text) {
        Beside::write(config, text)?.replace()?;
    }
    if Kept::LastGood.path(folder).exists() {
        last_good::rename(Kept::LastGood, Kept::Previous, folder)?;
    }
    last_good::rename(kept, Kept::LastGood, folder)?;
    Ok(())
}

impl Resumed {
    /// In the log: a revert is never silent.
    pub(super) fn report(&self) {
        match self {
            Self::Pending { applied, .. } => {
                let deadline = applied.deadline().map_or_else(String::new, time);
                tracing::warn!(
                    candidate = %applied.candidate.display(),
                    deadline,
                    "a candidate is in force and waits for its confirmation"
                );
            }
            Self::Settled(Some(applied)) => match applied.stage {
                Stage::Reverted { at } => {
                    tracing::warn!(at = time(at), "an apply was not confirmed and is REVERTED");
                }
                Stage::RolledBack { at } => {
                    tracing::warn!(at = time(at), "the last apply was rolled back");
                }
                _ => {}
            },
            Self::Settled(None) => {}
        }
    }
}

impl Daemon {
    /// Goes on with a candidate that is in force: nothing is placed, nothing is detached.
    pub(super) fn resume(&mut self, resumed: Resumed, links: &[Link]) {
        let Resumed::Pending { applied, candidate } = resumed else {
            return;
        };
        let folder = self.settings.state_directory.clone();
        let in_force = InForce::recover(&folder, &self.settings.pin_path);
        self.shared.view().in_force = in_force.unwrap_or_default();
        let previous = last_good::load(Kept::LastGood, &folder, &HostFacts::read());
        let previous = previous.unwrap_or_else(|error| {
            tracing::error!("the policy that the candidate reverts to: {error}");
            None
        });
        let own = &candidate.policy.interfaces;
        {
            let view = self.shared.view();
            let number = |name: &str| view.book.interfaces.number(name);
            // Known of each: it would not have been waited for otherwise.
            self.slots = numbers(&view.book, &candidate.policy).unwrap_or_default();
            let kept = previous.iter().flat_map(|loaded| &loaded.policy.interfaces);
            let kept = kept.filter(|i| own.iter().all(|own| own.name != i.name));
            let kept = kept.filter_map(|i| Some((i.clone(), number(&i.name)?)));
            self.kept = kept.collect();
        }
        let files = candidate.files();
        self.candidate = Some((files.clone(), Fingerprint::take(&files[1..])));
        if let Some(previous) = &previous {
            self.files = previous.files();
            self.loaded = Fingerprint::take(&self.files);
        }
        self.policy = Arc::new(candidate.policy.clone());
        self.applied = Some(applied);
        self.interfaces.learn(self.kernel.folder.pinned_devices());
        // Files may have changed while nobody looked, or a reload been put off.
        self.is_deferred = true;
        self.sync(links);
        self.write_down();
    }
}
