//! The last `apply`, written down: what waits for its confirmation, until when, and what it goes
//! back to. With it the commands and the next daemon know what the kernel is about to do by
//! itself, or has done.

#![forbid(unsafe_code)]

use crate::in_force::InForce;
use crate::last_good::{self, Kept};
use crate::state_directory::{self, StateError};
use filter_common::state::Active;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

const FILE: &str = "applied.json";
/// Names this boot; after another one nothing of the kernel's is left.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// An `apply`, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Where its maps are pinned.
    pub pin_path: PathBuf,
    /// The boot that it happened in.
    pub boot_id: String,
    /// Number of its generation, or of the newest one of the same configuration.
    pub generation: u32,
    /// The file that was applied.
    pub candidate: PathBuf,
    /// What the file's text hashes to.
    pub sha256: String,
    /// The configured file, which it becomes.
    pub config: PathBuf,
    /// Unix time, seconds.
    pub applied_at: u64,
    /// How far it came.
    pub stage: Stage,
    /// What was in force before, and comes back.
    pub previous: InForce,
    /// The record that this one takes the place of: it counts where this one, written down first,
    /// never came into force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaced: Option<Box<Applied>>,
}

/// How far an `apply` came. Times are Unix time in seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "stage")]
pub enum Stage {
    /// It waits for `confirm`.
    Pending {
        /// Until then.
        deadline: u64,
    },
    /// It is the configured file.
    Confirmed {
        /// Since then.
        at: u64,
    },
    /// Nobody confirmed it in time.
    Reverted {
        /// Since then the policy before is back.
        at: u64,
    },
    /// Somebody took it back.
    RolledBack {
        /// Since then the policy before is back.
        at: u64,
    },
    /// The policy that it could go back to is given up: the configuration was changed since.
    Superseded {
        /// Since then.
        at: u64,
    },
}

/// Files that are of what was applied, with the one before kept beside them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Undo {
    /// The configured one.
    pub config: bool,
    /// The last good copy.
    pub last_good: bool,
}

impl Applied {
    /// The last one of a pin path in this boot; of an earlier boot only what was confirmed or
    /// came to nothing there.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(state_directory: &Path, pin_path: &Path) -> Result<Option<Self>, StateError> {
        let found: Option<Self> = state_directory::read_json(&state_directory.join(FILE))?;
        Ok(found.filter(|found| found.pin_path == pin_path))
    }

    /// The same for a daemon: what is damaged is set aside, and is as nothing.
    pub fn recover(state_directory: &Path, pin_path: &Path) -> Option<Self> {
        let found: Option<Self> = state_directory::recover_json(&state_directory.join(FILE));
        found.filter(|found| found.pin_path == pin_path)
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The state directory cannot be written to.
    pub fn save(&self, state_directory: &Path) -> Result<(), StateError> {
        state_directory::write_json(&state_directory.join(FILE), self)
    }

    /// Writes down what there is, or that there is none.
    ///
    /// # Errors
    /// As [`Self::save`].
    pub fn replace(applied: Option<&Self>, state_directory: &Path) -> Result<(), StateError> {
        match applied {
            Some(applied) => applied.save(state_directory),
            None => state_directory::remove(&state_directory.join(FILE)),
        }
    }

    /// Whether it is of this boot: the kernel may still hold its generation.
    pub fn is_of_this_boot(&self) -> bool {
        self.boot_id == boot_id()
    }

    /// The record of what is in force: this one, or the one that it was to take the place of.
    #[must_use]
    pub fn as_in_force(mut self, active: Active) -> Self {
        match self.replaced.take() {
            Some(replaced)
                if self.is_of_this_boot()
                    && active.is_set()
                    && active.generation() == replaced.generation =>
            {
                *replaced
            }
            _ => self,
        }
    }

    /// Whether it waits for its confirmation, as the kernel has it: `active` is its generation.
    pub fn is_pending(&self, active: Active) -> bool {
        matches!(self.stage, Stage::Pending { .. })
            && self.is_of_this_boot()
            && active.is_pending()
            && active.generation() == self.generation
    }

    /// What a rollback of it goes back to, and what its text hashes to; only once it is
    /// confirmed.
    pub const fn rollback_target(&self) -> Option<(&InForce, &String)> {
        match self.stage {
            Stage::Confirmed { .. } => Some((&self.previous, &self.sha256)),
            _ => None,
        }
    }

    /// What of the files a rollback has to undo, judged by what they hold: whoever applied it may have
    /// ended behind any step.
    pub fn to_undo(&self, state_directory: &Path) -> Undo {
        if !matches!(self.stage, Stage::Confirmed { .. }) {
            return Undo::default();
        }
        // The last good copy is moved away first, then the candidate takes its place.
        let is_here = |kept: Kept| kept.path(state_directory).exists();
        let has_copy_before = is_here(Kept::Candidate(self.generation)) && is_here(Kept::LastGood);
        let is_configured = std::fs::read(&self.config)
            .is_ok_and(|text| last_good::sha256([&text[..]].into_iter()) == self.sha256);
        let was_configured_before = has_copy_before
            && last_good::config_hash(Kept::LastGood, state_directory).as_ref()
                == Some(&self.sha256);
        Undo {
            config: is_configured && !was_configured_before,
            last_good: !has_copy_before,
        }
    }

    /// When it reverts, or did, if nobody confirmed it.
    pub const fn deadline(&self) -> Option<u64> {
        match self.stage {
            Stage::Pending { deadline } => Some(deadline),
            _ => None,
        }
    }
}

/// Names this boot.
pub fn boot_id() -> String {
    let id = std::fs::read_to_string(BOOT_ID).unwrap_or_default();
    id.trim().to_owned()
}
