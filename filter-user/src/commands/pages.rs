//! `completions` and `man`: made from the definition of the command line and from the table of
//! keys, so that they never say something else.

use super::{Failure, print};
use crate::cli::{Cli, CompletionsOptions, ManOptions};
use crate::config;
use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;
use roff::{Roff, bold, roman};
use std::fs;
use std::path::Path;

const NAME: &str = "edge-filter";
const COMMANDS: &str = "8";
const FORMATS: &str = "5";
/// Of this version, for the foot of a page: never the day of a build, so that builds can be
/// compared.
const RELEASED: &str = "2026-11-25";

const STATUS: [(&str, &str); 4] = [
    ("0", "Done."),
    ("1", "Failed."),
    ("2", "Wrong usage."),
    ("3", "The configuration is invalid."),
];

pub(super) fn completions(options: &CompletionsOptions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(options.shell, &mut Cli::command(), NAME, &mut script);
    let script = String::from_utf8(script).map_err(anyhow::Error::from)?;
    // For bash, clap_complete takes the hyphen of the name for the end of a command where it lists
    // options, not where it looks them up: no option would be completed.
    print(&script.replace("edge__subcmd__filter", "edge__filter"))
}

/// One page for the program, one for each of its commands, one for the configuration; named as
/// `man` looks for them.
pub(super) fn man(options: &ManOptions) -> Result<(), Failure> {
    let folder = &options.directory;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    // `help` is no command that anyone looks up.
    let mut program = Cli::command().disable_help_subcommand(true);
    // Fills in what commands inherit.
    program.build();
    let shown = program.get_subcommands().filter(|c| !c.is_hide_set());
    for command in shown.chain([&program]) {
        // Of a command that is built it is `edge-filter-apply`.
        let name = command.get_display_name().unwrap_or(command.get_name());
        write(folder, name, COMMANDS, &page(command, name)?)?;
    }
    let mut page = Roff::new();
    page.control("TH", title(NAME, FORMATS));
    config::manual(&mut page);
    write(folder, NAME, FORMATS, &page.render())
}

fn page(command: &clap::Command, name: &str) -> Result<String, Failure> {
    let man = Man::new(command.clone()).section(COMMANDS);
    let mut page = Roff::new();
    page.control("TH", title(name, COMMANDS));
    let mut text = page.render().into_bytes();
    let rendered = man
        .render_name_section(&mut text)
        .and_then(|()| man.render_synopsis_section(&mut text))
        .and_then(|()| man.render_description_section(&mut text))
        .and_then(|()| man.render_options_section(&mut text))
        .and_then(|()| match command.has_subcommands() {
            true => man.render_subcommands_section(&mut text),
            false => Ok(()),
        });
    rendered.map_err(anyhow::Error::from)?;
    text.extend(end(name).render().bytes());
    let text = String::from_utf8(text).map_err(anyhow::Error::from)?;
    // clap_mangen spaces possible values by breaks around an empty line, which formatters warn of.
    Ok(text.replace(".br\n\n.br\n\\fIPossible", ".sp\n\\fIPossible"))
}

/// What is the same for every command.
fn end(name: &str) -> Roff {
    let mut page = Roff::new();
    page.control("SH", ["EXIT STATUS"]);
    for (status, meaning) in STATUS {
        page.control("TP", [])
            .text([bold(status)])
            .text([roman(meaning)]);
    }
    page.control("SH", ["SEE ALSO"]);
    if name != NAME {
        page.control("BR", [NAME, "(8),"]);
    }
    page.control("BR", [NAME, "(5)"]);
    page
}

fn title<'a>(name: &'a str, section: &'a str) -> [&'a str; 5] {
    const SOURCE: &str = concat!("edge-filter ", env!("CARGO_PKG_VERSION"));
    [name, section, RELEASED, SOURCE, "edge-filter"]
}

fn write(folder: &Path, name: &str, section: &str, text: &str) -> Result<(), Failure> {
    let file = folder.join(format!("{name}.{section}"));
    Ok(fs::write(&file, text).with_context(|| file.display().to_string())?)
}
