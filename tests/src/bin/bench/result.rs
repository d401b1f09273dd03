//! What a part of the bench found: tables, targets, plots; as text and as JSON.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Serialize;

/// All of one part.
#[derive(Clone, Debug, Serialize)]
pub struct Part {
    /// As on the command line.
    pub name: String,
    /// Where and when.
    pub taken: Taken,
    /// In their order.
    pub tables: Vec<Table>,
    /// What was to be reached.
    pub reach: Vec<Reach>,
    /// For docs/performance.md.
    pub plots: Vec<Plot>,
}

/// The circumstances of a measurement.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Taken {
    /// Processor and number of CPUs.
    pub machine: String,
    /// Release.
    pub kernel: String,
    /// Of the checkout; `+` if files had been changed.
    pub commit: String,
    /// UTC.
    pub date: String,
    /// Whether it is one not to be quoted.
    pub is_quick: bool,
}

/// Numbers with names.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Table {
    /// What it shows, with the unit.
    pub title: String,
    /// What one has to know to read it; may be empty.
    pub note: String,
    /// Of the cells; the names of the rows have none.
    pub columns: Vec<String>,
    /// Name and cells.
    pub rows: Vec<(String, Vec<Option<f64>>)>,
}

/// A target.
#[derive(Clone, Debug, Serialize)]
pub struct Reach {
    /// In words.
    pub target: String,
    /// What was found, in words.
    pub measured: String,
    /// Whether it is reached.
    pub is_met: bool,
}

/// A picture.
#[derive(Clone, Debug, Serialize)]
pub struct Plot {
    /// File name without `.svg`.
    pub file: String,
    /// What it shows, with the unit.
    pub title: String,
    /// Of the horizontal axis, which is logarithmic.
    pub x: String,
    /// Whether the vertical axis is logarithmic.
    pub is_log: bool,
    /// Lines.
    pub series: Vec<(String, Vec<(f64, f64)>)>,
}

impl Table {
    /// An empty one.
    pub fn new(title: &str, note: &str, columns: &[&str]) -> Self {
        Self {
            title: title.into(),
            note: note.into(),
            columns: columns.iter().map(|column| (*column).into()).collect(),
            rows: Vec::new(),
        }
    }

    /// One row more.
    pub fn row(&mut self, name: &str, cells: impl IntoIterator<Item = Option<f64>>) {
        self.rows.push((name.into(), cells.into_iter().collect()));
    }

    /// As markdown, under a heading of this level.
    pub fn markdown(&self, heading: &str) -> String {
        let mut text = format!("{heading} {}\n\n", self.title);
        if !self.note.is_empty() {
            let _ = writeln!(text, "{}\n", self.note);
        }
        let _ = writeln!(text, "| | {} |", self.columns.join(" | "));
        let _ = writeln!(text, "|---|{}", "---:|".repeat(self.columns.len()));
        for (name, cells) in &self.rows {
            let cells: Vec<_> = cells
                .iter()
                .map(|cell| cell.map_or("–".into(), number))
                .collect();
            let _ = writeln!(text, "| {name} | {} |", cells.join(" | "));
        }
        text
    }
}

impl Reach {
    /// `measured` is to be at most `limit`.
    pub fn at_most(target: &str, measured: f64, limit: f64, unit: &str) -> Self {
        Self {
            target: format!("{target}: at most {}{unit}", number(limit)),
            measured: format!("{}{unit}", beside(measured, limit)),
            is_met: measured <= limit,
        }
    }

    /// `measured` is to be at least `limit`.
    pub fn at_least(target: &str, measured: f64, limit: f64, unit: &str) -> Self {
        Self {
            target: format!("{target}: at least {}{unit}", number(limit)),
            measured: format!("{}{unit}", beside(measured, limit)),
            is_met: measured >= limit,
        }
    }
}

impl Part {
    /// As markdown.
    pub fn markdown(&self) -> String {
        let mut text = String::new();
        for table in &self.tables {
            let _ = writeln!(text, "{}", table.markdown("###"));
        }
        text + &reach(std::slice::from_ref(self))
    }

    /// Into a folder.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn save(&self, folder: &Path) -> Result<()> {
        let path = folder.join(format!("{}.json", self.name));
        let text = serde_json::to_string_pretty(self)?;
        fs::write(&path, text).with_context(|| path.display().to_string())
    }
}

/// All targets of these parts, as markdown.
pub fn reach(parts: &[Part]) -> String {
    let mut text = String::from("| reach | measured | |\n|---|---|---|\n");
    for reach in parts.iter().flat_map(|part| &part.reach) {
        let met = if reach.is_met { "met" } else { "**not met**" };
        let _ = writeln!(text, "| {} | {} | {met} |", reach.target, reach.measured);
    }
    text
}

/// With as many digits as mean something.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return "–".into();
    }
    if value == value.trunc() && size < 1000.0 {
        return format!("{value:.0}");
    }
    match size {
        size if size < 0.1 => format!("{value:.4}"),
        size if size < 10.0 => format!("{value:.2}"),
        size if size < 100.0 => format!("{value:.1}"),
        _ => grouped(value),
    }
}

/// With more digits where the usual ones would show the limit itself.
fn beside(measured: f64, limit: f64) -> String {
    let text = number(measured);
    if text == number(limit) && (measured - limit).abs() > f64::EPSILON {
        format!("{measured:.4}")
    } else {
        text
    }
}

fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::from(if value < 0.0 { "-" } else { "" });
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Part, Reach, Table, Taken, number, reach};

    #[test]
    fn numbers_have_as_many_digits_as_mean_something() {
        for (value, text) in [
            (0.0, "0"),
            (64.0, "64"),
            (0.031_26, "0.0313"),
            (7.104, "7.10"),
            (36.84, "36.8"),
            (1_234.5, "1,234"),
            (-1_000_000.0, "-1,000,000"),
            (f64::NAN, "–"),
        ] {
            assert_eq!(number(value), text);
        }
    }

    #[test]
    fn a_cell_that_was_not_measured_is_a_dash() {
        let mut table = Table::new("ns a packet", "A note.", &["bare", "ours"]);
        table.row("IPv4", [Some(6.2), None]);
        assert_eq!(
            table.markdown("###"),
            "### ns a packet\n\nA note.\n\n| | bare | ours |\n|---|---:|---:|\n| IPv4 | 6.20 | – |\n"
        );
    }

    #[test]
    fn a_limit_itself_is_met_and_what_was_not_measured_is_not() {
        assert!(Reach::at_most("cost", 3.0, 3.0, " ×").is_met);
        assert!(!Reach::at_most("cost", 3.01, 3.0, " ×").is_met);
        assert!(Reach::at_least("share", 0.5, 0.5, "").is_met);
        assert!(!Reach::at_least("share", f64::NAN, 0.5, "").is_met);
        assert!(!Reach::at_most("cost", f64::NAN, 3.0, " ×").is_met);
    }

    #[test]
    fn what_misses_a_limit_does_not_look_like_it() {
        let reach = Reach::at_least("HTTP", 0.9784, 0.98, " ×");
        assert_eq!((reach.measured.as_str(), reach.is_met), ("0.9784 ×", false));
    }

    #[test]
    fn what_is_not_met_is_said() {
        let part = Part {
            name: "veth".into(),
            taken: Taken::default(),
            tables: Vec::new(),
            reach: vec![
                Reach::at_least("share of bare", 0.82, 0.8, ""),
                Reach::at_most("peak memory", 340.0, 300.0, " MB"),
            ],
            plots: Vec::new(),
        };
        assert_eq!(
            reach(&[part]),
            "| reach | measured | |\n|---|---|---|\n\
             | share of bare: at least 0.80 | 0.82 | met |\n\
             | peak memory: at most 300 MB | 340 MB | **not met** |\n"
        );
    }
}
