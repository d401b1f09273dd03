//! `status`: from the daemon, else from the pins alone.

use super::{Failure, print, print_json};
use crate::applied::Applied;
use crate::cli::{PathOptions, PinOptions};
use crate::control::{self, Answer, ClientError, Request};
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::{Pins, netlink};
use crate::locations::Locations;
use crate::report::{Known, Status};
use crate::state_directory::StateError;
use anyhow::anyhow;
use std::collections::BTreeMap;
use std::time::Duration;

/// A daemon may be busy with a reload for some seconds; a hung one is not waited for.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn run(options: &PinOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    // Who names a pin path asks for what is there, not for what some daemon does.
    let status = match &options.pin_path {
        Some(_) => None,
        None => from_daemon(&locations)?,
    };
    let status = match status {
        Some(status) => status,
        None => from_pins(&locations)?,
    };
    if options.json {
        print_json(&status)
    } else {
        print(&status.to_string())
    }
}

fn from_daemon(locations: &Locations) -> Result<Option<Status>, Failure> {
    match control::ask(&locations.control_socket, &Request::Status {}, LIMIT) {
        Ok(Answer::Status(status)) => Ok(Some(*status)),
        Ok(Answer::Refused(refusal)) => Err(anyhow!(refusal.message).into()),
        Ok(other) => Err(anyhow!("the daemon's answer makes no sense: {other:?}").into()),
        Err(ClientError::NoDaemon { .. }) => Ok(None),
        Err(error) => {
            eprintln!("edge-filter: {:#}", anyhow::Error::from(error));
            Ok(None)
        }
    }
}

fn from_pins(locations: &Locations) -> Result<Status, Failure> {
    let Some(pins) = Pins::open(&locations.pin_path).map_err(anyhow::Error::from)? else {
        return Ok(Status::nothing());
    };
    let (folder, pin_path) = (&locations.state_directory, &locations.pin_path);
    let book = or_say(Book::load(folder, pin_path));
    let in_force = or_say(InForce::load(folder, pin_path));
    let applied = or_say(Applied::load(folder, pin_path));
    let links = netlink::links_now().map_err(anyhow::Error::from)?;
    Ok(Status::new(
        &pins,
        &Known {
            book: &book.unwrap_or_default(),
            in_force: in_force.as_ref(),
            applied: applied.as_ref(),
            links: &links,
            problems: &BTreeMap::new(),
        },
    ))
}

/// The maps are the truth; what is written down beside them only explains.
fn or_say<T>(found: Result<Option<T>, StateError>) -> Option<T> {
    found.unwrap_or_else(|error| {
        eprintln!("edge-filter: {:#}", anyhow::Error::from(error));
        None
    })
}
