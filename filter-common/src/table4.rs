//! The IPv4 prefix table: DXR (Zec, Rizzo, Mikuc: "DXR: towards a billion routing lookups per
//! second in software", ACM CCR 2012) with a direct index by the top 16 bits.
//!
//! An index entry is a leaf, which holds the class of the whole /16, or names a chunk: a power
//! of two of 32-bit words, each the lower half of the first address of a range and, below it,
//! the range's class. Chunks are aligned to their size, so none straddles a page.

use crate::policy::{Fixed, Page32, Pages};

/// An index entry with this bit holds a class.
const LEAF: u32 = 1 << 31;
/// Bits of a chunk's first word, counted over all pages.
const START_BITS: u32 = 26;
const START: u32 = (1 << START_BITS) - 1;
/// Most steps of a search: a /16 of 65,536 ranges.
const STEPS: usize = 16;

/// An index entry for a whole /16.
pub const fn leaf(class: u16) -> u32 {
    LEAF | class as u32
}

/// An index entry for a chunk of `1 << size_log2` words from word `start` on; `None` past the
/// capacity of 2^26 words.
pub const fn chunk(start: usize, size_log2: u32) -> Option<u32> {
    if start > START as usize || size_log2 > 16 {
        return None;
    }
    Some(size_log2 << START_BITS | start as u32)
}

/// A word of a chunk.
pub const fn range(lower_half: u16, class: u16) -> u32 {
    (lower_half as u32) << 16 | class as u32
}

/// The class of an address, or `None` if a page is missing.
#[inline(always)]
pub fn class<P: Pages + ?Sized>(fixed: &Fixed, pages: &P, address: u32) -> Option<u16> {
    let entry = fixed.index4[(address >> 16) as usize % (1 << 16)];
    if entry & LEAF != 0 {
        return Some(entry as u16);
    }
    let start = entry & START;
    let page = pages.page(start >> 16)?;
    let words: &Page32 = zerocopy::transmute_ref!(page);
    // The last word that is not above this one belongs to the address.
    let key = i64::from(address << 16 | 0xffff);
    let mut at = start;
    let mut half = (1u32 << (entry >> START_BITS & 31)) >> 1;
    for _ in 0..STEPS {
        if half == 0 {
            break;
        }
        let step = i64::from(words[(at + half) as usize % words.len()]) - key - 1;
        at += half & (step >> 63) as u32;
        half >>= 1;
    }
    Some(words[at as usize % words.len()] as u16)
}
