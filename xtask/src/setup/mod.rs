//! Installs what the build needs and a machine with only the pinned Rust toolchain lacks.
//!
//! Each step looks first and does nothing when its part is there, so that every task can call
//! it. It never touches the user's cargo folder or the host's apt sources.

use anyhow::Result;

use crate::progress;
use crate::workspace::Workspace;

mod bpf_linker;
mod cargo_fuzz;
pub mod debian;
mod host_packages;
mod kubernetes_validate;
mod packagers;
mod rust_src;
mod unpacked;

/// What a task needs besides the toolchain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// To compile the packet program.
    Build,
    /// Also to make network namespaces and talk through them.
    Namespaces,
    /// Also to run every test.
    Tests,
    /// Also to boot other kernels.
    KernelMatrix,
    /// Also to measure beside the peers: only the bench installs those.
    Bench,
    /// To compile the packet program, and fuzz targets.
    Fuzzing,
    /// Also to make packages and try them.
    Packages,
    /// Also to boot a Debian with them.
    PackagesAndBoot,
    /// The same for arm64.
    Arm64Packages,
}

/// `cargo xtask setup`: everything.
pub fn run(workspace: &Workspace) -> Result<()> {
    ensure(workspace, Needs::Tests)
}

/// Makes sure that what `needs` names is installed.
pub fn ensure(workspace: &Workspace, needs: Needs) -> Result<()> {
    let _part = progress::begin("setup", None);
    if needs != Needs::Build {
        host_packages::ensure(needs)?;
    }
    if needs == Needs::Fuzzing {
        cargo_fuzz::ensure(workspace)?;
    }
    if matches!(needs, Needs::Tests | Needs::KernelMatrix) {
        unpacked::fail2ban(workspace)?;
        unpacked::prometheus(workspace)?;
    }
    if needs == Needs::Bench {
        unpacked::nginx(workspace)?;
    }
    if matches!(
        needs,
        Needs::Packages | Needs::PackagesAndBoot | Needs::Arm64Packages
    ) {
        packagers::ensure(workspace)?;
    }
    if matches!(needs, Needs::Packages | Needs::PackagesAndBoot) {
        kubernetes_validate::ensure(workspace)?;
    }
    rust_src::ensure(workspace)?;
    bpf_linker::ensure(workspace)
}
