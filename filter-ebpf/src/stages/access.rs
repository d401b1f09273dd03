//! What a service says about a source: one look-up of its prefix, one of its class.

use crate::tables::{Finding, Tables};
use filter_common::addr::Address;
use filter_common::policy::{ClassEntry, class_entry};
use filter_common::table6::Found;
use filter_common::{table4, table6};

/// The entry of the source's class for a service. `None` is a fault.
#[inline(always)]
pub fn entry<T: Tables>(tables: &T, source: Address, service: u8) -> Option<ClassEntry> {
    let fixed = tables.fixed();
    let class = match source {
        Address::V4(address) => table4::class(fixed, tables, address),
        Address::V6 { upper, lower } => match table6::upper_half(fixed, tables, upper)? {
            Found::Class(class) => Some(class),
            Found::Below(root) => tables.lower_class(root, lower),
        },
    };
    let class = class?;
    let entry = class_entry(fixed, tables, class, service)?;
    tables.tell(Finding::Class(class, entry));
    Some(entry)
}
