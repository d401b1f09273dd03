//! Policy to tables: whatever can be decided when the policy changes is decided here, once.
//!
//! Pure: no file, no clock, no random number. Equal input gives equal tables, and nothing of
//! the policy is checked again but capacity.

mod addresses;
mod aggregate;
mod classes;
mod error;
mod host;
mod pages;
mod ports;
mod profiles;
mod ranges;
mod sets;
mod settings;
mod summary;
mod table4;
mod table6;
#[cfg(test)]
mod tests;
mod uniform;

pub use error::CompileError;
pub use host::HostTables;
pub use summary::{ListSummary, RateSummary, Summary};

use crate::config::policy::Policy;
use addresses::Addresses;
use aggregate::Aggregate;
use classes::{Classes, States};
use filter_common::policy::{
    ClassPage, ClassRow, FIXED_CLASSES, Fixed, INTERFACES, NEAR_PAGES, Page, SERVICES,
};
use profiles::Profiles;
use ranges::Ranges;
use sets::Sets;
use zerocopy::FromZeros;

/// Numbers that outlive a policy, given out by the caller.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The number of each of `Policy::services`, below [`SERVICES`], distinct.
    pub services: Vec<u8>,
    /// The slot of each of `Policy::interfaces`, below [`INTERFACES`], distinct.
    pub interfaces: Vec<u8>,
}

impl Ids {
    /// Numbers in the order of the policy, for where nothing outlives it.
    pub fn in_order(policy: &Policy) -> Self {
        Self {
            services: (0..).take(policy.services.len()).collect(),
            interfaces: (0..).take(policy.interfaces.len()).collect(),
        }
    }
}

/// Everything that the packet path reads of a policy.
pub struct Generation {
    /// The part of fixed size.
    pub fixed: Box<Fixed>,
    /// Those that have no room in it. By number, with those: IPv4 ranges, then IPv6 ranges,
    /// classes, groups.
    pub pages: Vec<Box<Page>>,
    /// What `check` prints.
    pub summary: Summary,
}

impl Generation {
    /// A page by its number.
    pub fn page(&self, number: u32) -> Option<&Page> {
        match self.fixed.near(number) {
            Ok(near) => Some(near),
            Err(far) => self.pages.get(far as usize).map(|page| &**page),
        }
    }
}

/// The tables of a policy, or the capacity that it passes.
pub fn compile(policy: &Policy, ids: &Ids) -> Result<Generation, CompileError> {
    check_ids(policy, ids)?;
    let mut fixed = Fixed::new_box_zeroed().map_err(|_| CompileError::Memory)?;
    let mut pages = Vec::new();

    let profiles = Profiles::new(policy)?;
    fixed.profiles[..profiles.table.len()].copy_from_slice(&profiles.table);
    settings::write(policy, ids, &mut fixed);
    let addresses = Addresses::new(policy)?;
    addresses.write(&mut fixed)?;
    let groups = ports::write(policy, ids, &addresses, &mut fixed)?;

    let sets = Sets::new(policy, &ids.services, &profiles);
    let mut states = States::new(&sets);
    let mut aggregate4 = Aggregate::new(policy.lists.len());
    let mut aggregate6 = Aggregate::new(policy.lists.len());
    let mut prefixes = sets.prefixes_v4();
    prefixes.sort_unstable();
    let ranges4 = Ranges::sweep(&prefixes, &mut states, &mut aggregate4);
    let mut prefixes = sets.prefixes_v6();
    prefixes.sort_unstable();
    let ranges6 = Ranges::sweep(&prefixes, &mut states, &mut aggregate6);
    drop(prefixes);

    let mut classes = Classes::new(states);
    let ranges4 = classes.number(ranges4)?;
    let ranges6 = classes.number(ranges6)?;
    table4::write(&ranges4, &mut fixed, &mut pages)?;
    table6::write(&ranges6, &mut fixed.index6, &mut pages)?;
    fixed.settings.fixed_classes = FIXED_CLASSES as u32;
    fixed.settings.near_pages = NEAR_PAGES as u32;
    fixed.settings.class_page = pages.len() as u32;
    profiles.mark(&mut classes.rows);
    uniform::write(
        &classes.rows,
        [&ranges4.values, &ranges6.values],
        &mut fixed,
    );
    write_classes(&classes.rows, &mut fixed, &mut pages)?;
    fixed.settings.group_page = pages.len() as u32;
    ports::write_groups(&groups, &mut pages)?;
    let near = pages.drain(..pages.len().min(NEAR_PAGES));
    for (place, page) in fixed.near.iter_mut().zip(near) {
        *place = *page;
    }

    let summary = Summary {
        lists: lists(policy, aggregate4.finish(), aggregate6.finish()),
        ranges_v4: ranges4.starts.len(),
        ranges_v6: ranges6.starts.len(),
        classes: classes.rows.len(),
        profiles: profiles.table.len() - 1,
        groups: groups.len(),
        pages: pages.len(),
        bytes: size_of::<Fixed>() + pages.len() * size_of::<Page>(),
        rates: profiles.rates,
    };
    Ok(Generation {
        fixed,
        pages,
        summary,
    })
}

fn check_ids(policy: &Policy, ids: &Ids) -> Result<(), CompileError> {
    let wrong = |numbers: &[u8], wanted: usize, limit: usize| {
        let mut seen = 0_u64;
        for &number in numbers {
            if usize::from(number) >= limit || seen >> number & 1 == 1 {
                return Some(usize::from(number));
            }
            seen |= 1 << number;
        }
        (numbers.len() != wanted).then_some(numbers.len())
    };
    if let Some(number) = wrong(&ids.services, policy.services.len(), SERVICES) {
        return Err(CompileError::service_number(number));
    }
    if let Some(number) = wrong(&ids.interfaces, policy.interfaces.len(), INTERFACES) {
        return Err(CompileError::interface_slot(number));
    }
    Ok(())
}

/// The first classes go into the fixed part, the others into pages.
fn write_classes(
    rows: &[ClassRow],
    fixed: &mut Fixed,
    pages: &mut Vec<Box<Page>>,
) -> Result<(), CompileError> {
    let (first, others) = rows.split_at(rows.len().min(FIXED_CLASSES));
    fixed.classes[..first.len()].copy_from_slice(first);
    for rows in others.chunks(size_of::<Page>() / size_of::<ClassRow>()) {
        let mut page = pages::zeroed()?;
        let places: &mut ClassPage = zerocopy::transmute_mut!(&mut *page);
        places[..rows.len()].copy_from_slice(rows);
        pages.push(page);
    }
    Ok(())
}

fn lists(policy: &Policy, counts4: Vec<usize>, counts6: Vec<usize>) -> Vec<ListSummary> {
    let counts = counts4.into_iter().zip(counts6);
    let lists = policy.lists.iter().zip(counts);
    lists
        .map(|(list, (aggregated_v4, aggregated_v6))| ListSummary {
            name: list.name.clone(),
            written_v4: list.v4.len(),
            written_v6: list.v6.len(),
            aggregated_v4,
            aggregated_v6,
        })
        .collect()
}
