//! `disallow`: as `unban`, of timed allows.

use super::{Failure, unban};
use crate::cli::{LiftOptions, PathOptions};
use crate::exceptions::Kind;

pub(super) fn run(options: &LiftOptions, paths: &PathOptions) -> Result<(), Failure> {
    unban::lift(Kind::Allow, options, paths)
}
