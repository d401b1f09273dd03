//! Both formats, as their drafts have them.

use super::super::{Capture, Direction, Format};
use super::{Writer, packets};

#[test]
fn pcap_of_both_byte_orders_and_resolutions_is_read() {
    for is_big_endian in [false, true] {
        for (magic, fraction_ns) in [(0xa1b2_c3d4, 1_000), (0xa1b2_3c4d, 1)] {
            let mut file = Writer::new(is_big_endian);
            file.pcap(magic, 1);
            file.record(7, 123, b"one", 3).record(8, 0, b"", 0);
            let second = 1_000_000_000;
            let wanted = vec![
                (Some(7 * second + 123 * fraction_ns), b"one".to_vec()),
                (Some(8 * second), Vec::new()),
            ];
            assert_eq!(packets(&file.bytes), (wanted, None), "{magic:x}");
            assert_eq!(
                Capture::new(&file.bytes[..]).unwrap().format(),
                Format::Pcap
            );
        }
    }
}

#[test]
fn records_of_kuznetzovs_libpcap_are_read() {
    let mut file = Writer::new(false);
    file.pcap(0xa1b2_cd34, 1);
    file.u32(1)
        .u32(0)
        .u32(4)
        .u32(4)
        .u32(9)
        .u32(9)
        .padded(b"data");
    let wanted = vec![(Some(1_000_000_000), b"data".to_vec())];
    assert_eq!(packets(&file.bytes), (wanted, None));
}

#[test]
fn a_frame_check_sequence_does_not_hide_the_link_type() {
    let mut file = Writer::new(false);
    file.pcap(0xa1b2_c3d4, 0x2400_0000 | 1)
        .record(0, 0, b"x", 1);
    assert_eq!(packets(&file.bytes).0.len(), 1);
}

#[test]
fn interfaces_of_a_pcapng_have_clocks_and_names_of_their_own() {
    for is_big_endian in [false, true] {
        let order = |number: i64| match is_big_endian {
            true => number.to_be_bytes(),
            false => number.to_le_bytes(),
        };
        let mut file = Writer::new(is_big_endian);
        file.section();
        file.interface(1, &[]);
        // Comment, name, resolution, offset; an unknown option last.
        let hour = order(3600);
        let options: [(u16, &[u8]); 5] = [
            (1, b"a comment"),
            (2, b"eth1"),
            (9, &[9]),
            (14, &hour),
            (999, b"?"),
        ];
        file.interface(101, &options);
        file.block(5, |body| {
            body.u32(0).u32(0).u32(0);
        });
        file.enhanced(0, 5_000_000, b"first", &[]);
        file.enhanced(1, 7, b"second", &[(1, b"a comment")]);
        // A simple packet block: interface 0, no time.
        file.block(3, |body| {
            body.u32(5).padded(b"third");
        });
        let wanted = vec![
            (Some(5_000_000_000), b"first".to_vec()),
            (Some(3_600_000_000_007), b"second".to_vec()),
            (None, b"third".to_vec()),
        ];
        assert_eq!(packets(&file.bytes), (wanted, None), "{is_big_endian}");

        let mut capture = Capture::new(&file.bytes[..]).unwrap();
        assert_eq!(capture.format(), Format::Pcapng);
        let mut devices = Vec::new();
        while let Some(captured) = capture.next().unwrap() {
            devices.push((captured.interface, captured.device.map(String::from)));
        }
        let second = (1, Some("eth1".into()));
        assert_eq!(devices, [(0, None), second, (0, None)]);
    }
}

#[test]
fn sections_have_byte_orders_and_interfaces_of_their_own() {
    let mut bytes = Vec::new();
    for is_big_endian in [false, true, false] {
        let mut file = Writer::new(is_big_endian);
        file.section().interface(1, &[]).enhanced(0, 1, b"abc", &[]);
        bytes.extend(file.bytes);
    }
    let mut capture = Capture::new(&bytes[..]).unwrap();
    let mut interfaces = Vec::new();
    while let Some(captured) = capture.next().unwrap() {
        assert_eq!(captured.data, b"abc");
        interfaces.push(captured.interface);
    }
    assert_eq!(interfaces, [0, 1, 2]);
}

#[test]
fn a_packet_block_says_which_way_the_packet_went() {
    for is_big_endian in [false, true] {
        let mut file = Writer::new(is_big_endian);
        file.section().interface(1, &[]);
        for flags in [0_u32, 1, 2] {
            let flags = match is_big_endian {
                true => flags.to_be_bytes(),
                false => flags.to_le_bytes(),
            };
            file.enhanced(0, 0, &[0; 60], &[(2, &flags)]);
        }
        let mut capture = Capture::new(&file.bytes[..]).unwrap();
        for wanted in [Direction::Unknown, Direction::In, Direction::Out] {
            let captured = capture.next().unwrap().expect("one more");
            assert_eq!(captured.frame().unwrap().1, wanted);
        }
    }
}

#[test]
fn blocks_that_hold_no_packet_are_skipped_however_long() {
    let mut file = Writer::new(false);
    file.section().interface(1, &[]);
    file.block(0x0bad, |body| {
        body.bytes.resize(17 << 20, 0);
    });
    file.enhanced(0, 1, b"abc", &[]);
    assert_eq!(packets(&file.bytes).0.len(), 1);
}
