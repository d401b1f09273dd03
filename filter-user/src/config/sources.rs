//! Sets of sources: list names, prefixes, addresses and "any", resolved to indices and prefixes.

use super::diagnostic::{Finding, Findings};
use super::file::{Text, Texts};
use super::names::{nearest, quoted};
use super::policy::{PrefixList, Sources};
use super::prefix::parse_prefix;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What names in the configuration may refer to.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub lists: &'a [PrefixList],
    /// In the order of the policy.
    pub interfaces: &'a [String],
    pub findings: &'a Findings,
}

impl Names<'_> {
    /// The set; what is unknown has been reported and is left out.
    pub(super) fn sources(&self, texts: Option<&Texts>) -> Sources {
        let mut sources = Sources::default();
        for text in texts.into_iter().flat_map(|texts| texts.get_ref()) {
            match self.source(text) {
                Some(Source::Any) => {
                    sources.v4.push(Ipv4Net::default());
                    sources.v6.push(Ipv6Net::default());
                }
                Some(Source::Prefix(IpNet::V4(net))) => sources.v4.push(net),
                Some(Source::Prefix(IpNet::V6(net))) => sources.v6.push(net),
                Some(Source::List(index)) if !sources.lists.contains(&index) => {
                    sources.lists.push(index);
                }
                Some(Source::List(_)) | None => {}
            }
        }
        sources
    }

    /// One entry; `None` has been reported.
    pub(super) fn source(&self, text: &Text) -> Option<Source> {
        let name = text.get_ref().as_str();
        if name == "any" {
            return Some(Source::Any);
        }
        if let Some(index) = self.lists.iter().position(|list| list.name == name) {
            return Some(Source::List(index));
        }
        if name.contains(['.', ':', '/']) {
            return match parse_prefix(name) {
                Ok(net) => Some(Source::Prefix(net)),
                Err(error) => {
                    let finding = Finding::error(text.span(), error.to_string());
                    self.findings.push(finding.help(error.help()));
                    None
                }
            };
        }
        let known = self.lists.iter().map(|list| list.name.as_str());
        let help = help_for(name, known.chain(["any"]));
        let finding = Finding::error(text.span(), format!("no prefix list {}", quoted(name)));
        self.findings.push(finding.help(help));
        None
    }

    /// The index of a configured interface; `None` has been reported.
    pub(super) fn interface(&self, text: &Text) -> Option<usize> {
        let name = text.get_ref().as_str();
        let index = self.interfaces.iter().position(|known| known == name);
        if index.is_none() {
            let known = self.interfaces.iter().map(String::as_str);
            let help = help_for(name, known);
            let message = format!("no [[interface]] is named {}", quoted(name));
            self.findings
                .push(Finding::error(text.span(), message).help(help));
        }
        index
    }
}

/// One entry of a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Any,
    Prefix(IpNet),
    List(usize),
}

fn help_for<'a>(wrong: &str, known: impl Iterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(wrong, known.clone()) {
        return Some(format!("did you mean \"{near}\"?"));
    }
    let known: Vec<&str> = known.filter(|name| !name.is_empty()).take(20).collect();
    (!known.is_empty()).then(|| format!("known are {}", known.join(", ")))
}
