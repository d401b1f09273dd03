//! `--boot`: the .deb in a Debian whose first process is systemd, on a kernel of its own under qemu:
//! what the unit promises, in the sandbox that it has on a real host. Three boots of one disk.

use std::cell::RefCell;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::trial::Debian;
use crate::command;
use crate::machine::cpio::Archive;
use crate::machine::kernels::{Kernel, Series};
use crate::machine::{Machine, busybox, modules};
use crate::progress::{self, say};
use crate::setup::debian::{PrivateApt, Suite};
use crate::workspace::Workspace;

/// That of the suite that is booted.
const KERNEL: Series = Series::new(6, 1);
const PACKAGES: [&str; 3] = ["systemd-sysv", "udev", "iproute2"];
/// What is done in the machine, boot by boot, as the script's argument.
pub const BOOTS: [&str; 3] = ["install", "reboot", "fallback"];
/// On an emulated processor a boot takes one minute, what is done after it another two.
const LIMIT: Duration = Duration::from_mins(20);
/// A disk, its file system, a network card, what the script makes, and what doctor asks: the disk has
/// no modules to be loaded from later. `crc32c` is asked for by the file system by another name.
const MODULES: [&str; 9] = [
    "virtio_pci",
    "virtio_blk",
    "virtio_net",
    "crc32c_generic",
    "ext4",
    "veth",
    "inet_diag",
    "tcp_diag",
    "udp_diag",
];
/// Long enough for what Debian puts into it; a sparse file.
const DISK: &str = "2G";

/// Boots it three times; fails with everything that did not hold.
pub fn package(workspace: &Workspace, deb: &Path) -> Result<()> {
    // Kernels are kept where the kernel matrix keeps them.
    let downloads = workspace.target().join("kernel-matrix");
    let folder = workspace.target().join("dist-boot");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let apt = PrivateApt::new(&downloads.join("apt-boot"), &[Suite::BookwormSecurity])?;
    let kernel = Kernel::fetch(KERNEL, &apt, &downloads.join("kernels"))?;
    let disk = disk(deb)?;
    let initial = initial(&kernel, &busybox(&downloads)?)?;
    let mut failed = Vec::new();
    for boot in BOOTS {
        progress::step(&format!("Linux {} and systemd: {boot}", kernel.release));
        let log = folder.join(format!("{boot}.log"));
        let seen = RefCell::new(Seen::default());
        let machine = Machine {
            kernel: &kernel,
            initial: initial.clone(),
            append: format!(
                "net.ifnames=0 systemd.show_status=no systemd.mask=serial-getty@ttyS0.service \
                 trial={boot}"
            ),
            devices: devices(disk.path()),
            log: log.clone(),
            limit: LIMIT,
            is_kvm: false,
        };
        machine.run(|line| seen.borrow_mut().line(line))?;
        let seen = seen.into_inner();
        say(&format!("{} of systemd's promises hold", seen.held));
        failed.extend(seen.failed.iter().map(|what| format!("{boot}: {what}")));
        if !seen.is_done {
            failed.push(format!("{boot} did not come to its end"));
        }
        if !failed.is_empty() {
            bail!("{}; see {}", failed.join("; "), log.display());
        }
    }
    Ok(())
}

/// What the script in the machine says, in lines that begin with `@@`.
#[derive(Default)]
struct Seen {
    held: usize,
    failed: Vec<String>,
    is_done: bool,
}

impl Seen {
    fn line(&mut self, line: &str) {
        let Some((_, said)) = line.split_once("@@ ") else {
            return;
        };
        if let Some(what) = said.strip_prefix("ok ") {
            progress::detail(what.to_owned());
            self.held += 1;
        } else if let Some(what) = said.strip_prefix("FAILED ") {
            self.failed.push(what.to_owned());
        } else if said == "done" {
            // Nothing held means that nothing was looked at.
            self.is_done = self.held > 0;
        }
    }
}

/// A disk with a Debian, the package, and the script that systemd starts.
fn disk(deb: &Path) -> Result<tempfile::NamedTempFile> {
    let debian = Debian::with(&PACKAGES)?;
    let root = debian.root();
    let trial = root.join("trial");
    let write = |path: PathBuf, text: &str| {
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    };
    fs::create_dir(&trial).with_context(|| format!("cannot make {}", trial.display()))?;
    write(trial.join("trial.sh"), include_str!("boot.sh"))?;
    fs::copy(deb, trial.join("edge-filter.deb"))
        .with_context(|| format!("cannot read {}", deb.display()))?;
    let units = root.join("etc/systemd/system");
    write(units.join("trial.service"), include_str!("boot.service"))?;
    let wanted = units.join("multi-user.target.wants");
    fs::create_dir_all(&wanted).with_context(|| format!("cannot make {}", wanted.display()))?;
    symlink("../trial.service", wanted.join("trial.service")).context("cannot enable the trial")?;
    progress::step("making a disk of it");
    let disk = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    command::output(
        Command::new("mke2fs")
            .args(["-q", "-t", "ext4", "-d"])
            .args([&root, disk.path()])
            .arg(DISK),
    )?;
    Ok(disk)
}

/// What finds the disk and starts what is on it.
fn initial(kernel: &Kernel, busybox: &[u8]) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    for place in ["/proc", "/sys", "/dev", "/root"] {
        archive.folder(place);
    }
    archive.device("/dev/console", 5, 1);
    archive.device("/dev/null", 1, 3);
    archive.file("/init", include_bytes!("boot-init.sh"));
    archive.file("/bin/busybox", busybox);
    let mut order = String::new();
    for module in modules::in_order(&kernel.modules, &MODULES)? {
        archive.file(&format!("/modules/{}", module.name), &module.code);
        order += &format!("{}\n", module.name);
    }
    archive.file("/modules/order", order.as_bytes());
    Ok(archive.finish())
}

/// The disk, and a network card that leads nowhere.
fn devices(disk: &Path) -> Vec<String> {
    let drive = format!("file={},format=raw,if=none,id=disk", disk.display());
    [
        "-drive",
        &drive,
        "-device",
        "virtio-blk-pci,drive=disk",
        "-netdev",
        "user,id=net,restrict=on",
        "-device",
        "virtio-net-pci,netdev=net,romfile=",
    ]
    .map(str::to_owned)
    .into()
}

#[cfg(test)]
mod tests {
    use super::Seen;

    #[test]
    fn a_console_without_its_end_or_with_nothing_looked_at_is_no_success() {
        let read = |lines: &[&str]| {
            let mut seen = Seen::default();
            lines.iter().for_each(|line| seen.line(line));
            (seen.held, seen.failed, seen.is_done)
        };
        assert_eq!(read(&["@@ done"]), (0, vec![], false));
        assert_eq!(read(&["[ 3.1] x @@ ok it runs"]), (1, vec![], false));
        let all = ["@@ ok it runs", "@@ FAILED it stops", "@@ done"];
        assert_eq!(read(&all), (1, vec!["it stops".to_owned()], true));
    }
}
