//! What the packet program has counted, summed over CPUs.

use super::KernelError;
use aya::maps::{Map, MapData, PerCpuArray};
use filter_common::verdict::{COUNTERS, Count, Note, Outcome, counter_place};
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _};

/// `BPF_MAP_LOOKUP_BATCH` of linux/bpf.h.
const LOOKUP_BATCH: libc::c_int = 24;

/// One counter that is not zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Slot of the interface.
    pub interface: u32,
    /// Number of the service, where the outcome has one.
    pub service: Option<u8>,
    /// Reason and action.
    pub outcome: Outcome,
    /// How much.
    pub count: Count,
}

/// The maps of counters.
pub struct Counters {
    counts: MapData,
    notes: PerCpuArray<MapData, u64>,
    cpus: usize,
}

impl Counters {
    /// Takes both maps.
    ///
    /// # Errors
    /// A map of another type, or the number of CPUs is not to be had.
    pub fn new(counts: MapData, notes: MapData) -> Result<Self, KernelError> {
        let notes = PerCpuArray::try_from(Map::PerCpuArray(notes))
            .map_err(|source| KernelError::map("NOTES", "opening it", source))?;
        let cpus = aya::util::nr_cpus()
            .map_err(|(_, source)| KernelError::map("COUNTS", "asking for CPUs", source))?;
        Ok(Self {
            counts,
            notes,
            cpus,
        })
    }

    /// All counters that are not zero: one system call.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn read(&self) -> Result<Vec<Counted>, KernelError> {
        let values = self
            .lookup_all()
            .map_err(|source| KernelError::map("COUNTS", "reading it", source))?;
        let sum = |values: &[u64]| Count {
            packets: values.iter().step_by(2).sum(),
            bytes: values.iter().skip(1).step_by(2).sum(),
        };
        let counters = values.chunks_exact(2 * self.cpus).map(sum).enumerate();
        Ok(counters
            .filter(|(_, count)| *count != Count::default())
            .filter_map(|(place, count)| {
                let (interface, service, outcome) = counter_place(place as u32);
                Some(Counted {
                    interface,
                    service,
                    outcome: outcome?,
                    count,
                })
            })
            .collect())
    }

    /// What is counted beside packets.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn note(&self, note: Note) -> Result<u64, KernelError> {
        let values = self
            .notes
            .get(&(note as u32), 0)
            .map_err(|source| KernelError::map("NOTES", "reading it", source))?;
        Ok(values.iter().sum())
    }

    /// For each counter, packets and bytes of each CPU.
    fn lookup_all(&self) -> io::Result<Vec<u64>> {
        /// The part of `union bpf_attr` that this command reads.
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
        let mut next = 0u32;
        let mut keys = vec![0u32; COUNTERS];
        let mut values = vec![0u64; COUNTERS * self.cpus * 2];
        let mut batch = Batch {
            in_batch: 0,
            out_batch: (&raw mut next) as u64,
            keys: keys.as_mut_ptr() as u64,
            values: values.as_mut_ptr() as u64,
            count: COUNTERS as u32,
            map_fd: self.counts.fd().as_fd().as_raw_fd() as u32,
            elem_flags: 0,
            flags: 0,
        };
        let size = size_of::<Batch>();
        // SAFETY: the pointers are to buffers with room for `count` keys of 4 bytes and values of
        // 16 bytes for each possible CPU, which outlive the call.
        let result = unsafe { libc::syscall(libc::SYS_bpf, LOOKUP_BATCH, &raw mut batch, size) };
        if result == 0 {
            return Ok(values);
        }
        let error = io::Error::last_os_error();
        // The end of the map, with all of it read.
        if error.raw_os_error() == Some(libc::ENOENT) {
            Ok(values)
        } else {
            Err(error)
        }
    }
}
