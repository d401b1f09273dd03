//! Blocks whose ranges mostly start with a /24: bits for these, a chunk for the others.

use super::{Block, alternating_words, fill_alternating};
use crate::compile::ranges::Ranges;
use filter_common::policy::Fixed;
use filter_common::table4::{Kind, bit_of_20, bit_of_24};
use std::collections::BTreeMap;

/// Words that the bits of a block's /24s take, each as long as a start.
const BITS_WORDS: usize = 256 / 16;

/// Makes turned those of the pair of classes that spares most, where that spares anything at all;
/// the pair.
pub(super) fn choose(blocks: &mut [Block], ranges: &Ranges<u32, u16>) -> [u16; 2] {
    let mut spared: BTreeMap<[u16; 2], usize> = BTreeMap::new();
    for block in &*blocks {
        if let Some(words) = spares(block, ranges) {
            *spared.entry(pair(block, ranges)).or_default() += words;
        }
    }
    let best = spared.iter().max_by_key(|(_, words)| **words);
    let Some((&best, _)) = best else {
        return [0; 2];
    };
    for block in blocks {
        if pair(block, ranges) == best && spares(block, ranges).is_some() {
            block.kind = Kind::Turned;
            block.words_log2 = words(block, ranges).ilog2();
        }
    }
    best
}

/// Both classes of an alternating block, the smaller first.
fn pair(block: &Block, ranges: &Ranges<u32, u16>) -> [u16; 2] {
    let [a, b] = [ranges.values[block.first], ranges.values[block.first + 1]];
    [a.min(b), a.max(b)]
}

/// How many words fewer a block takes if it is turned.
fn spares(block: &Block, ranges: &Ranges<u32, u16>) -> Option<usize> {
    if block.kind != Kind::Alternating {
        return None;
    }
    let turned = words(block, ranges) + BITS_WORDS;
    (1_usize << block.words_log2)
        .checked_sub(turned)
        .filter(|spared| *spared > 0)
}

/// Words of the chunk of a turned block.
fn words(block: &Block, ranges: &Ranges<u32, u16>) -> usize {
    let inside = inside(block.starts(ranges)).count();
    alternating_words(1 + inside)
}

/// The starts inside of /24s.
fn inside(starts: &[u32]) -> impl Iterator<Item = u32> {
    starts.iter().copied().filter(|start| start & 0xff != 0)
}

/// Sets the bits of a block, and fills its chunk. `starts` are those of its ranges but the first,
/// `classes` those of the first two.
pub(super) fn fill(
    block: &Block,
    starts: &[u32],
    classes: [u16; 2],
    fixed: &mut Fixed,
    words: &mut [u16],
) {
    let chunk: Vec<u32> = inside(starts).collect();
    fill_alternating(&chunk, classes, words);
    for &start in &chunk {
        let (word, bit) = bit_of_20(start);
        fixed.inside4[word] |= 1 << bit;
    }
    let is_second = u64::from(u32::from(classes[0]) != fixed.settings.turned_classes[0]);
    let mut left = starts.iter().copied().peekable();
    // How often the class changed so far: with a /24, and inside of one.
    let (mut with, mut within) = (0, 0);
    for number in 0..256 {
        let first = (block.number << 16 | number << 8) as u32;
        while let Some(start) = left.next_if(|start| *start <= first) {
            match start & 0xff {
                0 => with += 1,
                _ => within += 1,
            }
        }
        let (word, bit) = bit_of_20(first);
        let turns = match fixed.inside4[word] >> bit & 1 {
            0 => is_second + with + within,
            _ => with,
        };
        let (word, bit) = bit_of_24(first);
        fixed.turned4[word] |= (turns & 1) << bit;
    }
}
