//! Cells of sources, through mappings of their maps.

use super::KernelError;
use super::clock::monotonic_ns;
use super::state::Words;
use aya::maps::MapData;
use filter_common::gcra::Kind;
use filter_common::sources::{is_live, is_stale};
use std::sync::atomic::Ordering;

/// Both tables of sources.
pub struct Sources {
    connections: Words,
    packets: Words,
}

impl Sources {
    /// Maps them.
    ///
    /// # Errors
    /// A map that is not mappable.
    pub fn new(connections: &MapData, packets: &MapData) -> Result<Self, KernelError> {
        Ok(Self {
            connections: Words::new("CONNECTIONS", connections)?,
            packets: Words::new("PACKETS", packets)?,
        })
    }

    fn table(&self, kind: Kind) -> &Words {
        match kind {
            Kind::Connection => &self.connections,
            Kind::Packet => &self.packets,
        }
    }

    /// Cells of a table: how many sources it can hold.
    pub fn capacity(&self, kind: Kind) -> usize {
        self.table(kind).as_slice().len()
    }

    /// A table as it stands.
    pub fn cells(&self, kind: Kind) -> Vec<u64> {
        let cells = self.table(kind).as_slice().iter();
        cells.map(|cell| cell.load(Ordering::Relaxed)).collect()
    }

    /// Sources whose time has not come.
    pub fn tracked(&self, kind: Kind) -> usize {
        let now = kind.time(monotonic_ns());
        let cells = self.table(kind).as_slice().iter();
        cells
            .filter(|cell| is_live(cell.load(Ordering::Relaxed), now))
            .count()
    }

    /// Clears the cells whose time has come, so that the wrap of the time field meets none; it
    /// comes round after 13 days of connections, 4.9 hours of packets. Returns how many.
    pub fn sweep(&self, kind: Kind) -> usize {
        let now = kind.time(monotonic_ns());
        let mut cleared = 0;
        for cell in self.table(kind).as_slice() {
            let old = cell.load(Ordering::Relaxed);
            // If the program takes the cell meanwhile, it keeps it.
            cleared += usize::from(
                is_stale(old, now)
                    && cell
                        .compare_exchange(old, 0, Ordering::Relaxed, Ordering::Relaxed)
                        .is_ok(),
            );
        }
        cleared
    }
}
