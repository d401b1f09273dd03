//! Prefixes to disjoint ranges, in one sweep over the sorted prefixes of a family.

use super::aggregate::Aggregate;
use super::classes::States;

/// An address of one family as a number.
pub(super) trait Key: Copy + Ord {
    const FIRST: Self;
    const LAST: Self;
    type Packed: Packed<Self>;
    /// First address of the prefix of that length that it is in.
    fn first(self, length: u8) -> Self;
    /// Last address of the prefix of that length that it is in.
    fn last(self, length: u8) -> Self;
    /// The next address; wraps.
    fn next(self) -> Self;
    /// How many prefixes cover just the addresses from here to `last`.
    fn prefixes_to(self, last: Self) -> usize;
}

/// A prefix and the number of its set in as few bytes as sort fast: by address, then length,
/// then set.
pub(super) trait Packed<K>: Copy + Ord {
    fn new(start: K, length: u8, set: usize) -> Self;
    fn parts(self) -> (K, u8, usize);
}

const LENGTH_SHIFT: u32 = 24;
const SET: u32 = (1 << LENGTH_SHIFT) - 1;

macro_rules! key {
    ($key:ty, $packed:ty) => {
        impl Key for $key {
            const FIRST: Self = 0;
            const LAST: Self = Self::MAX;
            type Packed = $packed;

            fn first(self, length: u8) -> Self {
                self & !Self::MAX.checked_shr(length.into()).unwrap_or(0)
            }

            fn last(self, length: u8) -> Self {
                self | Self::MAX.checked_shr(length.into()).unwrap_or(0)
            }

            fn next(self) -> Self {
                self.wrapping_add(1)
            }

            fn prefixes_to(mut self, last: Self) -> usize {
                let mut prefixes = 0;
                loop {
                    // The largest prefix that starts here and stays within.
                    let mut end = self | self.wrapping_sub(1) & !self;
                    while end > last {
                        end = self | (end ^ self) >> 1;
                    }
                    prefixes += 1;
                    if end == last {
                        return prefixes;
                    }
                    self = end + 1;
                }
            }
        }
    };
}

key!(u32, u64);
key!(u128, (u64, u64, u32));

impl Packed<u32> for u64 {
    fn new(start: u32, length: u8, set: usize) -> Self {
        Self::from(start) << 32 | Self::from(meta(length, set))
    }

    fn parts(self) -> (u32, u8, usize) {
        let (length, set) = split(self as u32);
        ((self >> 32) as u32, length, set)
    }
}

impl Packed<u128> for (u64, u64, u32) {
    fn new(start: u128, length: u8, set: usize) -> Self {
        ((start >> 64) as u64, start as u64, meta(length, set))
    }

    fn parts(self) -> (u128, u8, usize) {
        let (length, set) = split(self.2);
        (u128::from(self.0) << 64 | u128::from(self.1), length, set)
    }
}

const fn meta(length: u8, set: usize) -> u32 {
    (length as u32) << LENGTH_SHIFT | set as u32 & SET
}

const fn split(meta: u32) -> (u8, usize) {
    ((meta >> LENGTH_SHIFT) as u8, (meta & SET) as usize)
}

/// Disjoint ranges that cover every address: the first starts at the first address, each ends
/// where the next one starts, neighbours differ.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ranges<K, V> {
    pub starts: Vec<K>,
    /// State, or class, of each range.
    pub values: Vec<V>,
}

impl<K: Key> Ranges<K, u32> {
    /// The states of all addresses, from the sorted prefixes.
    pub fn sweep(
        prefixes: &[K::Packed],
        states: &mut States<'_>,
        aggregate: &mut Aggregate<K>,
    ) -> Self {
        let mut ranges = Self {
            starts: Vec::with_capacity(2 * prefixes.len() + 1),
            values: Vec::with_capacity(2 * prefixes.len() + 1),
        };
        // The prefixes that the sweep is in, outermost first, with first and last address.
        let mut open = vec![(K::FIRST, K::LAST, States::NOWHERE)];
        ranges.push(K::FIRST, States::NOWHERE);
        let mut rest = prefixes;
        while let Some(prefix) = rest.first() {
            let (first, length, _) = prefix.parts();
            let is_same =
                |other: &&K::Packed| (other.parts().0, other.parts().1) == (first, length);
            let (same, others) = rest.split_at(rest.iter().take_while(is_same).count());
            rest = others;
            let last = first.last(length);
            let sets = same.iter().map(|prefix| prefix.parts().2);
            sets.clone().for_each(|set| aggregate.add(set, first, last));
            ranges.close(&mut open, |end| end < first);
            let outer = open.last().map_or(States::NOWHERE, |&(_, _, state)| state);
            let state = states.enter(outer, sets);
            open.push((first, last, state));
            ranges.push(first, state);
        }
        ranges.close(&mut open, |_| true);
        ranges
    }

    /// Leaves the prefixes that have ended; the outermost one never does.
    fn close(&mut self, open: &mut Vec<(K, K, u32)>, is_over: impl Fn(K) -> bool) {
        while let &[.., (_, _, outer), (_, last, _)] = &open[..] {
            if !is_over(last) {
                break;
            }
            open.pop();
            if last != K::LAST {
                self.push(last.next(), outer);
            }
        }
    }

    /// Starts a range; what started at the same address gives way.
    fn push(&mut self, start: K, state: u32) {
        if self.starts.last() == Some(&start) {
            self.starts.pop();
            self.values.pop();
        }
        if self.values.last() != Some(&state) {
            self.starts.push(start);
            self.values.push(state);
        }
    }
}
