//! The table of verified instructions in docs/performance.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

const BEGIN: &str = "<!-- kernel-matrix: begin -->\n";
const END: &str = "<!-- kernel-matrix: end -->\n";

/// Puts the counts, by kernel and program, between the file's marks.
pub fn write(file: &Path, counts: &BTreeMap<String, BTreeMap<String, u32>>) -> Result<()> {
    let text =
        fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("no mark of its begin")?;
    let (_, after) = rest.split_once(END).context("no mark of its end")?;
    let text = format!("{before}{BEGIN}{}{END}{after}", table(counts));
    fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}

fn table(counts: &BTreeMap<String, BTreeMap<String, u32>>) -> String {
    let programs: BTreeSet<_> = counts.values().flat_map(BTreeMap::keys).collect();
    let mut text = String::from("| kernel |");
    for program in &programs {
        text += &format!(" {program} |");
    }
    text += &format!("\n|---|{}\n", "---|".repeat(programs.len()));
    for (kernel, counts) in counts.iter().filter(|(_, counts)| !counts.is_empty()) {
        text += &format!("| {kernel} |");
        for program in &programs {
            let count = counts.get(*program);
            text += &count.map_or(" |".into(), |count| format!(" {} |", grouped(*count)));
        }
        text += "\n";
    }
    text
}

/// 1,234,567
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
