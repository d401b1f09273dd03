//! Bans and timed allows as keys of their maps.

use filter_common::addr::{Scope, SourceKey};
use filter_common::state::{ALLOWS, BANS_V4, BANS_V6, BANS_V6_64, of_scope};
use std::net::IpAddr;

/// Address, prefix length (32, 64 or 128), service (`None`: all), expiry in nanoseconds.
pub type Exception = (IpAddr, u8, Option<u8>, u64);

/// Expiry by key; of several the latest.
pub fn latest(exceptions: &[Exception], is_allow: bool) -> Vec<(SourceKey, u64)> {
    let mut all: Vec<(SourceKey, u64)> = Vec::new();
    for exception in exceptions {
        for key in keys(exception, is_allow) {
            match all.iter_mut().find(|(known, _)| *known == key) {
                Some((_, expiry)) => *expiry = exception.3.max(*expiry),
                None => all.push((key, exception.3)),
            }
        }
    }
    all
}

/// Which look-ups are worth making.
pub fn worth(bans: &[Exception], allows: &[Exception]) -> u64 {
    let ban = |exception: &Exception| {
        let flag = match (exception.0, exception.1) {
            (IpAddr::V4(_), _) => BANS_V4,
            (_, 128) => BANS_V6,
            _ => BANS_V6_64,
        };
        of_scope(flag, scope(exception))
    };
    let allow = |exception: &Exception| of_scope(ALLOWS, scope(exception));
    let flags = bans.iter().map(ban).chain(allows.iter().map(allow));
    flags.fold(0, |all, one| all | one)
}

fn scope(exception: &Exception) -> Scope {
    exception.2.map_or(Scope::All, Scope::Service)
}

fn keys(exception: &Exception, is_allow: bool) -> Vec<SourceKey> {
    let (address, length, service, _) = exception;
    let scope = scope(exception);
    let any = (is_allow && service.is_some()).then_some(Scope::Any);
    let key = |scope| match address {
        IpAddr::V4(address) => SourceKey::v4(address.to_bits(), scope),
        IpAddr::V6(address) => {
            let (upper, lower) = ((address.to_bits() >> 64) as u64, address.to_bits() as u64);
            match length {
                64 => SourceKey::v6_64(upper, scope),
                _ => SourceKey::v6(upper, lower, scope),
            }
        }
    };
    std::iter::once(scope).chain(any).map(key).collect()
}
