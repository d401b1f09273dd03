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
/// Lets values start at a memory page, and so at a cache line (`BPF_F_MMAPABLE`).
const ALIGNED: u32 = 1 << 10;

type FixedMap = Array<MapData, FixedWords>;
type PagesMap = Array<MapData, Page>;

/// Both outer maps, and what a slot without a generation holds.
pub struct Generations {
    fixed: ArrayOfMaps<MapData, FixedMap>,
    pages: ArrayOfMaps<MapData, PagesMap>,
    no_fixed: FixedMap,
    no_pages: PagesMap,
    /// Slots that hold a generation, or may: an earlier daemon's are unknown.
    filled: [bool; SLOTS],
    /// What was in force, if packets may still be judged by it: the wait for them failed.
    left: Option<Active>,
    /// What was put in force last.
    placed: Option<Active>,
}

/// A generation that is in force.
#[derive(Debug)]
#[must_use]
pub struct Placed {
    /// Its number.
    pub generation: u32,
    /// Why the memory of generations before it is not given back yet. The next placement tries
    /// again.
    pub leftover: Option<KernelError>,
}

/// How long a new generation is in force, and what it can go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// For good. What a rollback would have gone back to is given up.
    ForGood,
    /// For good, in the place of the newest: a rollback still goes back to the generation
    /// before that.
    Renewed,
    /// For good; a rollback goes back to what was in force.
    Applied,
    /// Until then, in seconds since boot; then the last confirmed generation is back.
    Until(u32),
}

impl Placement {
    fn active(self, before: Active, slot: u32) -> Active {
        let number = before.next_generation();
        let confirmed = match before {
            before if !before.is_set() => slot,
            // Nobody has confirmed the newest one.
            before if before.is_pending() => before.revert_slot(),
            before => before.slot(),
        };
        match self {
            Self::Renewed if before.has_previous() && !before.is_pending() => {
                Active::keeping(slot, before.revert_slot(), number)
            }
            Self::ForGood | Self::Renewed => Active::settled(slot, number),
            Self::Applied => Active::keeping(slot, confirmed, number),
            // There is nothing to go back to.
            Self::Until(_) if confirmed == slot => Active::settled(slot, number),
            Self::Until(deadline) => Active::pending(slot, confirmed, number, deadline),
        }
    }
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
        let no_fixed = FixedMap::create(1, ALIGNED)
            .map_err(|source| KernelError::map("FIXED", "making an inner map", source))?;
        let no_pages = PagesMap::create(1, INNER_MAP | ALIGNED)
            .map_err(|source| KernelError::map("PAGES", "making an inner map", source))?;
        Ok(Self {
            fixed,
            pages,
            no_fixed,
            no_pages,
            filled: [true; SLOTS],
            left: None,
            placed: None,
        })
    }

    /// Puts a generation in force, as this number, if it is the next one.
    ///
    /// # Errors
    /// The kernel's refusal; the policy that was in force still is. Once the new one is, nothing
    /// is an error any more.
    pub fn place(
        &mut self,
        state: &StateMap,
        number: u32,
        fixed: &Fixed,
        pages: &[Box<Page>],
        placement: Placement,
    ) -> Result<Placed, KernelError> {
        let before = state.active();
        if before.next_generation() != number {
            return Err(KernelError::Overtaken);
        }
        let slot = self.free_slot(before);
        let fixed_map = filled_fixed(fixed)?;
        let pages_map = filled_pages(pages)?;
        self.set(slot, &fixed_map, pages_map.as_ref())?;
        self.filled[slot as usize] = true;
        let after = placement.active(before, slot);
        if !state.swap_active(before, after) {
            return Err(KernelError::Overtaken);
        }
        // From here on the new policy judges.
        self.placed = Some(after);
        self.left = before.is_set().then_some(before);
        // This waits for the packets that still read the old slot...
        let waited = self.set(slot, &fixed_map, pages_map.as_ref());
        // ...so that now nobody does, and its memory can go.
        let emptied = waited.and_then(|()| {
            self.left = None;
            self.empty_others(after)
        });
        Ok(Placed {
            generation: after.generation(),
            leftover: emptied.err(),
        })
    }

    fn empty_others(&mut self, active: Active) -> Result<(), KernelError> {
        for slot in (0..SLOTS as u32).filter(|slot| is_free(active, *slot)) {
            if self.filled[slot as usize] {
                self.empty(slot)?;
                self.filled[slot as usize] = false;
            }
        }
        Ok(())
    }

    /// Waits until no packet is judged any more that was being judged at the call: an update of
    /// an outer map does.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn wait_for_packets(&mut self, state: &StateMap) -> Result<(), KernelError> {
        self.empty(self.free_slot(state.active()))
    }

    /// Nobody has waited for the packets of a policy that somebody went back from either.
    fn free_slot(&self, active: Active) -> u32 {
        let left = self.left.or(self.placed.filter(|placed| *placed != active));
        free_slot(active, left)
    }

    fn set(
        &mut self,
        slot: u32,
        fixed: &FixedMap,
        pages: Option<&PagesMap>,
    ) -> Result<(), KernelError> {
        self.fixed
            .set(slot, fixed, 0)
            .map_err(|source| KernelError::map("FIXED", "filling a slot", source))?;
        self.pages
            .set(slot, pages.unwrap_or(&self.no_pages), 0)
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

/// A slot that is neither the newest nor one to go back to, and that no packet reads: of what was
/// in force before, `left`, the newest has one of two, so that of four slots one is free.
fn free_slot(active: Active, left: Option<Active>) -> u32 {
    let is_read = |slot| left.is_some_and(|left| !is_free(left, slot));
    let mut slots = 0..SLOTS as u32;
    slots
        .find(|slot| is_free(active, *slot) && !is_read(*slot))
        .unwrap_or(0)
}

fn is_free(active: Active, slot: u32) -> bool {
    !active.is_set() || slot != active.slot() && slot != active.revert_slot()
}

fn filled_fixed(fixed: &Fixed) -> Result<FixedMap, KernelError> {
    let fail = |source| KernelError::map("FIXED", "making an inner map", source);
    let mut map = FixedMap::create(1, ALIGNED).map_err(fail)?;
    let words: &FixedWords = zerocopy::transmute_ref!(fixed);
    map.set(0, words, 0).map_err(fail)?;
    Ok(map)
}

/// `None` where every page lies in the fixed part.
fn filled_pages(pages: &[Box<Page>]) -> Result<Option<PagesMap>, KernelError> {
    if pages.is_empty() {
        return Ok(None);
    }
    let fail = |source| KernelError::map("PAGES", "making an inner map", source);
    let mut map = PagesMap::create(pages.len() as u32, INNER_MAP | ALIGNED).map_err(fail)?;
    for (number, page) in pages.iter().enumerate() {
        // By reference: a page does not fit a stack well.
        let page: &Page = page;
        map.set(number as u32, page, 0).map_err(fail)?;
    }
    Ok(Some(map))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_is_current_or_a_revert_target_is_never_free() {
        assert_eq!(free_slot(Active::from_word(0), None), 0);
        for slot in 0..4 {
            for revert in 0..4 {
                let free = free_slot(Active::pending(slot, revert, 7, 100), None);
                assert!(free != slot && free != revert && free < 4);
            }
        }
    }

    #[test]
    fn a_slot_that_packets_may_still_read_is_not_free() {
        let placements = [
            Placement::ForGood,
            Placement::Renewed,
            Placement::Applied,
            Placement::Until(9),
        ];
        for (slot, revert) in (0..16).map(|pair| (pair / 4, pair % 4)) {
            let before = [
                Active::settled(slot, 7),
                Active::keeping(slot, revert, 7),
                Active::pending(slot, revert, 7, 100),
            ];
            for (before, placement) in before.iter().flat_map(|b| placements.map(|p| (*b, p))) {
                let after = placement.active(before, free_slot(before, None));
                let free = free_slot(after, Some(before));
                assert!(free < 4 && is_free(after, free), "{before:?} {placement:?}");
                assert!(is_free(before, free), "{before:?} {placement:?}");
            }
        }
    }

    #[test]
    fn what_an_apply_goes_back_to_is_the_last_confirmed_generation() {
        let none = Active::from_word(0);
        let first = Placement::Until(9).active(none, 0);
        assert_eq!(first, Active::settled(0, 1), "nothing to go back to");
        let pending = Placement::Until(9).active(first, 1);
        assert_eq!(pending, Active::pending(1, 0, 2, 9));
        let again = Placement::Until(12).active(pending, 2);
        assert_eq!(again, Active::pending(2, 0, 3, 12));
        assert_eq!(again.confirmed(), Active::keeping(2, 0, 3));
        assert_eq!(again.rolled_back(), Active::settled(0, 4));
        assert_eq!(
            Placement::Applied.active(again, 1),
            Active::keeping(1, 0, 4)
        );
    }

    #[test]
    fn a_list_that_is_read_again_does_not_forget_what_a_rollback_goes_back_to() {
        let applied = Active::keeping(1, 0, 2);
        let renewed = Placement::Renewed.active(applied, 2);
        assert_eq!(renewed, Active::keeping(2, 0, 3));
        let reloaded = Placement::ForGood.active(renewed, 1);
        assert_eq!(reloaded, Active::settled(1, 4));
        let renewed = Placement::Renewed.active(reloaded, 2);
        assert_eq!(renewed, Active::settled(2, 5));
    }
    #[test]
    fn a_slot_that_somebody_has_just_gone_back_from_is_not_free() {
        for (slot, revert) in (0..16).map(|pair| (pair / 4, pair % 4)) {
            for placed in [
                Active::keeping(slot, revert, 7),
                Active::pending(slot, revert, 7, 100),
            ] {
                for now in [placed.rolled_back(), placed.confirmed()] {
                    let free = free_slot(now, Some(placed));
                    assert!(free < 4 && is_free(now, free), "{placed:?} {now:?}");
                    assert!(is_free(placed, free), "{placed:?} {now:?}");
                }
            }
        }
    }
}
