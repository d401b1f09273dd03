//! What a packet, a reload and a connection cost, beside the peers and in the same run:
//! `cargo xtask bench` builds everything and starts this. Measures only; judges nothing but the
//! targets.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};

mod control;
mod docs;
mod edge;
mod folder;
mod frames;
mod generator;
mod http;
mod lists;
mod packet;
mod peers;
mod progress;
mod result;
mod rules;
mod run;
mod svg;
mod timing;
mod told;
mod veth;

use folder::Folder;
use progress::Progress;
use result::{Part, Taken};
use timing::Effort;

/// In the order in which docs/performance.md shows them.
const PARTS: [&str; 4] = ["packet", "veth", "control", "http"];

/// What every part needs.
pub struct Bench {
    /// How much.
    pub effort: Effort,
    /// The CPU.
    pub cpu: usize,
    /// How many there are.
    pub cpus: usize,
    /// A bpffs that only this process sees.
    pub pins: PathBuf,
    /// Where the user sees how far it is.
    pub progress: Progress,
}

impl Bench {
    /// For files; goes with everything in it.
    pub fn folder(&self) -> &Path {
        self.pins.parent().unwrap_or(&self.pins)
    }
}

struct Arguments {
    parts: Vec<String>,
    effort: Effort,
    cpu: usize,
    cpus: usize,
    results: PathBuf,
    docs: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let arguments = arguments()?;
    let page = arguments
        .docs
        .as_deref()
        .map(docs::Page::find)
        .transpose()?;
    let taken = taken(&arguments)?;
    let folder = Folder::new()?;
    let bench = Bench {
        effort: arguments.effort,
        cpu: arguments.cpu,
        cpus: arguments.cpus,
        pins: folder.pins(),
        progress: Progress::new(),
    };
    let mut parts = Vec::new();
    for name in &arguments.parts {
        let started = Instant::now();
        let measured = measure(&bench, name);
        bench.progress.clear();
        let mut part = measured.with_context(|| name.clone())?;
        part.taken = taken.clone();
        part.save(&arguments.results)?;
        println!("{}", part.markdown());
        eprintln!("bench: {name}: {} s", started.elapsed().as_secs());
        parts.push(part);
    }
    page.map_or(Ok(()), |page| page.write(&taken, &parts))
}

fn measure(bench: &Bench, part: &str) -> Result<Part> {
    // A daemon runs on every CPU.
    if part == "control" {
        timing::unpin()?;
        return control::measure(bench);
    }
    timing::pin(bench.cpu)?;
    match part {
        "packet" => packet::measure(bench),
        "veth" => veth::measure(bench),
        "http" => http::measure(bench),
        other => bail!("no part is called {other}"),
    }
}

fn arguments() -> Result<Arguments> {
    let mut given = std::env::args().skip(1);
    // Before this process is kept on one of them.
    let cpus = std::thread::available_parallelism()?.get();
    let mut arguments = Arguments {
        parts: Vec::new(),
        effort: Effort::FULL,
        // The last one gets the fewest interrupts on small machines.
        cpu: cpus - 1,
        cpus,
        results: PathBuf::from("target/bench"),
        docs: None,
    };
    while let Some(argument) = given.next() {
        let mut value = || {
            given
                .next()
                .with_context(|| format!("{argument} wants a value"))
        };
        match argument.as_str() {
            "--quick" => arguments.effort = Effort::QUICK,
            "--cpu" => arguments.cpu = value()?.parse().context("--cpu wants a number")?,
            "--results" => arguments.results = value()?.into(),
            "--docs" => arguments.docs = Some(value()?.into()),
            part if PARTS.contains(&part) => arguments.parts.push(argument),
            _ => bail!("unknown argument {argument}; start it by `cargo xtask bench`"),
        }
    }
    if arguments.parts.is_empty() {
        arguments.parts = PARTS.map(str::to_owned).to_vec();
    }
    ensure!(
        arguments.docs.is_none() || arguments.parts == PARTS,
        "the documentation shows one run of every part: name none"
    );
    Ok(arguments)
}

fn taken(arguments: &Arguments) -> Result<Taken> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let model = model.map_or("unknown processor", |(_, name)| name);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let commit = said(
        Command::new("git")
            .current_dir(root)
            .args(["rev-parse", "--short", "HEAD"]),
    );
    let is_changed = said(
        Command::new("git")
            .current_dir(root)
            .args(["status", "--porcelain"]),
    )
    .is_none_or(|changed| !changed.is_empty());
    let mark = if is_changed { "+" } else { "" };
    Ok(Taken {
        machine: format!("{model}, {} CPUs", arguments.cpus),
        kernel: filter_user::kernel::environment::release(),
        commit: commit.unwrap_or_else(|| "unknown".into()) + mark,
        date: said(Command::new("date").args(["--utc", "+%F"])).unwrap_or_default(),
        is_quick: arguments.effort.is_quick,
    })
}

fn said(command: &mut Command) -> Option<String> {
    let output = command
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
