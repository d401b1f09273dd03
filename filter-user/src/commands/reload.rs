//! `reload`: ask the daemon, and wait.

use super::{Failure, print, print_json, refused};
use crate::cli::{PathOptions, ReloadOptions};
use crate::control::{self, Answer, Request};
use crate::locations::Locations;
use anyhow::anyhow;
use serde_json::json;
use std::time::Duration;

/// Files that never rest are waited for 5 s; a million prefixes of each family take a few more.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run(options: &ReloadOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, None);
    let request = Request::Reload {
        force: options.force,
    };
    let answer =
        control::ask(&locations.control_socket, &request, LIMIT).map_err(anyhow::Error::from)?;
    match answer {
        Answer::Reloaded {
            generation,
            warnings,
        } => {
            if options.json {
                return print_json(&json!({ "generation": generation, "warnings": warnings }));
            }
            for warning in warnings {
                eprintln!("{warning}");
            }
            print(&format!("generation {generation} is in force\n"))
        }
        Answer::Refused(refusal) => {
            let end = "not reloaded; the policy in force stays";
            Err(refused(&refusal, options.json, end))
        }
        other => Err(anyhow!("the daemon's answer makes no sense: {other:?}").into()),
    }
}
