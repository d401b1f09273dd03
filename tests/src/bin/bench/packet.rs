//! Part 1: what the program costs a packet. Nothing is attached; packets go through it by test run.

mod fixed;
mod locality;
mod policies;
mod random;
mod tables;

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};

use crate::Bench;
use crate::edge::Edge;
use crate::frames::PORT;
use crate::lists::List;
use crate::peers::Peers;
use crate::result::{Part, number};
use crate::timing::{Case, interleave};

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// Drops at once.
    Bare,
    /// Reads the headers, drops.
    Parse,
    /// Debian's xdp-filter, 10,000 addresses.
    XdpFilter,
    /// The same filter from LPM tries and an LRU hash.
    LpmLru,
    /// edge-filter, one service.
    Edge,
    /// edge-filter, 64 services.
    Edge64,
}

/// One figure's place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    subject: Subject,
    path: String,
    /// Of each family.
    prefixes: usize,
    /// Drawn at random; `None`: always the same packet.
    sources: Option<usize>,
}

/// Nanoseconds a packet.
pub type Costs = BTreeMap<Key, f64>;

/// How many sources are drawn from.
pub const SOURCES: [usize; 3] = [1_000, 50_000, 1_000_000];
/// Of each family; the others are compared with the first.
const PREFIXES: [usize; 6] = [1, 10, 1_000, 10_000, 100_000, 1_000_000];
const QUICK_PREFIXES: [usize; 3] = [1, 10_000, 1_000_000];
/// Of cases that take turns: one packet, listed sources, new connections, other lists.
const BATCHES: usize = 4;
/// The policy that the peers get as well.
pub const USUAL: usize = 10_000;

/// A policy, and everything loaded with it.
struct World {
    prefixes: usize,
    list: List,
    edge: Edge,
    edge64: Edge,
    lpm_lru: Peers,
}

/// Loads everything, checks that each packet goes the way it is meant to, measures.
///
/// # Errors
/// What the kernel refuses, or a packet that goes another way.
pub fn measure(bench: &Bench) -> Result<Part> {
    let prefixes = if bench.effort.is_quick {
        QUICK_PREFIXES.as_slice()
    } else {
        PREFIXES.as_slice()
    };
    let batches = BATCHES * (bench.effort.case_rounds + 1);
    let loads = prefixes.len() + locality::SHAPES.len();
    bench.progress.begin("packet", loads + batches);
    let worlds = prefixes
        .iter()
        .map(|prefixes| World::load(bench, *prefixes))
        .collect::<Result<Vec<_>>>()?;
    let mut costs = Costs::new();
    fixed::measure(bench, &worlds, &mut costs)?;
    random::listed(bench, &worlds, &mut costs)?;
    random::rated(bench, &mut costs)?;
    drop(worlds);
    locality::measure(bench, &mut costs)?;
    Ok(tables::part(&costs, prefixes))
}

impl World {
    fn load(bench: &Bench, prefixes: usize) -> Result<Self> {
        let step = format!(
            "loading {} prefixes of each family",
            number(prefixes as f64)
        );
        bench.progress.step(&step);
        // The rest is for the prefixes that the paths need.
        let list = List::new(prefixes.min(999_900));
        let open = |services: usize| {
            let pins = bench.pins.join(format!("edge-{prefixes}-{services}"));
            let mut edge = Edge::open(&pins, &policies::policy(services), &list.text())?;
            edge.ban(policies::BANNED4, policies::BANNED6)?;
            anyhow::Ok(edge)
        };
        let (edge, edge64) = (open(1)?, open(64)?);
        let room = prefixes as u32 + 1;
        let mut lpm_lru = Peers::load_sized(&["lpm_lru"], room, policies::CELLS)?;
        lpm_lru.fill_filter(&list, &policies::DENIED4, PORT, policies::LOOSE_NS)?;
        Ok(Self {
            prefixes,
            list,
            edge,
            edge64,
            lpm_lru,
        })
    }
}

fn usual(worlds: &[World]) -> Result<&World> {
    let mut worlds = worlds.iter();
    let usual = worlds.find(|world| world.prefixes == USUAL);
    usual.context("no policy that the peers get as well")
}

/// Cases that are measured together.
#[derive(Default)]
struct Batch<'a> {
    keys: Vec<Key>,
    cases: Vec<Case<'a>>,
}

impl<'a> Batch<'a> {
    fn add(
        &mut self,
        subject: Subject,
        path: &str,
        prefixes: usize,
        sources: Option<usize>,
        case: Case<'a>,
    ) {
        self.keys.push(Key {
            subject,
            path: path.into(),
            prefixes,
            sources,
        });
        self.cases.push(case);
    }

    fn measure(self, what: &str, bench: &Bench, costs: &mut Costs) -> Result<()> {
        let measured = interleave(&self.cases, bench.effort, &bench.progress, what)?;
        costs.extend(self.keys.into_iter().zip(measured));
        Ok(())
    }
}
