//! `cargo xtask bench`: what a packet, a reload and a request cost, beside the peers.

use std::fs;

use anyhow::{Context, Result};

use crate::bpf_object::{self, Variant};
use crate::command;
use crate::progress::{self, say};
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

/// Options of `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Options {
    /// Which parts; all of them if none is named
    #[arg(value_enum)]
    parts: Vec<Part>,
    /// Fewer policies and shorter runs: to see that it works, not to quote
    #[arg(long)]
    quick: bool,
    /// Write the plots and the measured part of docs/performance.md, all of it from this run
    #[arg(long, conflicts_with_all = ["parts", "quick"])]
    write_docs: bool,
    /// The CPU that is measured on; keep everything else off it
    #[arg(long, value_name = "NUMBER")]
    cpu: Option<usize>,
}

/// A part of the bench.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Part {
    /// Cost of a packet, by test run
    Packet,
    /// Real packets through a veth, dropped
    Veth,
    /// Compiling, applying, idling, being scraped
    Control,
    /// Connections to a real server, alone and beside a flood
    Http,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Veth => "veth",
            Self::Control => "control",
            Self::Http => "http",
        }
    }
}

/// Builds, installs the peers, measures.
pub fn run(workspace: &Workspace, options: &Options) -> Result<()> {
    environment::check()?;
    setup::ensure(workspace, Needs::Bench)?;
    build::everything(workspace)?;
    {
        let _part = progress::begin("peers", Some(1));
        bpf_object::build(workspace, Variant::Peers)?;
    }
    let results = workspace.target().join("bench");
    fs::create_dir_all(&results).with_context(|| format!("cannot make {}", results.display()))?;
    let mut bench = command::cargo(workspace.root());
    bench
        .args(["run", "--quiet", "--release"])
        .args(["--package", "edge-filter-tests", "--bin", "bench", "--"])
        .args(options.parts.iter().map(|part| part.name()))
        .arg("--results")
        .arg(&results)
        .env("EDGE_FILTER_OBJECT_DIR", workspace.objects())
        .env("EDGE_FILTER_BIN", workspace.edge_filter());
    if options.quick {
        bench.arg("--quick");
    }
    if let Some(cpu) = options.cpu {
        bench.args(["--cpu", &cpu.to_string()]);
    }
    if options.write_docs {
        bench.arg("--docs").arg(workspace.root().join("docs"));
    }
    command::run(&mut bench).context("the bench did not come to its end")?;
    say(&format!("results in {}", results.display()));
    Ok(())
}
