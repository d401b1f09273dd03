//! `443/tcp`, `8000-8099/tcp`, `443/quic`.

use super::names::{nearest, quoted};
use super::policy::{Ports, Transport};

const TRANSPORTS: [(&str, Transport); 3] = [
    ("tcp", Transport::Tcp),
    ("udp", Transport::Udp),
    ("quic", Transport::Quic),
];

/// Why a text names no ports.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PortsError {
    #[error("{} does not say whether TCP or UDP is meant", quoted(.0))]
    NoTransport(String),
    #[error("unknown transport {}", quoted(.0))]
    Transport(String),
    #[error("{} is not a port, which is 1 to 65535", quoted(.0))]
    Number(String),
    #[error("port 0 cannot be used")]
    Zero,
    #[error("the range {0}-{1} is reversed")]
    Reversed(u16, u16),
}

impl PortsError {
    /// What to write.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Self::NoTransport(text) => {
                let sane = parse_range(text).is_ok();
                let text = if sane { text.as_str() } else { "443" };
                Some(format!("write \"{text}/tcp\" or \"{text}/udp\""))
            }
            Self::Transport(text) => {
                Some(match nearest(text, TRANSPORTS.map(|t| t.0).into_iter()) {
                    Some(near) => format!("did you mean {near}?"),
                    None => "known are tcp, udp and quic".to_owned(),
                })
            }
            Self::Reversed(first, last) => Some(format!("write {last}-{first}")),
            Self::Number(_) | Self::Zero => None,
        }
    }
}

/// One entry of `ports`.
pub(crate) fn parse_ports(text: &str) -> Result<Ports, PortsError> {
    let (range, transport) = text
        .split_once('/')
        .ok_or_else(|| PortsError::NoTransport(text.to_owned()))?;
    let known = TRANSPORTS.iter().find(|(name, _)| *name == transport);
    let (_, transport) = known.ok_or_else(|| PortsError::Transport(transport.to_owned()))?;
    let (first, last) = parse_range(range)?;
    Ok(Ports {
        first,
        last,
        transport: *transport,
    })
}

/// As one writes it.
pub(super) fn display(ports: &Ports) -> String {
    let named = TRANSPORTS.iter().find(|(_, t)| *t == ports.transport);
    let transport = named.map_or("", |(name, _)| name);
    if ports.first == ports.last {
        format!("{}/{transport}", ports.first)
    } else {
        format!("{}-{}/{transport}", ports.first, ports.last)
    }
}

fn parse_range(text: &str) -> Result<(u16, u16), PortsError> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (parse_port(first)?, parse_port(last)?);
    if first > last {
        return Err(PortsError::Reversed(first, last));
    }
    Ok((first, last))
}

fn parse_port(text: &str) -> Result<u16, PortsError> {
    let number = || PortsError::Number(text.to_owned());
    if !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(number());
    }
    match text.parse().map_err(|_| number())? {
        0 => Err(PortsError::Zero),
        port => Ok(port),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_and_written() {
        for text in ["443/tcp", "8000-8099/udp", "443/quic", "1-65535/tcp"] {
            assert_eq!(display(&parse_ports(text).unwrap()), text);
        }
    }

    #[test]
    fn wrong_ports_are_refused() {
        for text in [
            "",
            "/",
            "443",
            "/tcp",
            "0/tcp",
            "443/",
            "443/TCP",
            "65536/tcp",
            "+1/tcp",
            "2-1/tcp",
            "1-/tcp",
            "-1/tcp",
            "1-2-3/tcp",
            "443/tcp/udp",
            " 443/tcp",
            "0-10/tcp",
        ] {
            assert!(parse_ports(text).is_err(), "{text}");
        }
    }
}
