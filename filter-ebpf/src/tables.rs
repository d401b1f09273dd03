//! Every look-up that a stage may make: maps in the kernel, ordinary memory on the host.

use filter_common::addr::{Address, SourceKey};
use filter_common::gcra::{Cost, Kind, Rate};
use filter_common::policy::{self, ClassEntry, Fixed, GroupEntry, Pages};
use filter_common::sources::{self, Cell, Seed, Taken, WAYS};
use filter_common::verdict::Note;

/// The tables of one packet: a generation, and what outlives generations.
///
/// `None` is a table that is not there: a fault, never a verdict.
pub trait Tables: Pages {
    /// A cell of the table of sources.
    type Cell: Cell;

    /// The generation's fixed part.
    fn fixed(&self) -> &Fixed;

    /// Slot of the interface that the packet came in by.
    fn interface(&self) -> u32;

    /// The class of a source. `None` is a fault.
    #[inline(always)]
    fn class(&self, source: Address) -> Option<u16> {
        policy::class(self.fixed(), self, source)
    }

    /// The key of the hash of sources.
    fn seed(&self) -> &Seed;

    /// The set of cells that a hash names.
    fn cells(&self, kind: Kind, hash: u64) -> Option<&[Self::Cell; WAYS]>;

    /// Books one event of the source that `hash` names, if it conforms. `now_ns` is the coarse
    /// clock.
    #[inline(always)]
    fn take(&self, kind: Kind, hash: u64, rate: &Rate, cost: Cost, now_ns: u64) -> Option<Taken> {
        Some(sources::take(
            self.cells(kind, hash)?,
            hash,
            rate,
            cost,
            kind.time(now_ns),
        ))
    }

    /// Whether one more event would conform; nothing is changed.
    #[inline(always)]
    fn peek(&self, kind: Kind, hash: u64, rate: &Rate, cost: Cost, now_ns: u64) -> Option<bool> {
        Some(sources::peek(
            self.cells(kind, hash)?,
            hash,
            rate,
            cost,
            kind.time(now_ns),
        ))
    }

    /// The theoretical arrival time of the source that `hash` names, if it has a cell; nothing
    /// is changed. The outer `None` is a fault.
    #[inline(always)]
    fn look(&self, kind: Kind, hash: u64) -> Option<Option<u64>> {
        Some(sources::look(self.cells(kind, hash)?, hash))
    }

    /// Which look-ups of bans and timed allows are worth making; see `state`.
    fn exceptions(&self) -> u64;

    /// When a ban ends, in nanoseconds of the coarse clock, if there is one.
    fn ban_expiry(&self, key: &SourceKey) -> Option<u64>;

    /// When a timed allow ends, if there is one.
    fn allow_expiry(&self, key: &SourceKey) -> Option<u64>;

    /// Whether everything passes for now.
    fn is_bypassed(&self) -> bool;

    /// Whether the host gives such a port (in host order) to its own connections.
    fn is_ephemeral(&self, port: u16) -> bool;

    /// Whether the host has a TCP socket for these ends that is not a listening one.
    fn has_tcp_connection(&self, ends: &Ends) -> bool;

    /// The host's UDP socket for these ends.
    fn udp_socket(&self, ends: &Ends) -> UdpSocket;

    /// Counts something beside the packet.
    fn note(&self, note: Note);

    /// Whether the class of a source is to be told also where the verdict does not need it.
    #[inline(always)]
    fn wants_class(&self) -> bool {
        false
    }

    /// Told what a stage found on its way. Only who has been asked to explain listens.
    #[inline(always)]
    fn tell(&self, _: Finding) {}
}

/// What a stage found, and does not say in its decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// The service that lists the port, if one does.
    Listed(GroupEntry),
    /// The source's class, and what the service says about it.
    Class(u16, ClassEntry),
    /// The packet is a later fragment.
    LaterFragment,
}

/// Both ends of a flow, from the sender's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ends {
    /// Who sent it.
    pub source: Address,
    /// To which of the host's addresses.
    pub destination: Address,
    /// As on the wire.
    pub source_port: u16,
    /// As on the wire.
    pub port: u16,
}

/// What UDP socket the host has for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UdpSocket {
    /// None.
    None,
    /// One that takes packets of anybody.
    Unconnected,
    /// One that is connected to the sender.
    Connected,
}
