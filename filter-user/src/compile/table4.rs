//! Writes the IPv4 prefix table; `filter_common::table4` says how it looks and reads it.

use super::error::CompileError;
use super::pages;
use super::ranges::Ranges;
use filter_common::policy::{PAGE_WORDS, Page, Page16};
use filter_common::table4::{ALTERNATING_CLASSES, Kind, UNIT, chunk, leaf};

const BLOCKS: usize = 1 << 16;
const WORDS_IN_PAGE: usize = 4 * PAGE_WORDS;
/// Logarithms of a chunk's words, up to a page.
const SIZES: usize = WORDS_IN_PAGE.ilog2() as usize + 1;

/// A /16 that is not of one class: its number, and its ranges.
struct Block {
    number: usize,
    first: usize,
    ranges: usize,
    kind: Kind,
}

impl Block {
    /// Of the places that are searched.
    fn places_log2(&self) -> usize {
        let places = match self.kind {
            // One start more for an even number of ranges: see `fill_alternating`.
            Kind::Alternating => ALTERNATING_CLASSES + self.ranges / 2 * 2,
            Kind::Mixed => self.ranges,
        };
        places.max(UNIT).next_power_of_two().ilog2() as usize
    }

    /// Of all its words.
    fn words_log2(&self) -> usize {
        self.places_log2() + usize::from(self.kind == Kind::Mixed)
    }
}

/// Fills the index, and appends pages of chunks to `pages`, which must be empty.
pub(super) fn write(
    ranges: &Ranges<u32, u16>,
    index: &mut [u32; BLOCKS],
    pages: &mut Vec<Box<Page>>,
) -> Result<(), CompileError> {
    let blocks = leaves(ranges, index);
    let mut counts = [0; SIZES];
    for block in &blocks {
        counts[block.words_log2()] += 1;
    }
    // The largest chunks first: then each is aligned to its size, and nothing lies between.
    let mut next = [0; SIZES];
    let mut words = 0_usize;
    for size in (0..SIZES).rev() {
        next[size] = words;
        words += counts[size] << size;
    }
    for _ in 0..words.div_ceil(WORDS_IN_PAGE) {
        pages.push(pages::zeroed()?);
    }
    for block in &blocks {
        let size = block.words_log2();
        let start = next[size];
        next[size] += 1 << size;
        let entry = chunk(block.kind, start, block.places_log2() as u32);
        index[block.number] = entry.ok_or(CompileError::Pages {
            pages: words.div_ceil(WORDS_IN_PAGE),
        })?;
        let page: &mut Page16 = zerocopy::transmute_mut!(&mut *pages[start / WORDS_IN_PAGE]);
        let at = start % WORDS_IN_PAGE;
        let words = &mut page[at..at + (1 << size)];
        let of_block = block.first..block.first + block.ranges;
        let (starts, classes) = (&ranges.starts[of_block.clone()], &ranges.values[of_block]);
        match block.kind {
            Kind::Alternating => fill_alternating(starts, classes, words),
            Kind::Mixed => fill_mixed(starts, classes, words),
        }
    }
    Ok(())
}

/// Writes the leaves; the blocks that are none.
fn leaves(ranges: &Ranges<u32, u16>, index: &mut [u32; BLOCKS]) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut at = 0;
    for (number, entry) in index.iter_mut().enumerate() {
        // The range that the block's first address is in, then those that start inside it.
        let starts_here = ranges.starts.get(at) == Some(&((number as u32) << 16));
        let first = if starts_here { at } else { at - 1 };
        while ranges
            .starts
            .get(at)
            .is_some_and(|start| (start >> 16) as usize == number)
        {
            at += 1;
        }
        if at - first == 1 {
            *entry = leaf(ranges.values[first]);
        } else {
            let classes = &ranges.values[first..at];
            let alternates = classes.iter().zip(&classes[2..]).all(|(a, b)| a == b);
            blocks.push(Block {
                number,
                first,
                ranges: at - first,
                kind: match alternates {
                    true => Kind::Alternating,
                    false => Kind::Mixed,
                },
            });
        }
    }
    blocks
}

/// What the block's last address finds among the starts must be the last range, also where that
/// starts there: so the padding, which it finds, is of the last range too.
const PADDING: u16 = u16::MAX;

/// Numbers of ranges count up to the last place, whose number is even. Of an even number of ranges
/// the first is therefore put behind one without addresses.
fn fill_alternating(starts: &[u32], classes: &[u16], words: &mut [u16]) {
    let (both, places) = words.split_at_mut(ALTERNATING_CLASSES);
    let is_odd = starts.len() % 2 == 1;
    let last = classes[starts.len() - 1];
    let other = classes[starts.len() - 2];
    both.copy_from_slice(&[last, other]);
    places.fill(PADDING);
    let places = match is_odd {
        true => places,
        false => {
            places[0] = 0;
            &mut places[1..]
        }
    };
    // The first range may have started before the block, and needs no place.
    for (place, &start) in places.iter_mut().zip(&starts[1..]) {
        *place = start as u16;
    }
}

fn fill_mixed(starts: &[u32], classes: &[u16], words: &mut [u16]) {
    let (places, of_places) = words.split_at_mut(words.len() / 2);
    places.fill(PADDING);
    of_places.fill(classes[classes.len() - 1]);
    for (place, &start) in places.iter_mut().zip(starts) {
        *place = start as u16;
    }
    of_places[..classes.len()].copy_from_slice(classes);
}
