//! What a daemon holds of the kernel's: descriptors, and the maps, programs and links behind them.

use std::collections::BTreeSet;
use std::fs;

use aya::maps::{Array, Map, MapData, loaded_maps};
use filter_common::state::SLOTS;
use filter_user::kernel::pins::Folder;

use super::{Daemon, Host};

/// Taken from `/proc`, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many are open.
    pub descriptors: usize,
    /// Numbers of maps.
    pub maps: BTreeSet<u32>,
    /// Numbers of programs.
    pub programs: BTreeSet<u32>,
    /// Numbers of links.
    pub links: BTreeSet<u32>,
}

impl Held {
    /// Of a daemon that runs.
    ///
    /// # Panics
    /// If it does not.
    pub fn by(daemon: &Daemon) -> Self {
        let folder = format!("/proc/{}/fdinfo", daemon.pid());
        let mut held = Self::default();
        for entry in fs::read_dir(folder).expect("it runs") {
            held.descriptors += 1;
            // One that was closed meanwhile.
            let path = entry.expect("it can be read").path();
            let text = fs::read_to_string(path).unwrap_or_default();
            for line in text.lines() {
                let Some((name, number)) = line.split_once(':') else {
                    continue;
                };
                let numbers = match name {
                    "map_id" => &mut held.maps,
                    "prog_id" => &mut held.programs,
                    "link_id" => &mut held.links,
                    _ => continue,
                };
                numbers.extend(number.trim().parse::<u32>());
            }
        }
        held
    }

    /// Numbers of the maps in the slots of a host's generations.
    ///
    /// # Panics
    /// If nothing is pinned.
    pub fn in_slots(host: &Host) -> BTreeSet<u32> {
        let folder = Folder::new(&host.pin_path());
        host.inside(|| {
            let mut found = BTreeSet::new();
            for name in ["FIXED", "PAGES"] {
                let outer = MapData::from_pin(folder.map(name)).expect("it is pinned");
                // As an array of what a look-up gives: the number of the map within.
                let outer = Array::<_, u32>::try_from(Map::Array(outer)).expect("its kind");
                let inner = |slot| outer.get(&slot, 0).expect("every slot holds one");
                found.extend((0..SLOTS as u32).map(inner));
            }
            found
        })
    }

    /// Which of these maps the kernel still has, whoever holds them.
    ///
    /// # Panics
    /// Without root.
    pub fn living(maps: &BTreeSet<u32>) -> BTreeSet<u32> {
        loaded_maps()
            // One that went meanwhile.
            .filter_map(Result::ok)
            .map(|map| map.id())
            .filter(|id| maps.contains(id))
            .collect()
    }
}
