//! Whether a list lost so much that a truncated file is more likely than an intention.

#![forbid(unsafe_code)]

use crate::config::policy::{Policy, PrefixList};
use ipnet::{Ipv4Net, Ipv6Net};
use std::fmt;

/// A list that lost more than it may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// Its name.
    pub list: String,
    /// Prefixes before.
    pub before: usize,
    /// How many of them are no longer covered.
    pub lost: usize,
    /// What may be lost, in percent.
    pub max_percent: u8,
}

impl fmt::Display for Shrunk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "prefix list \"{}\": {} of {} prefixes would be lost, more than max_shrink_percent = \
             {}; if that is meant: edge-filter reload --force",
            self.list, self.lost, self.before, self.max_percent
        )
    }
}

/// The lists with a file, in both policies, that lost too much. A prefix that a wider one now
/// covers is not lost.
pub fn shrunk(before: &Policy, after: &Policy) -> Vec<Shrunk> {
    let in_file = after.lists.iter().filter(|list| list.file.is_some());
    in_file
        .filter_map(|list| {
            let old = before.lists.iter().find(|old| old.name == list.name)?;
            let lost = lost(old, list);
            let total = old.v4.len() + old.v6.len();
            let is_too_much = lost * 100 > total * usize::from(list.max_shrink_percent);
            is_too_much.then(|| Shrunk {
                list: list.name.clone(),
                before: total,
                lost,
                max_percent: list.max_shrink_percent,
            })
        })
        .collect()
}

fn lost(before: &PrefixList, after: &PrefixList) -> usize {
    let range4 = |net: &Ipv4Net| (net.network().to_bits(), net.broadcast().to_bits());
    let range6 = |net: &Ipv6Net| (net.network().to_bits(), net.broadcast().to_bits());
    let v4 = uncovered(&before.v4, &after.v4, range4, |end| end.checked_add(1));
    let v6 = uncovered(&before.v6, &after.v6, range6, |end| end.checked_add(1));
    v4 + v6
}

/// How many ranges no longer lie within the union of others.
fn uncovered<Net: PartialEq, Address: Copy + Ord>(
    before: &[Net],
    after: &[Net],
    range: impl Fn(&Net) -> (Address, Address),
    next: impl Fn(Address) -> Option<Address>,
) -> usize {
    if before == after {
        return 0;
    }
    let mut ranges: Vec<_> = after.iter().map(&range).collect();
    ranges.sort_unstable();
    let mut union: Vec<(Address, Address)> = Vec::with_capacity(ranges.len());
    for (first, last) in ranges {
        match union.last_mut() {
            Some((_, end)) if next(*end).is_none_or(|next| first <= next) => *end = last.max(*end),
            _ => union.push((first, last)),
        }
    }
    let is_covered = |net: &&Net| {
        let (first, last) = range(net);
        let after = union.partition_point(|(start, _)| *start <= first);
        after > 0 && last <= union[after - 1].1
    };
    before.len() - before.iter().filter(is_covered).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(prefixes: &[&str]) -> PrefixList {
        PrefixList {
            name: "l".into(),
            v4: prefixes.iter().filter_map(|p| p.parse().ok()).collect(),
            v6: prefixes.iter().filter_map(|p| p.parse().ok()).collect(),
            file: Some("l.txt".into()),
            max_shrink_percent: 50,
            line: 1,
        }
    }

    #[test]
    fn a_prefix_under_a_wider_one_or_joined_with_its_neighbour_is_not_lost() {
        let before = list(&["10.0.0.0/25", "10.0.0.128/25", "2001:db8::/48", "::/1"]);
        let after = list(&["10.0.0.0/24", "2001:db8::/32", "::/0"]);
        assert_eq!(lost(&before, &after), 0);
        assert_eq!(lost(&after, &before), 1);
    }

    #[test]
    fn halves_of_a_prefix_cover_it() {
        let before = list(&["10.0.0.0/24"]);
        assert_eq!(lost(&before, &list(&["10.0.0.0/25", "10.0.0.128/25"])), 0);
        assert_eq!(lost(&before, &list(&["10.0.0.0/25"])), 1);
        assert_eq!(lost(&before, &list(&[])), 1);
    }
}
