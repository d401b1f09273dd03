//! What is said of events: the lines that go over the control socket, and how people read them.

use crate::control::Refusal;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, SystemTime};

/// One line of the stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// An event.
    Event(Record),
    /// Events that nobody will see.
    Lost(Loss),
    /// At the start of following, else at the end.
    Totals(Totals),
    /// There is no stream.
    Refused(Refusal),
}

/// One packet. The labels are those of the metrics; addresses are never labels there, here they
/// are the point.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// RFC 3339, to within a tick of the kernel's clock.
    pub time: String,
    /// Name of the interface.
    pub device: String,
    /// Its index; the device of an unknown interface is found by it.
    pub interface_index: u32,
    /// `pass`, `drop` or `would_drop`.
    pub action: String,
    /// As in the table of verdicts.
    pub reason: String,
    /// Name of the service, `-` where the packet belongs to none.
    pub service: String,
    /// Who sent it, where an IP header was to be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<IpAddr>,
    /// Port of the sender, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_port: Option<u16>,
    /// To whom.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination: Option<IpAddr>,
    /// Port of the receiver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destination_port: Option<u16>,
    /// Name of the IP protocol, or its number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<String>,
    /// As `SYN|ACK`; of TCP only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_flags: Option<String>,
    /// Ids, outer first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<u16>,
    /// Bytes, from the Ethernet header on.
    pub packet_length: u32,
    /// Number of the policy that judged it.
    pub generation: u32,
}

/// Events that were not passed on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loss {
    /// How many, since the last such line of this cause.
    pub lost: u64,
    /// Why.
    pub cause: Cause,
    /// How many of each reason, where that is known.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub by_reason: BTreeMap<String, u64>,
}

/// Why events were lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// They were beyond the budget, or came while nobody read the ring.
    Budget,
    /// This follower did not read.
    SlowFollower,
}

/// Since the filter was loaded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Events that the packet program passed on.
    pub events: u64,
    /// Events that it did not.
    pub lost: u64,
}

impl Record {
    /// Since it happened; nothing if its time makes no sense.
    pub fn age(&self, now: SystemTime) -> Option<Duration> {
        let time = humantime::parse_rfc3339(&self.time).ok()?;
        // The kernel's clock and this one may differ by a tick.
        Some(now.duration_since(time).unwrap_or_default())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (time, device, service) = (&self.time, escaped(&self.device), escaped(&self.service));
        let (action, reason) = (escaped(&self.action), escaped(&self.reason));
        write!(f, "{} {device} {action} {reason} {service} ", escaped(time))?;
        write!(f, "{} > ", end(self.source, self.source_port))?;
        write!(f, "{}", end(self.destination, self.destination_port))?;
        if let Some(protocol) = &self.protocol {
            write!(f, " {}", escaped(protocol))?;
        }
        if let Some(flags) = &self.tcp_flags {
            write!(f, " {}", escaped(flags))?;
        }
        for vlan in &self.vlans {
            write!(f, " vlan {vlan}")?;
        }
        let (length, generation) = (self.packet_length, self.generation);
        write!(f, " length {length} generation {generation}")
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.cause {
            Cause::Budget => write!(f, "{} events lost", self.lost)?,
            Cause::SlowFollower => write!(f, "{} lines lost: read too slowly", self.lost)?,
        }
        for (n, (reason, lost)) in self.by_reason.iter().enumerate() {
            let before = if n == 0 { ": " } else { ", " };
            write!(f, "{before}{} {lost}", escaped(reason))?;
        }
        Ok(())
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { events, lost } = self;
        write!(
            f,
            "{events} events and {lost} lost since the filter was loaded"
        )
    }
}

fn end(address: Option<IpAddr>, port: Option<u16>) -> String {
    match (address, port) {
        (Some(address), Some(port)) => SocketAddr::new(address, port).to_string(),
        (Some(address), None) => address.to_string(),
        (None, _) => "-".to_owned(),
    }
}

/// Without anything that moves a terminal's cursor, hides text or turns its direction.
fn escaped(text: &str) -> String {
    let escape = |c: char| match c {
        '"' | '\'' | '\\' => c.to_string(),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            time: "2026-11-24T03:11:11.250Z".into(),
            device: "eth0".into(),
            interface_index: 2,
            action: "drop".into(),
            reason: "not_allowed".into(),
            service: "api".into(),
            source: Some("2001:db8::7".parse().unwrap()),
            source_port: Some(40_000),
            destination: Some("2001:db8::1".parse().unwrap()),
            destination_port: Some(443),
            protocol: Some("tcp".into()),
            tcp_flags: Some("SYN".into()),
            vlans: vec![5],
            packet_length: 78,
            generation: 3,
        }
    }

    #[test]
    fn people_read_one_line() {
        insta::assert_snapshot!(
            record().to_string(),
            @"2026-11-24T03:11:11.250Z eth0 drop not_allowed api [2001:db8::7]:40000 > [2001:db8::1]:443 tcp SYN vlan 5 length 78 generation 3"
        );
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let record = Record {
            source: None,
            source_port: None,
            destination: None,
            destination_port: None,
            protocol: None,
            tcp_flags: None,
            vlans: vec![],
            service: "-".into(),
            reason: "malformed".into(),
            ..record()
        };
        insta::assert_snapshot!(
            record.to_string(),
            @"2026-11-24T03:11:11.250Z eth0 drop malformed - - > - length 78 generation 3"
        );
        insta::assert_snapshot!(
            serde_json::to_string(&record).unwrap(),
            @r#"{"time":"2026-11-24T03:11:11.250Z","device":"eth0","interface_index":2,"action":"drop","reason":"malformed","service":"-","packet_length":78,"generation":3}"#
        );
    }

    #[test]
    fn programs_read_one_object() {
        let line = Line::Event(record());
        let text = serde_json::to_string(&line).unwrap();
        insta::assert_snapshot!(
            text,
            @r#"{"event":{"time":"2026-11-24T03:11:11.250Z","device":"eth0","interface_index":2,"action":"drop","reason":"not_allowed","service":"api","source":"2001:db8::7","source_port":40000,"destination":"2001:db8::1","destination_port":443,"protocol":"tcp","tcp_flags":"SYN","vlans":[5],"packet_length":78,"generation":3}}"#
        );
        assert_eq!(serde_json::from_str::<Line>(&text).unwrap(), line);
    }

    #[test]
    fn losses_say_of_what() {
        let loss = Loss {
            lost: 7,
            cause: Cause::Budget,
            by_reason: [("denied".to_owned(), 3), ("malformed".to_owned(), 4)].into(),
        };
        assert_eq!(loss.to_string(), "7 events lost: denied 3, malformed 4");
        let loss = Loss {
            lost: 9,
            cause: Cause::SlowFollower,
            by_reason: BTreeMap::new(),
        };
        assert_eq!(loss.to_string(), "9 lines lost: read too slowly");
        assert_eq!(
            serde_json::to_string(&loss).unwrap(),
            r#"{"lost":9,"cause":"slow_follower"}"#
        );
    }

    #[test]
    fn names_cannot_move_the_cursor() {
        let record = Record {
            device: "e\u{1b}[2Jth\n\u{202e}0é".into(),
            ..record()
        };
        let text = record.to_string();
        assert!(text.contains(r"e\u{1b}[2Jth\n\u{202e}0é"), "{text}");
        assert!(!text.contains(char::is_control), "{text}");
    }
}
