//! Who is dropped most, from sampled events, in bounded memory.
//!
//! This is the space-saving summary (Metwally, Agrawal, El Abbadi, 2005) with weights that fade:
//! whoever sends more than one part in [`PLACES`] of what is sampled has a place. It must never
//! grow with the number of sources, which a flood chooses.

use crate::events::Record;
use serde::Serialize;
use std::cmp::Ordering;
use std::net::IpAddr;
use std::time::Duration;

/// Sources that are remembered: some 200 KiB.
pub const PLACES: usize = 512;
/// A source's weight halves in this time: what stopped a minute ago has a sixty-fourth left.
const HALF_LIFE_SECONDS: f64 = 10.0;
/// Below this a source is forgotten: one event is, after a minute and a half.
const FAINT: f64 = 0.002;

/// A source and what is known of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Dropper {
    /// Who.
    pub source: IpAddr,
    /// Sampled events a second, faded; never more than there were.
    pub events_per_second: f64,
    /// Sampled events since it has its place.
    pub events: u64,
    /// The newest of them.
    pub newest: Record,
}

struct Place {
    /// Faded number of events, with what was taken over from the place's last owner.
    weight: f64,
    /// What was taken over.
    inherited: f64,
    events: u64,
    /// When the weight was reckoned.
    at: Duration,
    source: IpAddr,
    newest: Record,
}

/// The sources that are dropped most.
#[derive(Default)]
pub struct Droppers {
    places: Vec<Place>,
}

impl Droppers {
    /// Takes in an event that was read at `now` (of any clock that only advances). Packets that
    /// pass, and those without a readable source, do not count.
    pub fn add(&mut self, record: Record, now: Duration) {
        let Some(source) = record.source.filter(|_| record.action != "pass") else {
            return;
        };
        if let Some(place) = self.places.iter_mut().find(|p| p.source == source) {
            place.fade(now);
            place.weight += 1.0;
            place.events += 1;
            place.newest = record;
            return;
        }
        let mut place = Place {
            weight: 1.0,
            inherited: 0.0,
            events: 1,
            at: now,
            source,
            newest: record,
        };
        if self.places.len() < PLACES {
            self.places.push(place);
            return;
        }
        for place in &mut self.places {
            place.fade(now);
        }
        let smallest = self.places.iter_mut().min_by(|a, b| by_weight(a, b));
        if let Some(smallest) = smallest {
            place.inherited = smallest.weight;
            place.weight += smallest.weight;
            *smallest = place;
        }
    }

    /// The sources that were dropped most of late, at most `limit`, most first. Forgets those of
    /// long ago.
    pub fn top(&mut self, now: Duration, limit: usize) -> Vec<Dropper> {
        for place in &mut self.places {
            place.fade(now);
        }
        self.places.retain(|place| place.weight > FAINT);
        self.places
            .sort_by(|a, b| by_weight(b, a).then(a.source.cmp(&b.source)));
        let top = self.places.iter().take(limit);
        top.map(|place| Dropper {
            source: place.source,
            // The sum of what fades, at a constant rate, is rate × half-life / ln 2.
            events_per_second: (place.weight - place.inherited).max(0.0) * std::f64::consts::LN_2
                / HALF_LIFE_SECONDS,
            events: place.events,
            newest: place.newest.clone(),
        })
        .collect()
    }
}

impl Place {
    fn fade(&mut self, now: Duration) {
        let seconds = now.saturating_sub(self.at).as_secs_f64();
        let factor = (-seconds / HALF_LIFE_SECONDS).exp2();
        self.weight *= factor;
        self.inherited *= factor;
        self.at = self.at.max(now);
    }
}

fn by_weight(a: &Place, b: &Place) -> Ordering {
    a.weight.total_cmp(&b.weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(source: u32, action: &str) -> Record {
        Record {
            time: String::new(),
            device: "eth0".into(),
            interface_index: 2,
            action: action.into(),
            reason: "denied".into(),
            service: "api".into(),
            source: Some(IpAddr::V4(source.into())),
            source_port: None,
            destination: None,
            destination_port: None,
            protocol: None,
            tcp_flags: None,
            vlans: vec![],
            packet_length: 60,
            generation: 1,
        }
    }

    #[test]
    fn a_steady_source_has_its_rate_and_fades_when_it_stops() {
        let mut droppers = Droppers::default();
        // Five a second for two minutes.
        for n in 0..600 {
            droppers.add(event(7, "drop"), Duration::from_millis(200 * n));
        }
        let rate = |droppers: &mut Droppers, seconds| {
            let top = droppers.top(Duration::from_secs(seconds), 1);
            top.first().map(|d| d.events_per_second)
        };
        let steady = rate(&mut droppers, 120).unwrap();
        assert!((4.8..5.2).contains(&steady), "{steady}");
        let faded = rate(&mut droppers, 130).unwrap();
        assert!((2.4..2.6).contains(&faded), "{faded}");
        assert_eq!(rate(&mut droppers, 400), None, "long gone");
    }

    #[test]
    fn a_flood_of_forged_sources_neither_grows_the_table_nor_hides_a_heavy_one() {
        let mut droppers = Droppers::default();
        for n in 0..20_000 {
            let now = Duration::from_millis(n);
            droppers.add(event(0x0a00_0000 + n as u32, "drop"), now);
            if n % 50 == 0 {
                droppers.add(event(7, "drop"), now);
            }
        }
        assert_eq!(droppers.places.len(), PLACES);
        let top = droppers.top(Duration::from_secs(20), 3);
        assert_eq!(top[0].source, IpAddr::V4(7.into()));
        assert!((10.0..21.0).contains(&top[0].events_per_second), "{top:?}");
        assert!(top[1].events_per_second < 0.2, "nobody gets another's rate");
    }

    #[test]
    fn what_passes_is_nobodys_drop_and_a_monitored_drop_is() {
        let mut droppers = Droppers::default();
        for action in ["pass", "would_drop"] {
            droppers.add(event(7, action), Duration::ZERO);
        }
        assert_eq!(droppers.top(Duration::ZERO, 9)[0].events, 1);
    }
}
