//! What a command works on: the pins, the numbers of services and the journal, under the lock.

use super::{Journal, Lock, LockError, Target};
use crate::ids::Book;
use crate::kernel::exceptions::ExceptionMap;
use crate::kernel::{KernelError, Pins};
use crate::locations::Locations;
use crate::state_directory::{self, StateError};
use filter_common::addr::Scope;
use std::path::PathBuf;
use std::time::Duration;

/// Others change 100,000 rows in a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held while bans or allows are changed; the daemon is not asked.
pub struct Desk {
    /// The maps; `None` if nothing is pinned.
    pub pins: Option<Pins>,
    /// Numbers of services.
    pub book: Book,
    /// What was said so far.
    pub journal: Journal,
    pin_path: PathBuf,
    _lock: Lock,
}

/// Why nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The state directory.
    #[error(transparent)]
    State(#[from] StateError),
    /// Somebody else is at it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The pins.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// There are none.
    #[error("{0}: nothing is pinned here, so nothing is filtered; start edge-filter run")]
    NothingPinned(PathBuf),
    /// A service that the policy in force does not have.
    #[error("no service {name:?} is in the policy in force; it has: {known}")]
    NoSuchService {
        /// As it was typed.
        name: String,
        /// The others.
        known: String,
    },
}

impl Desk {
    /// Takes the lock and opens everything.
    ///
    /// # Errors
    /// What cannot be opened, or who holds the lock.
    pub fn open(locations: &Locations) -> Result<Self, DeskError> {
        state_directory::create(&locations.state_directory)?;
        let lock = Lock::take(&locations.state_directory, PATIENCE)?;
        // Read under the lock: the daemon renumbers under it.
        let book = Book::load(&locations.state_directory, &locations.pin_path)?;
        Ok(Self {
            pins: Pins::open(&locations.pin_path)?,
            book: book.unwrap_or_default(),
            journal: Journal::new(&locations.state_directory),
            pin_path: locations.pin_path.clone(),
            _lock: lock,
        })
    }

    /// The maps.
    ///
    /// # Errors
    /// Nothing is pinned.
    pub fn pinned(&self) -> Result<&Pins, DeskError> {
        let nothing = || DeskError::NothingPinned(self.pin_path.clone());
        self.pins.as_ref().ok_or_else(nothing)
    }

    /// Of a service's name; every service without one.
    ///
    /// # Errors
    /// The policy in force has no such service.
    pub fn scope(&self, service: Option<&str>) -> Result<Scope, DeskError> {
        let Some(name) = service else {
            return Ok(Scope::All);
        };
        let number = self.book.services.number(name);
        let number = number.ok_or_else(|| {
            let known = (0..=u8::MAX).filter_map(|n| self.book.services.name(n));
            let known = known.filter(|name| self.book.services.number(name).is_some());
            DeskError::NoSuchService {
                name: name.to_owned(),
                known: known.collect::<Vec<_>>().join(", "),
            }
        })?;
        Ok(Scope::Service(number))
    }

    /// Until when this source is banned from this service, or from all, if it is.
    ///
    /// # Errors
    /// The maps cannot be read.
    pub fn ban_of(&self, target: Target, scope: Scope, now_ns: u64) -> Result<bool, DeskError> {
        let bans: &ExceptionMap = &self.pinned()?.exceptions.bans;
        let targets = [Some(target), target.network()];
        for target in targets.into_iter().flatten() {
            for scope in [scope, Scope::All] {
                if bans
                    .get(&target.key(scope))?
                    .is_some_and(|end| end > now_ns)
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}
