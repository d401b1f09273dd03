//! Where things stand in the files of a policy, for `explain`: which line lets a source in, or
//! keeps it out. The files are read once more, from their kept texts; the policy itself has no
//! need of spans.

use super::Loaded;
use super::diagnostic::{Findings, line_of};
use super::file::{self, Config, Management, Rates, Text, Texts};
use super::list_file;
use super::policy::{PrefixList, Transport};
use super::ports::parse_ports;
use super::prefix::parse_prefix;
use super::protocols::parse_protocol;
use super::sources::{Names, Source};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Serialize;
use serde_spanned::Spanned;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;

/// A line of a configuration or of a list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct At {
    /// Which file.
    pub file: PathBuf,
    /// 1-based.
    pub line: u32,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file.display(), self.line)
    }
}

/// The most specific prefix of a set that holds a source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mention {
    /// The prefix.
    #[serde(serialize_with = "as_written")]
    pub prefix: IpNet,
    /// The list that has it; `None` for one that is written in place.
    pub list: Option<String>,
    /// Where the prefix is written.
    pub at: At,
    /// Where the set names it, or its list.
    pub named_at: At,
}

fn as_written<S: serde::Serializer>(prefix: &IpNet, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(prefix)
}

/// A set of sources. Services and overrides by their place in the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Set {
    /// `allow` of a service.
    Allow(usize),
    /// `deny` of a service.
    Deny(usize),
    /// `exempt` of a service.
    Exempt(usize),
    /// `sources` of an override of a service.
    Override(usize, usize),
    /// `from` of management.
    Management,
}

/// Something that is written once, or not at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A `[[service]]`.
    Service(usize),
    /// `connections_per_second` of a service, or of one of its overrides where that says it.
    ConnectionRate(usize, Option<usize>),
    /// `packets_per_second`, the same.
    PacketRate(usize, Option<usize>),
    /// `unlisted_ports`.
    UnlistedPorts,
    /// The entry of `reply_ports` that has a port; never of `Transport::Quic`.
    ReplyPort(u16, Transport),
    /// The entry of `protocols` that means a protocol.
    Protocol(u8),
}

/// The files of a policy with the places of everything in them.
pub struct Places<'a> {
    loaded: &'a Loaded,
    typed: Config,
}

impl<'a> Places<'a> {
    /// Reads them again; `None` only if there is no text.
    pub fn new(loaded: &'a Loaded) -> Option<Self> {
        let text = &loaded.sources.first()?.text;
        let typed = file::parse(text, &Findings::default())?;
        Some(Self { loaded, typed })
    }

    /// Where a set is written; `None` if it is left out.
    pub fn set(&self, set: Set) -> Option<At> {
        self.at(self.texts(set)?.span())
    }

    /// Where a key, or an entry of it, is written; `None` if it is left out.
    pub fn key(&self, key: Key) -> Option<At> {
        let policy = &self.typed.policy;
        let span = match key {
            Key::Service(service) => self.typed.services.get(service)?.span.clone(),
            Key::ConnectionRate(service, other) => self.rate(service, other, |rates| {
                rates.connections_per_second.as_ref()
            })?,
            Key::PacketRate(service, other) => {
                self.rate(service, other, |rates| rates.packets_per_second.as_ref())?
            }
            Key::UnlistedPorts => policy.unlisted_ports.as_ref()?.span(),
            Key::ReplyPort(port, transport) => entry(policy.reply_ports.as_ref()?, |text| {
                parse_ports(text).is_ok_and(|ports| {
                    ports.transport == transport && (ports.first..=ports.last).contains(&port)
                })
            })?,
            Key::Protocol(protocol) => entry(policy.protocols.as_ref()?, |text| {
                parse_protocol(text) == Ok(protocol)
            })?,
        };
        self.at(span)
    }

    /// The most specific prefix of a set that holds a source; `None` if none does.
    pub fn mention(&self, set: Set, source: IpAddr) -> Option<Mention> {
        let lists = &self.loaded.policy.lists;
        let quiet = Findings::default();
        let names = Names {
            lists,
            interfaces: &[],
            findings: &quiet,
        };
        let mut best: Option<(IpNet, Option<usize>, &Text)> = None;
        for text in self.texts(set)?.get_ref() {
            let found = match names.source(text) {
                Some(Source::Any) => Some((any(source), None)),
                Some(Source::Prefix(net)) if net.contains(&source) => Some((net, None)),
                Some(Source::List(list)) => {
                    most_specific(lists.get(list)?, source).map(|net| (net, Some(list)))
                }
                Some(Source::Prefix(_)) | None => None,
            };
            let Some((net, list)) = found else { continue };
            if best.is_none_or(|(other, ..)| other.prefix_len() < net.prefix_len()) {
                best = Some((net, list, text));
            }
        }
        let (prefix, list, text) = best?;
        let named_at = self.at(text.span())?;
        let at = list.and_then(|list| self.in_list(list, prefix));
        Some(Mention {
            prefix,
            list: list.and_then(|list| Some(lists.get(list)?.name.clone())),
            at: at.unwrap_or_else(|| named_at.clone()),
            named_at,
        })
    }

    fn texts(&self, set: Set) -> Option<&Texts> {
        let service = |service: usize| self.typed.services.get(service);
        match set {
            Set::Allow(number) => service(number)?.allow.as_ref(),
            Set::Deny(number) => service(number)?.deny.as_ref(),
            Set::Exempt(number) => service(number)?.exempt.as_ref(),
            Set::Override(number, other) => {
                let overrides = &service(number)?.rate_limit.as_ref()?.overrides;
                overrides.get(other)?.sources.as_ref()
            }
            Set::Management => match self.typed.policy.management.as_ref()? {
                Management::Some { from, .. } => from.as_ref(),
                Management::None => None,
            },
        }
    }

    /// What an override does not say is as in the service.
    fn rate(
        &self,
        service: usize,
        other: Option<usize>,
        key: impl Fn(&Rates) -> Option<&Spanned<f64>>,
    ) -> Option<Range<usize>> {
        let limit = self.typed.services.get(service)?.rate_limit.as_ref()?;
        let of_override = other.and_then(|other| key(&limit.overrides.get(other)?.rates));
        Some(of_override.or_else(|| key(&limit.rates))?.span())
    }

    /// Where a list has a prefix: in the configuration, or in the list's file.
    fn in_list(&self, list: usize, prefix: IpNet) -> Option<At> {
        let is_it = |text: &str| parse_prefix(text) == Ok(prefix);
        let in_place = self.typed.lists.get(list)?.prefixes.as_ref();
        if let Some(span) = in_place.and_then(|texts| entry(texts, is_it)) {
            return self.at(span);
        }
        let path = self.loaded.policy.lists.get(list)?.file.as_ref()?;
        let mut files = self.loaded.sources.iter().skip(1);
        let source = files.find(|source| source.path == *path)?;
        Some(At {
            file: path.clone(),
            line: list_file::line_of_prefix(&source.text, prefix)?,
        })
    }

    fn at(&self, span: Range<usize>) -> Option<At> {
        let source = self.loaded.sources.first()?;
        Some(At {
            file: source.path.clone(),
            line: line_of(&source.text, span.start),
        })
    }
}

fn entry(texts: &Texts, is_it: impl Fn(&str) -> bool) -> Option<Range<usize>> {
    let mut texts = texts.get_ref().iter();
    Some(texts.find(|text| is_it(text.get_ref()))?.span())
}

fn any(source: IpAddr) -> IpNet {
    match source {
        IpAddr::V4(_) => Ipv4Net::default().into(),
        IpAddr::V6(_) => Ipv6Net::default().into(),
    }
}

fn most_specific(list: &PrefixList, source: IpAddr) -> Option<IpNet> {
    match source {
        IpAddr::V4(source) => {
            let nets = list.v4.iter().filter(|net| net.contains(&source));
            nets.max_by_key(|net| net.prefix_len())
                .map(|net| IpNet::V4(*net))
        }
        IpAddr::V6(source) => {
            let nets = list.v6.iter().filter(|net| net.contains(&source));
            nets.max_by_key(|net| net.prefix_len())
                .map(|net| IpNet::V6(*net))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{HostFacts, load_from};
    use std::path::Path;

    const CONFIG: &str = r#"
[[interface]]
name = "eth0"
[policy]
reply_ports = [
  "123/udp",
  "9000/tcp",
]
[prefix_list.office]
prefixes = ["203.0.113.0/24"]
[prefix_list.partners]
file = "partners.txt"
[[service]]
name = "api"
ports = ["443/tcp"]
allow = [
  "any",
  "office",
  "partners",
]
[service.rate_limit]
connections_per_second = 20
[[service.rate_limit.override]]
sources = ["office"]
packets_per_second = 5
"#;
    const PARTNERS: &str = "# ours\n198.51.100.0/24\n\n203.0.113.7 # the boss\n";

    fn loaded() -> Loaded {
        let read = |_: &Path| Ok(PARTNERS.as_bytes().to_vec());
        let (path, host) = (Path::new("/c/config.toml"), HostFacts::default());
        load_from(path, CONFIG.as_bytes(), &read, &host).unwrap()
    }

    #[test]
    fn the_most_specific_prefix_is_found_with_its_line() {
        let loaded = loaded();
        let places = Places::new(&loaded).unwrap();
        let found = |source: &str| {
            let mention = places.mention(Set::Allow(0), source.parse().unwrap());
            let mention = mention.unwrap();
            let list = mention.list.unwrap_or_default();
            let (at, named) = (mention.at.to_string(), mention.named_at.line);
            format!("{} {list} {at} {named}", mention.prefix)
        };
        assert_eq!(
            found("203.0.113.7"),
            "203.0.113.7/32 partners /c/partners.txt:4 19"
        );
        assert_eq!(
            found("203.0.113.8"),
            "203.0.113.0/24 office /c/config.toml:10 18"
        );
        assert_eq!(found("192.0.2.1"), "0.0.0.0/0  /c/config.toml:17 17");
        assert_eq!(found("2001:db8::1"), "::/0  /c/config.toml:17 17");
        let nobody = places.mention(Set::Deny(0), "192.0.2.1".parse().unwrap());
        assert_eq!(nobody, None);
    }

    #[test]
    fn keys_have_lines_and_overrides_inherit_theirs() {
        let loaded = loaded();
        let places = Places::new(&loaded).unwrap();
        let line = |key| places.key(key).map(|at| at.line);
        assert_eq!(line(Key::Service(0)), Some(13));
        assert_eq!(line(Key::ConnectionRate(0, None)), Some(22));
        assert_eq!(line(Key::ConnectionRate(0, Some(0))), Some(22));
        assert_eq!(line(Key::PacketRate(0, None)), None);
        assert_eq!(line(Key::PacketRate(0, Some(0))), Some(25));
        assert_eq!(line(Key::UnlistedPorts), None);
        assert_eq!(line(Key::ReplyPort(9000, Transport::Tcp)), Some(7));
        assert_eq!(line(Key::ReplyPort(9000, Transport::Udp)), None);
        assert_eq!(places.set(Set::Allow(0)).map(|at| at.line), Some(16));
    }
}
