//! What the daemon gives up of root's powers: a fault in it is worth no more than its own work.
//!
//! Powers belong to threads and are inherited: they are given up before the first thread is made.

use super::KernelError;
use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

/// To load programs: `PERFMON` is for their arithmetic on packet pointers, which nothing else needs.
pub const TO_LOAD: CapabilitySet = TO_RUN.union(CapabilitySet::PERFMON);
/// To make maps and to attach.
pub const TO_RUN: CapabilitySet = CapabilitySet::BPF.union(CapabilitySet::NET_ADMIN);
/// Numbers that the kernel may have; it says where they end.
const NUMBERS: u32 = 64;

/// Keeps only these, and lets no program that is started get others. What the process does not
/// have it does not get.
///
/// # Errors
/// The kernel refuses to take something away.
pub fn keep(kept: CapabilitySet) -> Result<(), KernelError> {
    give_up(kept).map_err(|error| KernelError::Environment {
        what: format!("this process's capabilities cannot be given up: {error}"),
        fix: "please report this".into(),
    })
}

fn give_up(kept: CapabilitySet) -> Result<(), Errno> {
    set_no_new_privs(true)?;
    clear_ambient_capability_set()?;
    let had = capabilities(None)?;
    // It bounds what could be had again, not what there is: the least of all, at once.
    // Without SETPCAP the bound stays as whoever started it has set it: nothing can be gained by it,
    // since no program is started and none would get new privileges.
    if had.effective.contains(CapabilitySet::SETPCAP) {
        for number in 0..NUMBERS {
            let one = CapabilitySet::from_bits_retain(1 << number);
            if TO_RUN.contains(one) {
                continue;
            }
            match remove_capability_from_bounding_set(one) {
                Err(Errno::INVAL) => break,
                done => done?,
            }
        }
    }
    set_capabilities(
        None,
        CapabilitySets {
            effective: had.effective & kept,
            permitted: had.permitted & kept,
            inheritable: CapabilitySet::empty(),
        },
    )
}
