//! Part 4 as tables, targets and plots.

use super::{Load, Row, WAYS, Way};
use crate::result::{Part, Plot, Reach, Table, Taken};

/// All of it.
pub fn part(rows: &[Row]) -> Part {
    let mut loads = vec![Load::Quiet];
    loads.extend(super::FLOODS.map(Load::Flood));
    Part {
        name: "http".into(),
        taken: Taken::default(),
        tables: loads.iter().map(|load| table(rows, *load)).collect(),
        reach: reach(rows),
        plots: vec![plot(rows, &loads)],
    }
}

fn table(rows: &[Row], load: Load) -> Table {
    let columns = [
        "requests a second",
        "× passes all",
        "p50, ms",
        "p90, ms",
        "p99, ms",
        "p99.9, ms",
        "errors",
    ];
    let mut table = match load {
        Load::Quiet => Table::new(
            "HTTP, a connection for each request",
            "nginx, one process, and wrk, 64 connections at a time, on one CPU with everything \
             between them; 10,000 IPv4 prefixes allowed, a rate booked for each connection. Time \
             from the request to its answer, the opening of the connection not included. XDP on a \
             veth turns GRO on and large segments off: compare with the program that passes \
             everything.",
            &columns,
        ),
        Load::Flood(percent) => Table::new(
            &format!("The same beside a flood: {percent} % of packets"),
            "SYNs from strangers, made on another CPU at a rate that would be that share beside \
             the requests that the program that passes everything answers when there is no flood, \
             64 at a time as a NIC that moderates its interrupts hands them over. \
             A thread on the server's CPU takes in what arrives (threaded NAPI, SCHED_FIFO), before \
             anything else there runs, as a NIC's interrupt would; what it is too slow for is lost \
             in the queue before it, requests and flood alike. `dropped`: of the flood, by the \
             filter's own count; the rest was lost in the queue. Nothing answers the \
             flood where there is no filter: its TCP checksums are wrong. A latency of –: no \
             connection came to be in most runs.",
            &[
                &columns[..],
                &["flood, M/s", "flood, % of packets", "dropped, %"],
            ]
            .concat(),
        ),
    };
    for row in rows.iter().filter(|row| row.load == load) {
        let mut cells = vec![Some(row.requests), Some(row.share)];
        cells.extend(row.latency.map(Some));
        cells.push(Some(row.errors));
        if load != Load::Quiet {
            cells.push(Some(row.flood / 1e6));
            cells.push(Some(row.flood_share * 100.0));
            cells.push(row.dropped.map(|share| share * 100.0));
        }
        table.row(row.way.name(), cells);
    }
    table
}

fn find(rows: &[Row], way: Way, load: Load) -> Option<&Row> {
    let mut rows = rows.iter();
    rows.find(|row| row.way == way && row.load == load)
}

fn reach(rows: &[Row]) -> Vec<Reach> {
    let requests = |way, load| find(rows, way, load).map_or(f64::NAN, |row| row.requests);
    let share = find(rows, Way::Edge, Load::Quiet).map_or(f64::NAN, |row| row.share);
    let mut reach = vec![Reach::at_least(
        "HTTP, requests against a program that passes everything",
        share,
        0.98,
        " ×",
    )];
    for percent in super::FLOODS {
        let load = Load::Flood(percent);
        let target = format!("HTTP beside a flood of {percent} %, requests against nftables");
        let times = requests(Way::Edge, load) / requests(Way::Nft, load);
        reach.push(Reach::at_least(&target, times, 5.0, " ×"));
    }
    reach
}

fn plot(rows: &[Row], loads: &[Load]) -> Plot {
    let line = |way: Way| {
        let points = loads.iter().filter_map(|load| {
            let others = match load {
                Load::Quiet => 1.0,
                Load::Flood(percent) => 100.0 / f64::from(100 - percent),
            };
            Some((others, find(rows, way, *load)?.requests))
        });
        (way.name().to_owned(), points.collect())
    };
    Plot {
        file: "http".into(),
        title: "HTTP requests a second, a connection each, beside a flood".into(),
        x: "packets that arrive for each of a request's, flood included".into(),
        is_log: true,
        series: WAYS.map(line).to_vec(),
    }
}
