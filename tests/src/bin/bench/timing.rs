//! Clocks, the one CPU, rounds and medians.

use anyhow::{Context as _, Result};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use rustix::thread::{CpuSet, sched_setaffinity};
use rustix::time::{ClockId, clock_gettime};

use crate::progress::Progress;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Everything is measured once a round.
    pub rounds: usize,
    /// Of test runs, which take little time each: many short rounds, so that a machine whose speed
    /// changes does so within most of them, and the medians are of the same speed.
    pub case_rounds: usize,
    /// Of CPU time, for one case in one of these.
    pub case_ns: f64,
    /// Fewer policies.
    pub is_quick: bool,
}

impl Effort {
    /// For figures.
    pub const FULL: Self = Self {
        rounds: 9,
        case_rounds: 27,
        case_ns: 10e6,
        is_quick: false,
    };
    /// To see that it works.
    pub const QUICK: Self = Self {
        rounds: 3,
        case_rounds: 9,
        case_ns: 3e6,
        is_quick: true,
    };
}

/// Keeps the calling thread, and what it starts from now on, on one CPU.
///
/// # Errors
/// There is no such CPU.
pub fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu);
    sched_setaffinity(None, &set).with_context(|| format!("cannot run on CPU {cpu}"))
}

/// Lets it run anywhere again.
///
/// # Errors
/// The kernel's refusal.
pub fn unpin() -> Result<()> {
    let mut set = CpuSet::new();
    for cpu in 0..CpuSet::MAX_CPU {
        set.set(cpu);
    }
    sched_setaffinity(None, &set).context("cannot run on every CPU")
}

/// CPU time of the calling thread.
pub fn cpu_ns() -> f64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// A program, and the frame it is given again and again.
pub struct Case<'a> {
    /// What is measured.
    pub program: &'a Xdp,
    /// What it is given.
    pub frame: Vec<u8>,
    /// Done before each of its turns, not measured.
    pub before: Option<Box<dyn Fn() + 'a>>,
}

impl Case<'_> {
    /// Runs it so often; CPU time for each, in nanoseconds.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn run(&self, times: u32) -> Result<f64> {
        if let Some(before) = &self.before {
            before();
        }
        let before = cpu_ns();
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: times,
            ..Default::default()
        };
        self.program
            .test_run(options)
            .context("BPF_PROG_TEST_RUN")?;
        Ok((cpu_ns() - before) / f64::from(times))
    }

    /// What it returns: `XDP_DROP` is 1, `XDP_PASS` 2.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn verdict(&self) -> Result<u32> {
        if let Some(before) = &self.before {
            before();
        }
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            ..Default::default()
        };
        let result = self
            .program
            .test_run(options)
            .context("BPF_PROG_TEST_RUN")?;
        Ok(result.return_value)
    }
}

/// Medians of CPU time for one run of each case. The cases of a round follow each other, so that
/// what changes in the machine's speed meets all of them.
///
/// # Errors
/// The kernel's refusal.
pub fn interleave(
    cases: &[Case<'_>],
    effort: Effort,
    progress: &Progress,
    what: &str,
) -> Result<Vec<f64>> {
    /// Enough to learn how long one takes.
    const FIRST: u32 = 20_000;
    progress.step(&format!("{what}: {} cases, each once", cases.len()));
    let mut times = Vec::new();
    for case in cases {
        case.run(FIRST)?;
        let once = case.run(FIRST)?;
        times.push((effort.case_ns / once).clamp(1e3, 1e7) as u32);
    }
    let mut measured = vec![Vec::new(); cases.len()];
    for round in 1..=effort.case_rounds {
        progress.step(&format!("{what}: round {round} of {}", effort.case_rounds));
        for ((case, times), measured) in cases.iter().zip(&times).zip(&mut measured) {
            measured.push(case.run(*times)?);
        }
    }
    Ok(measured.iter_mut().map(|values| median(values)).collect())
}

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn the_middle_one_does_not_mind_the_order_or_one_that_is_far_off() {
        assert!((median(&mut [3.0, 1e9, 1.0, 2.0, 2.5]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&mut []).is_nan());
    }
}
