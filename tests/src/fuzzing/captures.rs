//! Captures through the replay: reader, judge, comparison with another policy, report.

use super::{Bytes, assert_harmless};
use crate::fixtures::{self, Unlisted};
use filter_user::config::policy::Policy;
use filter_user::config::{HostFacts, load_from};
use filter_user::replay::{About, Capture, Judge, Replay, Report, read_bytes};
use std::cell::Cell;
use std::path::Path;
use std::sync::LazyLock;

static POLICIES: LazyLock<[Policy; 2]> = LazyLock::new(|| {
    [Unlisted::Drop, Unlisted::Pass].map(|unlisted| {
        // The least that may be tracked: each input begins with empty tables.
        let daemon = "[daemon]\ntracked_sources = 16384\n";
        let text = daemon.to_owned() + &fixtures::config(unlisted, false);
        let read = |_: &Path| Err(std::io::Error::other("no files here"));
        let path = Path::new("config.toml");
        let loaded = load_from(path, text.as_bytes(), &read, &HostFacts::default());
        loaded.expect("it is valid").policy
    })
});

thread_local! {
    /// Two policies' tables take a millisecond to make: they are handed on from input to input,
    /// and start over.
    static JUDGES: Cell<Option<[Judge; 2]>> = const { Cell::new(None) };
}

/// The bytes of a capture that nobody vouches for.
pub fn run(bytes: &[u8]) {
    let read = read_bytes(bytes);
    if let Ok(packets) = read {
        assert!(packets <= bytes.len() as u64, "packets out of nothing");
    }
    let Ok(mut capture) = Capture::new(bytes) else {
        return;
    };
    let [now, then] = JUDGES.take().unwrap_or_else(judges).map(Judge::start_over);
    let to = match bytes.len() % 4 {
        0 => vec!["192.0.2.0/24".parse().expect("a prefix")],
        _ => Vec::new(),
    };
    let mut replay = Replay::new(now, Some(then), to);
    let ended = replay.run(&mut capture);
    if let Err(error) = &ended {
        assert_harmless(&error.to_string(), &[]);
    }
    let about = About {
        capture: "capture".to_owned(),
        format: capture.format(),
        config: "config.toml".to_owned(),
        cut_at_byte: capture.cut_at(),
        damage: ended.err().map(|error| error.to_string()),
        against_generation: Some(1),
    };
    let report = Report::new(about, &replay, 10);
    assert_harmless(&report.to_string(), &['\n']);
    serde_json::to_string(&report).expect("plain data");
    JUDGES.set(replay.into_judges());
}

fn judges() -> [Judge; 2] {
    let [now, then] = &*POLICIES;
    let ports = 32_768..=60_999;
    let judge = |policy, device| Judge::new(policy, device, &ports).expect("it compiles");
    [judge(now, Some("eth0")), judge(then, Some("eth1"))]
}

/// The packets of the fixtures in every format, byte order and link type.
pub fn seeds() -> Vec<Vec<u8>> {
    let fixtures = fixtures::all();
    let frames: Vec<&[u8]> = fixtures.iter().map(|fixture| &fixture.frame[..]).collect();
    let mut seeds = Vec::new();
    for (n, frames) in frames.chunks(4).enumerate() {
        let is_big_endian = n % 2 == 1;
        let link = [1, 101, 113, 228, 229, 276][n % 6];
        let magic = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34][n % 3];
        seeds.push(pcap(magic, link, is_big_endian, frames));
        seeds.push(pcapng(link as u16, is_big_endian, n as u8, frames));
    }
    seeds
}

/// Numbers in one byte order.
struct Writer {
    bytes: Vec<u8>,
    is_big_endian: bool,
}

impl Writer {
    fn numbers<const N: usize>(&mut self, numbers: [u32; N]) -> &mut Self {
        for number in numbers {
            self.bytes.extend(if self.is_big_endian {
                number.to_be_bytes()
            } else {
                number.to_le_bytes()
            });
        }
        self
    }

    /// Two numbers of 16 bits.
    fn halves(&mut self, first: u16, second: u16) -> &mut Self {
        let (first, second) = (u32::from(first), u32::from(second));
        self.numbers([if self.is_big_endian {
            first << 16 | second
        } else {
            second << 16 | first
        }])
    }

    fn padded(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend(bytes);
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
        self
    }

    fn block(&mut self, kind: u32, body: &[u8]) -> &mut Self {
        let length = body.len() as u32 + 12;
        self.numbers([kind, length]).padded(body).numbers([length])
    }

    const fn beside(&self) -> Self {
        Self {
            bytes: Vec::new(),
            is_big_endian: self.is_big_endian,
        }
    }
}

/// What stands before the IP header, in place of the frame's own Ethernet header.
fn relinked(link: u32, frame: &[u8]) -> Vec<u8> {
    let mut rest = Bytes(frame);
    let ethernet: [u8; 14] = rest.array();
    let kind = &ethernet[12..];
    match link {
        1 => frame.to_vec(),
        113 => [&[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0], kind, rest.0].concat(),
        276 => [kind, &[0, 0, 0, 0, 0, 2, 0, 1, 0, 6], &[2; 8], rest.0].concat(),
        _ => rest.0.to_vec(),
    }
}

fn pcap(magic: u32, link: u32, is_big_endian: bool, frames: &[&[u8]]) -> Vec<u8> {
    let bytes = Vec::new();
    let mut file = Writer {
        bytes,
        is_big_endian,
    };
    file.numbers([magic]).halves(2, 4);
    file.numbers([0, 0, 262_144, link]);
    for (second, frame) in (0..).zip(frames) {
        let packet = relinked(link, frame);
        let length = packet.len() as u32;
        file.numbers([second, 1000, length, length]);
        if magic == 0xa1b2_cd34 {
            file.numbers([0, 0]);
        }
        file.bytes.extend(packet);
    }
    file.bytes
}

fn pcapng(link: u16, is_big_endian: bool, resolution: u8, frames: &[&[u8]]) -> Vec<u8> {
    let bytes = Vec::new();
    let mut file = Writer {
        bytes,
        is_big_endian,
    };
    let mut body = file.beside();
    body.numbers([0x1a2b_3c4d]).halves(1, 0);
    body.numbers([u32::MAX, u32::MAX]);
    file.block(0x0a0d_0d0a, &body.bytes);
    let mut body = file.beside();
    body.halves(link, 0).numbers([0]);
    body.halves(2, 4).padded(b"eth1");
    body.halves(9, 1).padded(&[resolution]);
    body.halves(14, 8).numbers([0, 7]).halves(0, 0);
    file.block(1, &body.bytes);
    for (ticks, frame) in (0..).zip(frames) {
        let packet = relinked(link.into(), frame);
        let length = packet.len() as u32;
        let mut body = file.beside();
        if ticks % 4 == 3 {
            body.numbers([length]).padded(&packet);
            file.block(3, &body.bytes);
        } else {
            body.numbers([0, 0, ticks, length, length]).padded(&packet);
            body.halves(2, 4).numbers([1 + ticks % 2]).halves(0, 0);
            file.block(6, &body.bytes);
        }
    }
    file.block(5, &[0; 8]);
    file.bytes
}
