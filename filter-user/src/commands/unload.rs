//! `unload`: the host as if never filtered; by the daemon if one runs, so that it does not attach
//! again, else from the pins alone.

use super::{Failure, print};
use crate::cli::{PathOptions, UnloadOptions};
use crate::control::{self, Answer, ClientError, Request};
use crate::kernel::pins::Folder;
use crate::locations::Locations;
use anyhow::anyhow;
use std::time::Duration;

/// A daemon that does not answer by then is not waited for: this command has to work.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn run(options: &UnloadOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    let by_daemon = match &options.pin_path {
        Some(_) => None,
        None => by_daemon(options, &locations)?,
    };
    let interfaces = match (by_daemon, &options.device) {
        (Some(interfaces), _) => interfaces,
        (None, None) => Folder::new(&locations.pin_path)
            .unload()
            .map_err(anyhow::Error::from)?,
        (None, Some(device)) => {
            let folder = Folder::new(&locations.pin_path);
            let was_attached = folder.detach(device).map_err(anyhow::Error::from)?;
            if was_attached {
                vec![device.clone()]
            } else {
                Vec::new()
            }
        }
    };
    match (interfaces.is_empty(), &options.device) {
        (false, _) => print(&format!("detached from {}\n", interfaces.join(", "))),
        (true, None) => print("no interface was attached; nothing is pinned any more\n"),
        // Most likely misspelt.
        (true, Some(device)) => Err(anyhow!("{device}: the filter was not attached").into()),
    }
}

fn by_daemon(
    options: &UnloadOptions,
    locations: &Locations,
) -> Result<Option<Vec<String>>, Failure> {
    let request = Request::Unload {
        device: options.device.clone(),
    };
    match control::ask(&locations.control_socket, &request, LIMIT) {
        Ok(Answer::Unloaded { interfaces }) => Ok(Some(interfaces)),
        Ok(Answer::Refused(refusal)) => Err(anyhow!(refusal.message).into()),
        Ok(other) => Err(anyhow!("the daemon's answer makes no sense: {other:?}").into()),
        Err(ClientError::NoDaemon { .. }) => Ok(None),
        Err(error) => {
            eprintln!(
                "edge-filter: {:#}; detaching without it",
                anyhow::Error::from(error)
            );
            Ok(None)
        }
    }
}
