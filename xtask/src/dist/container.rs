//! `--check`: the recipe of the image and the Kubernetes manifests that the tarball brings, held to
//! what reads them on other hosts.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use super::Dist;
use super::trial::{Debian, Unpacked};
use crate::command;
use crate::progress;
use crate::workspace::Workspace;

/// What the recipe begins with; here it is a Debian of our own.
const BASE: &str = "docker.io/library/debian:12-slim";
const IMAGE: &str = "localhost/edge-filter:trial";

/// Builds the image, without a network, and runs the program from it.
pub fn image(dist: &Dist, debian: &Debian, tarball: &Path) -> Result<()> {
    progress::step("the image of a container");
    let unpacked = Unpacked::new(dist, tarball)?;
    let store = Store::new()?;
    let base = store.buildah(&["from", "scratch"])?;
    let debian = debian.root();
    store.buildah(&["copy", "--quiet", &base, &debian.to_string_lossy(), "/"])?;
    store.buildah(&["commit", "--quiet", &base, BASE])?;
    let folder = unpacked.folder();
    let recipe = folder.join("container/Containerfile");
    let (recipe, folder) = (recipe.to_string_lossy(), folder.to_string_lossy());
    let build = ["build", "--pull-never", "--network", "none", "--quiet"];
    store.buildah(&[&build[..], &["--tag", IMAGE, "--file", &recipe, &folder]].concat())?;

    let told = |what| store.buildah(&["inspect", "--type", "image", "--format", what, IMAGE]);
    let runs = told("{{.OCIv1.Config.Entrypoint}} {{.OCIv1.Config.Cmd}}")?;
    ensure!(
        runs == "[/usr/bin/edge-filter] [run]",
        "the image runs {runs}"
    );
    let container = store.buildah(&["from", "--pull-never", IMAGE])?;
    let version = store.buildah(&["run", &container, "/usr/bin/edge-filter", "--version"])?;
    let wanted = format!("edge-filter {}", dist.version);
    ensure!(version == wanted, "the image's program says {version}");
    let shell = store.buildah(&["run", &container, "/bin/sh", "-c", ":"]);
    ensure!(shell.is_err(), "the image has a shell");
    Ok(())
}

/// Images and containers of this trial alone, in a folder that goes on drop.
struct Store(TempDir);

impl Store {
    fn new() -> Result<Self> {
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        Ok(Self(folder))
    }

    /// What buildah says, without the end of the line.
    fn buildah(&self, arguments: &[&str]) -> Result<String> {
        let mut buildah = Command::new("buildah");
        buildah.arg("--root").arg(self.0.path().join("root"));
        buildah.arg("--runroot").arg(self.0.path().join("run"));
        // Neither mounts nor namespaces that a machine for tests may lack.
        buildah.args(["--storage-driver", "vfs"]);
        buildah.env("BUILDAH_ISOLATION", "chroot").args(arguments);
        Ok(command::output(&mut buildah)?.trim_end().to_owned())
    }
}

/// Holds the manifests to the schemas of an API server, unknown fields included.
pub fn manifests(workspace: &Workspace, dist: &Dist, tarball: &Path) -> Result<()> {
    progress::step("the Kubernetes manifests");
    let unpacked = Unpacked::new(dist, tarball)?;
    let folder = unpacked.folder().join("kubernetes");
    let entries = fs::read_dir(&folder).with_context(|| format!("no {}", folder.display()))?;
    let manifests = entries
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<Vec<_>>>()?;
    ensure!(!manifests.is_empty(), "{} is empty", folder.display());
    let place = workspace.kubernetes_validate();
    let mut validate = Command::new("python3");
    validate
        .arg(place.join("bin/kubernetes-validate"))
        .arg("--strict")
        .args(manifests)
        .env("PYTHONPATH", place);
    command::output(&mut validate).map(drop)
}
