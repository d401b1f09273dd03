//! The sources of most packets, of any number of sources, in bounded memory.

use filter_common::verdict::{Count, Reason};
use std::collections::HashMap;
use std::net::IpAddr;

/// Sources that are remembered at once: with 2^20 some 60 MiB. A flood from random sources meets
/// the limit, and then those of few packets are forgotten.
const MOST: usize = 1 << 20;

/// What came from a source.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tallied {
    pub count: Count,
    /// A bit for each reason.
    pub reasons: u16,
    /// The earliest and the latest time at which one was judged, in nanoseconds of Unix time.
    pub ends_ns: Option<(u64, u64)>,
}

impl Tallied {
    /// The reasons' labels, in the order of the verdict table.
    pub fn reasons(&self) -> Vec<&'static str> {
        let reasons = Reason::ALL.into_iter();
        let had = reasons.filter(|reason| self.reasons >> *reason as u16 & 1 == 1);
        had.map(Reason::label).collect()
    }
}

/// Packets by source.
pub(super) struct Sources {
    tallied: HashMap<IpAddr, Tallied>,
    most: usize,
    forgotten: u64,
}

impl Default for Sources {
    fn default() -> Self {
        Self::with_room_for(MOST)
    }
}

impl Sources {
    fn with_room_for(most: usize) -> Self {
        Self {
            tallied: HashMap::new(),
            most,
            forgotten: 0,
        }
    }

    /// A packet, judged at `now_ns`: none where the capture has told no time yet.
    pub fn add(&mut self, source: IpAddr, reason: Reason, bytes: u64, now_ns: Option<u64>) {
        if self.tallied.len() >= self.most && !self.tallied.contains_key(&source) {
            self.forget();
        }
        let tallied = self.tallied.entry(source).or_default();
        tallied.count.packets += 1;
        tallied.count.bytes += bytes;
        tallied.reasons |= 1 << reason as u16;
        // The clock does not go back.
        if let Some(now_ns) = now_ns {
            let (first, _) = tallied.ends_ns.unwrap_or((now_ns, now_ns));
            tallied.ends_ns = Some((first, now_ns));
        }
    }

    /// Forgets the half with the fewest packets. None of them had more than the most of these, so
    /// no source is short by more than the sum of that (Manku and Motwani, "Lossy Counting", 2002).
    fn forget(&mut self) {
        let mut packets: Vec<u64> = self.tallied.values().map(|t| t.count.packets).collect();
        let middle = packets.len() / 2;
        let (_, least, _) = packets.select_nth_unstable(middle);
        let least = *least;
        self.tallied
            .retain(|_, tallied| tallied.count.packets > least);
        self.forgotten += least;
    }

    /// How many packets a source may have had more than is said.
    pub const fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// The first `most` of them; those of as many packets in the order of their addresses.
    pub fn top(&self, most: usize) -> Vec<(IpAddr, Tallied)> {
        let mut all: Vec<_> = self.tallied.iter().map(|(at, t)| (*at, *t)).collect();
        all.sort_unstable_by_key(|(at, tallied)| (std::cmp::Reverse(tallied.count.packets), *at));
        all.truncate(most);
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    #[test]
    fn a_flood_of_sources_does_not_hide_who_sends_most() {
        let mut sources = Sources::with_room_for(64);
        let loud = IpAddr::from([192, 0, 2, 1]);
        for n in 0..10_000_u32 {
            let now = Some(u64::from(n));
            sources.add(Ipv4Addr::from_bits(n).into(), Reason::NotAllowed, 60, now);
            if n % 4 == 0 {
                sources.add(loud, Reason::Denied, 100, now);
            }
        }
        assert!(sources.tallied.len() <= 64);
        let (source, tallied) = sources.top(1)[0];
        assert_eq!(source, loud);
        let short = 2_500 - tallied.count.packets;
        assert!(short <= sources.forgotten(), "{short}");
        assert_eq!(tallied.reasons(), ["denied"]);
        assert_eq!(tallied.ends_ns.map(|(_, last)| last), Some(9_996));
    }

    #[test]
    fn few_sources_are_counted_exactly() {
        let mut sources = Sources::default();
        for (source, packets) in [(3, 1), (1, 5), (2, 5)] {
            for _ in 0..packets {
                sources.add([10, 0, 0, source].into(), Reason::NotAllowed, 60, None);
            }
        }
        let top = sources.top(2).into_iter();
        let top: Vec<_> = top.map(|(at, t)| (at.to_string(), t.count.bytes)).collect();
        assert_eq!(top, [("10.0.0.1".into(), 300), ("10.0.0.2".into(), 300)]);
        assert_eq!(sources.forgotten(), 0);
    }
}
