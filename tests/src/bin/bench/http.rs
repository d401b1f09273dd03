//! Part 4: a real server behind the filter, a connection for each request; and the same while most
//! packets are a flood that the filter has to drop.
//!
//! Client, server and filter share one CPU, the flood is made on another: what the filter saves is
//! then what the server gets, and the flood does not slow down because it is dropped slowly.

mod flood;
mod tables;
mod world;
mod wrk;

use anyhow::{Result, ensure};

use crate::Bench;
use crate::result::Part;
use crate::timing::median;
use flood::Flood;
use world::World;
use wrk::Answer;

/// What is in the packets' way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing.
    Free,
    /// An XDP program that passes everything: what XDP itself costs.
    Pass,
    /// edge-filter, its daemon and all.
    Edge,
    /// nftables, hook ingress of family netdev.
    Nft,
}

/// How much of what arrives is flood, where nothing else slows the requests down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Load {
    Quiet,
    /// In percent.
    Flood(u32),
}

/// Medians of one way under one load.
pub struct Row {
    pub way: Way,
    pub load: Load,
    pub requests: f64,
    /// Milliseconds: 50, 90, 99, 99.9 %.
    pub latency: [f64; 4],
    pub errors: f64,
    /// Against the program that passes everything, round by round.
    pub share: f64,
    /// Sent a second.
    pub flood: f64,
    /// Of all that was sent to the server.
    pub flood_share: f64,
    /// Of the flood: dropped, by the filter's own count.
    pub dropped: Option<f64>,
}

/// In the order in which they take turns.
const WAYS: [Way; 4] = [Way::Free, Way::Pass, Way::Edge, Way::Nft];
const FLOODS: [u32; 2] = [90, 99];
/// Of one run; `wrk` takes whole seconds.
const SECONDS: u32 = 2;
const QUICK_SECONDS: u32 = 1;

/// One run.
#[derive(Clone, Copy)]
struct Run {
    answer: Answer,
    flood: f64,
    dropped: Option<f64>,
}

/// Measures all of it.
///
/// # Errors
/// What the kernel refuses, or a server that does not answer.
pub fn measure(bench: &Bench) -> Result<Part> {
    ensure!(bench.cpus > 1, "the flood needs a CPU beside the server's");
    let flooding = usize::from(bench.cpu == 0);
    let mut worlds = Vec::new();
    for way in WAYS {
        eprintln!("bench: setting up {}", way.name());
        worlds.push(World::new(bench, way)?);
    }
    let (quick, rounds) = (bench.effort.is_quick, bench.effort.rounds);
    let seconds = if quick { QUICK_SECONDS } else { SECONDS };
    let mut rows = Vec::new();
    // Each once, so that nobody is the first; it tells too how many packets a request is.
    let mut packets = (0.0, 0.0);
    for world in &worlds {
        let before = world.arrived();
        let answer = wrk::run(bench, world, seconds)?;
        if world.way == Way::Pass {
            let arrived = (world.arrived()? - before?) as f64;
            packets = (arrived / f64::from(seconds), arrived / answer.all());
        }
    }
    let (packets_a_second, packets_a_request) = packets;
    eprintln!("bench: {packets_a_request:.1} packets a request");
    let quiet = take_turns(&worlds, rounds, |world| {
        Ok(Run {
            answer: wrk::run(bench, world, seconds)?,
            flood: 0.0,
            dropped: None,
        })
    })?;
    rows.extend(self::rows(&quiet, Load::Quiet, packets_a_request));
    for world in &worlds {
        world.take_frames_on(bench.cpu)?;
    }
    for percent in FLOODS {
        let others = f64::from(percent) / f64::from(100 - percent);
        let rate = packets_a_second * others;
        let runs = take_turns(&worlds, rounds.div_ceil(2), |world| {
            let before = world.dropped()?;
            let flood = Flood::start(world, flooding, rate)?;
            let answer = wrk::run(bench, world, seconds)?;
            let (sent, a_second) = flood.stop()?;
            let dropped = world.dropped()?.zip(before);
            Ok(Run {
                answer,
                flood: a_second,
                dropped: dropped.map(|(after, before)| (after - before) / sent),
            })
        })?;
        rows.extend(self::rows(&runs, Load::Flood(percent), packets_a_request));
    }
    Ok(tables::part(&rows))
}

/// For each way its runs.
fn take_turns(
    worlds: &[World],
    rounds: usize,
    mut run: impl FnMut(&World) -> Result<Run>,
) -> Result<Vec<(Way, Vec<Run>)>> {
    let mut all: Vec<_> = worlds.iter().map(|world| (world.way, Vec::new())).collect();
    for round in 1..=rounds {
        eprintln!("bench: round {round} of {rounds}");
        for (world, (_, runs)) in worlds.iter().zip(&mut all) {
            runs.push(run(world)?);
        }
    }
    Ok(all)
}

fn rows(all: &[(Way, Vec<Run>)], load: Load, packets_a_request: f64) -> Vec<Row> {
    let passing = all.iter().find(|(way, _)| *way == Way::Pass);
    let passing = passing.map_or(&[][..], |(_, runs)| runs.as_slice());
    let row = |(way, runs): &(Way, Vec<Run>)| {
        let middle =
            |value: &dyn Fn(&Run) -> f64| median(&mut runs.iter().map(value).collect::<Vec<_>>());
        let shares = runs.iter().zip(passing);
        let mut shares: Vec<_> = shares
            .map(|(run, pass)| run.answer.requests / pass.answer.requests)
            .collect();
        let requests = middle(&|run| run.answer.requests);
        let flood = middle(&|run| run.flood);
        let dropped = runs.iter().map(|run| run.dropped);
        let dropped: Option<Vec<_>> = dropped.collect();
        Row {
            way: *way,
            load,
            requests,
            latency: [0, 1, 2, 3].map(|at| middle(&|run| run.answer.latency[at])),
            errors: middle(&|run| run.answer.errors),
            share: median(&mut shares),
            flood,
            flood_share: flood / (flood + requests * packets_a_request),
            dropped: dropped.map(|mut dropped| median(&mut dropped)),
        }
    };
    all.iter().map(row).collect()
}

impl Way {
    /// In tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Free => "no program",
            Self::Pass => "a program that passes everything",
            Self::Edge => "edge-filter",
            Self::Nft => "nftables, netdev ingress",
        }
    }
}
