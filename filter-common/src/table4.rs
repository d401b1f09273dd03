//! The IPv4 prefix table: DXR (Zec, Rizzo, Mikuc: "DXR: towards a billion routing lookups per
//! second in software", ACM CCR 2012) with a direct index by the top 16 bits.
//!
//! An index entry is a leaf, which holds the class of the whole /16; or a *lone* prefix, the only one
//! inside of the /16 (see `lone`): of a short list nearly every entry is one of these, and the look-up
//! is over. Or it names a chunk of 16-bit words. Its ranges' starts, of which only the lower halves
//! differ, are searched; what a packet pays for is how many cache lines of a large table it touches,
//! so a chunk is as small as can be:
//!
//! - *alternating*, where its ranges are of two classes (a list, and what is not listed): both
//!   classes, then the starts. A range's class follows from whether its number is odd. A chunk of
//!   up to 30 ranges is one cache line.
//! - *mixed*: the starts, then as many classes.
//!
//! The starts are padded to a power of two, and each chunk is aligned to its size, so that none
//! straddles a page.
//!
//! Large lists of networks have bits in front of all that, at places of the fixed part that the
//! address alone tells. A bit for each /24, which takes a sixteenth of what a start does: it is the
//! /24's class (which of two), unless another bit says of the /20 around it that some range starts
//! inside of a /24. Only then the index is read, and a chunk without the starts of /24s: its ranges
//! are of the same two classes, and the /24's bit tells whether what is found in it is *turned* into
//! the other one. Blocks that are not held like that have no bits of /24s, and the others all set.

use crate::lone;
use crate::policy::{Fixed, Page16, Page32, Pages};

/// Where the kind of an index entry stands.
const KIND_SHIFT: u32 = 30;
const MIXED: u32 = 0;
const ALTERNATING: u32 = 1;
const LEAF: u32 = 2;
const LONE: u32 = 3;
/// What an entry has beside its kind.
const HELD: u32 = (1 << KIND_SHIFT) - 1;
const _: () = assert!(lone::bits(16) <= KIND_SHIFT);
/// Where the logarithm of the places that are searched stands.
const SIZE_SHIFT: u32 = 25;
/// Words in the unit of a chunk's start, which is also the smallest chunk.
pub const UNIT: usize = 4;
/// A chunk's start, in units counted over all pages.
const START: u32 = (1 << SIZE_SHIFT) - 1;
/// Most steps of a search: a /16 of 65,536 ranges behind two classes.
const STEPS: usize = 17;
/// Words that the classes of an alternating chunk take.
pub const ALTERNATING_CLASSES: usize = 2;

/// How a chunk holds its classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two words of classes, then the starts of an even number of ranges after the first. The
    /// ranges with even numbers are of the first class.
    Alternating,
    /// Starts, then the class of each.
    Mixed,
}

/// An index entry for a whole /16.
pub const fn leaf(class: u16) -> u32 {
    LEAF << KIND_SHIFT | class as u32
}

/// The class of a leaf.
pub const fn leaf_class(entry: u32) -> Option<u16> {
    if entry >> KIND_SHIFT == LEAF {
        Some(entry as u16)
    } else {
        None
    }
}

/// An index entry for a /16 whose addresses from `first` to `last` are of one class, and all others
/// of another. `None` where they are no prefix, and for classes that have no room.
pub const fn lone(first: u16, last: u16, inside: u16, around: u16) -> Option<u32> {
    match lone::hold(first as u64, last as u64, inside, around) {
        Some(held) => Some(LONE << KIND_SHIFT | held as u32),
        None => None,
    }
}

/// An index entry for a chunk of `1 << size_log2` places from word `start` on; `None` past the
/// capacity of 2^27 words.
pub const fn chunk(kind: Kind, start: usize, size_log2: u32) -> Option<u32> {
    let unit = start / UNIT;
    if unit > START as usize || size_log2 as usize > STEPS {
        return None;
    }
    let kind = match kind {
        Kind::Alternating => ALTERNATING,
        Kind::Mixed => MIXED,
    };
    Some(kind << KIND_SHIFT | size_log2 << SIZE_SHIFT | unit as u32)
}

/// Where the bit of an address's /24 stands: the word, and its place there.
#[inline(always)]
pub const fn bit_of_24(address: u32) -> (usize, u32) {
    ((address >> 14) as usize, address >> 8 & 63)
}

/// Where the bit of an address's /20 stands: the word, and its place there.
#[inline(always)]
pub const fn bit_of_20(address: u32) -> (usize, u32) {
    ((address >> 16) as usize, address >> 12 & 15)
}

/// The class of an address, or `None` if a page is missing.
#[inline(always)]
pub fn class<P: Pages + ?Sized>(fixed: &Fixed, pages: &P, address: u32) -> Option<u16> {
    let mut turn = 0;
    if fixed.settings.has_turned4 != 0 {
        let (word, bit) = bit_of_24(address);
        turn = (fixed.turned4[word % fixed.turned4.len()] >> bit) as u32 & 1;
        let (word, bit) = bit_of_20(address);
        if fixed.inside4[word % fixed.inside4.len()] >> bit & 1 == 0 {
            return Some(fixed.settings.turned_classes[turn as usize % 2]);
        }
    }
    let entry = fixed.index4[(address >> 16) as usize % (1 << 16)];
    let kind = entry >> KIND_SHIFT;
    if kind == LEAF {
        return Some(entry as u16);
    }
    if kind == LONE {
        let key = u64::from(address & 0xffff);
        return Some(lone::class(u64::from(entry & HELD), key));
    }
    let start = (entry & START) * UNIT as u32;
    let page = pages.page(start >> 17)?;
    let words: &Page16 = zerocopy::transmute_ref!(page);
    let pairs: &Page32 = zerocopy::transmute_ref!(page);
    // Both classes of an alternating chunk, before the search needs them: of a chunk of several
    // cache lines theirs comes while the search waits for another, not after it.
    let classes = pairs[(start / 2) as usize % pairs.len()];
    // The last place that is not above this one belongs to the address. The first is not looked at.
    let key = i64::from(address & 0xffff);
    let places = 1u32 << (entry >> SIZE_SHIFT & 31);
    let mut at = start;
    let mut half = places >> 1;
    // At most 31 turns: the verifier sees it halved.
    while half != 0 {
        let first = i64::from(words[at.wrapping_add(half) as usize % words.len()]);
        at = at.wrapping_add(half & ((first - key - 1) >> 63) as u32);
        half >>= 1;
    }
    let place = at.wrapping_sub(start);
    if kind & ALTERNATING != 0 {
        // Places 0 and 1 are the first range, 2 the second, and so on, in turn. Without a branch:
        // it would be mispredicted half of the time.
        let second = !place & place.wrapping_neg() >> 31 ^ turn;
        return Some((classes >> (16 * second)) as u16);
    }
    let class = start.wrapping_add(places.wrapping_add(place));
    Some(words[class as usize % words.len()])
}
