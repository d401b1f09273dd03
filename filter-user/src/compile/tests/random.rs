//! Random numbers that are the same in each run, and prefixes made of them.

use ipnet::{Ipv4Net, Ipv6Net};

/// splitmix64 (Steele, Lea, Flood, OOPSLA 2014).
pub(super) struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let x = self.0;
        let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ x >> 31
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub fn key(&mut self) -> u128 {
        u128::from(self.next()) << 64 | u128::from(self.next())
    }

    /// Few distinct addresses, so that prefixes nest and neighbour each other often.
    pub fn crowded_v4(&mut self, bits: u32) -> Ipv4Net {
        let address = self.next() as u32 & !u32::MAX.checked_shr(bits).unwrap_or(0);
        let low = (self.next() as u32) & 3;
        let address = if self.below(2) == 0 {
            address | low
        } else {
            address
        };
        let address = if self.below(8) == 0 {
            address | 0xffff
        } else {
            address
        };
        self.v4_around(address)
    }

    pub fn v4_around(&mut self, address: u32) -> Ipv4Net {
        let length = match self.below(8) {
            0 => self.below(33) as u8,
            1..5 => 32 - self.below(5) as u8,
            _ => 14 + self.below(8) as u8,
        };
        net4(address, length)
    }

    pub fn crowded_v6(&mut self, bits: u32) -> Ipv6Net {
        let address = self.key() & !u128::MAX.checked_shr(bits).unwrap_or(0);
        let address = match self.below(5) {
            0 => address | u128::from(self.below(8)) << 64,
            1 => address | u128::from(self.below(8)),
            2 => address | u128::from(self.next()),
            3 => address | u128::from(u64::MAX),
            _ => address,
        };
        self.v6_around(address)
    }

    pub fn v6_around(&mut self, address: u128) -> Ipv6Net {
        let length = match self.below(8) {
            0 => self.below(129) as u8,
            1 | 2 => 128 - self.below(5) as u8,
            3..6 => 60 + self.below(8) as u8,
            _ => 12 + self.below(8) as u8,
        };
        net6(address, length)
    }
}

pub(super) fn net4(address: u32, length: u8) -> Ipv4Net {
    Ipv4Net::new(address.into(), length)
        .expect("length")
        .trunc()
}

pub(super) fn net6(address: u128, length: u8) -> Ipv6Net {
    Ipv6Net::new(address.into(), length)
        .expect("length")
        .trunc()
}
