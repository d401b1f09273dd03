//! States of the sweep and the classes they become.
//!
//! A state is a row: what all services say about a source. One is made where a prefix first
//! leads to it; it gets a class number only once some address is in it.

use super::error::CompileError;
use super::ranges::Ranges;
use super::sets::Sets;
use filter_common::policy::{CLASSES, ClassRow};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, DefaultHasher};

/// Steps of the sweep that are remembered; a power of two. Real lists take few distinct steps.
const MEMO: usize = 1 << 12;
/// A prefix in more sets than this goes to its state in one step, which is not remembered: the
/// states between would be many, and nobody is in them.
const FEW: usize = 3;
/// How many sets an error names.
const NAMED: usize = 6;

/// A row as a key: hashed in one go, not entry by entry.
type RowWords = [u64; size_of::<ClassRow>() / 8];

/// Rows by number, and the way from one to the next.
pub(super) struct States<'a> {
    sets: &'a Sets<'a>,
    rows: Vec<ClassRow>,
    // A fixed seed: equal policies give equal tables, and no stranger chooses the rows.
    numbers: HashMap<RowWords, u32, BuildHasherDefault<DefaultHasher>>,
    memo: Vec<Step>,
    /// How many states each set was the first to lead to.
    made_by: Vec<u32>,
}

#[derive(Clone, Copy)]
struct Step {
    from: u32,
    set: u32,
    to: u32,
}

impl<'a> States<'a> {
    /// The state of sources that are in no set.
    pub const NOWHERE: u32 = 0;

    pub fn new(sets: &'a Sets<'a>) -> Self {
        let unused = Step {
            from: u32::MAX,
            set: u32::MAX,
            to: 0,
        };
        let mut numbers = HashMap::default();
        numbers.insert(words(sets.nowhere), Self::NOWHERE);
        Self {
            sets,
            rows: vec![sets.nowhere],
            numbers,
            memo: vec![unused; MEMO],
            made_by: vec![0; sets.len()],
        }
    }

    /// The state of sources that are, by the same prefix, in all of these sets as well.
    #[inline]
    pub fn enter(&mut self, from: u32, sets: impl ExactSizeIterator<Item = usize> + Clone) -> u32 {
        if sets.len() <= FEW {
            sets.fold(from, |state, set| self.enter_one(state, set))
        } else {
            self.make(from, sets)
        }
    }

    #[inline]
    fn enter_one(&mut self, from: u32, set: usize) -> u32 {
        // Multipliers: 2^32 over the golden ratio and a prime, to spread both.
        let mixed = from.wrapping_mul(0x9e37_79b9) ^ (set as u32).wrapping_mul(0x85eb_ca6b);
        let at = (mixed >> (32 - MEMO.ilog2())) as usize;
        let step = self.memo[at];
        if step.from == from && step.set == set as u32 {
            return step.to;
        }
        let to = self.make(from, std::iter::once(set));
        let set = set as u32;
        self.memo[at] = Step { from, set, to };
        to
    }

    fn make(&mut self, from: u32, sets: impl Iterator<Item = usize> + Clone) -> u32 {
        let row = self.sets.enter(&self.rows[from as usize], sets.clone());
        let next = self.rows.len() as u32;
        let number = *self.numbers.entry(words(row)).or_insert(next);
        if number == next {
            self.rows.push(row);
            sets.for_each(|set| self.made_by[set] += 1);
        }
        number
    }

    fn too_many(&self) -> CompileError {
        let mut sets: Vec<_> = (0..self.sets.len()).collect();
        sets.sort_by_key(|&set| std::cmp::Reverse(self.made_by[set]));
        let named = sets.iter().take_while(|&&set| self.made_by[set] > 0);
        let named = named.take(NAMED);
        CompileError::Classes {
            from: named.map(|&set| self.sets.name(set).into()).collect(),
        }
    }
}

const fn words(row: ClassRow) -> RowWords {
    zerocopy::transmute!(row)
}

/// Rows by class number, from 0 on, and the classes of states that have addresses.
pub(super) struct Classes<'a> {
    states: States<'a>,
    pub rows: Vec<ClassRow>,
    of_state: Vec<u16>,
}

const UNNUMBERED: u16 = u16::MAX;
const _: () = assert!(CLASSES <= UNNUMBERED as usize);

impl<'a> Classes<'a> {
    pub fn new(states: States<'a>) -> Self {
        let mut of_state = vec![UNNUMBERED; states.rows.len()];
        of_state[States::NOWHERE as usize] = 0;
        Self {
            rows: vec![states.rows[States::NOWHERE as usize]],
            of_state,
            states,
        }
    }

    /// The same ranges by class. Equal classes are equal states, so neighbours still differ.
    pub fn number<K>(&mut self, ranges: Ranges<K, u32>) -> Result<Ranges<K, u16>, CompileError> {
        let values = ranges.values.iter().map(|&state| self.class(state));
        Ok(Ranges {
            values: values.collect::<Result<_, _>>()?,
            starts: ranges.starts,
        })
    }

    fn class(&mut self, state: u32) -> Result<u16, CompileError> {
        let class = &mut self.of_state[state as usize];
        if *class == UNNUMBERED {
            if self.rows.len() == CLASSES {
                return Err(self.states.too_many());
            }
            *class = self.rows.len() as u16;
            self.rows.push(self.states.rows[state as usize]);
        }
        Ok(*class)
    }
}
