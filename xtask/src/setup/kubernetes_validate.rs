//! What holds manifests to the schemas of an API server: a package of PyPI's, at one version.

use std::process::Command;

use anyhow::{Context, Result};

use crate::command;
use crate::progress::say;
use crate::workspace::Workspace;

/// That of the Kubernetes whose schemas it brings.
const VERSION: &str = "1.37.0";

/// Installs it into a folder of its own, unless this version is there.
pub fn ensure(workspace: &Workspace) -> Result<()> {
    let place = workspace.kubernetes_validate();
    let noted = format!("kubernetes_validate-{VERSION}.dist-info");
    if place.join(noted).is_dir() {
        return Ok(());
    }
    say(&format!(
        "installing kubernetes-validate {VERSION} into {}",
        place.display()
    ));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"])
        .arg(&place)
        .arg(format!("kubernetes-validate=={VERSION}"));
    command::output(&mut pip)
        .map(drop)
        .context("cannot install kubernetes-validate from PyPI")
}
