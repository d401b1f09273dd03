//! Every way through the program, always with the same packet.

use anyhow::{Result, ensure};

use super::policies::{self, PATHS, Path};
use super::{Batch, Costs, Subject, USUAL, World, usual};
use crate::Bench;
use crate::edge::Edge;
use crate::frames::PORT;
use crate::lists::List;
use crate::peers::{Peers, XdpFilter};
use crate::timing::Case;

/// Measures all of them in one batch.
///
/// # Errors
/// The kernel's refusal, or a packet that goes another way than it is meant to.
pub fn measure(bench: &Bench, worlds: &[World], costs: &mut Costs) -> Result<()> {
    let limits = Peers::load(&["bare_drop", "parse_drop"])?;
    let usual = usual(worlds)?;
    let mut addresses: Vec<u32> = usual.list.v4[1..].iter().map(|prefix| prefix.0).collect();
    let first = usual.list.v4[0].0;
    // Its first address is the one that is measured: that is to pass.
    addresses.retain(|address| *address != first);
    addresses.push(policies::DENIED4[0].0);
    addresses.truncate(XdpFilter::CAPACITY);
    let xdp_filter = XdpFilter::load(&bench.pins.join("xdp-filter"), &addresses)?;
    let mut banning = filled(&usual.list, policies::LOOSE_NS)?;
    banning.ban(policies::BANNED4, policies::BANNED6)?;
    let tight = filled(&policies::slow_list(), policies::TIGHT_NS)?;
    let mut batch = Batch::default();
    for path in &PATHS {
        for world in worlds {
            for (subject, edge) in [
                (Subject::Edge, &world.edge),
                (Subject::Edge64, &world.edge64),
            ] {
                let case = Case {
                    program: edge.program(),
                    frame: path.frame(&world.list),
                    before: Some(Box::new(|| edge.look_at_bans(path.looks_at_bans()))),
                };
                check(edge, &case, path)?;
                batch.add(subject, path.name, world.prefixes, None, case);
            }
        }
        let lpm_lru = match path {
            path if path.looks_at_bans() => &banning,
            path if path.is_over_rate() => &tight,
            _ => &usual.lpm_lru,
        };
        for (subject, program) in [
            (Subject::Bare, limits.program("bare_drop")?),
            (Subject::Parse, limits.program("parse_drop")?),
            (Subject::XdpFilter, xdp_filter.program()?),
            (Subject::LpmLru, lpm_lru.program("lpm_lru")?),
        ] {
            let case = Case {
                program,
                frame: path.frame(&usual.list),
                before: None,
            };
            batch.add(subject, path.name, USUAL, None, case);
        }
        agrees(path, lpm_lru, &usual.list)?;
    }
    batch.measure("one packet again and again", bench, costs)
}

fn filled(list: &List, rate: [u64; 2]) -> Result<Peers> {
    let room = list.v4.len() as u32 + 1;
    let mut peers = Peers::load_sized(&["lpm_lru"], room, policies::CELLS)?;
    peers.fill_filter(list, &policies::DENIED4, PORT, rate)?;
    Ok(peers)
}

/// A figure for a packet that went another way would be worth nothing.
fn check(edge: &Edge, case: &Case<'_>, path: &Path) -> Result<()> {
    const TIMES: u32 = 1000;
    let before = edge.counted(path.outcome)?;
    case.run(TIMES)?;
    let moved = edge.counted(path.outcome)? - before;
    // The first of a rate's burst passes.
    ensure!(
        moved + 1 >= u64::from(TIMES),
        "{}: {moved} of {TIMES} packets were counted as {:?}",
        path.name,
        path.outcome
    );
    Ok(())
}

/// The other filter must do the same work.
fn agrees(path: &Path, lpm_lru: &Peers, list: &List) -> Result<()> {
    const DROP: u32 = 1;
    let case = Case {
        program: lpm_lru.program("lpm_lru")?,
        frame: path.frame(list),
        before: None,
    };
    case.run(10)?;
    // It has no IPv6 deny list: a stranger there.
    let drops = case.verdict()? == DROP;
    ensure!(
        drops == path.outcome.drops(),
        "{}: the filter of LPM tries drops: {drops}",
        path.name
    );
    Ok(())
}
