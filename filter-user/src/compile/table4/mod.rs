//! Writes the IPv4 prefix table; `filter_common::table4` says how it looks and reads it.

mod turned;

use super::error::CompileError;
use super::pages;
use super::ranges::Ranges;
use filter_common::policy::{Fixed, PAGE_WORDS, Page, Page16};
use filter_common::table4::{ALTERNATING_CLASSES, Kind, UNIT, chunk, leaf, lone};

const BLOCKS: usize = 1 << 16;
const WORDS_IN_PAGE: usize = 4 * PAGE_WORDS;
/// Logarithms of a chunk's words, up to a page.
const SIZES: usize = WORDS_IN_PAGE.ilog2() as usize + 1;

/// A /16 that is not of one class: its number, and its ranges.
struct Block {
    number: usize,
    first: usize,
    end: usize,
    kind: Kind,
    /// Starts with a /24 are bits.
    is_turned: bool,
    /// Of all words of its chunk.
    words_log2: u32,
}

impl Block {
    fn new(number: usize, ranges: &Ranges<u32, u16>, first: usize, end: usize) -> Self {
        let classes = &ranges.values[first..end];
        let alternates = classes.iter().zip(&classes[2..]).all(|(a, b)| a == b);
        let (kind, words) = match alternates {
            true => (Kind::Alternating, alternating_words(end - first)),
            false => (Kind::Mixed, 2 * places(end - first)),
        };
        Self {
            number,
            first,
            end,
            kind,
            is_turned: false,
            words_log2: words.ilog2(),
        }
    }

    /// Of the places that are searched.
    const fn places_log2(&self) -> u32 {
        match self.kind {
            Kind::Alternating => self.words_log2,
            // As many words more are classes.
            Kind::Mixed => self.words_log2 - 1,
        }
    }

    /// The starts of its ranges but the first, which may have started before it.
    fn starts<'a>(&self, ranges: &'a Ranges<u32, u16>) -> &'a [u32] {
        &ranges.starts[self.first + 1..self.end]
    }
}

/// Places for so many words.
fn places(words: usize) -> usize {
    words.max(UNIT).next_power_of_two()
}

/// One place more for an even number of ranges: see `fill_alternating`.
fn alternating_words(ranges: usize) -> usize {
    places(ALTERNATING_CLASSES + ranges / 2 * 2)
}

/// Fills the index and the bits of /24s, and appends pages of chunks to `pages`, which must be empty.
pub(super) fn write(
    ranges: &Ranges<u32, u16>,
    fixed: &mut Fixed,
    pages: &mut Vec<Box<Page>>,
) -> Result<(), CompileError> {
    let mut blocks = entries(ranges, &mut fixed.index4);
    if let Some(classes) = turned::choose(&mut blocks, ranges) {
        turned::begin(classes, fixed);
    }
    let mut counts = [0; SIZES];
    for block in &blocks {
        counts[block.words_log2 as usize] += 1;
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
        let size = block.words_log2 as usize;
        let start = next[size];
        next[size] += 1 << size;
        let entry = chunk(block.kind, start, block.places_log2());
        fixed.index4[block.number] = entry.ok_or(CompileError::Pages {
            pages: words.div_ceil(WORDS_IN_PAGE),
        })?;
        let page: &mut Page16 = zerocopy::transmute_mut!(&mut *pages[start / WORDS_IN_PAGE]);
        let at = start % WORDS_IN_PAGE;
        let words = &mut page[at..at + (1 << size)];
        let starts = block.starts(ranges);
        let classes = &ranges.values[block.first..block.end];
        match block.kind {
            Kind::Alternating if block.is_turned => {
                turned::fill(block, starts, [classes[0], classes[1]], fixed, words);
            }
            Kind::Alternating => fill_alternating(starts, [classes[0], classes[1]], words),
            Kind::Mixed => fill_mixed(starts, classes, words),
        }
    }
    Ok(())
}

/// Writes the entries that name no chunk; the blocks of the others.
fn entries(ranges: &Ranges<u32, u16>, index: &mut [u32; BLOCKS]) -> Vec<Block> {
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
        let starts = &ranges.starts[first + 1..at];
        if let Some(held) = held(starts, &ranges.values[first..at]) {
            *entry = held;
        } else {
            blocks.push(Block::new(number, ranges, first, at));
        }
    }
    blocks
}

/// The entry of a block that needs no chunk. `starts` are those of all ranges but the first.
fn held(starts: &[u32], classes: &[u16]) -> Option<u32> {
    let before = |start: u32| (start as u16).wrapping_sub(1);
    match (starts, classes) {
        ([], &[all]) => Some(leaf(all)),
        (&[start], &[first, rest]) => lone(start as u16, u16::MAX, rest, first)
            .or_else(|| lone(0, before(start), first, rest)),
        (&[start, after], &[first, inside, rest]) if first == rest => {
            lone(start as u16, before(after), inside, first)
        }
        _ => None,
    }
}

/// What the block's last address finds among the starts must be the last range, also where that
/// starts there: so the padding, which it finds, is of the last range too.
const PADDING: u16 = u16::MAX;

/// Ranges are of the two classes in turn; `starts` are those of all but the first. Their numbers
/// count up to the last place, whose number is even. Of an even number of ranges the first is
/// therefore put behind one without addresses.
fn fill_alternating(starts: &[u32], classes: [u16; 2], words: &mut [u16]) {
    let (both, places) = words.split_at_mut(ALTERNATING_CLASSES);
    let (last, other) = (starts.len() % 2, (starts.len() + 1) % 2);
    both.copy_from_slice(&[classes[last], classes[other]]);
    places.fill(PADDING);
    let places = match starts.len() % 2 {
        0 => places,
        _ => {
            places[0] = 0;
            &mut places[1..]
        }
    };
    for (place, &start) in places.iter_mut().zip(starts) {
        *place = start as u16;
    }
}

/// Starts of all but the first range, and the class of each.
fn fill_mixed(starts: &[u32], classes: &[u16], words: &mut [u16]) {
    let (places, of_places) = words.split_at_mut(words.len() / 2);
    places.fill(PADDING);
    of_places.fill(classes[classes.len() - 1]);
    // The first is not looked at.
    for (place, &start) in places[1..].iter_mut().zip(starts) {
        *place = start as u16;
    }
    of_places[..classes.len()].copy_from_slice(classes);
}
