//! What the host must offer before packets can be filtered on it: asked before anything is begun.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::command;

/// Oldest kernel with everything the packet program uses (see the README).
const OLDEST_KERNEL: (u32, u32) = (5, 15);
const BTF: &str = "/sys/kernel/btf/vmlinux";

/// Fails with the fix unless this host can load, attach and pin.
pub fn check() -> Result<()> {
    if !rustix::process::geteuid().is_root() {
        bail!(
            "loading XDP programs and making network namespaces needs root; run it with \
             `sudo -E env \"PATH=$PATH\" cargo xtask …`"
        );
    }
    check_kernel()?;
    if !Path::new(BTF).is_file() {
        bail!(
            "{BTF} is missing: this kernel was built without CONFIG_DEBUG_INFO_BTF; boot a \
             distribution kernel (Debian 12 and later have it)"
        );
    }
    check_bpffs()
}

fn check_kernel() -> Result<()> {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let version = parse_release(&release)
        .with_context(|| format!("cannot read the kernel's version in `{release}`"))?;
    if version < OLDEST_KERNEL {
        bail!("this kernel is {release}; 5.15 or later is needed (6.1 and later are tested)");
    }
    Ok(())
}

fn parse_release(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// Mounts a BPF file system for a moment: tests and demo use private ones.
fn check_bpffs() -> Result<()> {
    let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
    command::output(
        Command::new("mount")
            .args(["-t", "bpf", "bpf"])
            .arg(folder.path()),
    )
    .context(
        "cannot mount a BPF file system; it needs CAP_SYS_ADMIN and CONFIG_BPF_SYSCALL: in a \
         container, start it with `--privileged`",
    )?;
    command::output(Command::new("umount").arg(folder.path())).map(drop)
}

#[cfg(test)]
mod tests {
    use super::parse_release;

    #[test]
    fn kernel_releases_of_distributions_are_understood() {
        assert_eq!(parse_release("6.1.0-18-amd64"), Some((6, 1)));
        assert_eq!(parse_release("5.15.167.4-microsoft"), Some((5, 15)));
        assert_eq!(parse_release("7.2-rc1"), Some((7, 2)));
        assert_eq!(parse_release("linux"), None);
    }
}
