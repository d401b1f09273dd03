//! Rates to numbered profiles: each distinct pair of rates and override once.

use super::error::CompileError;
use super::summary::RateSummary;
use crate::config::policy::{Override, Policy, Rate as Written, Service, Sources};
use filter_common::gcra::{Kind, Rate};
use filter_common::policy::{ClassEntry, ClassRow, PROFILES, Profile};
use std::collections::HashMap;

/// How many services an error names.
const NAMED: usize = 4;

/// All profiles of a policy. A service with `rate_limit` has a number other than 0 even where
/// it limits nothing: 0 is what marks a source as exempt.
pub(super) struct Profiles {
    /// By number; number 0 limits nothing.
    pub table: Vec<Profile>,
    /// The service's own, by index into `Policy::services`; 0 without `rate_limit`.
    pub own: Vec<u16>,
    /// Of each service, by index: those of its overrides.
    pub overrides: Vec<Vec<u16>>,
    /// What is enforced.
    pub rates: Vec<RateSummary>,
}

impl Profiles {
    pub fn new(policy: &Policy) -> Result<Self, CompileError> {
        let mut profiles = Self {
            table: vec![Profile::default()],
            own: Vec::new(),
            overrides: Vec::new(),
            rates: Vec::new(),
        };
        let mut numbers = HashMap::new();
        for (index, service) in policy.services.iter().enumerate() {
            let mut own = 0;
            let mut overrides = Vec::new();
            if let Some(limit) = &service.rate_limit {
                let base = Profile {
                    connections: rate(service, None, Kind::Connection, limit.connections)?,
                    packets: rate(service, None, Kind::Packet, limit.packets)?,
                    ..Profile::default()
                };
                own = profiles.number(&mut numbers, base, policy)?;
                profiles.rates.push(summary(index, None, &base));
                for (at, other) in limit.overrides.iter().enumerate() {
                    let profile = override_profile(policy, service, at, other, &base)?;
                    overrides.push(profiles.number(&mut numbers, profile, policy)?);
                    profiles.rates.push(summary(index, Some(at), &profile));
                }
            }
            profiles.own.push(own);
            profiles.overrides.push(overrides);
        }
        Ok(profiles)
    }

    /// Marks in rows of classes which entries' rates limit packets.
    pub fn mark(&self, rows: &mut [ClassRow]) {
        for entry in rows.as_flattened_mut() {
            if self.table[entry.profile()].packets.is_limit() {
                *entry = ClassEntry::from_bits(entry.to_bits() | ClassEntry::LIMITS_PACKETS);
            }
        }
    }

    fn number(
        &mut self,
        numbers: &mut HashMap<[u8; size_of::<Profile>()], u16>,
        profile: Profile,
        policy: &Policy,
    ) -> Result<u16, CompileError> {
        let next = self.table.len();
        let number = *numbers
            .entry(zerocopy::transmute!(profile))
            .or_insert(next as u16);
        if usize::from(number) == next {
            if next == PROFILES {
                return Err(too_many(policy));
            }
            self.table.push(profile);
        }
        Ok(number)
    }
}

fn override_profile(
    policy: &Policy,
    service: &Service,
    at: usize,
    other: &Override,
    base: &Profile,
) -> Result<Profile, CompileError> {
    let connections = match other.connections {
        None => base.connections,
        written => rate(service, Some(at), Kind::Connection, written)?,
    };
    let packets = match other.packets {
        None => base.packets,
        written => rate(service, Some(at), Kind::Packet, written)?,
    };
    Ok(Profile {
        connections,
        packets,
        override_tag: override_tag(policy, &other.sources),
        ..Profile::default()
    })
}

fn rate(
    service: &Service,
    override_at: Option<usize>,
    kind: Kind,
    written: Option<Written>,
) -> Result<Rate, CompileError> {
    let Some(Written { per_second, burst }) = written else {
        return Ok(Rate::NONE);
    };
    Rate::new(kind, per_second, burst).ok_or_else(|| {
        let what = match kind {
            Kind::Connection => "connections",
            Kind::Packet => "packets",
        };
        CompileError::Rate {
            service: service.name.clone(),
            override_number: override_at.map(|at| at + 1),
            what: format!("{per_second} {what} a second with a burst of {burst}"),
        }
    })
}

fn summary(service: usize, override_index: Option<usize>, profile: &Profile) -> RateSummary {
    let effective = |rate: &Rate, kind| rate.is_limit().then(|| rate.effective_per_second(kind));
    RateSummary {
        service,
        override_index,
        connections_per_second: effective(&profile.connections, Kind::Connection),
        packets_per_second: effective(&profile.packets, Kind::Packet),
    }
}

/// A number for an override that stays while its sources stay, so that a reload keeps the
/// state of its rates. FNV-1a, 32 bits (Fowler, Noll, Vo); never 0.
fn override_tag(policy: &Policy, sources: &Sources) -> u32 {
    let mut names: Vec<_> = sources
        .lists
        .iter()
        .map(|&at| &policy.lists[at].name)
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut v4 = sources.v4.clone();
    v4.sort_unstable();
    v4.dedup();
    let mut v6 = sources.v6.clone();
    v6.sort_unstable();
    v6.dedup();
    let mut tag = 0x811c_9dc5_u32;
    let mut add = |text: &str| {
        // A newline ends each: no name or prefix has one.
        for byte in text.bytes().chain([b'\n']) {
            tag = (tag ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    };
    names.iter().for_each(|name| add(name));
    v4.iter().for_each(|prefix| add(&prefix.to_string()));
    v6.iter().for_each(|prefix| add(&prefix.to_string()));
    tag.max(1)
}

fn too_many(policy: &Policy) -> CompileError {
    let overrides = |service: &Service| {
        let limit = service.rate_limit.as_ref();
        limit.map_or(0, |limit| limit.overrides.len())
    };
    let mut services: Vec<_> = policy.services.iter().collect();
    services.sort_by_key(|service| std::cmp::Reverse(overrides(service)));
    let services = services.iter().take(NAMED);
    CompileError::Profiles {
        services: services.map(|service| service.name.clone()).collect(),
    }
}
