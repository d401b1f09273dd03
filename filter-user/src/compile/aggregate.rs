//! How many prefixes a list has once repeated and nested ones are gone and neighbours joined.

use super::ranges::Key;

/// Counts for the first sets, the lists; prefixes come in sorted order.
pub(super) struct Aggregate<K>(Vec<(Option<(K, K)>, usize)>);

impl<K: Key> Aggregate<K> {
    pub fn new(lists: usize) -> Self {
        Self(vec![(None, 0); lists])
    }

    pub fn add(&mut self, set: usize, first: K, last: K) {
        let Some((run, count)) = self.0.get_mut(set) else {
            return;
        };
        match run {
            // Nothing comes after the last address but prefixes inside the run.
            Some((_, end)) if *end == K::LAST || first <= end.next() => *end = last.max(*end),
            Some((start, end)) => {
                *count += start.prefixes_to(*end);
                *run = Some((first, last));
            }
            None => *run = Some((first, last)),
        }
    }

    /// Counts by list.
    pub fn finish(self) -> Vec<usize> {
        let finish = |(run, count): (Option<(K, K)>, usize)| {
            count + run.map_or(0, |(start, end)| start.prefixes_to(end))
        };
        self.0.into_iter().map(finish).collect()
    }
}
