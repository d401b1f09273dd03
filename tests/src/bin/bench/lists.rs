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
        if ![10, 100, 127, 198, 203].contains(&first) {
            break first;
        }
    };
    let address = first << 24 | (random.next() >> 40) as u32;
    (address & u32::MAX << (32 - length), length)
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
