//! The packet program into the kernel, with the maps that are pinned, or new ones.

use super::KernelError;
use super::ask;
use super::counters::Counters;
use super::generations::{Generations, Placed, Placement};
use super::pins::{self, Folder};
use super::repin::Held;
use super::sources::Sources;
use super::state::{self, StateMap};
use aya::maps::{Map, MapData};
use aya::programs::Xdp;
use aya::{Ebpf, EbpfLoader};
use filter_common::policy::{Fixed, Page};
use filter_common::sources::{Seed, WAYS};
use std::path::PathBuf;

/// Maps that are pinned, and so outlive the daemon.
const PINNED: [&str; 12] = [
    "STATE",
    "FIXED",
    "PAGES",
    "CONNECTIONS",
    "PACKETS",
    "COUNTS",
    "NOTES",
    "BANS",
    "ALLOWS",
    "EVENTS",
    "EVENT_LIMITS",
    "EVENT_BUDGETS",
];
/// The tables of sources: their size is the operator's choice.
const SIZED: [&str; 2] = ["CONNECTIONS", "PACKETS"];
/// For kernels from 5.18 on, and for older ones.
const PROGRAMS: [&str; 2] = ["edge_filter", "edge_filter_linear"];

/// How to load.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folder in a bpffs.
    pub pin_path: PathBuf,
    /// Sources of which a rate is remembered; rounded up to a power of two.
    pub tracked_sources: u32,
    /// Level of the packet program's own log: 0 off, 1 errors, to 5 everything.
    pub log_level: u8,
}

impl Options {
    fn sets(&self) -> u32 {
        (self.tracked_sources / WAYS as u32)
            .max(1)
            .next_power_of_two()
    }
}

/// The loaded program and its maps.
pub struct Kernel {
    /// Where things are pinned.
    pub folder: Folder,
    /// Words shared with the packet program.
    pub state: StateMap,
    /// Packets and bytes.
    pub counters: Counters,
    /// Cells of sources.
    pub sources: Sources,
    /// Whether the maps of an earlier daemon were taken over.
    pub is_adopted: bool,
    generations: Generations,
    pub(super) ebpf: Ebpf,
    program: &'static str,
    program_id: u32,
    sets: u32,
    /// What is pinned, to be pinned again.
    pub(super) held: Held,
}

impl Kernel {
    /// Loads the object. Maps that are pinned are taken over if they have the right shape;
    /// others are made and pinned. Nothing is attached yet.
    ///
    /// # Errors
    /// A pin that cannot be used, or what the kernel refuses.
    pub fn open(object: &[u8], options: &Options) -> Result<Self, KernelError> {
        let folder = Folder::new(&options.pin_path);
        folder.create()?;
        let is_adopted = folder.map("STATE").exists();
        let sets = options.sets();
        for name in SIZED {
            drop_if_resized(&folder, name, sets)?;
        }
        let mut loader = EbpfLoader::new();
        loader.override_global(aya_log::LEVEL, &options.log_level, true);
        for name in PINNED {
            loader.map_pin_path(name, folder.map(name));
        }
        for name in SIZED {
            loader.map_max_entries(name, sets);
        }
        let mut ebpf = loader
            .load(object)
            .map_err(|error| KernelError::Load(error.into()))?;
        if is_adopted {
            check_shapes(object, &folder)?;
        }
        let (program, program_id) = load_program(&mut ebpf)?;
        ask::provide(&mut ebpf, &folder);
        let held = Held::new(&folder, &PINNED)?;
        let mut take = |name: &'static str| {
            ebpf.take_map(name).ok_or_else(|| {
                KernelError::map(
                    name,
                    "finding it",
                    std::io::Error::other("the object lacks it"),
                )
            })
        };
        let state = state::of(take("STATE")?)?;
        let generations = Generations::new(take("FIXED")?, take("PAGES")?)?;
        let counters = Counters::new(
            data(take("COUNTS")?, "COUNTS")?,
            data(take("NOTES")?, "NOTES")?,
        )?;
        let connections = data(take("CONNECTIONS")?, "CONNECTIONS")?;
        let sources = Sources::new(&connections, &data(take("PACKETS")?, "PACKETS")?)?;
        let kernel = Self {
            folder,
            state,
            counters,
            sources,
            is_adopted,
            generations,
            ebpf,
            program,
            program_id,
            sets,
            held,
        };
        kernel.prepare_state()?;
        Ok(kernel)
    }

    /// The key of the hash is drawn once. The number of sets in use never passes that of the
    /// smaller table while programs of both sizes may run; [`Self::settle`] raises it.
    fn prepare_state(&self) -> Result<(), KernelError> {
        if self.state.seed() == Seed::default() {
            self.state.set_seed(draw_seed()?);
        }
        let mask = u64::from(self.sets) - 1;
        let (connections, packets) = self.state.set_masks();
        if !self.is_adopted {
            self.state.store_set_masks(mask, mask);
        } else {
            self.state
                .store_set_masks(connections.min(mask), packets.min(mask));
        }
        Ok(())
    }

    /// To be called once every link runs this program: from now on all sets are used.
    pub fn settle(&self) {
        let mask = u64::from(self.sets) - 1;
        self.state.store_set_masks(mask, mask);
    }

    /// Puts a generation in force.
    ///
    /// # Errors
    /// The kernel's refusal; the policy that was in force still is.
    pub fn place(
        &mut self,
        fixed: &Fixed,
        pages: &[Box<Page>],
        placement: Placement,
    ) -> Result<Placed, KernelError> {
        let number = self.state.active().next_generation();
        self.place_as(number, fixed, pages, placement)
    }

    /// The same, if that is the next number still: nothing else was put in force since it was asked for.
    ///
    /// # Errors
    /// As above.
    pub fn place_as(
        &mut self,
        number: u32,
        fixed: &Fixed,
        pages: &[Box<Page>],
        placement: Placement,
    ) -> Result<Placed, KernelError> {
        self.generations
            .place(&self.state, number, fixed, pages, placement)
    }

    /// Waits until no packet is judged any more that was being judged at the call.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn wait_for_packets(&mut self) -> Result<(), KernelError> {
        self.generations.wait_for_packets(&self.state)
    }

    /// The object, for aya-log.
    pub fn ebpf(&mut self) -> &mut Ebpf {
        &mut self.ebpf
    }

    /// Id of the loaded program.
    pub const fn program_id(&self) -> u32 {
        self.program_id
    }

    pub(super) fn xdp(&mut self) -> Result<&mut Xdp, KernelError> {
        let name = self.program;
        let program = self
            .ebpf
            .program_mut(name)
            .ok_or_else(|| no_program(name))?;
        program
            .try_into()
            .map_err(|error: aya::programs::ProgramError| KernelError::Load(error.into()))
    }
}

pub(super) fn no_program(name: &str) -> KernelError {
    KernelError::Load(format!("the object has no program {name}").into())
}

/// The first program that this kernel takes.
fn load_program(ebpf: &mut Ebpf) -> Result<(&'static str, u32), KernelError> {
    let mut refusal = no_program(PROGRAMS[0]);
    for name in PROGRAMS {
        let program = ebpf.program_mut(name).ok_or_else(|| no_program(name))?;
        let program: &mut Xdp = program
            .try_into()
            .map_err(|error: aya::programs::ProgramError| KernelError::Load(error.into()))?;
        match program.load().and_then(|()| program.info()) {
            Ok(info) => return Ok((name, info.id())),
            Err(error) => refusal = KernelError::Load(error.into()),
        }
    }
    Err(refusal)
}

fn data(map: Map, name: &'static str) -> Result<MapData, KernelError> {
    pins::data(map).ok_or_else(|| {
        KernelError::map(
            name,
            "opening it",
            std::io::Error::other("it is of another type"),
        )
    })
}

fn draw_seed() -> Result<Seed, KernelError> {
    let mut seed = Seed::default();
    let bytes = zerocopy::IntoBytes::as_mut_bytes(&mut seed);
    let mut filled = 0;
    while filled < bytes.len() {
        filled +=
            rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty())
                .map_err(|source| {
                    KernelError::map("STATE", "drawing the key", std::io::Error::from(source))
                })?;
    }
    Ok(seed)
}

/// A table of sources of another size is made anew: only fresh bursts are lost by it.
fn drop_if_resized(folder: &Folder, name: &'static str, sets: u32) -> Result<(), KernelError> {
    let path = folder.map(name);
    if !path.exists() {
        return Ok(());
    }
    let found = MapData::from_pin(&path)
        .and_then(|map| map.info())
        .map_err(|source| KernelError::map(name, "opening the pin", source))?;
    if found.max_entries() == sets {
        return Ok(());
    }
    tracing::warn!(
        map = name,
        before = found.max_entries(),
        now = sets,
        "table of sources resized: every source gets a fresh burst"
    );
    std::fs::remove_file(&path).map_err(|source| KernelError::Pin {
        path,
        doing: "removing the pin",
        source,
    })
}

/// aya takes over pinned maps unchecked, with whatever shape they have.
fn check_shapes(object: &[u8], folder: &Folder) -> Result<(), KernelError> {
    let object = aya_obj::Object::parse(object).map_err(|error| KernelError::Load(error.into()))?;
    for name in PINNED {
        let Some(wanted) = object.maps.get(name) else {
            return Err(no_program(name));
        };
        let path = folder.map(name);
        let found = MapData::from_pin(&path)
            .and_then(|map| map.info())
            .map_err(|source| KernelError::map("pinned", "opening the pin", source))?;
        let kind = found.map_type().map_or(0, |kind| kind as u32);
        let entries = if SIZED.contains(&name) {
            found.max_entries()
        } else {
            wanted.max_entries()
        };
        let found_shape = (
            kind,
            found.key_size(),
            found.value_size(),
            found.max_entries(),
        );
        let wanted_shape = (
            wanted.map_type(),
            wanted.key_size(),
            wanted.value_size(),
            entries,
        );
        if found_shape != wanted_shape {
            let text = |(kind, key, value, entries): (u32, u32, u32, u32)| {
                format!("type {kind}, key {key}, value {value} bytes, {entries} entries")
            };
            return Err(KernelError::Shape {
                path,
                found: text(found_shape),
                wanted: text(wanted_shape),
            });
        }
    }
    Ok(())
}
