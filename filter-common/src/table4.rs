//! The IPv4 prefix table: DXR (Zec, Rizzo, Mikuc: "DXR: towards a billion routing lookups per
//! second in software", ACM CCR 2012) with a direct index by the top 16 bits.
//!
//! An index entry is a leaf, which holds the class of the whole /16, or names a chunk of 16-bit
//! words. Its ranges' starts, of which only the lower halves differ, are searched; what a packet
//! pays for is how many cache lines of a large table it touches, so a chunk is as small as can be:
//!
//! - *alternating*, where its ranges are of two classes (a list, and what is not listed): both
//!   classes, then the starts. A range's class follows from whether its number is odd. A chunk of
//!   up to 30 ranges is one cache line.
//! - *mixed*: the starts, then as many classes.
//! - *turned*, where ranges are of two classes and most start with a /24, as those of the lists of
//!   networks do: a bit for each /24, which takes a sixteenth of what a start does. It is the /24's
//!   class (which of two), unless some range of the /20 around it starts inside of a /24: only then
//!   the chunk is read. It is an alternating one, without the starts of /24s; the bit then tells
//!   whether the chunk's class is turned into the other one. The bits lie in the fixed part, at
//!   places that the address alone tells. One pair of classes in a policy is held like that.
//!
//! The starts are padded to a power of two, and each chunk is aligned to its size, so that none
//! straddles a page.

use crate::policy::{Fixed, Page16, Page32, Pages};

/// Where the kind of an index entry stands.
const KIND_SHIFT: u32 = 30;
const MIXED: u32 = 0;
const ALTERNATING: u32 = 1;
const LEAF: u32 = 2;
/// Its lowest bit is that of an alternating chunk, which it is as well.
const TURNED: u32 = 3;
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
    /// As alternating, without the starts of /24s, for which there are bits.
    Turned,
    /// Starts, then the class of each.
    Mixed,
}

/// An index entry for a whole /16.
pub const fn leaf(class: u16) -> u32 {
    LEAF << KIND_SHIFT | class as u32
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
        Kind::Turned => TURNED,
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
    let entry = fixed.index4[(address >> 16) as usize % (1 << 16)];
    let kind = entry >> KIND_SHIFT;
    if kind == LEAF {
        return Some(entry as u16);
    }
    let turn = if kind == TURNED {
        let (word, bit) = bit_of_24(address);
        let turn = (fixed.turned4[word % fixed.turned4.len()] >> bit) as u32 & 1;
        let (word, bit) = bit_of_20(address);
        if fixed.inside4[word % fixed.inside4.len()] >> bit & 1 == 0 {
            return Some(fixed.settings.turned_classes[turn as usize % 2] as u16);
        }
        turn
    } else {
        // Put aside for the verifier: it first reads the rest with a bit that it does not know, of
        // which none is a case that it need not read again. 6.1: 482,000 instructions, not 506,000.
        core::hint::cold_path();
        0
    };
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
