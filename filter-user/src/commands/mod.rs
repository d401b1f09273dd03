//! One file a command; each returns how it failed, from which follows the exit status.

#![forbid(unsafe_code)]

mod addresses;
mod allow;
mod allows;
mod apply;
mod ban;
mod bans;
mod bypass;
mod check;
mod confirm;
mod counters;
mod disallow;
mod doctor;
mod events;
mod explain;
mod pages;
mod progress;
mod reload;
mod replay;
mod rollback;
mod run;
mod status;
mod top;
mod unban;
mod unload;

use crate::cli::{Cli, Command};
use crate::config::{self, Errors};
use crate::control::{Refusal, RefusalKind};
use anyhow::anyhow;
use serde_json::json;
use std::io::{self, Write as _};
use std::process::ExitCode;

/// How a command failed.
#[derive(Debug)]
pub enum Failure {
    /// Status 1.
    Failed(anyhow::Error),
    /// Status 3.
    InvalidConfig(Errors),
    /// Status 3; said already, or by the daemon in these words.
    InvalidSaid(String),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Failed(error)
    }
}

impl Failure {
    /// As in the contract: 1 failed, 3 invalid configuration. (2, wrong usage, is clap's.)
    pub const fn status(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::InvalidConfig(_) | Self::InvalidSaid(_) => 3,
        }
    }

    fn say(&self) {
        match self {
            Self::Failed(error) => {
                eprintln!("edge-filter: {error:#}");
                if is_denied(error) && !rustix::process::geteuid().is_root() {
                    eprintln!("edge-filter: permission was denied: run it as root, or by sudo");
                }
            }
            Self::InvalidConfig(errors) => {
                let text = config::render(&errors.diagnostics, config::use_color());
                eprintln!("{text}");
            }
            Self::InvalidSaid(text) if text.is_empty() => {}
            Self::InvalidSaid(text) => eprintln!("{text}"),
        }
    }
}

/// Runs a command.
pub fn run(cli: &Cli) -> ExitCode {
    let result = match &cli.command {
        Command::Run(options) => run::run(options, &cli.paths),
        Command::Check(options) => check::run(options, &cli.paths),
        Command::Reload(options) => reload::run(options, &cli.paths),
        Command::Apply(options) => apply::run(options, &cli.paths),
        Command::Confirm(options) => confirm::run(options, &cli.paths),
        Command::Rollback(options) => rollback::run(options, &cli.paths),
        Command::Status(options) => status::run(options, &cli.paths),
        Command::Counters(options) => counters::run(options, &cli.paths),
        Command::Top(options) => top::run(options, &cli.paths),
        Command::Explain(options) => explain::run(options, &cli.paths),
        Command::Replay(options) => replay::run(options, &cli.paths),
        Command::Events(options) => events::run(options, &cli.paths),
        Command::Ban(options) => ban::run(options, &cli.paths),
        Command::Unban(options) => unban::run(options, &cli.paths),
        Command::Bans(options) => bans::run(options, &cli.paths),
        Command::Allow(options) => allow::run(options, &cli.paths),
        Command::Disallow(options) => disallow::run(options, &cli.paths),
        Command::Allows(options) => allows::run(options, &cli.paths),
        Command::Doctor(options) => doctor::run(options, &cli.paths),
        Command::Bypass(options) => bypass::run(options, &cli.paths),
        Command::Unload(options) => unload::run(options, &cli.paths),
        Command::Completions(options) => pages::completions(options),
        Command::Man(options) => pages::man(options),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.say();
            ExitCode::from(failure.status())
        }
    }
}

/// What the daemon did not do: said as it says it, with the exit status that belongs to it.
fn refused(refusal: &Refusal, json: bool, end: &str) -> Failure {
    if json && let Err(failure) = print_json(&json!({ "refused": refusal })) {
        return failure;
    }
    let text = format!("{}\nedge-filter: {end}", refusal.message);
    match refusal.kind {
        RefusalKind::InvalidConfig => Failure::InvalidSaid(text),
        _ => Failure::Failed(anyhow!(text)),
    }
}

/// Whether somebody without a right asked for something.
fn is_denied(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.kind() == io::ErrorKind::PermissionDenied)
}

/// Data to stdout. A reader that went away, as `head` does, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result.map_err(|error| anyhow::Error::from(error).context("stdout"))?),
    }
}

/// JSON to stdout.
fn print_json(value: &impl serde::Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(value).map_err(anyhow::Error::from)?;
    print(&format!("{text}\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_status_follows_from_the_failure() {
        assert_eq!(Failure::from(anyhow::anyhow!("x")).status(), 1);
        assert_eq!(Failure::InvalidSaid(String::new()).status(), 3);
        let missing = std::path::Path::new("/no/such/file");
        let errors = config::load(missing, &config::HostFacts::default()).unwrap_err();
        assert_eq!(Failure::InvalidConfig(errors).status(), 3);
    }
}
