//! `cargo xtask demo`: the filter at work on real packets, between two network namespaces.
//!
//! It verifies what it shows and fails where the filter does otherwise. Everything it makes goes
//! away at its end, at an error and at Ctrl-C; nothing of the host's network is touched.

use std::fs;
use std::time::Instant;

use anyhow::{Context, Result};

use crate::progress::say;
use crate::setup::{self, Needs};
use crate::workspace::Workspace;
use crate::{build, environment};

mod client;
mod daemon;
mod interrupt;
mod network;
mod server;
mod story;

use daemon::{Daemon, Paths};
use interrupt::Interrupt;
use network::{BpfFileSystem, Namespace};
use server::Server;
use story::Stage;

/// Installs and builds what is missing, then plays the story.
pub fn run(workspace: &Workspace) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    environment::check()?;
    setup::ensure(workspace, Needs::Namespaces)
        .and_then(|()| build::everything(workspace))
        // Ctrl-C ends the program that was being run, too: say what happened, not how.
        .or_else(|error| interrupt.check().and(Err(error)))?;
    let start = Instant::now();
    play(workspace, &interrupt)?;
    println!(
        "\nEverything as promised, in {:.1} s; all cleaned up.",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Locals are dropped last to first: the daemon before what it is attached to and pinned in.
fn play(workspace: &Workspace, interrupt: &Interrupt) -> Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("edge-filter-demo-")
        .tempdir()
        .context("cannot make a temporary folder")?;
    let paths = Paths {
        program: workspace.edge_filter(),
        config: folder.path().join("config.toml"),
        socket: folder.path().join("control.sock"),
        log: folder.path().join("daemon.log"),
    };
    for subfolder in ["bpf", "state"] {
        fs::create_dir(folder.path().join(subfolder))
            .with_context(|| format!("cannot write to {}", folder.path().display()))?;
    }
    fs::write(&paths.config, story::configuration(folder.path(), false))
        .with_context(|| format!("cannot write {}", paths.config.display()))?;
    let _bpf = BpfFileSystem::mount(&folder.path().join("bpf"))?;

    say("making two network namespaces, joined by a veth pair");
    let server = Namespace::new("server")?;
    let client = Namespace::new("client")?;
    network::join(&server, &client)?;
    server.configure(&story::SERVER.map(str::to_owned))?;
    client.configure(&story::client_addresses())?;
    let _http = Server::start(&server, story::PORT)?;
    interrupt.check()?;

    say("starting edge-filter on the server's side");
    let daemon = Daemon::start(&paths, &server, interrupt)?;
    let stage = Stage {
        client: &client,
        server: &server,
        daemon: &daemon,
        config: &paths.config,
        folder: folder.path(),
        interrupt,
    };
    stage
        .play()
        .or_else(|error| interrupt.check().and(Err(error)))
        .inspect_err(|_| {
            if interrupt.check().is_ok() {
                eprintln!("xtask: what the daemon logged:\n{}", daemon.log());
            }
        })
}
