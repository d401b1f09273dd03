//! Part 2 as tables, targets and plots.

use super::{Dropper, Row, Work};
use crate::result::{Part, Plot, Reach, Table, Taken, number};

const NOTE: &str = "Sender and filter on one CPU, which also makes the frames, so that their cost is \
    in every figure: what a filter adds to a bare `XDP_DROP`, which it takes turns with, is the \
    honest one. Drops are the filter's own count; `counted` is that as a share of what was sent. \
    The peers' rules ask for no port.";

/// All of it.
pub fn part(rows: &[Row]) -> Part {
    Part {
        name: "veth".into(),
        taken: Taken::default(),
        tables: vec![
            table(
                rows,
                "Packets through a veth, dropped because their source is listed",
                "By prefixes; xdp-filter has addresses instead, and room for 10,000.",
                |work| match work {
                    Work::List(size) => Some(size),
                    Work::Rate(_) => None,
                },
            ),
            table(
                rows,
                "Packets through a veth, dropped because their source is over its rate",
                "By active sources; nftables with a dynamic set, iptables with hashlimit. What is \
                 not counted as dropped passed: with a million sources, tables of a million places \
                 forget some.",
                |work| match work {
                    Work::Rate(size) => Some(size),
                    Work::List(_) => None,
                },
            ),
        ],
        reach: reach(rows),
        plots: vec![
            plot(rows, "veth-list", "prefixes", Work::List),
            plot(rows, "veth-rate", "active sources", Work::Rate),
        ],
    }
}

fn table(rows: &[Row], title: &str, note: &str, size_of: impl Fn(Work) -> Option<usize>) -> Table {
    let mut table = Table::new(
        title,
        &format!("{note} {NOTE}"),
        &[
            "bare, M/s",
            "drops, M/s",
            "share of bare",
            "CPU, ns a packet",
            "added, ns",
            "counted, %",
        ],
    );
    for row in rows {
        if let Some(size) = size_of(row.work) {
            let name = format!("{}, {}", row.filter.name(), number(size as f64));
            let cells = [
                row.bare / 1e6,
                row.drops / 1e6,
                row.share,
                row.cpu_ns,
                row.added_ns,
                row.counted * 100.0,
            ];
            table.row(&name, cells.map(Some));
        }
    }
    table
}

fn find(rows: &[Row], filter: Dropper, work: Work) -> Option<&Row> {
    let mut rows = rows.iter();
    rows.find(|row| row.filter == filter && row.work == work)
}

fn reach(rows: &[Row]) -> Vec<Reach> {
    let mut reach = Vec::new();
    for (work, share, times) in [
        (Work::List(1_000), 0.80, 6.0),
        (Work::List(100_000), 0.55, 10.0),
        (Work::List(1_000_000), 0.33, 15.0),
    ] {
        let (Some(edge), Some(nft), Work::List(size)) = (
            find(rows, Dropper::Edge, work),
            find(rows, Dropper::NftNetdev, work),
            work,
        ) else {
            continue;
        };
        let what = format!("veth, {} prefixes", number(size as f64));
        let target = format!("{what}, drops as a share of bare");
        reach.push(Reach::at_least(&target, edge.share, share, ""));
        let target = format!("{what}, drops against nftables netdev ingress");
        reach.push(Reach::at_least(
            &target,
            edge.drops / nft.drops,
            times,
            " ×",
        ));
    }
    if let Some(edge) = find(rows, Dropper::Edge, Work::Rate(100_000)) {
        let target = "veth, rate limit, 100,000 active sources, drops as a share of bare";
        reach.push(Reach::at_least(target, edge.share, 0.5, ""));
    }
    reach
}

fn plot(rows: &[Row], file: &str, x: &str, of: impl Fn(usize) -> Work) -> Plot {
    let line = |filter: Dropper| {
        let points = super::SIZES.iter().chain([&10_000]).filter_map(|size| {
            let row = find(rows, filter, of(*size))?;
            Some((*size as f64, row.added_ns))
        });
        let mut points: Vec<_> = points.collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        (filter.name().to_owned(), points)
    };
    Plot {
        file: file.into(),
        title: "ns a dropped packet over a bare XDP_DROP, through a veth".into(),
        x: x.into(),
        is_log: true,
        series: [
            Dropper::Edge,
            Dropper::XdpFilter,
            Dropper::NftNetdev,
            Dropper::Iptables,
        ]
        .map(line)
        .into_iter()
        .filter(|(_, points)| !points.is_empty())
        .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{Dropper, Row, Work, part};

    fn row(filter: Dropper, work: Work, drops: f64) -> Row {
        const BARE: f64 = 20e6;
        Row {
            filter,
            work,
            bare: BARE,
            drops,
            share: drops / BARE,
            cpu_ns: 1e9 / drops,
            added_ns: 1e9 / drops - 1e9 / BARE,
            counted: 1.0,
        }
    }

    #[test]
    fn shares_and_ratios_are_compared_with_what_was_to_be_reached() {
        let part = part(&[
            row(Dropper::Edge, Work::List(1_000), 16e6),
            row(Dropper::NftNetdev, Work::List(1_000), 4e6),
            row(Dropper::Edge, Work::Rate(100_000), 11e6),
        ]);
        let said: Vec<_> = part
            .reach
            .iter()
            .map(|reach| (reach.measured.as_str(), reach.is_met))
            .collect();
        assert_eq!(said, [("0.80", true), ("4 ×", false), ("0.55", true)]);
    }

    #[test]
    fn lists_and_rates_are_tables_of_their_own() {
        let part = part(&[
            row(Dropper::Edge, Work::List(1_000), 16e6),
            row(Dropper::Iptables, Work::Rate(1_000), 4e6),
        ]);
        let names: Vec<_> = part
            .tables
            .iter()
            .map(|table| {
                table
                    .rows
                    .iter()
                    .map(|row| row.0.as_str())
                    .collect::<Vec<_>>()
            })
            .collect();
        assert_eq!(names, [["edge-filter, 1,000"], ["iptables raw, 1,000"]]);
        assert_eq!(part.plots.len(), 2);
    }
}
