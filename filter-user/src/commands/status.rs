//! `status`: from the daemon, else from the pins alone.

use super::{Failure, print, print_json};
use crate::cli::{PathOptions, PinOptions};
use crate::control::{self, Answer, ClientError, Request};
use crate::locations::Locations;
use crate::report::{Status, from_pins};
use anyhow::anyhow;
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
        None => from_pins(&locations, |error| {
            eprintln!("edge-filter: {:#}", anyhow::Error::from(error));
        })
        .map_err(anyhow::Error::from)?,
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
