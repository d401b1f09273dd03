//! A policy with its own world: what it says of each packet, and how often.

use super::Frame;
use crate::compile::{CompileError, Generation, Ids, compile};
use crate::config::policy::{Policy, Unlisted};
use crate::offline::Host;
use filter_common::verdict::{
    Action, COUNTERS, Count, Decision, Note, Outcome, Reason, counter_place,
};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A policy that judges a capture, from empty tables of sources on and without bans, timed allows
/// and sockets.
pub struct Judge {
    generation: Generation,
    host: Host,
    tracked_sources: u32,
    names: Vec<String>,
    devices: Vec<String>,
    unlisted: Unlisted,
    /// What interfaces of the capture are that the policy does not have.
    otherwise: Option<u32>,
    counts: Vec<Count>,
}

/// Why a policy cannot judge a capture.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// The policy is more than the tables hold.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The option names another interface than the policy.
    #[error("{device}: no [[interface]] of the policy has this name; known are {known}")]
    NoSuchDevice {
        /// The name.
        device: String,
        /// The policy's.
        known: String,
    },
    /// The capture does not say by which interface a packet came.
    #[error(
        "by which interface? The capture does not name one of {known}; say it with --device NAME"
    )]
    WhichDevice {
        /// The policy's.
        known: String,
    },
}

/// Service, action and reason, in the order of reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Verdict {
    /// Its name, where the packet belongs to one.
    pub service: Option<String>,
    /// Why.
    pub reason: Reason,
    /// What is done.
    pub action: Action,
}

impl Judge {
    /// A policy's judge. `device` is where all packets come in; else it is where the capture says,
    /// or the policy's only interface.
    ///
    /// # Errors
    /// The policy passes a capacity, or has no such interface.
    pub fn new(
        policy: &Policy,
        device: Option<&str>,
        ephemeral_ports: &RangeInclusive<u16>,
    ) -> Result<Self, JudgeError> {
        let generation = compile(policy, &Ids::in_order(policy))?;
        let devices: Vec<_> = policy.interfaces.iter().map(|i| i.name.clone()).collect();
        let otherwise = match device {
            Some(device) => {
                let slot = devices.iter().position(|name| name == device);
                let known = || devices.join(", ");
                Some(slot.ok_or_else(|| JudgeError::NoSuchDevice {
                    device: device.to_owned(),
                    known: known(),
                })? as u32)
            }
            None => (devices.len() == 1).then_some(0),
        };
        let tracked_sources = policy.daemon.tracked_sources;
        let ephemeral = ephemeral_ports.clone().into_inner();
        Ok(Self {
            generation,
            host: empty(tracked_sources, ephemeral),
            tracked_sources,
            names: policy.services.iter().map(|s| s.name.clone()).collect(),
            // Who names one means that, whatever the capture calls it.
            devices: if device.is_some() {
                Vec::new()
            } else {
                devices
            },
            unlisted: policy.unlisted_ports,
            otherwise,
            counts: vec![Count::default(); COUNTERS],
        })
    }

    /// As if it had seen no packet yet.
    pub fn start_over(mut self) -> Self {
        self.host = empty(self.tracked_sources, self.host.ephemeral);
        self.counts.fill(Count::default());
        self
    }

    /// From now on packets come in by this interface of the capture.
    ///
    /// # Errors
    /// Nobody knows which of the policy's that is.
    pub fn come_in_by(&mut self, device: Option<&str>) -> Result<(), JudgeError> {
        let named = device.and_then(|device| self.devices.iter().position(|name| name == device));
        let slot = named.map(|slot| slot as u32).or(self.otherwise);
        self.host.interface = slot.ok_or_else(|| JudgeError::WhichDevice {
            known: self.devices.join(", "),
        })?;
        Ok(())
    }

    /// Judges a packet at a time of the capture, in nanoseconds. Nothing is counted.
    pub(super) fn decide(&mut self, frame: &Frame<'_>, now_ns: u64) -> Decision {
        self.host.advance_to(now_ns);
        self.host.decide_packet(&self.generation, frame)
    }

    pub(super) fn count(&mut self, decision: Decision, bytes: u64) {
        // All interfaces together.
        if let Some(count) = self.counts.get_mut(decision.counter(0) as usize) {
            count.packets += 1;
            count.bytes += bytes;
        }
    }

    /// A verdict by name.
    pub(super) fn verdict(&self, service: Option<u8>, outcome: Outcome) -> Verdict {
        let name = service.and_then(|number| self.names.get(usize::from(number)));
        Verdict {
            service: name.cloned(),
            reason: outcome.reason(),
            action: outcome.action(),
        }
    }

    /// Everything that was counted.
    pub fn counted(&self) -> BTreeMap<Verdict, Count> {
        let mut found = BTreeMap::new();
        for (place, count) in (0..).zip(&self.counts) {
            if let (_, service, Some(outcome)) = counter_place(place)
                && count.packets > 0
            {
                found.insert(self.verdict(service, outcome), *count);
            }
        }
        found
    }

    /// Sources that lost their state to others because the tables were full.
    pub fn evictions(&self) -> u64 {
        let notes = self.host.notes.get();
        notes
            .get(Note::SourceEvicted as usize)
            .copied()
            .unwrap_or_default()
    }

    /// Whether its answers depend on sockets, which a capture has not.
    pub(super) const fn asks_for_sockets(&self) -> bool {
        !matches!(self.unlisted, Unlisted::Pass)
    }
}

fn empty(tracked_sources: u32, ephemeral: (u16, u16)) -> Host {
    let mut host = Host::with_sources(tracked_sources);
    host.ephemeral = ephemeral;
    host.now_ns = 0;
    host
}
