//! The service manager's files, and whether the daemon answers.

use crate::locations::Locations;
use std::fs;
use std::os::unix::net::UnixStream;
use std::path::Path;

const UNIT: &str = "edge-filter.service";
/// Where systemd looks, the first wins (systemd.unit(5)).
const FOLDERS: [&str; 5] = [
    "etc/systemd/system",
    "run/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/systemd/system",
    "lib/systemd/system",
];

/// What will happen at boot, and who is there now.
#[derive(Clone, Debug, Default)]
pub struct Boot {
    /// Whether systemd runs this host.
    pub is_systemd: bool,
    /// The unit's text with its drop-ins; `None` if there is none.
    pub unit: Option<String>,
    /// Whether some target wants it.
    pub is_enabled: bool,
    /// Whether the daemon takes connections.
    pub is_daemon_there: bool,
}

impl Boot {
    /// Looks.
    pub fn read(locations: &Locations) -> Self {
        Self {
            is_daemon_there: UnixStream::connect(&locations.control_socket).is_ok(),
            ..Self::read_below(Path::new("/"))
        }
    }

    pub(in crate::doctor) fn read_below(root: &Path) -> Self {
        let folders = FOLDERS.map(|folder| root.join(folder));
        let unit = folders
            .iter()
            .find_map(|folder| fs::read_to_string(folder.join(UNIT)).ok());
        let drop_ins = folders.iter().flat_map(|folder| {
            let entries = fs::read_dir(folder.join(format!("{UNIT}.d")))
                .into_iter()
                .flatten();
            let paths = entries.flatten().map(|entry| entry.path());
            paths.filter_map(|path| fs::read_to_string(path).ok())
        });
        let wants = folders
            .iter()
            .flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        let is_enabled = wants.flatten().any(|entry| {
            let path = entry.path();
            let is_list = path
                .extension()
                .is_some_and(|e| e == "wants" || e == "requires");
            is_list && path.join(UNIT).is_symlink()
        });
        Self {
            is_systemd: root.join("run/systemd/system").is_dir(),
            unit: unit.map(|unit| drop_ins.fold(unit, |text, more| text + "\n" + &more)),
            is_enabled,
            is_daemon_there: false,
        }
    }
}
