//! The measured part of docs/performance.md, from the saved results of every part.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::result::{Part, reach};
use crate::svg;

const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->";
/// Of the pictures, in `docs`.
const PLOTS: &str = "performance";

/// Writes plots, and what stands between the marks.
///
/// # Errors
/// No marks, or files that cannot be written.
pub fn write(docs: &Path, parts: &[Part]) -> Result<()> {
    let plots = docs.join(PLOTS);
    fs::create_dir_all(&plots).with_context(|| plots.display().to_string())?;
    let mut text = format!("### Targets\n\n{}\n", reach(parts));
    for part in parts {
        let taken = &part.taken;
        let _ = writeln!(
            text,
            "## `cargo xtask bench {}`\n\n{}, Linux {}, commit {}, {}{}.\n",
            part.name,
            taken.machine,
            taken.kernel,
            taken.commit,
            taken.date,
            if taken.is_quick {
                ", a quick run: not to be quoted"
            } else {
                ""
            }
        );
        for plot in &part.plots {
            let file = format!("{}.svg", plot.file);
            let path = plots.join(&file);
            fs::write(&path, svg::draw(plot)).with_context(|| path.display().to_string())?;
            let _ = writeln!(text, "![{}]({PLOTS}/{file})\n", plot.title);
        }
        for table in &part.tables {
            let _ = writeln!(text, "{}", table.markdown());
        }
    }
    let path = docs.join("performance.md");
    let whole = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let marks = whole
        .split_once(BEGIN)
        .and_then(|(before, rest)| Some((before, rest.split_once(END)?)));
    let (before, (_, after)) = marks.with_context(|| format!("{} has no marks", path.display()))?;
    fs::write(&path, format!("{before}{BEGIN}{text}{END}{after}"))?;
    Ok(())
}
