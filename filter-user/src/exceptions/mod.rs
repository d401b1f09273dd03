//! Bans and timed allows: what the operator says beside the policy, kept across restarts.
//!
//! Commands act on the pinned maps and on the journal in the state directory, under one lock, so
//! they need no daemon. The journal is what was said, the maps are what is in force; `sync` puts
//! the second in step with the first. Nothing here ever changes the policy.

#![forbid(unsafe_code)]

mod change;
mod desk;
mod journal;
mod ledger;
mod list;
mod lock;
mod now;
mod protected;
mod refusal;
mod sync;
mod target;
mod text;

pub use change::{Change, ChangeError, Lifted, Order, Which};
pub use desk::{Desk, DeskError};
pub use journal::{Journal, JournalError};
pub use ledger::{Entry, Key, Kind, Ledger, Op, Record};
pub use list::{Listing, Row, Sort, list};
pub use lock::{Lock, LockError};
pub use now::{BootEnd, Now};
pub use protected::protected_peers;
pub use refusal::{Reason, Refusals};
pub use sync::{clear_numbers, count, sweep, sync};
pub use target::{Target, TargetError};
pub use text::{Note, NoteError, duration};

/// An expiry that never comes.
pub const FOREVER: u64 = u64::MAX;
