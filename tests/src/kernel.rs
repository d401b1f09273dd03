//! The loaded program, asked by test run: verdict from its return value, reason and service from
//! the one counter that moved.

use anyhow::{Context as _, Result, ensure};
use aya::maps::{Array, HashMap, Map, MapData, PerCpuArray};
use aya::programs::{TestRun as _, TestRunOptions, Xdp};
use filter_common::addr::SourceKey;
use filter_common::answer::Answer;
use filter_common::verdict::{Action, Count, NOTES, Outcome, counter_place};
use filter_user::compile::Generation;
use filter_user::config::policy::AttachMode;
use filter_user::kernel::counters::Counted;
use filter_user::kernel::generations::Placement;
use filter_user::kernel::netlink;
use filter_user::kernel::pins::Folder;
use filter_user::kernel::{Kernel, Options};
use rustix::io::Errno;
use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_change, unmount,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use std::io;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};
use zerocopy::IntoBytes as _;

mod asked;
mod load;

/// Index of `lo` in every network namespace: where test runs come in by.
const LOOPBACK: u32 = 1;

/// What a packet leaves behind: counters, notes, and the cells of both tables of sources.
type Traces = (Vec<Counted>, [u64; NOTES], [Vec<u64>; 2]);

/// The test object, whose clock a test sets.
pub struct Tested {
    kernel: Kernel,
    counts: PerCpuArray<MapData, [u64; 2]>,
    /// Where packets come in by.
    index: u32,
    /// Bytes of the first buffer, where it is to be short.
    first_buffer: Option<u32>,
    counted: Vec<Counted>,
    _pins: Pins,
}

/// A BPF file system in a folder of its own; goes with what is pinned there.
struct Pins(tempfile::TempDir);

impl Pins {
    fn mount() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        mount("bpf", folder.path(), "bpf", MountFlags::empty(), None)?;
        Ok(Self(folder))
    }
}

impl Drop for Pins {
    fn drop(&mut self) {
        // The folder cannot be removed under a mount. On a thread that does not see it, it can.
        let _ = unmount(self.0.path(), UnmountFlags::DETACH);
    }
}

/// The same answer, as if no kernel had given it.
pub fn anonymous(answer: Answer) -> Answer {
    Answer {
        active: 0,
        slot: 0,
        ..answer
    }
}

/// A `struct xdp_md` that tells a test run where a frame's first buffer ends.
fn context(frame: &[u8], first_buffer: u32) -> [u32; 6] {
    let end = first_buffer.min(frame.len() as u32);
    [0, end, 0, 0, 0, 0]
}

fn is_invalid(error: &anyhow::Error) -> bool {
    let mut causes = error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.any(|cause| cause.raw_os_error() == Some(Errno::INVAL.raw_os_error()))
}

/// `XDP_ABORTED`, `XDP_DROP` or `XDP_PASS`.
fn return_value(outcome: Outcome) -> u32 {
    match (outcome, outcome.action()) {
        (Outcome::FAULT, _) => 0,
        (_, Action::Drop) => 1,
        _ => 2,
    }
}

/// An object that `cargo xtask build` made.
///
/// # Errors
/// It is not there.
pub fn object(name: &str) -> Result<Vec<u8>> {
    let folder = std::env::var_os("EDGE_FILTER_OBJECT_DIR").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/bpf"),
        Into::into,
    );
    let path = folder.join(name);
    std::fs::read(&path).with_context(|| format!("{}: cargo xtask build makes it", path.display()))
}

impl Tested {
    /// Loads the test object. The calling thread gets network and mount namespaces of its own,
    /// with which everything goes; so call it on a thread that a test has for itself.
    ///
    /// # Errors
    /// No root, no object, or what the kernel refuses.
    pub fn load() -> Result<Self> {
        Self::load_with_log(0)
    }

    /// The same, with the packet program's own log at a level.
    ///
    /// # Errors
    /// As above.
    pub fn load_with_log(log_level: u8) -> Result<Self> {
        // SAFETY: the thread is the test's own, and no file of its was opened before.
        unsafe { unshare_unsafe(UnshareFlags::NEWNET | UnshareFlags::NEWNS) }
            .context("new namespaces: needs root")?;
        mount_change(
            "/",
            MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
        )?;
        let pins = Pins::mount()?;
        let pin_path = pins.0.path().join("edge");
        let options = Options {
            pin_path,
            tracked_sources: 65_536,
            log_level,
        };
        let kernel = Kernel::open(&object("edge-filter-test.o")?, &options)?;
        kernel.state.set_ephemeral_ports(32_768, 60_999);
        let counts = MapData::from_pin(kernel.folder.map("COUNTS"))?;
        let counts = PerCpuArray::try_from(Map::PerCpuArray(counts))?;
        Ok(Self {
            kernel,
            counts,
            index: LOOPBACK,
            first_buffer: None,
            counted: Vec::new(),
            _pins: pins,
        })
    }

    /// Where its maps are pinned.
    pub fn folder(&self) -> &Folder {
        &self.kernel.folder
    }

    /// Puts a generation in force.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn place(&mut self, generation: &Generation) -> Result<()> {
        let placed = self
            .kernel
            .place(&generation.fixed, &generation.pages, Placement::ForGood)?;
        placed.leftover.map_or(Ok(()), |error| Err(error.into()))
    }

    /// Sets the clock, in nanoseconds.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_clock(&mut self, now_ns: u64) -> Result<()> {
        let map = self
            .kernel
            .ebpf()
            .map_mut("TEST_CLOCK")
            .context("not the test object")?;
        Ok(Array::<_, u64>::try_from(map)?.set(0, now_ns, 0)?)
    }

    /// Sets the slot of the interface that packets come in by; `None`: one without a slot.
    pub fn set_interface(&self, slot: Option<u32>) {
        match slot {
            Some(slot) => self.kernel.state.set_interfaces(&[(self.index, slot)]),
            None => self.kernel.state.set_interfaces(&[]),
        }
    }

    /// Leaves only so many bytes of each frame in its first buffer, as some drivers do; at least 14.
    /// Returns whether this kernel's test runs can (since 6.18).
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_first_buffer(&mut self, bytes: u32) -> Result<bool> {
        self.first_buffer = Some(bytes);
        match self.returned(&[0; 64]) {
            Ok(_) => {
                self.counted = self.kernel.counters.read()?;
                Ok(true)
            }
            Err(error) if is_invalid(&error) => {
                self.first_buffer = None;
                Ok(false)
            }
            Err(error) => Err(error),
        }
    }

    /// Sets bypass, in seconds of the test's clock, and which exceptions to look up.
    pub fn set_exceptions(&self, bypass_until_seconds: u64, exceptions: u64) {
        self.kernel.state.set_bypass_until(bypass_until_seconds);
        self.kernel.state.set_exceptions(exceptions);
    }

    /// Puts a ban (`BANS`) or timed allow (`ALLOWS`) into its map, or takes it out.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn set_exception(
        &mut self,
        map: &str,
        key: &SourceKey,
        expiry_ns: Option<u64>,
    ) -> Result<()> {
        let map = self.kernel.ebpf().map_mut(map).context("no such map")?;
        let mut map: HashMap<&mut MapData, [u8; 24], u64> = map.try_into()?;
        let key: [u8; 24] = zerocopy::transmute!(*key);
        match expiry_ns {
            Some(expiry) => map.insert(key, expiry, 0)?,
            None => map.remove(&key)?,
        }
        Ok(())
    }

    /// Runs the program on a frame. Returns slot of the interface, service and outcome.
    ///
    /// # Errors
    /// The program did not count exactly this packet, once, or returned another verdict than it
    /// counted.
    pub fn run(&mut self, frame: &[u8]) -> Result<(u32, Option<u8>, Outcome)> {
        let returned = self.returned(frame)?;
        let now = self.kernel.counters.read()?;
        let (interface, service, outcome) = self.moved(now, frame)?;
        ensure!(
            returned == return_value(outcome),
            "returned {returned}, counted {outcome:?}"
        );
        Ok((interface, service, outcome))
    }

    /// Runs the program on a frame that is to be counted at this place, and looks only there:
    /// reading every counter takes milliseconds. [`Self::packets`] tells of the others.
    ///
    /// # Errors
    /// It was not counted there, once, or the program returned another verdict.
    pub fn run_at(&mut self, frame: &[u8], place: u32) -> Result<()> {
        let before = self.count(place)?;
        let returned = self.returned(frame)?;
        let after = self.count(place)?;
        let (interface, service, outcome) = counter_place(place);
        let outcome = outcome.context("no such counter")?;
        // What a driver puts behind a packet that ends in the first buffer does not count.
        let length = frame.len() as u64;
        let least = self
            .first_buffer
            .map_or(length, |first| length.min(first.into()));
        ensure!(
            after.packets == before.packets + 1
                && (before.bytes + least..=before.bytes + length).contains(&after.bytes),
            "not counted at {interface}, {service:?}, {outcome:?}: {before:?}, then {after:?}"
        );
        ensure!(
            returned == return_value(outcome),
            "returned {returned}, counted {outcome:?}"
        );
        Ok(())
    }

    /// Packets counted in all.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn packets(&self) -> Result<u64> {
        let counted = self.kernel.counters.read()?;
        Ok(counted.iter().map(|counted| counted.count.packets).sum())
    }

    fn count(&self, place: u32) -> Result<Count> {
        let mut count = Count::default();
        for [packets, bytes] in self.counts.get(&place, 0)?.iter() {
            count.packets += packets;
            count.bytes += bytes;
        }
        Ok(count)
    }

    fn returned(&mut self, frame: &[u8]) -> Result<u32> {
        let program = self.kernel.ebpf().program("edge_filter");
        let program: &Xdp = program.context("no program")?.try_into()?;
        let context = self.first_buffer.map(|bytes| context(frame, bytes));
        let options = TestRunOptions {
            data_in: Some(frame),
            ctx_in: context.as_ref().map(|words| words.as_bytes()),
            repeat: 1,
            ..Default::default()
        };
        Ok(program.test_run(options)?.return_value)
    }

    /// Attaches the program to an interface of this namespace, natively.
    ///
    /// # Errors
    /// There is none, or the kernel's refusal.
    pub fn attach(&mut self, device: &str) -> Result<()> {
        let links = netlink::links_now()?;
        let link = links.iter().find(|link| link.name == device);
        let link = link.with_context(|| format!("no {device}"))?;
        self.kernel
            .attach(device, link, AttachMode::Native, false)?;
        self.index = link.index;
        self.counted = self.kernel.counters.read()?;
        Ok(())
    }

    /// Waits until this frame, which was sent to the interface, is counted.
    ///
    /// # Errors
    /// It is not counted, or more than it is.
    pub fn wait_for_count(
        &mut self,
        frame: &[u8],
        patience: Duration,
    ) -> Result<(u32, Option<u8>, Outcome)> {
        let deadline = Instant::now() + patience;
        loop {
            let now = self.kernel.counters.read()?;
            if now != self.counted {
                return self.moved(now, frame);
            }
            ensure!(Instant::now() < deadline, "never counted");
            thread::yield_now();
        }
    }

    /// The one counter that this frame moved.
    fn moved(&mut self, now: Vec<Counted>, frame: &[u8]) -> Result<(u32, Option<u8>, Outcome)> {
        let before = std::mem::replace(&mut self.counted, now);
        let mut moved = Vec::new();
        for counted in &self.counted {
            let earlier = before
                .iter()
                .find(|b| {
                    (b.interface, b.service, b.outcome)
                        == (counted.interface, counted.service, counted.outcome)
                })
                .map_or(Count::default(), |b| b.count);
            if earlier != counted.count {
                let packets = counted.count.packets - earlier.packets;
                let bytes = counted.count.bytes - earlier.bytes;
                moved.push((*counted, packets, bytes));
            }
        }
        ensure!(moved.len() == 1, "counted {} times: {moved:?}", moved.len());
        let (counted, packets, bytes) = moved[0];
        ensure!(packets == 1, "counted as {packets} packets");
        ensure!(
            bytes == frame.len() as u64,
            "counted {bytes} of {} bytes",
            frame.len()
        );
        Ok((counted.interface, counted.service, counted.outcome))
    }

    /// Runs the program on a frame many times over, whatever it says.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn flood(&mut self, frame: &[u8], times: u32) -> Result<()> {
        let program = self.kernel.ebpf().program("edge_filter");
        let program: &Xdp = program.context("no program")?.try_into()?;
        program.test_run(TestRunOptions {
            data_in: Some(frame),
            repeat: times,
            ..Default::default()
        })?;
        self.counted = self.kernel.counters.read()?;
        Ok(())
    }
}
