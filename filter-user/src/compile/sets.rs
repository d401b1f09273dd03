//! The sets of sources that a policy names: each list and each place where prefixes are
//! written, and what being in it means.

use super::profiles::Profiles;
use super::ranges::{Key, Packed};
use crate::config::policy::{Policy, Sources};
use filter_common::policy::{ClassEntry, ClassRow, SERVICES};

/// What a service says about the sources of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Says {
    Allow,
    Deny,
    Exempt,
    /// The profile of an override.
    Rate(u16),
    /// Not a service's: `management`.
    Management,
}

/// A set, by its number: lists first, in the policy's order.
struct Set<'a> {
    /// As the configuration names it.
    name: String,
    /// Service number and what it says; the number is 0 and means nothing for `management`.
    effects: Vec<(u8, Says)>,
    /// Where prefixes are written in place; `None` for a list.
    in_place: Option<&'a Sources>,
}

/// All sets of a policy.
pub(super) struct Sets<'a> {
    policy: &'a Policy,
    sets: Vec<Set<'a>>,
    /// The row of sources that are in no set.
    pub nowhere: ClassRow,
}

impl<'a> Sets<'a> {
    pub fn new(policy: &'a Policy, numbers: &[u8], profiles: &Profiles) -> Self {
        let lists = policy.lists.iter().map(|list| Set {
            name: format!("list \"{}\"", list.name),
            effects: Vec::new(),
            in_place: None,
        });
        let mut sets = Self {
            policy,
            sets: lists.collect(),
            nowhere: [ClassEntry::default(); SERVICES],
        };
        for (at, service) in policy.services.iter().enumerate() {
            let number = numbers[at];
            sets.nowhere[usize::from(number)] = ClassEntry::new(0, profiles.own[at]);
            let mut add = |key: &str, sources, says| {
                let name = format!("`{key}` of service \"{}\"", service.name);
                sets.add(name, sources, (number, says));
            };
            add("allow", &service.allow, Says::Allow);
            add("deny", &service.deny, Says::Deny);
            add("exempt", &service.exempt, Says::Exempt);
            let overrides = service.rate_limit.iter().flat_map(|limit| &limit.overrides);
            for (other, &profile) in overrides.zip(&profiles.overrides[at]) {
                add("override", &other.sources, Says::Rate(profile));
            }
        }
        if let Some(management) = &policy.management {
            let effect = (0, Says::Management);
            sets.add("`from` of management".into(), &management.from, effect);
        }
        sets
    }

    fn add(&mut self, name: String, sources: &'a Sources, effect: (u8, Says)) {
        for &list in &sources.lists {
            self.sets[list].effects.push(effect);
        }
        if !sources.v4.is_empty() || !sources.v6.is_empty() {
            self.sets.push(Set {
                name,
                effects: vec![effect],
                in_place: Some(sources),
            });
        }
    }

    pub fn len(&self) -> usize {
        self.sets.len()
    }

    pub fn name(&self, set: usize) -> &str {
        &self.sets[set].name
    }

    /// The row of sources that were in the sets of `row`, by shorter prefixes, and are in
    /// these too.
    pub fn enter(&self, row: &ClassRow, sets: impl Iterator<Item = usize>) -> ClassRow {
        let mut row = *row;
        let mut is_management = row[0].has(ClassEntry::MANAGEMENT);
        for &(number, says) in sets.flat_map(|set| &self.sets[set].effects) {
            let entry = &mut row[usize::from(number)];
            let (flags, profile) = (own_flags(*entry), entry.profile() as u16);
            *entry = match says {
                Says::Allow => ClassEntry::new(flags | ClassEntry::ALLOW, profile),
                Says::Deny => ClassEntry::new(flags | ClassEntry::DENY, profile),
                Says::Exempt => ClassEntry::new(flags, 0),
                // Only exempt sources have no profile in a service with rates: they stay so.
                Says::Rate(_) if profile == 0 => *entry,
                Says::Rate(other) => ClassEntry::new(flags, other),
                Says::Management => {
                    is_management = true;
                    *entry
                }
            };
        }
        let allows =
            |entry: &ClassEntry| entry.has(ClassEntry::ALLOW) && !entry.has(ClassEntry::DENY);
        let mut shared = 0;
        if is_management {
            shared |= ClassEntry::MANAGEMENT;
        }
        if is_management || row.iter().any(allows) {
            shared |= ClassEntry::ANY_ALLOWS;
        }
        row.map(|entry| ClassEntry::new(own_flags(entry) | shared, entry.profile() as u16))
    }

    pub fn prefixes_v4(&self) -> Vec<<u32 as Key>::Packed> {
        let lists = self.policy.lists.iter().map(|list| &list.v4[..]);
        let in_place = self.sets.iter().filter_map(|set| set.in_place);
        let in_place = in_place.map(|sources| &sources.v4[..]);
        pack(lists.chain(in_place), |prefix| {
            (u32::from(prefix.addr()), prefix.prefix_len())
        })
    }

    pub fn prefixes_v6(&self) -> Vec<<u128 as Key>::Packed> {
        let lists = self.policy.lists.iter().map(|list| &list.v6[..]);
        let in_place = self.sets.iter().filter_map(|set| set.in_place);
        let in_place = in_place.map(|sources| &sources.v6[..]);
        pack(lists.chain(in_place), |prefix| {
            (u128::from(prefix.addr()), prefix.prefix_len())
        })
    }
}

/// The flags that are the service's own.
fn own_flags(entry: ClassEntry) -> u16 {
    let flag = |flag| if entry.has(flag) { flag } else { 0 };
    flag(ClassEntry::ALLOW) | flag(ClassEntry::DENY)
}

/// All prefixes with the numbers of their sets: the order of `sets` is the order of numbers.
fn pack<'a, K: Key, P: 'a>(
    sets: impl Iterator<Item = &'a [P]> + Clone,
    parts: impl Fn(&P) -> (K, u8),
) -> Vec<K::Packed> {
    let mut packed = Vec::with_capacity(sets.clone().map(<[P]>::len).sum());
    for (set, prefixes) in sets.enumerate() {
        packed.extend(prefixes.iter().map(|prefix| {
            let (address, length) = parts(prefix);
            K::Packed::new(address.first(length), length, set)
        }));
    }
    packed
}
