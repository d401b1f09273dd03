//! What outlives a policy: the words that daemon and packet program share through one mapped
//! array, all of them read and written as aligned 8-byte words.

use crate::addr::Scope;
use crate::policy::INTERFACES;
use crate::sources::Seed;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Slots for generations: the one in force, the revert target, a pending one, one to fill.
pub const SLOTS: usize = 4;
/// Entries of the table from interface index to slot: the configured interfaces and the
/// members of bonds among them, which report themselves as the packet's interface.
pub const INTERFACE_ENTRIES: usize = 2 * INTERFACES;

/// Which generation judges: slot (2 bits), revert slot (2), generation number (28), and the
/// deadline at which the revert slot takes over (32 bits of seconds since boot; 0 for none).
/// Without a deadline the revert slot holds what a rollback puts in force; it is the slot itself
/// where there is nothing to go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Active(u64);

impl Active {
    /// Generation numbers stay below this.
    pub const MAX_GENERATION: u32 = (1 << 28) - 1;

    /// A generation in force for good.
    pub const fn settled(slot: u32, generation: u32) -> Self {
        Self((slot & 3) as u64 | (slot as u64 & 3) << 2 | (generation as u64 & 0xfff_ffff) << 4)
    }

    /// A generation in force for good, with the one in `previous` kept for a rollback.
    pub const fn keeping(slot: u32, previous: u32, generation: u32) -> Self {
        Self::pending(slot, previous, generation, 0)
    }

    /// A generation in force until `deadline` seconds after boot, then the one in `revert`.
    pub const fn pending(slot: u32, revert: u32, generation: u32, deadline: u32) -> Self {
        let words = Self::settled(slot, generation).0 & !0xc;
        Self(words | (revert as u64 & 3) << 2 | (deadline as u64) << 32)
    }

    /// The word as it stands in the map. 0 names no generation.
    pub const fn from_word(word: u64) -> Self {
        Self(word)
    }

    /// The word for the map.
    pub const fn to_word(self) -> u64 {
        self.0
    }

    /// Whether a generation was ever put in force.
    #[inline(always)]
    pub const fn is_set(self) -> bool {
        // That of no generation has nothing else either; as one comparison it costs nothing.
        self.0 != 0
    }

    /// Slot of the newest generation.
    pub const fn slot(self) -> u32 {
        (self.0 & 3) as u32
    }

    /// Slot of the generation before, to revert or roll back to; [`Self::slot`] if there is none.
    pub const fn revert_slot(self) -> u32 {
        (self.0 >> 2 & 3) as u32
    }

    /// Number of the newest generation; 0 for none.
    pub const fn generation(self) -> u32 {
        (self.0 >> 4 & 0xfff_ffff) as u32
    }

    /// Whether there is a generation to revert or roll back to.
    pub const fn has_previous(self) -> bool {
        self.revert_slot() != self.slot()
    }

    /// Whether the newest generation waits for its confirmation, or did so in vain.
    pub const fn is_pending(self) -> bool {
        self.deadline_seconds() != 0
    }

    /// Whether the deadline has passed: the revert slot judges.
    pub const fn is_reverted(self, boot_seconds: u64) -> bool {
        self.is_pending() && boot_seconds >= self.deadline_seconds() as u64
    }

    /// The newest generation, confirmed.
    pub const fn confirmed(self) -> Self {
        Self::keeping(self.slot(), self.revert_slot(), self.generation())
    }

    /// The generation before, in force for good again under a number of its own: numbers only
    /// grow.
    pub const fn rolled_back(self) -> Self {
        Self::settled(self.revert_slot(), self.next_generation())
    }

    /// The number of the next generation.
    pub const fn next_generation(self) -> u32 {
        self.generation() % Self::MAX_GENERATION + 1
    }

    /// Seconds since boot at which the revert slot takes over; 0 for never.
    pub const fn deadline_seconds(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The slot that judges; `boot_seconds` is asked only while a deadline is set.
    #[inline(always)]
    pub fn slot_in_force(self, boot_seconds: impl FnOnce() -> u32) -> u32 {
        let deadline = self.deadline_seconds();
        if deadline != 0 && boot_seconds() >= deadline {
            self.revert_slot()
        } else {
            self.slot()
        }
    }
}

/// The value of the map `STATE`. Each field is one aligned word (or several that stand alone):
/// the daemon stores them one by one through a mapping.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct State {
    /// See [`Active`].
    pub active: u64,
    /// Seconds since boot until which everything passes; 0 for no bypass.
    pub bypass_until_seconds: u64,
    /// Which look-ups of bans and timed allows are worth making: [`BANS_V4`] and so on, each
    /// [`of_scope`].
    pub exceptions: u64,
    /// First ephemeral port in the low 16 bits, last one in the next.
    pub ephemeral_ports: u64,
    /// Key of the hash of sources; drawn when the maps are made.
    pub seed: Seed,
    /// Sets of the connection table, less one; a power of two less one.
    pub connection_set_mask: u64,
    /// Sets of the packet table, less one.
    pub packet_set_mask: u64,
    /// Interface index in the upper 32 bits, slot in the lower; 0 ends the table.
    pub interfaces: [u64; INTERFACE_ENTRIES],
}

/// There are bans of IPv4 addresses.
pub const BANS_V4: u64 = 1;
/// There are bans of single IPv6 addresses.
pub const BANS_V6: u64 = 2;
/// There are bans of IPv6 /64s.
pub const BANS_V6_64: u64 = 4;
/// There are timed allows.
pub const ALLOWS: u64 = 8;

/// One of these for exceptions of a scope: those of single services have flags of their own, so
/// that a packet pays for the look-ups that can find something.
#[inline(always)]
pub const fn of_scope(flag: u64, scope: Scope) -> u64 {
    const SINGLE: u32 = 4;
    match scope {
        Scope::All => flag,
        Scope::Service(_) | Scope::Any => flag << SINGLE,
    }
}

impl State {
    /// Nothing in force, no interface known.
    pub const EMPTY: Self = Self {
        active: 0,
        bypass_until_seconds: 0,
        exceptions: 0,
        ephemeral_ports: 0,
        seed: Seed { words: [0; 4] },
        connection_set_mask: 0,
        packet_set_mask: 0,
        interfaces: [0; INTERFACE_ENTRIES],
    };

    /// Entry of the interface table.
    pub const fn interface_entry(index: u32, slot: u32) -> u64 {
        (index as u64) << 32 | slot as u64
    }

    /// Word of a port range, both ends included.
    pub const fn port_range(first: u16, last: u16) -> u64 {
        first as u64 | (last as u64) << 16
    }

    /// Whether a port (in host order) is one that the host gives to its own connections.
    #[inline(always)]
    pub const fn is_ephemeral(word: u64, port: u16) -> bool {
        port >= word as u16 && port <= (word >> 16) as u16
    }
}
