//! How far the bench is: a bar on a terminal, plain lines elsewhere. On stderr alone, and never by a
//! thread of its own: that would run on the CPU that is measured.

use std::io::{self, IsTerminal as _};

use indicatif::{ProgressBar, ProgressStyle};

/// Of one part after the other.
pub struct Progress {
    /// Counts where it is not shown, too.
    bar: ProgressBar,
    has_lines: bool,
}

impl Progress {
    /// Nothing is under way yet.
    pub fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        let bar = match is_terminal {
            true => ProgressBar::no_length(),
            false => ProgressBar::hidden(),
        };
        let style = ProgressStyle::with_template("bench: {prefix} {bar:24} {pos}/{len} {wide_msg}");
        // The text is ours; were it wrong, the plain bar would do.
        if let Ok(style) = style {
            bar.set_style(style);
        }
        Self {
            bar,
            has_lines: !is_terminal,
        }
    }

    /// A part, and in how many steps it will come to its end.
    pub fn begin(&self, part: &str, steps: usize) {
        self.bar.reset();
        self.bar.set_length(steps as u64);
        self.bar.set_prefix(part.to_owned());
    }

    /// The next step begins.
    pub fn step(&self, what: &str) {
        let number = self.bar.position() + 1;
        self.bar.set_message(what.to_owned());
        self.bar.set_position(number);
        if self.has_lines {
            let steps = self.bar.length().unwrap_or(number);
            eprintln!("{}", line(&self.bar.prefix(), number, steps, what));
        }
    }

    /// Makes room on the terminal for something else.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }
}

fn line(part: &str, number: u64, steps: u64, what: &str) -> String {
    format!("bench: {part} {number}/{steps}: {what}")
}

#[cfg(test)]
mod tests {
    use super::{Progress, line};

    #[test]
    fn a_line_says_part_step_and_what() {
        let said = line("veth", 3, 25, "edge-filter, 1,000 prefixes");
        assert_eq!(said, "bench: veth 3/25: edge-filter, 1,000 prefixes");
    }

    #[test]
    fn each_part_counts_from_the_beginning() {
        let progress = Progress::new();
        for part in ["packet", "veth"] {
            progress.begin(part, 2);
            progress.step("one");
            progress.step("two");
            assert_eq!(progress.bar.position(), 2, "{part}");
            progress.clear();
        }
    }
}
