//! `Tables` over the maps: what one packet reads.

use super::cells::KernelCell;
use super::maps::{ALLOWS, BANS, FIXED, PAGES, STATE};
use super::{clock, record, sockets, sources};
use aya_ebpf::programs::XdpContext;
use filter_common::addr::{Address, SourceKey};
use filter_common::gcra::Kind;
use filter_common::policy::{self, Fixed, Page, Pages, UNKNOWN_INTERFACE};
use filter_common::sources::{Seed, WAYS};
use filter_common::state::{Active, State};
use filter_common::verdict::Note;
use filter_ebpf::Tables;
use filter_ebpf::tables::{Ends, UdpSocket};

/// The words shared with the daemon, which may change while they are read: each is read whole,
/// and `ACTIVE` once a packet.
pub struct Shared {
    state: *const State,
    active: Active,
}

impl Shared {
    /// Looks them up.
    #[inline(always)]
    pub fn open() -> Option<Self> {
        let state: *const State = STATE.get_ptr(0)?;
        // SAFETY: `state` points to a live map value.
        let active = unsafe { &raw const (*state).active };
        // SAFETY: an aligned word of it.
        let active = Active::from_word(unsafe { active.read_volatile() });
        Some(Self { state, active })
    }

    /// The policy in force.
    #[inline(always)]
    pub fn active(&self) -> Active {
        self.active
    }

    #[inline(always)]
    pub(super) fn state(&self) -> &State {
        // SAFETY: a live map value of plain words, aligned; a word that the daemon changes
        // meanwhile is read as it was or as it is, since loads of words do not tear.
        unsafe { &*self.state }
    }

    /// Slot of the interface that a packet came in by.
    #[inline(always)]
    pub fn interface(&self, ctx: &XdpContext) -> u32 {
        // SAFETY: the context is the program's own.
        let index = unsafe { (*ctx.ctx).ingress_ifindex };
        for entry in &self.state().interfaces {
            let entry = *entry;
            if (entry >> 32) as u32 == index {
                return entry as u32 & 15;
            }
            if entry == 0 {
                break;
            }
        }
        UNKNOWN_INTERFACE
    }
}

/// Everything that a packet may ask.
pub struct KernelTables<'a> {
    ctx: &'a XdpContext,
    shared: &'a Shared,
    interface: u32,
    generation: Generation,
    is_apart: bool,
}

/// The tables of a generation.
struct Generation {
    slot: u32,
    fixed: &'static Fixed,
}

impl Generation {
    #[inline(always)]
    fn open(slot: u32) -> Option<Self> {
        let fixed = zerocopy::transmute_ref!(FIXED.get_value(slot, &0)?);
        Some(Self { slot, fixed })
    }
}

impl Pages for Generation {
    #[inline(always)]
    fn page(&self, page: u32) -> Option<&Page> {
        match self.fixed.near(page) {
            Ok(near) => Some(near),
            Err(far) => PAGES.get_value(self.slot, &far),
        }
    }
}

/// Of no class: what [`edge_filter_class`] gives for a fault.
const NO_CLASS: u32 = u32::MAX;

/// `Tables::class` as a function of its own: see `ending`. Its loops would be read for each way
/// that leads here: for `explain`, 363,000 verified instructions on 6.18, not 166,000. Packets that
/// are not apart would pay for the call. An IPv4 address is the lower half.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn edge_filter_class(slot: u32, is_ipv6: u32, upper: u64, lower: u64) -> u32 {
    let source = if is_ipv6 != 0 {
        Address::V6 { upper, lower }
    } else {
        Address::V4(lower as u32)
    };
    let class = Generation::open(slot)
        .and_then(|generation| policy::class(generation.fixed, &generation, source));
    class.map_or(NO_CLASS, u32::from)
}

impl<'a> KernelTables<'a> {
    /// The generation in force, or `None` if it is not there: a fault.
    #[inline(always)]
    pub fn open(ctx: &'a XdpContext, shared: &'a Shared, interface: u32) -> Option<Self> {
        let slot = shared.active.slot_in_force(clock::boot_seconds);
        Some(Self {
            ctx,
            shared,
            interface,
            generation: Generation::open(slot)?,
            is_apart: false,
        })
    }
}

impl KernelTables<'_> {
    /// The same, for a packet that pays for a call: it only asks, or is read a second time.
    #[inline(always)]
    pub fn apart(self) -> Self {
        Self {
            is_apart: true,
            ..self
        }
    }

    /// Slot of the generation.
    #[inline(always)]
    pub fn slot(&self) -> u32 {
        self.generation.slot
    }
}

impl Pages for KernelTables<'_> {
    #[inline(always)]
    fn page(&self, page: u32) -> Option<&Page> {
        self.generation.page(page)
    }
}

impl Tables for KernelTables<'_> {
    type Cell = KernelCell;

    #[inline(always)]
    fn fixed(&self) -> &Fixed {
        self.generation.fixed
    }

    #[inline(always)]
    fn class(&self, source: Address) -> Option<u16> {
        if !self.is_apart {
            return policy::class(self.fixed(), self, source);
        }
        let (is_ipv6, upper, lower) = match source {
            Address::V4(address) => (0, 0, u64::from(address)),
            Address::V6 { upper, lower } => (1, upper, lower),
        };
        let class = edge_filter_class(self.generation.slot, is_ipv6, upper, lower);
        if class == NO_CLASS {
            None
        } else {
            Some(class as u16)
        }
    }

    #[inline(always)]
    fn interface(&self) -> u32 {
        self.interface
    }

    #[inline(always)]
    fn seed(&self) -> &Seed {
        &self.shared.state().seed
    }

    #[inline(always)]
    fn cells(&self, kind: Kind, hash: u64) -> Option<&[KernelCell; WAYS]> {
        sources::cells(self.shared.state(), kind, hash)
    }

    #[inline(always)]
    fn exceptions(&self) -> u64 {
        self.shared.state().exceptions
    }

    #[inline(always)]
    fn ban_expiry(&self, key: &SourceKey) -> Option<u64> {
        // SAFETY: a word in a map's value, copied at once; the daemon updates it as a whole.
        unsafe { BANS.get(key) }.copied()
    }

    #[inline(always)]
    fn allow_expiry(&self, key: &SourceKey) -> Option<u64> {
        // SAFETY: as above.
        unsafe { ALLOWS.get(key) }.copied()
    }

    #[inline(always)]
    fn is_bypassed(&self) -> bool {
        let until = self.shared.state().bypass_until_seconds;
        until != 0 && u64::from(clock::boot_seconds()) < until
    }

    #[inline(always)]
    fn is_ephemeral(&self, port: u16) -> bool {
        State::is_ephemeral(self.shared.state().ephemeral_ports, port)
    }

    #[inline(always)]
    fn has_tcp_connection(&self, ends: &Ends) -> bool {
        sockets::has_tcp_connection(self.ctx, ends)
    }

    #[inline(always)]
    fn udp_socket(&self, ends: &Ends) -> UdpSocket {
        sockets::udp_socket(self.ctx, ends)
    }

    #[inline(always)]
    fn note(&self, note: Note) {
        record::note(note);
    }
}
