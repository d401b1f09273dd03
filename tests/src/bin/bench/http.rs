//! Part 4: a real server behind the filter, a connection for each request; and the same while most
//! packets are a flood that the filter has to drop.
//!
//! Client, server and filter share one CPU, the flood is made on another: what the filter saves is
//! then what the server gets, and the flood does not slow down because it is dropped slowly.

mod flood;
mod tables;
mod world;
mod wrk;

use anyhow::{Context as _, Result, ensure};

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
const FLOODS: [u32; 3] = [90, 95, 99];
/// How many times as many rounds there are without a flood, where two ways differ by less than one
/// run does from the next.
const QUIET_ROUNDS: usize = 3;
/// Of one run; `wrk` takes whole seconds.
const SECONDS: u32 = 2;
const QUICK_SECONDS: u32 = 1;

/// Where there is no flood.
const NOBODY: &str = "no connection comes to be";

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
    let rounds = bench.effort.rounds;
    let quiet_rounds = QUIET_ROUNDS * rounds;
    let turns = quiet_rounds + rounds * FLOODS.len();
    bench.progress.begin("http", WAYS.len() + 1 + turns);
    let mut worlds = Vec::new();
    for way in WAYS {
        bench.progress.step(&format!("setting up: {}", way.name()));
        worlds.push(World::new(bench, way)?);
    }
    let seconds = match bench.effort.is_quick {
        true => QUICK_SECONDS,
        false => SECONDS,
    };
    let mut rows = Vec::new();
    // Each once, so that nobody is the first; it tells too how many packets a request is.
    bench.progress.step("each once");
    let mut packets = (0.0, 0.0);
    for world in &worlds {
        let before = world.arrived();
        let answer = wrk::run(bench, world, seconds)?.context(NOBODY)?;
        if world.way == Way::Pass {
            let arrived = (world.arrived()? - before?) as f64;
            packets = (arrived / f64::from(seconds), arrived / answer.all());
        }
    }
    let (packets_a_second, packets_a_request) = packets;
    let turns = Turns {
        bench,
        worlds: &worlds,
    };
    let quiet = turns.take(Load::Quiet, quiet_rounds, |world| {
        Ok(Run {
            answer: wrk::run(bench, world, seconds)?.context(NOBODY)?,
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
        let load = Load::Flood(percent);
        let runs = turns.take(load, rounds, |world| {
            let before = world.dropped()?;
            let flood = Flood::start(world, flooding, rate)?;
            // Some floods leave no room for a single connection: that is a figure, not a failure.
            let answer = wrk::run(bench, world, seconds)?.unwrap_or(Answer::NONE);
            let (sent, a_second) = flood.stop()?;
            let dropped = world.dropped()?.zip(before);
            Ok(Run {
                answer,
                flood: a_second,
                dropped: dropped.map(|(after, before)| (after - before) / sent),
            })
        })?;
        rows.extend(self::rows(&runs, load, packets_a_request));
    }
    Ok(tables::part(&rows))
}

/// Each world in each round, so that what changes in the machine's speed meets all of them.
struct Turns<'a> {
    bench: &'a Bench,
    worlds: &'a [World],
}

impl Turns<'_> {
    /// For each way its runs.
    fn take(
        &self,
        load: Load,
        rounds: usize,
        mut run: impl FnMut(&World) -> Result<Run>,
    ) -> Result<Vec<(Way, Vec<Run>)>> {
        let mut all: Vec<_> = self
            .worlds
            .iter()
            .map(|world| (world.way, Vec::new()))
            .collect();
        for round in 1..=rounds {
            let step = format!("{}: round {round} of {rounds}", load.name());
            self.bench.progress.step(&step);
            let mut order: Vec<_> = self.worlds.iter().zip(&mut all).collect();
            // There and back, so that a machine that becomes slower does so for each alike.
            if round % 2 == 0 {
                order.reverse();
            }
            for (world, (way, runs)) in order {
                let run = run(world);
                runs.push(run.with_context(|| format!("{}, {}", way.name(), load.name()))?);
            }
        }
        Ok(all)
    }
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

impl Load {
    fn name(self) -> String {
        match self {
            Self::Quiet => "no flood".into(),
            Self::Flood(percent) => format!("a flood of {percent} %"),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::wrk::Answer;
    use super::{Load, Run, Way, rows};

    fn run(requests: f64, flood: f64, dropped: Option<f64>) -> Run {
        Run {
            answer: Answer::of(requests, [1.0, 2.0, 3.0, requests]),
            flood,
            dropped,
        }
    }

    #[test]
    fn shares_are_taken_round_by_round() {
        // The machine is half as fast in the second round: the medians' ratio would be 0.5.
        let all = [
            (
                Way::Pass,
                [100.0, 50.0, 100.0]
                    .map(|rate| run(rate, 0.0, None))
                    .to_vec(),
            ),
            (
                Way::Edge,
                [90.0, 49.0, 50.0].map(|rate| run(rate, 0.0, None)).to_vec(),
            ),
        ];
        let rows = rows(&all, Load::Quiet, 6.0);
        let [pass, edge] = &rows[..] else {
            panic!("a row for each way");
        };
        assert!((pass.share - 1.0).abs() < 1e-9);
        assert!((edge.share - 0.9).abs() < 1e-9, "{}", edge.share);
        assert!((edge.requests - 50.0).abs() < 1e-9);
        assert!((edge.latency[3] - 50.0).abs() < 1e-9);
        assert!(edge.flood_share.abs() < 1e-9);
    }

    #[test]
    fn the_share_of_the_flood_counts_packets_not_requests() {
        let all = [(Way::Nft, vec![run(10.0, 540.0, Some(0.75))])];
        let rows = rows(&all, Load::Flood(90), 6.0);
        assert!((rows[0].flood_share - 0.9).abs() < 1e-9);
        assert_eq!(rows[0].dropped, Some(0.75));
        assert!(rows[0].share.is_nan(), "nothing to compare with");
    }
}
