//! Pages of a generation, and room in them.

use super::error::CompileError;
use filter_common::policy::{LINE_WORDS, PAGE_WORDS, Page};
use filter_common::table6::NARROW_UNIT;
use zerocopy::FromZeros;

/// Most rooms that are remembered; more would find little more.
const OPEN: usize = 8;
/// Page numbers that a node of `table6` can name: 32 bits of words.
const MOST: usize = (1 << 32) / PAGE_WORDS;

/// A page of zeros.
pub(super) fn zeroed() -> Result<Box<Page>, CompileError> {
    Page::new_box_zeroed().map_err(|_| CompileError::Memory)
}

/// Free words: the first, counted over all pages, and how many.
#[derive(Clone, Copy)]
struct Room {
    start: usize,
    words: usize,
}

/// Where smaller blocks may go.
#[derive(Default)]
struct Rooms(Vec<Room>);

impl Rooms {
    /// The first word of a block, if there is room for it.
    fn take(&mut self, words: usize) -> Option<usize> {
        let room = self.0.iter_mut().find(|room| words <= room.words)?;
        let start = room.start;
        room.start += words;
        room.words -= words;
        Some(start)
    }

    /// Remembers a room, and forgets the smallest if there are too many.
    fn add(&mut self, room: Room) {
        self.0.push(room);
        self.0.retain(|room| room.words > 0);
        if self.0.len() > OPEN {
            self.0.sort_by_key(|room| std::cmp::Reverse(room.words));
            self.0.pop();
        }
    }
}

/// Room for blocks of words, added behind the pages there are. None of up to a line straddles a
/// line, and a longer one starts at one; none of up to a page straddles a page.
pub(super) struct Space<'a> {
    pages: &'a mut Vec<Box<Page>>,
    /// Whole lines.
    open: Rooms,
    /// What longer blocks leave of their last line.
    tails: Rooms,
}

impl<'a> Space<'a> {
    pub fn new(pages: &'a mut Vec<Box<Page>>) -> Self {
        Self {
            pages,
            open: Rooms::default(),
            tails: Rooms::default(),
        }
    }

    /// The first of that many words, counted over all pages: a multiple of [`NARROW_UNIT`].
    pub fn take(&mut self, words: usize) -> Result<usize, CompileError> {
        let words = words.next_multiple_of(NARROW_UNIT);
        if let Some(start) = self.tails.take(words) {
            return Ok(start);
        }
        let lines = words.next_multiple_of(LINE_WORDS);
        let start = match self.open.take(lines) {
            Some(start) => start,
            None => self.take_new(lines)?,
        };
        if lines > words {
            self.tails.add(Room {
                start: start + words,
                words: lines - words,
            });
        }
        Ok(start)
    }

    /// The first words of new pages; what is left of those is kept for others.
    fn take_new(&mut self, words: usize) -> Result<usize, CompileError> {
        let start = self.pages.len() * PAGE_WORDS;
        let pages = words.div_ceil(PAGE_WORDS);
        if self.pages.len() + pages > MOST {
            return Err(CompileError::Pages { pages: MOST + 1 });
        }
        for _ in 0..pages {
            self.pages.push(zeroed()?);
        }
        self.open.add(Room {
            start: start + words,
            words: pages * PAGE_WORDS - words,
        });
        Ok(start)
    }

    /// Words of a block from `start` on, all in one page.
    pub fn words(&mut self, start: usize, words: usize) -> &mut [u64] {
        let at = start % PAGE_WORDS;
        &mut self.pages[start / PAGE_WORDS][at..at + words]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_do_not_overlap_nor_straddle_lines_and_pages() {
        let mut pages = Vec::new();
        let mut space = Space::new(&mut pages);
        let sizes = (0..20_000_usize).map(|at| match at % 7 {
            0 => 1 + at * 31 % 300,
            1 if at % 1_000 == 1 => PAGE_WORDS * 2,
            2 if at % 1_000 == 2 => PAGE_WORDS,
            _ => 1 + at * 13 % 10,
        });
        let mut blocks: Vec<_> = sizes
            .map(|words| (space.take(words).expect("room"), words))
            .collect();
        blocks.sort_unstable();
        for pair in blocks.windows(2) {
            assert!(pair[0].0 + pair[0].1 <= pair[1].0, "{pair:?} overlap");
        }
        for (start, words) in blocks {
            let last = start + words - 1;
            assert!(start % NARROW_UNIT == 0);
            assert!(start % LINE_WORDS == 0 || start / LINE_WORDS == last / LINE_WORDS);
            assert!(words > PAGE_WORDS || start / PAGE_WORDS == last / PAGE_WORDS);
        }
    }

    #[test]
    fn what_a_long_block_leaves_of_its_last_line_is_taken() {
        let mut pages = Vec::new();
        let mut space = Space::new(&mut pages);
        let starts = [10, 4, 2, 2].map(|words| space.take(words).expect("room"));
        assert_eq!(starts, [0, 10, 14, 16]);
    }

    #[test]
    fn no_room_is_forgotten_for_a_smaller_one() {
        let mut rooms = Rooms::default();
        for at in 0..OPEN {
            rooms.add(Room {
                start: 8 * at,
                words: 6,
            });
        }
        for words in [0, 2] {
            rooms.add(Room { start: 100, words });
        }
        let starts: Vec<_> = (0..OPEN).map(|_| rooms.take(6)).collect();
        assert!(starts.iter().all(Option::is_some), "{starts:?}");
        rooms.add(Room {
            start: 200,
            words: 0,
        });
        assert_eq!(rooms.take(1), None);
    }
}
