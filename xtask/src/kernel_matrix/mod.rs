//! `cargo xtask kernel-matrix`: the tests that matter on real kernels of Debian's, under qemu.
//!
//! A kernel that cannot be had is counted and said, never passed over.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::machine::kernels::{Kernel, Series};
use crate::progress::{self, say};
use crate::setup::debian::{PrivateApt, Suite};
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

mod guest;
mod report;
mod table;

use report::Report;

/// From the one that must be refused to the newest that Debian has packaged.
const SERIES: [Series; 6] = [
    Series::new(5, 10),
    Series::new(6, 1),
    Series::new(6, 12),
    Series::new(6, 18),
    Series::new(7, 2),
    Series::new(7, 3),
];
/// The oldest that is supported, of those that Debian has packaged.
const OLDEST: Series = SERIES[1];

/// Options of `cargo xtask kernel-matrix`.
#[derive(clap::Args)]
pub struct Options {
    /// Only these series, such as `6.1`
    #[arg(value_name = "SERIES")]
    series: Vec<Series>,
    /// The steps that are quick enough for each commit, on the oldest kernel that is supported and on
    /// the newest that can be had, or on those that are named
    #[arg(long)]
    quick: bool,
    /// Only steps whose name contains this
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// Use /dev/kvm, which on some hosts hangs; without it a guest runs on an emulated processor
    #[arg(long)]
    kvm: bool,
    /// Write the table of verified instructions into docs/performance.md
    #[arg(long)]
    write_docs: bool,
}

/// How one series came out.
enum Outcome {
    Passed(Report),
    Failed(Report),
    NotToBeHad(anyhow::Error),
}

/// Fetches kernels, builds what runs in them, boots each, and says how each came out.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    environment::check()?;
    setup::ensure(workspace, Needs::KernelMatrix)?;
    let edge_filter = edge_filter(workspace, options.quick)?;
    let folder = workspace.target().join("kernel-matrix");
    let part = progress::begin("guests", None);
    let guest = guest::Guest::prepare(workspace, &edge_filter, &folder)?;
    let apt = PrivateApt::new(
        &folder.join("apt"),
        &[
            Suite::BullseyeSecurity,
            Suite::BookwormSecurity,
            Suite::TrixieBackports,
        ],
    )?;
    // Debian's lists and the downloads one after the other, the machines side by side.
    let fetch = |series| (series, Kernel::fetch(series, &apt, &folder.join("kernels")));
    let kernels = match (&options.series[..], options.quick) {
        ([], true) => oldest_and_newest(&fetch),
        ([], false) => SERIES.map(fetch).into(),
        (named, _) => named.iter().copied().map(fetch).collect(),
    };
    drop(part);
    let boot = |series, kernel: Kernel| {
        progress::step(&format!("booting {}", kernel.release));
        let steps = guest::steps(series, options.filter.as_deref(), options.quick);
        report::boot(&kernel, &guest, &steps, &folder, options.kvm)
            .with_context(|| format!("kernel {}", kernel.release))
    };
    let can_be_had = kernels.iter().filter(|(_, kernel)| kernel.is_ok()).count();
    let part = progress::begin("kernels", Some(can_be_had));
    let outcomes = side_by_side(kernels, &boot)?;
    drop(part);
    let mut counts = BTreeMap::new();
    let mut passed = 0;
    let (mut failed, mut missing) = (0, 0);
    for (series, outcome, seconds) in outcomes {
        println!("{}", line(series, &outcome, seconds));
        match outcome {
            Outcome::Passed(report) => {
                passed += 1;
                counts.insert(report.release, report.instructions);
            }
            Outcome::Failed(_) => failed += 1,
            Outcome::NotToBeHad(_) => missing += 1,
        }
    }
    if options.write_docs {
        table::write(&workspace.root().join("docs/performance.md"), &counts)?;
    }
    if failed > 0 {
        bail!("{failed} kernels failed, {missing} could not be had");
    }
    if passed == 0 {
        bail!("no kernel was tested: {missing} could not be had");
    }
    if missing > 0 {
        say(&format!(
            "{missing} kernels could not be had and are not tested"
        ));
    }
    Ok(())
}

/// Builds what guests run; the binary. For each commit it is the one of `cargo xtask test`, else the
/// one that ships.
fn edge_filter(workspace: &Workspace, is_quick: bool) -> Result<PathBuf> {
    if is_quick {
        build::for_tests(workspace)?;
        return Ok(workspace.edge_filter_checked());
    }
    build::everything(workspace)?;
    build::next_abi(workspace)?;
    Ok(workspace.edge_filter())
}

/// The oldest that is supported and the newest that can be had; those that cannot stay in the list, so
/// that it is said.
fn oldest_and_newest(
    fetch: &impl Fn(Series) -> (Series, Result<Kernel>),
) -> Vec<(Series, Result<Kernel>)> {
    let mut kernels = vec![fetch(OLDEST)];
    for series in SERIES
        .into_iter()
        .rev()
        .take_while(|series| *series > OLDEST)
    {
        let newest = fetch(series);
        let can_be_had = newest.1.is_ok();
        kernels.push(newest);
        if can_be_had {
            break;
        }
    }
    kernels
}

/// Boots as many at once as there are processors. In the order of `kernels`, with the seconds that
/// each took.
fn side_by_side(
    kernels: Vec<(Series, Result<Kernel>)>,
    boot: &(impl Fn(Series, Kernel) -> Result<Report> + Sync),
) -> Result<Vec<(Series, Outcome, u64)>> {
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    let waiting = Mutex::new(kernels.into_iter().enumerate());
    let work = || {
        let next = || {
            waiting
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .next()
        };
        let mut done = Vec::new();
        while let Some((at, (series, kernel))) = next() {
            let started = Instant::now();
            let outcome = match kernel {
                Err(error) => Outcome::NotToBeHad(error),
                Ok(kernel) => match boot(series, kernel)? {
                    report if report.failures.is_empty() => Outcome::Passed(report),
                    report => Outcome::Failed(report),
                },
            };
            done.push((at, (series, outcome, started.elapsed().as_secs())));
        }
        anyhow::Ok(done)
    };
    let mut done = Vec::new();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..processors).map(|_| scope.spawn(work)).collect();
        for worker in workers {
            match worker.join() {
                Ok(some) => done.extend(some?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        anyhow::Ok(())
    })?;
    done.sort_by_key(|(at, _)| *at);
    Ok(done.into_iter().map(|(_, outcome)| outcome).collect())
}

fn line(series: Series, outcome: &Outcome, seconds: u64) -> String {
    match outcome {
        Outcome::Passed(report) => format!(
            "{series:<5} passed    {} ({}; {} tests, {seconds} s)",
            report.release,
            report.steps.join(", "),
            report.tests
        ),
        Outcome::Failed(report) => format!(
            "{series:<5} FAILED    {} ({seconds} s): {}; see {}",
            report.release,
            report.failures.join(", "),
            report.log.display()
        ),
        Outcome::NotToBeHad(error) => format!("{series:<5} NOT TESTED {error:#}"),
    }
}
