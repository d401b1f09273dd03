//! What is fuzzed: bytes that somebody else wrote, through everything that reads them. libFuzzer
//! calls these functions (`cargo xtask fuzz`), and so do the tests, with the corpus that is kept.
//!
//! A target panics where a promise is broken, and only there. It must never read a file, a clock or
//! a random number: the same bytes always do the same.

pub mod captures;
pub mod configs;
pub mod events;
pub mod lists;
pub mod packets;
pub mod regressions;
pub mod requests;

/// One door for foreign bytes.
pub struct Target {
    /// Of the target, its file in `tests/fuzz/targets` and its folder in `tests/fuzz/corpus`.
    pub name: &'static str,
    /// What must not panic.
    pub run: fn(&[u8]),
    /// What fuzzing begins with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "captures",
        run: captures::run,
        seeds: captures::seeds,
    },
    Target {
        name: "configs",
        run: configs::run,
        seeds: configs::seeds,
    },
    Target {
        name: "events",
        run: events::run,
        seeds: events::seeds,
    },
    Target {
        name: "lists",
        run: lists::run,
        seeds: lists::seeds,
    },
    Target {
        name: "packets",
        run: packets::run,
        seeds: packets::seeds,
    },
    Target {
        name: "requests",
        run: requests::run,
        seeds: requests::seeds,
    },
];

/// Takes the input apart from its front; what is missing is zero.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// As many as are left, at most `length`.
    fn some(&mut self, length: usize) -> &'a [u8] {
        let (some, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        some
    }

    fn array<const N: usize>(&mut self) -> [u8; N] {
        let some = self.some(N);
        let mut array = [0; N];
        array[..some.len()].copy_from_slice(some);
        array
    }

    fn u8(&mut self) -> u8 {
        u8::from_le_bytes(self.array())
    }

    fn u16(&mut self) -> u16 {
        u16::from_le_bytes(self.array())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.array())
    }
}

/// That a terminal shows the text and does nothing else: no control characters but `allowed`, and
/// nothing that turns the direction of text (Unicode TR 9).
fn assert_harmless(text: &str, allowed: &[char]) {
    let turns = |c| matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let harms = |c: char| (c.is_control() || turns(c)) && !allowed.contains(&c);
    assert!(!text.contains(harms), "{text:?} is not escaped");
}

/// Files below a folder of the checkout with that ending, in the order of their names.
fn files(folder: &str, ending: &str) -> Vec<Vec<u8>> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .join(folder);
    let entries = std::fs::read_dir(&folder).expect("a folder of the checkout");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.retain(|path| path.to_string_lossy().ends_with(ending));
    paths.sort();
    assert!(!paths.is_empty(), "{}: no *{ending}", folder.display());
    let read = |path| std::fs::read(path).expect("a file of the checkout");
    paths.iter().map(read).collect()
}
