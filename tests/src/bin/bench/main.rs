//! What a packet, a reload and a connection cost, beside the peers and in the same run:
//! `cargo xtask bench` builds everything and starts this. Measures only; judges nothing but the
//! targets.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

mod control;
mod docs;
mod edge;
mod frames;
mod generator;
mod http;
mod lists;
mod packet;
mod peers;
mod result;
mod rules;
mod run;
mod svg;
mod timing;
mod veth;

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

/// Unmounts on drop: a folder with a mount in it cannot be removed.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        if let Err(error) = unmount(&self.0, UnmountFlags::DETACH) {
            eprintln!("bench: cannot unmount {}: {error}", self.0.display());
        }
    }
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
    let folder = tempfile::Builder::new()
        .prefix("edge-filter-bench-")
        .tempdir()?;
    let pins = folder.path().join("bpf");
    std::fs::create_dir(&pins)?;
    // SAFETY: there is one thread.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.context("new namespace: needs root")?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    mount("bpf", &pins, "bpf", MountFlags::empty(), None).context("bpffs")?;
    // Dropped before the folder that it is mounted in.
    let _mounted = Mounted(pins.clone());
    let bench = Bench {
        effort: arguments.effort,
        cpu: arguments.cpu,
        cpus: arguments.cpus,
        pins,
    };
    for name in &arguments.parts {
        eprintln!("bench: {name}");
        let mut part = match name.as_str() {
            "packet" => {
                timing::pin(arguments.cpu)?;
                packet::measure(&bench)?
            }
            "veth" => {
                timing::pin(arguments.cpu)?;
                veth::measure(&bench)?
            }
            "control" => {
                timing::unpin()?;
                control::measure(&bench)?
            }
            "http" => {
                timing::pin(arguments.cpu)?;
                http::measure(&bench)?
            }
            other => bail!("no part is called {other}"),
        };
        part.taken = taken(&arguments)?;
        part.save(&arguments.results)?;
        println!("{}", part.markdown());
    }
    let Some(docs) = &arguments.docs else {
        return Ok(());
    };
    let saved = PARTS.map(|name| Part::saved(&arguments.results, name));
    let saved: Vec<_> = saved
        .into_iter()
        .filter_map(Result::transpose)
        .collect::<Result<_>>()?;
    docs::write(docs, &saved)
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
