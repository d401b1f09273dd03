//! What is shown, and in which state the dialogue with the user is. Reads no clock.

use crate::events::Record;
use crate::live::{Dropper, Droppers, Line, Rates, Reading, Sort};
use std::net::IpAddr;
use std::time::Duration;

/// Sources that can be selected.
const SOURCES: usize = 50;

/// What keys mean now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Commands.
    #[default]
    Normal,
    /// The filter is typed.
    Filter,
    /// The duration of a ban is typed.
    Duration {
        /// Who is to be banned.
        source: IpAddr,
        /// As typed so far.
        text: String,
        /// What is wrong with it.
        error: Option<String>,
    },
    /// A ban waits for its yes.
    Confirm {
        /// Who is to be banned.
        source: IpAddr,
        /// For how long.
        duration: Duration,
    },
    /// A text covers the screen.
    Text {
        /// What it is.
        title: String,
        /// Its lines.
        lines: Vec<String>,
        /// Lines that are scrolled past.
        first: usize,
    },
}

/// What is drawn.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// The newest reading.
    pub reading: Reading,
    /// And its rates.
    pub rates: Rates,
    /// Who is dropped most.
    pub droppers: Vec<Dropper>,
}

/// The whole state of `top`.
#[derive(Default)]
pub struct App {
    /// What keys mean now.
    pub mode: Mode,
    /// Lines of which services are shown: those with this in their name.
    pub filter: String,
    /// By what lines are sorted.
    pub sort: Sort,
    /// Whether the screen stands still.
    pub is_paused: bool,
    /// What was done last, or went wrong.
    pub notice: Option<String>,
    /// Why there is no newer reading.
    pub failure: Option<String>,
    /// What is drawn; stands still while paused.
    pub shown: Shown,
    selected: Option<IpAddr>,
    live: Shown,
    droppers: Droppers,
}

impl App {
    /// Takes in a reading, or why there is none, of the time `now`.
    pub fn read(&mut self, reading: Result<Reading, String>, now: Duration) {
        match reading {
            Ok(reading) => {
                self.failure = None;
                self.live.rates.push(&reading, now);
                self.live.reading = reading;
            }
            Err(error) => self.failure = Some(error),
        }
        self.live.droppers = self.droppers.top(now, SOURCES);
        if !self.is_paused {
            self.shown = self.live.clone();
        }
    }

    /// Takes in an event of the time `now`; it is shown with the next reading.
    pub fn add(&mut self, record: Record, now: Duration) {
        self.droppers.add(record, now);
    }

    /// Holds the screen still, or lets it go on with the newest reading.
    pub fn pause(&mut self) {
        self.is_paused = !self.is_paused;
        if !self.is_paused {
            self.shown = self.live.clone();
        }
    }

    /// The lines of the table.
    pub fn lines(&self) -> Vec<Line> {
        self.shown.rates.lines(&self.filter, self.sort)
    }

    /// Sources of the services that are shown.
    pub fn sources(&self) -> Vec<&Dropper> {
        let droppers = self.shown.droppers.iter();
        droppers
            .filter(|dropper| dropper.newest.service.contains(&self.filter))
            .collect()
    }

    /// Place of the selected source among those shown: of the first, unless another was chosen
    /// and is still there.
    pub fn selected(&self) -> usize {
        let mut sources = self.sources().into_iter();
        let chosen = |wanted| sources.position(|dropper| dropper.source == wanted);
        self.selected.and_then(chosen).unwrap_or(0)
    }

    /// The selected source.
    pub fn selected_source(&self) -> Option<&Dropper> {
        self.sources().get(self.selected()).copied()
    }

    /// Selects the source that stands `by` places further down; stops at both ends.
    pub fn select(&mut self, by: isize) {
        let sources = self.sources();
        let last = sources.len().saturating_sub(1);
        let place = self.selected().saturating_add_signed(by).min(last);
        self.selected = sources.get(place).map(|dropper| dropper.source);
    }

    /// Covers the screen with a text.
    pub fn show(&mut self, title: &str, text: &str) {
        self.mode = Mode::Text {
            title: title.to_owned(),
            lines: text.lines().map(String::from).collect(),
            first: 0,
        };
    }
}
