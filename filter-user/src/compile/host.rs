//! A generation's tables as the packet path reads them, in user space.

use super::Generation;
use filter_common::addr::Address;
use filter_common::policy::{self, Fixed, Page, Pages};

/// The tables of a generation, for `explain --config`, `replay` and tests.
#[derive(Clone, Copy)]
pub struct HostTables<'a> {
    generation: &'a Generation,
}

impl<'a> HostTables<'a> {
    /// Borrows a generation's tables.
    pub const fn new(generation: &'a Generation) -> Self {
        Self { generation }
    }

    /// The fixed part.
    pub fn fixed(&self) -> &'a Fixed {
        &self.generation.fixed
    }

    /// The class of a source; `None` if the tables are not well formed: a bug.
    pub fn class(&self, source: Address) -> Option<u16> {
        policy::class(self.fixed(), self, source)
    }
}

impl Pages for HostTables<'_> {
    fn page(&self, page: u32) -> Option<&Page> {
        self.generation.page(page)
    }
}
