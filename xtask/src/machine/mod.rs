//! A virtual machine under qemu with one of Debian's kernels, and what its console says.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::command;
use crate::progress::say;
use crate::setup::debian::{PrivateApt, Suite};

pub mod cpio;
pub mod kernels;
pub mod modules;

/// Everything on the console, no word of a boot that goes well, and an end after a panic.
const CONSOLE: &str = "console=ttyS0 quiet panic=-1 oops=panic";

/// A machine that has not been started.
pub struct Machine<'a> {
    /// What it boots.
    pub kernel: &'a kernels::Kernel,
    /// The initial file system.
    pub initial: Vec<u8>,
    /// Further words for the kernel.
    pub append: String,
    /// Further devices, as qemu's arguments.
    pub devices: Vec<String>,
    /// Where its console is kept.
    pub log: PathBuf,
    /// How long it may take: an emulated processor takes minutes for what a real one does in
    /// seconds.
    pub limit: Duration,
    /// Use /dev/kvm, which on some hosts hangs.
    pub is_kvm: bool,
}

impl Machine<'_> {
    /// Runs it until it ends, and tells each line of its console. Whether it ended within its limit.
    ///
    /// # Errors
    /// qemu does not start, or its files cannot be written.
    pub fn run(self, line: impl Fn(&str)) -> Result<bool> {
        let initial = self.log.with_extension("cpio");
        fs::write(&initial, self.initial)
            .with_context(|| format!("cannot write {}", initial.display()))?;
        let mut machine = Command::new("qemu-system-x86_64");
        machine
            .args(["-accel", if self.is_kvm { "kvm" } else { "tcg" }])
            .args(["-cpu", "max", "-M", "pc", "-m", "1024", "-smp", "1"])
            .args(["-nodefaults", "-no-user-config", "-display", "none"])
            .args(["-no-reboot", "-serial", "stdio"])
            .args(&self.devices)
            .arg("-kernel")
            .arg(&self.kernel.image)
            .arg("-initrd")
            .arg(&initial)
            .args(["-append", &format!("{CONSOLE} {}", self.append)])
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = machine
            .spawn()
            .with_context(|| format!("cannot start `{}`", command::line(&machine)))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let followed = follow(stdout, &self.log, self.limit, line);
        // Only one that is over its limit, or of which nothing can be read, still runs.
        let _ = child.kill();
        child.wait().context("the machine is lost")?;
        // Some hundred megabytes a machine need not stay.
        let _ = fs::remove_file(&initial);
        followed.with_context(|| format!("cannot follow {}", self.log.display()))
    }
}

/// Writes the console to `log` and tells its lines. Whether it ended before `limit`.
fn follow(
    mut console: ChildStdout,
    log: &Path,
    limit: Duration,
    tell: impl Fn(&str),
) -> Result<bool> {
    let mut log = File::create(log)?;
    let end = Instant::now() + limit;
    let mut line = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).context("the limit is small")?;
        match poll(&mut [PollFd::new(&console, PollFlags::IN)], Some(&timeout)) {
            Ok(0) => return Ok(false),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => bail!("poll: {error}"),
        }
        let bytes = match console.read(&mut buffer)? {
            0 => return Ok(true),
            length => buffer.get(..length).unwrap_or_default(),
        };
        log.write_all(bytes)?;
        for &byte in bytes {
            if byte != b'\n' {
                line.push(byte);
                continue;
            }
            tell(String::from_utf8_lossy(&line).trim_end());
            line.clear();
        }
    }
}

/// Debian's busybox without libraries; downloaded into `folder`, not installed.
pub fn busybox(folder: &Path) -> Result<Vec<u8>> {
    let place = folder.join("busybox");
    let program = place.join("bin/busybox");
    let merged = place.join("usr/bin/busybox");
    if !program.is_file() && !merged.is_file() {
        say("downloading busybox");
        let apt = PrivateApt::new(&folder.join("apt-busybox"), &[Suite::Bookworm])?;
        apt.unpack("busybox-static", "", &place)?;
    }
    let program = if merged.is_file() { merged } else { program };
    fs::read(&program).with_context(|| format!("no {}", program.display()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::fs;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    use super::follow;

    #[test]
    fn a_console_is_kept_and_its_lines_are_told() {
        let console = "Linux\n@@ start load\r\ntest a ... ok\n@@";
        let mut machine = Command::new("printf");
        machine.args(["%s", console]).stdout(Stdio::piped());
        let mut machine = machine.spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let told = RefCell::new(Vec::new());
        let tell = |line: &str| told.borrow_mut().push(line.to_owned());
        let stdout = machine.stdout.take().unwrap();
        assert!(follow(stdout, &log, Duration::from_mins(1), tell).unwrap());
        machine.wait().unwrap();
        assert_eq!(
            told.into_inner(),
            ["Linux", "@@ start load", "test a ... ok"]
        );
        assert_eq!(fs::read_to_string(log).unwrap(), console);
    }

    #[test]
    fn a_machine_that_does_not_end_is_over_its_limit() {
        let mut machine = Command::new("sleep");
        machine.arg("600").stdout(Stdio::piped());
        let mut machine = machine.spawn().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let stdout = machine.stdout.take().unwrap();
        assert!(!follow(stdout, &log, Duration::from_millis(10), |_| ()).unwrap());
        machine.kill().unwrap();
        machine.wait().unwrap();
    }
}
