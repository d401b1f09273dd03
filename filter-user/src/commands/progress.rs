//! How far long work is, for people: moving on a terminal, plain lines elsewhere and only where it
//! takes a while. On stderr alone; never beside JSON.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::{self, IsTerminal as _, Read};
use std::time::Duration;

/// Fewer prefixes are compiled before anybody wonders.
const MANY_PREFIXES: usize = 100_000;
/// A smaller capture is judged before anybody wonders.
const LARGE_CAPTURE: u64 = 256 << 20;
/// Often enough to be seen to move.
const TICK: Duration = Duration::from_millis(100);

/// What is under way; gone from the terminal when this is dropped.
pub(super) struct Progress {
    bar: ProgressBar,
    /// Says long work in lines.
    has_lines: bool,
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress {
    /// Of a command that prints JSON or not.
    pub(super) fn new(json: bool) -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = match is_terminal && !json {
            true => ProgressBar::new_spinner(),
            false => ProgressBar::hidden(),
        };
        Self {
            bar,
            has_lines: !is_terminal && !json,
        }
    }

    /// Reading a configuration and its lists, however large.
    pub(super) fn reading(&self) {
        self.move_on("reading the configuration and its lists".to_owned());
    }

    /// Compiling so many prefixes.
    pub(super) fn compiling(&self, prefixes: usize) {
        let text = format!("compiling {prefixes} prefixes");
        if prefixes >= MANY_PREFIXES {
            self.line(&text);
        }
        self.move_on(text);
    }

    /// Judging a capture as it is read; its size is known if it is a file.
    pub(super) fn judging<R: Read>(&self, bytes: Option<u64>, capture: R) -> impl Read + use<R> {
        if let Some(bytes) = bytes.filter(|bytes| *bytes >= LARGE_CAPTURE) {
            self.line(&format!("judging a capture of {} MiB", bytes >> 20));
        }
        if !self.bar.is_hidden() {
            let template = match bytes {
                Some(_) => "{spinner} {msg} {bar:30} {percent}% of {total_bytes}, {eta} left",
                None => "{spinner} {msg} {bytes}",
            };
            // The text is ours; were it wrong, the plain spinner would do.
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            if let Some(bytes) = bytes {
                self.bar.set_length(bytes);
            }
        }
        self.move_on("judging".to_owned());
        self.bar.wrap_read(capture)
    }

    fn move_on(&self, text: String) {
        if !self.bar.is_hidden() {
            self.bar.set_message(text);
            self.bar.enable_steady_tick(TICK);
        }
    }

    fn line(&self, text: &str) {
        if self.has_lines {
            eprintln!("edge-filter: {text}");
        }
    }
}
