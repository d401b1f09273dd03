//! Sources drawn at random, so that tables have to come from where caches put them.

use anyhow::{Result, ensure};
use edge_filter_tests::random::Random;
use filter_common::verdict::Outcome;

use super::policies::{self, ESTABLISHED4, ESTABLISHED6};
use super::{Batch, Costs, SOURCES, Subject, USUAL, World};
use crate::Bench;
use crate::edge::Edge;
use crate::frames::{Kind, PORT, tcp4, tcp6};
use crate::lists::List;
use crate::peers::{Peers, SPRAYED, Sources, Spray, XdpFilter};
use crate::timing::Case;

/// Rows of the tables.
pub const WITHIN: &str = "IPv4 new connection within its rate, anybody";
pub const OVER: &str = "IPv4 new connection over its rate, anybody";

/// Packets of connections from listed sources.
///
/// # Errors
/// The kernel's refusal, or packets that go another way.
pub fn listed(bench: &Bench, worlds: &[World], costs: &mut Costs) -> Result<()> {
    let bare = Peers::load(&["bare_drop"])?;
    let addresses: Vec<u32> = (0..XdpFilter::CAPACITY as u32)
        .map(|n| 0xcb00_7100 + n)
        .collect();
    let xdp_filter = XdpFilter::load(&bench.pins.join("xdp-filter-random"), &addresses)?;
    let mut sprays = Vec::new();
    for (path, is_ipv6) in [(ESTABLISHED4, false), (ESTABLISHED6, true)] {
        for count in SOURCES {
            for world in worlds {
                world.edge.look_at_bans(false);
                let sources = draw(&world.list, count, is_ipv6);
                let edge = world.edge.program();
                let lpm_lru = world.lpm_lru.program("lpm_lru")?;
                let mut programs = vec![
                    (Subject::Edge, edge, true),
                    (Subject::LpmLru, lpm_lru, false),
                ];
                if world.prefixes == USUAL {
                    programs.push((Subject::Bare, bare.program("bare_drop")?, false));
                    programs.push((Subject::XdpFilter, xdp_filter.program()?, false));
                }
                for (subject, program, takes_buffers) in programs {
                    let spray = Spray::before(program, takes_buffers, &sources)?;
                    sprays.push((subject, path, world.prefixes, count, spray));
                }
            }
        }
    }
    let mut batch = Batch::default();
    for (subject, path, prefixes, sources, spray) in &sprays {
        let is_ipv6 = *path == ESTABLISHED6;
        let case = case(spray, is_ipv6, Kind::Established)?;
        if *subject == Subject::Edge {
            let world = worlds.iter().find(|world| world.prefixes == *prefixes);
            let edge = &world.expect("it was made of one").edge;
            check(edge, &case, Outcome::ALLOWED, 1.0)?;
        }
        batch.add(*subject, path, *prefixes, Some(*sources), case);
    }
    batch.measure("sources drawn from the lists", bench, costs)
}

/// New connections from anybody.
///
/// # Errors
/// The kernel's refusal, or packets that go another way.
pub fn rated(bench: &Bench, costs: &mut Costs) -> Result<()> {
    let everybody = policies::everybody();
    let bare = Peers::load(&["bare_drop"])?;
    let mut sprays = Vec::new();
    let mut programs = Vec::new();
    for (path, is_tight, rate) in [
        (WITHIN, false, policies::LOOSE_NS),
        (OVER, true, policies::TIGHT_NS),
    ] {
        // Tables of sources of their own: what one case leaves in them is not the next one's.
        for count in SOURCES {
            let pins = bench.pins.join(format!("edge-rate-{is_tight}-{count}"));
            let edge = Edge::open(&pins, &policies::open_policy(is_tight), "")?;
            let mut lpm_lru = Peers::load_sized(&["lpm_lru"], 2, policies::CELLS)?;
            lpm_lru.fill_filter(&everybody, &policies::DENIED4, PORT, rate)?;
            programs.push((path, count, edge, lpm_lru));
        }
    }
    for (path, count, edge, lpm_lru) in &programs {
        let sources = draw(&everybody, *count, false);
        for (subject, program, takes_buffers) in [
            (Subject::Edge, edge.program(), true),
            (Subject::LpmLru, lpm_lru.program("lpm_lru")?, false),
            (Subject::Bare, bare.program("bare_drop")?, false),
        ] {
            let spray = Spray::before(program, takes_buffers, &sources)?;
            sprays.push((subject, *path, *count, edge, spray));
        }
    }
    let mut batch = Batch::default();
    for (subject, path, sources, edge, spray) in &sprays {
        let case = case(spray, false, Kind::Opening)?;
        // Every source once, so that the tables know them.
        case.run(SPRAYED as u32)?;
        if *subject == Subject::Edge {
            let outcome = match *path {
                OVER => Outcome::CONNECTION_RATE,
                _ => Outcome::ALLOWED,
            };
            // A million sources in as many cells: some make room for others, and come anew.
            check(edge, &case, outcome, 0.5)?;
        }
        batch.add(*subject, path, 0, Some(*sources), case);
    }
    batch.measure("new connections from anybody", bench, costs)
}

/// A packet whose source the spray writes.
///
/// # Errors
/// The kernel's refusal.
pub fn case(spray: &Spray, is_ipv6: bool, kind: Kind) -> Result<Case<'_>> {
    Ok(Case {
        program: spray.program()?,
        frame: match is_ipv6 {
            false => tcp4(1, PORT, kind, 0),
            true => tcp6(1, PORT, kind, 0),
        },
        before: None,
    })
}

/// So many sources of the list, all of them alike.
pub fn draw(list: &List, count: usize, is_ipv6: bool) -> Sources {
    let mut random = Random::new(count as u64);
    if is_ipv6 {
        let all: Vec<_> = (0..count).map(|_| list.draw_v6(&mut random)).collect();
        let drawn: Vec<_> = (0..SPRAYED).map(|_| random.pick(&all)).collect();
        Sources::v6(&drawn)
    } else {
        let all: Vec<_> = (0..count).map(|_| list.draw_v4(&mut random)).collect();
        let drawn: Vec<_> = (0..SPRAYED).map(|_| random.pick(&all)).collect();
        Sources::v4(&drawn)
    }
}

fn check(edge: &Edge, case: &Case<'_>, outcome: Outcome, share: f64) -> Result<()> {
    const TIMES: u32 = 10_000;
    let before = edge.counted(outcome)?;
    case.run(TIMES)?;
    let moved = edge.counted(outcome)? - before;
    ensure!(
        moved as f64 >= share * f64::from(TIMES),
        "{moved} of {TIMES} packets were counted as {outcome:?}"
    );
    Ok(())
}
