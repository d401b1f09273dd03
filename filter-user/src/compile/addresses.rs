//! Service addresses: their slots and a perfect hash.

use super::error::CompileError;
use crate::config::policy::{Policy, Service};
use filter_common::policy::{ADDRESS_PLACES, ADDRESSES, Fixed, address_place};
use std::net::IpAddr;

/// Multipliers tried; for 64 addresses each fits with a probability of 0.6.
const TRIES: u64 = 1 << 12;
/// Upper bits of the lower half of an IPv4-mapped address (RFC 4291 s. 2.5.5.2).
const IPV4_MAPPED: u64 = 0xffff_0000_0000;

/// Distinct service addresses in the order in which the policy names them; slot 0 is none.
pub(super) struct Addresses(Vec<[u64; 2]>);

impl Addresses {
    pub fn new(policy: &Policy) -> Result<Self, CompileError> {
        let mut all = Vec::new();
        for address in policy
            .services
            .iter()
            .flat_map(|service| &service.addresses)
        {
            let halves = halves(*address);
            if !all.contains(&halves) {
                all.push(halves);
            }
        }
        if all.len() > ADDRESSES {
            let has = |service: &&Service| !service.addresses.is_empty();
            let services = policy.services.iter().filter(has);
            return Err(CompileError::Addresses {
                services: services.map(|service| service.name.clone()).collect(),
            });
        }
        Ok(Self(all))
    }

    /// The slots of a service's addresses.
    pub fn slots<'s>(&'s self, service: &'s Service) -> impl Iterator<Item = usize> + 's {
        let slot = |address| {
            let halves = halves(address);
            self.0
                .iter()
                .position(|known| *known == halves)
                .map(|at| at + 1)
        };
        service.addresses.iter().copied().filter_map(slot)
    }

    pub fn write(&self, fixed: &mut Fixed) -> Result<(), CompileError> {
        fixed.settings.has_addresses = u32::from(!self.0.is_empty());
        fixed.addresses[..self.0.len()].copy_from_slice(&self.0);
        let (multiplier, places) = (0..TRIES)
            .map(multiplier)
            .find_map(|multiplier| Some((multiplier, self.places(multiplier)?)))
            .ok_or(CompileError::AddressHash)?;
        fixed.settings.address_multiplier = multiplier;
        fixed.address_places = places;
        Ok(())
    }

    /// Where each address lies, or `None` if two share a place.
    fn places(&self, multiplier: u64) -> Option<[u8; ADDRESS_PLACES]> {
        let mut places = [0; ADDRESS_PLACES];
        for (slot, &[upper, lower]) in (1..).zip(&self.0) {
            let place = &mut places[address_place(upper, lower, multiplier)];
            if *place != 0 {
                return None;
            }
            *place = slot;
        }
        Some(places)
    }
}

fn halves(address: IpAddr) -> [u64; 2] {
    match address {
        IpAddr::V4(address) => [0, IPV4_MAPPED | u64::from(u32::from(address))],
        IpAddr::V6(address) => {
            let address = u128::from(address);
            [(address >> 64) as u64, address as u64]
        }
    }
}

/// Odd numbers that look random (Steele, Lea, Flood: splitmix, OOPSLA 2014).
const fn multiplier(attempt: u64) -> u64 {
    let x = (attempt + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ x >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ x >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    (x ^ x >> 31) | 1
}
