//! Packets through `decide`: under sound policies, where the oracle has the last word, and under
//! tables that hold anything, where nothing may panic.
//!
//! Input: number of the policy, ways, then packets, each behind the time that it comes later and
//! its length. Under damaged tables the damage comes first (see `Damage`).

use super::Bytes;
use crate::differential::{AGES_NS, Run, STEP_NS, verdict};
use crate::fixtures;
use crate::oracle::Oracle;
use filter_common::event::Event;
use filter_common::verdict::COUNTERS;
use filter_ebpf::parse::describe::describe;
use filter_user::compile::Generation;
use filter_user::offline::Host;
use std::cell::RefCell;
use std::collections::HashMap;
use zerocopy::IntoBytes as _;

/// Some megabytes each; a fuzzer keeps all of them.
const POLICIES: u8 = 64;
/// Of one input.
const PACKETS: usize = 12;
/// Room for far more sources than one input has packets.
const TRACKED_SOURCES: u32 = 1024;
/// Way: the tables are damaged.
const DAMAGED: u8 = 1;

/// Numbers of tables that may be damaged; from 10 on they are pages.
const INDEX4: u8 = 8;
const INDEX6: u8 = 9;
const TURNED4: u8 = 126;
const INSIDE4: u8 = 127;

thread_local! {
    static RUNS: RefCell<HashMap<u8, Run>> = RefCell::default();
}

/// Packets that nobody vouches for.
pub fn run(bytes: &[u8]) {
    let mut bytes = Bytes(bytes);
    let (policy, ways) = (bytes.u8() % POLICIES, bytes.u8());
    RUNS.with_borrow_mut(|runs| {
        let run = runs
            .entry(policy)
            .or_insert_with(|| Run::new(policy.into(), AGES_NS));
        if ways & DAMAGED == 0 {
            agree(run, policy, &mut bytes);
        } else {
            endure(run, &mut bytes);
        }
    });
}

/// The packet path, `explain` and the oracle say the same.
fn agree(run: &mut Run, policy: u8, bytes: &mut Bytes<'_>) {
    let mut host = run.host_of(Host::with_sources(TRACKED_SOURCES));
    let mut oracle = Oracle::default();
    run.context.now_ns = AGES_NS;
    for _ in 0..PACKETS {
        if bytes.is_empty() {
            break;
        }
        run.context.now_ns += STEP_NS * u64::from(bytes.u8());
        let length = bytes.u16().into();
        let frame = bytes.some(length);
        host.now_ns = run.context.now_ns;
        let wanted = oracle.judge(&run.policy, &run.context, frame);
        let asked = host.ask(&run.generation, frame);
        let decision = host.decide(&run.generation, frame);
        let found = verdict(decision.outcome(), decision.service());
        assert!(
            found == wanted && asked.outcome() == decision.outcome(),
            "the packet path says {found:?}, explain {:?}, the oracle {wanted:?}\n{}",
            asked.outcome(),
            run.describe(policy.into(), frame)
        );
        describe(frame, &mut Event::default());
    }
}

/// Whatever the tables hold, at whatever time, there is a verdict that can be counted.
fn endure(run: &mut Run, bytes: &mut Bytes<'_>) {
    let mut host = run.host_of(Host::with_sources(TRACKED_SOURCES));
    let mut damages = Vec::new();
    for _ in 0..bytes.u8() % 8 {
        damages.extend(Damage::read(bytes).done_to(&mut run.generation));
    }
    for _ in 0..PACKETS {
        if bytes.is_empty() {
            break;
        }
        host.now_ns = bytes.u64();
        let length = bytes.u16().into();
        let frame = bytes.some(length);
        host.ask(&run.generation, frame);
        let decision = host.decide(&run.generation, frame);
        assert!((decision.counter(host.interface) as usize) < COUNTERS);
    }
    for damage in damages.into_iter().rev() {
        damage.undo(&mut run.generation);
    }
}

/// A word that is written over one place of a table, or over all of it.
struct Damage {
    table: u8,
    is_all: bool,
    place: usize,
    word: u64,
}

/// A table as it was.
struct Undamaged {
    table: u8,
    start: usize,
    bytes: Vec<u8>,
}

impl Damage {
    fn read(bytes: &mut Bytes<'_>) -> Self {
        let table = bytes.u8();
        Self {
            table: table & 0x7f,
            is_all: table & 0x80 != 0,
            place: bytes.u16().into(),
            word: bytes.u64(),
        }
    }

    fn done_to(self, generation: &mut Generation) -> Option<Undamaged> {
        let table = table(generation, self.table)?;
        let words = table.len() / 8;
        let range = if self.is_all {
            0..words * 8
        } else {
            let start = self.place % words * 8;
            start..start + 8
        };
        let undamaged = Undamaged {
            table: self.table,
            start: range.start,
            bytes: table[range.clone()].to_vec(),
        };
        for word in table[range].chunks_exact_mut(8) {
            word.copy_from_slice(&self.word.to_le_bytes());
        }
        Some(undamaged)
    }
}

impl Undamaged {
    fn undo(&self, generation: &mut Generation) {
        if let Some(table) = table(generation, self.table) {
            table[self.start..][..self.bytes.len()].copy_from_slice(&self.bytes);
        }
    }
}

/// The bytes of a table, by number.
fn table(generation: &mut Generation, number: u8) -> Option<&mut [u8]> {
    let fixed = &mut *generation.fixed;
    Some(match number {
        0 => fixed.settings.as_mut_bytes(),
        1 => fixed.profiles.as_mut_bytes(),
        2 => fixed.services.as_mut_bytes(),
        3 => fixed.classes.as_mut_bytes(),
        4 => fixed.addresses.as_mut_bytes(),
        5 => fixed.address_places.as_mut_bytes(),
        6 => fixed.tcp.as_mut_bytes(),
        7 => fixed.udp.as_mut_bytes(),
        INDEX4 => fixed.index4.as_mut_bytes(),
        INDEX6 => fixed.index6.as_mut_bytes(),
        TURNED4 => fixed.turned4.as_mut_bytes(),
        INSIDE4 => fixed.inside4.as_mut_bytes(),
        page => {
            let page = usize::from(page) - 10;
            let far = generation.pages.iter_mut().map(|page| &mut **page);
            let mut pages = fixed.near.iter_mut().chain(far);
            pages.nth(page)?.as_mut_bytes()
        }
    })
}

/// Every fixture under some policy, a few packets of each random policy, and each kind of damage.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (number, fixture) in fixtures::all().iter().enumerate() {
        let before = fixture.before.iter().rev().take(2);
        let frames: Vec<_> = before.chain([&fixture.frame]).collect();
        seeds.push(sound(number as u8, &frames));
    }
    for policy in 0..POLICIES {
        let mut run = Run::new(policy.into(), AGES_NS);
        for _ in 0..4 {
            let frames: Vec<_> = (0..6).map(|_| run.next()).collect();
            seeds.push(sound(policy, &frames.iter().collect::<Vec<_>>()));
            let table = 0x80 | (seeds.len() as u8 % 16);
            for (word, frame) in [
                u64::MAX,
                u64::MAX << 32,
                u64::MAX >> 32,
                0x0101_0101_0101_0101,
            ]
            .iter()
            .zip(&frames)
            {
                seeds.push(damaged(policy, table, *word, frame));
            }
            // IPv4 chunks of two sizes; bits for networks, if the policy has them.
            for (table, word) in [
                (INDEX4, 0x4400_0000_7e00_7fff),
                (TURNED4, 0x5555_5555_5555_5555),
                (INSIDE4, u64::MAX),
            ] {
                seeds.push(damaged(policy, 0x80 | table, word, &frames[0]));
            }
            // An IPv6 index, an alternating chunk, a narrow and a branched one, in a page that there is.
            for (word, frame) in [
                0x4000_1f00_0000_7fff,
                0x1001_ff00_0000_7fff,
                0x2000_000f_0001_0000,
                0x3003_fffe_0001_0000,
            ]
            .iter()
            .zip(&frames)
            {
                seeds.push(damaged(policy, 0x80 | INDEX6, *word, frame));
            }
        }
    }
    seeds
}

fn sound(policy: u8, frames: &[&Vec<u8>]) -> Vec<u8> {
    let mut seed = vec![policy, 0];
    for frame in frames {
        seed.push(40);
        seed.extend((frame.len() as u16).to_le_bytes());
        seed.extend(*frame);
    }
    seed
}

fn damaged(policy: u8, table: u8, word: u64, frame: &[u8]) -> Vec<u8> {
    let mut seed = vec![policy, DAMAGED, 1, table, 0, 0];
    seed.extend(word.to_le_bytes());
    seed.extend(AGES_NS.to_le_bytes());
    seed.extend((frame.len() as u16).to_le_bytes());
    seed.extend(frame);
    seed
}
