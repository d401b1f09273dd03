//! What another CPU does between any two of this one's accesses to a set of cells.

use filter_common::gcra::{Cost, Kind, Rate};
use filter_common::sources::{Cell, Taken, WAYS, look, take};
use std::cell::{Cell as Counter, RefCell};
use std::sync::atomic::AtomicU64;

const NOW: u64 = 1 << 30;
const BURST: usize = 40;
/// More accesses than one event makes.
const MANY: usize = 200;

/// Hash of a source; all of them share a set.
fn key(source: u64) -> u64 {
    source << 41
}

/// A cell as one CPU sees it: before one of its accesses another CPU is at work.
struct Seen<'a> {
    cell: &'a AtomicU64,
    cpu: &'a Interrupted<'a>,
}

struct Interrupted<'a> {
    accesses: Counter<usize>,
    at: usize,
    other: RefCell<&'a mut dyn FnMut()>,
}

impl Interrupted<'_> {
    fn count(&self) {
        if self.accesses.get() == self.at {
            (self.other.borrow_mut())();
        }
        self.accesses.set(self.accesses.get() + 1);
    }
}

impl Cell for Seen<'_> {
    fn load(&self) -> u64 {
        self.cpu.count();
        Cell::load(self.cell)
    }
    fn swap(&self, old: u64, new: u64) -> bool {
        self.cpu.count();
        Cell::swap(self.cell, old, new)
    }
}

fn rate() -> Rate {
    Rate::new(Kind::Connection, 1.0, BURST as f64).expect("representable")
}

/// Sets as they may be: empty, of some sources seen once or twice, full of those.
fn sets() -> impl Iterator<Item = [AtomicU64; WAYS]> {
    [(0, 1), (3, 1), (8, 1), (8, 2), (8, 3)]
        .into_iter()
        .map(|(sources, times)| {
            let set: [AtomicU64; WAYS] = std::array::from_fn(|_| AtomicU64::new(0));
            for source in 100..100 + sources {
                for _ in 0..times {
                    take(&set, key(source), &rate(), Cost::Whole, NOW);
                }
            }
            set
        })
}

/// One event of source 1 on a CPU that another one interrupts before its access of that number.
/// `None` if it makes fewer.
fn interrupted(set: &[AtomicU64; WAYS], at: usize, other: &mut dyn FnMut()) -> Option<Taken> {
    let cpu = Interrupted {
        accesses: Counter::new(0),
        at,
        other: RefCell::new(other),
    };
    let seen: [Seen<'_>; WAYS] = std::array::from_fn(|at| Seen {
        cell: &set[at],
        cpu: &cpu,
    });
    let taken = take(&seen, key(1), &rate(), Cost::Whole, NOW);
    (cpu.accesses.get() > at).then_some(taken)
}

#[test]
fn a_newcomer_on_two_cpus_at_once_gets_one_burst() {
    for number in 0..sets().count() {
        for at in 0.. {
            assert!(at < MANY, "an event makes no end of accesses");
            let set = sets().nth(number).expect("one of them");
            let take_all = || {
                let events = 0..2 * BURST;
                let conforms = |_: &_| take(&set, key(1), &rate(), Cost::Whole, NOW).conforms;
                events.filter(conforms).count()
            };
            let mut passed = 0;
            let Some(taken) = interrupted(&set, at, &mut || passed = take_all()) else {
                break;
            };
            passed += usize::from(taken.conforms) + take_all();
            // One more where each CPU has given it a cell.
            assert!(
                (BURST..=BURST + 1).contains(&passed),
                "set {number}, access {at}: {passed}"
            );
        }
    }
}

#[test]
fn who_loses_its_cell_to_either_cpu_is_counted() {
    for number in 0..sets().count() {
        for at in 0.. {
            assert!(at < MANY, "an event makes no end of accesses");
            let set = sets().nth(number).expect("one of them");
            let known = |source: &u64| look(&set, key(*source)).is_some();
            let before = (1..300).filter(known).count();
            let mut counted = 0;
            let mut others = || {
                // Not at the time of those before.
                let other = take(&set, key(200), &rate(), Cost::Whole, NOW + 5);
                counted = usize::from(other.evicted);
            };
            let Some(taken) = interrupted(&set, at, &mut others) else {
                break;
            };
            counted += usize::from(taken.evicted);
            let lost = before + 2 - (1..300).filter(known).count();
            assert_eq!(counted, lost, "set {number}, access {at}");
        }
    }
}
