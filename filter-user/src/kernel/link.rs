//! Links by descriptor: the daemon holds them, so that the filter stays when somebody removes the
//! pins; and detaches them whoever else holds one, so that a daemon that hangs does not go on
//! filtering what an operator has detached by hand.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// `enum bpf_cmd` of `linux/bpf.h`.
const OBJ_PIN: libc::c_int = 6;
/// Of the same.
const OBJ_GET: libc::c_int = 7;
/// Of the same. Since Linux 5.8; of XDP links since 5.9.
const LINK_DETACH: libc::c_int = 34;

/// The part of `union bpf_attr` that `BPF_OBJ_*` read.
#[repr(C)]
struct Object {
    pathname: u64,
    bpf_fd: u32,
    file_flags: u32,
}

/// Of the same.
const OBJ_GET_INFO_BY_FD: libc::c_int = 15;

/// The part of `union bpf_attr` that `BPF_OBJ_GET_INFO_BY_FD` reads.
#[repr(C)]
struct ObjectInfo {
    bpf_fd: u32,
    info_len: u32,
    info: u64,
}

/// The front of `struct bpf_link_info`, as it is for XDP.
#[derive(Default)]
#[repr(C)]
struct XdpLinkInfo {
    kind: u32,
    id: u32,
    program_id: u32,
    /// What follows is aligned to eight bytes.
    gap: u32,
    /// 0 once the device is gone.
    ifindex: u32,
    rest: u32,
}

/// The part of `union bpf_attr` that `BPF_LINK_DETACH` reads.
#[repr(C)]
struct LinkDetach {
    link_fd: u32,
}

/// The link that is pinned there.
///
/// # Errors
/// There is no such pin, or the kernel's refusal.
pub(super) fn open(pin: &Path) -> io::Result<OwnedFd> {
    let fd = object(OBJ_GET, pin, 0)?;
    // SAFETY: the kernel has just given us this descriptor, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Pins a link.
///
/// # Errors
/// There is something already, no bpffs, or the kernel's refusal.
pub(super) fn pin(link: &OwnedFd, pin: &Path) -> io::Result<()> {
    object(OBJ_PIN, pin, link.as_raw_fd() as u32).map(drop)
}

/// Detaches the link that is pinned there, now; its pin stays. One whose device is gone is
/// detached already.
///
/// # Errors
/// There is no such pin, or the kernel's refusal.
pub(super) fn detach(pin: &Path) -> io::Result<()> {
    let link = open(pin)?;
    let mut detach = LinkDetach {
        link_fd: link.as_raw_fd() as u32,
    };
    let size = size_of::<LinkDetach>();
    // SAFETY: the kernel reads `size` bytes of `detach`.
    match unsafe { libc::syscall(libc::SYS_bpf, LINK_DETACH, &raw mut detach, size) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Index of the device that the pinned XDP link is attached to; 0 once that is gone.
///
/// # Errors
/// There is no such pin, or the kernel's refusal.
pub(super) fn device(pin: &Path) -> io::Result<u32> {
    let link = open(pin)?;
    let mut info = XdpLinkInfo::default();
    let mut question = ObjectInfo {
        bpf_fd: link.as_raw_fd() as u32,
        info_len: size_of::<XdpLinkInfo>() as u32,
        info: (&raw mut info) as u64,
    };
    let size = size_of::<ObjectInfo>();
    // SAFETY: the kernel reads `size` bytes of `question`, and writes at most `info_len` bytes into
    // `info`, which outlives the call and may hold any bytes.
    let result =
        unsafe { libc::syscall(libc::SYS_bpf, OBJ_GET_INFO_BY_FD, &raw mut question, size) };
    match result {
        0 => Ok(info.ifindex),
        _ => Err(io::Error::last_os_error()),
    }
}

fn object(command: libc::c_int, pin: &Path, bpf_fd: u32) -> io::Result<libc::c_int> {
    let path = CString::new(pin.as_os_str().as_bytes())?;
    let mut object = Object {
        pathname: path.as_ptr() as u64,
        bpf_fd,
        file_flags: 0,
    };
    let size = size_of::<Object>();
    // SAFETY: the kernel reads `size` bytes of `object`, and the path, which ends in a zero byte
    // and outlives the call.
    let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut object, size) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result as libc::c_int)
}
