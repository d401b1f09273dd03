//! A status as people read it.

use super::{ApplyStatus, InterfaceStatus, Status};
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.daemon {
            Some(daemon) => {
                let uptime = Duration::from_secs(daemon.uptime_seconds);
                let uptime = humantime::format_duration(uptime);
                writeln!(f, "daemon      running, pid {}, up {uptime}", daemon.pid)?;
                writeln!(f, "config      {}", daemon.config.display())?;
                if let Some(reload) = &daemon.last_reload {
                    writeln!(f, "last reload {} {}", reload.outcome, time(reload.at))?;
                    for line in reload.message.iter().flat_map(|m| m.lines()) {
                        writeln!(f, "            {line}")?;
                    }
                }
                if daemon.is_file_different {
                    writeln!(f, "            the file is not what is in force")?;
                }
                if !daemon.needs_restart.is_empty() {
                    let keys = daemon.needs_restart.join(", ");
                    writeln!(f, "            changed, but needs a restart: {keys}")?;
                }
            }
            None => writeln!(
                f,
                "daemon      not running; what follows is from the pinned maps"
            )?,
        }
        writeln!(f, "version     {} (ABI {})", self.version, self.abi)?;
        match &self.policy {
            None => writeln!(f, "policy      none: nothing is filtered")?,
            Some(policy) => {
                write!(f, "policy      generation {}", policy.generation)?;
                if let Some(at) = policy.applied_at {
                    write!(f, ", applied {}", time(at))?;
                }
                writeln!(f)?;
                if policy.is_fallback {
                    writeln!(
                        f,
                        "            THE LAST GOOD ONE: the configured file is invalid"
                    )?;
                }
                for list in &policy.lists {
                    let (name, v4, v6) = (&list.name, list.ipv4, list.ipv6);
                    writeln!(
                        f,
                        "list        {name}: IPv4 prefixes {v4}, IPv6 prefixes {v6}"
                    )?;
                }
            }
        }
        if let Some(apply) = &self.apply {
            writeln!(f, "{apply}")?;
        }
        if let Some(seconds) = self.bypass_seconds_left {
            let left = humantime::format_duration(Duration::from_secs(seconds));
            writeln!(
                f,
                "BYPASS      everything passes for {left} more; end it: edge-filter bypass --end"
            )?;
        }
        for interface in &self.interfaces {
            writeln!(f, "interface   {interface}")?;
        }
        if let Some(sources) = &self.sources {
            let (connections, packets) = (sources.connections, sources.packets);
            writeln!(
                f,
                "sources     {connections} with a connection rate, {packets} with a packet rate; \
                 room for {}",
                sources.capacity
            )?;
        }
        if let Some(exceptions) = &self.exceptions {
            let (bans, allows) = (exceptions.bans, exceptions.allows);
            writeln!(f, "exceptions  bans {bans}, timed allows {allows}")?;
        }
        if let Some(memory) = &self.memory {
            let (total, tables) = (mebibytes(memory.total()), mebibytes(memory.tables));
            writeln!(f, "memory      {total} MiB, {tables} MiB of it tables")?;
        }
        Ok(())
    }
}

impl fmt::Display for ApplyStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (candidate, at) = (self.candidate.display(), time(self.at));
        match self.stage.as_str() {
            "pending" => write!(
                f,
                "APPLY       {candidate} waits for `edge-filter confirm`; it reverts at {at}"
            ),
            "reverted" => write!(
                f,
                "apply       {candidate} was not confirmed: REVERTED at {at}"
            ),
            stage => write!(
                f,
                "apply       {candidate}: {} at {at}",
                stage.replace('_', " ")
            ),
        }
    }
}

impl fmt::Display for InterfaceStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.device)?;
        match (self.mode.as_str(), self.is_present) {
            ("none", is_present) => {
                write!(f, "NOT FILTERED")?;
                match &self.problem {
                    Some(problem) => write!(f, ": {problem}")?,
                    None if !is_present => write!(f, ": there is no such interface")?,
                    None => {}
                }
            }
            (mode, _) => write!(f, "attached, {mode}")?,
        }
        if let Some(since) = self.attached_since {
            write!(f, ", since {}", time(since))?;
        }
        if let Some(name) = &self.renamed_to {
            write!(f, ", now called {name}")?;
        }
        if !self.is_configured {
            write!(f, ", not in the policy")?;
        }
        Ok(())
    }
}

/// Seconds since 1970 as RFC 3339.
pub(crate) fn time(seconds: u64) -> String {
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// With one digit behind the point.
pub(crate) fn mebibytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / f64::from(1 << 20))
}
