//! `allow`: a timed exception, into the maps and the journal, without the daemon.

use super::addresses::Addresses;
use super::{Failure, ban, print};
use crate::cli::{AllowOptions, PathOptions};
use crate::exceptions::{Desk, Kind, Order};
use crate::kernel::clock;
use crate::locations::Locations;
use anyhow::anyhow;

pub(super) fn run(options: &AllowOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    let asked = Addresses::read(&options.addresses)?;
    if !asked.targets.is_empty() {
        let desk = Desk::open(&locations).map_err(anyhow::Error::from)?;
        let order = Order {
            kind: Kind::Allow,
            service: options.service.clone(),
            duration: Some(options.duration),
            note: options.note.clone(),
            keeps_longer: false,
        };
        let change = desk.set(&order, &asked.targets);
        print(&ban::summary(&order, &change.map_err(anyhow::Error::from)?))?;
        warn_of_bans(&desk, &order, &asked)?;
    }
    match asked.not_understood {
        0 => Ok(()),
        n => Err(anyhow!("{n} lines were no address").into()),
    }
}

/// A ban wins: whoever allows a banned partner would wonder.
fn warn_of_bans(desk: &Desk, order: &Order, asked: &Addresses) -> Result<(), Failure> {
    let now_ns = clock::monotonic_ns();
    let scope = desk.scope(order.service.as_deref());
    let scope = scope.map_err(anyhow::Error::from)?;
    for target in &asked.targets {
        let is_banned = desk.ban_of(*target, scope, now_ns);
        if is_banned.map_err(anyhow::Error::from)? {
            eprintln!(
                "edge-filter: {target}: is also BANNED, which wins; to end that: edge-filter unban \
                 {target}"
            );
        }
    }
    Ok(())
}
