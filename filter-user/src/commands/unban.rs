//! `unban`: out of the maps and the journal, without the daemon.

use super::addresses::Addresses;
use super::{Failure, print};
use crate::cli::{LiftOptions, PathOptions};
use crate::exceptions::{Desk, Kind};
use crate::locations::Locations;
use anyhow::anyhow;

pub(super) fn run(options: &LiftOptions, paths: &PathOptions) -> Result<(), Failure> {
    lift(Kind::Ban, options, paths)
}

/// What was not in force is no failure: fail2ban lifts bans that have just expired.
pub(super) fn lift(kind: Kind, options: &LiftOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    let asked = Addresses::read(&options.addresses)?;
    if !asked.targets.is_empty() {
        let desk = Desk::open(&locations).map_err(anyhow::Error::from)?;
        if desk.pins.is_none() {
            let path = locations.pin_path.display();
            eprintln!("edge-filter: {path}: nothing is pinned here; only the journal is changed");
        }
        let lifted = desk.lift(kind, options.which(), &asked.targets);
        let lifted = lifted.map_err(anyhow::Error::from)?;
        let (noun, participle) = (kind.noun(), kind.participle());
        for lifted in &lifted {
            let target = lifted.target;
            if let Some(network) = lifted.covered_by {
                eprintln!(
                    "edge-filter: {target}: is still {participle}, as part of {network}; to end \
                     that too, name {network}"
                );
            } else if lifted.goes_on_with_another_note {
                eprintln!(
                    "edge-filter: {target}: is still {participle}, with another note; to end that \
                     too, leave --note out"
                );
            } else if lifted.goes_on_for_all {
                eprintln!(
                    "edge-filter: {target}: is still {participle} as concerns every service; to \
                     end that too, leave --service out"
                );
            } else if !lifted.was_in_force {
                eprintln!("edge-filter: {target}: no {noun} was in force");
            }
        }
        let count = lifted.iter().filter(|lifted| lifted.was_in_force).count();
        let sources = if count == 1 { "source" } else { "sources" };
        print(&format!("{count} {sources} no longer {participle}\n"))?;
    }
    match asked.not_understood {
        0 => Ok(()),
        n => Err(anyhow!("{n} lines were no address").into()),
    }
}
