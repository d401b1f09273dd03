//! Pins that somebody has removed are made again. The filter stays in force meanwhile: the daemon
//! holds the links, the links hold the program, the program holds the maps.

use super::load::Kernel;
use super::pins::Folder;
use super::{KernelError, ask, link};
use aya::maps::MapData;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::OwnedFd;

/// What was pinned.
pub(super) struct Held {
    /// Maps, by handles of their own: to open one by its id takes CAP_SYS_ADMIN.
    maps: Vec<(&'static str, MapData)>,
    /// Links by interface.
    links: BTreeMap<String, OwnedFd>,
}

impl Held {
    /// With the maps that are pinned under these names.
    pub(super) fn new(folder: &Folder, names: &[&'static str]) -> Result<Self, KernelError> {
        let open = |name: &'static str| {
            let map = MapData::from_pin(folder.map(name));
            let map = map.map_err(|source| KernelError::map(name, "opening it again", source))?;
            Ok((name, map))
        };
        Ok(Self {
            maps: names.iter().copied().map(open).collect::<Result<_, _>>()?,
            links: BTreeMap::new(),
        })
    }
}

impl Kernel {
    /// Holds the link that is pinned for an interface. Without that the filter stays in force too,
    /// as long as the pin does.
    pub(super) fn hold(&mut self, interface: &str) {
        match link::open(&self.folder.link(interface)) {
            Ok(link) => {
                self.held.links.insert(interface.into(), link);
            }
            Err(error) => {
                tracing::warn!(device = interface, %error, "its link is held by its pin alone");
            }
        }
    }

    /// Detaches one interface. `false` if it was not attached.
    ///
    /// # Errors
    /// As [`Folder::detach`].
    pub fn detach(&mut self, interface: &str) -> Result<bool, KernelError> {
        self.held.links.remove(interface);
        self.folder.detach(interface)
    }

    /// Whether the policy was taken away: `unload` does that before it removes anything.
    pub fn is_unloaded(&self) -> bool {
        !self.state.active().is_set()
    }

    /// Pins what is not pinned any more. Whether something was missing.
    ///
    /// # Errors
    /// The pin that cannot be made; the filter stays in force as long as the daemon lives.
    pub fn pin_again(&mut self) -> Result<bool, KernelError> {
        let folder = self.folder.clone();
        let is_missing = |(name, _): &&(&'static str, MapData)| !folder.map(name).exists();
        let maps: Vec<_> = self.held.maps.iter().filter(is_missing).collect();
        let links = self.held.links.iter();
        let links: Vec<_> = links
            .filter(|(interface, _)| !folder.link(interface).exists())
            .collect();
        if maps.is_empty() && links.is_empty() {
            return Ok(false);
        }
        folder.create()?;
        for (name, map) in &maps {
            map.pin(folder.map(name))
                .map_err(|error| KernelError::Pin {
                    path: folder.map(name),
                    doing: "pinning again",
                    source: io::Error::other(error),
                })?;
        }
        for (interface, held) in links {
            let path = folder.link(interface);
            link::pin(held, &path).map_err(|source| KernelError::Pin {
                path,
                doing: "pinning again",
                source,
            })?;
        }
        if !maps.is_empty() {
            ask::pin_again(&mut self.ebpf, &folder);
        }
        Ok(true)
    }
}
