//! Addresses as the packet path sees them, and the keys of bans.

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// A source or destination, as numbers in host order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IPv4 address.
    V4(u32),
    /// An IPv6 address, in halves: the packet program has no 128-bit numbers.
    V6 {
        /// Bits 127 to 64.
        upper: u64,
        /// Bits 63 to 0.
        lower: u64,
    },
}

impl Address {
    /// The address cut down to the prefix that sources are counted by.
    #[inline(always)]
    pub const fn masked(self, mask4: u32, upper_mask6: u64, lower_mask6: u64) -> Self {
        match self {
            Self::V4(address) => Self::V4(address & mask4),
            Self::V6 { upper, lower } => Self::V6 {
                upper: upper & upper_mask6,
                lower: lower & lower_mask6,
            },
        }
    }
}

/// What a ban or a timed allow applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One service, by its number.
    Service(u8),
    /// Every service.
    All,
    /// Kept beside each timed allow of a single service, with the latest expiry of them: what
    /// a later fragment, which names no port, is asked about (row 4).
    Any,
}

impl Scope {
    const fn to_bits(self) -> u32 {
        match self {
            Self::Service(service) => service as u32,
            Self::All => 0x100,
            Self::Any => 0x101,
        }
    }

    /// The scope of these bits; `None` if they mean nothing.
    pub const fn from_bits(bits: u32) -> Option<Self> {
        match bits {
            service @ 0..64 => Some(Self::Service(service as u8)),
            0x100 => Some(Self::All),
            0x101 => Some(Self::Any),
            _ => None,
        }
    }
}

/// Key of the maps of bans and timed allows. The address is in network order, as two words: of
/// bytes, LLVM would clear the unused ones by a call.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct SourceKey {
    address: [u64; 2],
    prefix_length: u32,
    scope: u32,
}

impl SourceKey {
    /// A single IPv4 address. Its length of 32 keeps it apart from any IPv6 address.
    #[inline(always)]
    pub const fn v4(address: u32, scope: Scope) -> Self {
        Self {
            address: [((address as u64) << 32).to_be(), 0],
            prefix_length: 32,
            scope: scope.to_bits(),
        }
    }

    /// A single IPv6 address.
    #[inline(always)]
    pub const fn v6(upper: u64, lower: u64, scope: Scope) -> Self {
        Self {
            address: [upper.to_be(), lower.to_be()],
            prefix_length: 128,
            scope: scope.to_bits(),
        }
    }

    /// An IPv6 /64.
    #[inline(always)]
    pub const fn v6_64(upper: u64, scope: Scope) -> Self {
        Self {
            address: [upper.to_be(), 0],
            prefix_length: 64,
            scope: scope.to_bits(),
        }
    }

    /// The address, in network order; IPv4 in the first four bytes.
    pub fn address(&self) -> &[u8; 16] {
        zerocopy::transmute_ref!(&self.address)
    }

    /// 32, 64 or 128.
    pub const fn prefix_length(&self) -> u32 {
        self.prefix_length
    }

    /// What it applies to; `None` if the bits mean nothing.
    pub const fn scope(&self) -> Option<Scope> {
        Scope::from_bits(self.scope)
    }

    /// The same, as it stands in the key.
    #[inline(always)]
    pub const fn scope_bits(&self) -> u32 {
        self.scope
    }
}
