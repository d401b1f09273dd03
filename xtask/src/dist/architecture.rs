//! For which machines packages are made, and what that changes: compiler, names, and how the
//! finished program is started here.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;
use crate::{bpf_object, build};

const TRIPLE: &str = "aarch64-unknown-linux-gnu";
/// Where Debian's cross compiler has the libraries of arm64.
const LIBRARIES: &str = "/usr/aarch64-linux-gnu";

/// A kind of machine.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Architecture {
    /// What Debian calls amd64.
    #[value(name = "amd64", alias = "x86_64")]
    Amd64,
    /// What the kernel calls aarch64.
    #[value(name = "arm64", alias = "aarch64")]
    Arm64,
}

impl Architecture {
    /// Of this machine; its packages need nothing else.
    pub fn of_host() -> Result<Self> {
        match std::env::consts::ARCH {
            "x86_64" => Ok(Self::Amd64),
            "aarch64" => Ok(Self::Arm64),
            other => bail!("packages are made on x86_64 and aarch64, not on {other}"),
        }
    }

    /// As the kernel and rpm call it.
    pub const fn machine(self) -> &'static str {
        match self {
            Self::Amd64 => "x86_64",
            Self::Arm64 => "aarch64",
        }
    }

    /// As Debian calls it.
    pub const fn debian(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Whether programs for it do not run here by themselves.
    pub fn is_foreign(self) -> bool {
        self.machine() != std::env::consts::ARCH
    }

    /// For cargo, where it is not the host's.
    pub fn triple(self) -> Option<&'static str> {
        (self == Self::Arm64 && self.is_foreign()).then_some(TRIPLE)
    }

    /// A program of binutils that reads its files.
    pub fn binutils(self, program: &str) -> Command {
        match self.triple() {
            Some(_) => Command::new(format!("aarch64-linux-gnu-{program}")),
            None => Command::new(program),
        }
    }

    /// Starts a program of it: emulated, where it does not run by itself.
    pub fn start(self, program: &Path) -> Command {
        if self.triple().is_none() {
            return Command::new(program);
        }
        let mut emulator = Command::new("qemu-aarch64-static");
        emulator.args(["-L", LIBRARIES]).arg(program);
        emulator
    }

    /// Builds the binary; the host's has been built.
    pub fn build(self, workspace: &Workspace) -> Result<()> {
        let Some(triple) = self.triple() else {
            if self.is_foreign() {
                bail!("amd64 packages are made on an amd64 machine");
            }
            return Ok(());
        };
        bpf_object::check_same_for(workspace, self.machine())?;
        say("building edge-filter for arm64 and the standard library (many minutes)");
        // A standard library of exactly the pinned compiler is made of the sources that the packet
        // program needs anyway: nothing more is to be had from anywhere.
        let mut cargo = build::release(workspace);
        cargo
            .args(["--target", triple, "-Z", "build-std=std,panic_unwind"])
            .env("RUSTC_BOOTSTRAP", "1")
            .env(
                "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER",
                "aarch64-linux-gnu-gcc",
            );
        command::run(&mut cargo).context("cannot build edge-filter for arm64")
    }
}
