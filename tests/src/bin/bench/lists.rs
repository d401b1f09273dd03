//! Prefix lists as operators have them, and sources drawn from them. The same ones in every run.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use edge_filter_tests::random::Random;

/// Prefixes of both families: address and length.
pub struct List {
    /// IPv4.
    pub v4: Vec<(u32, u8)>,
    /// IPv6: none is longer than 64.
    pub v6: Vec<(u64, u8)>,
}

/// Lengths about as in routing tables and provider lists. Short IPv4 prefixes are rarer than there:
/// a million of these should leave addresses that no list has.
const LENGTHS_V4: [u8; 20] = [
    20, 21, 22, 22, 22, 23, 23, 24, 24, 24, 24, 24, 24, 24, 24, 24, 24, 28, 32, 32,
];
const LENGTHS_V6: [u8; 10] = [32, 32, 36, 40, 44, 48, 48, 48, 56, 64];
const TOPS_V6: [u64; 6] = [0x2001, 0x2400, 0x2600, 0x2804, 0x2a00, 0x2a02];

impl List {
    /// So many prefixes of each family.
    pub fn new(prefixes: usize) -> Self {
        let mut random = Random::new(7);
        Self {
            v4: (0..prefixes).map(|_| v4(&mut random)).collect(),
            v6: (0..prefixes).map(|_| v6(&mut random)).collect(),
        }
    }

    /// So many prefixes of each family, as many one behind the other as `run` says: every second
    /// one, as neighbours that touch would be one range. As blocks that one network announces.
    pub fn in_runs(prefixes: usize, run: usize) -> Self {
        let mut random = Random::new(11);
        let mut list = Self {
            v4: Vec::new(),
            v6: Vec::new(),
        };
        while list.v4.len() < prefixes {
            let (first, length) = v4(&mut random);
            let step = 2_u32 << (32 - length);
            let others = (0..run as u32).map(|at| first.wrapping_add(at.wrapping_mul(step)));
            // A run may end in the addresses that other cases take theirs from.
            let inside = others.filter(|address| is_free(address >> 24));
            list.v4.extend(inside.map(|address| (address, length)));
        }
        while list.v6.len() < prefixes {
            let (first, length) = v6(&mut random);
            let step = 2_u64 << (64 - length);
            let others = (0..run as u64).map(|at| first.wrapping_add(at.wrapping_mul(step)));
            let inside = others.filter(|upper| TOPS_V6.contains(&(upper >> 48)));
            list.v6.extend(inside.map(|upper| (upper, length)));
        }
        list.v4.truncate(prefixes);
        list.v6.truncate(prefixes);
        list
    }

    /// As a list file.
    pub fn text(&self) -> String {
        let mut text = self.text_v4();
        for (upper, length) in &self.v6 {
            let address = Ipv6Addr::from(u128::from(*upper) << 64);
            let _ = writeln!(text, "{address}/{length}");
        }
        text
    }

    /// Its IPv4 part.
    pub fn text_v4(&self) -> String {
        let mut text = String::new();
        for (address, length) in &self.v4 {
            let _ = writeln!(text, "{}/{length}", Ipv4Addr::from(*address));
        }
        text
    }

    /// A random address inside a random prefix.
    pub fn draw_v4(&self, random: &mut Random) -> u32 {
        let (address, length) = self.v4[random.below(self.v4.len())];
        address
            | (random.next() as u32)
                .checked_shr(length.into())
                .unwrap_or(0)
    }

    /// The upper half of a random address inside a random prefix.
    pub fn draw_v6(&self, random: &mut Random) -> u64 {
        let (upper, length) = self.v6[random.below(self.v6.len())];
        upper | random.next().checked_shr(length.into()).unwrap_or(0)
    }
}

fn v4(random: &mut Random) -> (u32, u8) {
    let length = random.pick(&LENGTHS_V4);
    // What other cases take their sources from is left out.
    let first = loop {
        let first = 1 + random.below(223) as u32;
        if is_free(first) {
            break first;
        }
    };
    let address = first << 24 | (random.next() >> 40) as u32;
    (address & u32::MAX << (32 - length), length)
}

/// Whether lists may have addresses that begin with this byte.
fn is_free(first: u32) -> bool {
    (1..224).contains(&first) && ![10, 100, 127, 198, 203].contains(&first)
}

fn v6(random: &mut Random) -> (u64, u8) {
    let length = random.pick(&LENGTHS_V6);
    let upper = random.pick(&TOPS_V6) << 48 | random.next() >> 16;
    (upper & u64::MAX << (64 - length), length)
}

#[cfg(test)]
mod tests {
    use edge_filter_tests::random::Random;

    use super::List;

    #[test]
    fn every_run_has_the_same_list() {
        assert_eq!(List::new(500).text(), List::new(500).text());
    }

    #[test]
    fn runs_are_of_prefixes_of_one_length_that_do_not_touch() {
        let list = List::in_runs(1_000, 8);
        assert_eq!((list.v4.len(), list.v6.len()), (1_000, 1_000));
        let is_next = |pair: &&[(u32, u8)]| {
            pair[0].1 == pair[1].1
                && u64::from(pair[1].0) == u64::from(pair[0].0) + (2 << (32 - pair[0].1))
        };
        let next = list.v4.windows(2).filter(is_next).count();
        assert!((850..900).contains(&next), "{next}");
        assert!(list.v4.iter().all(|prefix| super::is_free(prefix.0 >> 24)));
        let is_next = |pair: &&[(u64, u8)]| {
            pair[0].1 == pair[1].1 && pair[1].0.wrapping_sub(pair[0].0) == 2 << (64 - pair[0].1)
        };
        let next = list.v6.windows(2).filter(is_next).count();
        assert!((850..900).contains(&next), "{next}");
    }

    #[test]
    fn sources_are_drawn_from_the_list() {
        let list = List::new(200);
        let mut random = Random::new(3);
        for _ in 0..1_000 {
            let source = list.draw_v4(&mut random);
            let is_inside = |(address, length): &(u32, u8)| {
                (source ^ address)
                    .checked_shr(32 - u32::from(*length))
                    .unwrap_or(0)
                    == 0
            };
            assert!(list.v4.iter().any(is_inside), "{source:#x}");
            let source = list.draw_v6(&mut random);
            let is_inside = |(upper, length): &(u64, u8)| (source ^ upper) >> (64 - length) == 0;
            assert!(list.v6.iter().any(is_inside), "{source:#x}");
        }
    }
}
