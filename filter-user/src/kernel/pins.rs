//! The pin folder: `<pin path>/v<ABI>/maps/*`, `programs/*` and `links/<interface>`. What it holds works
//! without a daemon; this is all that a command needs when the daemon is dead.

use super::KernelError;
use super::counters::{Counted, Counters};
use super::events::Budgets;
use super::exceptions::{ExceptionMap, Exceptions};
use super::link;
use super::sources::Sources;
use super::state::{StateMap, Words};
use super::upgrade::Other;
use aya::maps::{Map, MapData};
use aya::programs::links::PinnedLink;
use filter_common::state::Active;
use filter_common::version::ABI_VERSION;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

/// Where things are pinned.
#[derive(Clone, Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// The folder of this version below the configured path.
    pub fn new(pin_path: &Path) -> Self {
        Self::of_abi(pin_path, ABI_VERSION)
    }

    /// The folder of another version.
    pub(super) fn of_abi(pin_path: &Path, abi: u32) -> Self {
        Self {
            root: pin_path.join(format!("v{abi}")),
        }
    }

    /// Pin of a map.
    pub fn map(&self, name: &str) -> PathBuf {
        self.maps().join(name)
    }

    /// Pin of an interface's link.
    pub fn link(&self, interface: &str) -> PathBuf {
        // bpffs takes no dots in names; VLAN interfaces have them.
        self.links()
            .join(interface.replace('%', "%25").replace('.', "%2E"))
    }

    /// Pin of a program that is not attached.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs().join(name)
    }

    /// Folder of such programs.
    pub fn programs(&self) -> PathBuf {
        self.root.join("programs")
    }

    /// Folder of maps.
    pub fn maps(&self) -> PathBuf {
        self.root.join("maps")
    }

    /// Folder of links.
    pub fn links(&self) -> PathBuf {
        self.root.join("links")
    }

    /// Makes what is missing.
    ///
    /// # Errors
    /// The folder that cannot be made.
    pub fn create(&self) -> Result<(), KernelError> {
        for path in [self.maps(), self.programs(), self.links()] {
            fs::create_dir_all(&path).map_err(|source| KernelError::Pin {
                path,
                doing: "making the folder",
                source,
            })?;
        }
        Ok(())
    }

    /// Names of the interfaces that have a pinned link.
    pub fn pinned_interfaces(&self) -> Vec<String> {
        let entries = fs::read_dir(self.links()).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter_map(|entry| entry.file_name().into_string().ok())
            .map(|name| name.replace("%2E", ".").replace("%25", "%"))
            .collect();
        names.sort();
        names
    }

    /// Interfaces that have a pinned link, by the name that they were configured under, and the
    /// index of each.
    pub fn pinned_devices(&self) -> Vec<(String, u32)> {
        let names = self.pinned_interfaces().into_iter();
        let device = |name: String| {
            let index = link::device(&self.link(&name)).ok()?;
            (index != 0).then_some((name, index))
        };
        names.filter_map(device).collect()
    }

    /// The program behind an interface's pinned link, if there is one.
    pub fn linked_program(&self, interface: &str) -> Option<u32> {
        let link = PinnedLink::from_pin(self.link(interface)).ok()?;
        let link = aya::programs::links::FdLink::from(link);
        Some(link.info().ok()?.program_id())
    }

    /// Detaches one interface. `false` if it was not attached.
    ///
    /// # Errors
    /// The link that cannot be detached, or the pin that cannot be removed.
    pub fn detach(&self, interface: &str) -> Result<bool, KernelError> {
        let path = self.link(interface);
        // By itself the kernel detaches when the last pin and descriptor are gone, and then only
        // some time later (`bpf_link_put` defers); the daemon holds one.
        let detached = match link::detach(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            result => result,
        };
        // Worth doing also when that was refused.
        let was_pinned = remove(&path)?;
        detached.map_err(|source| KernelError::Pin {
            path,
            doing: "detaching the link",
            source,
        })?;
        Ok(was_pinned)
    }

    /// Detaches every interface and removes every pin, of other versions too: the host is as if
    /// never filtered. Returns the interfaces that were attached.
    ///
    /// # Errors
    /// The pin that cannot be removed.
    pub fn unload(&self) -> Result<Vec<String>, KernelError> {
        let mut interfaces = self.unload_this()?;
        if let Some(pin_path) = self.root.parent() {
            for other in Other::find(pin_path) {
                interfaces.extend(other.unload()?);
            }
        }
        interfaces.sort();
        interfaces.dedup();
        Ok(interfaces)
    }

    /// The same for this version alone.
    ///
    /// # Errors
    /// The pin that cannot be removed.
    pub fn unload_this(&self) -> Result<Vec<String>, KernelError> {
        let interfaces = self.pinned_interfaces();
        // First: a daemon that looks meanwhile must not attach and pin again.
        self.mark_unloaded();
        for interface in &interfaces {
            self.detach(interface)?;
        }
        for folder in [self.maps(), self.programs()] {
            for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
                remove(&entry.path())?;
            }
        }
        let parent = self.root.parent().map(Path::to_path_buf);
        for path in [
            Some(self.maps()),
            Some(self.programs()),
            Some(self.links()),
            Some(self.root.clone()),
            parent,
        ] {
            let Some(path) = path else { continue };
            match fs::remove_dir(&path) {
                Ok(()) => {}
                // The pin path itself may be a mount point, or hold another version's pins.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(_) if !path.starts_with(&self.root) => {}
                Err(source) => {
                    return Err(KernelError::Pin {
                        path,
                        doing: "removing the folder",
                        source,
                    });
                }
            }
        }
        Ok(interfaces)
    }

    /// Tells a daemon that hung meanwhile that this was on purpose: the policy is gone too. The
    /// word is the same in every version.
    fn mark_unloaded(&self) {
        let Ok(state) = MapData::from_pin(self.map("STATE")) else {
            return;
        };
        if let Ok(words) = Words::new("STATE", &state)
            && let Some(active) = words.as_slice().first()
        {
            active.store(Active::from_word(0).to_word(), Ordering::Release);
        }
    }
}

fn remove(path: &Path) -> Result<bool, KernelError> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(source) => Err(KernelError::Pin {
            path: path.to_path_buf(),
            doing: "removing the pin",
            source,
        }),
    }
}

/// What is pinned, opened for reading.
pub struct Pins {
    /// Where.
    pub folder: Folder,
    /// Words shared with the packet program.
    pub state: StateMap,
    /// Packets and bytes.
    pub counters: Counters,
    /// Cells of sources.
    pub sources: Sources,
    /// Bans and timed allows.
    pub exceptions: Exceptions,
    /// What became of events.
    pub budgets: Budgets,
}

/// What a start needs to know of what an earlier daemon has pinned; the rest is made anew where it
/// is missing.
pub struct Seen {
    /// The generation in force.
    pub active: Active,
    /// What was counted; none if the counters are gone.
    pub counted: Option<Vec<Counted>>,
}

impl Seen {
    /// Looks; `None` if nothing is pinned.
    ///
    /// # Errors
    /// A pin that cannot be opened.
    pub fn look(pin_path: &Path) -> Result<Option<Self>, KernelError> {
        let folder = Folder::new(pin_path);
        let exists = |name: &str| folder.map(name).exists();
        if !exists("STATE") {
            return Ok(None);
        }
        let state = StateMap::new(&pinned(&folder, "STATE")?)?;
        let counted = if exists("COUNTS") && exists("NOTES") {
            let counters = Counters::new(pinned(&folder, "COUNTS")?, pinned(&folder, "NOTES")?)?;
            Some(counters.read()?)
        } else {
            None
        };
        Ok(Some(Self {
            active: state.active(),
            counted,
        }))
    }
}

impl Pins {
    /// The words shared with the packet program alone, for who needs no more: what else is pinned
    /// may be missing or damaged.
    ///
    /// # Errors
    /// The pin cannot be opened.
    pub fn open_state(pin_path: &Path) -> Result<Option<StateMap>, KernelError> {
        let folder = Folder::new(pin_path);
        if !folder.map("STATE").exists() {
            return Ok(None);
        }
        StateMap::new(&pinned(&folder, "STATE")?).map(Some)
    }

    /// Opens what a daemon, living or dead, has pinned; `None` if nothing is.
    ///
    /// # Errors
    /// A pin that cannot be opened.
    pub fn open(pin_path: &Path) -> Result<Option<Self>, KernelError> {
        let Some(state) = Self::open_state(pin_path)? else {
            return Ok(None);
        };
        let folder = Folder::new(pin_path);
        let counters = Counters::new(pinned(&folder, "COUNTS")?, pinned(&folder, "NOTES")?)?;
        let connections = pinned(&folder, "CONNECTIONS")?;
        let sources = Sources::new(&connections, &pinned(&folder, "PACKETS")?)?;
        let exceptions = Exceptions {
            bans: ExceptionMap::new("BANS", pinned(&folder, "BANS")?)?,
            allows: ExceptionMap::new("ALLOWS", pinned(&folder, "ALLOWS")?)?,
        };
        let budgets = Budgets::open(&folder)?;
        Ok(Some(Self {
            folder,
            state,
            counters,
            sources,
            exceptions,
            budgets,
        }))
    }
}

fn pinned(folder: &Folder, name: &'static str) -> Result<MapData, KernelError> {
    MapData::from_pin(folder.map(name))
        .map_err(|source| KernelError::map(name, "opening the pin", source))
}

/// The data behind any map.
pub(super) fn data(map: Map) -> Option<MapData> {
    match map {
        Map::Array(data) | Map::PerCpuArray(data) | Map::ArrayOfMaps(data) | Map::HashMap(data) => {
            Some(data)
        }
        _ => None,
    }
}
