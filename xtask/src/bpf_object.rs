//! The packet program as an eBPF object: compiled, checked, and put where build scripts find it.
//!
//! The pinned stable compiler builds `core` for the bpf target itself (`RUSTC_BOOTSTRAP` for
//! these invocations alone). The finished file is rewritten only when its bytes differ, so that
//! a build without changes does not rebuild what embeds it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use object::{Object, ObjectSection, ObjectSymbol, SectionKind};

use crate::bpf_calls;
use crate::command;
use crate::progress::{self, say};
use crate::workspace::Workspace;

const TARGET: &str = "bpfel-unknown-none";
/// Which packet program.
#[derive(Clone, Copy)]
pub enum Variant {
    /// The one that ships.
    Shipped,
    /// With a clock that tests set.
    Test,
    /// What `cargo xtask bench` measures beside it.
    Peers,
}

impl Variant {
    /// What `cargo xtask build` makes.
    pub const BUILT: [Self; 2] = [Self::Shipped, Self::Test];
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Shipped, Self::Test, Self::Peers];

    fn package(self) -> &'static str {
        match self {
            Self::Shipped | Self::Test => "filter-ebpf",
            Self::Peers => "edge-filter-peers",
        }
    }

    fn binary(self) -> &'static str {
        match self {
            Self::Shipped | Self::Test => "edge-filter-xdp",
            Self::Peers => "edge-filter-peers",
        }
    }

    fn features(self) -> &'static str {
        match self {
            Self::Shipped | Self::Peers => "program",
            Self::Test => "program,test-clock",
        }
    }

    /// Whether it books sources.
    fn needs_compare_and_swap(self) -> bool {
        matches!(self, Self::Shipped | Self::Test)
    }

    fn file(self) -> &'static str {
        match self {
            Self::Shipped => "edge-filter.o",
            Self::Test => "edge-filter-test.o",
            Self::Peers => "edge-filter-peers.o",
        }
    }
}

/// Compiles, checks and places one packet program; bpf-linker and rust-src are installed.
pub fn build(workspace: &Workspace, variant: Variant) -> Result<()> {
    progress::step(&format!("the packet program {}", variant.file()));
    command::run(
        cargo_for_bpf(workspace, "build", variant)
            .args(["--bin", variant.binary()])
            .args(command::quiet()),
    )
    .context("cannot build the packet program")?;
    let made = workspace
        .target()
        .join("bpf-build")
        .join(TARGET)
        .join("bpf")
        .join(variant.binary());
    let bytes = fs::read(&made).with_context(|| format!("cannot read {}", made.display()))?;
    check(&bytes, variant.needs_compare_and_swap())
        .with_context(|| format!("{} cannot be used", made.display()))?;
    place(&bytes, &workspace.objects().join(variant.file()))
}

/// Lints the packet program as it is compiled for the kernel.
pub fn clippy(workspace: &Workspace, variant: Variant) -> Result<()> {
    command::run(cargo_for_bpf(workspace, "clippy", variant).args(["--", "-D", "warnings"]))
}

fn cargo_for_bpf(workspace: &Workspace, subcommand: &str, variant: Variant) -> Command {
    let folder = workspace.target().join("bpf-build");
    cargo_in(
        workspace,
        subcommand,
        variant,
        &folder,
        std::env::consts::ARCH,
    )
}

fn cargo_in(
    workspace: &Workspace,
    subcommand: &str,
    variant: Variant,
    folder: &Path,
    machine: &str,
) -> Command {
    let mut cargo = command::cargo(workspace.root());
    cargo
        .args([subcommand, "--package", variant.package()])
        .args(["--features", variant.features()])
        .args(["--profile", "bpf", "--target", TARGET])
        .args(["-Z", "build-std=core", "--target-dir"])
        .arg(folder)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_ENCODED_RUSTFLAGS", rustflags(workspace, machine))
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_BUILD_RUSTFLAGS");
    cargo
}

/// Separated by the unit separator, as cargo wants it: the linker's path may hold spaces.
fn rustflags(workspace: &Workspace, machine: &str) -> String {
    [
        &format!("-Clinker={}", workspace.bpf_linker().display()),
        // Line information and types for the verifier's log, and for CO-RE.
        "-Clink-arg=--btf",
        "-Cdebuginfo=2",
        // Compare-and-swap; kernel 5.12.
        "-Ctarget-cpu=v3",
        // Whole loads instead of bytes: 2 ns and a fifth of the verified instructions.
        "-Ctarget-feature=+allows-misaligned-mem-access",
        // What aya-ebpf's register layouts depend on: the machine that will run the program.
        &format!("--cfg=bpf_target_arch=\"{machine}\""),
    ]
    .join("\x1f")
}

/// Makes sure that the packet program is the same on another kind of machine: it
/// looks at packets, not at registers. So the one that is embedded is right for both.
pub fn check_same_for(workspace: &Workspace, machine: &str) -> Result<()> {
    say(&format!("comparing the packet program for {machine}"));
    let variant = Variant::Shipped;
    let folder = workspace.target().join(format!("bpf-build-{machine}"));
    let mut cargo = cargo_in(workspace, "build", variant, &folder, machine);
    command::run(
        cargo
            .args(["--bin", variant.binary()])
            .args(command::quiet()),
    )
    .context("cannot build the packet program")?;
    let other = folder.join(TARGET).join("bpf").join(variant.binary());
    let ours = workspace.objects().join(variant.file());
    let [ours, other] = [ours, other].map(|path| {
        let bytes = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        loaded(&bytes)
    });
    if ours? != other? {
        bail!(
            "the packet program for {machine} is another: `build.rs` of filter-user must embed the \
             one of the target's architecture"
        );
    }
    Ok(())
}

/// What of an object the kernel loads: code and data, by section.
fn loaded(bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let file = object::File::parse(bytes).context("it is not an ELF object")?;
    let sections = file.sections().filter(|section| {
        let kind = section.kind();
        kind == SectionKind::Text || kind == SectionKind::Data || kind == SectionKind::ReadOnlyData
    });
    sections
        .map(|section| Ok((section.name()?.to_owned(), section.data()?.to_vec())))
        .collect()
}

/// What the kernel would refuse, or worse accept: caught here, by name.
fn check(bytes: &[u8], needs_compare_and_swap: bool) -> Result<()> {
    let file = object::File::parse(bytes).context("it is not an ELF object")?;
    let panics: Vec<&str> = file
        .symbols()
        .filter_map(|symbol| symbol.name().ok())
        .filter(|name| name.contains("panic"))
        .collect();
    if !panics.is_empty() {
        bail!(
            "it calls panics ({}): some index is not masked or some arithmetic is checked; find \
             the place with `llvm-objdump --disassemble --line-numbers`",
            panics.join(", ")
        );
    }
    if !file
        .sections()
        .any(|section| section.name().is_ok_and(|name| name.starts_with("xdp")))
    {
        bail!("it has no section `xdp`: the entry point was not kept");
    }
    if needs_compare_and_swap && !has_compare_and_swap(&file) {
        bail!("it has no compare-and-swap: rates would lose updates; was target-cpu=v3 dropped?");
    }
    if needs_compare_and_swap {
        check_linear(&file)?;
    }
    Ok(())
}

/// The programs for kernels that have no frames in several buffers.
fn check_linear(file: &object::File<'_>) -> Result<()> {
    /// Helpers since Linux 5.18 (`enum bpf_func_id`).
    const BUFFERS: [u32; 3] = [188, 189, 190];
    for entry in ["edge_filter_linear", "edge_filter_explain"] {
        let helpers = bpf_calls::helpers(file, entry)?;
        let new: Vec<_> = helpers.iter().filter(|h| BUFFERS.contains(h)).collect();
        if !new.is_empty() {
            bail!("{entry} calls helpers {new:?}, which kernels before 5.18 do not have");
        }
    }
    let helpers = bpf_calls::helpers(file, "edge_filter")?;
    if !BUFFERS[..2].iter().all(|helper| helpers.contains(helper)) {
        bail!("edge_filter does not read further buffers: {helpers:?}");
    }
    Ok(())
}

/// Atomics whose result is used have been compiled to plain loads and stores, silently.
fn has_compare_and_swap(file: &object::File<'_>) -> bool {
    // BPF_STX | BPF_ATOMIC | BPF_DW with BPF_CMPXCHG (RFC 9669 s. 5.3).
    const ATOMIC_64: u8 = 0xdb;
    const CMPXCHG: [u8; 4] = 0xf1_u32.to_le_bytes();
    file.sections()
        .filter(|section| section.kind() == SectionKind::Text)
        .filter_map(|section| section.data().ok())
        .flat_map(|code| code.chunks_exact(8))
        .any(|instruction| instruction[0] == ATOMIC_64 && instruction[4..] == CMPXCHG)
}

fn place(bytes: &[u8], path: &Path) -> Result<()> {
    if fs::read(path).is_ok_and(|present| present == bytes) {
        return Ok(());
    }
    let folder = path.parent().context("an object has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let mut new = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o644))
        .tempfile_in(folder)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    std::io::Write::write_all(&mut new, bytes)
        .with_context(|| format!("cannot write to {}", folder.display()))?;
    new.persist(path)
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn a_program_that_can_panic_is_refused() {
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        let message = check(&own, true).unwrap_err().to_string();
        assert!(message.contains("it calls panics"), "{message:.200}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        assert!(check(b"not an object", true).is_err());
    }
}
