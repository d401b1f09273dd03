//! Where the daemon keeps its things, also when the configuration is not valid: a bad edit must
//! not send `status` or `unload` to another place.

#![forbid(unsafe_code)]

use crate::cli::PathOptions;
use crate::config::policy::LogFormat;
use std::path::{Path, PathBuf};

const PIN_PATH: &str = "/sys/fs/bpf/edge-filter";
const STATE_DIRECTORY: &str = "/var/lib/edge-filter";
const CONTROL_SOCKET: &str = "/run/edge-filter/control.sock";

/// Folders and the socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Locations {
    /// Folder in a bpffs.
    pub pin_path: PathBuf,
    /// Last good policy, numbers, locks.
    pub state_directory: PathBuf,
    /// Where the daemon listens.
    pub control_socket: PathBuf,
    /// How the daemon writes its log.
    pub log_format: LogFormat,
}

impl Locations {
    /// As the configuration says, as far as it can be read, else the defaults. Options win.
    pub fn find(options: &PathOptions, pin_path: Option<&Path>) -> Self {
        let mut found = match std::fs::read_to_string(&options.config) {
            Ok(text) => Self::in_text(&text),
            Err(_) => Self::in_text(""),
        };
        if let Some(socket) = &options.socket {
            found.control_socket.clone_from(socket);
        }
        if let Some(pin_path) = pin_path {
            found.pin_path = pin_path.to_path_buf();
        }
        found
    }

    /// The `[daemon]` table alone counts; what is wrong elsewhere, or even further down in a
    /// text that is no TOML, does not matter here.
    fn in_text(text: &str) -> Self {
        let daemon = daemon_table(text);
        let path = |key: &str, default: &str| {
            let value = daemon.as_ref().and_then(|table| table.get(key)?.as_str());
            PathBuf::from(value.unwrap_or(default))
        };
        Self {
            pin_path: path("pin_path", PIN_PATH),
            state_directory: path("state_directory", STATE_DIRECTORY),
            control_socket: path("control_socket", CONTROL_SOCKET),
            log_format: match daemon.as_ref().and_then(|t| t.get("log_format")?.as_str()) {
                Some("json") => LogFormat::Json,
                _ => LogFormat::Text,
            },
        }
    }
}

fn daemon_table(text: &str) -> Option<toml::Table> {
    if let Ok(table) = text.parse::<toml::Table>() {
        return table.get("daemon")?.as_table().cloned();
    }
    // Broken somewhere: the lines of `[daemon]` that can be read one by one.
    let lines = text
        .lines()
        .skip_while(|line| !line.trim_start().starts_with("[daemon]"));
    let lines = lines.skip(1);
    let lines = lines.take_while(|line| !line.trim_start().starts_with('['));
    let mut table = toml::Table::new();
    for line in lines {
        table.extend(line.parse::<toml::Table>().unwrap_or_default());
    }
    Some(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_invalid_or_broken_elsewhere_still_says_where() {
        for rest in ["nonsense = 1", "= broken", "[[service]\nname = \"x"] {
            let text = format!("[daemon]\npin_path = \"/p\"\n\n[policy]\n{rest}\n");
            let found = Locations::in_text(&text);
            assert_eq!(found.pin_path, Path::new("/p"), "{rest}");
            assert_eq!(found.state_directory, Path::new(STATE_DIRECTORY));
        }
    }
}
