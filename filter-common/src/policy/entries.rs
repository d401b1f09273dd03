//! Entries of tables: what a service says about a class, and what a port belongs to.

use super::{GROUPS, SERVICES};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// What one service says about one class; three flags are the same in a whole row.
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct ClassEntry(u16);

impl ClassEntry {
    /// The service lists the source.
    pub const ALLOW: u16 = 1;
    /// The service denies the source.
    pub const DENY: u16 = 2;
    /// The source may reach the management ports. The same in a whole row.
    pub const MANAGEMENT: u16 = 4;
    /// Some service allows and does not deny the source, or management does. The same in a
    /// whole row.
    pub const ANY_ALLOWS: u16 = 8;
    /// The rates limit packets. Those of an entry without this are looked up only for a packet that
    /// opens a connection.
    pub const LIMITS_PACKETS: u16 = 16;
    /// What a row says whatever the service.
    pub const OF_ROW: u16 = Self::MANAGEMENT | Self::ANY_ALLOWS;
    const PROFILE_SHIFT: u32 = 5;

    /// Says nothing.
    pub const NONE: Self = Self(0);

    /// Flags and the number of the rates (0: none, as for a source that is exempt).
    pub const fn new(flags: u16, profile: u16) -> Self {
        Self(flags | profile << Self::PROFILE_SHIFT)
    }

    /// Flags and number as they stand in tables.
    #[inline(always)]
    pub const fn to_bits(self) -> u16 {
        self.0
    }

    /// What [`Self::to_bits`] gave.
    pub const fn from_bits(bits: u16) -> Self {
        Self(bits)
    }

    /// Whether a flag is set.
    #[inline(always)]
    pub const fn has(self, flag: u16) -> bool {
        self.0 & flag != 0
    }

    /// Whether the service lists the source and does not deny it.
    #[inline(always)]
    pub const fn allows(self) -> bool {
        self.0 & (Self::ALLOW | Self::DENY) == Self::ALLOW
    }

    /// The same without some flags.
    pub const fn without(self, flags: u16) -> Self {
        Self(self.0 & !flags)
    }

    /// Number of the rates.
    #[inline(always)]
    pub const fn profile(self) -> usize {
        (self.0 >> Self::PROFILE_SHIFT) as usize
    }
}

/// What a port belongs to. Ports are indexed as they stand on the wire, `443u16.to_be()`:
/// kernels 6.1 and 6.12 forget a number's bounds when its bytes are swapped.
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct PortEntry(u16);

impl PortEntry {
    const GROUP: u16 = 1 << 15;
    const UNIFORM_V4: u16 = 1 << 14;
    const MANAGEMENT: u16 = 1 << 13;
    const REPLY: u16 = 1 << 12;
    const UNIFORM_V6: u16 = 1 << 11;
    const NUMBER: u16 = GROUPS as u16 - 1;

    /// No service.
    pub const UNLISTED: Self = Self(0);

    /// One service, whatever the interface and the address.
    pub const fn service(entry: GroupEntry) -> Self {
        Self(entry.0 as u16)
    }

    /// A row of a group page decides.
    pub const fn group(number: u16) -> Self {
        Self(Self::GROUP | number & Self::NUMBER)
    }

    /// Also a port of `management`.
    pub const fn with_management(self) -> Self {
        Self(self.0 | Self::MANAGEMENT)
    }

    /// Also a port that is answered to without a connected socket.
    pub const fn with_reply(self) -> Self {
        Self(self.0 | Self::REPLY)
    }

    /// Of one service, which says the same about all IPv4 sources: see [`super::Service::uniform`].
    pub const fn with_uniform_v4(self) -> Self {
        Self(self.0 | Self::UNIFORM_V4)
    }

    /// Of one service, which says the same about all IPv6 sources.
    pub const fn with_uniform_v6(self) -> Self {
        Self(self.0 | Self::UNIFORM_V6)
    }

    /// Whether the service says the same about all IPv4 sources.
    #[inline(always)]
    pub const fn is_uniform_v4(self) -> bool {
        self.0 & Self::UNIFORM_V4 != 0
    }

    /// Whether the service says the same about all IPv6 sources.
    #[inline(always)]
    pub const fn is_uniform_v6(self) -> bool {
        self.0 & Self::UNIFORM_V6 != 0
    }

    /// Whether it is a port of `management`.
    #[inline(always)]
    pub const fn is_management(self) -> bool {
        self.0 & Self::MANAGEMENT != 0
    }

    /// Whether it is a port of `reply_ports`, or a DHCP client's.
    #[inline(always)]
    pub const fn is_reply(self) -> bool {
        self.0 & Self::REPLY != 0
    }

    /// The group's number, or the entry that holds everywhere.
    #[inline(always)]
    pub const fn resolve(self) -> Result<GroupEntry, usize> {
        if self.0 & Self::GROUP != 0 {
            Err((self.0 & Self::NUMBER) as usize)
        } else {
            Ok(GroupEntry(self.0 as u8))
        }
    }
}

/// A service, or none, and whether QUIC is spoken.
#[repr(transparent)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct GroupEntry(u8);

impl GroupEntry {
    const LISTED: u8 = 1 << 7;
    const QUIC: u8 = 1 << 6;

    /// No service.
    pub const UNLISTED: Self = Self(0);

    /// A service by its number.
    pub const fn new(service: u8, is_quic: bool) -> Self {
        let quic = if is_quic { Self::QUIC } else { 0 };
        Self(Self::LISTED | quic | (service % SERVICES as u8))
    }

    /// The service's number, if there is one.
    #[inline(always)]
    pub const fn service(self) -> Option<u8> {
        if self.is_service() {
            Some(self.number())
        } else {
            None
        }
    }

    /// Whether there is one.
    #[inline(always)]
    pub const fn is_service(self) -> bool {
        self.0 != Self::UNLISTED.0
    }

    /// Its number; 0 if there is none.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        self.0 % SERVICES as u8
    }

    /// Whether QUIC is spoken.
    #[inline(always)]
    pub const fn is_quic(self) -> bool {
        self.0 & Self::QUIC != 0
    }
}
