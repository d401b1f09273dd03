//! Programs of the host that namespace tests, the demo, the kernel matrix and fuzzing call.

use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;
use crate::progress::say;
use crate::setup::Needs;

/// Program, and the Debian package that brings it.
const PROGRAMS: [(&str, &str); 7] = [
    ("capsh", "libcap2-bin"),
    ("ip", "iproute2"),
    ("python3", "python3"),
    ("systemd-analyze", "systemd"),
    ("strace", "strace"),
    ("tcpdump", "tcpdump"),
    ("tmux", "tmux"),
];

/// The same for tests alone: a browser for the status page, 414 MB in some 15 seconds; and what reads
/// the manual pages and completions of packages.
const TEST_PROGRAMS: [(&str, &str); 5] = [
    ("chromium", "chromium"),
    ("mandoc", "mandoc"),
    ("groff", "groff-base"),
    ("zsh", "zsh"),
    ("fish", "fish"),
];

/// The same for booting other kernels.
const GUEST_PROGRAMS: [(&str, &str); 4] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("dash", "dash"),
    ("xz", "xz-utils"),
    ("strip", "binutils"),
];

/// What edge-filter is measured beside, and with. None of them starts anything by being installed.
const BENCH_PROGRAMS: [(&str, &str); 6] = [
    ("xdp-filter", "xdp-tools"),
    ("nft", "nftables"),
    ("ipset", "ipset"),
    ("iptables", "iptables"),
    ("ethtool", "ethtool"),
    ("wrk", "wrk"),
];

/// To compile libFuzzer.
const FUZZING_PROGRAMS: [(&str, &str); 1] = [("c++", "g++")];

/// To make packages and try them.
const PACKAGE_PROGRAMS: [(&str, &str); 6] = [
    ("buildah", "buildah"),
    ("pip3", "python3-pip"),
    ("debootstrap", "debootstrap"),
    ("rpm", "rpm"),
    ("strip", "binutils"),
    ("gzip", "gzip"),
];

/// To make a disk of a folder.
const BOOT_PROGRAMS: [(&str, &str); 1] = [("mke2fs", "e2fsprogs")];

/// The same for arm64: a compiler that links, the libraries to link with, and an emulator.
const ARM64_PACKAGE_PROGRAMS: [(&str, &str); 6] = [
    ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
    (
        "../aarch64-linux-gnu/lib/libc.so.6",
        "libc6-dev-arm64-cross",
    ),
    ("qemu-aarch64-static", "qemu-user-static"),
    ("rpm", "rpm"),
    ("strip", "binutils"),
    ("gzip", "gzip"),
];

/// Installs the missing packages when root and apt are there, else says what to install.
pub fn ensure(needs: Needs) -> Result<()> {
    let lists: &[&[(&str, &str)]] = match needs {
        Needs::Build => &[],
        Needs::Fuzzing => &[&FUZZING_PROGRAMS],
        Needs::Namespaces => &[&PROGRAMS],
        Needs::Tests => &[&PROGRAMS, &TEST_PROGRAMS],
        Needs::KernelMatrix => &[&PROGRAMS, &GUEST_PROGRAMS],
        Needs::Bench => &[&PROGRAMS, &BENCH_PROGRAMS],
        Needs::Packages => &[&PROGRAMS, &PACKAGE_PROGRAMS],
        Needs::PackagesAndBoot => &[
            &PROGRAMS,
            &PACKAGE_PROGRAMS,
            &GUEST_PROGRAMS,
            &BOOT_PROGRAMS,
        ],
        Needs::Arm64Packages => &[&PROGRAMS, &ARM64_PACKAGE_PROGRAMS],
    };
    let missing: Vec<&str> = lists
        .iter()
        .copied()
        .flatten()
        .filter(|(program, _)| !command::is_on_path(program))
        .map(|(_, package)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let packages = missing.join(" ");
    if !rustix::process::geteuid().is_root() || !command::is_on_path("apt-get") {
        bail!("missing on this host: {packages}; install with `sudo apt-get install {packages}`");
    }
    say(&format!("installing {packages} with apt-get"));
    install(&missing)
        // Fresh machines have no package lists yet; a source that fails may not matter.
        .or_else(|_| {
            let updated = command::output(apt_get().arg("update")).map(drop);
            install(&missing).map_err(|error| match updated {
                Ok(()) => error,
                Err(update) => error.context(format!("{update:#}")),
            })
        })
        .with_context(|| format!("install {packages} by hand, then start again"))
}

fn install(packages: &[&str]) -> Result<()> {
    command::output(
        apt_get()
            .args(["install", "--yes", "--no-install-recommends"])
            .args(packages),
    )
    .map(drop)
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command
        .arg("--quiet=2")
        .env("DEBIAN_FRONTEND", "noninteractive");
    command
}
