//! Rates and bursts, within what the packet program can count exactly.

use super::diagnostic::{Finding, Findings};
use super::file::Rates;
use super::policy::Rate;
use filter_common::gcra;
use serde_spanned::Spanned;

/// The clock of the packet program moves once a tick, of up to 10 ms: a burst that does not
/// cover one would refuse sources that keep to their rate.
const TICKS_PER_SECOND: f64 = 100.0;
struct Kind {
    counted: gcra::Kind,
    rate: &'static str,
    burst: &'static str,
    least: f64,
    most: f64,
    bounds: &'static str,
}

const CONNECTIONS: Kind = Kind {
    counted: gcra::Kind::Connection,
    rate: "connections_per_second",
    burst: "burst",
    least: 1.0 / 7200.0,
    most: 10_000.0,
    bounds: "one connection in two hours (0.00014) to 10000 a second",
};

const PACKETS: Kind = Kind {
    counted: gcra::Kind::Packet,
    rate: "packets_per_second",
    burst: "packet_burst",
    least: 1.0,
    most: 10_000_000.0,
    bounds: "1 to 10000000 packets a second",
};

/// The connection rate and the packet rate.
pub(super) fn read(typed: &Rates, findings: &Findings) -> (Option<Rate>, Option<Rate>) {
    let connections = &typed.connections_per_second;
    let packets = &typed.packets_per_second;
    (
        CONNECTIONS.read(connections.as_ref(), typed.burst.as_ref(), findings),
        PACKETS.read(packets.as_ref(), typed.packet_burst.as_ref(), findings),
    )
}

/// Whether anything is limited, or tried to be.
pub(super) fn names_any(typed: &Rates) -> bool {
    let values = [
        &typed.connections_per_second,
        &typed.burst,
        &typed.packets_per_second,
        &typed.packet_burst,
    ];
    values.into_iter().any(Option::is_some)
}

impl Kind {
    fn read(
        &self,
        per_second: Option<&Spanned<f64>>,
        burst: Option<&Spanned<f64>>,
        findings: &Findings,
    ) -> Option<Rate> {
        let Some(per_second) = per_second else {
            if let Some(burst) = burst {
                let message = format!("`{}` without `{}`", self.burst, self.rate);
                let help = format!("write {} beside it", self.rate);
                findings.push(Finding::error(burst.span(), message).help(help));
            }
            return None;
        };
        let rate = *per_second.get_ref();
        if !(self.least..=self.most).contains(&rate) {
            let message = if rate == 0.0 {
                format!("`{}` is zero", self.rate)
            } else if rate.is_nan() || rate < 0.0 {
                format!("`{}` is not a rate", self.rate)
            } else {
                format!("`{}` is out of bounds", self.rate)
            };
            let help = if rate == 0.0 {
                format!("{}; to admit nobody, use `deny`", self.bounds)
            } else {
                self.bounds.to_owned()
            };
            findings.push(Finding::error(per_second.span(), message).help(help));
            return None;
        }
        let Some(burst) = burst else {
            return Some(Rate {
                per_second: rate,
                burst: rate.max(1.0),
            });
        };
        if let Some((message, help)) = self.complaint(rate, *burst.get_ref()) {
            let finding = Finding::error(burst.span(), message).help(help);
            findings.push(finding.also(per_second.span(), "the rate"));
            return None;
        }
        Some(Rate {
            per_second: rate,
            burst: *burst.get_ref(),
        })
    }

    fn complaint(&self, rate: f64, burst: f64) -> Option<(String, String)> {
        let name = self.burst;
        if burst.is_nan() || burst < 1.0 {
            let message = format!("`{name}` is under 1");
            return Some((
                message,
                "nothing would ever pass; write 1 or more".to_owned(),
            ));
        }
        if burst * TICKS_PER_SECOND < rate {
            let message = format!("`{name}` does not cover 10 ms of its rate");
            let least = (rate / TICKS_PER_SECOND).ceil();
            return Some((message, format!("the clock's tick; write {least} or more")));
        }
        // What the packet program can count is the last word, its rounding included.
        let countable = |burst: f64| gcra::Rate::new(self.counted, rate, burst).is_some();
        if !countable(burst) {
            let message = format!("`{name}` reaches further than 4 hours at its rate");
            let most = (rate * gcra::MAX_REACH_SECONDS as f64).floor();
            let most = if countable(most) { most } else { most - 1.0 };
            return Some((message, format!("write {most} or less, or a higher rate")));
        }
        None
    }
}
