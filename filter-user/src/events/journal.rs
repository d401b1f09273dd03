//! The newest lines, kept for who asks later and handed to who follows. Each is encoded once.

use super::line::{Line, Totals};
use crate::kernel::events::Budgets;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast};

/// Lines that are kept: some 300 KiB.
const KEPT: usize = 1000;
/// Lines that a follower may be behind.
const BACKLOG: usize = 1024;
/// Followers at once: half of the callers that the control socket takes.
pub(super) const FOLLOWERS: usize = 8;

/// A line as it goes over the socket, its end included.
pub(crate) type Encoded = Arc<str>;

/// What was said lately, and to whom it is said.
pub struct Journal {
    kept: Mutex<Kept>,
    /// What the packet program counts; `None` where there are no events.
    budgets: Option<Arc<Budgets>>,
    live: broadcast::Sender<Encoded>,
    places: Arc<Semaphore>,
}

#[derive(Default)]
struct Kept {
    lines: VecDeque<Encoded>,
    /// Lines so far, those that are kept no longer included.
    published: u64,
}

/// One who follows: what comes from now on, and the place that is taken meanwhile.
pub(super) struct Follower {
    pub(super) lines: broadcast::Receiver<Encoded>,
    _place: OwnedSemaphorePermit,
}

impl Default for Journal {
    fn default() -> Self {
        Self {
            kept: Mutex::default(),
            budgets: None,
            live: broadcast::Sender::new(BACKLOG),
            places: Arc::new(Semaphore::new(FOLLOWERS)),
        }
    }
}

impl Journal {
    /// With the totals of these budgets.
    pub fn of(budgets: Arc<Budgets>) -> Self {
        Self {
            budgets: Some(budgets),
            ..Self::default()
        }
    }

    /// Keeps a line and hands it out. Waits for nobody.
    pub fn publish(&self, line: &Line) {
        let Some(line) = encode(line) else {
            return;
        };
        let mut kept = self.kept();
        if kept.lines.len() == KEPT {
            kept.lines.pop_front();
        }
        kept.lines.push_back(Arc::clone(&line));
        kept.published += 1;
        drop(kept);
        // That nobody follows is no failure.
        let _ = self.live.send(line);
    }

    /// What the packet program has counted by now; `None` if nobody can tell: why, the reader of the
    /// ring says.
    pub fn totals(&self) -> Option<Totals> {
        let Some(budgets) = &self.budgets else {
            return Some(Totals::default());
        };
        let sent = budgets.read().ok()?;
        Some(Totals {
            events: sent.sent,
            lost: sent.all_lost(),
        })
    }

    /// What is kept, in one piece.
    pub(super) fn recent(&self) -> String {
        let kept = self.kept();
        kept.lines.iter().map(|line| &**line).collect()
    }

    /// What is kept of the lines after the first `seen`, and how many there are by now.
    pub(crate) fn since(&self, seen: u64) -> (Vec<Encoded>, u64) {
        let kept = self.kept();
        let new = usize::try_from(kept.published.saturating_sub(seen)).unwrap_or(usize::MAX);
        let old = kept.lines.len().saturating_sub(new);
        (
            kept.lines.iter().skip(old).cloned().collect(),
            kept.published,
        )
    }

    /// A follower, if there is a place.
    pub(super) fn follow(&self) -> Option<Follower> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        Some(Follower {
            lines: self.live.subscribe(),
            _place: place,
        })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        // Whoever panicked had it in hand for plain assignments only.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line with its end. Lines are plain data: encoding does not fail.
pub(super) fn encode(line: &Line) -> Option<Encoded> {
    let mut text = serde_json::to_string(line).ok()?;
    text.push('\n');
    Some(text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(events: u64) -> Line {
        Line::Totals(Totals { events, lost: 0 })
    }

    #[test]
    fn the_newest_lines_are_kept() {
        let journal = Journal::default();
        for n in 0..KEPT as u64 + 5 {
            journal.publish(&line(n));
        }
        let kept = journal.recent();
        let kept: Vec<&str> = kept.lines().collect();
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[0], r#"{"totals":{"events":5,"lost":0}}"#);
    }

    #[test]
    fn who_comes_again_gets_what_is_new() {
        let journal = Journal::default();
        assert_eq!(journal.since(0), (vec![], 0));
        for n in 0..3 {
            journal.publish(&line(n));
        }
        assert_eq!(journal.since(0).0.len(), 3);
        let (new, seen) = journal.since(2);
        assert_eq!((new.len(), seen), (1, 3));
        assert_eq!(journal.since(seen), (vec![], 3));
        for n in 0..2 * KEPT as u64 {
            journal.publish(&line(n));
        }
        assert_eq!(journal.since(seen).0.len(), KEPT, "the rest is forgotten");
    }

    #[test]
    fn a_place_is_free_again_when_its_follower_goes() {
        let journal = Journal::default();
        let mut followers: Vec<_> = (0..FOLLOWERS).map(|_| journal.follow().unwrap()).collect();
        assert!(journal.follow().is_none());
        followers.pop();
        assert!(journal.follow().is_some());
    }
}
