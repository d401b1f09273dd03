//! What becomes of a packet, under which reason, and where that is counted.

mod decision;

use crate::policy::{INTERFACES, SERVICES};
pub use decision::Decision;
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
///
/// Beside the number stands what follows from it, as the program asks for it of every packet: in
/// bits 0 to 3 flags, in bits 4 to 7 the reason. The number begins at bit 8.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Outcome(u32);

impl Outcome {
    /// Row 1.
    pub const NOT_IP: Self = Self::of(0);
    /// Row 2.
    pub const MALFORMED: Self = Self::of(1);
    /// Row 4, passed.
    pub const FRAGMENT_PASSED: Self = Self::of(3);
    /// Rows 3 and 4, dropped.
    pub const FRAGMENT: Self = Self::of(4);
    /// Row 5.
    pub const ICMP: Self = Self::of(6);
    /// Row 6.
    pub const MANAGEMENT: Self = Self::of(7);
    /// Row 7, answers the host.
    pub const REPLY: Self = Self::of(8);
    /// Row 7, `unlisted_ports = "pass"`.
    pub const UNLISTED_PASSED: Self = Self::of(9);
    /// Row 7, otherwise.
    pub const UNLISTED: Self = Self::of(10);
    /// The interface is not in the policy.
    pub const NO_POLICY: Self = Self::of(12);
    /// A table is missing.
    pub const FAULT: Self = Self::of(13);
    /// Row 13.
    pub const ALLOWED: Self = Self::of(16);
    /// Row 2, on a `quic` port of a service.
    pub const SERVICE_MALFORMED: Self = Self::of(17);
    /// Row 8.
    pub const BANNED: Self = Self::of(19);
    /// Row 9.
    pub const DENIED: Self = Self::of(21);
    /// Row 10.
    pub const NOT_ALLOWED: Self = Self::of(23);
    /// Row 11.
    pub const PACKET_RATE: Self = Self::of(25);
    /// Row 12.
    pub const CONNECTION_RATE: Self = Self::of(27);

    /// A bit for each number that drops. The one after it is the same, spared.
    const DROPPING: u32 = 1 << 1
        | 1 << 4
        | 1 << 10
        | 1 << 13
        | 1 << 17
        | 1 << 19
        | 1 << 21
        | 1 << 23
        | 1 << 25
        | 1 << 27;

    /// A bit for each number that a packet can have without all of its buffers having been looked
    /// for: of what is not IP, malformed, a fragment that hides its header, not of this policy, or
    /// met a fault; spared or not.
    const UNSEEN: u32 = 1 << 0 | 1 << 1 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 12 | 1 << 13 | 1 << 14;

    /// It ends the packet.
    const DROPS: u32 = 1;
    /// It is an event: it drops, or would.
    const REPORTED: u32 = 2;
    /// It may be of a frame of which only the first buffer was looked into.
    const CUT_SHORT: u32 = 4;
    const REASON_SHIFT: u32 = 4;
    const NUMBER_SHIFT: u32 = 8;
    /// From one number to the next.
    const NEXT: u32 = 1 << Self::NUMBER_SHIFT;

    /// A number with what follows from it.
    const fn of(number: u8) -> Self {
        let drops = Self::DROPPING >> number & 1;
        let reported = (Self::DROPPING | Self::DROPPING << 1) >> number & 1;
        let unseen = Self::UNSEEN >> number & 1;
        let flags =
            (drops * Self::DROPS) | (reported * Self::REPORTED) | (unseen * Self::CUT_SHORT);
        let reason = reason(number) as u32;
        Self((number as u32) << Self::NUMBER_SHIFT | reason << Self::REASON_SHIFT | flags)
    }

    /// The outcome of that number, if there is one.
    pub const fn from_number(number: u8) -> Option<Self> {
        match number {
            0..=14 | 16..=28 => Some(Self::of(number)),
            _ => None,
        }
    }

    /// Its number.
    #[inline(always)]
    pub const fn number(self) -> u8 {
        (self.0 >> Self::NUMBER_SHIFT) as u8
    }

    /// Whether it ends the packet.
    #[inline(always)]
    pub const fn drops(self) -> bool {
        self.0 & Self::DROPS != 0
    }

    /// Whether it is an event.
    #[inline(always)]
    pub const fn is_reported(self) -> bool {
        self.0 & Self::REPORTED != 0
    }

    /// The same, spared: what would be dropped passes, and is counted as that. It is the next
    /// number then, of the same reason, and has all of the flags but one.
    #[inline(always)]
    pub const fn spared(self) -> Self {
        Self(self.0 + (self.0 & Self::DROPS) * (Self::NEXT - Self::DROPS))
    }

    /// What is done.
    pub const fn action(self) -> Action {
        if self.drops() {
            Action::Drop
        } else if self.is_reported() {
            Action::WouldDrop
        } else {
            Action::Pass
        }
    }

    /// Why.
    pub const fn reason(self) -> Reason {
        reason(self.number())
    }

    /// Number of the reason.
    #[inline(always)]
    pub const fn reason_number(self) -> usize {
        (self.0 >> Self::REASON_SHIFT & 15) as usize
    }

    /// Whether it is counted with a service.
    pub const fn has_service(self) -> bool {
        self.number() as usize >= OUTCOMES
    }
}

/// Why a packet has the outcome of that number.
const fn reason(number: u8) -> Reason {
    match number {
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
