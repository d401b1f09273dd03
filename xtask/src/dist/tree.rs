//! What packages install, laid out as on the host.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::Dist;
use crate::command;
use crate::workspace::Workspace;

/// From the checkout, to the host.
const FILES: [(&str, &str); 12] = [
    ("config/edge-filter.toml", "etc/edge-filter/config.toml"),
    (
        "config/fail2ban/action.d/edge-filter.conf",
        "etc/fail2ban/action.d/edge-filter.conf",
    ),
    (
        "config/edge-filter.service",
        "usr/lib/systemd/system/edge-filter.service",
    ),
    (
        "config/edge-filter.tmpfiles",
        "usr/lib/tmpfiles.d/edge-filter.conf",
    ),
    (
        "config/prometheus/alerts.yml",
        "usr/share/edge-filter/prometheus/alerts.yml",
    ),
    (
        "config/grafana/edge-filter.json",
        "usr/share/edge-filter/grafana/edge-filter.json",
    ),
    ("README.md", "usr/share/doc/edge-filter/README.md"),
    ("CHANGELOG.md", "usr/share/doc/edge-filter/CHANGELOG.md"),
    ("LICENSE-MIT", "usr/share/doc/edge-filter/LICENSE-MIT"),
    ("LICENSE-APACHE", "usr/share/doc/edge-filter/LICENSE-APACHE"),
    (
        "config/example.toml",
        "usr/share/doc/edge-filter/examples/example.toml",
    ),
    (
        "config/partners.txt",
        "usr/share/doc/edge-filter/examples/partners.txt",
    ),
];

/// What the README links to.
const DOCS: [&str; 3] = ["docs", "docs/pictures", "docs/performance"];
const DOCS_OF_PACKAGE: &str = "usr/share/doc/edge-filter";

/// Shell, and where it looks for completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/edge-filter"),
    ("zsh", "usr/share/zsh/vendor-completions/_edge-filter"),
    (
        "fish",
        "usr/share/fish/vendor_completions.d/edge-filter.fish",
    ),
];

/// Minor version of the newest glibc 2 that the packages ask for. It must be theirs in
/// filter-user/Cargo.toml; a program that needs a newer one would not start there.
const GLIBC_MINOR: u32 = 34;

/// Fills the tree; the binary has been built.
pub fn lay_out(workspace: &Workspace, dist: &Dist) -> Result<()> {
    for (from, to) in FILES {
        place(&workspace.root().join(from), &dist.tree.join(to), 0o644)?;
    }
    for folder in DOCS {
        place_files(
            &workspace.root().join(folder),
            &dist.tree.join(DOCS_OF_PACKAGE).join(folder),
        )?;
    }
    let binary = dist.tree.join("usr/bin/edge-filter");
    let architecture = dist.architecture;
    let built = workspace.edge_filter_for(architecture.triple());
    place(&built, &binary, 0o755)?;
    let symbols = command::output(architecture.binutils("objdump").arg("-T").arg(&binary))?;
    check_glibc(&symbols)?;
    let mut strip = architecture.binutils("strip");
    command::output(strip.arg("--strip-all").arg(&binary))?;
    for (shell, to) in COMPLETIONS {
        let script = command::output(architecture.start(&binary).args(["completions", shell]))?;
        write(&dist.tree.join(to), &script)?;
    }
    manual(dist, &binary)
}

fn manual(dist: &Dist, binary: &Path) -> Result<()> {
    let pages = dist.folder.join("man");
    command::output(dist.architecture.start(binary).arg("man").arg(&pages))?;
    for entry in fs::read_dir(&pages).with_context(|| format!("cannot read {}", pages.display()))? {
        let page = entry?.path();
        let name = page.file_name().context("it is a file")?;
        let section = page.extension().context("a page has a section")?;
        let folder = format!("man{}", section.to_string_lossy());
        let to = dist.tree.join("usr/share/man").join(folder).join(name);
        place(&page, &to, 0o644)?;
        // As Debian wants it; without a name and time, so that builds can be compared.
        command::output(Command::new("gzip").args(["-9", "--no-name"]).arg(&to))?;
    }
    fs::remove_dir_all(&pages).with_context(|| format!("cannot remove {}", pages.display()))
}

/// Of what `objdump -T` says.
fn check_glibc(symbols: &str) -> Result<()> {
    let newest = symbols
        .split("GLIBC_2.")
        .skip(1)
        .filter_map(|rest| rest.split(|c: char| !c.is_ascii_digit()).next())
        .filter_map(|minor| minor.parse::<u32>().ok())
        .max()
        .context("the program needs no glibc at all")?;
    ensure!(
        newest <= GLIBC_MINOR,
        "the program needs glibc 2.{newest}, the packages ask for 2.{GLIBC_MINOR}: change both \
         in filter-user/Cargo.toml and here, and say so in the changelog"
    );
    Ok(())
}

fn place(from: &Path, to: &Path, mode: u32) -> Result<()> {
    let folder = to.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::copy(from, to)
        .with_context(|| format!("cannot copy {} to {}", from.display(), to.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))
        .with_context(|| format!("cannot change {}", to.display()))
}

/// The files of a folder, not those of folders in it.
fn place_files(from: &Path, to: &Path) -> Result<()> {
    for entry in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            place(&entry.path(), &to.join(entry.file_name()), 0o644)?;
        }
    }
    Ok(())
}

fn write(to: &Path, text: &str) -> Result<()> {
    let folder = to.parent().context("a file has a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    fs::write(to, text).with_context(|| format!("cannot write {}", to.display()))
}
