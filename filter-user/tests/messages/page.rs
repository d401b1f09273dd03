//! The rows, one for each message, and the page that is made of them.

use serde::Deserialize;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// The part of an operator's work that messages belong to; a file each.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Area {
    /// Its heading.
    pub title: String,
    /// What they have in common.
    pub about: String,
    /// In the order of the page.
    #[serde(default, rename = "message")]
    pub messages: Vec<Message>,
}

/// A message as the source has it, and what an operator makes of it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// With its placeholders.
    pub text: String,
    /// What happened.
    pub cause: String,
    /// What to do.
    pub remedy: String,
}

/// Texts that are only said within another message, whose row covers them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Parts {
    parts: Vec<String>,
}

/// The areas in the order of their files' names, and the parts.
pub fn read(folder: &Path) -> (Vec<Area>, Vec<String>) {
    let entries = fs::read_dir(folder).expect("docs/messages");
    let mut paths: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .collect();
    paths.sort();
    let (mut areas, mut parts) = (Vec::new(), Vec::new());
    for path in paths {
        let text = fs::read_to_string(&path).expect("a file of rows");
        let wrong = |error| panic!("{}: {error}", path.display());
        if path.ends_with("parts.toml") {
            parts = toml::from_str::<Parts>(&text).unwrap_or_else(wrong).parts;
        } else {
            let wrong = |error| panic!("{}: {error}", path.display());
            areas.push(toml::from_str::<Area>(&text).unwrap_or_else(wrong));
        }
    }
    (areas, parts)
}

/// The whole page.
pub fn page(areas: &[Area]) -> String {
    let mut page = String::from(HEAD);
    for area in areas {
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {}\n\n{}\n\n", area.title, area.about);
        page.push_str("| message | cause | what to do |\n|---|---|---|\n");
        for message in &area.messages {
            let (text, cause) = (code(&shown(&message.text)), &message.cause);
            let _ = writeln!(page, "| {text} | {cause} | {} |", message.remedy);
        }
    }
    page
}

/// `{path}` becomes PATH, `{}` a dash of dots.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, behind) = after.split_once('}').expect("a placeholder ends");
        let name = name.split(':').next().unwrap_or_default();
        let is_word = name.starts_with(|c: char| c.is_ascii_alphabetic());
        let name = if is_word {
            name.to_uppercase()
        } else {
            "…".to_owned()
        };
        shown += before;
        shown += &name;
        rest = behind;
    }
    shown + rest
}

fn code(text: &str) -> String {
    let text = text.replace('|', "\\|");
    match text.contains('`') {
        true => format!("`` {text} ``"),
        false => format!("`{text}`"),
    }
}

const HEAD: &str = "\
# Messages

Generated from the sources and `docs/messages/`; do not edit.

Every message of `edge-filter`, once, with its cause and what to do. Search for the words that do
not change: capitals and … stand for a name, a number or the message of a cause. A message may be
followed by its causes, each behind a colon; the last one is mostly the system's own (`No space left
on device`). *Log* says that it is not the answer to a command.
";
