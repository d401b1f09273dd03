//! The IPv6 prefix table: a direct index by the top 16 bits, then indexes as wide as what they
//! cover is crowded, then a short search; the same again for the lower 64 bits where a prefix
//! ends there.
//!
//! A node is a 64-bit word: a *leaf* (a class), a *lone* prefix (in the upper half: see `lone`), an
//! *index* (2^bits nodes, chosen by the next bits of the key) or a *chunk* (up to 256 ranges,
//! searched). A chunk has the first address of each range and then the node of each: a leaf or, in
//! the upper half alone, the root of a table for the lower 64 bits. Where its ranges are of two nodes
//! in turn it is *alternating*, and has these two in front of the addresses instead: half as much to
//! bring into a cache. A chunk of the upper half, of ranges of two classes in turn, is *narrow* where 32 bits hold what the indexes
//! have left of its starts: its node holds both classes, and the starts are half as long, so that up
//! to 16 of them lie in one cache line. One of more starts is *branched*: a line in front has the
//! first start of each of the lines that follow, but for the first of them, so that a search reads
//! two lines. Keys are shifted left as indexes consume them, and so are the starts in a chunk.
//!
//! No chunk straddles a page, and none of up to 64 bytes a cache line. An index of more than 15 bits
//! lies in pages one behind the other.

use crate::lone;
use crate::policy::{Fixed, Page, Page32, Pages};

const LEAF: u64 = 1 << 63;
const INDEX: u64 = 1 << 62;
/// Of a chunk.
const NARROW: u64 = 1 << 61;
const LONE: u64 = LEAF | NARROW;
/// Bits of the upper half that a lone prefix is told by: what the first index leaves.
const LONE_BITS: u32 = u64::BITS - FIRST_BITS;
const HELD: u64 = NARROW - 1;
const _: () = assert!(1 << lone::bits(LONE_BITS) == NARROW);
/// Of a chunk that is not narrow.
const ALTERNATING: u64 = 1 << 60;
/// Of a narrow chunk.
const BRANCHED: u64 = 1 << 60;
const SIZE_SHIFT: u32 = 40;
/// Words of all pages that an index's or a chunk's node can name.
const START: u64 = (1 << 32) - 1;
/// Bits of the upper half that the first index consumes.
pub const FIRST_BITS: u32 = 16;
/// Most ranges of a chunk: eight steps.
pub const CHUNK_RANGES: usize = 256;
const STEPS: usize = 8;
/// An index below the first one consumes at least this many bits, which bounds the depth. The
/// writer makes one only where a chunk has no room.
pub const MIN_INDEX_BITS: u32 = 8;
/// Most bits of an index: eight MiB of nodes. Below one of 16 bits or more, 32 bits or fewer are left
/// of an upper half, and the starts of any chunk can be narrow.
pub const MAX_INDEX_BITS: u32 = 20;
/// Most starts of a narrow chunk that is not branched, and of a line of one that is: a cache line.
pub const NARROW_STARTS: usize = 16;
/// Most lines of starts of a branched chunk.
pub const BRANCHES: usize = 16;
/// Words in the unit of a narrow chunk's start.
pub const NARROW_UNIT: usize = 2;
const NARROW_SIZE_SHIFT: u32 = 32;
const NARROW_START_SHIFT: u32 = 36;
/// Units of all pages that a narrow chunk's node can name.
const NARROW_START: u64 = (1 << 24) - 1;
/// Indexes below the first one in the upper half: 48 bits, at least 8 each.
const UPPER_LEVELS: usize = 5;
/// Indexes in the lower half: 64 bits, at least 8 each; 8 bits are left to a chunk.
const LOWER_LEVELS: usize = 7;

/// A node that holds a class.
pub const fn leaf(class: u16) -> u64 {
    LEAF | class as u64
}

/// The class that a leaf holds.
pub const fn leaf_class(node: u64) -> Option<u16> {
    if node & LONE == LEAF {
        Some(node as u16)
    } else {
        None
    }
}

/// A node for keys whose bits that are left, shifted to the top, are from `first` to `last` of one
/// class, and all others of another. `None` where they are no prefix, and for classes that have no room.
pub const fn lone(first: u64, last: u64, inside: u16, around: u16) -> Option<u64> {
    const REST: u64 = (1 << FIRST_BITS) - 1;
    // The last bits are of no upper half: a prefix of it has all of them.
    if first & REST != 0 || last & REST != REST {
        return None;
    }
    match lone::hold(first >> FIRST_BITS, last >> FIRST_BITS, inside, around) {
        Some(held) => Some(LONE | held),
        None => None,
    }
}

/// A node for an index of `1 << bits` nodes, from word `start` on.
pub const fn index(start: usize, bits: u32) -> u64 {
    INDEX | (bits as u64) << SIZE_SHIFT | start as u64 & START
}

/// A node for a chunk of 1 to [`CHUNK_RANGES`] ranges, from word `start` on: as many starts, then
/// as many nodes.
pub const fn chunk(start: usize, ranges: usize) -> u64 {
    (ranges as u64) << SIZE_SHIFT | start as u64 & START
}

/// A node for an alternating chunk, from word `start` on: the nodes of the first and the second
/// range, then the starts of all but the first.
pub const fn alternating_chunk(start: usize, ranges: usize) -> u64 {
    ALTERNATING | chunk(start, ranges)
}

/// A node for a narrow chunk of 1 to [`NARROW_STARTS`] starts, from word `start` on, a multiple of
/// [`NARROW_UNIT`]: those of all ranges but the first, each 32 bits. The ranges are of the two
/// classes in turn. `None` past the capacity of 2^25 words, and for another number of starts.
pub const fn narrow_chunk(start: usize, starts: usize, classes: [u16; 2]) -> Option<u64> {
    if starts > NARROW_STARTS {
        return None;
    }
    narrow(start, starts, classes)
}

/// A node for a branched chunk, from word `start` on, the first of a cache line: a line of up to 15
/// starts, those of the second line of starts and of all that follow it, then 2 to [`BRANCHES`]
/// lines of 16 starts each. `None` as above.
pub const fn branched_chunk(start: usize, lines: usize, classes: [u16; 2]) -> Option<u64> {
    if lines < 2 || lines > BRANCHES {
        return None;
    }
    match narrow(start, lines - 1, classes) {
        Some(node) => Some(BRANCHED | node),
        None => None,
    }
}

const fn narrow(start: usize, starts: usize, classes: [u16; 2]) -> Option<u64> {
    let unit = (start / NARROW_UNIT) as u64;
    if unit > NARROW_START || starts == 0 {
        return None;
    }
    let size = (starts as u64 - 1) << NARROW_SIZE_SHIFT;
    let classes = classes[0] as u64 | (classes[1] as u64) << 16;
    Some(NARROW | unit << NARROW_START_SHIFT | size | classes)
}

/// A start in a narrow chunk, from the key's bits that are left, shifted to the top; `None` where
/// 32 bits do not hold it.
pub const fn narrow_start(left: u64) -> Option<u32> {
    if left as u32 == 0 {
        Some((left >> 32) as u32)
    } else {
        None
    }
}

/// A start in a chunk of the upper half, from the key's bits that are left, shifted to the top:
/// half of it, so that differences fit a signed number. At least 16 bits are gone, none is lost.
pub const fn upper_start(left: u64) -> u64 {
    left >> 1
}

/// What the upper half of an address leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The class of all addresses with this upper half.
    Class(u16),
    /// The root of a table for the lower half.
    Below(u64),
}

/// The class of an address, or `None` if a page is missing or the table is not well formed.
#[inline(always)]
pub fn class<P: Pages + ?Sized>(fixed: &Fixed, pages: &P, upper: u64, lower: u64) -> Option<u16> {
    match upper_half(fixed, pages, upper)? {
        Found::Class(class) => Some(class),
        Found::Below(node) => lower_half(pages, node, lower),
    }
}

/// Looks up the upper half; `None` as for [`class`].
#[inline(always)]
fn upper_half<P: Pages + ?Sized>(fixed: &Fixed, pages: &P, upper: u64) -> Option<Found> {
    let root = fixed.index6[(upper >> (64 - FIRST_BITS)) as usize % (1 << FIRST_BITS)];
    let (node, left) = descend::<P, UPPER_LEVELS>(pages, root, upper << FIRST_BITS)?;
    if node & LONE == LONE {
        let class = lone::class(node & HELD, left >> FIRST_BITS);
        return Some(Found::Class(class));
    }
    if node & LEAF != 0 {
        return Some(Found::Class(node as u16));
    }
    if node & NARROW != 0 {
        return Some(Found::Class(narrow_class(pages, node, left)?));
    }
    let key = upper_start(left);
    // Both are below 2^63: the difference is negative just where the start is not above the key.
    let node = search(pages, node, |start| {
        (start.wrapping_sub(key + 1) as i64 >> 63) as u32
    })?;
    if node & LEAF != 0 {
        Some(Found::Class(node as u16))
    } else {
        Some(Found::Below(node))
    }
}

/// Looks up the lower half in the table of this root; `None` as for [`class`].
#[inline(always)]
fn lower_half<P: Pages + ?Sized>(pages: &P, root: u64, lower: u64) -> Option<u16> {
    let (node, key) = descend::<P, LOWER_LEVELS>(pages, root, lower)?;
    if node & LEAF != 0 {
        return Some(node as u16);
    }
    let node = search(pages, node, |start| at_most(start, key))?;
    leaf_class(node)
}

/// Through indexes to a leaf or a chunk, and what is left of the key.
#[inline(always)]
fn descend<P: Pages + ?Sized, const LEVELS: usize>(
    pages: &P,
    mut node: u64,
    mut key: u64,
) -> Option<(u64, u64)> {
    for _ in 0..LEVELS {
        if node & INDEX == 0 {
            break;
        }
        let bits = (node >> SIZE_SHIFT & 31) as u32;
        // In two steps: a shift by 64 - 0 would be undefined, and masked to 0 by the kernel.
        let at = (node & START) + (key >> 1 >> (63 - bits));
        let page: &Page = pages.page((at >> 15) as u32)?;
        node = page[at as usize % page.len()];
        key <<= bits;
    }
    Some((node, key))
}

/// The node of the last range of a chunk that `is_at_most` (all ones or zero) says starts no
/// later than the key. The first range always does; its start is not looked at.
#[inline(always)]
fn search<P: Pages + ?Sized>(
    pages: &P,
    chunk: u64,
    is_at_most: impl Fn(u64) -> u32,
) -> Option<u64> {
    let start = (chunk & START) as u32;
    let page = pages.page(start >> 15)?;
    let ranges = (chunk >> SIZE_SHIFT) as u32 & 511;
    // The start of range 1 is word 2 of an alternating chunk, and word 1 of another.
    let starts = start.wrapping_add((chunk >> 60) as u32);
    let mut range = 0;
    let mut left = ranges;
    for _ in 0..STEPS {
        if left <= 1 {
            break;
        }
        let half = left >> 1;
        let first = page[starts.wrapping_add(range + half) as usize % page.len()];
        range += half & is_at_most(first);
        left -= half;
    }
    let node = if chunk & ALTERNATING != 0 {
        range & 1
    } else {
        ranges + range
    };
    Some(page[start.wrapping_add(node) as usize % page.len()])
}

/// The class of the last range of a narrow chunk that starts no later than the key.
#[inline(always)]
fn narrow_class<P: Pages + ?Sized>(pages: &P, chunk: u64, left: u64) -> Option<u16> {
    let start = (chunk >> NARROW_START_SHIFT & NARROW_START) as u32 * NARROW_UNIT as u32;
    let page = pages.page(start >> 15)?;
    let words: &Page32 = zerocopy::transmute_ref!(page);
    let key = (left >> 32) as i64;
    let mut starts = start * 2;
    let mut ranges = (chunk >> NARROW_SIZE_SHIFT & 15) as u32 + 2;
    if chunk & BRANCHED != 0 {
        let line = begun(words, starts, ranges, key);
        starts += (line + 1) * NARROW_STARTS as u32;
        // A line has an even number of starts: in each of them the classes alternate alike.
        ranges = NARROW_STARTS as u32 + 1;
    }
    let range = begun(words, starts, ranges, key);
    let class = chunk >> (16 * (range & 1));
    Some(class as u16)
}

/// Which of up to 17 ranges has a key: the last one that starts no later. `starts` is the place of
/// the second one's start, which those of the others follow.
#[inline(always)]
fn begun(words: &Page32, starts: u32, ranges: u32, key: i64) -> u32 {
    // The word before the start of the first range that is not known to be no later.
    let before = starts.wrapping_sub(1);
    let mut at = before;
    let mut left = ranges;
    while left > 1 {
        let half = left >> 1;
        let first = i64::from(words[at.wrapping_add(half) as usize % words.len()]);
        at = at.wrapping_add(half & ((first - key - 1) >> 63) as u32);
        left = rest(left);
    }
    at.wrapping_sub(before)
}

/// How many ranges of `left` are left once a half, rounded down, is decided: as many as there are
/// in the other. Written so that the verifier sees the number fall, and the search end.
#[inline(always)]
const fn rest(left: u32) -> u32 {
    (left + 1) >> 1
}

/// All ones if `a <= b`, else 0, without a branch (Warren: Hacker's Delight, 2-12).
#[inline(always)]
const fn at_most(a: u64, b: u64) -> u32 {
    let b_below_a = (!b & a) | ((!b | a) & b.wrapping_sub(a));
    ((b_below_a >> 63) as u32).wrapping_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PAGE_WORDS;

    /// The only page there is, under every number.
    struct OnePage<'a>(&'a Page);

    impl Pages for OnePage<'_> {
        fn page(&self, _: u32) -> Option<&Page> {
            Some(self.0)
        }
    }

    #[test]
    fn a_narrow_chunk_is_named_up_to_the_last_unit() {
        let last = (1 << 25) - NARROW_UNIT;
        assert!(narrow_chunk(last, NARROW_STARTS, [1, 2]).is_some());
        assert_eq!(narrow_chunk(last + NARROW_UNIT, 1, [1, 2]), None);
        assert_eq!(narrow_chunk(0, 0, [1, 2]), None);
        assert_eq!(narrow_chunk(0, NARROW_STARTS + 1, [1, 2]), None);
        assert_eq!(narrow_start(7 << 32), Some(7));
        assert_eq!(narrow_start(7 << 32 | 1), None);
    }

    #[test]
    fn a_narrow_chunk_of_any_size_in_the_last_words_of_the_last_page_is_searched() {
        let mut page = [0_u64; PAGE_WORDS];
        for starts in 1..=NARROW_STARTS {
            let words = starts.div_ceil(2).next_multiple_of(NARROW_UNIT);
            let halves: &mut Page32 = zerocopy::transmute_mut!(&mut page);
            let (first, all) = (PAGE_WORDS - words, halves.len());
            for (number, place) in (all - 2 * words..all).enumerate() {
                halves[place] = 10 * (number as u32 + 1);
            }
            let node = narrow_chunk((1 << 25) - PAGE_WORDS + first, starts, [4, 0xffff]);
            let node = node.expect("a unit that can be named");
            for key in 0..=10 * (starts as u32 + 1) {
                let range = (key as usize / 10).min(starts);
                let left = u64::from(key) << 32 | 0xffff_ffff;
                let class = narrow_class(&OnePage(&page), node, left);
                assert_eq!(
                    class,
                    Some([4, 0xffff][range % 2]),
                    "{starts} starts, {key}"
                );
            }
        }
    }

    #[test]
    fn a_branched_chunk_of_any_size_in_the_last_words_of_the_last_page_is_searched() {
        let mut page = [0_u64; PAGE_WORDS];
        for lines in 2..=BRANCHES {
            let starts = lines * NARROW_STARTS;
            let words = NARROW_STARTS / 2 * (1 + lines);
            let halves: &mut Page32 = zerocopy::transmute_mut!(&mut page);
            let first = halves.len() - 2 * words;
            for line in 1..lines {
                halves[first + line - 1] = 10 * (1 + line * NARROW_STARTS) as u32;
            }
            for start in 0..starts {
                halves[first + NARROW_STARTS + start] = 10 * (1 + start) as u32;
            }
            let node = branched_chunk((1 << 25) - words, lines, [4, 0xffff]);
            let node = node.expect("a unit that can be named");
            for key in 0..=10 * (starts as u32 + 1) {
                let range = (key as usize / 10).min(starts);
                let class = narrow_class(&OnePage(&page), node, u64::from(key) << 32);
                assert_eq!(class, Some([4, 0xffff][range % 2]), "{lines} lines, {key}");
            }
        }
        assert_eq!(branched_chunk(0, 1, [1, 2]), None);
        assert_eq!(branched_chunk(0, BRANCHES + 1, [1, 2]), None);
        assert_eq!(branched_chunk(1 << 25, 2, [1, 2]), None);
    }
}
