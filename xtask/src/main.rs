//! Set-up, build, tests, checks and demo: one file each; this one only says which.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::{Parser, Subcommand};

mod bench;
mod bpf_calls;
mod bpf_object;
mod build;
mod check;
mod command;
mod demo;
mod differential;
mod dist;
mod environment;
mod fuzz;
mod kernel_matrix;
mod machine;
mod progress;
mod setup;
mod sizes;
mod soak;
mod test;
mod workspace;

use workspace::Workspace;

/// Development tasks of edge-filter.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what build and tests need and is missing: rust-src, bpf-linker, host packages
    Setup,
    /// Build the packet program and the `edge-filter` binary
    Build(build::Options),
    /// Run every test: host, BPF test runs, network namespaces (as root)
    Test(test::Options),
    /// The tests that matter on Debian's kernels from 5.10 to the newest, under qemu (as root)
    KernelMatrix(kernel_matrix::Options),
    /// The loaded program against the oracle, random policies and packets by the million (as root)
    Differential(differential::Options),
    /// A reload every 100 ms for a minute, under a flood: nothing may be left of them (as root)
    Soak,
    /// Costs beside the peers: a packet, a drop, a reload, a request (as root; installs the peers)
    Bench(bench::Options),
    /// Write down what the packet programs weigh on this kernel; a test compares (as root)
    Sizes,
    /// Hostile bytes, by the million, through everything that reads any
    Fuzz(fuzz::Options),
    /// Format, lints on host and BPF code, docs, licences, advisories
    Check,
    /// Make packages, tarball, bill of materials and checksums in target/dist
    Dist(dist::Options),
    /// Show the filter at work between two network namespaces (as root)
    Demo,
}

fn main() -> ExitCode {
    match run(Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of contexts, one a line; a backtrace of xtask helps nobody.
            eprintln!("xtask: error: {error}");
            for cause in error.chain().skip(1) {
                eprintln!("  because: {cause}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> anyhow::Result<()> {
    let workspace = Workspace::find()?;
    match task {
        Task::Setup => setup::run(&workspace),
        Task::Build(options) => build::run(&workspace, &options),
        Task::Test(options) => test::run(&workspace, &options),
        Task::KernelMatrix(options) => kernel_matrix::run(&workspace, &options),
        Task::Differential(options) => differential::run(&workspace, &options),
        Task::Soak => soak::run(&workspace),
        Task::Bench(options) => bench::run(&workspace, &options),
        Task::Sizes => sizes::run(&workspace),
        Task::Fuzz(options) => fuzz::run(&workspace, &options),
        Task::Check => check::run(&workspace),
        Task::Dist(options) => dist::run(&workspace, &options),
        Task::Demo => demo::run(&workspace),
    }
}
