//! References that the program writes about itself must be the ones that are committed.

use std::fs;

use anyhow::{Context, Result, bail};

use crate::command::{self, say};
use crate::workspace::Workspace;

/// Committed file, and the arguments with which `edge-filter` prints it.
const GENERATED: [(&str, &[&str]); 0] = [];

/// Compares each generated file with what the program prints now.
pub fn check(workspace: &Workspace) -> Result<()> {
    for (file, arguments) in GENERATED {
        say(&format!("check: {file} is up to date"));
        let path = workspace.root().join(file);
        let committed =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let printed = command::output(
            command::cargo(workspace.root())
                .args(["run", "--quiet", "--package", "filter-user"])
                .args(["--bin", "edge-filter", "--"])
                .args(arguments),
        )?;
        if committed != printed {
            bail!(
                "{file} is out of date; run `cargo run -p filter-user -- {} > {file}`",
                arguments.join(" ")
            );
        }
    }
    Ok(())
}
