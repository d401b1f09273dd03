//! Counters under the names that users know.

#![forbid(unsafe_code)]

use crate::ids::Book;
use crate::kernel::counters::Counted;
use filter_common::policy::UNKNOWN_INTERFACE;
use filter_common::verdict::{Action, Count, Reason};
use serde::Serialize;
use std::collections::BTreeMap;

/// For a number that nobody has a name for, and for packets from an interface without a slot.
pub const UNKNOWN: &str = "unknown";
/// The label `service` where there is none.
pub const NO_SERVICE: &str = "-";

/// Packets and bytes of one device, service, action and reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Name of the interface.
    pub device: String,
    /// Name of the service, `-` where the packet belongs to none.
    pub service: String,
    /// `pass`, `drop` or `would_drop`.
    pub action: &'static str,
    /// As in the table of verdicts.
    pub reason: &'static str,
    /// Packets.
    pub packets: u64,
    /// Bytes, from the Ethernet header on.
    pub bytes: u64,
}

/// Counters by name, sorted by device, service, then as in the table of verdicts.
#[derive(Clone, Debug, Default)]
pub struct Tally(BTreeMap<(String, String, Reason, Action), Count>);

impl Tally {
    /// Adds up what the kernel counted.
    pub fn new(counted: &[Counted], book: &Book) -> Self {
        let mut tally = Self::default();
        for counted in book.since_named(counted) {
            let device = match u8::try_from(counted.interface) {
                Ok(slot) if counted.interface != UNKNOWN_INTERFACE => book.interfaces.name(slot),
                _ => None,
            };
            let service = match counted.service {
                Some(number) => book.services.name(number).unwrap_or(UNKNOWN),
                None => NO_SERVICE,
            };
            let (reason, action) = (counted.outcome.reason(), counted.outcome.action());
            let count = tally.count(device.unwrap_or(UNKNOWN), service, reason, action);
            count.packets += counted.count.packets;
            count.bytes += counted.count.bytes;
        }
        tally
    }

    /// Makes sure that there is a row, if only of zeros: what counts from zero is seen to grow.
    pub fn expect(&mut self, device: &str, service: &str, reason: Reason, action: Action) {
        self.count(device, service, reason, action);
    }

    fn count(&mut self, device: &str, service: &str, reason: Reason, action: Action) -> &mut Count {
        let key = (device.to_owned(), service.to_owned(), reason, action);
        self.0.entry(key).or_default()
    }

    /// All rows.
    pub fn rows(&self) -> Vec<Row> {
        let rows = self.0.iter();
        rows.map(|((device, service, reason, action), count)| Row {
            device: device.clone(),
            service: service.clone(),
            action: action.label(),
            reason: reason.label(),
            packets: count.packets,
            bytes: count.bytes,
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use filter_common::verdict::Outcome;

    #[test]
    fn a_slot_or_number_without_a_name_is_shown_as_unknown_not_left_out() {
        let counted = |interface, service, outcome| Counted {
            interface,
            service,
            outcome,
            count: Count {
                packets: 1,
                bytes: 60,
            },
        };
        let counted = [
            counted(UNKNOWN_INTERFACE, None, Outcome::ICMP),
            counted(5, None, Outcome::ICMP),
            counted(5, Some(9), Outcome::DENIED),
        ];
        let rows = Tally::new(&counted, &Book::default()).rows();
        let shown: Vec<_> = rows
            .iter()
            .map(|r| (r.device.as_str(), r.service.as_str(), r.reason, r.packets))
            .collect();
        assert_eq!(
            shown,
            [
                ("unknown", "-", "icmp", 2),
                ("unknown", "unknown", "denied", 1)
            ]
        );
    }
}
