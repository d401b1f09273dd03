//! A replay for people.

use super::report::{Amount, ChangeReport, Labels, Report, TopSources};
use crate::columns::columns;
use std::fmt;

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let about = &self.about;
        writeln!(
            f,
            "capture     {} ({}), {}",
            about.capture,
            about.format.label(),
            amount(self.captured)
        )?;
        if let (Some(first), Some(last)) = (&self.first, &self.last) {
            writeln!(f, "time        {first} to {last}, {:.3} s", self.seconds)?;
        }
        writeln!(f, "policy      {}", about.config)?;
        writeln!(f, "judged      {}", amount(self.judged))?;
        let not_judged = &self.not_judged;
        for (amount, why) in [
            (not_judged.not_to_this_host, "not to this host"),
            (not_judged.outgoing, "sent by the capturing host"),
            (not_judged.cut_short, "cut before what decides"),
        ] {
            if amount.packets > 0 {
                writeln!(f, "not judged  {}: {why}", self::amount(amount))?;
            }
        }
        for note in &self.notes {
            writeln!(f, "note        {note}")?;
        }
        if !self.verdicts.is_empty() {
            let rows = self.verdicts.iter().map(|row| {
                let Labels {
                    service,
                    action,
                    reason,
                } = &row.verdict;
                let [packets, bytes] = numbers(row.amount);
                let labels = [service.as_str(), action, reason].map(String::from);
                let [service, action, reason] = labels;
                [service, action, reason, packets, bytes]
            });
            let heads = ["service", "action", "reason", "packets", "bytes"];
            write!(f, "\n{}", columns(heads, &rows.collect::<Vec<_>>(), 2))?;
        }
        sources(
            f,
            "sources dropped most, or that would be",
            &self.top_sources,
        )?;
        match &self.changes {
            Some(changes) => self.changes(f, changes),
            None => Ok(()),
        }
    }
}

impl Report {
    fn changes(&self, f: &mut fmt::Formatter<'_>, changes: &ChangeReport) -> fmt::Result {
        let generation = self.about.against_generation;
        let generation = generation.map_or(String::new(), |n| format!(", generation {n}"));
        writeln!(
            f,
            "\nagainst the policy in force{generation}: {} judged otherwise",
            amount(changes.changed)
        )?;
        if !changes.rows.is_empty() {
            let words = |labels: &Labels| {
                let Labels {
                    service,
                    action,
                    reason,
                } = labels;
                format!("{service} {action} {reason}")
            };
            let rows = changes.rows.iter().map(|row| {
                let [packets, bytes] = numbers(row.amount);
                [words(&row.then), words(&row.now), packets, bytes]
            });
            let heads = ["then", "now", "packets", "bytes"];
            write!(f, "\n{}", columns(heads, &rows.collect::<Vec<_>>(), 2))?;
        }
        sources(f, "sources newly dropped", &changes.newly_dropped)?;
        sources(f, "sources no longer dropped", &changes.newly_passed)
    }
}

fn sources(f: &mut fmt::Formatter<'_>, title: &str, top: &TopSources) -> fmt::Result {
    if top.sources.is_empty() {
        return Ok(());
    }
    writeln!(f, "\n{title}")?;
    let rows = top.sources.iter().map(|row| {
        let [packets, bytes] = numbers(row.amount);
        let reasons = row.reasons.join(",");
        let [first, last] = [&row.first, &row.last].map(|time| whole_seconds(time.as_deref()));
        let source = row.source.to_string();
        [source, reasons, first, last, packets, bytes]
    });
    let heads = ["source", "reasons", "first", "last", "packets", "bytes"];
    f.write_str(&columns(heads, &rows.collect::<Vec<_>>(), 2))?;
    if top.short_by_at_most > 0 {
        writeln!(
            f,
            "(very many sources: a count may be short by up to {} packets)",
            top.short_by_at_most
        )?;
    }
    Ok(())
}

/// A line has no room for fractions, which `--json` has.
fn whole_seconds(time: Option<&str>) -> String {
    let seconds = time.and_then(|time| time.split('.').next());
    seconds.map_or_else(|| "-".into(), |seconds| format!("{seconds}Z"))
}

fn numbers(amount: Amount) -> [String; 2] {
    [amount.packets.to_string(), amount.bytes.to_string()]
}

fn amount(amount: Amount) -> String {
    let Amount { packets, bytes } = amount;
    format!("{packets} packets, {bytes} bytes")
}
