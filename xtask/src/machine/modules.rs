//! Kernel modules and what they need, in the order in which they can be loaded.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use object::{Object as _, ObjectSection as _};

/// A module's code, uncompressed.
pub struct Module {
    /// Its name, with underscores.
    pub name: String,
    /// What `insmod` takes.
    pub code: Vec<u8>,
}

/// These modules of a kernel and all that they need. One that a kernel has built in, or lacks, is
/// left out: the tests say what they miss.
pub fn in_order(folder: &Path, names: &[&str]) -> Result<Vec<Module>> {
    let mut files = BTreeMap::new();
    find(folder, &mut files)?;
    let (mut seen, mut order) = (HashSet::new(), Vec::new());
    for name in names {
        visit(name, &files, &mut seen, &mut order)?;
    }
    Ok(order)
}

fn visit(
    name: &str,
    files: &BTreeMap<String, PathBuf>,
    seen: &mut HashSet<String>,
    order: &mut Vec<Module>,
) -> Result<()> {
    let Some(file) = files.get(name) else {
        return Ok(());
    };
    if !seen.insert(name.to_owned()) {
        return Ok(());
    }
    let code = read(file)?;
    for needed in needs(&code).with_context(|| format!("cannot read {}", file.display()))? {
        visit(&needed, files, seen, order)?;
    }
    order.push(Module {
        name: name.to_owned(),
        code,
    });
    Ok(())
}

fn find(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    for entry in entries {
        let entry = entry?;
        // Not through the links to sources, which lead out of the folder.
        if entry.file_type()?.is_dir() {
            find(&entry.path(), files)?;
        } else if let Some((name, "ko" | "ko.xz")) =
            entry.file_name().to_string_lossy().split_once('.')
        {
            files.insert(name.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    if file.extension().is_some_and(|extension| extension == "xz") {
        let output = Command::new("xz")
            .args(["--decompress", "--stdout"])
            .arg(file)
            .output()
            .context("cannot start xz")?;
        if !output.status.success() {
            anyhow::bail!("xz cannot unpack {}", file.display());
        }
        return Ok(output.stdout);
    }
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

/// `depends=a,b` of the section `.modinfo`, which holds strings that end with a zero byte.
fn needs(code: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(code)?;
    let section = file.section_by_name(".modinfo").context("no .modinfo")?;
    let names = section
        .data()?
        .split(|&byte| byte == 0)
        .filter_map(|text| text.strip_prefix(b"depends="))
        .flat_map(|names| names.split(|&byte| byte == b','))
        .filter(|name| !name.is_empty())
        .map(|name| String::from_utf8_lossy(name).replace('-', "_"))
        .collect();
    Ok(names)
}
