//! Events of the packet program: the ring that the one daemon reads, and what the budgets say.

use super::KernelError;
use super::pins::Folder;
use aya::maps::{Array, Map, MapData, PerCpuArray, RingBuf};
use filter_common::event::{Budget, Limits, REASON_PLACES};
use filter_common::verdict::Reason;
use std::collections::BTreeMap;
use std::io;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

const RING: &str = "EVENTS";
const LIMITS: &str = "EVENT_LIMITS";
const BUDGETS: &str = "EVENT_BUDGETS";
/// 8-byte words of a budget.
const WORDS: usize = size_of::<Budget>() / 8;

/// The ring. It has one reader: open it only while the daemon's lock is held.
pub struct Ring {
    ring: AsyncFd<RingBuf<MapData>>,
}

impl Ring {
    /// Opens the pinned ring; what an earlier daemon left unread comes first. Needs a tokio
    /// runtime.
    ///
    /// # Errors
    /// A pin that cannot be opened, or is something else.
    pub fn open(folder: &Folder) -> Result<Self, KernelError> {
        let ring = RingBuf::try_from(Map::RingBuf(pinned(folder, RING)?))
            .map_err(|source| KernelError::map(RING, "opening it", source))?;
        #[expect(
            deprecated,
            reason = "the other constructor is unsafe; the ring owns the descriptor that it names"
        )]
        let ring = AsyncFd::with_interest(ring, Interest::READABLE);
        let ring = ring.map_err(|source| KernelError::map(RING, "waiting for it", source))?;
        Ok(Self { ring })
    }

    /// Waits for records, and hands at most `limit` of them over. Cut off while it waits, it
    /// loses none.
    ///
    /// # Errors
    /// The ring can no longer be waited for.
    pub async fn read(&mut self, limit: usize, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut ready = self.ring.readable_mut().await?;
        for _ in 0..limit {
            let is_empty = match ready.get_inner_mut().next() {
                Some(record) => {
                    each(&record);
                    false
                }
                None => true,
            };
            if is_empty {
                ready.clear_ready();
                break;
            }
        }
        Ok(())
    }
}

/// Sets how many events a CPU may send in a second.
///
/// # Errors
/// The kernel's refusal.
pub fn set_limits(folder: &Folder, limits: Limits) -> Result<(), KernelError> {
    let map = Array::<_, u64>::try_from(Map::Array(pinned(folder, LIMITS)?));
    map.and_then(|mut map| map.set(0, limits.to_word(), 0))
        .map_err(|source| KernelError::map(LIMITS, "setting them", source))
}

/// The budgets of all CPUs.
pub struct Budgets {
    map: PerCpuArray<MapData, [u64; WORDS]>,
}

impl Budgets {
    /// Opens the pinned budgets.
    ///
    /// # Errors
    /// A pin that cannot be opened, or is something else.
    pub fn open(folder: &Folder) -> Result<Self, KernelError> {
        let map = PerCpuArray::try_from(Map::PerCpuArray(pinned(folder, BUDGETS)?))
            .map_err(|source| KernelError::map(BUDGETS, "opening them", source))?;
        Ok(Self { map })
    }

    /// What became of events since the maps were made.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn read(&self) -> Result<Sent, KernelError> {
        let cpus = self
            .map
            .get(&0, 0)
            .map_err(|source| KernelError::map(BUDGETS, "reading them", source))?;
        let mut all = Sent::default();
        for words in cpus.iter() {
            let budget: Budget = zerocopy::transmute!(*words);
            all.sent += budget.sent;
            for (sum, lost) in all.lost.iter_mut().zip(budget.lost) {
                *sum += lost;
            }
        }
        Ok(all)
    }
}

/// Events that were sent, and those that were not, by number of the reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sent {
    /// Went into the ring.
    pub sent: u64,
    /// Did not, for want of budget or of room.
    pub lost: [u64; REASON_PLACES],
}

impl Sent {
    /// Those that were not sent.
    pub fn all_lost(&self) -> u64 {
        self.lost.iter().sum()
    }

    /// What was lost since `earlier`, by the reason's label.
    pub fn lost_since(&self, earlier: &Self) -> BTreeMap<String, u64> {
        let grown = Reason::ALL.map(|reason| {
            let place = reason as usize;
            (reason, self.lost[place].saturating_sub(earlier.lost[place]))
        });
        let grown = grown.into_iter().filter(|(_, lost)| *lost > 0);
        grown
            .map(|(reason, lost)| (reason.label().to_owned(), lost))
            .collect()
    }
}

fn pinned(folder: &Folder, name: &'static str) -> Result<MapData, KernelError> {
    MapData::from_pin(folder.map(name))
        .map_err(|source| KernelError::map(name, "opening the pin", source))
}
