//! Part 2: real packets through a veth, dropped on its other side. Sender and filter share one CPU,
//! and each configuration takes turns with a bare `XDP_DROP`.

mod lane;
mod subjects;
mod tables;

use anyhow::{Context as _, Result};
use edge_filter_tests::netns::Namespace;
use edge_filter_tests::random::Random;

use crate::Bench;
use crate::frames::{Kind, PORT, tcp4};
use crate::generator::{ALL, Generator};
use crate::lists::List;
use crate::peers::{Peers, SPRAYED, Sources, XdpFilter};
use crate::result::{Part, number};
use crate::timing::median;
use lane::Lane;

/// What drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropper {
    /// edge-filter.
    Edge,
    /// Debian's xdp-filter.
    XdpFilter,
    /// nftables, hook ingress of family netdev.
    NftNetdev,
    /// nftables, hook prerouting of family inet, priority raw.
    NftInet,
    /// iptables, table raw, with ipset or hashlimit.
    Iptables,
}

/// Why it drops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// So many prefixes are listed, and every source is in one of them.
    List(usize),
    /// So many sources, each over its rate.
    Rate(usize),
}

/// What was measured.
pub struct Row {
    pub filter: Dropper,
    pub work: Work,
    /// Drops a second.
    pub bare: f64,
    pub drops: f64,
    /// Of the bare ones, from round to round.
    pub share: f64,
    /// A packet, with what sends it.
    pub cpu_ns: f64,
    /// Over the bare drop.
    pub added_ns: f64,
    /// Of what was sent: dropped by the filter's own count.
    pub counted: f64,
}

const SIZES: [usize; 3] = [1_000, 100_000, 1_000_000];
const QUICK_SIZES: [usize; 2] = [1_000, 100_000];
/// A policy has room for a million prefixes of a family, and everybody is one.
const LISTED: usize = 999_999;
/// Of the sender and the filter, each time.
const CALL_SECONDS: f64 = 0.3;
const QUICK_CALL_SECONDS: f64 = 0.1;

/// Measures all of it.
///
/// # Errors
/// What the kernel or a peer refuses.
pub fn measure(bench: &Bench) -> Result<Part> {
    let sizes = if bench.effort.is_quick {
        QUICK_SIZES.as_slice()
    } else {
        SIZES.as_slice()
    };
    let sender = Namespace::new();
    let bare = Lane::new(&sender, "bare")?;
    let mut dropping = Peers::load(&["bare_drop"])?;
    bare.inside(|| dropping.attach("bare_drop", lane::DEVICE))?;
    let frame = tcp4(1, PORT, Kind::Opening, 0);
    let mut generator = Generator::new(frame, bench.cpu)?;
    let mut rows = Vec::new();
    let lists = sizes.iter().map(|size| Work::List(*size));
    let rates = sizes.iter().map(|size| Work::Rate(*size));
    let works: Vec<_> = lists.chain(rates).flat_map(beside).collect();
    bench.progress.begin("veth", works.len());
    for (filter, work) in works {
        let what = format!("{}, {}", filter.name(), work.name());
        bench.progress.step(&what);
        let mut run = Run {
            bench,
            sender: &sender,
            bare: &bare,
            generator: &mut generator,
        };
        rows.push(run.measure(filter, work).context(what)?);
    }
    Ok(tables::part(&rows))
}

/// xdp-filter has no prefixes, no rates, and room for no more than ten thousand addresses.
fn beside(work: Work) -> Vec<(Dropper, Work)> {
    let mut all = vec![(Dropper::Edge, work)];
    if let Work::List(size) = work
        && size <= 100_000
    {
        all.push((
            Dropper::XdpFilter,
            Work::List(size.min(XdpFilter::CAPACITY)),
        ));
    }
    all.extend([
        (Dropper::NftNetdev, work),
        (Dropper::NftInet, work),
        (Dropper::Iptables, work),
    ]);
    all
}

struct Run<'a> {
    bench: &'a Bench,
    sender: &'a Namespace,
    bare: &'a Lane,
    generator: &'a mut Generator,
}

impl Run<'_> {
    fn measure(&mut self, filter: Dropper, work: Work) -> Result<Row> {
        let list = match work {
            Work::List(size) => List::new(size.min(LISTED)),
            Work::Rate(_) => List {
                v4: vec![(0, 0)],
                v6: Vec::new(),
            },
        };
        let lane = Lane::new(self.sender, "lane")?;
        let subject = subjects::set_up(self.bench, &lane, filter, work, &list)?;
        let sources = sources(filter, work, &list);
        let (bare, here) = (self.bare.index, lane.index);
        let seconds = if self.bench.effort.is_quick {
            QUICK_CALL_SECONDS
        } else {
            CALL_SECONDS
        };
        let rounds = self.bench.effort.rounds;
        let generator = &mut *self.generator;
        let row = self.sender.run(|| {
            generator.spray(&sources, bare)?;
            let bare_frames = generator.frames_in(seconds)?;
            generator.aim(here, ALL)?;
            // Every source once, so that tables of sources know them.
            generator.send(SPRAYED as u32)?;
            let frames = generator.frames_in(seconds)?;
            let [mut bares, mut rates, mut shares, mut costs, mut added] =
                [const { Vec::new() }; 5];
            let mut all = 0.0;
            // Once for all rounds: nft reads all its sets for each answer.
            let before = subject.dropped()?;
            for _ in 0..rounds {
                generator.aim(bare, ALL)?;
                let limit = generator.send(bare_frames)?;
                generator.aim(here, ALL)?;
                let sent = generator.send(frames)?;
                let bare_rate = limit.frames as f64 / limit.seconds;
                let rate = sent.frames as f64 / sent.seconds;
                bares.push(bare_rate);
                rates.push(rate);
                shares.push(rate / bare_rate);
                costs.push(sent.cpu_ns);
                added.push(sent.cpu_ns - limit.cpu_ns);
                all += sent.frames as f64;
            }
            let counted = (subject.dropped()? - before) as f64 / all;
            anyhow::Ok(Row {
                filter,
                work,
                bare: median(&mut bares),
                drops: median(&mut rates) * counted,
                share: median(&mut shares) * counted,
                cpu_ns: median(&mut costs),
                added_ns: median(&mut added),
                counted,
            })
        })?;
        subject.take_down()?;
        lane.remove();
        Ok(row)
    }
}

fn sources(filter: Dropper, work: Work, list: &List) -> Sources {
    let mut random = Random::new(11);
    let drawn: Vec<u32> = match (filter, work) {
        (Dropper::XdpFilter, _) => {
            let all = subjects::addresses(list);
            (0..SPRAYED).map(|_| random.pick(&all)).collect()
        }
        (_, Work::List(_)) => (0..SPRAYED).map(|_| list.draw_v4(&mut random)).collect(),
        (_, Work::Rate(count)) => {
            let all: Vec<_> = (0..count.min(SPRAYED))
                .map(|_| list.draw_v4(&mut random))
                .collect();
            (0..SPRAYED).map(|_| random.pick(&all)).collect()
        }
    };
    Sources::v4(&drawn)
}

impl Work {
    fn name(self) -> String {
        match self {
            Self::List(size) => format!("{} prefixes", number(size as f64)),
            Self::Rate(size) => format!("{} sources over their rate", number(size as f64)),
        }
    }
}

impl Dropper {
    /// In tables.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Edge => "edge-filter",
            Self::XdpFilter => "xdp-filter",
            Self::NftNetdev => "nftables, netdev ingress",
            Self::NftInet => "nftables, inet prerouting raw",
            Self::Iptables => "iptables raw",
        }
    }
}
