//! Numbers of services and slots of interfaces, by name, kept across reloads and restarts: what
//! the kernel counts under a number must never be shown under another's name.

#![forbid(unsafe_code)]

mod roster;

pub use roster::{Entry, Roster};

use crate::compile;
use crate::config::policy::Policy;
use crate::in_force::InForce;
use crate::kernel::counters::Counted;
use crate::state_directory::{self, StateError};
use filter_common::policy::{INTERFACES, SERVICES};
use filter_common::verdict::{Count, Outcome};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

const FILE: &str = "ids.json";

/// Who has which number, and what each counter stood at when its number went to a new name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Book {
    /// The numbers are those of the maps pinned here.
    pub pin_path: PathBuf,
    /// Services.
    pub services: Roster,
    /// Interfaces.
    pub interfaces: Roster,
    /// What is subtracted from counters.
    bases: Vec<Base>,
    /// What is added to counters: of the maps of an earlier ABI.
    #[serde(default)]
    carried: Vec<Base>,
    /// Which ABI that was.
    #[serde(default)]
    carried_from: Option<u32>,
}

/// What a counter stood at when its number was given to a new name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Base {
    interface: u32,
    service: Option<u8>,
    outcome: u8,
    packets: u64,
    bytes: u64,
}

impl Base {
    fn new(counted: &Counted) -> Self {
        Self {
            interface: counted.interface,
            service: counted.service,
            outcome: counted.outcome.number(),
            packets: counted.count.packets,
            bytes: counted.count.bytes,
        }
    }

    /// What it stands for; `None` if this version knows no such outcome.
    fn counted(&self) -> Option<Counted> {
        Some(Counted {
            interface: self.interface,
            service: self.service,
            outcome: Outcome::from_number(self.outcome)?,
            count: Count {
                packets: self.packets,
                bytes: self.bytes,
            },
        })
    }

    const fn place(&self) -> (u32, Option<u8>, u8) {
        (self.interface, self.service, self.outcome)
    }
}

/// Two policies that have to stand beside each other, for a revert, have too many names.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{count} {what} with different names, in this policy and in the one that it may revert to: at \
     most {capacity} fit; apply the change in two steps, or without --confirm"
)]
pub struct TooManyNames {
    what: &'static str,
    count: usize,
    capacity: usize,
}

impl TooManyNames {
    fn check(
        what: &'static str,
        names: &[&str],
        capacity: usize,
        beside: Option<&InForce>,
    ) -> Result<(), Self> {
        // One policy alone is the compiler's business.
        if beside.is_none() || names.len() <= capacity {
            return Ok(());
        }
        Err(Self {
            what,
            count: names.len(),
            capacity,
        })
    }
}

/// Names, then those of others that are not among them.
fn union<'a>(names: &[&'a str], others: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut union = names.to_vec();
    for other in others {
        if !union.contains(&other) {
            union.push(other);
        }
    }
    union
}

impl Book {
    /// An empty book for a pin path.
    pub fn new(pin_path: &Path) -> Self {
        Self {
            pin_path: pin_path.to_path_buf(),
            ..Self::default()
        }
    }

    /// The same for a daemon: what is damaged is set aside, and is as nothing.
    pub fn recover(state_directory: &Path, pin_path: &Path) -> Option<Self> {
        let book: Option<Self> = state_directory::recover_json(&state_directory.join(FILE));
        book.filter(|book| book.pin_path == pin_path)
    }

    /// The book of a pin path; `None` if there is none.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(state_directory: &Path, pin_path: &Path) -> Result<Option<Self>, StateError> {
        let book: Option<Self> = state_directory::read_json(&state_directory.join(FILE))?;
        Ok(book.filter(|book| book.pin_path == pin_path))
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The state directory cannot be written to.
    pub fn save(&self, state_directory: &Path) -> Result<(), StateError> {
        state_directory::write_json(&state_directory.join(FILE), self)
    }

    /// Numbers for a policy. Names keep theirs, also those of `beside`, the policy that may come
    /// back; a number that goes to a new name starts at zero, whatever `counted`, the counters
    /// as they stand, says.
    ///
    /// # Errors
    /// The names of both policies are more than there are numbers.
    pub fn assign(
        &mut self,
        policy: &Policy,
        beside: Option<&InForce>,
        counted: &[Counted],
    ) -> Result<compile::Ids, TooManyNames> {
        let own: Vec<_> = policy.services.iter().map(|s| s.name.as_str()).collect();
        let others = beside.map_or(&[][..], |beside| &beside.services);
        let names = union(&own, others.iter().map(|s| s.name.as_str()));
        TooManyNames::check("services", &names, SERVICES, beside)?;
        let mut services = self.services.assign(&names, SERVICES as u8);
        services.numbers.truncate(own.len());
        let own: Vec<_> = policy.interfaces.iter().map(|i| i.name.as_str()).collect();
        let others = beside.map_or(&[][..], |beside| &beside.interfaces);
        let names = union(&own, others.iter().map(String::as_str));
        TooManyNames::check("interfaces", &names, INTERFACES, beside)?;
        let mut interfaces = self.interfaces.assign(&names, INTERFACES as u8);
        interfaces.numbers.truncate(own.len());
        self.start_over(counted, |counted| {
            let slot = u8::try_from(counted.interface).ok();
            counted
                .service
                .is_some_and(|n| services.reused.contains(&n))
                || slot.is_some_and(|n| interfaces.reused.contains(&n))
        });
        Ok(compile::Ids {
            services: services.numbers,
            interfaces: interfaces.numbers,
        })
    }

    /// The counters start at zero by themselves: the maps are new.
    pub fn forget_bases(&mut self) {
        self.bases.clear();
        self.carried.clear();
        self.carried_from = None;
    }

    /// Whether what another ABI's maps counted is added already.
    pub fn is_carried_from(&self, abi: u32) -> bool {
        self.carried_from == Some(abi)
    }

    /// New maps take the place of another ABI's, which counted this: it is added from now on, once.
    pub fn carry_over(&mut self, abi: u32, counted: &[Counted]) {
        if self.carried_from.replace(abi) == Some(abi) {
            return;
        }
        let carried = self.since_named(counted);
        self.bases.clear();
        self.carried = carried.iter().map(Base::new).collect();
    }

    /// Nobody knows whose counters these are: everything starts at zero from here.
    pub fn start_all_over(&mut self, counted: &[Counted]) {
        self.start_over(counted, |_| true);
    }

    fn start_over(&mut self, counted: &[Counted], which: impl Fn(&Counted) -> bool) {
        let fresh: Vec<_> = counted.iter().filter(|c| which(c)).map(Base::new).collect();
        self.bases
            .retain(|old| fresh.iter().all(|new| new.place() != old.place()));
        self.bases.extend(fresh);
        self.carried
            .retain(|base| base.counted().is_some_and(|counted| !which(&counted)));
    }

    /// Counters, less what belongs to earlier names, and with what other maps counted before.
    /// None is zero.
    pub fn since_named(&self, counted: &[Counted]) -> Vec<Counted> {
        let bases: HashMap<_, _> = self.bases.iter().map(|b| (b.place(), b)).collect();
        let mut carried: BTreeMap<_, _> = self.carried.iter().map(|b| (b.place(), b)).collect();
        let since = |counted: &Counted| {
            let place = Base::new(counted).place();
            let (less, more) = (bases.get(&place), carried.remove(&place));
            let sum = |now: u64, part: fn(&Base) -> u64| {
                let since = now.saturating_sub(less.map_or(0, |base| part(base)));
                since + more.map_or(0, part)
            };
            let count = Count {
                packets: sum(counted.count.packets, |base| base.packets),
                bytes: sum(counted.count.bytes, |base| base.bytes),
            };
            Counted { count, ..*counted }
        };
        let mut counted: Vec<_> = counted.iter().map(since).collect();
        counted.extend(carried.values().filter_map(|base| base.counted()));
        counted.retain(|c| c.count != Count::default());
        counted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(interface: u32, service: u8, packets: u64) -> Counted {
        Counted {
            interface,
            service: Some(service),
            outcome: Outcome::ALLOWED,
            count: Count {
                packets,
                bytes: 60 * packets,
            },
        }
    }

    #[test]
    fn a_number_that_goes_to_a_new_name_starts_at_zero_and_only_grows() {
        let mut book = Book::new(Path::new("/p"));
        let before = [counted(0, 0, 10), counted(0, 1, 7)];
        book.start_over(&before, |c| c.service == Some(0));
        assert_eq!(book.since_named(&before), [counted(0, 1, 7)]);
        let after = [counted(0, 0, 12), counted(0, 1, 9)];
        assert_eq!(
            book.since_named(&after),
            [counted(0, 0, 2), counted(0, 1, 9)]
        );
        book.start_over(&after, |c| c.service == Some(0));
        assert_eq!(book.since_named(&after), [counted(0, 1, 9)]);
        book.forget_bases();
        assert_eq!(book.since_named(&after), after);
    }

    #[test]
    fn what_earlier_maps_counted_is_added_until_the_number_goes_to_a_new_name() {
        let mut book = Book::new(Path::new("/p"));
        book.start_over(&[counted(0, 0, 10)], |_| true);
        for _ in 0..2 {
            book.carry_over(1, &[counted(0, 0, 15), counted(0, 1, 7)]);
        }
        assert_eq!(book.since_named(&[]), [counted(0, 0, 5), counted(0, 1, 7)]);
        let now = [counted(0, 1, 3)];
        assert_eq!(
            book.since_named(&now),
            [counted(0, 1, 10), counted(0, 0, 5)]
        );
        // Carried over twice, and then given away.
        book.carry_over(2, &now);
        book.start_over(&[], |c| c.service == Some(1));
        assert_eq!(book.since_named(&[]), [counted(0, 0, 5)]);
    }

    #[test]
    fn counters_of_unknown_origin_are_nobodys() {
        let mut book = Book::new(Path::new("/p"));
        let found = [counted(3, 0, 10), counted(16, 1, 7)];
        book.start_all_over(&found);
        assert_eq!(book.since_named(&found), []);
    }

    #[test]
    fn a_book_of_another_pin_path_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let mut book = Book::new(Path::new("/p"));
        book.start_all_over(&[counted(3, 0, 10)]);
        book.save(folder.path()).unwrap();
        let found = Book::load(folder.path(), Path::new("/p")).unwrap();
        assert_eq!(found, Some(book));
        let found = Book::load(folder.path(), Path::new("/q")).unwrap();
        assert_eq!(found, None);
    }
}
