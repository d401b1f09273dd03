//! What the tables of the packet program can hold.

use super::diagnostic::{Finding, Findings};
use super::file::Config;
use super::policy::{Policy, PrefixList, Sources};

/// Of each family, over all lists and services, as written.
const MAX_PREFIXES: usize = 1_000_000;

/// Reports a family of which there is too much, at the list that has most of it.
pub(super) fn check(config: &Config, policy: &Policy, findings: &Findings) {
    let counts = |count: fn(&PrefixList) -> usize| -> Vec<usize> {
        policy.lists.iter().map(count).collect()
    };
    let in_place = |count: fn(&Sources) -> usize| -> usize { sources(policy).map(count).sum() };
    for (family, lists, in_place) in [
        (
            "IPv4",
            counts(|list| list.v4.len()),
            in_place(|s| s.v4.len()),
        ),
        (
            "IPv6",
            counts(|list| list.v6.len()),
            in_place(|s| s.v6.len()),
        ),
    ] {
        let total = lists.iter().sum::<usize>() + in_place;
        if total <= MAX_PREFIXES {
            continue;
        }
        let mut by_size: Vec<_> = policy.lists.iter().zip(lists).enumerate().collect();
        by_size.sort_by_key(|(_, (_, count))| std::cmp::Reverse(*count));
        let mut parts: Vec<String> = by_size
            .iter()
            .filter(|(_, (_, count))| *count > 0)
            .map(|(_, (list, count))| format!("{} {count}", list.name))
            .collect();
        if in_place > 0 {
            parts.push(format!("written in place {in_place}"));
        }
        let largest = by_size
            .first()
            .and_then(|(index, _)| config.lists.get(*index));
        let span = largest.map_or(0..0, |list| list.name.span());
        let message = format!("{total} {family} prefixes, the tables hold {MAX_PREFIXES}");
        findings.push(Finding::error(span, message).help(parts.join(", ")));
    }
}

/// Every set of sources in the policy.
fn sources(policy: &Policy) -> impl Iterator<Item = &Sources> {
    let management = policy.management.iter().map(|m| &m.from);
    let services = policy.services.iter().flat_map(|service| {
        let limits = service.rate_limit.iter();
        let overrides = limits.flat_map(|l| l.overrides.iter().map(|o| &o.sources));
        [&service.allow, &service.deny, &service.exempt]
            .into_iter()
            .chain(overrides)
    });
    management.chain(services)
}
