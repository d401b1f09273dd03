//! A status from the pins and from what is written down beside them; the daemon is not asked.

use super::{Known, Status};
use crate::applied::Applied;
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::{KernelError, Pins, netlink};
use crate::locations::Locations;
use crate::state_directory::StateError;
use std::collections::BTreeMap;

/// Reads it. The maps are the truth; what is written down only explains, and `say` is told where
/// it cannot be read.
///
/// # Errors
/// The pins cannot be opened, or netlink does not answer.
pub fn from_pins(
    locations: &Locations,
    mut say: impl FnMut(StateError),
) -> Result<Status, KernelError> {
    let Some(pins) = Pins::open(&locations.pin_path)? else {
        return Ok(Status::nothing());
    };
    let (folder, pin_path) = (&locations.state_directory, &locations.pin_path);
    let book = known(Book::load(folder, pin_path), &mut say);
    let in_force = known(InForce::load(folder, pin_path), &mut say);
    let applied = known(Applied::load(folder, pin_path), &mut say);
    let applied = applied.map(|applied| applied.as_in_force(pins.state.active()));
    let links = netlink::links_now()?;
    Ok(Status::new(
        &pins,
        &Known {
            book: &book.unwrap_or_default(),
            in_force: in_force.as_ref(),
            applied: applied.as_ref(),
            links: &links,
            program: None,
            problems: &BTreeMap::new(),
        },
    ))
}

fn known<T>(found: Result<Option<T>, StateError>, say: &mut impl FnMut(StateError)) -> Option<T> {
    found.unwrap_or_else(|error| {
        say(error);
        None
    })
}
