//! A target as a program that libFuzzer drives: how it is built, started and understood.

use std::fmt;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::command;
use crate::progress;
use crate::workspace::Workspace;

/// What cargo-fuzz builds for: sanitizers need it named.
const TRIPLE: &str = "x86_64-unknown-linux-gnu";
/// An input of so many bytes may take so long, and so much memory. The sanitizer and the tables of
/// many policies are in it; what a reader may take for one input is far below.
const LIMITS: [&str; 4] = [
    "-max_len=4096",
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-malloc_limit_mb=64",
];

/// When a run ends by itself.
#[derive(Clone, Copy)]
pub struct Bounds {
    /// Executions.
    pub runs: Option<u64>,
    /// Seconds.
    pub seconds: Option<u64>,
}

impl fmt::Display for Bounds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.runs, self.seconds) {
            (Some(runs), Some(seconds)) => write!(formatter, "{runs} runs or {seconds} s"),
            (Some(runs), None) => write!(formatter, "{runs} runs"),
            (None, Some(seconds)) => write!(formatter, "{seconds} s"),
            (None, None) => formatter.write_str("without end"),
        }
    }
}

/// What came of a run without a finding.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Figures {
    executions: u64,
    seconds: u64,
    edges: u64,
    features: u64,
    inputs: u64,
    peak_mebibytes: u64,
}

impl Figures {
    /// Of the table.
    pub const HEADS: &str =
        "| target | executions | seconds | edges | features | inputs | peak MiB |";

    /// A row of it.
    pub fn line(&self, target: &str) -> String {
        let Self {
            executions,
            seconds,
            edges,
            features,
            inputs,
            peak_mebibytes,
        } = self;
        format!(
            "| {target} | {executions} | {seconds} | {edges} | {features} | {inputs} | \
             {peak_mebibytes} |"
        )
    }

    /// Takes in a line of libFuzzer's.
    fn read(&mut self, line: &str) {
        let mut words = line.split_whitespace();
        if line.starts_with('#') {
            while let Some(word) = words.next() {
                let value = match word {
                    "cov:" => &mut self.edges,
                    "ft:" => &mut self.features,
                    "corp:" => &mut self.inputs,
                    _ => continue,
                };
                // `corp: 290/45Kb`
                let number = words
                    .next()
                    .and_then(|word| word.split('/').next()?.parse().ok());
                *value = number.unwrap_or(*value);
            }
        } else if let Some(done) = line.strip_prefix("Done ") {
            // `Done 1000 runs in 3 second(s)`
            let mut numbers = done.split(' ').filter_map(|word| word.parse().ok());
            self.executions = numbers.next().unwrap_or_default();
            self.seconds = numbers.next().unwrap_or_default();
        } else if let Some(peak) = line.strip_prefix("stat::peak_rss_mb:") {
            self.peak_mebibytes = peak.trim().parse().unwrap_or_default();
        }
    }
}

/// A target's program.
pub struct Fuzzer {
    program: PathBuf,
}

impl Fuzzer {
    /// Builds it with the address sanitizer, coverage, debug assertions and overflow checks.
    pub fn build(workspace: &Workspace, target: &str) -> Result<Self> {
        let place = workspace.target().join("fuzz");
        let mut build = Command::new(workspace.cargo_fuzz());
        build
            .args(["build", target, "--features", "libfuzzer"])
            .args(["--sanitizer", "address", "--debug-assertions"])
            .args(["--target", TRIPLE, "--target-dir"])
            .arg(&place)
            .arg("--fuzz-dir")
            .arg(workspace.fuzz_folder())
            .current_dir(workspace.root())
            // Sanitizers are not stable: the pinned compiler has them all the same.
            .env("RUSTC_BOOTSTRAP", "1")
            .env("CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS", "true")
            .env("CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS", "true")
            // Linking six programs with it takes most of the build, and shows no bugs.
            .env("CARGO_PROFILE_RELEASE_LTO", "off");
        command::run(&mut build)?;
        let program = place.join(TRIPLE).join("release").join(target);
        Ok(Self { program })
    }

    /// Fuzzes: new inputs go to `found`, those that break a promise to `findings`.
    pub fn run(
        &self,
        found: &Path,
        inputs: &[&Path],
        findings: &Path,
        bounds: Bounds,
    ) -> Result<Figures> {
        let mut run = Command::new(&self.program);
        run.arg(found)
            .args(inputs)
            .args(LIMITS)
            .arg(format!("-artifact_prefix={}/", findings.display()))
            .arg("-print_final_stats=1")
            .args(bounds.runs.map(|runs| format!("-runs={runs}")))
            .args(
                bounds
                    .seconds
                    .map(|seconds| format!("-max_total_time={seconds}")),
            )
            .stderr(Stdio::piped());
        let line = command::line(&run);
        let mut child = run
            .spawn()
            .with_context(|| format!("cannot start `{line}`"))?;
        let stderr = child.stderr.take().context("stderr is piped")?;
        let mut figures = Figures::default();
        for line in BufReader::new(stderr).split(b'\n') {
            let line = line.context("cannot read what libFuzzer says")?;
            let line = String::from_utf8_lossy(&line);
            progress::suspend(|| eprintln!("{line}"));
            figures.read(&line);
        }
        let status = child.wait().with_context(|| format!("`{line}` is lost"))?;
        if !status.success() {
            bail!(
                "a finding ({status}); the input is in {}: run it again with `{} FILE`, then add \
                 it to tests/src/fuzzing/regressions.rs",
                findings.display(),
                self.program.display()
            );
        }
        Ok(figures)
    }

    /// A folder with the fewest and shortest inputs that reach every edge that all of them reach.
    pub fn minimise(&self, found: &Path, inputs: &[&Path]) -> Result<TempDir> {
        let smallest = tempfile::tempdir().context("cannot make a temporary folder")?;
        command::output(
            Command::new(&self.program)
                // Edges alone: how often each is taken would keep ten times as many.
                .args(["-set_cover_merge=1", "-use_counters=0"])
                .args(LIMITS)
                .arg(smallest.path())
                .arg(found)
                .args(inputs),
        )?;
        Ok(smallest)
    }
}

#[cfg(test)]
mod tests {
    use super::Figures;

    #[test]
    fn what_libfuzzer_says_is_understood() {
        let mut figures = Figures::default();
        for line in [
            "INFO: Running with entropic power schedule (0xFF, 100).",
            "#2\tINITED cov: 12 ft: 13 corp: 1/1b exec/s: 0 rss: 30Mb",
            "#4096\tNEW    cov: 212 ft: 313 corp: 9/45Kb lim: 4 exec/s: 0 rss: 31Mb L: 4/4",
            "Done 1000 runs in 3 second(s)",
            "stat::peak_rss_mb:             33",
        ] {
            figures.read(line);
        }
        let wanted = Figures {
            executions: 1000,
            seconds: 3,
            edges: 212,
            features: 313,
            inputs: 9,
            peak_mebibytes: 33,
        };
        assert_eq!(figures, wanted);
        assert_eq!(
            figures.line("lists"),
            "| lists | 1000 | 3 | 212 | 313 | 9 | 33 |"
        );
    }
}
