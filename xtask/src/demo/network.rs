//! Two network namespaces joined by a veth pair, and a private BPF file system.
//!
//! Names carry the process id, and everything goes away on drop: nothing of the host's own
//! network is touched.

use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{self, Command};
use std::thread;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::command;

/// The device at either end of the pair.
pub const DEVICE: &str = "eth0";

/// A named network namespace, deleted on drop.
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes an empty namespace with its loopback up; `role` is part of the name.
    pub fn new(role: &str) -> Result<Self> {
        let name = format!("edge-filter-demo-{}-{role}", process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Self { name };
        namespace.ip(&["link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// Gives the device addresses (with prefix lengths) and takes it up.
    pub fn configure(&self, addresses: &[String]) -> Result<()> {
        for address in addresses {
            // Duplicate address detection would keep IPv6 addresses unusable for a second.
            let nodad: &[&str] = if address.contains(':') {
                &["nodad"]
            } else {
                &[]
            };
            let words = ["address", "add", address, "dev", DEVICE];
            self.ip(&[&words, nodad].concat())?;
        }
        self.ip(&["link", "set", DEVICE, "up"])
    }

    /// Runs `action` on a thread that lives in this namespace, as do the threads it starts.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        let path = Path::new("/run/netns").join(&self.name);
        let enter = || {
            let file =
                File::open(&path).with_context(|| format!("cannot open {}", path.display()))?;
            move_into_link_name_space(file.as_fd(), Some(LinkNameSpaceType::Network))
                .with_context(|| format!("cannot enter the namespace {}", self.name))
        };
        thread::scope(|scope| {
            scope
                .spawn(|| enter().and_then(|()| action()))
                .join()
                .map_err(|_| anyhow!("a thread in the namespace {} panicked", self.name))?
        })
    }

    /// A command that will run in this namespace, with `/sys` showing its devices.
    pub fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.name])
            .arg(program)
            .process_group(0);
        command
    }

    fn ip(&self, arguments: &[&str]) -> Result<()> {
        ip(&[&["-netns", self.name.as_str()], arguments].concat())
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        complain(ip(&["netns", "delete", &self.name]));
    }
}

/// Joins two namespaces; both ends are called [`DEVICE`]. The pair goes with either namespace.
pub fn join(one: &Namespace, other: &Namespace) -> Result<()> {
    ip(&[
        "link",
        "add",
        "name",
        DEVICE,
        "netns",
        &one.name,
        "type",
        "veth", //
        "peer",
        "name",
        DEVICE,
        "netns",
        &other.name,
    ])
}

/// A BPF file system of our own, unmounted on drop; what is pinned in it goes with it.
pub struct BpfFileSystem {
    folder: PathBuf,
}

impl BpfFileSystem {
    /// Mounts at `folder`, which must exist.
    pub fn mount(folder: &Path) -> Result<Self> {
        let mut mount = Command::new("mount");
        mount.args(["-t", "bpf", "bpf"]).arg(folder);
        command::output(mount.process_group(0)).context("cannot mount a BPF file system")?;
        Ok(Self {
            folder: folder.to_owned(),
        })
    }
}

impl Drop for BpfFileSystem {
    fn drop(&mut self) {
        let mut umount = Command::new("umount");
        umount.arg("--lazy").arg(&self.folder);
        complain(command::output(umount.process_group(0)).map(drop));
    }
}

/// In a process group of its own: a Ctrl-C on the terminal must not stop half a clean-up.
fn ip(arguments: &[&str]) -> Result<()> {
    command::output(Command::new("ip").args(arguments).process_group(0)).map(drop)
}

fn complain(result: Result<()>) {
    if let Err(error) = result {
        eprintln!("xtask: cannot clean up: {error:#}");
    }
}
