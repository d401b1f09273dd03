//! What is shown, put together from readings and events. Reads no clock.

use super::answer::{Answer, Totals, hundredths};
use crate::events::Record;
use crate::live::{Droppers, Rates, Reading, Sort};
use std::time::Duration;

/// Sources that are shown.
const SOURCES: usize = 20;
/// After so long without a look, rates begin anew: an average over an absence is no rate of now.
const ABSENCE: Duration = Duration::from_secs(30);

/// Readings and events as far as they are needed.
#[derive(Default)]
pub struct Board {
    rates: Rates,
    droppers: Droppers,
    newest: Option<Duration>,
}

impl Board {
    /// Takes in an event of the time `now`.
    pub fn add(&mut self, record: Record, now: Duration) {
        self.droppers.add(record, now);
    }

    /// Takes in a reading of the time `now`, and says what is shown.
    pub fn read(&mut self, host: String, reading: Reading, now: Duration) -> Answer {
        let before = self.newest.replace(now);
        if before.is_some_and(|before| now.saturating_sub(before) > ABSENCE) {
            self.rates = Rates::default();
        }
        self.rates.push(&reading, now);
        let of_action = |action| {
            let rates = self.rates.of_action(action).into_iter();
            rates.map(hundredths).collect()
        };
        let lines = self.rates.lines("", Sort::Rate);
        Answer {
            host,
            at_unix_ms: reading.at_unix_ms,
            status: reading.status,
            totals: Totals {
                pass: of_action("pass"),
                drop: of_action("drop"),
                would_drop: of_action("would_drop"),
            },
            lines: lines.into_iter().map(Into::into).collect(),
            sources: self.droppers.top(now, SOURCES),
            evictions: reading.evictions,
            events: reading.events,
            newest_bans: reading.newest_bans,
            problems: reading.problems,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::Counter;

    fn reading(packets: u64) -> Reading {
        Reading {
            counters: vec![Counter {
                service: "api".into(),
                action: "drop",
                reason: "denied",
                packets,
                bytes: packets * 60,
            }],
            ..Reading::default()
        }
    }

    fn drops(board: &mut Board, packets: u64, seconds: u64) -> Vec<f64> {
        let now = Duration::from_secs(seconds);
        board.read(String::new(), reading(packets), now).totals.drop
    }

    #[test]
    fn rates_are_those_of_top_and_an_absence_begins_anew() {
        let mut board = Board::default();
        assert!(drops(&mut board, 100, 1).is_empty());
        assert_eq!(drops(&mut board, 110, 2), [10.0]);
        assert_eq!(drops(&mut board, 111, 5), [10.0, 0.33]);
        assert!(drops(&mut board, 9000, 3600).is_empty(), "nobody looked");
        assert_eq!(drops(&mut board, 9002, 3601), [2.0]);
    }

    #[test]
    fn the_answer_has_what_the_page_reads() {
        let mut board = Board::default();
        let answer = board.read("edge1".into(), reading(7), Duration::ZERO);
        let json = serde_json::to_value(answer).unwrap();
        assert_eq!(json["host"], "edge1");
        assert_eq!(json["lines"][0]["service"], "api");
        assert_eq!(json["lines"][0]["packets"], 7);
        assert_eq!(json["status"]["interfaces"], serde_json::json!([]));
        for key in ["totals", "sources", "newest_bans", "problems", "events"] {
            assert!(json.get(key).is_some(), "{key}");
        }
    }
}
