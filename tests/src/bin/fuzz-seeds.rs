//! What fuzzing of a target begins with, a file each: `cargo xtask fuzz` starts it. Arguments: name
//! of the target, folder.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use edge_filter_tests::fuzzing::TARGETS;

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what| {
        arguments
            .next()
            .with_context(|| format!("{what} is missing"))
    };
    let (name, folder) = (next("the target")?, PathBuf::from(next("the folder")?));
    let target = TARGETS.iter().find(|target| target.name == name);
    let target = target.with_context(|| format!("no target {name}"))?;
    for (number, seed) in (target.seeds)().iter().enumerate() {
        let path = folder.join(format!("seed-{number:04}"));
        std::fs::write(&path, seed).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}
