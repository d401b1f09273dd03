//! `rollback`: the policy before the last apply; by the daemon, else from the pins alone.

use super::{Failure, print, print_json, refused};
use crate::applied::{Applied, Stage};
use crate::cli::{PathOptions, PinOptions};
use crate::configured;
use crate::control::{self, Answer, ClientError, Request};
use crate::daemon::unix_now;
use crate::kernel::{Pins, clock};
use crate::last_good::{self, Kept};
use crate::locations::Locations;
use crate::report::time;
use anyhow::{Context as _, anyhow};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// A daemon that does not answer by then is not waited for: this command has to work.
const LIMIT: Duration = Duration::from_secs(10);

pub(super) fn run(options: &PinOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    // Who names a pin path asks for what is there, not for what some daemon does.
    let by_daemon = match &options.pin_path {
        Some(_) => None,
        None => by_daemon(options, &locations)?,
    };
    let (generation, restored) = match by_daemon {
        Some(done) => done,
        None => by_pins(&locations)?,
    };
    if options.json {
        return print_json(&json!({ "generation": generation, "restored": restored }));
    }
    print(&format!(
        "generation {generation}: the policy before the last apply is in force\n"
    ))?;
    match restored {
        Some(config) => print(&format!(
            "{} is as before; what was undone: {}.undone\n",
            config.display(),
            config.display()
        )),
        None => Ok(()),
    }
}

type Done = (u32, Option<PathBuf>);

fn by_daemon(options: &PinOptions, locations: &Locations) -> Result<Option<Done>, Failure> {
    match control::ask(&locations.control_socket, &Request::Rollback {}, LIMIT) {
        Ok(Answer::RolledBack {
            generation,
            restored,
        }) => Ok(Some((generation, restored))),
        Ok(Answer::Refused(refusal)) => Err(refused(&refusal, options.json, "not rolled back")),
        Ok(other) => Err(anyhow!("the daemon's answer makes no sense: {other:?}").into()),
        Err(ClientError::NoDaemon { .. }) => Ok(None),
        Err(error) => {
            eprintln!(
                "edge-filter: {:#}; rolling back without it",
                anyhow::Error::from(error)
            );
            Ok(None)
        }
    }
}

/// One store does it; the files follow, and a daemon that wakes up finds them so.
fn by_pins(locations: &Locations) -> anyhow::Result<Done> {
    let (folder, pin_path) = (&locations.state_directory, &locations.pin_path);
    let state = Pins::open_state(pin_path)?
        .ok_or_else(|| anyhow!("{}: nothing is pinned here", pin_path.display()))?;
    let active = state.active();
    if !active.is_set() || !active.has_previous() {
        return Err(anyhow!("nothing was applied: nothing to roll back"));
    }
    let record = Applied::load(folder, pin_path).unwrap_or_else(|error| {
        eprintln!("edge-filter: {:#}", anyhow::Error::from(error));
        None
    });
    let record = record.map(|record| record.as_in_force(active));
    let record = record.filter(|record| record.generation == active.generation());
    if active.is_reverted(clock::boot_seconds()) {
        let at = record.as_ref().and_then(Applied::deadline);
        let at = at.map_or_else(String::new, |at| format!(" at {}", time(at)));
        return Err(anyhow!("reverted{at} already"));
    }
    let after = active.rolled_back();
    if !state.swap_active(active, after) {
        return Err(anyhow!(
            "the policy changed at this moment: look at `edge-filter status`"
        ));
    }
    let generation = after.generation();
    let Some(mut record) = record else {
        eprintln!(
            "edge-filter: {}: says nothing of this policy; the configured file is left alone",
            folder.display()
        );
        return Ok((generation, None));
    };
    let undo = record.to_undo(folder);
    // The file first: with the candidate in its place, the next start would put that in force again.
    let restored = undo.config.then(|| configured::restore(&record.config));
    record.stage = Stage::RolledBack { at: unix_now() };
    let mut previous = record.previous.clone();
    previous.generation = generation;
    previous.applied_at = unix_now();
    let mut written = vec![record.save(folder), previous.save(folder)];
    if undo.last_good {
        written.push(last_good::rename(Kept::Previous, Kept::LastGood, folder));
    }
    for error in written.into_iter().filter_map(Result::err) {
        let error = anyhow::Error::from(error);
        eprintln!(
            "edge-filter: the policy before is in force, but that is not written down: {error:#}"
        );
    }
    let restored = restored.transpose().with_context(|| {
        let config = record.config.display();
        format!("the policy before is in force, but {config} cannot be put back")
    })?;
    Ok((generation, restored))
}
