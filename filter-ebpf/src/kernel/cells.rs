//! Cells of sources in a map's value.

use core::cell::UnsafeCell;
use core::intrinsics::{AtomicOrdering, atomic_cxchg};
use filter_common::sources::Cell;

/// One cell.
#[repr(transparent)]
pub struct KernelCell(UnsafeCell<u64>);

impl Cell for KernelCell {
    #[inline(always)]
    fn load(&self) -> u64 {
        // SAFETY: inside a map's value, aligned to 8; one aligned load of 8 bytes does not tear.
        // (An atomic load does not compile for this target.)
        unsafe { self.0.get().read_volatile() }
    }

    #[inline(always)]
    fn swap(&self, old: u64, new: u64) -> bool {
        const RELAXED: AtomicOrdering = AtomicOrdering::Relaxed;
        // SAFETY: as above. The target lacks AtomicU64::compare_exchange, not the instruction.
        unsafe { atomic_cxchg::<u64, RELAXED, RELAXED>(self.0.get(), old, new).1 }
    }
}
