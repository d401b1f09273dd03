//! edge-filter(5): the manual page of the configuration, made from the table of keys that the
//! reader itself uses.

use super::keys::{Key, Preset, SECTIONS, Section};
use roff::{Inline, Roff, bold, italic, roman};

const EXAMPLE: &str = include_str!("../../../config/example.toml");

/// Adds all but the title to the page.
pub fn manual(page: &mut Roff) {
    page.control("SH", ["NAME"])
        .text([roman("edge-filter - the configuration of edge-filter(8)")])
        .control("SH", ["SYNOPSIS"])
        .text([italic("/etc/edge-filter/config.toml")])
        .control("SH", ["DESCRIPTION"]);
    page.text(marked(
        "A TOML file. Keys that are not here are errors, and `edge-filter check` shows all errors \
         at once. A source is the name of a prefix list, a prefix (`203.0.113.0/24`), an address \
         or `\"any\"`.",
    ));
    for section in SECTIONS {
        describe(section, page);
    }
    page.control("SH", ["EXAMPLES"])
        .text([roman("Every key:")])
        .control("PP", [])
        .control("EX", []);
    for line in EXAMPLE.lines() {
        page.text([roman(line)]);
    }
    page.control("EE", [])
        .control("SH", ["SEE ALSO"])
        .control("BR", ["edge-filter", "(8),"])
        .control("BR", ["edge-filter-check", "(8),"])
        .control("BR", ["edge-filter-apply", "(8)"]);
}

fn describe(section: &Section, page: &mut Roff) {
    let title = match section.header {
        "" => "THE FILE",
        header => header,
    };
    page.control("SH", [title]).text(marked(section.meaning));
    for key in section.keys {
        page.control("TP", [])
            .text([bold(key.name)])
            .text(marked(key.meaning))
            .control("br", [])
            .text(value(key));
    }
}

/// `Value: a string; required.`
fn value(key: &Key) -> Vec<Inline> {
    let mut text = marked(&format!("Value: {}; ", key.kind));
    text.extend(match key.preset {
        Preset::Required(_) => vec![roman("required.")],
        Preset::Value(value) => vec![roman("default "), bold(value), roman(".")],
        Preset::Unset(words) => marked(&format!("default: {words}.")),
    });
    text
}

/// What stands between backticks becomes bold.
fn marked(text: &str) -> Vec<Inline> {
    text.split('`')
        .enumerate()
        .filter(|(_, part)| !part.is_empty())
        .map(|(number, part)| match number % 2 {
            0 => roman(part),
            _ => bold(part),
        })
        .collect()
}
