//! Pages of a generation, and room in them.

use super::error::CompileError;
use filter_common::policy::{PAGE_WORDS, Page};
use zerocopy::FromZeros;

/// Pages still looked at for room; more would find little more.
const OPEN: usize = 8;
/// Page numbers that a node of `table6` can name: 32 bits of words.
const MOST: usize = (1 << 32) / PAGE_WORDS;

/// A page of zeros.
pub(super) fn zeroed() -> Result<Box<Page>, CompileError> {
    Page::new_box_zeroed().map_err(|_| CompileError::Memory)
}

/// Room for blocks of words that do not straddle a page, added behind the pages there are.
pub(super) struct Space<'a> {
    pages: &'a mut Vec<Box<Page>>,
    /// Pages with room: number, and words in use.
    open: Vec<(usize, usize)>,
}

impl<'a> Space<'a> {
    pub const fn new(pages: &'a mut Vec<Box<Page>>) -> Self {
        Self {
            pages,
            open: Vec::new(),
        }
    }

    /// The first of that many words, at most a page, counted over all pages.
    pub fn take(&mut self, words: usize) -> Result<usize, CompileError> {
        let has_room = |&&mut (_, used): &&mut (usize, usize)| used + words <= PAGE_WORDS;
        if let Some((page, used)) = self.open.iter_mut().find(has_room) {
            let start = *page * PAGE_WORDS + *used;
            *used += words;
            return Ok(start);
        }
        if self.pages.len() == MOST {
            return Err(CompileError::Pages { pages: MOST + 1 });
        }
        if self.open.len() == OPEN {
            // The fullest one goes.
            self.open.sort_unstable_by_key(|&(_, used)| used);
            self.open.pop();
        }
        let page = self.pages.len();
        self.pages.push(zeroed()?);
        self.open.push((page, words));
        Ok(page * PAGE_WORDS)
    }

    /// Words of a block from `start` on.
    pub fn words(&mut self, start: usize, words: usize) -> &mut [u64] {
        let at = start % PAGE_WORDS;
        &mut self.pages[start / PAGE_WORDS][at..at + words]
    }
}
