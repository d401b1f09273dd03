//! What a daemon of another ABI has left pinned. Its program goes on judging until the new one
//! stands behind the same links; of its maps only what every ABI has in common is read.
//!
//! In common: the first words of `STATE` are [`Active`] and the end of a bypass; `COUNTS` holds packets
//! and bytes by place.

use super::KernelError;
use super::counters::{Counted, Counters};
use super::pins::Folder;
use super::state::Words;
use aya::maps::MapData;
use filter_common::state::{Active, State};
use filter_common::verdict::COUNTERS;
use filter_common::version::ABI_VERSION;
use std::fs;
use std::mem::offset_of;
use std::path::Path;
use std::sync::atomic::Ordering;

/// The pins of another ABI.
pub struct Other {
    /// Its number.
    pub abi: u32,
    folder: Folder,
}

impl Other {
    /// Pins of other ABIs below a pin path, the newest first.
    pub fn find(pin_path: &Path) -> Vec<Self> {
        let entries = fs::read_dir(pin_path).into_iter().flatten().flatten();
        let abi = |name: std::ffi::OsString| name.to_str()?.strip_prefix('v')?.parse().ok();
        let mut others: Vec<Self> = entries
            .filter_map(|entry| abi(entry.file_name()))
            .filter(|abi| *abi != ABI_VERSION)
            .map(|abi| Self {
                abi,
                folder: Folder::of_abi(pin_path, abi),
            })
            .collect();
        others.sort_by_key(|other| std::cmp::Reverse(other.abi));
        others
    }

    /// Its word, as it stands.
    ///
    /// # Errors
    /// The map cannot be opened.
    pub fn active(&self) -> Result<Active, KernelError> {
        Ok(Active::from_word(self.state(offset_of!(State, active))?))
    }

    /// Seconds since boot until which it lets everything pass; 0 for no bypass.
    ///
    /// # Errors
    /// The map cannot be opened.
    pub fn bypass_until_seconds(&self) -> Result<u64, KernelError> {
        self.state(offset_of!(State, bypass_until_seconds))
    }

    fn state(&self, offset: usize) -> Result<u64, KernelError> {
        let words = Words::new("STATE", &self.pinned("STATE")?)?;
        let word = words.as_slice().get(offset / size_of::<u64>());
        Ok(word.map_or(0, |word| word.load(Ordering::Acquire)))
    }

    /// Whether it filters nothing and has no state: what a daemon left that died at its very start,
    /// or while it took another's pins away.
    pub fn is_remains(&self) -> bool {
        !self.folder.map("STATE").exists() && self.folder.pinned_interfaces().is_empty()
    }

    /// What it has counted; nothing, said in the log, if its counters are gone or have another shape.
    ///
    /// # Errors
    /// The maps cannot be read.
    pub fn counted(&self) -> Result<Vec<Counted>, KernelError> {
        if ["COUNTS", "NOTES"].map(|name| self.folder.map(name).exists()) != [true; 2] {
            return Ok(self.counted_nothing());
        }
        let counts = self.pinned("COUNTS")?;
        let info = counts
            .info()
            .map_err(|source| KernelError::map("COUNTS", "asking its size", source))?;
        if (info.value_size(), info.max_entries()) != (16, COUNTERS as u32) {
            return Ok(self.counted_nothing());
        }
        Counters::new(counts, self.pinned("NOTES")?)?.read()
    }

    fn counted_nothing(&self) -> Vec<Counted> {
        tracing::error!(
            abi = self.abi,
            "its counters cannot be read: they start at zero"
        );
        Vec::new()
    }

    /// Moves its links, so that the new program is put behind them. Nothing is detached.
    ///
    /// # Errors
    /// The pin that cannot be moved.
    pub fn move_links(&self, to: &Folder) -> Result<(), KernelError> {
        for interface in self.folder.pinned_interfaces() {
            let (from, to) = (self.folder.link(&interface), to.link(&interface));
            fs::rename(&from, &to).map_err(|source| KernelError::Pin {
                path: from,
                doing: "moving the pin",
                source,
            })?;
        }
        Ok(())
    }

    /// Removes what is left of it; links that are still there are detached.
    ///
    /// # Errors
    /// The pin that cannot be removed.
    pub fn unload(&self) -> Result<Vec<String>, KernelError> {
        self.folder.unload_this()
    }

    fn pinned(&self, name: &'static str) -> Result<MapData, KernelError> {
        MapData::from_pin(self.folder.map(name))
            .map_err(|source| KernelError::map(name, "opening the pin", source))
    }
}
