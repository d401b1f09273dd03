//! Lists as operators have them: prefixes in runs of neighbours, sources of which few send most.

use anyhow::Result;
use edge_filter_tests::random::Random;

use super::random::{case, draw};
use super::{Batch, Costs, Subject, policies};
use crate::Bench;
use crate::edge::Edge;
use crate::frames::Kind;
use crate::lists::List;
use crate::peers::{SPRAYED, Sources, Spray};
use crate::result::number;

/// Sources that are drawn from.
pub const SOURCES: usize = 1_000_000;

/// How a list's prefixes lie.
pub struct Shape {
    /// In the table.
    pub name: &'static str,
    /// Prefixes that lie close together; 1: anywhere.
    run: usize,
}

/// Every one.
pub const SHAPES: [Shape; 3] = [
    Shape {
        name: "at random",
        run: 1,
    },
    Shape {
        name: "in runs of 8",
        run: 8,
    },
    Shape {
        name: "in runs of 64",
        run: 64,
    },
];

impl Shape {
    /// What its figures are kept under.
    pub fn path(&self, is_ipv6: bool, is_by_rank: bool) -> String {
        let family = if is_ipv6 { "IPv6" } else { "IPv4" };
        let sources = if is_by_rank { "by rank" } else { "all alike" };
        format!("{family}, prefixes {}, sources {sources}", self.name)
    }

    fn list(&self, prefixes: usize) -> List {
        match self.run {
            1 => List::new(prefixes),
            run => List::in_runs(prefixes, run),
        }
    }
}

/// Prefixes of each family.
pub const fn prefixes(is_quick: bool) -> usize {
    if is_quick { 10_000 } else { 999_900 }
}

/// Packets of connections from listed sources.
///
/// # Errors
/// The kernel's refusal.
pub fn measure(bench: &Bench, costs: &mut Costs) -> Result<()> {
    let prefixes = prefixes(bench.effort.is_quick);
    let mut worlds = Vec::new();
    for shape in &SHAPES {
        let step = format!(
            "loading {} prefixes of each family {}",
            number(prefixes as f64),
            shape.name
        );
        bench.progress.step(&step);
        let list = shape.list(prefixes);
        let pins = bench.pins.join(format!("edge-runs-{}", shape.run));
        let edge = Edge::open(&pins, &policies::policy(1), &list.text())?;
        worlds.push((shape, list, edge));
    }
    let mut sprays = Vec::new();
    for (shape, list, edge) in &worlds {
        for is_ipv6 in [false, true] {
            for is_by_rank in [false, true] {
                let sources = match is_by_rank {
                    false => draw(list, SOURCES, is_ipv6),
                    true => by_rank(list, is_ipv6),
                };
                let spray = Spray::before(edge.program(), true, &sources)?;
                sprays.push((shape.path(is_ipv6, is_by_rank), is_ipv6, spray));
            }
        }
    }
    let mut batch = Batch::default();
    for (path, is_ipv6, spray) in &sprays {
        let case = case(spray, *is_ipv6, Kind::Established)?;
        batch.add(Subject::Edge, path, prefixes, Some(SOURCES), case);
    }
    batch.measure("lists as operators have them", bench, costs)
}

/// Sources of which the one of rank n sends 1/n as many packets as the first: Zipf's law.
fn by_rank(list: &List, is_ipv6: bool) -> Sources {
    let mut random = Random::new(SOURCES as u64);
    if is_ipv6 {
        let all: Vec<_> = (0..SOURCES).map(|_| list.draw_v6(&mut random)).collect();
        let drawn: Vec<_> = (0..SPRAYED).map(|_| all[rank(&mut random)]).collect();
        Sources::v6(&drawn)
    } else {
        let all: Vec<_> = (0..SOURCES).map(|_| list.draw_v4(&mut random)).collect();
        let drawn: Vec<_> = (0..SPRAYED).map(|_| all[rank(&mut random)]).collect();
        Sources::v4(&drawn)
    }
}

/// A rank, from 0 on: the share of ranks up to n is about ln n / ln of how many there are.
fn rank(random: &mut Random) -> usize {
    let share = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
    let rank = (share * (SOURCES as f64).ln()).exp() as usize;
    rank.clamp(1, SOURCES) - 1
}

#[cfg(test)]
mod tests {
    use edge_filter_tests::random::Random;

    use super::{SOURCES, rank};

    #[test]
    fn each_tenfold_of_ranks_is_drawn_as_often() {
        let mut random = Random::new(5);
        let mut drawn = [0; 6];
        for _ in 0..60_000 {
            let rank = rank(&mut random);
            assert!(rank < SOURCES);
            drawn[(rank + 1).ilog10() as usize % 6] += 1;
        }
        assert!(
            drawn.iter().all(|n| (9_000..11_000).contains(n)),
            "{drawn:?}"
        );
    }
}
