//! Ends a pinned link now. Removing its pin alone lets the kernel detach a moment later, when who
//! typed `unload` has long been told that it is done.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// Commands of linux/bpf.h.
const OBJECT_GET: libc::c_int = 7;
const LINK_DETACH: libc::c_int = 34;

/// The part of `union bpf_attr` that `BPF_OBJ_GET` reads.
#[repr(C)]
struct ObjectGet {
    path: u64,
    fd: u32,
    file_flags: u32,
}

/// Detaches the link; its pin stays and means nothing any more.
pub(super) fn detach_now(pin: &Path) -> io::Result<()> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let mut get = ObjectGet {
        path: path.as_ptr() as u64,
        fd: 0,
        file_flags: 0,
    };
    let size = size_of::<ObjectGet>();
    // SAFETY: the path ends with a zero byte and outlives the call.
    let fd = unsafe { libc::syscall(libc::SYS_bpf, OBJECT_GET, &raw mut get, size) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us alone.
    let link = unsafe { OwnedFd::from_raw_fd(fd as i32) };
    let mut link_fd = link.as_raw_fd() as u32;
    // SAFETY: the command reads the descriptor's number, four bytes, and nothing else.
    let result = unsafe { libc::syscall(libc::SYS_bpf, LINK_DETACH, &raw mut link_fd, 4usize) };
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
