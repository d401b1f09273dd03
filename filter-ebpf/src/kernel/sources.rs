//! The table of sources, in maps.

use super::cells::KernelCell;
use super::maps::{CONNECTIONS, PACKETS};
use filter_common::gcra::Kind;
use filter_common::sources::WAYS;
use filter_common::state::State;

/// The set of cells that a hash names.
#[inline(always)]
pub fn cells(state: &State, kind: Kind, hash: u64) -> Option<&'static [KernelCell; WAYS]> {
    match kind {
        Kind::Connection => CONNECTIONS.get((hash & state.connection_set_mask) as u32),
        Kind::Packet => PACKETS.get((hash & state.packet_set_mask) as u32),
    }
}
