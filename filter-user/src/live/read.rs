//! A reading for a command: the daemon's word where there is one, else the pins alone.

use super::Reading;
use crate::control::{self, Answer, ClientError, Request};
use crate::daemon::{Shared, unix_now_ms};
use crate::exceptions::Journal;
use crate::ids::Book;
use crate::kernel::netlink::Link;
use crate::kernel::{KernelError, Pins};
use crate::locations::Locations;
use crate::report::{Status, from_pins};
use anyhow::Error;
use std::path::Path;
use std::time::Duration;

/// A daemon that is busy for longer is shown as one that does not answer.
const LIMIT: Duration = Duration::from_secs(2);

/// Reads everything. What cannot be read is among the reading's problems.
///
/// # Errors
/// The pins cannot be opened, or the counters cannot be read.
pub fn read(locations: &Locations, ask_daemon: bool) -> Result<Reading, KernelError> {
    let mut problems = Vec::new();
    let status = match ask_daemon {
        true => from_daemon(locations, &mut problems),
        false => None,
    };
    let status = match status {
        Some(status) => status,
        None => from_pins(locations, |error| {
            problems.push(format!("{:#}", Error::from(error)));
        })?,
    };
    let mut reading = Reading {
        at_unix_ms: unix_now_ms(),
        status,
        ..Reading::default()
    };
    let (folder, pin_path) = (&locations.state_directory, &locations.pin_path);
    let book = Book::load(folder, pin_path).unwrap_or_else(|error| {
        problems.push(format!("{:#}", Error::from(error)));
        None
    });
    reading.problems = problems;
    if let Some(pins) = Pins::open(pin_path)? {
        fill(&mut reading, &pins, &book.unwrap_or_default(), folder)?;
    }
    Ok(reading)
}

/// The same for the daemon itself.
///
/// # Errors
/// The counters cannot be read.
pub fn of_daemon(
    shared: &Shared,
    links: &[Link],
    state_directory: &Path,
) -> Result<Reading, KernelError> {
    let mut reading = Reading {
        at_unix_ms: unix_now_ms(),
        status: shared.status(links),
        ..Reading::default()
    };
    let book = shared.view().book.clone();
    fill(&mut reading, &shared.pins, &book, state_directory)?;
    Ok(reading)
}

/// What stands beside the status.
fn fill(
    reading: &mut Reading,
    pins: &Pins,
    book: &Book,
    state_directory: &Path,
) -> Result<(), KernelError> {
    reading.count(pins, book)?;
    match Journal::new(state_directory).read() {
        Ok(content) => reading.list_bans(&content.ledger, pins, book)?,
        Err(error) => {
            let error = Error::from(error);
            reading.problems.push(format!("{error:#}"));
        }
    }
    Ok(())
}

fn from_daemon(locations: &Locations, problems: &mut Vec<String>) -> Option<Status> {
    match control::ask(&locations.control_socket, &Request::Status {}, LIMIT) {
        Ok(Answer::Status(status)) => return Some(*status),
        Ok(Answer::Refused(refusal)) => problems.push(refusal.message),
        Ok(_) => problems.push("the daemon's answer makes no sense".to_owned()),
        Err(ClientError::NoDaemon { .. }) => {}
        Err(error) => problems.push(format!("{:#}", Error::from(error))),
    }
    None
}
