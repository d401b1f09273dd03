//! What a service says about a source: one look-up of its prefix, one of its class. None where it
//! says the same about all.

use crate::tables::{Finding, Tables};
use filter_common::addr::Address;
use filter_common::policy::{ClassEntry, PortEntry, SERVICES, class_entry};

/// What the service of a port says about a source. `None` is a fault.
#[inline(always)]
pub fn entry<T: Tables>(
    tables: &T,
    port: PortEntry,
    source: Address,
    service: u8,
) -> Option<ClassEntry> {
    let uniform = uniform(tables, port, source, service);
    if uniform.is_some() && !tables.wants_class() {
        return uniform;
    }
    let entry = of_class(tables, source, service)?;
    uniform.or(Some(entry))
}

/// What the service says about all sources of that family, if that is one thing.
#[inline(always)]
fn uniform<T: Tables>(
    tables: &T,
    port: PortEntry,
    source: Address,
    service: u8,
) -> Option<ClassEntry> {
    let (is_uniform, family) = match source {
        Address::V4(_) => (port.is_uniform_v4(), 0),
        Address::V6 { .. } => (port.is_uniform_v6(), 1),
    };
    let entries = &tables.fixed().services[usize::from(service) % SERVICES].uniform;
    is_uniform.then_some(entries[family])
}

/// The entry of the source's class for a service. `None` is a fault.
#[inline(always)]
pub fn of_class<T: Tables>(tables: &T, source: Address, service: u8) -> Option<ClassEntry> {
    let class = tables.class(source)?;
    let entry = class_entry(tables.fixed(), tables, class, service)?;
    tables.tell(Finding::Class(class, entry));
    Some(entry)
}
