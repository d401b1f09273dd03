//! What the documents show: every configuration is accepted by the real `check`, every command of
//! `edge-filter` is one that there is.

use clap::CommandFactory as _;
use clap::error::ErrorKind;
use filter_user::cli::Cli;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = env!("CARGO_BIN_EXE_edge-filter");

/// README and everything in docs/ that is not generated from the same source as the program.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let docs = fs::read_dir(root.join("docs")).expect("docs");
    let mut paths: Vec<_> = docs
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|end| end == "md"))
        .chain([root.join("README.md")])
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).expect("a document");
        (path, text)
    };
    paths.into_iter().map(read).collect()
}

/// Blocks of a kind, without the indentation that they have within a list.
fn blocks(text: &str, kind: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if line.trim_start() != format!("```{kind}") {
            continue;
        }
        let indent = line.len() - line.trim_start().len();
        let block = lines.by_ref().take_while(|line| line.trim_start() != "```");
        let block = block.map(|line| line.get(indent..).unwrap_or_default());
        found.push(block.map(|line| format!("{line}\n")).collect());
    }
    found
}

/// A part of a configuration that only shows some keys becomes a whole one.
fn completed(block: &str) -> String {
    let mut text = block.to_owned();
    if !text.contains("[[interface]]") {
        text += "[[interface]]\nname = \"eth0\"\n";
    }
    if text.contains("\"office\"") && !text.contains("[prefix_list.office]") {
        text += "[prefix_list.office]\nprefixes = [\"203.0.113.0/24\"]\n";
    }
    text
}

#[test]
fn every_configuration_that_is_shown_is_accepted_by_check() {
    let mut count = 0;
    for (path, text) in documents() {
        let is_guide = path.ends_with("guide.md");
        for block in blocks(&text, "toml") {
            let folder = tempfile::tempdir().expect("a folder");
            let config = folder.path().join("config.toml");
            let whole = if is_guide {
                block.clone()
            } else {
                completed(&block)
            };
            fs::write(&config, whole).expect("ours");
            fs::write(folder.path().join("partners.txt"), "198.51.100.0/24\n").expect("ours");
            let output = Command::new(PROGRAM)
                .args(["check", "--config"])
                .arg(&config)
                .output()
                .expect("it starts");
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(
                output.status.success(),
                "{}:\n{block}\n{said}",
                path.display()
            );
            count += 1;
        }
    }
    assert!(count >= 8, "only {count} configurations were found");
}

/// Words as a shell sees them, as far as the documents use it.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut is_quoted = false;
    for character in line.chars() {
        match character {
            '"' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            // What goes on behind it is not the command's.
            '\\' | '|' | '&' | ';' | '<' | '>' | '#' if !is_quoted => break,
            other => words.last_mut().expect("at least one").push(other),
        }
    }
    words.retain(|word| !word.is_empty());
    for word in &mut words {
        if word == "IP" {
            *word = "192.0.2.7".to_owned();
        }
    }
    words
}

/// Every `edge-filter …` of a text: whole lines of consoles, and what stands between backticks.
fn commands(text: &str) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    for line in blocks(text, "console")
        .iter()
        .flat_map(|block| block.lines())
    {
        let Some(line) = line.strip_prefix("# ").or_else(|| line.strip_prefix("$ ")) else {
            continue;
        };
        let parts = line.split("&&").flat_map(|part| part.split(" | "));
        found.extend(parts.map(|part| (part.trim().to_owned(), true)));
    }
    // A message with backticks of its own stands between two pairs of them.
    let prose = text.split("```").step_by(2);
    let prose = prose.flat_map(|text| text.split("``").step_by(2));
    let spans = prose.flat_map(|text| text.split('`').skip(1).step_by(2));
    found.extend(spans.map(|span| (span.to_owned(), false)));
    found.retain(|(command, _)| {
        let rest = command.strip_prefix("edge-filter ").unwrap_or_default();
        rest.starts_with(|c: char| c.is_ascii_lowercase()) && !rest.contains('…')
    });
    found
}

#[test]
fn every_command_that_is_shown_exists() {
    let mut count = 0;
    for (path, text) in documents() {
        for (command, is_whole) in commands(&text) {
            count += 1;
            let parsed = Cli::command().try_get_matches_from(words(&command));
            let Err(error) = parsed else { continue };
            // In prose a command may be named without what it needs.
            let is_named = matches!(
                error.kind(),
                ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand
            );
            let place = path.display();
            assert!(is_named && !is_whole, "{place}: {command}\n{error}");
        }
    }
    assert!(count > 40, "only {count} commands were found");
}
