//! An explanation as people read it.

use super::{Answerer, Decider, Explanation, Packet, RateState, Timed};
use crate::config::Mention;
use filter_common::verdict::Reason;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// Beyond this nobody means a date: what is "for good" in all but name.
const DATED_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.action, self.reason)?;
        if let Some(row) = self.row {
            write!(f, ", row {row} of the verdict table")?;
        }
        writeln!(f, "\n  {}", self.meaning)?;
        if !self.spared_by.is_empty() {
            writeln!(f, "  but passes, by {}", self.spared_by.join(" and "))?;
        }
        writeln!(f, "\npacket      {} on {}", self.packet, self.device)?;
        match &self.service {
            Some(service) => {
                write!(f, "service     {}", service.name)?;
                if let Some(at) = &service.at {
                    write!(f, " ({at})")?;
                }
                writeln!(f)?;
            }
            None => writeln!(f, "service     none")?,
        }
        if let Some(decider) = &self.decided_by {
            writeln!(f, "decided by  {decider}")?;
        }
        if let Some(class) = &self.class {
            let says = [
                (class.is_allowed, "in allow"),
                (class.is_denied, "in deny"),
                (class.is_management, "may reach management"),
            ];
            let says: Vec<_> = says.iter().filter(|s| s.0).map(|s| s.1).collect();
            write!(f, "class       {}", class.number)?;
            if self.service.is_some() || class.is_management {
                let says = says.join(", ");
                let nothing = if says.is_empty() { "in no set" } else { "" };
                write!(f, ": {says}{nothing}")?;
            }
            if class.profile != 0 {
                write!(f, ", rates number {}", class.profile)?;
            }
            writeln!(f)?;
        }
        if let Some(mention) = &self.exempt {
            writeln!(f, "rate        none: exempt, {mention}")?;
        }
        for rate in &self.rates {
            writeln!(f, "rate        {rate}")?;
        }
        match &self.ban {
            Some(ban) => writeln!(f, "ban         {ban}")?,
            None if self.is_ban_asked() => writeln!(f, "ban         none")?,
            None => {}
        }
        if let Some(allow) = &self.allow {
            writeln!(f, "allow       {allow}")?;
        }
        match (self.answered_by, self.generation) {
            (Answerer::LoadedProgram, Some(generation)) => {
                writeln!(
                    f,
                    "answered    by the loaded program, generation {generation}"
                )?;
            }
            (Answerer::LoadedProgram, None) => writeln!(f, "answered    by the loaded program")?,
            (Answerer::Offline, _) => writeln!(
                f,
                "answered    offline, as for a host without bans, timed allows and sockets, and a \
                 source at rest"
            )?,
        }
        for note in &self.notes {
            writeln!(f, "note        {note}")?;
        }
        Ok(())
    }
}

impl Explanation {
    /// What comes before row 8 does not ask for bans.
    fn is_ban_asked(&self) -> bool {
        let earlier = [Reason::Malformed, Reason::Fragment, Reason::Management];
        let is_earlier = earlier.iter().any(|reason| reason.label() == self.reason);
        self.service.is_some() && !is_earlier
    }
}

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source_port {
            Some(port) => write!(f, "{} port {port}", self.source)?,
            None => write!(f, "{}", self.source)?,
        }
        write!(f, " to {}, {}", self.destination, self.port)?;
        if let Some(flags) = &self.flags {
            write!(f, " {flags}")?;
        }
        for vlan in &self.vlans {
            write!(f, ", vlan {vlan}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Decider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match (&self.mention, &self.at) {
            (Some(mention), Some(at)) if mention.at == *at => write!(f, ": {mention}"),
            (Some(mention), Some(at)) => write!(f, " ({at}), of {mention}"),
            (None, Some(at)) => write!(f, " ({at})"),
            (_, None) => Ok(()),
        }
    }
}

impl fmt::Display for Mention {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.prefix)?;
        match &self.list {
            Some(list) => write!(
                f,
                " of list {list} ({}), named at {}",
                self.at, self.named_at
            ),
            None => write!(f, " ({})", self.at),
        }
    }
}

impl fmt::Display for RateState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per_second = (self.per_second * 1000.0).round() / 1000.0;
        write!(
            f,
            "{}: {} of {} left, {per_second} a second",
            self.kind, self.left, self.burst
        )?;
        if let Some(prefix) = &self.override_prefix {
            write!(f, " for the override of {prefix}")?;
        }
        if let Some(at) = &self.at {
            write!(f, " ({at})")?;
        }
        if self.next_in_seconds > 0.0 {
            let milliseconds = (self.next_in_seconds * 1e3).ceil() as u64;
            let wait = humantime::format_duration(Duration::from_millis(milliseconds));
            write!(f, "; the next is let in in {wait}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Timed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            Some(service) => write!(f, "service {service}")?,
            None => write!(f, "all services")?,
        }
        if self.prefix_length == 64 {
            write!(f, ", the whole /64")?;
        }
        if self.seconds_left > DATED_SECONDS {
            return write!(f, ", without an end");
        }
        let left = humantime::format_duration(Duration::from_secs(self.seconds_left));
        let until = UNIX_EPOCH + Duration::from_secs(self.expires_at);
        let until = humantime::format_rfc3339_seconds(until);
        write!(f, ", for another {left}, until {until}")
    }
}
