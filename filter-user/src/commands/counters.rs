//! `counters`: what was counted, from the pins alone.

use super::{Failure, print, print_json};
use crate::cli::{PathOptions, PinOptions};
use crate::ids::Book;
use crate::kernel::Pins;
use crate::locations::Locations;
use crate::tally::{Row, Tally};
use anyhow::anyhow;
use std::fmt::Write as _;

pub(super) fn run(options: &PinOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    let pins = Pins::open(&locations.pin_path).map_err(anyhow::Error::from)?;
    let pins = pins.ok_or_else(|| {
        let path = locations.pin_path.display();
        anyhow!("{path}: nothing is pinned here, so nothing is counted; start edge-filter run")
    })?;
    let book = Book::load(&locations.state_directory, &locations.pin_path)
        .map_err(anyhow::Error::from)?
        .unwrap_or_default();
    let counted = pins.counters.read().map_err(anyhow::Error::from)?;
    let rows = Tally::new(&counted, &book).rows();
    if options.json {
        print_json(&rows)
    } else {
        print(&table(&rows))
    }
}

fn table(rows: &[Row]) -> String {
    const HEADS: [&str; 6] = ["device", "service", "action", "reason", "packets", "bytes"];
    let cells = |row: &Row| {
        [
            row.device.clone(),
            row.service.clone(),
            row.action.into(),
            row.reason.into(),
            row.packets.to_string(),
            row.bytes.to_string(),
        ]
    };
    let mut lines = vec![HEADS.map(String::from)];
    lines.extend(rows.iter().map(cells));
    let widths: Vec<usize> = (0..HEADS.len())
        .map(|n| lines.iter().map(|line| line[n].len()).max().unwrap_or(0))
        .collect();
    let mut text = String::new();
    for line in lines {
        for (n, (cell, &width)) in line.iter().zip(&widths).enumerate() {
            let space = if n == 0 { "" } else { "  " };
            // Writing to a string does not fail.
            let _ = match n {
                4.. => write!(text, "{space}{cell:>width$}"),
                _ => write!(text, "{space}{cell:<width$}"),
            };
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_below_each_other() {
        let row = |device: &str, packets| Row {
            device: device.into(),
            service: "-".into(),
            action: "pass",
            reason: "icmp",
            packets,
            bytes: packets * 60,
        };
        let text = table(&[row("eth0", 1), row("wan", 12345)]);
        assert_eq!(
            text,
            "device  service  action  reason  packets   bytes\n\
             eth0    -        pass    icmp          1      60\n\
             wan     -        pass    icmp      12345  740700\n"
        );
    }
}
