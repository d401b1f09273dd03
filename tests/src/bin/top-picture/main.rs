//! The picture of `top` in the documents, from a run: daemon, traffic between namespaces, a
//! terminal, and a browser that draws what the terminal shows. As root, with Debian's tmux and
//! Chromium (`cargo xtask setup`):
//!
//!     cargo xtask build
//!     cargo run --package edge-filter-tests --bin top-picture -- docs/pictures/top.png

#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::process::ExitCode;

use edge_filter_tests::browser::Browser;
use edge_filter_tests::daemon::{Host, Terminal};
use edge_filter_tests::netns::Net;

mod page;
mod traffic;

/// Characters and lines of the terminal: a little more than `top` needs.
const SIZE: (u16, u16) = (100, 28);
/// Of the picture.
const WIDTH: u32 = 1000;

fn main() -> ExitCode {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: top-picture FILE.png");
        return ExitCode::from(2);
    };
    let net = Net::new();
    let host = Host::start_with(&net.server, traffic::POLICY);
    host.ask(&["ban", "198.51.100.99", "--for", "6h", "--note", "scanner"]);
    let terminal = Terminal::start_sized(&net.server, &host, "top --interval 250ms", SIZE);
    terminal.wait_for("daemon pid");
    traffic::send(&net);
    let screen = terminal.screen_with_colours();
    let file = host.path("top.html");
    std::fs::write(&file, page::page(&screen, SIZE)).expect("the folder is ours");
    let mut browser = Browser::open(&net.server, &format!("file://{}", file.display()));
    browser.look(WIDTH, 100, "dark");
    browser.screenshot(&path);
    ExitCode::SUCCESS
}
