//! Numbers by name. A name that was removed keeps its number until every other is taken too, so
//! that it finds its counters when it comes back; then the one removed first gives way.

use serde::{Deserialize, Serialize};

/// Names and their numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roster {
    entries: Vec<Entry>,
}

/// One name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Of a service or an interface.
    pub name: String,
    /// Its number.
    pub number: u8,
    /// How many removals came before it was removed; `None` while it is in use.
    pub removed: Option<u64>,
}

/// Numbers given out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Assigned {
    /// In the order of the names.
    pub numbers: Vec<u8>,
    /// Those that belonged to another name before.
    pub reused: Vec<u8>,
}

impl Roster {
    /// The name that has a number, in use or not.
    pub fn name(&self, number: u8) -> Option<&str> {
        let entry = self.entries.iter().find(|entry| entry.number == number)?;
        Some(&entry.name)
    }

    /// The number of a name that is in use.
    pub fn number(&self, name: &str) -> Option<u8> {
        let mut in_use = self.entries.iter().filter(|entry| entry.removed.is_none());
        Some(in_use.find(|entry| entry.name == name)?.number)
    }

    /// Numbers below `capacity` for at most as many names, which are distinct.
    pub(super) fn assign(&mut self, names: &[&str], capacity: u8) -> Assigned {
        self.remove_others(names);
        let mut assigned = Assigned::default();
        for name in names {
            let number = match self.entries.iter_mut().find(|entry| entry.name == *name) {
                Some(entry) => {
                    entry.removed = None;
                    entry.number
                }
                None => self.give_out(name, capacity, &mut assigned.reused, names),
            };
            assigned.numbers.push(number);
        }
        assigned
    }

    fn remove_others(&mut self, names: &[&str]) {
        let mut next = self.entries.iter().filter_map(|e| e.removed).max();
        for entry in &mut self.entries {
            if entry.removed.is_none() && !names.contains(&entry.name.as_str()) {
                let order = next.map_or(0, |last| last + 1);
                entry.removed = Some(order);
                next = Some(order);
            }
        }
    }

    fn give_out(&mut self, name: &str, capacity: u8, reused: &mut Vec<u8>, names: &[&str]) -> u8 {
        let is_taken = |number: u8| self.entries.iter().any(|e| e.number == number);
        if let Some(number) = (0..capacity).find(|number| !is_taken(*number)) {
            self.entries.push(Entry {
                name: name.into(),
                number,
                removed: None,
            });
            return number;
        }
        // A name that is about to come back, further down in the policy, keeps its number.
        let removed = self
            .entries
            .iter_mut()
            .filter(|entry| entry.removed.is_some() && !names.contains(&entry.name.as_str()));
        match removed.min_by_key(|entry| entry.removed) {
            Some(entry) => {
                entry.name = name.into();
                entry.removed = None;
                reused.push(entry.number);
                entry.number
            }
            // More names than the capacity: the compiler refuses this number.
            None => capacity,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(roster: &mut Roster, names: &[&str]) -> (Vec<u8>, Vec<u8>) {
        let assigned = roster.assign(names, 3);
        (assigned.numbers, assigned.reused)
    }

    #[test]
    fn names_keep_their_numbers_in_any_order() {
        let mut roster = Roster::default();
        assert_eq!(numbers(&mut roster, &["a", "b"]), (vec![0, 1], vec![]));
        assert_eq!(
            numbers(&mut roster, &["c", "b", "a"]),
            (vec![2, 1, 0], vec![])
        );
    }

    #[test]
    fn a_name_that_comes_back_gets_its_number_back() {
        let mut roster = Roster::default();
        numbers(&mut roster, &["a", "b"]);
        numbers(&mut roster, &["b"]);
        assert_eq!(roster.number("a"), None);
        assert_eq!(roster.name(0), Some("a"));
        assert_eq!(numbers(&mut roster, &["c", "a"]), (vec![2, 0], vec![]));
    }

    #[test]
    fn the_name_removed_first_gives_way_first_and_only_when_all_are_taken() {
        let mut roster = Roster::default();
        numbers(&mut roster, &["a", "b", "c"]);
        numbers(&mut roster, &["a", "c"]);
        numbers(&mut roster, &["c"]);
        assert_eq!(numbers(&mut roster, &["c", "d"]), (vec![2, 1], vec![1]));
        assert_eq!(numbers(&mut roster, &["c", "e"]), (vec![2, 0], vec![0]));
        assert_eq!(roster.name(1), Some("d"));
    }

    #[test]
    fn a_name_that_comes_back_is_not_robbed_by_one_before_it() {
        let mut roster = Roster::default();
        numbers(&mut roster, &["a", "b", "c"]);
        numbers(&mut roster, &["c"]);
        assert_eq!(numbers(&mut roster, &["x", "a"]), (vec![1, 0], vec![1]));
    }
}
