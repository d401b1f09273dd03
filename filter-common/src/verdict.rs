//! What becomes of a packet, under which reason, and where that is counted.

use crate::policy::{INTERFACES, SERVICES};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Why a packet got its verdict. The names are metric labels.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Neither IPv4 nor IPv6.
    NotIp = 0,
    /// No stack sends such a packet.
    Malformed = 1,
    /// A fragment that carries no port, or one that hides its ports.
    Fragment = 2,
    /// ICMP, ICMPv6, IGMP.
    Icmp = 3,
    /// Management ports, from where they may be reached.
    Management = 4,
    /// Answers the host itself.
    Reply = 5,
    /// No service lists it.
    UnlistedPort = 6,
    /// The source is banned.
    Banned = 7,
    /// The service's `deny` has the source.
    Denied = 8,
    /// The service's `allow` lacks the source.
    NotAllowed = 9,
    /// Over the source's packet rate.
    PacketRate = 10,
    /// Over the source's connection rate.
    ConnectionRate = 11,
    /// The service takes it.
    Allowed = 12,
    /// The interface is attached but not in the policy in force.
    NoPolicy = 13,
    /// A table that the policy names is missing.
    Fault = 14,
}

impl Reason {
    /// All of them, in the order of the verdict table.
    pub const ALL: [Self; 15] = [
        Self::NotIp,
        Self::Malformed,
        Self::Fragment,
        Self::Icmp,
        Self::Management,
        Self::Reply,
        Self::UnlistedPort,
        Self::Banned,
        Self::Denied,
        Self::NotAllowed,
        Self::PacketRate,
        Self::ConnectionRate,
        Self::Allowed,
        Self::NoPolicy,
        Self::Fault,
    ];

    /// The value of the label `reason`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::NotIp => "not_ip",
            Self::Malformed => "malformed",
            Self::Fragment => "fragment",
            Self::Icmp => "icmp",
            Self::Management => "management",
            Self::Reply => "reply",
            Self::UnlistedPort => "unlisted_port",
            Self::Banned => "banned",
            Self::Denied => "denied",
            Self::NotAllowed => "not_allowed",
            Self::PacketRate => "packet_rate",
            Self::ConnectionRate => "connection_rate",
            Self::Allowed => "allowed",
            Self::NoPolicy => "no_policy",
            Self::Fault => "fault",
        }
    }

    /// One line for an operator.
    pub const fn help(self) -> &'static str {
        match self {
            Self::NotIp => "neither IPv4 nor IPv6 after at most two VLAN tags",
            Self::Malformed => "no stack sends such a packet",
            Self::Fragment => "a later fragment, or one that could hide or rewrite its ports",
            Self::Icmp => "ICMP, ICMPv6 or IGMP",
            Self::Management => "a management port, from a source that may reach it",
            Self::Reply => "answers the host itself",
            Self::UnlistedPort => "a port or protocol that no service lists",
            Self::Banned => "the source is banned, from this service or from all",
            Self::Denied => "the source is in the service's deny",
            Self::NotAllowed => "the source is not in the service's allow",
            Self::PacketRate => "over the source's packet rate",
            Self::ConnectionRate => "a new connection over the source's connection rate",
            Self::Allowed => "the service takes it",
            Self::NoPolicy => "the interface is attached but not in the policy in force",
            Self::Fault => "a table that the policy names is missing: a bug, please report it",
        }
    }
}

/// What is done with a packet.
#[repr(u8)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Goes on to the host.
    Pass = 0,
    /// Ends here.
    Drop = 1,
    /// Goes on, because monitor mode or a bypass spares it.
    WouldDrop = 2,
}

impl Action {
    /// The value of the label `action`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Drop => "drop",
            Self::WouldDrop => "would_drop",
        }
    }
}

/// Outcomes of a row of counters; a row is a service, or what belongs to none.
pub const OUTCOMES: usize = 16;
/// Rows of an interface: no service, then each service by number.
pub const ROWS: usize = 1 + SERVICES;
/// Counters: every interface slot, the unknown one included.
pub const COUNTERS: usize = (INTERFACES + 1) * ROWS * OUTCOMES;

/// A pair of reason and action that can occur, by its number in a row of counters. Numbers
/// below [`OUTCOMES`] belong to no service, the others, less 16, to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome(u8);

impl Outcome {
    /// Row 1.
    pub const NOT_IP: Self = Self(0);
    /// Row 2.
    pub const MALFORMED: Self = Self(1);
    /// Row 4, passed.
    pub const FRAGMENT_PASSED: Self = Self(3);
    /// Rows 3 and 4, dropped.
    pub const FRAGMENT: Self = Self(4);
    /// Row 5.
    pub const ICMP: Self = Self(6);
    /// Row 6.
    pub const MANAGEMENT: Self = Self(7);
    /// Row 7, answers the host.
    pub const REPLY: Self = Self(8);
    /// Row 7, `unlisted_ports = "pass"`.
    pub const UNLISTED_PASSED: Self = Self(9);
    /// Row 7, otherwise.
    pub const UNLISTED: Self = Self(10);
    /// The interface is not in the policy.
    pub const NO_POLICY: Self = Self(12);
    /// A table is missing.
    pub const FAULT: Self = Self(13);
    /// Row 13.
    pub const ALLOWED: Self = Self(16);
    /// Row 2, on a `quic` port of a service.
    pub const SERVICE_MALFORMED: Self = Self(17);
    /// Row 8.
    pub const BANNED: Self = Self(19);
    /// Row 9.
    pub const DENIED: Self = Self(21);
    /// Row 10.
    pub const NOT_ALLOWED: Self = Self(23);
    /// Row 11.
    pub const PACKET_RATE: Self = Self(25);
    /// Row 12.
    pub const CONNECTION_RATE: Self = Self(27);

    /// A bit for each outcome that drops. The one after it is the same, spared.
    const DROPS: u32 = 1 << 1
        | 1 << 4
        | 1 << 10
        | 1 << 13
        | 1 << 17
        | 1 << 19
        | 1 << 21
        | 1 << 23
        | 1 << 25
        | 1 << 27;

    /// A bit for each outcome that is an event: what drops, and what would.
    const REPORTED: u32 = Self::DROPS | Self::DROPS << 1;

    /// A bit for each outcome that a packet can have before its IP length has been read: of what
    /// is not IP, malformed, not of this policy, or met a fault; spared or not.
    const BEFORE_LENGTH: u32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 12 | 1 << 13 | 1 << 14;

    /// The outcome of that number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0..=14 | 16..=28 => Some(Self(number)),
            _ => None,
        }
    }

    /// Its number.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Whether it ends the packet.
    #[inline(always)]
    pub const fn drops(self) -> bool {
        Self::DROPS >> (self.0 & 31) & 1 != 0
    }

    /// Whether it is an event.
    #[inline(always)]
    pub const fn is_reported(self) -> bool {
        Self::REPORTED >> (self.0 & 31) & 1 != 0
    }

    /// Whether it may be the outcome of a packet whose IP length nobody has read.
    #[inline(always)]
    pub const fn may_precede_length(self) -> bool {
        Self::BEFORE_LENGTH >> (self.0 & 31) & 1 != 0
    }

    /// The same, spared: what would be dropped passes, and is counted as that.
    #[inline(always)]
    pub const fn spared(self) -> Self {
        Self(self.0 + self.drops() as u8)
    }

    /// What is done.
    pub const fn action(self) -> Action {
        if self.drops() {
            Action::Drop
        } else if self.0 > 0 && Self(self.0 - 1).drops() {
            Action::WouldDrop
        } else {
            Action::Pass
        }
    }

    /// Why.
    pub const fn reason(self) -> Reason {
        match self.0 {
            0 => Reason::NotIp,
            1 | 2 | 17 | 18 => Reason::Malformed,
            3..=5 => Reason::Fragment,
            6 => Reason::Icmp,
            7 => Reason::Management,
            8 => Reason::Reply,
            9..=11 => Reason::UnlistedPort,
            12 => Reason::NoPolicy,
            16 => Reason::Allowed,
            19 | 20 => Reason::Banned,
            21 | 22 => Reason::Denied,
            23 | 24 => Reason::NotAllowed,
            25 | 26 => Reason::PacketRate,
            27 | 28 => Reason::ConnectionRate,
            _ => Reason::Fault,
        }
    }

    /// Number of the reason without a branch: the packet program asks it of every drop.
    #[inline(always)]
    pub const fn reason_number(self) -> usize {
        let half = Self::REASONS[(self.0 >> 4 & 1) as usize];
        (half >> (4 * (self.0 & 15)) & 15) as usize
    }

    /// Four bits for each outcome, 16 to a word.
    const REASONS: [u64; 2] = {
        let mut words = [0; 2];
        let mut number = 0;
        while number < 2 * OUTCOMES {
            if let Some(outcome) = Self::from_number(number as u8) {
                words[number / 16] |= (outcome.reason() as u64) << (4 * (number % 16));
            }
            number += 1;
        }
        words
    };

    /// Whether it is counted with a service.
    pub const fn has_service(self) -> bool {
        self.0 as usize >= OUTCOMES
    }
}

/// What `decide` says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Verdict and reason.
    pub outcome: Outcome,
    /// The service's number; 0 where the outcome has none.
    pub service: u8,
    /// 1 for a new connection to a service that logs those that it takes. A number, not a bool:
    /// what the verifier need not branch on does not double its work.
    pub logged: u32,
}

impl Decision {
    /// A decision that belongs to no service.
    #[inline(always)]
    pub const fn general(outcome: Outcome) -> Self {
        Self {
            outcome,
            service: 0,
            logged: 0,
        }
    }

    /// A decision of a service.
    #[inline(always)]
    pub const fn of_service(outcome: Outcome, service: u8) -> Self {
        Self {
            outcome,
            service,
            logged: 0,
        }
    }

    /// Whether it is an event.
    #[inline(always)]
    pub const fn is_reported(self) -> bool {
        self.logged | Outcome::REPORTED >> (self.outcome.0 & 31) & 1 != 0
    }

    /// The service's number, where the packet belongs to one.
    pub const fn service(self) -> Option<u8> {
        if self.outcome.has_service() {
            Some(self.service)
        } else {
            None
        }
    }

    /// Where it is counted, for an interface slot.
    #[inline(always)]
    pub const fn counter(self, interface: u32) -> u32 {
        // Outcomes of services stand 16 above those of none: that is the row's step.
        let row = interface * ROWS as u32 + self.service as u32;
        row * OUTCOMES as u32 + self.outcome.0 as u32
    }
}

/// A counter's place, read back: interface slot, service number, outcome.
pub const fn counter_place(counter: u32) -> (u32, Option<u8>, Option<Outcome>) {
    let row = counter / OUTCOMES as u32;
    let interface = row / ROWS as u32;
    let row = row % ROWS as u32;
    let number = (counter % OUTCOMES as u32) as u8;
    if row == 0 {
        (interface, None, Outcome::from_number(number))
    } else {
        (
            interface,
            Some(row as u8 - 1),
            Outcome::from_number(number + OUTCOMES as u8),
        )
    }
}

/// One CPU's count of one outcome.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Count {
    /// Packets.
    pub packets: u64,
    /// Bytes, from the Ethernet header on.
    pub bytes: u64,
}

/// What is counted beside packets, by its place in the map `NOTES`.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// A source lost its state to a newcomer.
    SourceEvicted = 0,
    /// An event passed because other CPUs overtook every try to book it.
    RateContended = 1,
}

/// Entries of the map `NOTES`.
pub const NOTES: usize = 2;
