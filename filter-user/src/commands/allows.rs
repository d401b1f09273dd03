//! `allows`: as `bans`, of timed allows.

use super::{Failure, bans};
use crate::cli::{ListOptions, PathOptions};
use crate::exceptions::Kind;

pub(super) fn run(options: &ListOptions, paths: &PathOptions) -> Result<(), Failure> {
    bans::show(Kind::Allow, options, paths)
}
