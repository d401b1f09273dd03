//! Part 3: what a policy costs before it judges: compiling, putting it in force, keeping it, being
//! asked about it. With the daemon as it ships, beside what else loads such lists.

mod daemon;
mod loading;

use anyhow::Result;

use crate::Bench;
use crate::result::{Part, Plot, Reach, Table, Taken, number};
use daemon::Change;
use loading::Loads;

/// Prefixes of IPv4 and of IPv6.
const SIZES: [(usize, usize); 4] = [(10, 0), (10_000, 0), (1_000_000, 0), (1_000_000, 1_000_000)];
const MEGABYTE: f64 = 1e6;

/// Measures all of it, on every CPU: that is how a daemon runs.
///
/// # Errors
/// What the kernel refuses, or a peer that is not installed.
pub fn measure(bench: &Bench) -> Result<Part> {
    bench.progress.begin("control", 2 * SIZES.len() + 3);
    let mut changes = Vec::new();
    let mut loads = Vec::new();
    for (v4, v6) in SIZES {
        let list = size_name(v4, v6);
        bench
            .progress
            .step(&format!("{list} prefixes, edge-filter"));
        changes.push(daemon::change(bench, v4, v6)?);
        bench.progress.step(&format!("{list} prefixes, the peers"));
        loads.push(loading::measure(bench, v4, v6)?);
    }
    bench.progress.step("500 + 500 prefixes, edge-filter");
    let small = daemon::change(bench, 500, 500)?;
    bench.progress.step("an idle daemon");
    let idle = daemon::idle(bench)?;
    bench
        .progress
        .step("scrapes of 64 services on 16 interfaces");
    let scrape = daemon::scrape(bench)?;
    let reach = vec![
        Reach::at_most(
            "1,000,000 + 1,000,000 prefixes, from file to force (asked for)",
            changes[3].asked,
            1.5,
            " s",
        ),
        Reach::at_most(
            "the same: peak memory",
            changes[3].peak_bytes / MEGABYTE,
            300.0,
            " MB",
        ),
        Reach::at_most(
            "the same: memory afterwards",
            changes[3].bytes / MEGABYTE,
            100.0,
            " MB",
        ),
        Reach::at_most(
            "1,000 prefixes, from a change of the file to force",
            small.noticed * 1e3,
            100.0,
            " ms",
        ),
        Reach::at_most("idle daemon: CPU", idle.cpu_percent, 0.1, " %"),
        Reach::at_most("idle daemon: memory", idle.bytes / MEGABYTE, 15.0, " MB"),
    ];
    Ok(Part {
        name: "control".into(),
        taken: Taken::default(),
        tables: vec![
            in_force(&changes, &small),
            beside(&changes, &loads),
            quiet(&idle, &scrape),
        ],
        reach,
        plots: vec![plot(&changes, &loads)],
    })
}

fn in_force(changes: &[Change], small: &Change) -> Table {
    let mut table = Table::new(
        "From a list file to force, edge-filter",
        "Seconds: from the rename of a new file until packets are judged by it, found by the \
         daemon itself or asked for by `edge-filter reload`; of that, compiling and placing. \
         Megabytes: the daemon's memory at its peak and afterwards; tables in the kernel, of which \
         there are two while a policy can be gone back to.",
        &[
            "noticed, s",
            "asked, s",
            "compile, s",
            "place, s",
            "peak, MB",
            "after, MB",
            "tables, MB",
        ],
    );
    for change in changes.iter().chain([small]) {
        table.row(
            &change.name(),
            [
                change.noticed,
                change.asked,
                change.compile,
                change.place,
                change.peak_bytes / MEGABYTE,
                change.bytes / MEGABYTE,
                change.table_bytes / MEGABYTE,
            ]
            .map(Some),
        );
    }
    table
}

fn beside(changes: &[Change], loads: &[Loads]) -> Table {
    let mut table = Table::new(
        "Loading the same prefixes",
        "Seconds, and megabytes of the loading process at its peak. The LPM tries are filled one \
         call a prefix, from memory, and read no file.",
        &[
            "edge-filter, s",
            "LPM trie, s",
            "nft -f, s",
            "ipset restore, s",
            "edge-filter, MB",
            "nft, MB",
            "ipset, MB",
        ],
    );
    for (change, load) in changes.iter().zip(loads) {
        table.row(
            &change.name(),
            [
                change.asked,
                load.trie,
                load.nft.seconds,
                load.ipset.seconds,
                change.peak_bytes / MEGABYTE,
                load.nft.peak_bytes / MEGABYTE,
                load.ipset.peak_bytes / MEGABYTE,
            ]
            .map(Some),
        );
    }
    table
}

fn quiet(idle: &daemon::Idle, scrape: &daemon::Scrape) -> Table {
    let mut table = Table::new(
        "The daemon between policies",
        "Idle: 1,000 prefixes of each family, a million sources tracked, one interface. A scrape: \
         64 services on 16 interfaces, each service having counted on each.",
        &["value"],
    );
    for (name, value) in [
        ("idle for, s", idle.seconds),
        ("idle, CPU, %", idle.cpu_percent),
        ("idle, memory, MB", idle.bytes / MEGABYTE),
        ("scrape, time, ms", scrape.seconds * 1e3),
        ("scrape, CPU of the daemon, ms", scrape.cpu_seconds * 1e3),
        ("scrape, size, kB", scrape.bytes / 1e3),
    ] {
        table.row(name, [Some(value)]);
    }
    table
}

fn plot(changes: &[Change], loads: &[Loads]) -> Plot {
    // The last one is of both families: another size, not another point of the line.
    let line = |name: &str, seconds: &dyn Fn(usize) -> f64| {
        let points = (0..SIZES.len()).map(|at| ((SIZES[at].0 + SIZES[at].1) as f64, seconds(at)));
        (name.to_owned(), points.collect())
    };
    Plot {
        file: "control".into(),
        title: "seconds to load a list".into(),
        x: "prefixes".into(),
        is_log: true,
        series: vec![
            line("edge-filter, file to force", &|at| changes[at].asked),
            line("LPM trie", &|at| loads[at].trie),
            line("nft -f", &|at| loads[at].nft.seconds),
            line("ipset restore", &|at| loads[at].ipset.seconds),
        ],
    }
}

fn size_name(v4: usize, v6: usize) -> String {
    format!("{} + {}", number(v4 as f64), number(v6 as f64))
}
