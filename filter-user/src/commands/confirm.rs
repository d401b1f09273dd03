//! `confirm`: keep what was applied.

use super::{Failure, print, print_json, refused};
use crate::cli::{PathOptions, PrintOptions};
use crate::control::{self, Answer, Request};
use crate::locations::Locations;
use anyhow::anyhow;
use serde_json::json;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(30);

pub(super) fn run(options: &PrintOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, None);
    let answer = control::ask(&locations.control_socket, &Request::Confirm {}, LIMIT)
        .map_err(anyhow::Error::from)?;
    match answer {
        Answer::Confirmed {
            generation,
            config,
            kept,
        } => {
            if options.json {
                return print_json(&json!({
                    "generation": generation,
                    "config": config,
                    "kept": kept,
                }));
            }
            let config = config.display();
            print(&format!(
                "generation {generation} stays; {config} holds it\n"
            ))?;
            match kept {
                Some(kept) => print(&format!("the file before: {}\n", kept.display())),
                None => Ok(()),
            }
        }
        Answer::Refused(refusal) => Err(refused(&refusal, options.json, "not confirmed")),
        other => Err(anyhow!("the daemon's answer makes no sense: {other:?}").into()),
    }
}
