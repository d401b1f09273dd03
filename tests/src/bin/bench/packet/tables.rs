//! Part 1 as tables, targets and plots.

use super::locality::{self, SHAPES};
use super::policies::{ESTABLISHED4, ESTABLISHED6, PATHS};
use super::random::{OVER, WITHIN};
use super::{Costs, Key, SOURCES, Subject, USUAL};
use crate::result::{Part, Plot, Reach, Table, Taken, number};

/// All of it.
pub fn part(costs: &Costs, prefixes: &[usize]) -> Part {
    let figures = Figures { costs, prefixes };
    Part {
        name: "packet".into(),
        taken: Taken::default(),
        tables: vec![
            figures.beside_peers(),
            figures.by_policy(Subject::Edge, "1 service"),
            figures.by_policy(Subject::Edge64, "64 services"),
            figures.by_sources(ESTABLISHED4),
            figures.by_sources(ESTABLISHED6),
            figures.by_rate(),
            figures.by_locality(),
        ],
        reach: figures.reach(),
        plots: vec![
            figures.plot(ESTABLISHED4, "packet-ipv4", "IPv4"),
            figures.plot(ESTABLISHED6, "packet-ipv6", "IPv6"),
        ],
    }
}

struct Figures<'a> {
    costs: &'a Costs,
    prefixes: &'a [usize],
}

impl Figures<'_> {
    fn fixed(&self, subject: Subject, path: &str, prefixes: usize) -> Option<f64> {
        self.get(subject, path, prefixes, None)
    }

    /// Without the wrapper, as far as a bare drop behind it tells.
    fn net(&self, subject: Subject, path: &str, prefixes: usize, sources: usize) -> Option<f64> {
        let bare = if path == OVER || path == WITHIN {
            0
        } else {
            USUAL
        };
        let bare = self.get(Subject::Bare, path, bare, Some(sources))?;
        Some(self.get(subject, path, prefixes, Some(sources))? - bare)
    }

    fn get(
        &self,
        subject: Subject,
        path: &str,
        prefixes: usize,
        sources: Option<usize>,
    ) -> Option<f64> {
        let path = path.into();
        let key = Key {
            subject,
            path,
            prefixes,
            sources,
        };
        self.costs.get(&key).copied()
    }

    fn by_locality(&self) -> Table {
        let mut table = Table::new(
            "ns a packet, established, allowed, a million sources, lists as operators have them, gross",
            "A million prefixes of each family, at random or in runs that lie close together. Sources \
             all send alike, or by rank: the one of rank n 1/n as much as the first.",
            &[
                "IPv4, alike",
                "IPv4, by rank",
                "IPv6, alike",
                "IPv6, by rank",
            ],
        );
        for shape in &SHAPES {
            let cost = |is_ipv6, is_by_rank| {
                let path = shape.path(is_ipv6, is_by_rank);
                let of = |is_quick| {
                    let prefixes = locality::prefixes(is_quick);
                    let sources = Some(locality::SOURCES);
                    self.get(Subject::Edge, &path, prefixes, sources)
                };
                of(false).or_else(|| of(true))
            };
            table.row(
                shape.name,
                [
                    cost(false, false),
                    cost(false, true),
                    cost(true, false),
                    cost(true, true),
                ],
            );
        }
        table
    }

    fn beside_peers(&self) -> Table {
        let mut table = Table::new(
            "ns a packet, the same packet again, 10,000 prefixes of each family, gross",
            "xdp-filter has 10,000 IPv4 addresses and knows neither rates nor bans nor VLANs.",
            &[
                "bare drop",
                "parse and drop",
                "xdp-filter",
                "LPM + LRU",
                "edge-filter",
                "× parse",
                "× xdp-filter",
                "× LPM + LRU",
            ],
        );
        for path in &PATHS {
            let cost = |subject| self.fixed(subject, path.name, USUAL);
            let edge = cost(Subject::Edge);
            let against = |subject| Some(edge? / cost(subject)?);
            table.row(
                path.name,
                [
                    cost(Subject::Bare),
                    cost(Subject::Parse),
                    cost(Subject::XdpFilter),
                    cost(Subject::LpmLru),
                    edge,
                    against(Subject::Parse),
                    against(Subject::XdpFilter),
                    against(Subject::LpmLru),
                ],
            );
        }
        table
    }

    fn by_policy(&self, subject: Subject, services: &str) -> Table {
        let title = format!("ns a packet, the same packet again, edge-filter, {services}, gross");
        let columns: Vec<_> = self.prefixes.iter().map(|n| number(*n as f64)).collect();
        let columns: Vec<_> = columns.iter().map(String::as_str).collect();
        let note = "By prefixes of each family.";
        let mut table = Table::new(&title, note, &columns);
        for path in &PATHS {
            let cells = self
                .prefixes
                .iter()
                .map(|n| self.fixed(subject, path.name, *n));
            table.row(path.name, cells);
        }
        table
    }

    fn by_sources(&self, path: &str) -> Table {
        let mut names = Vec::new();
        for subject in ["edge-filter", "LPM + LRU", "xdp-filter"] {
            names.extend(SOURCES.map(|sources| format!("{subject}, {}", number(sources as f64))));
        }
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let mut table = Table::new(
            &format!("ns a packet, {path}, from that many sources at random, net of a bare drop"),
            "By prefixes of each family. What writes the sources is measured with a bare drop \
             behind it, and taken off.",
            &names,
        );
        for prefixes in self.prefixes {
            let mut cells = Vec::new();
            for subject in [Subject::Edge, Subject::LpmLru, Subject::XdpFilter] {
                cells.extend(SOURCES.map(|count| self.net(subject, path, *prefixes, count)));
            }
            table.row(&number(*prefixes as f64), cells);
        }
        table
    }

    fn by_rate(&self) -> Table {
        let mut table = Table::new(
            "ns a new connection, from that many sources at random, net of a bare drop",
            "Everybody is allowed; a million cells, or entries of the LRU hash.",
            &[
                "edge-filter, 1,000",
                "50,000",
                "1,000,000",
                "LPM + LRU, 1,000",
                "50,000",
                "1,000,000",
            ],
        );
        for path in [WITHIN, OVER] {
            let mut cells = Vec::new();
            for subject in [Subject::Edge, Subject::LpmLru] {
                cells.extend(SOURCES.map(|count| self.net(subject, path, 0, count)));
            }
            table.row(path, cells);
        }
        table
    }

    fn reach(&self) -> Vec<Reach> {
        let mut reach = Vec::new();
        for (path, parse, xdp_filter) in [(ESTABLISHED4, 3.0, 0.7), (ESTABLISHED6, 3.5, 0.8)] {
            for (subject, name, limit) in [
                (Subject::Parse, "parse-and-drop", parse),
                (Subject::XdpFilter, "xdp-filter", xdp_filter),
            ] {
                let edge = self.fixed(Subject::Edge, path, USUAL).unwrap_or(f64::NAN);
                let peer = self.fixed(subject, path, USUAL).unwrap_or(f64::NAN);
                let target = format!("{path}, same packet, 10,000 prefixes, against {name}");
                reach.push(Reach::at_most(&target, edge / peer, limit, " ×"));
            }
        }
        let all = SOURCES[2];
        for (path, family) in [(ESTABLISHED4, 1.0), (ESTABLISHED6, 1.25)] {
            for (prefixes, limit) in [(USUAL, 10.0), (1_000_000, 75.0)] {
                let cost = |n| self.net(Subject::Edge, path, n, all).unwrap_or(f64::NAN);
                let target = format!(
                    "{path}, 1,000,000 sources, {} prefixes over one",
                    number(prefixes as f64)
                );
                let more = cost(prefixes) - cost(1);
                reach.push(Reach::at_most(&target, more, limit * family, " ns"));
            }
        }
        let cost = |subject| self.net(subject, OVER, 0, all).unwrap_or(f64::NAN);
        let target = "over-rate SYN, 1,000,000 sources, against LPM + LRU";
        let share = cost(Subject::Edge) / cost(Subject::LpmLru);
        reach.push(Reach::at_most(target, share, 1.0 / 3.0, " ×"));
        reach
    }

    fn plot(&self, path: &str, file: &str, family: &str) -> Plot {
        let line = |subject, name: &str| {
            let point = |n: &usize| Some((*n as f64, self.net(subject, path, *n, SOURCES[2])?));
            (
                name.to_owned(),
                self.prefixes.iter().filter_map(point).collect(),
            )
        };
        Plot {
            file: file.into(),
            title: format!("ns a packet over a bare drop: {family}, a million sources at random"),
            x: "prefixes of each family".into(),
            is_log: true,
            series: vec![
                line(Subject::Edge, "edge-filter"),
                line(Subject::LpmLru, "LPM trie + LRU hash"),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::policies::ESTABLISHED4;
    use super::{Costs, Figures, Key, Subject, USUAL, part};

    fn costs(figures: &[(Subject, usize, Option<usize>, f64)]) -> Costs {
        let figures = figures.iter().map(|(subject, prefixes, sources, ns)| {
            let key = Key {
                subject: *subject,
                path: ESTABLISHED4.into(),
                prefixes: *prefixes,
                sources: *sources,
            };
            (key, *ns)
        });
        figures.collect()
    }

    #[test]
    fn ratios_of_the_same_packet_are_gross() {
        let costs = costs(&[
            (Subject::Parse, USUAL, None, 7.0),
            (Subject::XdpFilter, USUAL, None, 35.0),
            (Subject::Edge, USUAL, None, 21.0),
        ]);
        let part = part(&costs, &[USUAL]);
        let said = |at: usize| (part.reach[at].measured.as_str(), part.reach[at].is_met);
        assert_eq!(said(0), ("3 ×", true));
        assert_eq!(said(1), ("0.60 ×", true));
        // IPv6 was not measured.
        assert_eq!(said(2), ("– ×", false));
    }

    #[test]
    fn random_sources_are_net_of_what_writes_them() {
        let costs = costs(&[
            (Subject::Bare, USUAL, Some(1_000_000), 20.0),
            (Subject::Edge, 1, Some(1_000_000), 35.0),
            (Subject::Edge, USUAL, Some(1_000_000), 43.0),
        ]);
        let figures = Figures {
            costs: &costs,
            prefixes: &[1, USUAL],
        };
        let net = |prefixes| figures.net(Subject::Edge, ESTABLISHED4, prefixes, 1_000_000);
        assert_eq!([net(1), net(USUAL)], [Some(15.0), Some(23.0)]);
        assert_eq!(
            figures.net(Subject::LpmLru, ESTABLISHED4, 1, 1_000_000),
            None
        );
        let reach = figures.reach();
        let over_one = reach.iter().find(|reach| reach.target.contains("over one"));
        assert_eq!(over_one.map(|reach| reach.measured.as_str()), Some("8 ns"));
    }
}
