//! `docs/config.md`, made from the table of keys that the reader itself uses.

use super::keys::{Preset, SECTIONS, Section};
use std::fmt::Write;

/// The reference of the configuration, in Markdown.
pub fn reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Generated from `filter-user/src/config/keys/`; do not edit.\n\n\
         A TOML file, by default `/etc/edge-filter/config.toml`. Keys that are not here are \
         errors. A source is the name of a prefix list, a prefix (`203.0.113.0/24`), an address \
         or `\"any\"`.\n",
    );
    for section in SECTIONS {
        section_reference(section, &mut text);
    }
    text
}

fn section_reference(section: &Section, text: &mut String) {
    let title = match section.header {
        "" => "The file".to_owned(),
        header => format!("`{header}`"),
    };
    // Writing to a String cannot fail.
    let _ = write!(text, "\n## {title}\n\n{}\n\n", section.meaning);
    text.push_str("| key | value | default | meaning |\n|---|---|---|---|\n");
    for key in section.keys {
        let preset = match key.preset {
            Preset::Required(_) => "required".to_owned(),
            Preset::Value(value) => format!("`{value}`"),
            Preset::Unset(words) => words.to_owned(),
        };
        let _ = writeln!(
            text,
            "| `{}` | {} | {preset} | {} |",
            key.name, key.kind, key.meaning
        );
    }
}
