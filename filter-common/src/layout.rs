//! Sizes and offsets of everything that crosses the kernel boundary, asserted at compile time.
//! If one of these fails, bump `ABI_VERSION` and mend it here, in one commit.

use crate::addr::SourceKey;
use crate::answer::Answer;
use crate::event::{Budget, Event, REASON_PLACES};
use crate::gcra::Rate;
use crate::policy::{Fixed, Group, Page, Profile, Service, Settings};
use crate::sources::Seed;
use crate::state::State;
use crate::verdict::Reason;
use core::mem::{align_of, offset_of, size_of};

const _: () = assert!(crate::version::ABI_VERSION == 6 || cfg!(feature = "next-abi"));
const _: () = assert!(size_of::<Page>() == 1 << 18);
const _: () = assert!(size_of::<Group>() == 4096);
const _: () = assert!(size_of::<Rate>() == 16);
const _: () = assert!(size_of::<Profile>() == 64);
const _: () = assert!(size_of::<Service>() == 32);
const _: () = assert!(size_of::<Settings>() == 80);
const _: () = assert!(size_of::<Seed>() == 32);
const _: () = assert!(size_of::<SourceKey>() == 24 && align_of::<SourceKey>() == 8);
const _: () = assert!(size_of::<State>() == 336 && align_of::<State>() == 8);
const _: () = assert!(offset_of!(State, active) == 0);
const _: () = assert!(offset_of!(State, bypass_until_seconds) == 8);
const _: () = assert!(offset_of!(State, exceptions) == 16);
const _: () = assert!(offset_of!(State, ephemeral_ports) == 24);
const _: () = assert!(offset_of!(State, interfaces) == 80);
const _: () = assert!(size_of::<Event>() == 72 && align_of::<Event>() == 8);
const _: () = assert!(offset_of!(Event, packet_length) == 40);
const _: () = assert!(offset_of!(Event, vlans) == 56);
const _: () = assert!(offset_of!(Event, outcome) == 60);
const _: () = assert!(offset_of!(Event, padding) == 67);
const _: () = assert!(size_of::<Budget>() == 400 && align_of::<Budget>() == 8);
const _: () = assert!(Reason::ALL.len() <= REASON_PLACES);
const _: () = assert!(offset_of!(Fixed, settings) == 0);
const _: () = assert!(offset_of!(Fixed, services) == 1 << 10);
const _: () = assert!(offset_of!(Fixed, addresses) == 3 << 10);
const _: () = assert!(offset_of!(Fixed, address_places) == 4 << 10);
const _: () = assert!(offset_of!(Fixed, profiles) == 8 << 10);
const _: () = assert!(offset_of!(Fixed, classes) == 136 << 10);
const _: () = assert!(offset_of!(Fixed, tcp) == 264 << 10);
const _: () = assert!(offset_of!(Fixed, udp) == 392 << 10);
const _: () = assert!(offset_of!(Fixed, index4) == 520 << 10);
const _: () = assert!(offset_of!(Fixed, index6) == 776 << 10);
const _: () = assert!(offset_of!(Fixed, turned4) == 1288 << 10);
const _: () = assert!(offset_of!(Fixed, inside4) == 3336 << 10);
const _: () = assert!(offset_of!(Fixed, near) == 3464 << 10);
const _: () = assert!(size_of::<Fixed>() == 3976 << 10);
// Older kernels make no array of values that a kmalloc could not hold (`KMALLOC_MAX_SIZE`).
const _: () = assert!(size_of::<Fixed>() <= 4096 << 10);
const _: () = assert!(size_of::<Answer>() == 19 * 8 && align_of::<Answer>() == 8);
const _: () = assert!(offset_of!(Answer, outcome) == 32);
const _: () = assert!(offset_of!(Answer, ban) == 72);
const _: () = assert!(offset_of!(Answer, connections) == 104);
