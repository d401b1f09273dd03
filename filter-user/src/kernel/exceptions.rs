//! The maps of bans and timed allows: expiry (nanoseconds of the monotonic clock) by source and
//! scope. Works on pinned maps, so with or without a daemon. Must never decide who is banned.

use super::KernelError;
use aya::maps::MapData;
use filter_common::addr::SourceKey;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};
use zerocopy::{FromBytes as _, IntoBytes as _};

/// Commands of linux/bpf.h.
const LOOKUP: libc::c_int = 1;
const DELETE: libc::c_int = 3;
const LOOKUP_BATCH: libc::c_int = 24;
const UPDATE_BATCH: libc::c_int = 26;
/// Rows a batch reads. The kernel refuses (ENOSPC) if one bucket of its hash holds more.
const ROWS: usize = 8192;
const KEY_BYTES: usize = size_of::<SourceKey>();

/// A source and scope with its expiry.
pub type Row = (SourceKey, u64);

/// Both maps.
pub struct Exceptions {
    /// Who is refused.
    pub bans: ExceptionMap,
    /// Who is let in beside the lists.
    pub allows: ExceptionMap,
}

/// One of them.
pub struct ExceptionMap {
    name: &'static str,
    map: MapData,
    capacity: usize,
}

/// The part of `union bpf_attr` that commands on one element read.
#[repr(C)]
struct Element {
    map_fd: u32,
    padding: u32,
    key: u64,
    value: u64,
    flags: u64,
}

/// The part of `union bpf_attr` that batch commands read.
#[repr(C)]
struct Batch {
    in_batch: u64,
    out_batch: u64,
    keys: u64,
    values: u64,
    count: u32,
    map_fd: u32,
    elem_flags: u64,
    flags: u64,
}

impl ExceptionMap {
    /// Takes a map.
    ///
    /// # Errors
    /// Its keys and values are not of this version's size.
    pub fn new(name: &'static str, map: MapData) -> Result<Self, KernelError> {
        let info = map
            .info()
            .map_err(|source| KernelError::map(name, "asking its size", source))?;
        if info.key_size() as usize != KEY_BYTES || info.value_size() != 8 {
            let wrong = io::Error::other("its rows are of another size");
            return Err(KernelError::map(name, "opening it", wrong));
        }
        let capacity = info.max_entries() as usize;
        Ok(Self {
            name,
            map,
            capacity,
        })
    }

    /// Rows that it can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Expiry of one row.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn get(&self, key: &SourceKey) -> Result<Option<u64>, KernelError> {
        let mut value = 0u64;
        match self.element(LOOKUP, key, (&raw mut value) as u64) {
            Ok(()) => Ok(Some(value)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(source) => Err(KernelError::map(self.name, "looking up a row", source)),
        }
    }

    /// Removes a row; `false` if there was none.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn remove(&self, key: &SourceKey) -> Result<bool, KernelError> {
        match self.element(DELETE, key, 0) {
            Ok(()) => Ok(true),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(false),
            Err(source) => Err(KernelError::map(self.name, "removing a row", source)),
        }
    }

    /// Writes rows, new ones and others. On an error those before the refused one are written.
    ///
    /// # Errors
    /// The kernel's refusal; E2BIG if the map is full.
    pub fn set(&self, rows: &[Row]) -> Result<(), KernelError> {
        for rows in rows.chunks(ROWS) {
            let keys: Vec<u8> = rows.iter().flat_map(|(key, _)| bytes_of(key)).collect();
            let values: Vec<u64> = rows.iter().map(|(_, expiry)| *expiry).collect();
            let mut batch = Batch {
                in_batch: 0,
                out_batch: 0,
                keys: keys.as_ptr() as u64,
                values: values.as_ptr() as u64,
                count: rows.len() as u32,
                map_fd: self.fd(),
                elem_flags: 0,
                flags: 0,
            };
            let size = size_of::<Batch>();
            // SAFETY: the pointers are to buffers of `count` keys and values of the map's own
            // sizes (see `new`), which outlive the call; the kernel only reads them.
            let result =
                unsafe { libc::syscall(libc::SYS_bpf, UPDATE_BATCH, &raw mut batch, size) };
            if result != 0 {
                let source = io::Error::last_os_error();
                return Err(KernelError::map(self.name, "writing rows", source));
            }
        }
        Ok(())
    }

    /// All rows, in no order. One that is written or removed meanwhile may be missed.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn rows(&self) -> Result<Vec<Row>, KernelError> {
        let fail = |source| KernelError::map(self.name, "reading it", source);
        let mut rows = Vec::new();
        let mut keys = vec![0u8; ROWS * KEY_BYTES];
        let mut values = vec![0u64; ROWS];
        let mut at: Option<u32> = None;
        loop {
            let mut next = 0u32;
            let mut batch = Batch {
                in_batch: at.as_ref().map_or(0, |at| std::ptr::from_ref(at) as u64),
                out_batch: (&raw mut next) as u64,
                keys: keys.as_mut_ptr() as u64,
                values: values.as_mut_ptr() as u64,
                count: ROWS as u32,
                map_fd: self.fd(),
                elem_flags: 0,
                flags: 0,
            };
            let size = size_of::<Batch>();
            // SAFETY: the pointers are to buffers with room for `count` keys and values of the
            // map's own sizes (see `new`), and to two words, a hash's position; all outlive the
            // call.
            let result =
                unsafe { libc::syscall(libc::SYS_bpf, LOOKUP_BATCH, &raw mut batch, size) };
            let error = (result != 0).then(io::Error::last_os_error);
            let is_end = match error {
                None => false,
                // The end of the map; what came before it counts.
                Some(error) if error.raw_os_error() == Some(libc::ENOENT) => true,
                Some(error) => return Err(fail(error)),
            };
            let found = (batch.count as usize).min(ROWS);
            let found_keys = keys.chunks_exact(KEY_BYTES).take(found);
            for (bytes, expiry) in found_keys.zip(&values) {
                if let Ok(key) = SourceKey::read_from_bytes(bytes) {
                    rows.push((key, *expiry));
                }
            }
            if is_end {
                return Ok(rows);
            }
            at = Some(next);
        }
    }

    fn fd(&self) -> u32 {
        self.map.fd().as_fd().as_raw_fd() as u32
    }

    fn element(&self, command: libc::c_int, key: &SourceKey, value: u64) -> io::Result<()> {
        let key = bytes_of(key);
        let mut element = Element {
            map_fd: self.fd(),
            padding: 0,
            key: key.as_ptr() as u64,
            value,
            flags: 0,
        };
        let size = size_of::<Element>();
        // SAFETY: `key` has the map's key size (see `new`) and outlives the call; `value` is 0, or
        // an aligned word of the caller's that does.
        let result = unsafe { libc::syscall(libc::SYS_bpf, command, &raw mut element, size) };
        match result {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }
}

fn bytes_of(key: &SourceKey) -> [u8; KEY_BYTES] {
    let mut bytes = [0; KEY_BYTES];
    bytes.copy_from_slice(key.as_bytes());
    bytes
}
