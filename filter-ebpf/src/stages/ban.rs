//! Timed exceptions: bans and allows, expired here, swept by the daemon. Looked up only while
//! there are any of the kind.

use crate::tables::Tables;
use filter_common::addr::{Address, Scope, SourceKey};
use filter_common::state::{ALLOWS, BANS_V4, BANS_V6, BANS_V6_64, of_scope};

/// Whether the source is banned from the service, or from all.
#[inline(always)]
pub fn is_banned<T: Tables>(
    tables: &T,
    source: Address,
    service: u8,
    now: impl Fn() -> u64,
) -> bool {
    // Most policies have none at most times.
    tables.exceptions() != 0
        && (is_banned_from(tables, source, Scope::Service(service), &now)
            || is_banned_from(tables, source, Scope::All, &now))
}

/// Whether there is a ban of just this scope.
#[inline(always)]
pub fn is_banned_from<T: Tables>(
    tables: &T,
    source: Address,
    scope: Scope,
    now: impl Fn() -> u64,
) -> bool {
    let lasts = |key| tables.ban_expiry(&key).is_some_and(|expiry| expiry > now());
    let exceptions = tables.exceptions();
    let has = |flag| exceptions & of_scope(flag, scope) != 0;
    match source {
        Address::V4(address) => has(BANS_V4) && lasts(SourceKey::v4(address, scope)),
        Address::V6 { upper, lower } => {
            has(BANS_V6) && lasts(SourceKey::v6(upper, lower, scope))
                || has(BANS_V6_64) && lasts(SourceKey::v6_64(upper, scope))
        }
    }
}

/// Whether a timed allow lets the source reach the service.
#[inline(always)]
pub fn is_allowed<T: Tables>(
    tables: &T,
    source: Address,
    service: u8,
    now: impl Fn() -> u64,
) -> bool {
    tables.exceptions() != 0
        && (is_allowed_by(tables, source, Scope::Service(service), &now)
            || is_allowed_by(tables, source, Scope::All, &now))
}

/// Whether there is a timed allow of just this scope.
#[inline(always)]
pub fn is_allowed_by<T: Tables>(
    tables: &T,
    source: Address,
    scope: Scope,
    now: impl Fn() -> u64,
) -> bool {
    if tables.exceptions() & of_scope(ALLOWS, scope) == 0 {
        return false;
    }
    let lasts = |key| {
        tables
            .allow_expiry(&key)
            .is_some_and(|expiry| expiry > now())
    };
    match source {
        Address::V4(address) => lasts(SourceKey::v4(address, scope)),
        Address::V6 { upper, lower } => {
            lasts(SourceKey::v6(upper, lower, scope)) || lasts(SourceKey::v6_64(upper, scope))
        }
    }
}
