//! `counters`: what was counted, from the pins alone.

use super::{Failure, print, print_json};
use crate::cli::{PathOptions, PinOptions};
use crate::columns::columns;
use crate::ids::Book;
use crate::kernel::Pins;
use crate::locations::Locations;
use crate::tally::{Row, Tally};
use anyhow::anyhow;

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
    let rows: Vec<_> = rows.iter().map(cells).collect();
    let heads = ["device", "service", "action", "reason", "packets", "bytes"];
    columns(heads, &rows, 2)
}
