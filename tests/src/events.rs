//! The ring of events of a loaded test object, read without the daemon.

use crate::kernel::Tested;
use anyhow::{Result, ensure};
use aya::maps::{Map, MapData, RingBuf};
use filter_common::event::{Event, Limits};
use filter_user::kernel::events::{Budgets, Sent, set_limits};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use zerocopy::FromBytes as _;

/// The reader of a ring.
pub struct Tap {
    ring: RingBuf<MapData>,
    budgets: Budgets,
}

impl Tap {
    /// Opens the ring, and lets so many events pass. Budgets are per CPU: the calling thread stays
    /// on one from here on.
    ///
    /// # Errors
    /// A map is missing.
    pub fn open(tested: &Tested, events_per_second: u32) -> Result<Self> {
        stay_on_one_cpu()?;
        let folder = tested.folder();
        set_limits(folder, Limits::new(events_per_second))?;
        let ring = MapData::from_pin(folder.map("EVENTS"))?;
        Ok(Self {
            ring: RingBuf::try_from(Map::RingBuf(ring))?,
            budgets: Budgets::open(folder)?,
        })
    }

    /// All events that are there.
    ///
    /// # Errors
    /// A record is none.
    pub fn read(&mut self) -> Result<Vec<Event>> {
        let mut events = Vec::new();
        while let Some(record) = self.ring.next() {
            let event = Event::read_from_bytes(&record);
            ensure!(event.is_ok(), "{} bytes are no event", record.len());
            events.extend(event);
        }
        Ok(events)
    }

    /// What was counted.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn counted(&self) -> Result<Sent> {
        Ok(self.budgets.read()?)
    }
}

fn stay_on_one_cpu() -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    let first = (0..CpuSet::MAX_CPU).find(|cpu| allowed.is_set(*cpu));
    one.set(first.unwrap_or(0));
    Ok(sched_setaffinity(None, &one)?)
}
