//! `ban`: into the maps and the journal, without the daemon.

use super::addresses::Addresses;
use super::{Failure, print};
use crate::cli::{BanOptions, PathOptions};
use crate::config::HostFacts;
use crate::exceptions::{Change, Desk, Kind, Order, Refusals, protected_peers};
use crate::in_force::InForce;
use crate::last_good::{self, Kept};
use crate::locations::Locations;
use anyhow::anyhow;
use std::time::{Duration, UNIX_EPOCH};

pub(super) fn run(options: &BanOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    // Before the lock: whoever writes to standard input may take their time.
    let mut asked = Addresses::read(&options.addresses)?;
    let all = asked.targets.len() + asked.not_understood;
    if !options.force {
        let service = options.service.as_deref();
        let refusals = refusals(&locations, service)?;
        asked.targets.retain(|target| match refusals.find(*target) {
            None => true,
            Some(reason) => {
                eprintln!("edge-filter: {target}: NOT banned: {reason}; --force bans it anyway");
                false
            }
        });
    }
    let banned = asked.targets.len();
    if banned > 0 {
        let desk = Desk::open(&locations).map_err(anyhow::Error::from)?;
        let order = Order {
            kind: Kind::Ban,
            service: options.service.clone(),
            duration: options.duration,
            note: options.note.clone(),
            keeps_longer: options.keep_longer,
        };
        let change = desk.set(&order, &asked.targets);
        print(&summary(&order, &change.map_err(anyhow::Error::from)?))?;
    }
    if banned < all {
        return Err(anyhow!("{} of {all} were not banned", all - banned).into());
    }
    Ok(())
}

/// Whom the policy in force trusts, and peers that matter now.
///
/// # Errors
/// The kept policy cannot be read.
pub(super) fn refusals(locations: &Locations, service: Option<&str>) -> anyhow::Result<Refusals> {
    let state_directory = &locations.state_directory;
    let loaded = last_good::look(Kept::LastGood, state_directory, &HostFacts::default()).map_err(
        |error| {
            let error = anyhow::Error::from(error);
            error.context(
                "cannot tell whom the policy in force protects; --force bans without asking",
            )
        },
    )?;
    let policy = loaded.as_ref().map(|loaded| &loaded.policy);
    // Without it only the scraper is not known.
    let in_force = InForce::load(state_directory, &locations.pin_path);
    let scraper = in_force.ok().flatten().and_then(|found| found.scraper);
    Ok(Refusals::new(policy, service, protected_peers(scraper)))
}

/// One line.
pub(super) fn summary(order: &Order, change: &Change) -> String {
    let sources = match change.new + change.renewed {
        1 => "1 source".to_owned(),
        n => format!("{n} sources"),
    };
    let renewed = match change.renewed {
        0 => String::new(),
        n => format!(" ({n} of them already were, until another time)"),
    };
    let service = match (&order.service, order.kind) {
        (None, Kind::Ban) => "from all services".to_owned(),
        (None, Kind::Allow) => "to all services".to_owned(),
        (Some(name), Kind::Ban) => format!("from service {name}"),
        (Some(name), Kind::Allow) => format!("to service {name}"),
    };
    let until = match change.until_unix {
        None => "without end".to_owned(),
        Some(until) => {
            let time = UNIX_EPOCH + Duration::from_secs(until);
            format!("until {}", humantime::format_rfc3339_seconds(time))
        }
    };
    let verb = order.kind.participle();
    let kept = match change.kept {
        0 => String::new(),
        1 => format!("; 1 source stays {verb} for longer"),
        n => format!("; {n} sources stay {verb} for longer"),
    };
    format!("{verb} {sources}{renewed} {service}, {until}{kept}\n")
}
