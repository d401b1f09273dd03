//! Who may see the page.
//!
//! A web site can give its own name the address of this host (DNS rebinding) and then read what is
//! served here with its visitor's browser. The browser still says which name it asked for: only
//! names that this host is known by are answered. An address is no name that a site can rebind.

use crate::config::policy::{Daemon, StatusPage};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What the configuration says of it.
#[derive(Clone, Debug)]
pub struct Gate {
    page: StatusPage,
    hosts: Vec<String>,
}

/// Why nothing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It comes from outside.
    #[error(
        "the status page is only for connections over loopback; bring it to your machine with \
         ssh -L 9477:127.0.0.1:9477, or set [daemon] status_page = \"everywhere\""
    )]
    NotLoopback,
    /// The browser asked for another name.
    #[error(
        "the status page is not known by the name in the Host header; ask for localhost or an \
         address, or list the name in [daemon] status_page_hosts"
    )]
    Host,
}

impl Gate {
    /// As configured.
    pub fn new(settings: &Daemon) -> Self {
        Self {
            page: settings.status_page,
            hosts: settings.status_page_hosts.clone(),
        }
    }

    /// Whether there is a page at all.
    pub fn is_open(&self) -> bool {
        self.page != StatusPage::Off
    }

    /// Judges a request by both ends of its connection and its Host header.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(
        &self,
        ends: Option<(SocketAddr, SocketAddr)>,
        host: Option<&str>,
    ) -> Result<(), Refusal> {
        let is_loopback = |end: SocketAddr| end.ip().to_canonical().is_loopback();
        let is_near = ends.is_some_and(|(peer, local)| is_loopback(peer) && is_loopback(local));
        if self.page != StatusPage::Everywhere && !is_near {
            return Err(Refusal::NotLoopback);
        }
        match host.is_some_and(|host| self.is_known(host)) {
            true => Ok(()),
            false => Err(Refusal::Host),
        }
    }

    fn is_known(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else {
            return false;
        };
        if let Some(inside) = name.strip_prefix('[') {
            let address = inside.strip_suffix(']').map(str::parse::<Ipv6Addr>);
            return matches!(address, Some(Ok(_)));
        }
        let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
        name == "localhost" || name.parse::<IpAddr>().is_ok() || self.hosts.contains(&name)
    }
}

/// `name:port` or `[address]:port` without the port; nothing if the port is none.
fn without_port(host: &str) -> Option<&str> {
    let end = match host.rfind(']') {
        Some(bracket) => bracket + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, port) = host.split_at(end);
    let is_port = port.is_empty()
        || port
            .strip_prefix(':')
            .is_some_and(|port| port.is_empty() || port.parse::<u16>().is_ok());
    is_port.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(page: StatusPage) -> Gate {
        Gate {
            page,
            hosts: vec!["edge1.example.com".into()],
        }
    }

    fn check(page: StatusPage, peer: &str, local: &str, host: Option<&str>) -> Option<Refusal> {
        let ends = (peer.parse().unwrap(), local.parse().unwrap());
        gate(page).check(Some(ends), host).err()
    }

    #[test]
    fn only_loopback_unless_asked_otherwise() {
        use StatusPage::{Everywhere, Loopback};
        let host = Some("127.0.0.1:9477");
        for (peer, local, refusal) in [
            ("127.0.0.1:5", "127.0.0.1:9477", None),
            ("[::1]:5", "[::1]:9477", None),
            ("[::ffff:127.0.0.1]:5", "[::ffff:127.0.0.1]:9477", None),
            ("192.0.2.7:5", "192.0.2.1:9477", Some(Refusal::NotLoopback)),
            ("192.0.2.7:5", "127.0.0.1:9477", Some(Refusal::NotLoopback)),
            // The host itself, by its own outer address.
            ("192.0.2.1:5", "192.0.2.1:9477", Some(Refusal::NotLoopback)),
        ] {
            assert_eq!(check(Loopback, peer, local, host), refusal, "{peer}");
            assert_eq!(check(Everywhere, peer, local, host), None, "{peer}");
        }
        let unknown = gate(Loopback).check(None, host);
        assert_eq!(unknown, Err(Refusal::NotLoopback));
    }

    #[test]
    fn a_name_that_a_site_may_have_rebound_is_refused_everywhere() {
        for host in [
            "localhost",
            "LOCALHOST:80",
            "127.0.0.1",
            "192.0.2.1:9477",
            "[::1]",
            "[2001:db8::1]:9477",
            "Edge1.Example.com:9477",
            "edge1.example.com.",
        ] {
            for page in [StatusPage::Loopback, StatusPage::Everywhere] {
                let refused = check(page, "127.0.0.1:5", "127.0.0.1:9477", Some(host));
                assert_eq!(refused, None, "{host}");
            }
        }
        for host in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.evil.example:9477",
            "edge1.example.com.evil.example",
            "edge1.example.com:x",
            "127.0.0.1:9477:80",
            "[::1",
            "[evil]",
            "::1",
            "0x7f.1",
        ] {
            for page in [StatusPage::Loopback, StatusPage::Everywhere] {
                let refused = check(page, "127.0.0.1:5", "127.0.0.1:9477", Some(host));
                assert_eq!(refused, Some(Refusal::Host), "{host}");
            }
        }
        let none = check(StatusPage::Loopback, "127.0.0.1:5", "127.0.0.1:9", None);
        assert_eq!(none, Some(Refusal::Host));
    }
}
