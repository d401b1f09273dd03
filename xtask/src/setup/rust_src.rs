//! The sources of `core`, which the packet program is compiled from, at the compiler's own version.
//!
//! From rustup where it can download; else from Debian's package of the same upstream version,
//! through an apt configuration of its own, so that the host's sources stay as they are. An
//! interrupted installation is never mistaken for a complete one: the folder is renamed into
//! place as the last step.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::progress::say;
use crate::setup::debian::{PrivateApt, Suite};
use crate::workspace::Workspace;

/// The compiler of `rust-toolchain.toml`. Sources of another version do not compile with it.
const VERSION: &str = "1.95.0";
/// Where rustup has no network it would try for minutes; a mirror that answers takes seconds.
const RUSTUP_LIMIT_SECONDS: &str = "60";

/// Installs rust-src into the pinned compiler's sysroot unless it is there.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    check_compiler(workspace.root())?;
    let library = sysroot(workspace.root())?.join("lib/rustlib/src/rust/library");
    if is_complete(&library) {
        return Ok(());
    }
    check_writable(&library)?;
    match by_rustup(workspace.root()) {
        Ok(()) if is_complete(&library) => return Ok(()),
        Ok(()) => say("rustup reported success, but the sources are not there"),
        Err(error) => say(&format!("no rust-src from rustup: {error:#}")),
    }
    by_debian_package(&library).with_context(|| {
        format!(
            "no sources of the standard library for rustc {VERSION}; install them with `rustup \
             component add rust-src`, or put the `library` folder of its source at {}",
            library.display()
        )
    })
}

/// Debian's package carries no manifest of rustup: what the compiler opens is the test.
fn is_complete(library: &Path) -> bool {
    ["core/src/lib.rs", "Cargo.lock"]
        .iter()
        .all(|file| library.join(file).is_file())
}

fn check_compiler(root: &Path) -> Result<()> {
    let text = rustc(root, &["-vV"])?;
    let release = text
        .lines()
        .find_map(|line| line.strip_prefix("release: "))
        .unwrap_or("unknown");
    if release != VERSION {
        bail!(
            "rustc is {release}, but rust-toolchain.toml pins {VERSION}; install it with `rustup \
             toolchain install {VERSION}` (and unset RUSTUP_TOOLCHAIN)"
        );
    }
    Ok(())
}

fn sysroot(root: &Path) -> Result<PathBuf> {
    Ok(rustc(root, &["--print", "sysroot"])?.trim().into())
}

fn rustc(root: &Path, arguments: &[&str]) -> Result<String> {
    command::output(Command::new("rustc").args(arguments).current_dir(root))
}

fn check_writable(library: &Path) -> Result<()> {
    let parent = parent_of(library)?;
    fs::create_dir_all(parent)
        .and_then(|()| tempfile::tempdir_in(parent).map(drop))
        .with_context(|| {
            format!(
                "rust-src is missing and {} is not writable; run `sudo -E env \"PATH=$PATH\" cargo xtask \
                 setup`, or \
                 `rustup component add rust-src` as the owner of the toolchain",
                parent.display()
            )
        })
}

fn by_rustup(root: &Path) -> Result<()> {
    if !command::is_on_path("rustup") {
        bail!("it is not on the search path");
    }
    say("installing rust-src with rustup (some seconds)");
    command::output(
        Command::new("timeout")
            .arg(RUSTUP_LIMIT_SECONDS)
            .args(["rustup", "component", "add", "rust-src"])
            .env("RUSTUP_MAX_RETRIES", "1")
            .env("RUST_BACKTRACE", "0")
            .current_dir(root),
    )
    .map(drop)
}

fn by_debian_package(library: &Path) -> Result<()> {
    say(&format!(
        "installing rust-src {VERSION} from Debian's package (45 MB)"
    ));
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    // The pinned compiler's packages; the host may be an older release.
    let apt = PrivateApt::new(folder.path(), &[Suite::TrixieBackports])?;
    let unpacked = folder.path().join("unpacked");
    apt.unpack("rust-src", &format!("{VERSION}+dfsg1-"), &unpacked)?;
    let source = unpacked.join(format!("usr/src/rustc-{VERSION}/library"));
    if !is_complete(&source) {
        bail!("Debian's package has no library at {}", source.display());
    }
    place(&source, library)
}

fn place(source: &Path, library: &Path) -> Result<()> {
    let parent = parent_of(library)?;
    let staging = tempfile::Builder::new()
        .prefix(".library-")
        .tempdir_in(parent)
        .with_context(|| format!("cannot write to {}", parent.display()))?;
    let copy = staging.path().join("library");
    command::run(
        Command::new("cp")
            .args(["-r", "--"])
            .args([source, copy.as_path()]),
    )?;
    if library.exists() {
        // Left by something else and incomplete: a rename needs an empty place.
        fs::remove_dir_all(library)
            .with_context(|| format!("cannot remove the incomplete {}", library.display()))?;
    }
    fs::rename(&copy, library)
        .with_context(|| format!("cannot move the sources to {}", library.display()))
}

fn parent_of(library: &Path) -> Result<&Path> {
    library
        .parent()
        .with_context(|| format!("{} has no parent folder", library.display()))
}
