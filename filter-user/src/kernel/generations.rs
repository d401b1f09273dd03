//! A policy into the kernel: new inner maps, a free slot, one store.
//!
//! The order is what makes it safe. A slot that is current or a revert target is never written.
//! The store of `active` waits for nobody, so packets may still read the old slot when it
//! returns; an outer update made after it waits for them, and only then is the old slot given
//! up.

use super::KernelError;
use super::state::StateMap;
use aya::maps::{Array, ArrayOfMaps, Map, MapData};
use filter_common::policy::{Fixed, FixedWords, Page};
use filter_common::state::{Active, SLOTS};

/// Lets an inner map have another `max_entries` than the template (`BPF_F_INNER_MAP`).
const INNER_MAP: u32 = 1 << 12;

type FixedMap = Array<MapData, FixedWords>;
type PagesMap = Array<MapData, Page>;

/// Both outer maps, and what a slot without a generation holds.
pub struct Generations {
    fixed: ArrayOfMaps<MapData, FixedMap>,
    pages: ArrayOfMaps<MapData, PagesMap>,
    no_fixed: FixedMap,
    no_pages: PagesMap,
}

impl Generations {
    /// Takes the outer maps.
    ///
    /// # Errors
    /// A map of another type, or no memory.
    pub fn new(fixed: Map, pages: Map) -> Result<Self, KernelError> {
        let fixed = ArrayOfMaps::try_from(fixed)
            .map_err(|source| KernelError::map("FIXED", "opening it", source))?;
        let pages = ArrayOfMaps::try_from(pages)
            .map_err(|source| KernelError::map("PAGES", "opening it", source))?;
        let no_fixed = FixedMap::create(1, 0)
            .map_err(|source| KernelError::map("FIXED", "making an inner map", source))?;
        let no_pages = PagesMap::create(1, INNER_MAP)
            .map_err(|source| KernelError::map("PAGES", "making an inner map", source))?;
        Ok(Self {
            fixed,
            pages,
            no_fixed,
            no_pages,
        })
    }

    /// Puts a generation in force for good, and gives up the one before. Returns its number.
    ///
    /// # Errors
    /// The kernel's refusal; the policy that was in force still is.
    pub fn place(
        &mut self,
        state: &StateMap,
        fixed: &Fixed,
        pages: &[Box<Page>],
    ) -> Result<u32, KernelError> {
        let before = state.active();
        let slot = free_slot(before);
        let fixed_map = filled_fixed(fixed)?;
        let pages_map = filled_pages(pages)?;
        self.set(slot, &fixed_map, &pages_map)?;
        let number = before.generation() % Active::MAX_GENERATION + 1;
        state.set_active(Active::settled(slot, number));
        // From here on the new policy judges. This waits for the packets that still read the
        // old slot...
        self.set(slot, &fixed_map, &pages_map)?;
        // ...so that now nobody does, and its memory can go.
        for other in (0..SLOTS as u32).filter(|other| *other != slot) {
            if before.is_set() && (other == before.slot() || other == before.revert_slot()) {
                self.empty(other)?;
            }
        }
        Ok(number)
    }

    fn set(&mut self, slot: u32, fixed: &FixedMap, pages: &PagesMap) -> Result<(), KernelError> {
        self.fixed
            .set(slot, fixed, 0)
            .map_err(|source| KernelError::map("FIXED", "filling a slot", source))?;
        self.pages
            .set(slot, pages, 0)
            .map_err(|source| KernelError::map("PAGES", "filling a slot", source))
    }

    fn empty(&mut self, slot: u32) -> Result<(), KernelError> {
        self.fixed
            .set(slot, &self.no_fixed, 0)
            .map_err(|source| KernelError::map("FIXED", "emptying a slot", source))?;
        self.pages
            .set(slot, &self.no_pages, 0)
            .map_err(|source| KernelError::map("PAGES", "emptying a slot", source))
    }
}

/// A slot that is neither current nor a revert target.
fn free_slot(active: Active) -> u32 {
    let is_taken =
        |slot: u32| active.is_set() && (slot == active.slot() || slot == active.revert_slot());
    (0..SLOTS as u32).find(|slot| !is_taken(*slot)).unwrap_or(0)
}

fn filled_fixed(fixed: &Fixed) -> Result<FixedMap, KernelError> {
    let fail = |source| KernelError::map("FIXED", "making an inner map", source);
    let mut map = FixedMap::create(1, 0).map_err(fail)?;
    let words: &FixedWords = zerocopy::transmute_ref!(fixed);
    map.set(0, words, 0).map_err(fail)?;
    Ok(map)
}

fn filled_pages(pages: &[Box<Page>]) -> Result<PagesMap, KernelError> {
    let fail = |source| KernelError::map("PAGES", "making an inner map", source);
    let mut map = PagesMap::create(pages.len().max(1) as u32, INNER_MAP).map_err(fail)?;
    for (number, page) in pages.iter().enumerate() {
        // By reference: a page does not fit a stack well.
        let page: &Page = page;
        map.set(number as u32, page, 0).map_err(fail)?;
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_current_or_a_revert_target_is_never_free() {
        assert_eq!(free_slot(Active::from_word(0)), 0);
        for slot in 0..4 {
            for revert in 0..4 {
                let free = free_slot(Active::pending(slot, revert, 7, 100));
                assert!(free != slot && free != revert && free < 4);
            }
        }
    }
}
