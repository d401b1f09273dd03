//! Records of the ring as lines of text and of JSON, and what a follower makes of the daemon's
//! lines.
//!
//! Input: the packet program's clock, a record, and then a line as it comes over the socket.

use super::{Bytes, assert_harmless};
use crate::fixtures;
use filter_common::event::Event;
use filter_common::verdict::Outcome;
use filter_ebpf::parse::describe::describe;
use filter_user::events::{Clocks, Filter, Line, Record, decode};
use filter_user::ids::Book;
use serde_json::json;
use std::sync::LazyLock;
use std::time::{Duration, SystemTime};
use zerocopy::IntoBytes as _;

/// Interfaces may have any name without blanks and slashes.
static BOOK: LazyLock<Book> = LazyLock::new(|| {
    let entry = |name, number| json!({ "name": name, "number": number, "removed": null });
    let book = json!({
        "pin_path": "/",
        "services": [entry("api", 0), entry("dns", 1), entry("inside", 3)],
        "interfaces": [entry("eth0", 0), entry("e\u{1b}[2J\u{202e}\n", 1)],
        "bases": [],
    });
    serde_json::from_value(book).expect("a book")
});

/// Bytes that nobody vouches for.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let clocks = Clocks {
        wall: SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000),
        monotonic_ns: bytes.u64(),
    };
    let record = bytes.some(size_of::<Event>());
    if let Some(record) = decode(record, &BOOK, clocks) {
        recorded(record);
    }
    if let Ok(line) = serde_json::from_slice::<Line>(bytes.0) {
        followed(&line);
    }
}

/// The daemon writes it, a follower reads it, and both say the same of it.
fn recorded(record: Record) {
    let line = Line::Event(record);
    followed(&line);
    let text = serde_json::to_string(&line).expect("plain data");
    assert!(!text.contains('\n'), "{text:?} is more than a line");
    let again: Line = serde_json::from_str(&text).expect("what was written is read");
    assert_eq!(again, line);
}

fn followed(line: &Line) {
    let text = match line {
        Line::Event(record) => record.to_string(),
        Line::Lost(loss) => loss.to_string(),
        Line::Totals(totals) => totals.to_string(),
        Line::Refused(_) => String::new(),
    };
    assert_harmless(&text, &[]);
    let filter = Filter {
        reason: Some("denied".to_owned()),
        ..Filter::default()
    };
    filter.apply(line.clone());
}

/// The event of each fixture's packet under each outcome, and a line of each kind.
pub fn seeds() -> Vec<Vec<u8>> {
    let outcomes: Vec<u8> = (0..=u8::MAX)
        .filter(|number| Outcome::from_number(*number).is_some())
        .collect();
    let mut seeds = Vec::new();
    for (number, fixture) in fixtures::all().iter().enumerate() {
        let mut event = Event {
            time_ns: 1_000_000_000 * number as u64,
            packet_length: fixture.frame.len() as u32,
            generation: 7,
            interface_index: 2,
            outcome: outcomes[number % outcomes.len()],
            service: number as u8 % 5,
            interface: number as u8 % 3,
            ..Event::default()
        };
        describe(&fixture.frame[..], &mut event);
        seeds.push([&[0, 0, 0, 0, 1, 0, 0, 0], event.as_bytes()].concat());
    }
    for line in [
        json!({ "event": { "time": "2026-11-24T03:11:11.250Z", "device": "eth0",
            "interface_index": 2, "action": "drop", "reason": "not_allowed", "service": "api",
            "source": "2001:db8::7", "source_port": 40000, "destination": "2001:db8::1",
            "destination_port": 443, "protocol": "tcp", "tcp_flags": "SYN", "vlans": [5],
            "packet_length": 78, "generation": 3 } }),
        json!({ "lost": { "lost": 7, "cause": "budget", "by_reason": { "denied": 3 } } }),
        json!({ "lost": { "lost": 9, "cause": "slow_follower" } }),
        json!({ "totals": { "events": 1, "lost": 0 } }),
        json!({ "refused": { "kind": "failed", "message": "8 callers follow already" } }),
    ] {
        let before = vec![0; 8 + size_of::<Event>()];
        seeds.push([before, line.to_string().into_bytes()].concat());
    }
    seeds
}
