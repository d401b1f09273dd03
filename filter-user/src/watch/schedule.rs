//! When to reload: at most once a second, and not while a file is still being written.

use super::Fingerprint;
use std::time::{Duration, Instant};

/// A file that has not changed for this long is taken for finished. Shorter, and half a list
/// that is written in pieces would be loaded; longer, and operators wait.
const SETTLED: Duration = Duration::from_millis(200);
/// The same for a file that was moved to its place. Only others that are moved right after it are
/// waited for, so that one reload takes them all.
const MOVED: Duration = Duration::from_millis(20);
/// Files that never rest are loaded all the same.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two reloads that nobody waits for.
const PACE: Duration = Duration::from_secs(1);

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nobody asked.
    Idle,
    /// Look again then.
    Wait(Instant),
    /// Reload.
    Reload,
}

/// Collects requests to reload.
#[derive(Debug, Default)]
pub struct Schedule {
    pending: Option<Pending>,
    last_reload: Option<Instant>,
}

#[derive(Debug)]
struct Pending {
    since: Instant,
    unchanged_since: Instant,
    seen: Fingerprint,
    is_awaited: bool,
}

impl Schedule {
    /// Somebody asked, while the files are in this state. Requests that come before the reload
    /// are answered by one.
    pub fn request(&mut self, now: Instant, files: Fingerprint) {
        if self.pending.is_none() {
            self.pending = Some(Pending {
                since: now,
                unchanged_since: now,
                seen: files,
                is_awaited: false,
            });
        }
    }

    /// An operator waits for it, and so says that the files are finished: due at once.
    pub fn demand(&mut self, now: Instant, files: Fingerprint) {
        self.request(now, files);
        if let Some(pending) = &mut self.pending {
            pending.is_awaited = true;
        }
    }

    /// Forgets what was asked for. Returns whether anything was.
    pub fn cancel(&mut self) -> bool {
        self.pending.take().is_some()
    }

    /// Whether a reload is due.
    pub fn is_pending(&self) -> bool {
        self.pending.is_some()
    }

    /// What to do, while the files are in this state. `has_moved_in`: what changed last was moved
    /// to its place. [`Step::Reload`] is said once.
    pub fn step(
        &mut self,
        now: Instant,
        has_moved_in: bool,
        files: impl FnOnce() -> Fingerprint,
    ) -> Step {
        let Some(pending) = &mut self.pending else {
            return Step::Idle;
        };
        let files = files();
        if files != pending.seen {
            pending.seen = files;
            pending.unchanged_since = now;
        }
        let rest = if has_moved_in { MOVED } else { SETTLED };
        let settled = pending.unchanged_since + rest;
        let settled = settled.min(pending.since + PATIENCE);
        let due = match self.last_reload {
            _ if pending.is_awaited => now,
            Some(last) => settled.max(last + PACE),
            None => settled,
        };
        if now < due {
            return Step::Wait(due);
        }
        self.pending = None;
        self.last_reload = Some(now);
        Step::Reload
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(size: u64) -> Fingerprint {
        Fingerprint(vec![Some((1, 1, size, 0, 0))])
    }

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn a_file_at_rest_is_loaded_after_a_moment_and_once() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        assert_eq!(schedule.step(start, false, || files(1)), Step::Idle);
        schedule.request(start, files(1));
        schedule.request(ms(start, 10), files(1));
        let wait = Step::Wait(ms(start, 200));
        assert_eq!(schedule.step(ms(start, 100), false, || files(1)), wait);
        assert_eq!(
            schedule.step(ms(start, 200), false, || files(1)),
            Step::Reload
        );
        assert_eq!(
            schedule.step(ms(start, 200), false, || files(1)),
            Step::Idle
        );
    }

    #[test]
    fn a_file_that_was_moved_in_is_loaded_almost_at_once() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        schedule.request(start, files(1));
        let wait = Step::Wait(ms(start, 20));
        assert_eq!(schedule.step(start, true, || files(1)), wait);
        let wait = Step::Wait(ms(start, 30));
        assert_eq!(schedule.step(ms(start, 10), true, || files(2)), wait);
        // Somebody writes beside it.
        let wait = Step::Wait(ms(start, 210));
        assert_eq!(schedule.step(ms(start, 40), false, || files(2)), wait);
        assert_eq!(
            schedule.step(ms(start, 40), true, || files(2)),
            Step::Reload
        );
    }

    #[test]
    fn a_file_that_grows_is_waited_for_but_not_for_ever() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        schedule.request(start, files(0));
        for n in 1..50 {
            let at = ms(start, n * 100);
            let wait = Step::Wait(ms(start, (n * 100 + 200).min(5000)));
            assert_eq!(schedule.step(at, false, || files(n)), wait);
        }
        assert_eq!(
            schedule.step(ms(start, 5000), false, || files(99)),
            Step::Reload
        );
    }

    #[test]
    fn reloads_are_a_second_apart() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        schedule.request(start, files(1));
        assert_eq!(
            schedule.step(ms(start, 200), false, || files(1)),
            Step::Reload
        );
        schedule.request(ms(start, 300), files(2));
        let wait = Step::Wait(ms(start, 1200));
        assert_eq!(schedule.step(ms(start, 700), false, || files(2)), wait);
        assert_eq!(
            schedule.step(ms(start, 1200), false, || files(2)),
            Step::Reload
        );
    }

    #[test]
    fn an_operator_does_not_wait() {
        let start = Instant::now();
        let mut schedule = Schedule::default();
        for n in 0..3 {
            schedule.request(ms(start, n), files(n));
            schedule.demand(ms(start, n), files(n));
            assert_eq!(
                schedule.step(ms(start, n), false, || files(n)),
                Step::Reload
            );
            assert_eq!(schedule.step(ms(start, n), false, || files(n)), Step::Idle);
        }
    }
}
