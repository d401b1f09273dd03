//! The words shared with the packet program, through a mapping of their map: a store is one
//! aligned 8-byte write. (An update by system call is a copy, which promises no such thing.)

use super::KernelError;
use super::pins;
use aya::maps::MapData;
use filter_common::sources::Seed;
use filter_common::state::{Active, INTERFACE_ENTRIES, State};
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::mem::offset_of;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

/// 8-byte words of a mappable map, as atomics.
pub(super) struct Words {
    start: NonNull<AtomicU64>,
    length: usize,
}

// SAFETY: the mapping is shared memory that is only ever touched through atomics, and lives until
// the one owner drops it.
unsafe impl Send for Words {}
// SAFETY: as above.
unsafe impl Sync for Words {}

impl Words {
    /// Maps all of an array map made with `BPF_F_MMAPABLE`.
    pub(super) fn new(name: &'static str, map: &MapData) -> Result<Self, KernelError> {
        let info = map
            .info()
            .map_err(|source| KernelError::map(name, "asking its size", source))?;
        let length = info.value_size() as usize / 8 * info.max_entries() as usize;
        Self::of(name, map.fd().as_fd(), length)
    }

    /// The same where the number of words is known.
    pub(super) fn of(
        name: &'static str,
        map: BorrowedFd<'_>,
        length: usize,
    ) -> Result<Self, KernelError> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let bytes = (length * 8).next_multiple_of(4096);
        // SAFETY: no address is asked for, so nothing that exists is touched.
        let start = unsafe {
            mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                MapFlags::SHARED,
                map,
                0,
            )
        }
        .map_err(|source| KernelError::map(name, "mapping it", std::io::Error::from(source)))?;
        let start = NonNull::new(start.cast()).ok_or_else(|| {
            KernelError::map(
                name,
                "mapping it",
                std::io::Error::other("mapped at address 0"),
            )
        })?;
        Ok(Self { start, length })
    }

    pub(super) fn as_slice(&self) -> &[AtomicU64] {
        // SAFETY: `length` words are mapped until `self` is dropped, page-aligned.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        let bytes = (self.length * 8).next_multiple_of(4096);
        // SAFETY: what `new` mapped; nobody borrows from it any more. A failure leaves it mapped.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), bytes) };
    }
}

/// The map `STATE`.
pub struct StateMap {
    words: Words,
}

impl StateMap {
    /// Maps it.
    ///
    /// # Errors
    /// The map is not mappable, or too small.
    pub fn new(map: &MapData) -> Result<Self, KernelError> {
        let words = Words::new("STATE", map)?;
        if words.length * 8 < size_of::<State>() {
            let short = std::io::Error::other("it is too small");
            return Err(KernelError::map("STATE", "mapping it", short));
        }
        Ok(Self { words })
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        &self.words.as_slice()[offset / 8]
    }

    fn load(&self, offset: usize) -> u64 {
        self.word(offset).load(Ordering::Acquire)
    }

    fn store(&self, offset: usize, value: u64) {
        self.word(offset).store(value, Ordering::Release);
    }

    /// Which generation judges.
    pub fn active(&self) -> Active {
        Active::from_word(self.load(offset_of!(State, active)))
    }

    /// Puts `new` in force if `old` still is, in one store.
    pub fn swap_active(&self, old: Active, new: Active) -> bool {
        self.word(offset_of!(State, active))
            .compare_exchange(
                old.to_word(),
                new.to_word(),
                Ordering::AcqRel,
                Ordering::Acquire,
            )
            .is_ok()
    }

    /// Seconds since boot until which everything passes; 0 for no bypass.
    pub fn bypass_until_seconds(&self) -> u64 {
        self.load(offset_of!(State, bypass_until_seconds))
    }

    /// Lets everything pass until then, in seconds since boot; 0 ends it.
    pub fn set_bypass_until(&self, seconds: u64) {
        self.store(offset_of!(State, bypass_until_seconds), seconds);
    }

    /// Which bans and timed allows there are to look up.
    pub fn exceptions(&self) -> u64 {
        self.load(offset_of!(State, exceptions))
    }

    /// Tells which bans and timed allows there are to look up.
    pub fn set_exceptions(&self, exceptions: u64) {
        self.store(offset_of!(State, exceptions), exceptions);
    }

    /// Tells which ports the host gives to its own connections.
    pub fn set_ephemeral_ports(&self, first: u16, last: u16) {
        self.store(
            offset_of!(State, ephemeral_ports),
            State::port_range(first, last),
        );
    }

    /// The key of the hash of sources.
    pub fn seed(&self) -> Seed {
        let at = offset_of!(State, seed);
        Seed {
            words: std::array::from_fn(|n| self.load(at + 8 * n)),
        }
    }

    /// Draws nothing: stores a key that was drawn.
    pub fn set_seed(&self, seed: Seed) {
        for (n, word) in seed.words.into_iter().enumerate() {
            self.store(offset_of!(State, seed) + 8 * n, word);
        }
    }

    /// Sets in the connection and packet tables, less one.
    pub fn set_masks(&self) -> (u64, u64) {
        let connections = self.load(offset_of!(State, connection_set_mask));
        (connections, self.load(offset_of!(State, packet_set_mask)))
    }

    /// Changes how many sets are used.
    pub fn store_set_masks(&self, connections: u64, packets: u64) {
        self.store(offset_of!(State, connection_set_mask), connections);
        self.store(offset_of!(State, packet_set_mask), packets);
    }

    /// Interface indexes and their slots.
    pub fn interfaces(&self) -> Vec<(u32, u32)> {
        (0..INTERFACE_ENTRIES)
            .map(|n| self.load(offset_of!(State, interfaces) + 8 * n))
            .take_while(|entry| *entry != 0)
            .map(|entry| ((entry >> 32) as u32, entry as u32))
            .collect()
    }

    /// Names the slots of interface indexes; those beyond [`INTERFACE_ENTRIES`] are left out.
    ///
    /// Each entry is one store. A longer table is written from its end, a shorter one from its
    /// start, so that with one interface more or less nobody else's entry is missing meanwhile.
    pub fn set_interfaces(&self, wanted: &[(u32, u32)]) {
        let wanted = &wanted[..wanted.len().min(INTERFACE_ENTRIES)];
        let write = |n: usize| {
            let entry = match wanted.get(n) {
                Some((index, slot)) => State::interface_entry(*index, *slot),
                None => 0,
            };
            self.store(offset_of!(State, interfaces) + 8 * n, entry);
        };
        if wanted.len() > self.interfaces().len() {
            (0..INTERFACE_ENTRIES).rev().for_each(write);
        } else {
            (0..INTERFACE_ENTRIES).for_each(write);
        }
    }
}

/// The map `STATE` among an object's.
pub(super) fn of(map: aya::maps::Map) -> Result<StateMap, KernelError> {
    let data = pins::data(map).ok_or_else(|| {
        KernelError::map(
            "STATE",
            "opening it",
            std::io::Error::other("it is no array"),
        )
    })?;
    StateMap::new(&data)
}
