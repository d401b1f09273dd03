//! Rates between readings, and how they went in the last minute. Reads no clock.

use super::{Counter, Reading};
use std::cmp::Reverse;
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Rates that a line remembers.
pub const HISTORY: usize = 60;

/// By what lines are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Packets a second, most first.
    #[default]
    Rate,
    /// Packets so far, most first.
    Total,
    /// By service and reason.
    Name,
}

impl Sort {
    /// The next one.
    pub const fn next(self) -> Self {
        match self {
            Self::Rate => Self::Total,
            Self::Total => Self::Name,
            Self::Name => Self::Rate,
        }
    }

    /// For people.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Total => "total",
            Self::Name => "name",
        }
    }
}

/// One service, action and reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What was counted so far.
    pub counter: Counter,
    /// In the newest interval.
    pub packets_per_second: f64,
    /// In the newest interval.
    pub bytes_per_second: f64,
    /// Packets a second, oldest first, at most [`HISTORY`] intervals.
    pub history: VecDeque<f64>,
}

type Key = (String, &'static str, &'static str);

/// Readings, as far as they are needed.
#[derive(Clone, Debug, Default)]
pub struct Rates {
    newest: Option<Duration>,
    lines: BTreeMap<Key, Line>,
}

impl Rates {
    /// Takes in a reading of the time `now` (of any clock that only advances). The first one, and
    /// one of the same moment, makes no rates.
    pub fn push(&mut self, reading: &Reading, now: Duration) {
        let elapsed = self.newest.map(|before| now.saturating_sub(before));
        if elapsed.is_some_and(|elapsed| elapsed.is_zero()) {
            return;
        }
        self.newest = Some(now);
        let seconds = elapsed.map(|elapsed| elapsed.as_secs_f64());
        let present: Vec<Key> = reading.counters.iter().map(key).collect();
        self.lines.retain(|key, _| present.contains(key));
        for (counter, key) in reading.counters.iter().zip(present) {
            let line = self.lines.entry(key).or_insert_with(|| Line {
                // In the first reading nobody knows since when; later, it is new.
                counter: match seconds {
                    None => counter.clone(),
                    Some(_) => Counter {
                        packets: 0,
                        bytes: 0,
                        ..counter.clone()
                    },
                },
                packets_per_second: 0.0,
                bytes_per_second: 0.0,
                history: VecDeque::new(),
            });
            if let Some(seconds) = seconds {
                line.advance(counter, seconds);
            }
        }
    }

    /// Lines whose service has `service` in its name, sorted.
    pub fn lines(&self, service: &str, sort: Sort) -> Vec<Line> {
        let wanted = |line: &&Line| line.counter.service.contains(service);
        let mut lines: Vec<_> = self.lines.values().filter(wanted).cloned().collect();
        match sort {
            Sort::Rate => lines.sort_by(|a, b| {
                let by_rate = b.packets_per_second.total_cmp(&a.packets_per_second);
                by_rate.then(b.counter.packets.cmp(&a.counter.packets))
            }),
            Sort::Total => lines.sort_by_key(|line| Reverse(line.counter.packets)),
            Sort::Name => {}
        }
        lines
    }

    /// Packets a second of one action, in all intervals that are remembered, oldest first.
    pub fn of_action(&self, action: &str) -> Vec<f64> {
        let lines = self.lines.values().filter(|l| l.counter.action == action);
        let mut sums = Vec::new();
        for line in lines {
            if sums.len() < line.history.len() {
                sums.resize(line.history.len(), 0.0);
            }
            // The newest ends stand together.
            for (sum, rate) in sums.iter_mut().zip(line.history.iter().rev()) {
                *sum += rate;
            }
        }
        sums.reverse();
        sums
    }
}

impl Line {
    fn advance(&mut self, counter: &Counter, seconds: f64) {
        // Counters only grow; less than before means that they were loaded anew.
        let grown = |now: u64, before: u64| now.checked_sub(before).unwrap_or(now) as f64;
        self.packets_per_second = grown(counter.packets, self.counter.packets) / seconds;
        self.bytes_per_second = grown(counter.bytes, self.counter.bytes) / seconds;
        self.counter = counter.clone();
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(self.packets_per_second);
    }
}

fn key(counter: &Counter) -> Key {
    (counter.service.clone(), counter.reason, counter.action)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(counters: &[(&str, &'static str, u64)]) -> Reading {
        let counter = |&(service, action, packets): &(&str, &'static str, u64)| Counter {
            service: service.into(),
            action,
            reason: if action == "pass" {
                "allowed"
            } else {
                "denied"
            },
            packets,
            bytes: packets * 60,
        };
        Reading {
            counters: counters.iter().map(counter).collect(),
            ..Reading::default()
        }
    }

    fn rates(readings: &[&[(&str, &'static str, u64)]]) -> Rates {
        let mut rates = Rates::default();
        for (n, counters) in readings.iter().enumerate() {
            rates.push(&reading(counters), Duration::from_secs(2 * n as u64));
        }
        rates
    }

    #[test]
    fn rates_are_by_the_time_that_passed_and_the_first_reading_has_none() {
        let one = rates(&[&[("api", "pass", 1000)]]);
        assert_eq!(one.lines("", Sort::Rate)[0].packets_per_second, 0.0);
        assert!(one.of_action("pass").is_empty());
        let two = rates(&[&[("api", "pass", 1000)], &[("api", "pass", 1100)]]);
        let line = &two.lines("", Sort::Rate)[0];
        assert_eq!(line.packets_per_second, 50.0);
        assert_eq!(line.bytes_per_second, 3000.0);
        assert_eq!(line.counter.packets, 1100);
    }

    #[test]
    fn what_is_counted_for_the_first_time_grew_from_zero() {
        let rates = rates(&[&[], &[("api", "drop", 10)], &[("api", "drop", 10)]]);
        assert_eq!(rates.of_action("drop"), [5.0, 0.0]);
    }

    #[test]
    fn counters_that_were_loaded_anew_never_make_a_negative_or_huge_rate() {
        let rates = rates(&[&[("api", "drop", 1000)], &[("api", "drop", 10)]]);
        assert_eq!(rates.of_action("drop"), [5.0]);
    }

    #[test]
    fn actions_are_summed_from_their_newest_ends() {
        let rates = rates(&[
            &[("api", "pass", 0)],
            &[("api", "pass", 2)],
            &[("api", "pass", 4), ("web", "pass", 20)],
        ]);
        assert_eq!(rates.of_action("pass"), [1.0, 11.0]);
    }

    #[test]
    fn lines_are_filtered_and_sorted() {
        let rates = rates(&[
            &[("api", "pass", 900), ("dns", "pass", 0)],
            &[("api", "pass", 902), ("dns", "pass", 80)],
        ]);
        let names = |service, sort| {
            let lines = rates.lines(service, sort);
            let names = lines.into_iter().map(|line| line.counter.service);
            names.collect::<Vec<_>>()
        };
        assert_eq!(names("", Sort::Rate), ["dns", "api"]);
        assert_eq!(names("", Sort::Total), ["api", "dns"]);
        assert_eq!(names("", Sort::Name), ["api", "dns"]);
        assert_eq!(names("dn", Sort::Name), ["dns"]);
    }

    #[test]
    fn history_is_bounded() {
        let mut rates = Rates::default();
        for n in 0..200 {
            let reading = reading(&[("api", "pass", n)]);
            rates.push(&reading, Duration::from_secs(n));
        }
        assert_eq!(rates.of_action("pass").len(), HISTORY);
    }
}
