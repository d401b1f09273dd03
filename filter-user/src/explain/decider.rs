//! What decided, and by which line of which file.

use super::question::{Question, What};
use crate::config::policy::{Policy, Transport, Unlisted};
use crate::config::{At, Key, Mention, Places, Set};
use filter_common::answer::Answer;
use filter_common::verdict::Reason;
use serde::Serialize;

/// What decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Decider {
    /// The key of the configuration, or what else it was.
    pub what: String,
    /// The prefix that holds the source, where one decided.
    pub mention: Option<Mention>,
    /// Where it is written: the prefix, else the key.
    pub at: Option<At>,
}

impl Decider {
    fn new(what: &str, at: Option<At>) -> Self {
        Self {
            what: what.to_owned(),
            mention: None,
            at,
        }
    }

    fn by(what: &str, mention: Option<Mention>) -> Self {
        Self {
            what: what.to_owned(),
            at: mention.as_ref().map(|mention| mention.at.clone()),
            mention,
        }
    }
}

/// An answer, and the policy that it came from.
pub(super) struct Sets<'a> {
    pub question: &'a Question,
    pub answer: &'a Answer,
    pub policy: Option<&'a Policy>,
    pub places: Option<&'a Places<'a>>,
    /// Of the policy's services.
    pub service: Option<usize>,
}

impl Sets<'_> {
    /// What decided; `None` where it was the packet alone.
    pub fn decider(&self) -> Option<Decider> {
        let mention = |set: fn(usize) -> Set| self.mention(set(self.service?));
        Some(match self.answer.outcome().reason() {
            Reason::NotIp | Reason::Malformed | Reason::Fragment | Reason::Icmp => return None,
            Reason::NoPolicy | Reason::Fault => return None,
            Reason::Management => Decider::by("management", self.mention(Set::Management)),
            Reason::Reply => self.reply(),
            Reason::UnlistedPort => self.unlisted(),
            Reason::Banned => Decider::new("a ban", None),
            Reason::Denied => Decider::by("deny", mention(Set::Deny)),
            Reason::NotAllowed => {
                let at = self.service.and_then(|at| self.places?.set(Set::Allow(at)));
                Decider::new("allow, which does not have the source", at)
            }
            Reason::Allowed => match mention(Set::Allow) {
                None if self.answer.allow().is_some() => Decider::new("a timed allow", None),
                mention => Decider::by("allow", mention),
            },
            Reason::ConnectionRate => self.rate("connections_per_second", Key::ConnectionRate),
            Reason::PacketRate => self.rate("packets_per_second", Key::PacketRate),
        })
    }

    /// Why no rate applies to the source.
    pub fn exempt(&self) -> Option<Mention> {
        let (_, entry) = self.answer.class()?;
        let service = self.service?;
        if entry.profile() != 0 || self.policy?.services[service].rate_limit.is_none() {
            return None;
        }
        self.mention(Set::Exempt(service))
    }

    /// The override that gives the source its rates, by its place in the service: the most
    /// specific prefix wins.
    pub fn rate_override(&self) -> Option<(usize, Mention)> {
        let service = self.service?;
        let limit = self.policy?.services[service].rate_limit.as_ref()?;
        let overrides = 0..limit.overrides.len();
        let found = overrides.filter_map(|at| {
            let mention = self.mention(Set::Override(service, at))?;
            Some((at, mention))
        });
        found.max_by_key(|(_, mention)| mention.prefix.prefix_len())
    }

    /// Where a rate of the source is written.
    pub fn rate_at(&self, key: fn(usize, Option<usize>) -> Key) -> Option<At> {
        let other = self.rate_override().map(|(at, _)| at);
        self.places?.key(key(self.service?, other))
    }

    fn rate(&self, what: &str, key: fn(usize, Option<usize>) -> Key) -> Decider {
        Decider {
            what: what.to_owned(),
            mention: self.rate_override().map(|(_, mention)| mention),
            at: self.rate_at(key),
        }
    }

    fn mention(&self, set: Set) -> Option<Mention> {
        self.places?.mention(set, self.question.source)
    }

    fn reply(&self) -> Decider {
        let port = |port, transport| (Key::ReplyPort(port, transport), "reply_ports");
        let (key, what) = match self.question.what {
            What::Tcp(number) => port(number, Transport::Tcp),
            What::Udp(number) | What::Quic(number) => port(number, Transport::Udp),
            What::Icmp => return Decider::new("icmp", None),
            What::Protocol(number) => (Key::Protocol(number), "protocols"),
        };
        match self.places.and_then(|places| places.key(key)) {
            Some(at) => Decider::new(what, Some(at)),
            None if is_dhcp(self.question.what) => Decider::new("a port of DHCP clients", None),
            None => Decider::new("a socket of this host", None),
        }
    }

    fn unlisted(&self) -> Decider {
        let at = self
            .places
            .and_then(|places| places.key(Key::UnlistedPorts));
        let value = match self.policy.map(|policy| policy.unlisted_ports) {
            None => return Decider::new("unlisted_ports", at),
            Some(Unlisted::Pass) => "pass",
            Some(Unlisted::Monitor) => "monitor",
            Some(Unlisted::Drop) => "drop",
        };
        let default = if at.is_none() { ", by default" } else { "" };
        Decider::new(&format!("unlisted_ports = \"{value}\"{default}"), at)
    }
}

/// Ports of DHCP clients (RFC 2131 s. 4.1, RFC 9915 s. 7.2): the tables know no family, so both
/// are open in both.
const fn is_dhcp(what: What) -> bool {
    matches!(what, What::Udp(68 | 546) | What::Quic(68 | 546))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_of_dhcp_clients_are_those_of_either_family() {
        for port in [68, 546] {
            assert!(is_dhcp(What::Udp(port)) && is_dhcp(What::Quic(port)));
            assert!(!is_dhcp(What::Tcp(port)));
        }
        assert!(!is_dhcp(What::Udp(67)) && !is_dhcp(What::Udp(547)));
    }
}
