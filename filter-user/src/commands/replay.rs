//! `replay`: a capture through a configuration, offline; on request beside the policy in force.

use super::progress::Progress;
use super::{Failure, print, print_json};
use crate::applied::Applied;
use crate::cli::{Against, PathOptions, ReplayOptions};
use crate::config::{self, HostFacts, Loaded};
use crate::daemon::beyond_capacity;
use crate::kernel::{Pins, clock};
use crate::last_good::{self, Kept};
use crate::locations::Locations;
use crate::replay::{About, Capture, Judge, JudgeError, Replay, ReplayError, Report};
use anyhow::{Context as _, anyhow};
use std::fs::File;
use std::io::Read;
use std::path::Path;

pub(super) fn run(options: &ReplayOptions, paths: &PathOptions) -> Result<(), Failure> {
    let progress = Progress::new(options.json);
    progress.reading();
    let facts = HostFacts::read();
    let loaded = config::load(&paths.config, &facts).map_err(Failure::InvalidConfig)?;
    progress.compiling(loaded.policy.prefixes());
    let judge = judge(options, &loaded, &facts, &paths.config)?;
    let against = match options.against {
        Some(Against::Running) => Some(running(options, paths, &facts)?),
        None => None,
    };
    let against_generation = against.as_ref().map(|(_, generation)| *generation);
    let mut replay = Replay::new(judge, against.map(|(then, _)| then), options.to.clone());

    let name = options.capture.display().to_string();
    let mut capture =
        Capture::new(open(&options.capture, &progress)?).with_context(|| name.clone())?;
    // A capture that is damaged further on still tells of what lies before.
    let damage = match replay.run(&mut capture) {
        Ok(()) => None,
        Err(ReplayError::Capture(error)) => Some(anyhow::Error::from(error)),
        Err(error) => return Err(anyhow::Error::from(error).context(name).into()),
    };
    drop(progress);
    let about = About {
        capture: name.clone(),
        format: capture.format(),
        config: paths.config.display().to_string(),
        cut_at_byte: capture.cut_at(),
        damage: damage.as_ref().map(|error| format!("{error:#}")),
        against_generation,
    };
    let report = Report::new(about, &replay, options.top);
    if options.json {
        print_json(&report)?;
    } else {
        print(&report.to_string())?;
    }
    match damage {
        Some(error) => Err(error.context(name).into()),
        None => Ok(()),
    }
}

fn open(path: &Path, progress: &Progress) -> Result<Box<dyn Read>, Failure> {
    if path == Path::new("-") {
        return Ok(Box::new(progress.judging(None, std::io::stdin())));
    }
    let file = File::open(path).with_context(|| path.display().to_string())?;
    // A pipe has no size.
    let found = file.metadata().ok().filter(std::fs::Metadata::is_file);
    let bytes = found.map(|found| found.len());
    Ok(Box::new(progress.judging(bytes, file)))
}

fn judge(
    options: &ReplayOptions,
    loaded: &Loaded,
    facts: &HostFacts,
    path: &Path,
) -> Result<Judge, Failure> {
    let device = options.device.as_deref();
    match Judge::new(&loaded.policy, device, &facts.ephemeral_ports) {
        Ok(judge) => Ok(judge),
        Err(JudgeError::Compile(error)) => {
            Err(Failure::InvalidConfig(beyond_capacity(path, &error)))
        }
        Err(error) => {
            let error = anyhow::Error::from(error).context(path.display().to_string());
            Err(error.into())
        }
    }
}

/// The policy that judges now, and its generation.
fn running(
    options: &ReplayOptions,
    paths: &PathOptions,
    facts: &HostFacts,
) -> Result<(Judge, u32), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    let (folder, pin_path) = (&locations.state_directory, &locations.pin_path);
    let path = pin_path.display();
    let pins = Pins::open(pin_path).map_err(anyhow::Error::from)?;
    let pins = pins.ok_or_else(|| {
        anyhow!(
            "{path}: nothing is pinned here, so no policy is in force to compare with; start \
             edge-filter run, or leave out --against"
        )
    })?;
    let active = pins.state.active();
    let applied = Applied::load(folder, pin_path).map_err(anyhow::Error::from)?;
    let applied = applied.map(|applied| applied.as_in_force(active));
    let kept = match applied {
        Some(applied)
            if applied.is_pending(active) && !active.is_reverted(clock::boot_seconds()) =>
        {
            Kept::Candidate(active.generation())
        }
        _ => Kept::LastGood,
    };
    let loaded = last_good::look(kept, folder, facts).map_err(anyhow::Error::from)?;
    let loaded = loaded.ok_or_else(|| {
        let folder = folder.display();
        anyhow!("{folder} has no copy of the policy in force; edge-filter reload makes one")
    })?;
    let copy = kept.path(folder);
    Ok((judge(options, &loaded, facts, &copy)?, active.generation()))
}
