//! `apply`: a candidate in force, for good or until it is not confirmed.

use super::{Failure, print, print_json, refused};
use crate::cli::{ApplyOptions, PathOptions};
use crate::config::read_bounded;
use crate::control::{self, Answer, Request};
use crate::guard::ssh_connections;
use crate::locations::Locations;
use crate::report::time;
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::time::Duration;

/// A million prefixes of each family take a few seconds.
const LIMIT: Duration = Duration::from_secs(60);

pub(super) fn run(options: &ApplyOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, None);
    let file = options.file.display();
    let bytes = read_bounded(&options.file).with_context(|| format!("{file}: cannot be read"))?;
    let text = String::from_utf8(bytes).with_context(|| format!("{file}: is no UTF-8 text"))?;
    let most = control::MAX_REQUEST_BYTES / 2;
    if text.len() > most {
        let size = text.len();
        return Err(anyhow!(
            "{file}: {size} bytes; a configuration has at most {most}: put prefixes into list files"
        )
        .into());
    }
    let request = Request::Apply {
        text,
        file: std::path::absolute(&options.file).unwrap_or_else(|_| options.file.clone()),
        // What is left of a second is the operator's.
        confirm_seconds: options.confirm.map(|time| time.as_secs_f64().ceil() as u32),
        force: options.force,
        ssh_connection: ssh_connections().into_iter().next(),
    };
    let answer =
        control::ask(&locations.control_socket, &request, LIMIT).map_err(anyhow::Error::from)?;
    match answer {
        Answer::Applied {
            generation,
            reverts_at,
            warnings,
        } => {
            if options.json {
                return print_json(&json!({
                    "generation": generation,
                    "reverts_at": reverts_at,
                    "warnings": warnings,
                }));
            }
            for warning in warnings {
                eprintln!("{warning}");
            }
            match reverts_at {
                None => print(&format!(
                    "generation {generation} is in force, and {} holds it; to undo it: \
                     edge-filter rollback\n",
                    paths.config.display()
                )),
                Some(at) => print(&format!(
                    "generation {generation} is in force until {}; to keep it: edge-filter \
                     confirm\n",
                    time(at)
                )),
            }
        }
        Answer::Refused(refusal) => {
            let end = match refusal.findings.is_empty() {
                true => "not applied; the policy in force stays",
                false => {
                    "not applied, because of what the guard says; the policy in force stays. If \
                     that is meant: --force, best together with --confirm"
                }
            };
            Err(refused(&refusal, options.json, end))
        }
        other => Err(anyhow!("the daemon's answer makes no sense: {other:?}").into()),
    }
}
