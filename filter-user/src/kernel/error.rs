//! What can go wrong between daemon and kernel: what, on what, what to do.

use std::io;
use std::path::PathBuf;

/// A failure at the kernel boundary.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The host lacks something that the filter needs.
    #[error("{what}; {fix}")]
    Environment {
        /// What is missing.
        what: String,
        /// What to do.
        fix: String,
    },
    /// A file or folder of the pins.
    #[error("{path}: {doing} failed")]
    Pin {
        /// Which.
        path: PathBuf,
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// `unload` or `rollback` was at work at the same moment.
    #[error(
        "the policy was changed or taken away by another command at this moment; nothing was put in force"
    )]
    Overtaken,
    /// The object, or one of its programs, was refused.
    #[error("the packet program does not load")]
    Load(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// A map of the object is missing or of another type: a bug.
    #[error("map {name}: {doing} failed")]
    Map {
        /// Which.
        name: &'static str,
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A pinned map of another shape than the program's.
    #[error(
        "{path}: the pinned map is of another shape ({found}) than this version's ({wanted}); \
         `edge-filter unload` removes it, and its counters"
    )]
    Shape {
        /// Its pin.
        path: PathBuf,
        /// What it is.
        found: String,
        /// What it has to be.
        wanted: String,
    },
    /// An interface could not be attached to.
    #[error("{interface}: {what}")]
    Attach {
        /// Which.
        interface: String,
        /// Why not, and what to do.
        what: String,
        /// The kernel's answer.
        #[source]
        source: Option<Box<dyn std::error::Error + Send + Sync>>,
    },
    /// The program that explains did not answer.
    #[error("asking the loaded program about a packet of interface index {interface} failed")]
    Ask {
        /// By which the packet came in.
        interface: u32,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Netlink did not answer.
    #[error("netlink: {doing} failed")]
    Netlink {
        /// What was attempted.
        doing: &'static str,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl KernelError {
    /// An error at a map.
    pub(super) fn map(
        name: &'static str,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Map {
            name,
            doing,
            source: source.into(),
        }
    }
}
