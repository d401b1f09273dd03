//! The measured part of docs/performance.md, from every part of one run.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::result::{Part, Taken, reach};
use crate::svg;

const BEGIN: &str = "<!-- bench: begin -->\n";
const END: &str = "<!-- bench: end -->";
/// Of the pictures, in `docs`.
const PLOTS: &str = "performance";

/// The page, found before anything is measured for it.
pub struct Page {
    docs: PathBuf,
}

impl Page {
    /// In the folder of the documentation.
    ///
    /// # Errors
    /// No page, or no marks in it.
    pub fn find(docs: &Path) -> Result<Self> {
        let page = Self { docs: docs.into() };
        page.with("")?;
        Ok(page)
    }

    /// Writes plots, and what stands between the marks.
    ///
    /// # Errors
    /// Files that cannot be written.
    pub fn write(&self, taken: &Taken, parts: &[Part]) -> Result<()> {
        let plots = self.docs.join(PLOTS);
        fs::create_dir_all(&plots).with_context(|| plots.display().to_string())?;
        for plot in parts.iter().flat_map(|part| &part.plots) {
            let path = plots.join(format!("{}.svg", plot.file));
            fs::write(&path, svg::draw(plot)).with_context(|| path.display().to_string())?;
        }
        let whole = self.with(&measured(taken, parts))?;
        let path = self.path();
        fs::write(&path, whole).with_context(|| path.display().to_string())
    }

    fn path(&self) -> PathBuf {
        self.docs.join("performance.md")
    }

    fn with(&self, text: &str) -> Result<String> {
        let path = self.path();
        let whole = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        between_marks(&whole, text).with_context(|| format!("{} has no marks", path.display()))
    }
}

fn between_marks(whole: &str, text: &str) -> Option<String> {
    let (before, rest) = whole.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}{text}{END}{after}"))
}

fn measured(taken: &Taken, parts: &[Part]) -> String {
    let quick = match taken.is_quick {
        true => ", a quick run: not to be quoted",
        false => "",
    };
    let mut text = format!(
        "One run on {}, Linux {}, commit {}, {}{quick}.\n\n## Reach\n\n{}\n",
        taken.machine,
        taken.kernel,
        taken.commit,
        taken.date,
        reach(parts)
    );
    for part in parts {
        let _ = writeln!(text, "## `cargo xtask bench {}`\n", part.name);
        for plot in &part.plots {
            let _ = writeln!(text, "![{}]({PLOTS}/{}.svg)\n", plot.title, plot.file);
        }
        for table in &part.tables {
            let _ = writeln!(text, "{}", table.markdown("###"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{BEGIN, END, Page, between_marks};
    use crate::result::{Part, Plot, Reach, Table, Taken};

    fn part() -> Part {
        let mut table = Table::new("ns a packet", "", &["ours"]);
        table.row("IPv4", [Some(12.5)]);
        Part {
            name: "packet".into(),
            taken: Taken::default(),
            tables: vec![table],
            reach: vec![Reach::at_most("IPv4", 12.5, 21.0, " ns")],
            plots: vec![Plot {
                file: "packet-ipv4".into(),
                title: "ns a packet".into(),
                x: "prefixes".into(),
                is_log: true,
                series: vec![("ours".into(), vec![(1.0, 10.0), (10.0, 12.5)])],
            }],
        }
    }

    #[test]
    fn what_stands_around_the_marks_stays() {
        let whole = format!("# Before\n{BEGIN}old\n{END}\nafter\n");
        let new = between_marks(&whole, "new\n");
        assert_eq!(new.as_deref(), Some(&*whole.replace("old", "new")));
        assert_eq!(between_marks("# No marks\n", "new\n"), None);
    }

    #[test]
    fn a_page_gets_reach_tables_and_plots_of_one_run() {
        let docs = tempfile::tempdir().expect("a folder");
        let path = docs.path().join("performance.md");
        fs::write(&path, format!("# Performance\n{BEGIN}none yet\n{END}\n")).expect("ours");
        let taken = Taken {
            machine: "a machine, 2 CPUs".into(),
            kernel: "6.18.44".into(),
            commit: "abc1234".into(),
            date: "2026-11-26".into(),
            is_quick: false,
        };
        let page = Page::find(docs.path()).expect("it has marks");
        page.write(&taken, &[part()]).expect("ours");
        let text = fs::read_to_string(&path).expect("ours");
        for line in [
            "One run on a machine, 2 CPUs, Linux 6.18.44, commit abc1234, 2026-11-26.",
            "## Reach",
            "| IPv4: at most 21 ns | 12.5 ns | met |",
            "## `cargo xtask bench packet`",
            "![ns a packet](performance/packet-ipv4.svg)",
            "| IPv4 | 12.5 |",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}: {text}");
        }
        assert!(!text.contains("none yet"), "{text}");
        assert!(docs.path().join("performance/packet-ipv4.svg").is_file());
    }

    #[test]
    fn a_page_without_marks_is_refused_before_anything_is_measured() {
        let docs = tempfile::tempdir().expect("a folder");
        fs::write(docs.path().join("performance.md"), "# Performance\n").expect("ours");
        assert!(Page::find(docs.path()).is_err());
    }
}
