//! `completions` and `man`: made from the definition of the command line, so that they never say
//! something else.

use super::{Failure, print};
use crate::cli::{Cli, CompletionsOptions, ManOptions};
use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_mangen::Man;
use std::fs;

const SECTION: &str = "8";
const MANUAL: &str = "edge-filter";

pub(super) fn completions(options: &CompletionsOptions) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(
        options.shell,
        &mut Cli::command(),
        "edge-filter",
        &mut script,
    );
    print(&String::from_utf8(script).map_err(anyhow::Error::from)?)
}

/// One page for the program, one for each of its commands, named as `man` looks for them.
pub(super) fn man(options: &ManOptions) -> Result<(), Failure> {
    let folder = &options.directory;
    fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    let mut program = Cli::command();
    // Fills in what commands inherit.
    program.build();
    let shown = program.get_subcommands().filter(|c| !c.is_hide_set());
    let commands = shown.filter(|command| command.get_name() != "help");
    for page in commands.chain([&program]) {
        // Of a command that is built it is `edge-filter-apply`.
        let name = page
            .get_display_name()
            .unwrap_or(page.get_name())
            .to_owned();
        let mut text = Vec::new();
        Man::new(page.clone())
            .title(&name)
            .section(SECTION)
            .manual(MANUAL)
            .render(&mut text)
            .map_err(anyhow::Error::from)?;
        let file = folder.join(format!("{name}.{SECTION}"));
        fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
