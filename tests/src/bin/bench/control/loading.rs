//! What else loads such lists: LPM tries, nftables, ipset.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use edge_filter_tests::netns::Namespace;

use crate::Bench;
use crate::frames::PORT;
use crate::lists::List;
use crate::peers::Peers;
use crate::told;

/// Between two looks at a process's memory.
const LOOK: Duration = Duration::from_millis(2);

/// One process.
pub struct Load {
    pub seconds: f64,
    pub peak_bytes: f64,
}

/// Each peer's.
pub struct Loads {
    pub trie: f64,
    pub nft: Load,
    pub ipset: Load,
}

/// Loads so many prefixes with each.
///
/// # Errors
/// A peer that is not installed, or refuses.
pub fn measure(bench: &Bench, v4: usize, v6: usize) -> Result<Loads> {
    let list = List {
        v4: List::new(v4).v4,
        v6: List::new(v6).v6,
    };
    let mut peers = Peers::load_sized(&["lpm_lru"], v4.max(v6) as u32 + 1, 1024)?;
    let started = Instant::now();
    peers.fill_filter(&list, &[], PORT, [0, 0])?;
    let trie = started.elapsed().as_secs_f64();
    let folder = bench.pins.parent().context("it has a folder")?;
    let namespace = Namespace::new();
    let path = folder.join("set.nft");
    fs::write(&path, crate::rules::nft_sets(&list))?;
    let nft = run(&namespace, Command::new("nft").arg("-f").arg(&path))?;
    fs::write(&path, crate::rules::ipsets(&list))?;
    let ipset = run(
        &namespace,
        Command::new("ipset")
            .args(["restore", "-exist", "-file"])
            .arg(&path),
    )?;
    fs::remove_file(&path)?;
    Ok(Loads { trie, nft, ipset })
}

fn run(namespace: &Namespace, command: &mut Command) -> Result<Load> {
    let started = Instant::now();
    let mut child = namespace
        .run(|| command.stdin(Stdio::null()).spawn())
        .with_context(|| format!("{command:?}: cargo xtask bench installs it"))?;
    let path = format!("/proc/{}/status", child.id());
    let mut peak_bytes = 0.0;
    let status = loop {
        if let Ok(text) = fs::read_to_string(&path) {
            // It has none any more when it ends.
            peak_bytes = told::status_bytes(&text, "VmHWM").unwrap_or(peak_bytes);
        }
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(LOOK);
    };
    let seconds = started.elapsed().as_secs_f64();
    ensure!(status.success(), "{command:?}: {status}");
    Ok(Load {
        seconds,
        peak_bytes,
    })
}
