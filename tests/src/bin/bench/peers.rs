//! The other programs, loaded.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData, PerCpuHashMap, PerCpuValues, ProgramArray};
use aya::programs::{Xdp, XdpMode};
use aya::{Ebpf, EbpfLoader};
use edge_filter_tests::kernel::object;

use crate::lists::List;

/// Sources that a spray holds.
pub const SPRAYED: usize = 1 << 20;
const PEERS: &str = "edge-filter-peers.o";
const XDP_FILTER: &str = "xdpfilt_alw_all.o";

/// The peers' object with some of its programs loaded.
pub struct Peers {
    ebpf: Ebpf,
}

impl Peers {
    /// Loads these programs.
    ///
    /// # Errors
    /// No object, or the kernel's refusal.
    pub fn load(programs: &[&str]) -> Result<Self> {
        Self::load_sized(programs, 1, 1024)
    }

    /// The same with room for so many prefixes of each family, and sources.
    ///
    /// # Errors
    /// As above.
    pub fn load_sized(programs: &[&str], prefixes: u32, sources: u32) -> Result<Self> {
        let mut loader = EbpfLoader::new();
        for (map, size) in [("LIST4", prefixes), ("LIST6", prefixes), ("RATES", sources)] {
            loader.map_max_entries(map, size);
        }
        let mut ebpf = loader.load(&object(PEERS)?).context(PEERS)?;
        for name in programs {
            xdp_mut(&mut ebpf, name)?
                .load()
                .with_context(|| format!("{PEERS}: {name}"))?;
        }
        Ok(Self { ebpf })
    }

    /// A loaded program.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn program(&self, name: &str) -> Result<&Xdp> {
        xdp(&self.ebpf, name)
    }

    /// Fills the filter of LPM tries and an LRU hash: one service, one rate in nanoseconds.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn fill_filter(
        &mut self,
        list: &List,
        denied: &[(u32, u8)],
        port: u16,
        rate: [u64; 2],
    ) -> Result<()> {
        const ALLOWED: u32 = 1;
        const DENIED: u32 = 2;
        let mut trie: LpmTrie<&mut MapData, u32, u32> = self.map("LIST4")?.try_into()?;
        let allowed = list.v4.iter().map(|prefix| (prefix, ALLOWED));
        for ((address, length), class) in allowed.chain(denied.iter().map(|p| (p, DENIED))) {
            let key = Key::new(u32::from(*length), address.to_be());
            trie.insert(&key, class, 0).context("LIST4")?;
        }
        let mut trie: LpmTrie<&mut MapData, [u64; 2], u32> = self.map("LIST6")?.try_into()?;
        for (upper, length) in &list.v6 {
            let key = Key::new(u32::from(*length), [upper.to_be(), 0]);
            trie.insert(&key, ALLOWED, 0).context("LIST6")?;
        }
        let mut ports: Array<&mut MapData, u32> = self.map("PORTS")?.try_into()?;
        ports.set(u32::from(port.to_be()), 1, 0).context("PORTS")?;
        let mut rates: Array<&mut MapData, [u64; 2]> = self.map("RATE")?.try_into()?;
        rates.set(0, rate, 0).context("RATE")
    }

    /// Bans a source of each family for good.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn ban(&mut self, source: u32, upper: u64) -> Result<()> {
        let mut bans: HashMap<&mut MapData, [u32; 4], u64> = self.map("BANNED")?.try_into()?;
        let upper = upper.to_be();
        for key in [
            [source.to_be(), 0, 0, 0],
            [upper as u32, (upper >> 32) as u32, 0, 1_u32.to_be()],
        ] {
            bans.insert(key, u64::MAX, 0).context("BANNED")?;
        }
        Ok(())
    }

    /// Fills the spray: sources as they stand on the wire, and where in the frame they go.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn fill_spray(&mut self, sources: &Sources, device: u32) -> Result<()> {
        // 8 MB are too much for a stack.
        let words: Box<[u64; SPRAYED]> = sources
            .words
            .clone()
            .into_boxed_slice()
            .try_into()
            .map_err(|_| anyhow::anyhow!("{SPRAYED} sources are expected"))?;
        let mut sprayed: Array<&mut MapData, [u64; SPRAYED]> = self.map("SPRAYED")?.try_into()?;
        let words: &[u64; SPRAYED] = &words;
        sprayed.set(0, words, 0).context("SPRAYED")?;
        let place = u64::from(sources.offset) | u64::from(sources.width) << 32;
        let aim = u64::from(device) | u64::from(u32::MAX) << 32;
        let mut control: Array<&mut MapData, [u64; 3]> = self.map("CONTROL")?.try_into()?;
        control.set(0, [0, place, aim], 0).context("CONTROL")
    }

    /// Where the generator sends to, and how many of 2^32 batches; the others it drops itself.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn aim(&mut self, device: u32, share: u32) -> Result<()> {
        let mut control: Array<&mut MapData, [u64; 3]> = self.map("CONTROL")?.try_into()?;
        let [next, place, _] = control.get(&0, 0).context("CONTROL")?;
        let aim = u64::from(device) | u64::from(share) << 32;
        control.set(0, [next, place, aim], 0).context("CONTROL")
    }

    /// Frames that the spray or the generator has made.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn made(&mut self) -> Result<u64> {
        let control: Array<&mut MapData, [u64; 3]> = self.map("CONTROL")?.try_into()?;
        let [next, ..] = control.get(&0, 0).context("CONTROL")?;
        Ok(next)
    }

    /// Attaches a loaded program to a device of the calling thread's namespace, natively.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn attach(&mut self, name: &str, device: &str) -> Result<()> {
        attach(xdp_mut(&mut self.ebpf, name)?, device)
    }

    fn map(&mut self, name: &str) -> Result<&mut aya::maps::Map> {
        self.ebpf
            .map_mut(name)
            .with_context(|| format!("{PEERS} has no map {name}"))
    }
}

/// Sources for a spray.
pub struct Sources {
    words: Vec<u64>,
    offset: u32,
    width: u32,
}

impl Sources {
    /// IPv4 addresses for untagged frames; repeated until the array is full.
    pub fn v4(addresses: &[u32]) -> Self {
        Self {
            words: fill(addresses.iter().map(|address| u64::from(address.to_be()))),
            offset: 26,
            width: 4,
        }
    }

    /// Upper halves of IPv6 addresses.
    pub fn v6(uppers: &[u64]) -> Self {
        Self {
            words: fill(uppers.iter().map(|upper| upper.to_be())),
            offset: 22,
            width: 8,
        }
    }
}

fn fill(words: impl Iterator<Item = u64> + Clone) -> Vec<u64> {
    words.cycle().take(SPRAYED).collect()
}

/// A spray before a program, which gets a new source each time.
pub struct Spray {
    peers: Peers,
    program: &'static str,
    /// A program array lasts as long as its handle.
    _next: ProgramArray<MapData>,
}

impl Spray {
    /// `takes_buffers`: the program is one of `xdp.frags`.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn before(program: &Xdp, takes_buffers: bool, sources: &Sources) -> Result<Self> {
        let (name, array) = match takes_buffers {
            true => ("spray_frags", "NEXT_FRAGS"),
            false => ("spray", "NEXT"),
        };
        let mut peers = Peers::load(&[name])?;
        peers.fill_spray(sources, 0)?;
        let next = peers.ebpf.take_map(array).context("no program array")?;
        let mut next = ProgramArray::try_from(next)?;
        next.set(0, program.fd()?, 0)
            .context("a program into the array before it")?;
        Ok(Self {
            peers,
            program: name,
            _next: next,
        })
    }

    /// What to run.
    ///
    /// # Errors
    /// None that are known.
    pub fn program(&self) -> Result<&Xdp> {
        self.peers.program(self.program)
    }
}

/// Debian's xdp-filter, everything it can do.
pub struct XdpFilter {
    ebpf: Ebpf,
}

impl XdpFilter {
    /// It holds so many addresses, and no more.
    pub const CAPACITY: usize = 10_000;
    const PROGRAM: &'static str = "xdpfilt_alw_all";

    /// Loads it; these IPv4 sources are dropped. `pins` is a folder in a bpffs.
    ///
    /// # Errors
    /// It is not installed, or the kernel's refusal.
    pub fn load(pins: &Path, sources: &[u32]) -> Result<Self> {
        std::fs::create_dir_all(pins).with_context(|| pins.display().to_string())?;
        let path = Path::new("/usr/lib")
            .join(format!("{}-linux-gnu/bpf", std::env::consts::ARCH))
            .join(XDP_FILTER);
        let bytes = std::fs::read(&path)
            .with_context(|| format!("{}: Debian's xdp-tools has it", path.display()))?;
        let mut loader = EbpfLoader::new();
        loader.default_map_pin_directory(pins);
        let mut ebpf = loader.load(&bytes).context(XDP_FILTER)?;
        xdp_mut(&mut ebpf, Self::PROGRAM)?
            .load()
            .context(XDP_FILTER)?;
        // xdp-filter's MAP_FLAG_SRC (xdp-filter/common_kern_user.h).
        const SOURCE: u64 = 1;
        let map = ebpf.map_mut("filter_ipv4").context("no map filter_ipv4")?;
        let mut map: PerCpuHashMap<&mut MapData, u32, u64> = map.try_into()?;
        let cpus = aya::util::nr_cpus().map_err(|(_, error)| error)?;
        for source in sources {
            let value = PerCpuValues::try_from(vec![SOURCE; cpus])?;
            map.insert(source.to_be(), value, 0)
                .context("filter_ipv4")?;
        }
        Ok(Self { ebpf })
    }

    /// The program.
    ///
    /// # Errors
    /// None that are known.
    pub fn program(&self) -> Result<&Xdp> {
        xdp(&self.ebpf, Self::PROGRAM)
    }

    /// Attaches it to a device of the calling thread's namespace, natively.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn attach(&mut self, device: &str) -> Result<()> {
        attach(xdp_mut(&mut self.ebpf, Self::PROGRAM)?, device)
    }
}

/// The link lasts as long as the program.
fn attach(program: &mut Xdp, device: &str) -> Result<()> {
    let attached = program.attach(device, XdpMode::Driver);
    attached
        .map(drop)
        .with_context(|| format!("cannot attach to {device}"))
}

fn xdp<'a>(ebpf: &'a Ebpf, name: &str) -> Result<&'a Xdp> {
    let program = ebpf
        .program(name)
        .with_context(|| format!("no program {name}"))?;
    Ok(program.try_into()?)
}

fn xdp_mut<'a>(ebpf: &'a mut Ebpf, name: &str) -> Result<&'a mut Xdp> {
    let found = ebpf
        .programs()
        .map(|(name, _)| name.to_owned())
        .collect::<Vec<_>>();
    let program = ebpf
        .program_mut(name)
        .with_context(|| format!("no program {name}, only {found:?}"))?;
    Ok(program.try_into()?)
}
