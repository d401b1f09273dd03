//! The loaded program against the naive oracle, for as long as one likes: `cargo xtask differential`
//! starts it. Prints what it does; the first disagreement ends it with all that is needed to see
//! it again.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use edge_filter_tests::differential::{AGES_NS, Wire, by_test_run, by_wire};
use edge_filter_tests::kernel::Tested;

/// Packets under one policy.
const PACKETS: u64 = 1000;
/// Between two lines of progress.
const PROGRESS: Duration = Duration::from_secs(10);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("DISAGREEMENT or failure: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Arguments: seed, packets by test run, packets over a wire.
fn run() -> Result<()> {
    let arguments: Vec<u64> = std::env::args()
        .skip(1)
        .map(|argument| argument.parse().context("three numbers are expected"))
        .collect::<Result<_>>()?;
    let [seed, cases, packets] = arguments[..] else {
        anyhow::bail!("three numbers are expected");
    };
    let mut tested = Tested::load()?;
    let mut clock = 0;
    let mut progress = Progress::new("by test run");
    for seed in seed..seed + cases.div_ceil(PACKETS) {
        clock += AGES_NS;
        by_test_run(&mut tested, seed, PACKETS as usize, clock)
            .with_context(|| replay(seed, PACKETS, 0))?;
        progress.add(seed, PACKETS);
    }
    progress.finish();
    if packets == 0 {
        return Ok(());
    }
    let wire = Wire::new(&mut tested)?;
    let mut progress = Progress::new("over a wire");
    let mut seeds = seed..;
    while progress.done < packets {
        let seed = seeds.next().context("no more seeds")?;
        clock += AGES_NS;
        let sent = by_wire(&mut tested, &wire, seed, PACKETS as usize, clock)
            .with_context(|| replay(seed, 0, PACKETS))?;
        progress.add(seed, sent as u64);
    }
    wire.finish()?;
    progress.finish();
    Ok(())
}

fn replay(seed: u64, cases: u64, packets: u64) -> String {
    format!("again: cargo xtask differential --seed {seed} --cases {cases} --packets {packets}")
}

struct Progress {
    how: &'static str,
    done: u64,
    started: Instant,
    said: Instant,
}

impl Progress {
    fn new(how: &'static str) -> Self {
        let now = Instant::now();
        Self {
            how,
            done: 0,
            started: now,
            said: now,
        }
    }

    fn add(&mut self, seed: u64, packets: u64) {
        self.done += packets;
        if self.said.elapsed() >= PROGRESS {
            self.said = Instant::now();
            self.say(&format!("seed {seed}, "));
        }
    }

    fn finish(&self) {
        self.say("all agree, ");
    }

    fn say(&self, what: &str) {
        let rate = self.done as f64 / self.started.elapsed().as_secs_f64();
        println!(
            "{}: {what}{} packets, {rate:.0} a second",
            self.how, self.done
        );
    }
}
