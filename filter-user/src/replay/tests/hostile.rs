//! Captures that are cut, damaged or made to harm: an error that says where, never a panic, and
//! no more memory than one record.

use super::super::window::MOST_BYTES;
use super::super::{Capture, CaptureError, read_bytes};
use super::{Writer, packets, syn};
use proptest::prelude::*;
use std::io::{self, Read};

fn error(bytes: &[u8]) -> CaptureError {
    read_bytes(bytes).expect_err("it is damaged")
}

fn pcap(is_big_endian: bool) -> Writer {
    let mut file = Writer::new(is_big_endian);
    file.pcap(0xa1b2_c3d4, 1);
    file.record(1, 0, &syn([10, 0, 0, 1], [10, 0, 0, 2], 443), 54);
    file
}

fn pcapng(is_big_endian: bool) -> Writer {
    let mut file = Writer::new(is_big_endian);
    file.section().interface(1, &[(2, b"eth0"), (9, &[6])]);
    let packet = syn([10, 0, 0, 1], [10, 0, 0, 2], 443);
    file.enhanced(0, 1_000_000, &packet, &[(2, &[1, 0, 0, 0])]);
    file
}

#[test]
fn what_is_no_capture_is_said_to_be_none() {
    assert!(matches!(error(b""), CaptureError::NoHeader { bytes: 0 }));
    let short = &pcap(false).bytes[..20];
    assert!(matches!(error(short), CaptureError::NoHeader { bytes: 20 }));
    let gzip = [&[0x1f, 0x8b, 8, 0][..], &[0; 40]].concat();
    let said = error(&gzip).to_string();
    assert!(said.contains("[1f, 8b, 08, 00]"), "{said}");
    assert!(said.contains("zcat"), "{said}");
}

#[test]
fn a_capture_that_ends_within_a_record_gives_what_lies_before_it() {
    for (whole, ng) in [(pcap(true), false), (pcapng(true), true)] {
        let begin = whole.bytes.len();
        let mut file = whole;
        if ng {
            file.enhanced(0, 2_000_000, b"the last", &[]);
        } else {
            file.record(2, 0, b"the last", 8);
        }
        for end in begin + 1..file.bytes.len() {
            let (found, cut_at) = packets(&file.bytes[..end]);
            assert_eq!(found.len(), 1, "{end}");
            assert_eq!(cut_at, Some(begin as u64), "{end}");
        }
        assert_eq!(packets(&file.bytes[..begin]).1, None);
    }
}

/// A file that never ends, and counts what is taken from it.
struct Endless<'a> {
    start: &'a [u8],
    taken: u64,
}

impl Read for &mut Endless<'_> {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let bytes = if self.start.is_empty() {
            to.fill(0);
            to.len()
        } else {
            self.start.read(to)?
        };
        self.taken += bytes as u64;
        Ok(bytes)
    }
}

#[test]
fn lengths_that_no_packet_has_are_refused_before_anything_is_read_for_them() {
    let mut record = pcap(false);
    let at = record.bytes.len() as u64;
    record.u32(1).u32(0).u32(u32::MAX - 20).u32(60);
    let mut block = pcapng(false);
    let block_at = block.bytes.len() as u64;
    block.u32(6).u32(u32::MAX - 3);
    for (file, at) in [(record, at), (block, block_at)] {
        let mut endless = Endless {
            start: &file.bytes,
            taken: 0,
        };
        let mut capture = Capture::new(&mut endless).expect("a header");
        assert!(capture.next().expect("a packet").is_some());
        let error = capture.next().expect_err("too long");
        let CaptureError::TooLong { offset, bytes } = error else {
            panic!("{error}");
        };
        assert_eq!(offset, at);
        assert!(bytes > MOST_BYTES);
        assert!(endless.taken < 1 << 20, "{}", endless.taken);
    }
}

#[test]
fn blocks_that_contradict_themselves_are_refused_at_their_byte() {
    let good = pcapng(false).bytes;
    let packet_at = 28 + 40;
    assert_eq!(good[packet_at], 6, "the packet's block begins here");
    let cases: [(usize, u32, &str); 6] = [
        // Length: too small, no multiple of four, another than behind the block.
        (packet_at + 4, 8, "its length is no block's"),
        (packet_at + 4, 61, "its length is no block's"),
        (good.len() - 4, 60, "its two lengths are not the same"),
        // Captured length beyond the block, and one that overflows when padded.
        (packet_at + 20, 200, "no packet's block"),
        (packet_at + 20, u32::MAX, "no packet's block"),
        (packet_at + 8, 1, "an interface that was not described"),
    ];
    for (at, number, wanted) in cases {
        let mut bytes = good.clone();
        bytes[at..at + 4].copy_from_slice(&number.to_le_bytes());
        let said = error(&bytes).to_string();
        assert!(said.contains(wanted), "{at}: {said}");
        assert!(said.contains(&format!("byte {packet_at}")), "{at}: {said}");
    }
    let mut bytes = good;
    bytes[8] = 0;
    assert!(error(&bytes).to_string().contains("no byte order"));
}

#[test]
fn link_types_and_blocks_that_are_not_supported_say_what_to_do() {
    let mut wlan = Writer::new(false);
    wlan.pcap(0xa1b2_c3d4, 105);
    let said = error(&wlan.bytes).to_string();
    assert!(said.contains("link type 105 (at byte 20)"), "{said}");
    assert!(said.contains("-y EN10MB"), "{said}");
    let mut obsolete = Writer::new(false);
    obsolete.section().interface(1, &[]);
    obsolete.block(2, |body| {
        body.u32(0);
    });
    assert!(error(&obsolete.bytes).to_string().contains("editcap"));
}

#[test]
fn a_reader_that_gives_one_byte_at_a_time_changes_nothing() {
    struct Drops<'a>(&'a [u8]);
    impl Read for Drops<'_> {
        fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
            let most = to.len().min(1);
            self.0.read(&mut to[..most])
        }
    }
    for file in [pcap(false), pcapng(true)] {
        let mut capture = Capture::new(Drops(&file.bytes)).expect("a capture");
        let captured = capture.next().expect("a packet").expect("one");
        assert_eq!(captured.at_ns, Some(1_000_000_000));
        assert!(capture.next().expect("the end").is_none());
    }
}

proptest! {
    #[test]
    fn no_bytes_bring_the_reader_down(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
        is_big_endian: bool,
    ) {
        let _ = read_bytes(&bytes);
        for file in [pcap(is_big_endian), pcapng(is_big_endian)] {
            let mut damaged = file.bytes;
            for (at, byte) in &changes {
                let at = at.index(damaged.len());
                damaged[at] = *byte;
            }
            damaged.extend(&bytes);
            if let Ok(packets) = read_bytes(&damaged) {
                prop_assert!(packets <= damaged.len() as u64);
            }
        }
    }
}
