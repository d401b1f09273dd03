//! `check`: is the configuration valid, and what does it come to.

use super::progress::Progress;
use super::{Failure, print, print_json};
use crate::cli::{PathOptions, PrintOptions};
use crate::compile::{self, compile};
use crate::config::{self, Diagnostic, Errors, HostFacts, Summary};
use crate::daemon::beyond_capacity;
use crate::report::{Memory, mebibytes};
use serde_json::{Value, json};

pub(super) fn run(options: &PrintOptions, paths: &PathOptions) -> Result<(), Failure> {
    let checked = check(paths, &Progress::new(options.json));
    if options.json {
        let (text, result) = match checked {
            Ok(checked) => (checked.to_json(), Ok(())),
            Err(errors) => (
                json!({ "valid": false, "diagnostics": to_json(&errors.diagnostics) }),
                Err(Failure::InvalidSaid(String::new())),
            ),
        };
        print_json(&text)?;
        return result;
    }
    let checked = checked.map_err(Failure::InvalidConfig)?;
    if !checked.warnings.is_empty() {
        eprintln!(
            "{}\n",
            config::render(&checked.warnings, config::use_color())
        );
    }
    print(&checked.to_text())
}

struct Checked {
    warnings: Vec<Diagnostic>,
    summary: Summary,
    tables: compile::Summary,
    memory: Memory,
}

fn check(paths: &PathOptions, progress: &Progress) -> Result<Checked, Errors> {
    progress.reading();
    let loaded = config::load(&paths.config, &HostFacts::read())?;
    let policy = &loaded.policy;
    let ids = compile::Ids::in_order(policy);
    progress.compiling(policy.prefixes());
    let generation =
        compile(policy, &ids).map_err(|error| beyond_capacity(&paths.config, &error))?;
    let tables = generation.summary;
    Ok(Checked {
        summary: Summary::new(policy),
        memory: Memory::of(&tables, policy),
        tables,
        warnings: loaded.warnings,
    })
}

impl Checked {
    fn to_text(&self) -> String {
        let (summary, tables, memory) = (&self.summary, &self.tables, &self.memory);
        let ranges = tables.ranges_v4 + tables.ranges_v6;
        format!(
            "{summary}tables          {} MiB: {ranges} ranges, {} classes, {} rates\n\
             memory          {} MiB: tables {}, sources {}, counters {} (and as much again as \
             the tables while a reload takes their place)\n",
            mebibytes(memory.tables),
            tables.classes,
            tables.profiles,
            mebibytes(memory.total()),
            mebibytes(memory.tables),
            mebibytes(memory.sources),
            mebibytes(memory.counters),
        )
    }

    fn to_json(&self) -> Value {
        json!({
            "valid": true,
            "diagnostics": to_json(&self.warnings),
            "policy": self.summary,
            "tables": {
                "ranges_ipv4": self.tables.ranges_v4,
                "ranges_ipv6": self.tables.ranges_v6,
                "classes": self.tables.classes,
                "rates": self.tables.profiles,
                "pages": self.tables.pages,
            },
            "memory_bytes": {
                "tables": self.memory.tables,
                "sources": self.memory.sources,
                "counters": self.memory.counters,
                "total": self.memory.total(),
            },
        })
    }
}

fn to_json(diagnostics: &[Diagnostic]) -> Vec<Value> {
    diagnostics.iter().map(Diagnostic::to_json).collect()
}
