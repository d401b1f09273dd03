//! Where things are. Nothing here creates or changes anything.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The checkout that this xtask was built from, and its folders.
pub struct Workspace {
    root: PathBuf,
    target: PathBuf,
    tools: PathBuf,
}

impl Workspace {
    /// Finds the checkout and the folders that the environment may move
    /// (`CARGO_TARGET_DIR`, `EDGE_FILTER_TOOLS`).
    pub fn find() -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("xtask has no parent folder; build it from a checkout of edge-filter")?
            .to_owned();
        let target = match env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        let tools = match env::var_os("EDGE_FILTER_TOOLS") {
            Some(folder) => root.join(folder),
            None => target.join("tools"),
        };
        Ok(Self {
            root,
            target,
            tools,
        })
    }

    /// Top folder of the checkout.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Cargo's output folder.
    pub fn target(&self) -> &Path {
        &self.target
    }

    /// Where tools of the build are installed: never the user's own cargo folder.
    pub fn tools(&self) -> &Path {
        &self.tools
    }

    /// The search path with the tools of the build before all others.
    pub fn path_with_tools(&self) -> Result<OsString> {
        let path = env::var_os("PATH").unwrap_or_default();
        let folders = [self.tools.join("bin")]
            .into_iter()
            .chain(env::split_paths(&path));
        env::join_paths(folders).context("the folder of the tools cannot stand in PATH")
    }

    /// The linker of the packet program.
    pub fn bpf_linker(&self) -> PathBuf {
        self.tools.join("bin/bpf-linker")
    }

    /// What builds fuzz targets.
    pub fn cargo_fuzz(&self) -> PathBuf {
        self.tools.join("bin/cargo-fuzz")
    }

    /// The fuzz targets, and the corpora that are kept.
    pub fn fuzz_folder(&self) -> PathBuf {
        self.root.join("tests/fuzz")
    }

    /// Folder of the finished packet programs. Build scripts and tests find them by this path
    /// relative to the checkout, so it does not follow `CARGO_TARGET_DIR`.
    pub fn objects(&self) -> PathBuf {
        self.root.join("target/bpf")
    }

    /// The `edge-filter` binary that tests start: with overflow checks.
    pub fn edge_filter_checked(&self) -> PathBuf {
        self.target.join("debug/edge-filter-checked")
    }

    /// The `edge-filter` binary that calls itself the next ABI's.
    pub fn edge_filter_next_abi(&self) -> PathBuf {
        self.target.join("debug/edge-filter-next-abi")
    }

    /// Debian's fail2ban, unpacked. Its test finds it by this path, as it does the objects.
    pub fn fail2ban(&self) -> PathBuf {
        self.root.join("target/tools/fail2ban")
    }

    /// Debian's Prometheus, unpacked: the same.
    pub fn prometheus(&self) -> PathBuf {
        self.root.join("target/tools/prometheus")
    }

    /// Debian's nginx, unpacked: the same.
    pub fn nginx(&self) -> PathBuf {
        self.root.join("target/tools/nginx")
    }

    /// What reads Kubernetes manifests as an API server does.
    pub fn kubernetes_validate(&self) -> PathBuf {
        self.tools.join("kubernetes-validate")
    }

    /// The `edge-filter` binary of the release build.
    pub fn edge_filter(&self) -> PathBuf {
        self.edge_filter_for(None)
    }

    /// The same for another kind of machine.
    pub fn edge_filter_for(&self, triple: Option<&str>) -> PathBuf {
        let folder = self.target.join(triple.unwrap_or_default());
        folder.join("release/edge-filter")
    }
}
