//! Writes the IPv4 prefix table; `filter_common::table4` says how it looks and reads it.

use super::error::CompileError;
use super::pages;
use super::ranges::Ranges;
use filter_common::policy::{PAGE_WORDS, Page, Page32};
use filter_common::table4::{chunk, leaf, range};

const BLOCKS: usize = 1 << 16;
const SIZES: usize = 17;
const WORDS_IN_PAGE: usize = 2 * PAGE_WORDS;

/// A /16 that is not of one class: its number, and its ranges.
struct Block {
    number: usize,
    first: usize,
    ranges: usize,
}

impl Block {
    const fn size_log2(&self) -> usize {
        self.ranges.next_power_of_two().trailing_zeros() as usize
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
        counts[block.size_log2()] += 1;
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
        let size = block.size_log2();
        let start = next[size];
        next[size] += 1 << size;
        index[block.number] = chunk(start, size as u32).ok_or(CompileError::Pages {
            pages: words.div_ceil(WORDS_IN_PAGE),
        })?;
        let page: &mut Page32 = zerocopy::transmute_mut!(&mut *pages[start / WORDS_IN_PAGE]);
        let at = start % WORDS_IN_PAGE;
        fill(ranges, block, &mut page[at..at + (1 << size)]);
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
            blocks.push(Block {
                number,
                first,
                ranges: at - first,
            });
        }
    }
    blocks
}

fn fill(ranges: &Ranges<u32, u16>, block: &Block, words: &mut [u32]) {
    let (used, padding) = words.split_at_mut(block.ranges);
    let end = block.first + block.ranges;
    let starts = &ranges.starts[block.first..end];
    let classes = &ranges.values[block.first..end];
    for ((word, &start), &class) in used.iter_mut().zip(starts).zip(classes) {
        *word = range(start as u16, class);
    }
    // The first range may have started before the block.
    used[0] = range(0, classes[0]);
    // What the block's last address finds must be the last range, also where that starts there.
    padding.fill(range(u16::MAX, classes[classes.len() - 1]));
}
