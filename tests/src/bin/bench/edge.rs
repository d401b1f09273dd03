//! edge-filter's own program, loaded as the daemon loads it, with a policy in force and nothing
//! attached.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::maps::{HashMap, MapData};
use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use edge_filter_tests::kernel::object;
use filter_common::addr::{Scope, SourceKey};
use filter_common::state::{BANS_V4, BANS_V6};
use filter_common::verdict::Outcome;
use filter_user::compile::{Ids, compile};
use filter_user::config::policy::AttachMode;
use filter_user::config::{HostFacts, load_from};
use filter_user::kernel::generations::Placement;
use filter_user::kernel::{Kernel, Options, netlink};

/// Of which rates are remembered.
pub const TRACKED_SOURCES: u32 = 1_000_000;
/// Test runs come in by `lo`, which has this index in every namespace.
const LOOPBACK: u32 = 1;
const PROGRAM: &str = "edge_filter";

/// A loaded program with its policy.
pub struct Edge {
    kernel: Kernel,
    program: Xdp,
    /// Of its tables.
    pub bytes: usize,
    /// Compiling and placing.
    pub compiled: Duration,
    pub placed: Duration,
}

impl Edge {
    /// Loads the program, puts the policy in force; `list` is what the file `many.txt` holds.
    ///
    /// # Errors
    /// A policy that is none, or the kernel's refusal.
    pub fn open(pins: &Path, policy: &str, list: &str) -> Result<Self> {
        let options = Options {
            pin_path: pins.to_owned(),
            tracked_sources: TRACKED_SOURCES,
            log_level: 0,
        };
        let mut kernel = Kernel::open(&object("edge-filter.o")?, &options)?;
        let read = |_: &Path| Ok(list.as_bytes().to_vec());
        let path = Path::new("config.toml");
        let loaded = load_from(path, policy.as_bytes(), &read, &HostFacts::default())
            .map_err(|errors| anyhow::anyhow!("{errors}"))?;
        let started = Instant::now();
        let generation = compile(&loaded.policy, &Ids::in_order(&loaded.policy))?;
        let compiled = started.elapsed();
        let placed = kernel.place(&generation.fixed, &generation.pages, Placement::ForGood)?;
        ensure!(placed.leftover.is_none(), "{placed:?}");
        kernel.state.set_interfaces(&[(LOOPBACK, 0)]);
        let pin = pins.join("measured");
        let program = kernel.ebpf().program_mut(PROGRAM).context("no program")?;
        program.pin(&pin)?;
        Ok(Self {
            program: Xdp::from_pin(&pin, XdpAttachType::Interface).context("its pin")?,
            kernel,
            bytes: generation.summary.bytes,
            compiled,
            placed: started.elapsed() - compiled,
        })
    }

    /// The program.
    pub const fn program(&self) -> &Xdp {
        &self.program
    }

    /// Attaches it to a device of the calling thread's namespace, natively, as the daemon does.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn attach(&mut self, device: &str) -> Result<()> {
        let links = netlink::links_now()?;
        let link = links.iter().find(|link| link.name == device);
        let link = link.with_context(|| format!("no device {device}"))?;
        self.kernel
            .attach(device, link, AttachMode::Native, false)?;
        self.kernel.state.set_interfaces(&[(link.index, 0)]);
        Ok(())
    }

    /// Bans a source of each family for good. Whether bans are looked at is said for each case.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn ban(&mut self, v4: u32, upper: u64) -> Result<()> {
        let map = self.kernel.ebpf().map_mut("BANS").context("no map BANS")?;
        let mut map: HashMap<&mut MapData, [u8; 24], u64> = map.try_into()?;
        for key in [
            SourceKey::v4(v4, Scope::All),
            SourceKey::v6(upper, 1, Scope::All),
        ] {
            let key: [u8; 24] = zerocopy::transmute!(key);
            map.insert(key, u64::MAX, 0).context("BANS")?;
        }
        Ok(())
    }

    /// Whether there are bans to look at.
    pub fn look_at_bans(&self, there_are: bool) {
        let flags = if there_are { BANS_V4 | BANS_V6 } else { 0 };
        self.kernel.state.set_exceptions(flags);
    }

    /// Packets counted under this outcome.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn counted(&self, outcome: Outcome) -> Result<u64> {
        let counted = self.kernel.counters.read()?;
        let of_it = counted.iter().filter(|count| count.outcome == outcome);
        Ok(of_it.map(|count| count.count.packets).sum())
    }
}
