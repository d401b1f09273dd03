//! Memory that is not needed any more is the system's again.

use rustix::mm::{Advice, madvise};

/// Gives back what the allocator keeps for later. A list of a million prefixes takes some hundred
/// megabytes on its way to the kernel, in pieces too small to go back by themselves, and the next
/// one may be a month away.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number; it may be called at any time, on any thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Lets go of bytes of the program's own file that have been read: the kernel reads them again
/// where they are asked for.
pub fn forget(bytes: &'static [u8]) {
    const PAGE: usize = 4096;
    let before = bytes.as_ptr().align_offset(PAGE);
    let length = bytes.len().saturating_sub(before) / PAGE * PAGE;
    if length > 0 {
        let start = bytes[before..].as_ptr().cast_mut().cast();
        // SAFETY: whole pages within bytes that nobody can write to, so that what is mapped there
        // again is the same. A kernel that declines changes nothing.
        let _ = unsafe { madvise(start, length, Advice::LinuxDontNeed) };
    }
}
