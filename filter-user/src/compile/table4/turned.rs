//! Blocks whose ranges mostly start with a /24: bits for these, a chunk for the others.

use super::{Block, alternating_words, fill_alternating};
use crate::compile::ranges::Ranges;
use filter_common::policy::Fixed;
use filter_common::table4::{Kind, bit_of_20, bit_of_24, leaf_class};
use std::collections::BTreeMap;

/// Words that the bits of a block's /24s take, each as long as a start.
const BITS_WORDS: usize = 256 / 16;

/// What the turned blocks of a pair of classes would be.
#[derive(Clone, Copy, Default)]
struct Turned {
    /// Words that they spare.
    spared: usize,
    /// Starts that they have.
    starts: usize,
}

/// Makes turned those of the pair of classes that spares most; the pair. `None` if they have less
/// than half of all starts: addresses in other blocks pay for it.
pub(super) fn choose(blocks: &mut [Block], ranges: &Ranges<u32, u16>) -> Option<[u16; 2]> {
    let mut by_pair: BTreeMap<[u16; 2], Turned> = BTreeMap::new();
    for block in &*blocks {
        if let Some(words) = spares(block, ranges) {
            let turned = by_pair.entry(pair(block, ranges)).or_default();
            turned.spared += words;
            turned.starts += block.starts(ranges).len();
        }
    }
    let (&best, turned) = by_pair.iter().max_by_key(|(_, turned)| turned.spared)?;
    if 2 * turned.starts < ranges.starts.len() {
        return None;
    }
    for block in blocks {
        if pair(block, ranges) == best && spares(block, ranges).is_some() {
            block.is_turned = true;
            block.words_log2 = words(block, ranges).ilog2();
        }
    }
    Some(best)
}

/// Says of each block that is one leaf of these classes which of them it is, and of all others that
/// there is more to read. The leaves are in the index.
pub(super) fn begin(classes: [u16; 2], fixed: &mut Fixed) {
    fixed.settings.has_turned4 = 1;
    fixed.settings.turned_classes = classes;
    for (number, entry) in fixed.index4.iter().enumerate() {
        let which =
            leaf_class(*entry).and_then(|leaf| classes.iter().position(|class| *class == leaf));
        let (word, _) = bit_of_24((number << 16) as u32);
        let bits = &mut fixed.turned4[word..word + 4];
        bits.fill(which.map_or(0, |which| (which as u64).wrapping_neg()));
        fixed.inside4[number] = if which.is_some() { 0 } else { u16::MAX };
    }
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
    fixed.inside4[block.number] = 0;
    let chunk: Vec<u32> = inside(starts).collect();
    fill_alternating(&chunk, classes, words);
    for &start in &chunk {
        let (word, bit) = bit_of_20(start);
        fixed.inside4[word] |= 1 << bit;
    }
    let is_second = u64::from(classes[0] != fixed.settings.turned_classes[0]);
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
