//! The sources that the overrides of a service have named so far. There may be a million prefixes
//! among them, so none is ever compared with all others.

use super::overrides::Lists;
use super::sources::Source;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;

/// Sources by the place that names them first. Later places need not be known: overrides are read
/// in order, so where the first place is in the override at hand, the later ones are too.
#[derive(Default)]
pub(super) struct Seen {
    count: usize,
    /// Prefixes written in place.
    prefixes: Vec<(IpNet, First)>,
    /// Where in `prefixes`.
    places: HashMap<IpNet, usize>,
    /// Lists and `any`, each once.
    others: Vec<(Source, First)>,
    /// By list: where in `prefixes` the first is that it has, and how many were looked at.
    listed: HashMap<usize, (Option<usize>, usize)>,
}

struct First {
    /// Among all sources.
    order: usize,
    /// Of its override.
    index: usize,
    span: Range<usize>,
}

impl Seen {
    /// The first place of another override that shares a prefix with the source, which is `index`'s.
    pub(super) fn in_another(
        &mut self,
        index: usize,
        source: Source,
        lists: &mut Lists<'_>,
    ) -> Option<(IpNet, Range<usize>)> {
        let at = self.in_place(source, lists);
        let prefix = at.and_then(|at| self.prefixes.get(at));
        let prefix = prefix.map(|(net, first)| (*net, first));
        let prefix = prefix.filter(|(_, first)| first.index != index);
        let others = self.others.iter();
        let other = others
            .filter(|(_, first)| first.index != index)
            .find_map(|(other, first)| Some((lists.common(*other, source)?, first)));
        let found = [prefix, other].into_iter().flatten();
        let (net, first) = found.min_by_key(|(_, first)| first.order)?;
        Some((net, first.span.clone()))
    }

    /// Remembers a source; overrides come in order.
    pub(super) fn add(&mut self, index: usize, source: Source, span: Range<usize>) {
        let order = self.count;
        self.count += 1;
        let first = First { order, index, span };
        match source {
            Source::Prefix(net) => {
                if let Entry::Vacant(place) = self.places.entry(net) {
                    place.insert(self.prefixes.len());
                    self.prefixes.push((net, first));
                }
            }
            Source::Any | Source::List(_) => {
                if self.others.iter().all(|(known, _)| *known != source) {
                    self.others.push((source, first));
                }
            }
        }
    }

    /// Where in `prefixes` the first is that the source has.
    fn in_place(&mut self, source: Source, lists: &mut Lists<'_>) -> Option<usize> {
        let place = |net: IpNet| self.places.get(&net).copied();
        match source {
            Source::Prefix(net) => place(net),
            Source::Any => {
                let everyone = [Ipv4Net::default().into(), Ipv6Net::default().into()];
                everyone.into_iter().filter_map(place).min()
            }
            Source::List(list) => {
                let (found, looked_at) = self.listed.entry(list).or_default();
                if found.is_none() {
                    let new = self.prefixes.get(*looked_at..).unwrap_or_default();
                    let mut nets = new.iter().map(|(net, _)| Source::Prefix(*net));
                    let at = nets.position(|net| lists.common(source, net).is_some());
                    *found = at.map(|at| *looked_at + at);
                    *looked_at = self.prefixes.len();
                }
                *found
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::policy::PrefixList;

    fn list(name: &str, prefixes: &[&str]) -> PrefixList {
        let nets = prefixes.iter().map(|text| text.parse::<IpNet>().unwrap());
        let mut list = PrefixList {
            name: name.into(),
            v4: Vec::new(),
            v6: Vec::new(),
            file: None,
            max_shrink_percent: 50,
            line: 1,
        };
        for net in nets {
            match net {
                IpNet::V4(net) => list.v4.push(net),
                IpNet::V6(net) => list.v6.push(net),
            }
        }
        list
    }

    #[test]
    fn the_first_place_is_that_of_a_comparison_with_all_before() {
        let known = [
            list("a", &["10.0.0.0/8", "2001:db8::/32"]),
            list("b", &["0.0.0.0/0", "10.0.0.0/8"]),
            list("c", &["::/0"]),
            list("empty", &[]),
        ];
        let prefix = |text: &str| Source::Prefix(text.parse().unwrap());
        let choices = [
            Source::Any,
            Source::List(0),
            Source::List(1),
            Source::List(2),
            Source::List(3),
            prefix("0.0.0.0/0"),
            prefix("::/0"),
            prefix("10.0.0.0/8"),
            prefix("2001:db8::/32"),
            prefix("192.0.2.0/24"),
        ];
        let mut random = 1_u64;
        let mut shared = 0;
        for _ in 0..2000 {
            let mut lists = Lists::new(&known);
            let mut seen = Seen::default();
            let mut before: Vec<(usize, Source, Range<usize>)> = Vec::new();
            for at in 0..8 {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let source = choices[(random >> 33) as usize % choices.len()];
                let index = at / 2;
                let found = seen.in_another(index, source, &mut lists);
                let others = before.iter().filter(|(other, _, _)| *other != index);
                let expected = others
                    .filter_map(|(_, other, span)| {
                        Some((lists.common(*other, source)?, span.clone()))
                    })
                    .next();
                assert_eq!(found, expected, "{source:?} after {before:?}");
                shared += usize::from(found.is_some());
                seen.add(index, source, at..at + 1);
                before.push((index, source, at..at + 1));
            }
        }
        assert!(shared > 1000, "{shared}");
    }

    #[test]
    fn prefixes_are_looked_up_and_not_compared_with_each_other() {
        let known = [list("a", &["10.0.0.0/8"])];
        let mut lists = Lists::new(&known);
        let mut seen = Seen::default();
        // Compared with all others, these would take minutes.
        for at in 0..200_000_u32 {
            let net = Source::Prefix(Ipv4Net::from(std::net::Ipv4Addr::from(at)).into());
            for source in [net, Source::List(0)] {
                let index = at as usize;
                let found = seen.in_another(index, source, &mut lists);
                assert_eq!(found.is_some(), source != net && at > 0);
                seen.add(index, source, 0..1);
            }
        }
        assert_eq!(seen.others.len(), 1);
    }
}
