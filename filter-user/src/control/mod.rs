//! The control protocol: one JSON object a line, over a Unix socket that only root may use.
//! A request names the version of the protocol; the answer is a result or an error.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod client;
mod server;

pub use client::{ClientError, ask, open};
pub use server::{Asked, Server, answer};

use crate::guard::Finding;
use crate::report::Status;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::PathBuf;

/// Requests of another version are refused.
pub const VERSION: u32 = 1;
/// A request above this is none. One of them carries a configuration; millions of prefixes belong
/// into list files.
pub const MAX_REQUEST_BYTES: usize = 32 << 20;

/// What can be asked of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Load the configuration again.
    Reload {
        /// Also lists that shrink by more than they may.
        #[serde(default)]
        force: bool,
    },
    /// Put a candidate in force.
    Apply {
        /// The configuration's text.
        text: String,
        /// Where it comes from.
        file: PathBuf,
        /// Seconds until it reverts unless confirmed; at once for good without.
        confirm_seconds: Option<u32>,
        /// Also if peers that matter lose something.
        force: bool,
        /// The caller's `SSH_CONNECTION`.
        ssh_connection: Option<String>,
    },
    /// Keep what was applied.
    Confirm {},
    /// Undo the last apply.
    Rollback {},
    /// What is in force.
    Status {},
    /// The newest events, or all that come from now on. The answer is many lines, each an
    /// [`crate::events::Line`].
    Events {
        /// Whether to go on for ever.
        follow: bool,
    },
    /// Detach from one interface, or from all and end.
    Unload {
        /// Which.
        device: Option<String>,
    },
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// A new generation is in force.
    Reloaded {
        /// Its number.
        generation: u32,
        /// What is allowed but worth a word, one rendered text each.
        warnings: Vec<String>,
    },
    /// A candidate is in force.
    Applied {
        /// Its number.
        generation: u32,
        /// Unix time at which it reverts unless confirmed.
        reverts_at: Option<u64>,
        /// What is allowed but worth a word.
        warnings: Vec<String>,
    },
    /// The candidate is the configured file.
    Confirmed {
        /// Its number.
        generation: u32,
        /// The configured file.
        config: PathBuf,
        /// Where the file before is.
        kept: Option<PathBuf>,
    },
    /// The policy before the last apply is back.
    RolledBack {
        /// Its number.
        generation: u32,
        /// The configured file, if it was put back too.
        restored: Option<PathBuf>,
    },
    /// What is in force.
    Status(Box<Status>),
    /// These interfaces are no longer filtered.
    Unloaded {
        /// Their names.
        interfaces: Vec<String>,
    },
    /// It was not done.
    Refused(Refusal),
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// What it is about.
    pub kind: RefusalKind,
    /// For people.
    pub message: String,
    /// The errors of a configuration, each as in `check --json`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub diagnostics: Vec<Value>,
    /// What the guard says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// What a refusal is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalKind {
    /// The request is not understood.
    Request,
    /// It is of another version of the protocol.
    Version,
    /// The caller may not.
    Denied,
    /// The configuration is not valid.
    InvalidConfig,
    /// A list lost more than it may.
    Shrunk,
    /// Peers that matter now would lose something.
    Guarded,
    /// An apply waits for its confirmation: not now.
    Pending,
    /// There is nothing to confirm or to roll back.
    Nothing,
    /// The attempt failed.
    Failed,
}

impl Refusal {
    /// A refusal without diagnostics.
    pub fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            diagnostics: Vec::new(),
            findings: Vec::new(),
        }
    }
}

/// A request as a line, without its end.
///
/// # Errors
/// Never: requests are plain data.
pub fn encode_request(request: &Request) -> serde_json::Result<String> {
    let mut value = serde_json::to_value(request)?;
    if let Some(object) = value.as_object_mut() {
        object.insert("version".to_owned(), VERSION.into());
    }
    Ok(value.to_string())
}

/// A line as a request, or why it is none.
///
/// # Errors
/// What the caller is to be told.
pub fn decode_request(line: &[u8]) -> Result<Request, Refusal> {
    let not_understood = |error: &dyn std::fmt::Display| {
        Refusal::new(
            RefusalKind::Request,
            format!("the request is not understood: {error}"),
        )
    };
    let mut object: Value = serde_json::from_slice(line).map_err(|error| not_understood(&error))?;
    let fields = object
        .as_object_mut()
        .ok_or_else(|| not_understood(&"it is no JSON object"))?;
    match fields.remove("version").and_then(|v| v.as_u64()) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            let message = format!(
                "the daemon speaks version {VERSION} of the control protocol, the request is of \
                 version {version}: restart the daemon after an upgrade"
            );
            return Err(Refusal::new(RefusalKind::Version, message));
        }
        None => return Err(not_understood(&"it has no version")),
    }
    serde_json::from_value(object).map_err(|error| not_understood(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_survive_the_wire() {
        for request in [
            Request::Reload { force: true },
            Request::Status {},
            Request::Events { follow: true },
            Request::Unload { device: None },
        ] {
            let line = encode_request(&request).unwrap();
            assert_eq!(decode_request(line.as_bytes()), Ok(request));
        }
    }

    #[test]
    fn what_is_no_request_is_refused_with_a_reason() {
        use RefusalKind::{Request as Wrong, Version};
        for (line, kind, part) in [
            ("", Wrong, "EOF"),
            ("{", Wrong, "EOF"),
            ("[]", Wrong, "no JSON object"),
            (r#"{"request":"status"}"#, Wrong, "no version"),
            (r#"{"version":2,"request":"status"}"#, Version, "version 2"),
            (r#"{"version":1,"request":"dance"}"#, Wrong, "dance"),
            (r#"{"version":1,"request":"status","x":1}"#, Wrong, "x"),
            ("\u{0}\u{1}", Wrong, "expected"),
        ] {
            let refusal = decode_request(line.as_bytes()).unwrap_err();
            assert_eq!(refusal.kind, kind, "{line}");
            assert!(refusal.message.contains(part), "{line}: {refusal:?}");
        }
    }
}
