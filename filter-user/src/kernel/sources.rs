//! Cells of sources, through mappings of their maps. The kernel counts all of a mapping as the
//! daemon's own memory, so it lasts as long as it is looked at.

use super::KernelError;
use super::clock::monotonic_ns;
use super::state::Words;
use aya::maps::MapData;
use filter_common::gcra::Kind;
use filter_common::sources::{WAYS, is_live, is_stale};
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::atomic::Ordering;

/// Both tables of sources.
pub struct Sources {
    connections: Table,
    packets: Table,
}

struct Table {
    name: &'static str,
    map: OwnedFd,
    cells: usize,
}

impl Table {
    fn new(name: &'static str, map: &MapData) -> Result<Self, KernelError> {
        let info = map
            .info()
            .map_err(|source| KernelError::map(name, "asking its size", source))?;
        let map = map.fd().as_fd().try_clone_to_owned();
        Ok(Self {
            name,
            map: map.map_err(|source| KernelError::map(name, "keeping a handle of it", source))?,
            cells: info.max_entries() as usize * WAYS,
        })
    }

    fn look(&self) -> Result<Words, KernelError> {
        Words::of(self.name, self.map.as_fd(), self.cells)
    }
}

impl Sources {
    /// Keeps handles of them.
    ///
    /// # Errors
    /// A map whose size is not told.
    pub fn new(connections: &MapData, packets: &MapData) -> Result<Self, KernelError> {
        Ok(Self {
            connections: Table::new("CONNECTIONS", connections)?,
            packets: Table::new("PACKETS", packets)?,
        })
    }

    const fn table(&self, kind: Kind) -> &Table {
        match kind {
            Kind::Connection => &self.connections,
            Kind::Packet => &self.packets,
        }
    }

    /// Cells of a table: how many sources it can hold.
    pub const fn capacity(&self, kind: Kind) -> usize {
        self.table(kind).cells
    }

    /// A table as it stands.
    ///
    /// # Errors
    /// It cannot be mapped.
    pub fn cells(&self, kind: Kind) -> Result<Vec<u64>, KernelError> {
        let words = self.table(kind).look()?;
        let cells = words.as_slice().iter();
        Ok(cells.map(|cell| cell.load(Ordering::Relaxed)).collect())
    }

    /// Sources whose time has not come.
    ///
    /// # Errors
    /// The table cannot be mapped.
    pub fn tracked(&self, kind: Kind) -> Result<usize, KernelError> {
        let words = self.table(kind).look()?;
        let now = kind.time(monotonic_ns());
        let cells = words.as_slice().iter();
        Ok(cells
            .filter(|cell| is_live(cell.load(Ordering::Relaxed), now))
            .count())
    }

    /// Clears the cells whose time has come, so that the wrap of the time field meets none; it
    /// comes round after 13 days of connections, 4.9 hours of packets. Returns how many.
    ///
    /// # Errors
    /// The table cannot be mapped.
    pub fn sweep(&self, kind: Kind) -> Result<usize, KernelError> {
        let words = self.table(kind).look()?;
        let now = kind.time(monotonic_ns());
        let mut cleared = 0;
        for cell in words.as_slice() {
            let old = cell.load(Ordering::Relaxed);
            // If the program takes the cell meanwhile, it keeps it.
            cleared += usize::from(
                is_stale(old, now)
                    && cell
                        .compare_exchange(old, 0, Ordering::Relaxed, Ordering::Relaxed)
                        .is_ok(),
            );
        }
        Ok(cleared)
    }
}
