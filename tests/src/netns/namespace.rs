//! Network and mount namespaces without a name: the kernel frees them when nobody is left inside,
//! so nothing stays behind even when the test process is killed.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::process::CommandExt as _;
use std::panic;
use std::path::Path;
use std::process::{self, Child, Command, Stdio};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use rustix::mount::{self, MountFlags, MountPropagationFlags};
use rustix::process::{Signal, set_parent_process_death_signal};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

/// A network namespace with a mount namespace of its own, in which `/sys` shows its devices.
#[derive(Clone)]
pub struct Namespace {
    handles: Arc<Handles>,
}

struct Handles {
    network: File,
    mounts: File,
}

impl Namespace {
    /// Makes an empty namespace with its loopback up. IPv6 addresses are usable at once.
    ///
    /// # Panics
    /// Without root.
    pub fn new() -> Self {
        let make = || {
            let own = UnshareFlags::NEWNET | UnshareFlags::NEWNS;
            // SAFETY: the flags do not include FILES, so no descriptor leaves this thread's view.
            unsafe { unshare_unsafe(own) }.expect("namespaces need root");
            let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
            mount::mount_change("/", private).expect("mounts can be made private");
            mount::mount("sysfs", "/sys", "sysfs", MountFlags::empty(), None)
                .expect("sysfs can be mounted");
            for scope in ["all", "default"] {
                let path = format!("/proc/sys/net/ipv6/conf/{scope}/accept_dad");
                fs::write(&path, "0").expect("the kernel must have IPv6");
            }
            Handles {
                network: File::open("/proc/thread-self/ns/net").expect("procfs is mounted"),
                mounts: File::open("/proc/thread-self/ns/mnt").expect("procfs is mounted"),
            }
        };
        let namespace = Self {
            handles: Arc::new(on_a_thread(make)),
        };
        namespace.ip("link set lo up");
        namespace
    }

    /// Runs `action` inside, on a thread of its own; processes that it starts are inside too.
    pub fn run<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        on_a_thread(|| {
            self.enter();
            action()
        })
    }

    /// Starts a thread inside that may outlive the caller.
    pub fn spawn<T: Send + 'static>(
        &self,
        action: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let namespace = self.clone();
        thread::spawn(move || {
            namespace.enter();
            action()
        })
    }

    /// Starts a process inside. It is killed when the calling thread ends.
    ///
    /// # Errors
    /// There is no such program.
    pub fn start(&self, command: &mut Command) -> io::Result<Child> {
        let namespace = self.clone();
        let enter = move || {
            namespace.enter_process()?;
            set_parent_process_death_signal(Some(Signal::KILL)).map_err(io::Error::from)
        };
        // SAFETY: the closure makes system calls only; it takes no lock and allocates nothing.
        unsafe { command.pre_exec(enter) };
        command.spawn()
    }

    /// Runs commands of `ip`, one a line.
    ///
    /// # Panics
    /// If one of them fails.
    pub fn ip(&self, commands: &str) {
        let output = self.run(|| {
            let mut ip = Command::new("ip")
                .args(["-batch", "-"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .expect("iproute2 must be installed");
            let mut input = ip.stdin.take().expect("it is piped");
            input.write_all(commands.as_bytes()).expect("ip reads it");
            drop(input);
            ip.wait_with_output().expect("ip ends")
        });
        let complaint = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip: {commands}\n{complaint}");
    }

    /// Mounts a BPF file system that only this namespace sees.
    pub fn mount_bpffs(&self, folder: &Path) {
        fs::create_dir_all(folder).expect("the folder can be made");
        self.run(|| mount::mount("bpf", folder, "bpf", MountFlags::empty(), None))
            .expect("the kernel must have bpffs");
    }

    /// What `ip … netns` takes for this namespace.
    pub fn path(&self) -> String {
        use std::os::fd::AsRawFd as _;
        let fd = self.handles.network.as_raw_fd();
        format!("/proc/{}/fd/{fd}", process::id())
    }

    /// Moves a process that has just been forked inside. Makes system calls only.
    pub(crate) fn enter_process(&self) -> std::io::Result<()> {
        let Handles { network, mounts } = &*self.handles;
        move_into_link_name_space(mounts.as_fd(), Some(LinkNameSpaceType::Mount))?;
        move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))?;
        Ok(())
    }

    /// Moves the calling thread inside, for good.
    fn enter(&self) {
        // SAFETY: only what the working directory is stops being shared with other threads.
        unsafe { unshare_unsafe(UnshareFlags::FS) }.expect("needs no privilege");
        self.enter_process().expect("root may enter");
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::new()
    }
}

fn on_a_thread<T: Send>(action: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(action).join())
        .unwrap_or_else(|payload| panic::resume_unwind(payload))
}
