//! Bans and allows in the daemon's care: the maps follow the journal and the numbers of services.
//!
//! Commands change both without the daemon; it must never hold their lock for long.

use super::Daemon;
use super::shared::unix_now;
use crate::exceptions;
use crate::ids::Book;
use crate::kernel::clock;
use std::time::Duration;

/// A command changes 100,000 rows in less; then a policy waits no longer.
const PATIENCE: Duration = Duration::from_secs(2);
/// A wall clock that moved by more was set: ends are as it says.
const CLOCK_JUMP_SECONDS: u64 = 60;

/// What the daemon remembers of them.
#[derive(Debug, Default)]
pub(super) struct Exceptions {
    /// The maps may differ from the journal.
    is_due: bool,
    /// Unix time at boot, as it was when they were put in step.
    booted_at: u64,
}

impl Daemon {
    /// To be called before the numbers of a book come in force, and before it is saved.
    pub(super) fn clear_reused_numbers(&mut self, after: &Book) -> anyhow::Result<()> {
        // Should the policy not come in force after all, its rows come back.
        self.exceptions.is_due = true;
        let folder = &self.settings.state_directory;
        let before = Book::load(folder, &self.settings.pin_path).ok().flatten();
        exceptions::clear_numbers(&self.shared.pins, before.as_ref(), after)?;
        Ok(())
    }

    /// Puts the maps in step. A failure is loud and tried again; it is no reason to be without
    /// the policy that was just put in force.
    pub(super) fn sync_exceptions(&mut self) {
        self.exceptions.booted_at = booted_at();
        let book = self.shared.view().book.clone();
        let folder = &self.settings.state_directory;
        let synced = exceptions::sync(folder, &self.shared.pins, &book, PATIENCE);
        self.exceptions.is_due = synced.is_err();
        if let Err(error) = synced {
            tracing::error!(
                "bans and allows may not be as they were said to be; trying again in a moment: \
                 {error:#}"
            );
        }
    }

    /// Tries again what failed, follows a wall clock that was set, removes what is over.
    pub(super) fn keep_exceptions(&mut self) {
        let is_clock_set = booted_at().abs_diff(self.exceptions.booted_at) > CLOCK_JUMP_SECONDS;
        if self.exceptions.is_due || is_clock_set {
            self.sync_exceptions();
        }
        let folder = &self.settings.state_directory;
        if let Err(error) = exceptions::sweep(folder, &self.shared.pins) {
            tracing::error!("bans and allows that are over cannot be removed: {error:#}");
        }
    }
}

fn booted_at() -> u64 {
    unix_now().saturating_sub(clock::monotonic_ns() / 1_000_000_000)
}
