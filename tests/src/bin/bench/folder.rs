//! The one folder of a run, with a bpffs in it that only this process sees: gone afterwards, also when
//! the run is interrupted. Everything else that a run makes ends with its process.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context as _, Result};
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// Removed on drop.
pub struct Folder {
    folder: TempDir,
}

impl Folder {
    /// Makes it, the place of every temporary file from now on. The process may have one thread.
    ///
    /// # Errors
    /// Without root.
    pub fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("edge-filter-bench-")
            .tempdir()
            .context("no temporary folder")?;
        // Of hosts and their daemons, too.
        tempfile::env::override_temp_dir(folder.path()).map_err(|other| {
            anyhow::anyhow!("temporary files are in {} already", other.display())
        })?;
        let folder = Self { folder };
        let pins = folder.pins();
        fs::create_dir(&pins).with_context(|| pins.display().to_string())?;
        // SAFETY: there is one thread.
        unsafe { unshare_unsafe(UnshareFlags::NEWNS) }.context("new namespace: needs root")?;
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )?;
        mount("bpf", &pins, "bpf", MountFlags::empty(), None).context("bpffs")?;
        remove_when_interrupted(folder.folder.path(), &pins)?;
        Ok(folder)
    }

    /// Where the bpffs is.
    pub fn pins(&self) -> PathBuf {
        self.folder.path().join("bpf")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A folder with a mount in it cannot be removed.
        if let Err(error) = unmount(self.pins(), UnmountFlags::DETACH) {
            eprintln!("bench: cannot unmount {}: {error}", self.pins().display());
        }
    }
}

/// By a thread that waits for the signal.
fn remove_when_interrupted(folder: &Path, pins: &Path) -> Result<()> {
    let (folder, pins) = (folder.to_owned(), pins.to_owned());
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .context("no runtime for signals")?;
    let (mut interrupt, mut hangup, mut terminate) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::spawn(move || {
        let number = runtime.block_on(async {
            tokio::select! {
                _ = interrupt.recv() => SignalKind::interrupt(),
                _ = hangup.recv() => SignalKind::hangup(),
                _ = terminate.recv() => SignalKind::terminate(),
            }
        });
        let removed = unmount(&pins, UnmountFlags::DETACH)
            .map_err(Into::into)
            .and_then(|()| fs::remove_dir_all(&folder));
        if let Err(error) = removed {
            eprintln!("bench: cannot remove {}: {error}", folder.display());
        }
        // As a shell says it.
        std::process::exit(128 + number.as_raw_value());
    });
    Ok(())
}
