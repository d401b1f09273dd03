//! Which shape the tables take for which prefixes; that look-ups find the same in each.

use super::oracle::source;
use super::prefixes::{check_prefixes, policy_of, policy_of_two_classes};
use super::random::{net4, net6};
use super::*;
use filter_common::policy::{ClassEntry, class_entry};
use filter_common::table6;
use std::net::IpAddr;

const LONE4: u32 = 0b11;
const LONE6: u64 = 0b101;

#[test]
fn a_prefix_alone_in_a_block_is_held_by_the_entry() {
    for length in 17..=32 {
        let size = 1_u32 << (32 - length);
        // The first, the second and the last of that length in the block.
        for at in [0, size, 0x1_0000 - size] {
            let nets = vec![net4(0x0a01_0000 + at, length as u8)];
            let generation = in_order(&policy_of(nets.clone(), Vec::new()));
            assert_eq!(generation.fixed.index4[0x0a01] >> 30, LONE4, "{nets:?}");
            check_prefixes(nets, Vec::new(), usize::MAX);
        }
    }
    // What is not listed is alone, too: at the start, inside, at the end of a block.
    for hole in [0_u32, 0x4200, 0xff00] {
        let around = (17..=24).map(|length| net4(0x0a01_0000 | hole ^ 1 << (32 - length), length));
        let nets: Vec<_> = around.collect();
        let policy = policy_of_two_classes(nets.clone(), Vec::new());
        assert_eq!(
            in_order(&policy).fixed.index4[0x0a01] >> 30,
            LONE4,
            "{nets:?}"
        );
        check_prefixes(nets, Vec::new(), usize::MAX);
    }
    // Neighbours that make one range, which is no prefix; two ranges; two classes, one in the other.
    for others in [
        vec![net4(0x0a01_0200, 24), net4(0x0a01_0100, 24)],
        vec![net4(0x0a01_0200, 24), net4(0x0a01_0500, 24)],
        vec![net4(0x0a01_0200, 24), net4(0x0a01_0280, 25)],
    ] {
        let generation = in_order(&policy_of(others.clone(), Vec::new()));
        assert_ne!(generation.fixed.index4[0x0a01] >> 30, LONE4, "{others:?}");
        check_prefixes(others, Vec::new(), usize::MAX);
    }
}

#[test]
fn an_ipv6_prefix_alone_in_a_slot_is_held_by_the_node() {
    for length in 17..=64 {
        let step = 1_u128 << (128 - length);
        for at in [0, step, (1 << 112) - step] {
            let nets = vec![net6(0x2001 << 112 | at, length)];
            let generation = in_order(&policy_of(Vec::new(), nets.clone()));
            let node = generation.fixed.index6[0x2001];
            assert_eq!(node >> 61, LONE6, "{nets:?}");
            check_prefixes(Vec::new(), nets, usize::MAX);
        }
    }
    // Below indexes too.
    for length in [33, 48, 63, 64] {
        let first = 0x2001 << 112;
        let nets = (0..300).map(|at| net6(first | at << 100 | at << 70 | at << 64, length));
        check_prefixes(Vec::new(), nets.collect(), usize::MAX);
    }
    // What ends in a lower half, and two ranges.
    for others in [
        vec![net6(0x2001 << 112, 65)],
        vec![net6(0x2001_0001 << 96, 48), net6(0x2001_0003 << 96, 48)],
    ] {
        let generation = in_order(&policy_of(Vec::new(), others.clone()));
        assert_ne!(generation.fixed.index6[0x2001] >> 61, LONE6, "{others:?}");
        check_prefixes(Vec::new(), others, usize::MAX);
    }
}

#[test]
fn a_lone_prefix_is_held_only_with_classes_that_have_room() {
    // A /65 is of no upper half alone.
    assert!(table6::lone(1 << 16, (2 << 16) - 1, 1, 0).is_some());
    assert_eq!(table6::lone(1 << 15, (2 << 15) - 1, 1, 0), None);
    // Sources that are in any of 2^7 combinations of lists, each alone in its block.
    let mut policy = empty_policy();
    let sources = |bit: u8| (1..1_u32 << 7).filter(move |at| at >> bit & 1 == 1);
    for bit in 0..7 {
        let v4 = sources(bit).map(|at| net4(at << 16 | 1, 32)).collect();
        let v6 = sources(bit).map(|at| net6(u128::from(at) << 112 | 1 << 64, 64));
        let name = format!("list{bit}");
        policy.lists.push(list(&name, v4, v6.collect()));
        let mut service = service(&name, bit.into());
        service.allow = of_lists(&[usize::from(bit)]);
        policy.services.push(service);
    }
    let generation = in_order(&policy);
    let held4 = |at: &usize| generation.fixed.index4[*at] >> 30 == LONE4;
    let held6 = |at: &usize| generation.fixed.index6[*at] >> 61 == LONE6;
    assert_eq!((1..1 << 7).filter(held4).count(), 63);
    assert_eq!((1..1 << 7).filter(held6).count(), 63);
    let tables = HostTables::new(&generation);
    for at in 0..1_u32 << 7 {
        let v4 = |low: u32| IpAddr::V4((at << 16 | low).into());
        let v6 = |low: u128| IpAddr::V6((u128::from(at) << 112 | low << 64).into());
        for (address, is_listed) in [(v4(1), true), (v4(2), false), (v6(1), true), (v6(2), false)] {
            let class = tables.class(source(address)).expect("a well-formed table");
            for bit in 0..7 {
                let entry = class_entry(tables.fixed(), &tables, class, bit).expect("a class page");
                let is_allowed = entry.has(ClassEntry::ALLOW);
                assert_eq!(is_allowed, is_listed && at >> bit & 1 == 1, "{address}");
            }
        }
    }
}

#[test]
fn chunks_are_narrow_where_32_bits_hold_their_starts_and_branched_where_a_line_does_not() {
    const NARROW: u64 = 0b10;
    const BRANCHED: u64 = 0b11;
    const ALTERNATING: u64 = 0b01;
    // The first index consumes 16 bits. From inside of a /16 on, two starts each.
    for (count, length, kind) in [
        (8, 48, NARROW),
        (9, 48, BRANCHED),
        (127, 48, BRANCHED),
        (8, 49, ALTERNATING),
        (9, 49, ALTERNATING),
    ] {
        let nets =
            (0..count).map(|at| net6(0x2001 << 112 | (1 + 2 * at) << (128 - length), length));
        let generation = in_order(&policy_of(Vec::new(), nets.collect()));
        let node = generation.fixed.index6[0x2001];
        assert_eq!(node >> 60, kind, "{count} prefixes of {length} bits");
    }
}

/// Whether the bits of a /16 say the classes of some /20 in it.
fn has_bits(generation: &Generation, block: usize) -> bool {
    generation.fixed.settings.has_turned4 == 1 && generation.fixed.inside4[block] != u16::MAX
}

#[test]
fn ipv4_networks_have_bits_where_these_take_less_than_starts() {
    // Two starts of each, which take 16 words or 32; as bits they take as much as 16.
    for (count, length, step, are_bits) in [
        (7, 24, 0x200, false),
        (8, 24, 0x200, true),
        (64, 24, 0x200, true),
        (64, 23, 0x400, true),
        (64, 25, 0x200, true),
        (60, 28, 0x20, false),
        (300, 32, 2, false),
    ] {
        for first in [0, 0x100, 0x240] {
            let nets = (0..count).map(|at| net4(0x0a01_0000 + first + at * step, length));
            let nets: Vec<_> = nets.collect();
            let generation = in_order(&policy_of(nets.clone(), Vec::new()));
            let found = generation.fixed.settings.has_turned4 == 1;
            assert_eq!(found, are_bits, "{count} /{length} from {first:#x} on");
            check_prefixes(nets, Vec::new(), usize::MAX);
        }
    }
}

#[test]
fn only_ipv4_networks_of_the_pair_of_classes_that_spares_most_have_bits() {
    // In a list of their own each: listed in one or in the other, or not.
    let nets = |block: u32, count: u32, length, step| {
        (0..count).map(move |at| net4(0x0a01_0000 + (block << 16) + at * step, length))
    };
    for (few, many) in [(0, 1), (1, 0)] {
        let some = nets(few, 20, 23, 0x400);
        let more = nets(many, 64, 24, 0x200);
        let both: Vec<_> = some.chain(more).collect();
        let generation = in_order(&policy_of(both.clone(), Vec::new()));
        let found = [few, many].map(|block| has_bits(&generation, 0x0a01 + block as usize));
        assert_eq!(found, [false, true]);
        // Of one class, one of the pair: said by bits, so that the index is not read.
        assert!(has_bits(&generation, 0x0a08));
        check_prefixes(both, Vec::new(), usize::MAX);
    }
}

#[test]
fn ipv4_networks_have_no_bits_where_most_starts_would_not_be_among_them() {
    let networks = (0..64).map(|at| net4(0x0a01_0000 + at * 0x200, 24));
    let others = (0..120).map(|at| net4(0x0a02_0000 + ((at / 60) << 16) + at % 60 * 0x20, 28));
    let nets: Vec<_> = networks.chain(others).collect();
    for (count, has_turned) in [(64 + 60, 1), (64 + 120, 0)] {
        let nets = nets[..count].to_vec();
        let generation = in_order(&policy_of(nets.clone(), Vec::new()));
        assert_eq!(generation.fixed.settings.has_turned4, has_turned);
        check_prefixes(nets, Vec::new(), usize::MAX);
    }
}
