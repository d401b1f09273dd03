//! What the loaded program says when it is asked about a packet (`explain`): the decision, and
//! what it looked at on the way. Written in front of the packet that asked, read by user space.
//!
//! Words only: whoever explains knows the names, this knows the numbers.

use crate::addr::{Scope, SourceKey};
use crate::gcra::{Kind, Rate, TIME};
use crate::policy::ClassEntry;
use crate::state::Active;
use crate::verdict::Outcome;
use core::mem::offset_of;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The policy is in monitor mode.
pub const POLICY_MONITORS: u64 = 1;
/// The service is in monitor mode.
pub const SERVICE_MONITORS: u64 = 2;
/// A bypass is in force.
pub const BYPASSED: u64 = 4;
/// The packet is a later fragment: row 4, not row 3.
pub const LATER_FRAGMENT: u64 = 8;

/// An answer. Numbers that may be missing are one more than they are, and 0 where missing.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Answer {
    /// Coarse clock, in nanoseconds, that everything here was judged by.
    pub now_ns: u64,
    /// See [`Active`]; 0 where no kernel answered.
    pub active: u64,
    /// Slot of the generation that judged.
    pub slot: u64,
    /// Slot of the interface.
    pub interface: u64,
    /// Number of the outcome.
    pub outcome: u64,
    /// One more than the number of the service that lists the port.
    pub service: u64,
    /// One more than the class of the source.
    pub class: u64,
    /// What the service says about the class: see [`ClassEntry::to_bits`].
    pub entry: u64,
    /// [`POLICY_MONITORS`] and so on.
    pub flags: u64,
    /// The last ban that was found, expired or not.
    pub ban: Exception,
    /// The last timed allow that was found, expired or not.
    pub allow: Exception,
    /// The source's connection rate, if it was asked for.
    pub connections: Limited,
    /// The source's packet rate, if it was asked for.
    pub packets: Limited,
}

/// An answer as it is written: word by word.
pub type Words = [core::cell::Cell<u64>; WORDS];
/// Words of an answer.
pub const WORDS: usize = size_of::<Answer>() / 8;

/// A ban or a timed allow; all zero for none.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Exception {
    /// Nanoseconds of the coarse clock.
    pub expiry_ns: u64,
    /// Prefix length in the upper half, bits of the scope in the lower.
    pub key: u64,
}

/// A rate and where a source stands with it; all zero where it was not asked for.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Limited {
    /// [`Self::KNOWN`] and the theoretical arrival time; 0 for a source that has none, or
    /// whose time has come.
    pub state: u64,
    /// See [`Rate::to_parts`].
    pub interval_q8: u64,
    /// The same.
    pub limit: u64,
}

/// Places of words, for those who write them.
pub mod word {
    use super::*;

    /// `Answer::now_ns`.
    pub const NOW: usize = offset_of!(Answer, now_ns) / 8;
    /// `Answer::active`.
    pub const ACTIVE: usize = offset_of!(Answer, active) / 8;
    /// `Answer::slot`.
    pub const SLOT: usize = offset_of!(Answer, slot) / 8;
    /// `Answer::interface`.
    pub const INTERFACE: usize = offset_of!(Answer, interface) / 8;
    /// `Answer::outcome`.
    pub const OUTCOME: usize = offset_of!(Answer, outcome) / 8;
    /// `Answer::service`.
    pub const SERVICE: usize = offset_of!(Answer, service) / 8;
    /// `Answer::class`.
    pub const CLASS: usize = offset_of!(Answer, class) / 8;
    /// `Answer::entry`.
    pub const ENTRY: usize = offset_of!(Answer, entry) / 8;
    /// `Answer::flags`.
    pub const FLAGS: usize = offset_of!(Answer, flags) / 8;
    /// `Answer::ban`, of two words.
    pub const BAN: usize = offset_of!(Answer, ban) / 8;
    /// `Answer::allow`, of two words.
    pub const ALLOW: usize = offset_of!(Answer, allow) / 8;
    /// `Answer::connections`, of three words.
    pub const CONNECTIONS: usize = offset_of!(Answer, connections) / 8;
    /// `Answer::packets`, of three words.
    pub const PACKETS: usize = offset_of!(Answer, packets) / 8;
}

impl Answer {
    /// What would become of the packet.
    pub fn outcome(&self) -> Outcome {
        let number = u8::try_from(self.outcome).ok();
        number
            .and_then(Outcome::from_number)
            .unwrap_or(Outcome::FAULT)
    }

    /// Number of the service that lists the port.
    pub fn service(&self) -> Option<u8> {
        u8::try_from(self.service.checked_sub(1)?).ok()
    }

    /// The source's class, and what the service says about it.
    pub fn class(&self) -> Option<(u16, ClassEntry)> {
        let class = u16::try_from(self.class.checked_sub(1)?).ok()?;
        Some((class, ClassEntry::from_bits(self.entry as u16)))
    }

    /// Which generation judged.
    pub fn active(&self) -> Active {
        Active::from_word(self.active)
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    /// The ban that was found, if it lasts.
    pub fn ban(&self) -> Option<Exception> {
        self.lasting(self.ban)
    }

    /// The timed allow that was found, if it lasts.
    pub fn allow(&self) -> Option<Exception> {
        self.lasting(self.allow)
    }

    fn lasting(&self, exception: Exception) -> Option<Exception> {
        Some(exception).filter(|exception| exception.expiry_ns > self.now_ns)
    }

    /// Where the source stands with a rate, if it was asked for.
    pub fn limited(&self, kind: Kind) -> Option<Limited> {
        let limited = match kind {
            Kind::Connection => self.connections,
            Kind::Packet => self.packets,
        };
        Some(limited).filter(|limited| limited.rate().is_limit())
    }
}

impl Exception {
    /// The word of a key.
    #[inline(always)]
    pub const fn key_word(key: &SourceKey) -> u64 {
        (key.prefix_length() as u64) << 32 | key.scope_bits() as u64
    }

    /// 32, 64 or 128.
    pub const fn prefix_length(&self) -> u32 {
        (self.key >> 32) as u32
    }

    /// What it applies to.
    pub const fn scope(&self) -> Option<Scope> {
        Scope::from_bits(self.key as u32)
    }
}

impl Limited {
    /// Set where the source has a cell, and its time has not come.
    pub const KNOWN: u64 = 1 << 63;

    /// The source's theoretical arrival time, in the rate's units, while it has not come.
    pub const fn arrival(&self) -> Option<u64> {
        if self.state & Self::KNOWN == 0 {
            None
        } else {
            Some(self.state & TIME)
        }
    }

    /// The rate.
    pub const fn rate(&self) -> Rate {
        Rate::from_parts(self.interval_q8, self.limit)
    }
}
