//! One boot: what its console said, and whether to believe it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::guest::{Guest, Step};
use crate::machine::Machine;
use crate::machine::kernels::Kernel;
use crate::progress;

/// An emulated processor takes minutes for what a real one does in seconds.
const LIMIT: Duration = Duration::from_secs(3000);

/// What a boot came to.
pub struct Report {
    /// What the guest's kernel calls itself.
    pub release: String,
    /// Steps that ended well, by name.
    pub steps: Vec<String>,
    /// Tests within them.
    pub tests: usize,
    /// What went wrong; nothing if it passed.
    pub failures: Vec<String>,
    /// Instructions that the verifier read, by program.
    pub instructions: BTreeMap<String, u32>,
    /// The console.
    pub log: PathBuf,
}

/// Boots `kernel`, runs `steps` in it, and reads its console.
pub fn boot(
    kernel: &Kernel,
    guest: &Guest,
    steps: &[&Step],
    folder: &Path,
    is_kvm: bool,
) -> Result<Report> {
    let log = folder.join(format!("{}.log", kernel.release));
    let machine = Machine {
        kernel,
        initial: guest.with(kernel, steps)?,
        append: String::new(),
        devices: Vec::new(),
        log: log.clone(),
        limit: LIMIT,
        is_kvm,
    };
    let is_ended = machine.run(|line| {
        if let ["@@", "start", name] = words(line)[..] {
            let number = steps.iter().position(|step| step.name == name);
            let number = number.map_or(0, |at| at + 1);
            let release = &kernel.release;
            progress::detail(format!("{release}: {name} ({number} of {})", steps.len()));
        }
    })?;
    let console = fs::read(&log).with_context(|| format!("cannot read {}", log.display()))?;
    let mut report = read(&String::from_utf8_lossy(&console), steps);
    report.log = log;
    if report.release != kernel.release {
        report.failures.push("it did not boot".into());
    }
    if !is_ended {
        let limit = format!("not done after {} s", LIMIT.as_secs());
        report.failures.push(limit);
    }
    Ok(report)
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// What the console says; lines that begin with `@@` are the guest's first process's.
fn read(console: &str, steps: &[&Step]) -> Report {
    let mut report = Report {
        release: String::new(),
        steps: Vec::new(),
        tests: 0,
        failures: Vec::new(),
        instructions: BTreeMap::new(),
        log: PathBuf::new(),
    };
    let mut ended = Vec::new();
    let mut is_done = false;
    let mut tests_before = 0;
    for line in console.lines() {
        match words(line)[..] {
            ["@@", "start", _] => tests_before = report.tests,
            ["@@", "release", release] => report.release = release.into(),
            ["@@", "done"] => is_done = true,
            ["@@", "end", name, "0", _] => {
                let step = steps.iter().find(|step| step.name == name);
                if step.is_some_and(|step| step.is_of_tests()) && report.tests == tests_before {
                    report.failures.push(format!("{name} ran no test"));
                }
                report.steps.push(name.into());
                ended.push(name);
            }
            ["@@", "end", name, code, _] => {
                report.failures.push(format!("{name} (exit code {code})"));
                ended.push(name);
            }
            ["test", name, "...", "FAILED"] => report.failures.push(name.into()),
            ["test", "result:", _, count, "passed;", ..] => {
                report.tests += count.parse().unwrap_or(0);
            }
            // The first stands behind `test … ...`, in the same line.
            [.., program, count, "instructions"] => {
                let program = program.trim_end_matches(':');
                if let Ok(count) = count.parse() {
                    report.instructions.insert(program.into(), count);
                }
            }
            _ => {}
        }
    }
    for step in steps.iter().filter(|step| !ended.contains(&step.name)) {
        report.failures.push(format!("{} did not end", step.name));
    }
    // Also when all steps passed: a kernel that dies on its way out is none to run on.
    if !is_done {
        report.failures.push("it did not end in good order".into());
    }
    report
}

#[cfg(test)]
mod tests {
    use super::read;
    use crate::kernel_matrix::guest::steps;
    use crate::machine::kernels::Series;

    #[test]
    fn a_step_without_tests_fails_and_counts_are_found_behind_a_tests_name() {
        let load = steps(Series::new(6, 1), Some("load"), true);
        let console = "@@ release 6.1\n@@ start load\ntest the_verifier ... a: 7 instructions\n\
                       b: 8 instructions\nok\n";
        let ended = |count| {
            let result = format!("test result: ok. {count} passed; 0 failed\n");
            read(
                &format!("{console}{result}@@ end load 0 1\n@@ done\n"),
                &load,
            )
        };
        assert_eq!(ended(0).failures, ["load ran no test"]);
        let report = ended(1);
        assert!(report.failures.is_empty(), "{:?}", report.failures);
        let counts = [("a".into(), 7), ("b".into(), 8)];
        assert_eq!(report.instructions, counts.into());
    }
}
