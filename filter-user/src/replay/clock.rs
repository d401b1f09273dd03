//! The clock of a replay: the capture's own times, which may be missing or go back.

/// Nanoseconds of Unix time. It never goes back, as the kernel's does not.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    now_ns: u64,
    /// The earliest and the latest time of all packets.
    pub ends_ns: Option<(u64, u64)>,
    /// Packets with an earlier time than one before them.
    pub went_back: u64,
    /// Packets without a time.
    pub without_time: u64,
}

impl Clock {
    /// When a packet is judged: at its time, or at the latest before it.
    pub fn at(&mut self, time_ns: Option<u64>) -> u64 {
        let Some(time_ns) = time_ns else {
            self.without_time += 1;
            return self.now_ns;
        };
        self.went_back += u64::from(time_ns < self.now_ns);
        self.now_ns = self.now_ns.max(time_ns);
        let (first, last) = self.ends_ns.unwrap_or((time_ns, time_ns));
        self.ends_ns = Some((first.min(time_ns), last.max(time_ns)));
        self.now_ns
    }

    /// The time that [`Clock::at`] said last; none before the first packet that has one.
    pub fn now_ns(&self) -> Option<u64> {
        self.ends_ns.map(|_| self.now_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_go_back_and_says_who_wanted_it_to() {
        let mut clock = Clock::default();
        let times = [None, Some(50), Some(40), None, Some(u64::MAX), Some(60)];
        let now = times.map(|time| clock.at(time));
        assert_eq!(now, [0, 50, 50, 50, u64::MAX, u64::MAX]);
        assert_eq!(clock.ends_ns, Some((40, u64::MAX)));
        assert_eq!((clock.went_back, clock.without_time), (2, 2));
    }
}
