//! `[[service.rate_limit.override]]`: each source has one rate, and it is counted by a prefix
//! that has that rate as a whole.

use super::diagnostic::{Finding, Findings};
use super::file;
use super::names::quoted;
use super::policy::{Override, PrefixList, RateLimit};
use super::rates;
use super::seen::Seen;
use super::sources::{Names, Source};
use super::validate::refuse_empty;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::HashMap;
use std::ops::Range;

/// The overrides, each looked at for itself.
pub(super) fn read(typed: &[file::Override], names: Names<'_>) -> Vec<Override> {
    let mut overrides = Vec::new();
    for typed in typed {
        let help = "for example sources = [\"partners\"]";
        refuse_empty("sources", typed.sources.as_ref(), help, names.findings);
        if !rates::names_any(&typed.rates) {
            let message = "an override without a rate";
            let help = "write connections_per_second or packets_per_second; a source without \
                        a limit belongs to `exempt`";
            let finding = Finding::error(typed.span.clone(), message);
            names.findings.push(finding.help(help.to_owned()));
        }
        let (connections, packets) = rates::read(&typed.rates, names.findings);
        overrides.push(Override {
            sources: names.sources(typed.sources.as_ref()),
            connections,
            packets,
        });
    }
    overrides
}

/// The overrides of a service together.
pub(super) fn check(
    typed: &file::RateLimit,
    limit: &RateLimit,
    lists: &mut Lists<'_>,
    names: Names<'_>,
) {
    let quiet = Findings::default();
    let silent = Names {
        findings: &quiet,
        ..names
    };
    let mut seen = Seen::default();
    for (index, typed) in typed.overrides.iter().enumerate() {
        for text in typed.sources.iter().flat_map(|texts| texts.get_ref()) {
            let Some(source) = silent.source(text) else {
                continue;
            };
            let what = shown(text.get_ref(), source);
            if let Some(narrow) = lists.narrower_than(source, limit) {
                names
                    .findings
                    .push(too_narrow(text.span(), &what, narrow, limit));
            }
            if let Some((net, first)) = seen.in_another(index, source, lists) {
                let message = format!("{net} is in two overrides");
                let finding = Finding::error(text.span(), message)
                    .label(what.clone())
                    .also(first, "the first");
                names.findings.push(finding);
            }
            seen.add(index, source, text.span());
        }
    }
}

fn shown(text: &str, source: Source) -> String {
    match source {
        Source::List(_) => format!("the list {}", quoted(text)),
        Source::Any | Source::Prefix(_) => String::new(),
    }
}

fn too_narrow(span: Range<usize>, what: &str, narrow: IpNet, limit: &RateLimit) -> Finding {
    let (key, counted) = match narrow {
        IpNet::V4(_) => ("source_prefix_ipv4", limit.source_prefix_ipv4),
        IpNet::V6(_) => ("source_prefix_ipv6", limit.source_prefix_ipv6),
    };
    let message = format!("{narrow} is more specific than {key} = {counted}");
    let label = match what {
        "" => String::new(),
        list => format!("in {list}"),
    };
    let help = format!(
        "sources are counted by /{counted}: all of it has one rate; write a wider prefix, or {key} \
         = {}",
        narrow.prefix_len()
    );
    Finding::error(span, message).label(label).help(help)
}

/// Answers about lists that would cost a scan each time.
pub(super) struct Lists<'a> {
    lists: &'a [PrefixList],
    sorted: HashMap<usize, (Vec<Ipv4Net>, Vec<Ipv6Net>)>,
    longest: HashMap<usize, (Option<Ipv4Net>, Option<Ipv6Net>)>,
    common: HashMap<(usize, usize), Option<IpNet>>,
}

impl<'a> Lists<'a> {
    pub(super) fn new(lists: &'a [PrefixList]) -> Self {
        Self {
            lists,
            sorted: HashMap::new(),
            longest: HashMap::new(),
            common: HashMap::new(),
        }
    }

    /// A prefix of the source that is longer than sources are counted by.
    fn narrower_than(&mut self, source: Source, limit: &RateLimit) -> Option<IpNet> {
        let (v4, v6) = match source {
            Source::Any => return None,
            Source::Prefix(IpNet::V4(net)) => (Some(net), None),
            Source::Prefix(IpNet::V6(net)) => (None, Some(net)),
            Source::List(index) => {
                let list = self.lists.get(index)?;
                *self.longest.entry(index).or_insert_with(|| {
                    let v4 = list.v4.iter().max_by_key(|net| net.prefix_len());
                    let v6 = list.v6.iter().max_by_key(|net| net.prefix_len());
                    (v4.copied(), v6.copied())
                })
            }
        };
        let v4 = v4.filter(|net| net.prefix_len() > limit.source_prefix_ipv4);
        let v6 = v6.filter(|net| net.prefix_len() > limit.source_prefix_ipv6);
        v4.map(IpNet::V4).or(v6.map(IpNet::V6))
    }

    /// A prefix that both have.
    pub(super) fn common(&mut self, a: Source, b: Source) -> Option<IpNet> {
        match (a, b) {
            (Source::Any, Source::Any) => Some(IpNet::V4(Ipv4Net::default())),
            (Source::Any, other) | (other, Source::Any) => {
                let everyone4 = self.common(Source::Prefix(Ipv4Net::default().into()), other);
                let everyone6 = Source::Prefix(Ipv6Net::default().into());
                everyone4.or_else(|| self.common(everyone6, other))
            }
            (Source::Prefix(a), Source::Prefix(b)) => (a == b).then_some(a),
            (Source::Prefix(net), Source::List(list))
            | (Source::List(list), Source::Prefix(net)) => {
                let (v4, v6) = self.sorted(list);
                let found = match net {
                    IpNet::V4(net) => v4.binary_search(&net).is_ok(),
                    IpNet::V6(net) => v6.binary_search(&net).is_ok(),
                };
                found.then_some(net)
            }
            (Source::List(a), Source::List(b)) => {
                let pair = (a.min(b), a.max(b));
                if let Some(known) = self.common.get(&pair) {
                    return *known;
                }
                let (small, large) = if self.len(a) < self.len(b) {
                    (a, b)
                } else {
                    (b, a)
                };
                let small = self.lists.get(small)?;
                let (v4, v6) = self.sorted(large);
                let in4 = |net: &&Ipv4Net| v4.binary_search(net).is_ok();
                let in6 = |net: &&Ipv6Net| v6.binary_search(net).is_ok();
                let found4 = small.v4.iter().find(in4).map(|net| IpNet::V4(*net));
                let found = found4.or_else(|| small.v6.iter().find(in6).map(|net| IpNet::V6(*net)));
                self.common.insert(pair, found);
                found
            }
        }
    }

    fn len(&self, list: usize) -> usize {
        let list = self.lists.get(list);
        list.map_or(0, |list| list.v4.len() + list.v6.len())
    }

    fn sorted(&mut self, index: usize) -> &(Vec<Ipv4Net>, Vec<Ipv6Net>) {
        let list = self.lists.get(index);
        self.sorted.entry(index).or_insert_with(|| {
            let copies = list.map(|list| (list.v4.clone(), list.v6.clone()));
            let (mut v4, mut v6) = copies.unwrap_or_default();
            v4.sort_unstable();
            v6.sort_unstable();
            (v4, v6)
        })
    }
}
