//! Privileges, places and limits.

use crate::compile::{Ids, compile};
use crate::config::policy::Policy;
use crate::kernel::{KernelError, environment};
use crate::locations::Locations;
use crate::report::Memory;
use rustix::fs::{Access, access, statvfs};
use std::fs;
use std::path::{Path, PathBuf};

/// What this process may do, and where.
#[derive(Clone, Debug, Default)]
pub struct Host {
    /// Capabilities that the daemon needs and this process has not.
    pub lacking_capabilities: Vec<&'static str>,
    /// What is wrong with the pins' file system, and the mount that mends it.
    pub bpffs: Option<(String, String)>,
    /// Where the daemon keeps its files.
    pub state_directory: PathBuf,
    /// Why nothing can be written there.
    pub state_problem: Option<String>,
    /// Bytes left there.
    pub state_free: Option<u64>,
    /// Files there that were damaged and set aside.
    pub damaged: Vec<PathBuf>,
    /// Kernel memory in bytes, while a reload is under way; `None` without a policy, or when it
    /// is in force already.
    pub memory_needed: Option<u64>,
    /// Bytes that the kernel can give.
    pub memory_available: Option<u64>,
    /// Why files cannot be watched.
    pub inotify_problem: Option<String>,
    /// Online CPUs.
    pub cpus: u32,
    /// Whether packets are forwarded, of either family.
    pub forwards: bool,
}

impl Host {
    /// Looks, and changes nothing.
    pub fn read(locations: &Locations, policy: Option<&Policy>) -> Self {
        let folder = &locations.state_directory;
        let is_loaded = locations.pin_path.join("links").exists();
        Self {
            lacking_capabilities: environment::lacking_capabilities(),
            bpffs: match environment::bpffs(&locations.pin_path) {
                Err(KernelError::Environment { what, fix }) => Some((what, fix)),
                _ => None,
            },
            state_directory: folder.clone(),
            state_problem: state_problem(folder),
            state_free: statvfs(nearest(folder))
                .ok()
                .map(|stat| stat.f_bavail * stat.f_frsize),
            damaged: damaged(folder),
            memory_needed: policy.filter(|_| !is_loaded).and_then(memory_needed),
            memory_available: memory_available(),
            inotify_problem: notify::recommended_watcher(|_| {})
                .err()
                .map(|e| e.to_string()),
            cpus: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
            forwards: crate::config::HostFacts::read().forwarding,
        }
    }
}

/// The folder itself, or the nearest above it: the daemon makes it.
fn nearest(folder: &Path) -> &Path {
    folder
        .ancestors()
        .find(|path| path.exists())
        .unwrap_or(Path::new("/"))
}

fn state_problem(folder: &Path) -> Option<String> {
    let existing = nearest(folder);
    if !existing.is_dir() {
        return Some(format!("{} is not a folder", existing.display()));
    }
    access(existing, Access::WRITE_OK | Access::EXEC_OK)
        .err()
        .map(|error| error.to_string())
}

fn damaged(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    let mut found: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "damaged"))
        .collect();
    found.sort();
    found
}

/// Of everything, with the tables twice.
fn memory_needed(policy: &Policy) -> Option<u64> {
    let generation = compile(policy, &Ids::in_order(policy)).ok()?;
    let memory = Memory::of(&generation.summary, policy);
    Some(memory.total() + memory.tables)
}

fn memory_available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes << 10)
}
