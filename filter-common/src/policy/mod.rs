//! The fixed part of a generation: ports, classes, rates, services and both indexes, one map
//! value, looked up once a packet. What grows with the policy lies in pages beside it.
//!
//! Every length is a power of two and every index is masked: the verifier loses a comparison
//! that LLVM makes on a copy of the index.

mod entries;

use crate::addr::Address;
use crate::gcra::Rate;
use crate::{table4, table6};
pub use entries::{ClassEntry, GroupEntry, PortEntry};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// Most services of a policy.
pub const SERVICES: usize = 64;
/// Most interfaces of a policy.
pub const INTERFACES: usize = 16;
/// Slot of packets from an interface that the daemon has not named: judged as from an interface
/// that no service is limited to.
pub const UNKNOWN_INTERFACE: u32 = 16;
/// Most classes: each distinct combination of what services say about a source.
pub const CLASSES: usize = 65_000;
/// Classes in the fixed part; the others lie in pages.
pub const FIXED_CLASSES: usize = 1024;
/// Most distinct rates (profiles), number 0, no limit, included.
pub const PROFILES: usize = 2048;
/// Most distinct port entries that depend on interface or address.
pub const GROUPS: usize = 2048;
/// Most service addresses.
pub const ADDRESSES: usize = 64;
/// Places of the perfect hash of service addresses.
pub const ADDRESS_PLACES: usize = 4096;

/// 8-byte words of a page: the value type of the map of pages, 256 KiB. A /16 full of IPv4
/// ranges just fits.
pub const PAGE_WORDS: usize = 1 << 15;
/// 8-byte words of a cache line: 64 bytes on x86-64 and most of arm64. Pages start at one: see
/// the map flag `BPF_F_MMAPABLE` in both `kernel` folders.
pub const LINE_WORDS: usize = 8;
/// A page as its map has it. An array, not a struct: kernels up to 6.1 refuse inner maps made
/// without BTF where the template's value is a struct.
pub type Page = [u64; PAGE_WORDS];
/// Pages that lie in the fixed part, so that a small policy's are found without a call: the
/// kernel makes one for a page beside it, as the map of those has a size that the program does
/// not know. A power of two.
pub const NEAR_PAGES: usize = 2;
/// A page of 16-bit words.
pub type Page16 = [u16; PAGE_WORDS * 4];
/// A page of 32-bit words.
pub type Page32 = [u32; PAGE_WORDS * 2];
/// A page of class rows.
pub type ClassPage = [ClassRow; CLASSES_IN_PAGE];
/// A page of groups.
pub type GroupPage = [Group; GROUPS_IN_PAGE];

const CLASSES_IN_PAGE: usize = size_of::<Page>() / size_of::<ClassRow>();
const GROUPS_IN_PAGE: usize = size_of::<Page>() / size_of::<Group>();

/// What each service says about the sources of a class, by service number.
pub type ClassRow = [ClassEntry; SERVICES];
/// Which service a port belongs to, by interface slot and address slot.
pub type Group = [[GroupEntry; 2 * ADDRESSES]; 2 * INTERFACES];

/// The rates of a service, or of one of its overrides.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Profile {
    /// New connections.
    pub connections: Rate,
    /// Packets.
    pub packets: Rate,
    /// Names the override, the same across reloads; 0 for the service's own rates.
    pub override_tag: u32,
    /// Zero.
    pub padding: [u32; 7],
}

/// Settings of one service.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Service {
    /// IPv4 sources are counted by these bits.
    pub mask4: u32,
    /// 1 where drops are only counted.
    pub is_monitor: u32,
    /// IPv6 sources are counted by these bits: upper half.
    pub upper_mask6: u64,
    /// IPv6 sources are counted by these bits: lower half.
    pub lower_mask6: u64,
    /// 1 where accepted new connections are events.
    pub logs_connections: u32,
    /// What it says about all IPv4 sources, and about all IPv6 sources, where that is one thing: its
    /// ports say so. Without what a row says whatever the service.
    pub uniform: [ClassEntry; 2],
}

/// Settings of the policy.
#[repr(C)]
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
pub struct Settings {
    /// A bit a slot: the interfaces that the policy is for. [`UNKNOWN_INTERFACE`] always is.
    pub interfaces: u32,
    /// 1 where nothing is dropped.
    pub is_monitor: u32,
    /// [`UNLISTED_PASS`] and so on.
    pub unlisted: u32,
    /// First page of classes from [`FIXED_CLASSES`] on.
    pub class_page: u32,
    /// First page of groups.
    pub group_page: u32,
    /// 1 where some service is limited to addresses.
    pub has_addresses: u32,
    /// [`FIXED_CLASSES`]. Compared with at run time: were it a constant, LLVM would leave out the
    /// mask that the verifier needs.
    pub fixed_classes: u32,
    /// [`NEAR_PAGES`], for the same reason.
    pub near_pages: u32,
    /// 1 where IPv4 networks have bits: see `table4`.
    pub has_turned4: u32,
    /// Both classes that these tell apart.
    pub turned_classes: [u16; 2],
    /// Multiplier of the perfect hash of service addresses; odd.
    pub address_multiplier: u64,
    /// IP protocols that pass as replies, a bit each.
    pub protocols: [u64; 4],
}

/// What no service lists passes.
pub const UNLISTED_PASS: u32 = 0;
/// It passes, and what "drop" would drop is counted.
pub const UNLISTED_MONITOR: u32 = 1;
/// It is dropped, but for what answers the host itself.
pub const UNLISTED_DROP: u32 = 2;

/// Everything of a generation that has a fixed size. What packets ask most is in front: it shares
/// a memory page, and its offsets fit an instruction.
#[repr(C)]
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout)]
pub struct Fixed {
    /// Of the policy.
    pub settings: Settings,
    /// Zero: fills the settings to a whole KiB.
    pub padding: [u64; 118],
    /// Services, by number.
    pub services: [Service; SERVICES],
    /// Service addresses, upper and lower half; IPv4 as `::ffff:a.b.c.d`.
    pub addresses: [[u64; 2]; ADDRESSES],
    /// One more than the number of the address that hashes to this place; 0 for none.
    pub address_places: [u8; ADDRESS_PLACES],
    /// Rates, by number.
    pub profiles: [Profile; PROFILES],
    /// The first classes.
    pub classes: [ClassRow; FIXED_CLASSES],
    /// TCP ports, as on the wire.
    pub tcp: [PortEntry; 1 << 16],
    /// UDP ports, as on the wire.
    pub udp: [PortEntry; 1 << 16],
    /// See `table4`.
    pub index4: [u32; 1 << 16],
    /// See `table6`.
    pub index6: [u64; 1 << 16],
    /// See `table4`: for each /24 its class, or whether to turn the chunk's.
    pub turned4: [u64; 1 << 18],
    /// See `table4`: for each /20 whether there is more to read.
    pub inside4: [u16; 1 << 16],
    /// The first pages.
    pub near: [Page; NEAR_PAGES],
}

impl Fixed {
    /// A page that lies here, or else the number of one that lies beside the fixed part.
    #[inline(always)]
    pub fn near(&self, page: u32) -> Result<&Page, u32> {
        if page < self.settings.near_pages {
            Ok(&self.near[page as usize % NEAR_PAGES])
        } else {
            Err(page.wrapping_sub(NEAR_PAGES as u32))
        }
    }
}

/// The value type of the map, for the same reason as [`Page`].
pub type FixedWords = [u64; size_of::<Fixed>() / 8];

/// Where the pages of a generation are had.
pub trait Pages {
    /// A page, or `None` if there is none of that number: a fault.
    fn page(&self, page: u32) -> Option<&Page>;
}

/// The class of a source, or `None` if a page is missing or a table is not well formed.
#[inline(always)]
pub fn class<P: Pages + ?Sized>(fixed: &Fixed, pages: &P, source: Address) -> Option<u16> {
    match source {
        Address::V4(address) => table4::class(fixed, pages, address),
        Address::V6 { upper, lower } => table6::class(fixed, pages, upper, lower),
    }
}

/// What a service says about a class.
#[inline(always)]
pub fn class_entry<P: Pages + ?Sized>(
    fixed: &Fixed,
    pages: &P,
    class: u16,
    service: u8,
) -> Option<ClassEntry> {
    let class = usize::from(class);
    let row = if class < fixed.settings.fixed_classes as usize {
        &fixed.classes[class % FIXED_CLASSES]
    } else {
        let class = class.wrapping_sub(FIXED_CLASSES);
        let page = (class / CLASSES_IN_PAGE) as u32;
        let page = pages.page(fixed.settings.class_page.wrapping_add(page))?;
        let rows: &ClassPage = zerocopy::transmute_ref!(page);
        &rows[class % CLASSES_IN_PAGE]
    };
    Some(row[usize::from(service) % SERVICES])
}

/// Which service a group's port belongs to.
#[inline(always)]
pub fn group_entry<P: Pages + ?Sized>(
    fixed: &Fixed,
    pages: &P,
    group: usize,
    interface: u32,
    address: usize,
) -> Option<GroupEntry> {
    let page = (group / GROUPS_IN_PAGE) as u32;
    let page = pages.page(fixed.settings.group_page.wrapping_add(page))?;
    let groups: &GroupPage = zerocopy::transmute_ref!(page);
    let group = &groups[group % GROUPS_IN_PAGE];
    Some(group[interface as usize % (2 * INTERFACES)][address % (2 * ADDRESSES)])
}

/// The address slot of a destination: 0 for an address that no service names.
#[inline(always)]
pub fn address_slot(fixed: &Fixed, upper: u64, lower: u64) -> usize {
    let place = address_place(upper, lower, fixed.settings.address_multiplier);
    let slot = usize::from(fixed.address_places[place]);
    let [want_upper, want_lower] = fixed.addresses[slot.wrapping_sub(1) % ADDRESSES];
    if slot != 0 && want_upper == upper && want_lower == lower {
        slot
    } else {
        0
    }
}

/// Place of an address under a multiplier; the compiler of policies tries multipliers until no
/// two addresses share a place.
#[inline(always)]
pub const fn address_place(upper: u64, lower: u64, multiplier: u64) -> usize {
    let mixed = (upper ^ upper >> 29).wrapping_mul(multiplier) ^ lower;
    let mixed = (mixed ^ mixed >> 31).wrapping_mul(multiplier);
    (mixed >> 40) as usize % ADDRESS_PLACES
}
