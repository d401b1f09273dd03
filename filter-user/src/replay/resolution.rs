//! Ticks of an interface's clock to nanoseconds of Unix time.

const NS_PER_SECOND: i128 = 1_000_000_000;

/// How an interface counts time (pcapng draft s. 4.2, `if_tsresol` and `if_tsoffset`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Resolution {
    tick: Tick,
    offset_seconds: i64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tick {
    /// So many nanoseconds.
    Nanoseconds(u64),
    /// So many in a nanosecond.
    PerNanosecond(u64),
    /// 2 to the power of this, in a second.
    PerSecondShift(u32),
}

impl Resolution {
    pub const MICROSECONDS: Self = Self::nanoseconds(1_000);
    pub const NANOSECONDS: Self = Self::nanoseconds(1);

    const fn nanoseconds(tick: u64) -> Self {
        Self {
            tick: Tick::Nanoseconds(tick),
            offset_seconds: 0,
        }
    }

    /// `None` for a power of ten that nobody's clock has: 64 bits would not last a second.
    pub fn new(tsresol: u8, offset_seconds: i64) -> Option<Self> {
        let power = u32::from(tsresol & 0x7f);
        let tick = match (tsresol >> 7, power) {
            (0, 0..=9) => Tick::Nanoseconds(10_u64.pow(9 - power)),
            (0, 10..=19) => Tick::PerNanosecond(10_u64.pow(power - 9)),
            (0, _) => return None,
            (_, power) => Tick::PerSecondShift(power),
        };
        Some(Self {
            tick,
            offset_seconds,
        })
    }

    /// Unix time in nanoseconds; before 1970 or after 2554, the nearest that there is.
    pub fn unix_ns(self, ticks: u64) -> u64 {
        let ns = match self.tick {
            Tick::Nanoseconds(tick) if self.offset_seconds == 0 => {
                return ticks.saturating_mul(tick);
            }
            Tick::Nanoseconds(tick) => i128::from(ticks) * i128::from(tick),
            Tick::PerNanosecond(ticks_in) => i128::from(ticks / ticks_in),
            Tick::PerSecondShift(shift) => (i128::from(ticks) * NS_PER_SECOND) >> shift,
        };
        let ns = ns + i128::from(self.offset_seconds) * NS_PER_SECOND;
        ns.clamp(0, i128::from(u64::MAX)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_comes_to_nanoseconds() {
        for (tsresol, offset, ticks, ns) in [
            (6, 0, 1_500_000, 1_500_000_000),
            (9, 0, 1_500_000_000, 1_500_000_000),
            (0, 0, 3, 3_000_000_000),
            (12, 0, 1_500_000_000_999, 1_500_000_000),
            (0x80 | 10, 0, 1536, 1_500_000_000),
            (6, 100, 1, 100_000_001_000),
            (6, -1, 3_000_000, 2_000_000_000),
        ] {
            let resolution = Resolution::new(tsresol, offset).expect("a clock's");
            assert_eq!(resolution.unix_ns(ticks), ns, "{tsresol} {offset}");
        }
    }

    #[test]
    fn no_resolution_overflows() {
        for tsresol in 0..=255 {
            for offset in [i64::MIN, -1, 0, i64::MAX] {
                let Some(resolution) = Resolution::new(tsresol, offset) else {
                    assert!((20..128).contains(&tsresol), "{tsresol}");
                    continue;
                };
                let earlier = resolution.unix_ns(0);
                assert!(resolution.unix_ns(u64::MAX) >= earlier);
            }
        }
    }
}
