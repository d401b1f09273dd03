//! Bytes of the ring -> record, with the names of now.

use super::line::Record;
use crate::ids::Book;
use crate::tally::{NO_SERVICE, UNKNOWN};
use filter_common::event::Event;
use filter_common::policy::UNKNOWN_INTERFACE;
use filter_common::verdict::Outcome;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, SystemTime};
use zerocopy::FromBytes as _;

/// The two clocks, read at one moment: events count in the one, people in the other.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Of people.
    pub wall: SystemTime,
    /// Of the packet program, in nanoseconds.
    pub monotonic_ns: u64,
}

impl Clocks {
    /// An event's time as RFC 3339. One from the future, which none is, is now.
    fn time(&self, time_ns: u64) -> String {
        let age = Duration::from_nanos(self.monotonic_ns.saturating_sub(time_ns));
        let at = self.wall.checked_sub(age);
        // The formatter panics before 1970.
        let at = at.filter(|at| *at >= SystemTime::UNIX_EPOCH);
        let at = at.unwrap_or(SystemTime::UNIX_EPOCH);
        humantime::format_rfc3339_millis(at).to_string()
    }
}

/// A record, or `None` for bytes that are no event.
pub fn decode(bytes: &[u8], book: &Book, clocks: Clocks) -> Option<Record> {
    let event = Event::read_from_bytes(bytes).ok()?;
    let outcome = Outcome::from_number(event.outcome)?;
    let address = |halves: [u64; 2]| match event.ip_version {
        4 => Some(IpAddr::V4(Ipv4Addr::from(halves[1] as u32))),
        6 => {
            let [upper, lower] = halves.map(u128::from);
            Some(IpAddr::V6(Ipv6Addr::from(upper << 64 | lower)))
        }
        _ => None,
    };
    let is_known = u32::from(event.interface) != UNKNOWN_INTERFACE;
    let device = book.interfaces.name(event.interface);
    let service = match outcome.has_service() {
        true => book.services.name(event.service).unwrap_or(UNKNOWN),
        false => NO_SERVICE,
    };
    let port = |port| (event.has_ports != 0).then_some(port);
    let vlans = event.vlans.iter().filter(|tag| **tag != 0);
    Some(Record {
        time: clocks.time(event.time_ns),
        device: device.filter(|_| is_known).unwrap_or(UNKNOWN).to_owned(),
        interface_index: event.interface_index,
        action: outcome.action().label().to_owned(),
        reason: outcome.reason().label().to_owned(),
        service: service.to_owned(),
        source: address(event.source),
        source_port: port(event.source_port),
        destination: address(event.destination),
        destination_port: port(event.destination_port),
        protocol: (event.ip_version != 0).then(|| protocol(event.protocol)),
        tcp_flags: (event.tcp_flags != 0).then(|| flags(event.tcp_flags)),
        vlans: vlans.map(|tag| tag - 1).collect(),
        packet_length: event.packet_length,
        generation: event.generation,
    })
}

/// The common ones by name (IANA "Protocol Numbers").
fn protocol(number: u8) -> String {
    match number {
        1 => "icmp".to_owned(),
        6 => "tcp".to_owned(),
        17 => "udp".to_owned(),
        58 => "icmpv6".to_owned(),
        number => number.to_string(),
    }
}

/// RFC 9293 s. 3.1, from the lowest bit on.
const FLAGS: [&str; 8] = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];

fn flags(bits: u8) -> String {
    let set = FLAGS.iter().enumerate().filter(|(n, _)| bits >> n & 1 != 0);
    let set: Vec<_> = set.map(|(_, name)| *name).collect();
    set.join("|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use zerocopy::IntoBytes as _;

    fn clocks() -> Clocks {
        Clocks {
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000),
            monotonic_ns: 5_000_000_000,
        }
    }

    fn event() -> Event {
        Event {
            time_ns: 3_750_000_000,
            source: [0, 0xc633_6407],
            destination: [0, 0xc000_0250],
            packet_length: 74,
            generation: 9,
            interface_index: 4,
            source_port: 4242,
            destination_port: 443,
            vlans: [1, 0],
            outcome: Outcome::NOT_ALLOWED.number(),
            service: 3,
            interface: UNKNOWN_INTERFACE as u8,
            ip_version: 4,
            protocol: 6,
            tcp_flags: 0x12,
            has_ports: 1,
            padding: [0; 5],
        }
    }

    #[test]
    fn every_field_is_told() {
        let record = decode(event().as_bytes(), &Book::default(), clocks()).unwrap();
        let wanted = Record {
            time: "1970-01-12T13:46:38.750Z".into(),
            device: "unknown".into(),
            interface_index: 4,
            action: "drop".into(),
            reason: "not_allowed".into(),
            service: "unknown".into(),
            source: Some("198.51.100.7".parse().unwrap()),
            source_port: Some(4242),
            destination: Some("192.0.2.80".parse().unwrap()),
            destination_port: Some(443),
            protocol: Some("tcp".into()),
            tcp_flags: Some("SYN|ACK".into()),
            vlans: vec![0],
            packet_length: 74,
            generation: 9,
        };
        assert_eq!(record, wanted);
    }

    #[test]
    fn what_has_no_header_has_no_address() {
        let event = Event {
            ip_version: 0,
            has_ports: 0,
            tcp_flags: 0,
            outcome: Outcome::MALFORMED.number(),
            ..event()
        };
        let record = decode(event.as_bytes(), &Book::default(), clocks()).unwrap();
        assert_eq!((record.source, record.destination), (None, None));
        assert_eq!((record.source_port, record.protocol), (None, None));
        assert_eq!((record.service.as_str(), record.tcp_flags), ("-", None));
    }

    #[test]
    fn bytes_that_are_no_event_are_none() {
        let book = Book::default();
        assert_eq!(decode(&[], &book, clocks()), None);
        assert_eq!(decode(&event().as_bytes()[1..], &book, clocks()), None);
        let unknown = Event {
            outcome: 15,
            ..event()
        };
        assert_eq!(decode(unknown.as_bytes(), &book, clocks()), None);
    }

    proptest! {
        #[test]
        fn no_bytes_bring_the_daemon_down(
            bytes in proptest::collection::vec(any::<u8>(), 0..160),
            whole in proptest::array::uniform::<_, 72>(any::<u8>()),
        ) {
            let book = Book::default();
            for bytes in [&bytes[..], &whole[..]] {
                if let Some(record) = decode(bytes, &book, clocks()) {
                    prop_assert!(!record.to_string().contains(char::is_control));
                    serde_json::to_string(&record).unwrap();
                }
            }
        }
    }
}
