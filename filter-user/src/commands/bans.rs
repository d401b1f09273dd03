//! `bans`: from the maps and the journal; works whoever hangs.

use super::{Failure, print, print_json};
use crate::cli::{ListOptions, PathOptions};
use crate::exceptions::{self, Journal, Kind, Listing, Lock, Now};
use crate::ids::Book;
use crate::kernel::Pins;
use crate::locations::Locations;
use serde_json::json;
use std::time::Duration;

/// Others change 100,000 rows in less.
const PATIENCE: Duration = Duration::from_secs(2);

pub(super) fn run(options: &ListOptions, paths: &PathOptions) -> Result<(), Failure> {
    show(Kind::Ban, options, paths)
}

pub(super) fn show(kind: Kind, options: &ListOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    let (folder, pin_path) = (&locations.state_directory, &locations.pin_path);
    // So that journal and maps are of one moment; who hangs with the lock is not waited for long.
    let _lock = Lock::take(folder, PATIENCE).ok();
    let content = Journal::new(folder).read().map_err(anyhow::Error::from)?;
    for (number, _) in &content.damaged {
        eprintln!(
            "edge-filter: {}/exceptions.jsonl:{number}: this line cannot be read and does not \
             count",
            folder.display()
        );
    }
    let pins = Pins::open(pin_path).map_err(anyhow::Error::from)?;
    if pins.is_none() {
        eprintln!(
            "edge-filter: {}: nothing is pinned here, so NOTHING IS FILTERED; what follows \
             comes in force with edge-filter run",
            pin_path.display()
        );
    }
    let book = Book::load(folder, pin_path).map_err(anyhow::Error::from)?;
    let book = book.unwrap_or_default();
    let rows = exceptions::list(&content.ledger, kind, pins.as_ref(), &book, &Now::read());
    let rows = rows.map_err(anyhow::Error::from)?;
    let listing = Listing::new(rows, options.sort, options.limit, options.page);
    if options.json {
        return print_json(&match kind {
            Kind::Ban => json!({ "total": listing.total, "page": listing.page,
                "pages": listing.pages, "bans": listing.rows }),
            Kind::Allow => json!({ "total": listing.total, "page": listing.page,
                "pages": listing.pages, "allows": listing.rows }),
        });
    }
    print(&listing.to_text())?;
    if listing.pages > 1 {
        eprintln!(
            "page {} of {}, {} in all; another one: --page N",
            listing.page, listing.pages, listing.total
        );
    }
    Ok(())
}
