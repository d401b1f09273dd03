//! What one policy does with packets that another one does not.

use super::judge::{Judge, Verdict};
use super::sources::Sources;
use filter_common::verdict::{Count, Decision, Outcome, counter_place};
use std::collections::HashMap;
use std::net::IpAddr;

/// The policy in force, and where its verdicts are others.
pub(super) struct Changes {
    pub then: Judge,
    /// By the places of both verdicts.
    changed: HashMap<(u32, u32), Count>,
    /// Of packets that are dropped now, and were not then.
    pub newly_dropped: Sources,
    /// Of packets that are not dropped any more.
    pub newly_passed: Sources,
}

/// A row of changes.
pub(super) struct Change {
    pub then: Verdict,
    pub now: Verdict,
    pub count: Count,
}

impl Changes {
    pub fn new(then: Judge) -> Self {
        Self {
            then,
            changed: HashMap::new(),
            newly_dropped: Sources::default(),
            newly_passed: Sources::default(),
        }
    }

    /// Of one packet. `source` is asked only where it matters.
    pub fn add(
        &mut self,
        then: Decision,
        now: Decision,
        bytes: u64,
        now_ns: Option<u64>,
        source: impl FnOnce() -> Option<IpAddr>,
    ) {
        let count = self
            .changed
            .entry((then.counter(0), now.counter(0)))
            .or_default();
        count.packets += 1;
        count.bytes += bytes;
        let (was_dropped, is_dropped) = (then.outcome().is_reported(), now.outcome().is_reported());
        if was_dropped == is_dropped {
            return;
        }
        let (sources, outcome) = if is_dropped {
            (&mut self.newly_dropped, now.outcome())
        } else {
            (&mut self.newly_passed, then.outcome())
        };
        if let Some(source) = source() {
            sources.add(source, outcome.reason(), bytes, now_ns);
        }
    }

    /// What differs, newly dropped first, then by packets.
    pub fn rows(&self, now: &Judge) -> Vec<Change> {
        let verdict = |judge: &Judge, place| {
            let (_, service, outcome) = counter_place(place);
            outcome.map(|outcome: Outcome| judge.verdict(service, outcome))
        };
        let rows = self.changed.iter().filter_map(|(places, count)| {
            let change = Change {
                then: verdict(&self.then, places.0)?,
                now: verdict(now, places.1)?,
                count: *count,
            };
            // Services may have changed places: names count.
            (change.then != change.now).then_some(change)
        });
        let mut rows: Vec<_> = rows.collect();
        rows.sort_by(|a, b| {
            let key = |row: &Change| (std::cmp::Reverse(row.rank()), row.count.packets);
            let by_packets = key(b).1.cmp(&key(a).1);
            key(a)
                .0
                .cmp(&key(b).0)
                .then(by_packets)
                .then_with(|| (&a.then, &a.now).cmp(&(&b.then, &b.now)))
        });
        rows
    }
}

impl Change {
    /// Newly dropped, then newly passed, then other reasons for the same.
    fn rank(&self) -> u8 {
        use filter_common::verdict::Action::Pass;
        match (self.then.action == Pass, self.now.action == Pass) {
            (true, false) => 2,
            (false, true) => 1,
            _ => 0,
        }
    }
}
