//! `docs/messages.md` lists every message once: the texts are the sources', cause and remedy are in
//! `docs/messages/`. A message without a row fails here, and a row without a message.

mod page;
mod places;
mod sources;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

const MANIFEST: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn every_message_has_its_row_and_every_row_its_message() {
    let found = sources::read(&Path::new(MANIFEST).join("src"));
    assert!(found.texts.len() > 300, "only {} texts", found.texts.len());
    let (areas, parts) = page::read(&Path::new(MANIFEST).join("../docs/messages"));
    let mut problems: Vec<String> = found
        .untold
        .iter()
        .map(|place| {
            format!("{place}: the text said here cannot be told; put it into a variable `message`")
        })
        .collect();

    let rows = areas.iter().flat_map(|area| &area.messages);
    let mut listed = BTreeSet::new();
    for row in rows.clone() {
        if !listed.insert(row.text.as_str()) {
            problems.push(format!("two rows for: {}", row.text));
        }
        if row.cause.trim().is_empty() || row.remedy.trim().is_empty() {
            problems.push(format!("no cause or no remedy for: {}", row.text));
        }
    }
    for part in &parts {
        if !listed.insert(part) {
            problems.push(format!("both a row and a part: {part}"));
        }
    }
    for (text, files) in &found.texts {
        if !listed.contains(text.as_str()) {
            let files = files.join(", ");
            problems.push(format!(
                "no row in docs/messages/ for this of {files}: {text}"
            ));
        }
    }
    for text in listed {
        if !found.texts.contains_key(text) {
            problems.push(format!(
                "a row in docs/messages/ for what nobody says: {text}"
            ));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn the_page_of_messages_is_up_to_date() {
    let (areas, _) = page::read(&Path::new(MANIFEST).join("../docs/messages"));
    let text = page::page(&areas);
    let path = Path::new(MANIFEST).join("../docs/messages.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &text).expect("docs/messages.md");
    }
    let stale =
        "docs/messages.md is out of date: UPDATE_DOCS=1 cargo test -p filter-user --test messages";
    assert!(
        fs::read_to_string(&path).ok().as_ref() == Some(&text),
        "{stale}"
    );
}
