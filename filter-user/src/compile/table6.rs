//! Writes the IPv6 prefix table; `filter_common::table6` says how it looks and reads it.

use super::error::CompileError;
use super::pages::Space;
use super::ranges::Ranges;
use filter_common::policy::{LINE_WORDS, Page};
use filter_common::table6::{
    CHUNK_RANGES, FIRST_BITS, MAX_INDEX_BITS, MIN_INDEX_BITS, NARROW_STARTS, alternating_chunk,
    branched_chunk, chunk, index, leaf, leaf_class, lone, narrow_chunk, narrow_start, upper_start,
};
use std::hash::{DefaultHasher, Hash, Hasher};
use zerocopy::IntoBytes;

const BLOCKS: usize = 1 << FIRST_BITS;
const KEY_BITS: u32 = 64;
/// Small tables for lower halves that are remembered, to be used again: hosts often have the
/// same lower half (`::1`) in many networks. A power of two.
const MEMO: usize = 1 << 12;
/// Most ranges of a remembered table.
const MEMO_RANGES: usize = 8;

/// From a key on, a node holds.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Entry {
    start: u64,
    node: u64,
}

/// Which 64 bits of the address the keys are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Upper,
    Lower,
}

/// Fills the index, and appends the pages of what is below it.
pub(super) fn write(
    ranges: &Ranges<u128, u16>,
    root: &mut [u64; BLOCKS],
    pages: &mut Vec<Box<Page>>,
) -> Result<(), CompileError> {
    let mut writer = Writer {
        space: Space::new(pages),
        has_narrow: true,
        starts: Vec::new(),
        memo: vec![None; MEMO],
    };
    let entries = writer.upper_entries(ranges)?;
    let mut before = leaf(ranges.values[0]);
    let mut entries = &entries[..];
    for (slot, node) in root.iter_mut().enumerate() {
        let inside = slot_entries(&mut entries, 0, FIRST_BITS, slot);
        *node = writer.node(Half::Upper, FIRST_BITS, before, inside)?;
        before = inside.last().map_or(before, |entry| entry.node);
    }
    Ok(())
}

struct Writer<'a> {
    space: Space<'a>,
    /// A node can still name where the next narrow chunk would start.
    has_narrow: bool,
    /// Of the narrow chunk that is being written.
    starts: Vec<u32>,
    memo: Vec<Option<(Vec<Entry>, u64)>>,
}

impl Writer<'_> {
    /// The table by upper halves: a /64 of several classes becomes the root of a table of its
    /// own, and what follows it starts anew, so that no such root is ever inherited.
    fn upper_entries(&mut self, ranges: &Ranges<u128, u16>) -> Result<Vec<Entry>, CompileError> {
        let (starts, classes) = (&ranges.starts, &ranges.values);
        let upper_of = |start: u128| (start >> KEY_BITS) as u64;
        let mut entries: Vec<Entry> = Vec::with_capacity(starts.len());
        let mut lower = Vec::new();
        let mut before = leaf(classes[0]);
        let mut at = 0;
        while at < starts.len() {
            let start = upper_of(starts[at]);
            let more = starts[at..]
                .iter()
                .take_while(|&&other| upper_of(other) == start);
            let end = at + more.count();
            let last = leaf(classes[end - 1]);
            if end == at + 1 && starts[at] as u64 == 0 {
                entries.push(Entry { start, node: last });
            } else {
                lower.clear();
                lower.extend((at..end).map(|at| Entry {
                    start: starts[at] as u64,
                    node: leaf(classes[at]),
                }));
                let node = self.lower_root(before, &mut lower)?;
                entries.push(Entry { start, node });
                let after = start.wrapping_add(1);
                if after != 0
                    && starts
                        .get(end)
                        .is_none_or(|&other| upper_of(other) != after)
                {
                    let node = last;
                    entries.push(Entry { start: after, node });
                }
            }
            before = last;
            at = end;
        }
        Ok(entries)
    }

    /// The root of a table of lower halves.
    fn lower_root(&mut self, before: u64, entries: &mut Vec<Entry>) -> Result<u64, CompileError> {
        if entries[0].start != 0 {
            entries.insert(
                0,
                Entry {
                    start: 0,
                    node: before,
                },
            );
        }
        if entries.len() > MEMO_RANGES {
            return self.node(Half::Lower, 0, before, entries);
        }
        // A fixed seed: equal policies give equal tables.
        let mut hasher = DefaultHasher::new();
        entries.hash(&mut hasher);
        let place = hasher.finish() as usize % MEMO;
        if let Some((known, node)) = &self.memo[place]
            && known == entries
        {
            return Ok(*node);
        }
        let node = self.node(Half::Lower, 0, before, entries)?;
        let (known, at) = self.memo[place].get_or_insert_default();
        known.clone_from(entries);
        *at = node;
        Ok(node)
    }

    /// The node for a span of keys: what holds at its start, unless an entry starts there, and
    /// the entries that start inside it. The span is what `consumed` bits leave of a half.
    fn node(
        &mut self,
        half: Half,
        consumed: u32,
        before: u64,
        entries: &[Entry],
    ) -> Result<u64, CompileError> {
        let is_at_start = |entry: &Entry| entry.start << consumed == 0;
        let (first, rest) = match entries.split_first() {
            Some((first, rest)) if is_at_start(first) => (first.node, rest),
            _ => (before, entries),
        };
        let ranges = 1 + rest.len();
        // The root of a table of lower halves is only found in a chunk.
        if ranges == 1 && (half == Half::Lower || leaf_class(first).is_some()) {
            return Ok(first);
        }
        if half == Half::Upper
            && let Some(lone) = lone_prefix(consumed, first, rest)
        {
            return Ok(lone);
        }
        if half == Half::Upper
            && let Some(narrow) = self.narrow_chunk(consumed, first, rest)?
        {
            return Ok(narrow);
        }
        if ranges <= CHUNK_RANGES {
            return self.chunk(half, consumed, first, rest);
        }
        let bits = index_bits(half, ranges);
        // More than 256 ranges: more than 8 bits are left. A slot is left one of them at least.
        let bits = bits.min(KEY_BITS - consumed - 1);
        let start = self.space.take(1 << bits)?;
        let (mut before, mut rest) = (before, entries);
        for slot in 0..1 << bits {
            let inside = slot_entries(&mut rest, consumed, bits, slot);
            let node = self.node(half, consumed + bits, before, inside)?;
            self.space.words(start + slot, 1)[0] = node;
            before = inside.last().map_or(before, |entry| entry.node);
        }
        Ok(index(start, bits))
    }

    /// `None` where another kind of node is needed.
    fn narrow_chunk(
        &mut self,
        consumed: u32,
        first: u64,
        rest: &[Entry],
    ) -> Result<Option<u64>, CompileError> {
        if !self.has_narrow || rest.is_empty() || rest.len() >= CHUNK_RANGES {
            return Ok(None);
        }
        let nodes = [first, rest[0].node];
        let (Some(even), Some(odd)) = (leaf_class(nodes[0]), leaf_class(nodes[1])) else {
            return Ok(None);
        };
        self.starts.clear();
        for (number, entry) in rest.iter().enumerate() {
            match narrow_start(entry.start << consumed) {
                Some(start) if entry.node == nodes[(number + 1) % 2] => self.starts.push(start),
                _ => return Ok(None),
            }
        }
        let node = if rest.len() <= NARROW_STARTS {
            self.one_line([even, odd])?
        } else {
            self.branched([even, odd])?
        };
        self.has_narrow = node.is_some();
        Ok(node)
    }

    fn one_line(&mut self, classes: [u16; 2]) -> Result<Option<u64>, CompileError> {
        let count = self.starts.len();
        self.starts.resize(count.next_multiple_of(2), 0);
        let words = self.starts.len() / 2;
        let start = self.space.take(words)?;
        let line = self.space.words(start, words).as_mut_bytes();
        line.copy_from_slice(self.starts.as_bytes());
        Ok(narrow_chunk(start, count, classes))
    }

    fn branched(&mut self, [even, odd]: [u16; 2]) -> Result<Option<u64>, CompileError> {
        let mut classes = [even, odd];
        if !self.starts.len().is_multiple_of(2) {
            // A start that every key has behind it.
            self.starts.insert(0, 0);
            classes = [odd, even];
        }
        // What follows the last start in its line is that start again, an even number of times, so
        // that a key that has it behind it is of the same class.
        let last = self.starts[self.starts.len() - 1];
        let lines = self.starts.len().div_ceil(NARROW_STARTS);
        self.starts.resize(lines * NARROW_STARTS, last);
        let words = (1 + lines) * LINE_WORDS;
        let start = self.space.take(words)?;
        let chunk = self.space.words(start, words).as_mut_bytes();
        let (branches, starts) = chunk.split_at_mut(LINE_WORDS * size_of::<u64>());
        let firsts = self.starts.iter().step_by(NARROW_STARTS).skip(1);
        for (place, first) in branches.chunks_exact_mut(size_of::<u32>()).zip(firsts) {
            place.copy_from_slice(first.as_bytes());
        }
        starts.copy_from_slice(self.starts.as_bytes());
        Ok(branched_chunk(start, lines, classes))
    }

    fn chunk(
        &mut self,
        half: Half,
        consumed: u32,
        first: u64,
        rest: &[Entry],
    ) -> Result<u64, CompileError> {
        let ranges = 1 + rest.len();
        let to_start = |entry: &Entry| {
            let left = entry.start << consumed;
            match half {
                Half::Upper => upper_start(left),
                Half::Lower => left,
            }
        };
        let nodes = || std::iter::once(first).chain(rest.iter().map(|entry| entry.node));
        if nodes().zip(nodes().skip(2)).all(|(a, b)| a == b) {
            let start = self.space.take(1 + ranges)?;
            let words = self.space.words(start, 1 + ranges);
            // A chunk of one range has no second node, and nobody asks for it.
            let (both, starts) = words.split_at_mut(2);
            for (word, node) in both.iter_mut().zip(nodes()) {
                *word = node;
            }
            for (word, entry) in starts.iter_mut().zip(rest) {
                *word = to_start(entry);
            }
            return Ok(alternating_chunk(start, ranges));
        }
        let start = self.space.take(2 * ranges)?;
        let words = self.space.words(start, 2 * ranges);
        let (starts, of_starts) = words.split_at_mut(ranges);
        for (word, entry) in starts[1..].iter_mut().zip(rest) {
            *word = to_start(entry);
        }
        for (word, node) in of_starts.iter_mut().zip(nodes()) {
            *word = node;
        }
        Ok(chunk(start, ranges))
    }
}

/// How many bits an index of so many ranges consumes, measured with lists as routing tables have them. In
/// the upper half there are about two slots for each prefix, most of which it is then alone in; up to
/// 12 bits four, as near caches hold that. A lower half has no lone prefixes: a chunk is read anyway.
fn index_bits(half: Half, ranges: usize) -> u32 {
    const CACHED_BITS: u32 = 12;
    let bits = ranges.ilog2();
    match half {
        Half::Upper => (bits + 1).min(CACHED_BITS.max(bits)),
        Half::Lower => bits - 1,
    }
    .clamp(MIN_INDEX_BITS, MAX_INDEX_BITS)
}

/// The node of a span in which only one prefix is of a class of its own.
fn lone_prefix(consumed: u32, first: u64, rest: &[Entry]) -> Option<u64> {
    let left = |entry: &Entry| entry.start << consumed;
    let before = |entry: &Entry| left(entry) - 1;
    let class = leaf_class(first)?;
    match rest {
        [entry] => {
            let after = leaf_class(entry.node)?;
            lone(left(entry), u64::MAX, after, class)
                .or_else(|| lone(0, before(entry), class, after))
        }
        [entry, after] if after.node == first => {
            lone(left(entry), before(after), leaf_class(entry.node)?, class)
        }
        _ => None,
    }
}

/// Takes the entries of an index's slot off the front.
fn slot_entries<'e>(
    entries: &mut &'e [Entry],
    consumed: u32,
    bits: u32,
    slot: usize,
) -> &'e [Entry] {
    let is_inside =
        |entry: &&Entry| (entry.start << consumed >> (KEY_BITS - bits)) as usize == slot;
    let inside = entries.iter().take_while(is_inside).count();
    let (inside, rest) = entries.split_at(inside);
    *entries = rest;
    inside
}
