//! Row 4: later fragments carry no port. Their first fragment was judged, and without it they
//! come to nothing; so they pass, unless their source has no business here at all.

use super::{access, ban};
use crate::tables::{Finding, Tables};
use filter_common::addr::{Address, Scope};
use filter_common::policy::{ClassEntry, UNLISTED_MONITOR, UNLISTED_PASS};
use filter_common::verdict::Outcome;

/// Judges a later fragment by its source.
#[inline(always)]
pub fn later<T: Tables>(tables: &T, source: Address, now: impl Fn() -> u64) -> Outcome {
    tables.tell(Finding::LaterFragment);
    if ban::is_banned_from(tables, source, Scope::All, &now) {
        return Outcome::FRAGMENT;
    }
    let unlisted = tables.fixed().settings.unlisted;
    if unlisted == UNLISTED_PASS {
        return Outcome::FRAGMENT_PASSED;
    }
    let Some(entry) = access::of_class(tables, source, 0) else {
        return Outcome::FAULT;
    };
    if entry.has(ClassEntry::ANY_ALLOWS)
        || ban::is_allowed_by(tables, source, Scope::All, &now)
        || ban::is_allowed_by(tables, source, Scope::Any, &now)
    {
        Outcome::FRAGMENT_PASSED
    } else if unlisted == UNLISTED_MONITOR {
        Outcome::FRAGMENT.spared()
    } else {
        Outcome::FRAGMENT
    }
}
