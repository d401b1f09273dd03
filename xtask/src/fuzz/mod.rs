//! `cargo xtask fuzz`: the targets of `tests/fuzz`, one after the other, each until it has run long
//! enough or breaks a promise. What they do is in `tests/src/fuzzing`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::command;
use crate::progress::{self, say};
use crate::setup::{self, Needs};
use crate::workspace::Workspace;

mod libfuzzer;

use libfuzzer::{Bounds, Figures, Fuzzer};

/// The files of `tests/fuzz/targets`.
const TARGETS: [&str; 6] = [
    "captures", "configs", "events", "lists", "packets", "requests",
];

/// Unless told otherwise a target ends at whichever comes first.
const RUNS: u64 = 10_000_000;
const SECONDS: u64 = 20 * 60;

/// Options of `cargo xtask fuzz`.
#[derive(clap::Args)]
pub struct Options {
    /// Which targets; by default each
    #[arg(value_name = "TARGET", value_parser = TARGETS)]
    targets: Vec<String>,
    /// Executions of each target, however long they take
    #[arg(long, value_name = "NUMBER", conflicts_with = "seconds")]
    runs: Option<u64>,
    /// Seconds of each target, however many executions that is
    #[arg(long, value_name = "NUMBER")]
    seconds: Option<u64>,
    /// Afterwards, put what still covers everything into tests/fuzz/corpus
    #[arg(long)]
    keep: bool,
}

/// Fuzzes; findings of one target do not keep the others from their turn.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    setup::ensure(workspace, Needs::Fuzzing)?;
    let bounds = match (options.runs, options.seconds) {
        (None, None) => Bounds {
            runs: Some(RUNS),
            seconds: Some(SECONDS),
        },
        (runs, seconds) => Bounds { runs, seconds },
    };
    let targets: Vec<&str> = if options.targets.is_empty() {
        TARGETS.to_vec()
    } else {
        options.targets.iter().map(String::as_str).collect()
    };
    let mut lines = Vec::new();
    let mut failures = Vec::new();
    let part = progress::begin("fuzz", Some(targets.len()));
    for target in targets {
        let places = Places::new(workspace, target);
        match fuzz(workspace, target, &places, bounds, options.keep) {
            Ok(figures) => lines.push(figures.line(target)),
            Err(error) => {
                say(&format!("{target}: {error:#}"));
                failures.push(target);
            }
        }
    }
    drop(part);
    println!("{}", Figures::HEADS);
    lines.iter().for_each(|line| println!("{line}"));
    if !failures.is_empty() {
        bail!("findings or failures in {}", failures.join(", "));
    }
    Ok(())
}

fn fuzz(
    workspace: &Workspace,
    target: &str,
    places: &Places,
    bounds: Bounds,
    keep: bool,
) -> Result<Figures> {
    places.make()?;
    progress::step(&format!("{target}: building (minutes the first time)"));
    let fuzzer = Fuzzer::build(workspace, target)?;
    write_seeds(workspace, target, &places.seeds)?;
    let fuzzing = format!("{target}: fuzzing, {bounds}");
    say(&fuzzing);
    // libFuzzer's lines will soon have moved that one away.
    progress::detail(fuzzing);
    let inputs = [&*places.seeds, &*places.kept];
    let figures = fuzzer.run(&places.found, &inputs, &places.findings, bounds)?;
    if keep {
        say(&format!("{target}: minimising the corpus"));
        let smallest = fuzzer.minimise(&places.found, &inputs)?;
        places.keep(smallest.path())?;
    }
    Ok(figures)
}

/// Made anew each time: they follow the fixtures.
fn write_seeds(workspace: &Workspace, target: &str, folder: &Path) -> Result<()> {
    command::run(
        command::cargo(workspace.root())
            .arg("run")
            .args(command::quiet())
            .args(["--package", "edge-filter-tests"])
            .args(["--bin", "fuzz-seeds", "--", target])
            .arg(folder),
    )
}

/// Folders of a target.
struct Places {
    /// In the repository: what the tests run too.
    kept: PathBuf,
    /// Made of fixtures and examples.
    seeds: PathBuf,
    /// What fuzzing found worth keeping; it stays from run to run.
    found: PathBuf,
    /// Inputs that broke a promise.
    findings: PathBuf,
}

impl Places {
    fn new(workspace: &Workspace, target: &str) -> Self {
        let ours = workspace.target().join("fuzz");
        Self {
            kept: workspace.fuzz_folder().join("corpus").join(target),
            seeds: ours.join("seeds").join(target),
            found: ours.join("corpus").join(target),
            findings: ours.join("findings").join(target),
        }
    }

    fn make(&self) -> Result<()> {
        for folder in [&self.kept, &self.seeds, &self.found, &self.findings] {
            fs::create_dir_all(folder)
                .with_context(|| format!("cannot make {}", folder.display()))?;
        }
        Ok(())
    }

    /// Replaces what is in the repository.
    fn keep(&self, smallest: &Path) -> Result<()> {
        let replace = || -> std::io::Result<()> {
            fs::remove_dir_all(&self.kept)?;
            fs::create_dir(&self.kept)?;
            for entry in fs::read_dir(smallest)? {
                let entry = entry?;
                fs::copy(entry.path(), self.kept.join(entry.file_name()))?;
            }
            Ok(())
        };
        replace().with_context(|| format!("cannot replace {}", self.kept.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::TARGETS;
    use crate::workspace::Workspace;

    #[test]
    fn the_targets_are_those_of_the_folder() {
        let folder = Workspace::find().unwrap().fuzz_folder().join("targets");
        let entries = std::fs::read_dir(folder).unwrap();
        let name = |path: std::path::PathBuf| path.file_stem().unwrap().to_owned();
        let mut names: Vec<_> = entries.map(|entry| name(entry.unwrap().path())).collect();
        names.sort();
        assert_eq!(names, TARGETS);
    }
}
