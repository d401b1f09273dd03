//! `bypass`: one word that the packet program reads; nobody has to live for it to end.

use super::{Failure, print};
use crate::cli::{BypassOptions, PathOptions};
use crate::kernel::{Pins, clock};
use crate::locations::Locations;
use anyhow::anyhow;
use std::time::{Duration, SystemTime};

pub(super) fn run(options: &BypassOptions, paths: &PathOptions) -> Result<(), Failure> {
    let locations = Locations::find(paths, options.pin_path.as_deref());
    let state = Pins::open_state(&locations.pin_path).map_err(anyhow::Error::from)?;
    let state = state.ok_or_else(|| {
        let path = locations.pin_path.display();
        anyhow!("{path}: nothing is pinned here, so nothing is filtered and nothing to bypass")
    })?;
    let now = clock::boot_seconds();
    let Some(duration) = options.duration else {
        let was_on = state.bypass_until_seconds() > now;
        state.set_bypass_until(0);
        return print(match was_on {
            true => "the bypass has ended: the filter is in force\n",
            false => "there was no bypass: the filter is in force\n",
        });
    };
    let seconds = duration.as_nanos().div_ceil(1_000_000_000) as u64;
    state.set_bypass_until(now + seconds);
    let until = SystemTime::now() + Duration::from_secs(seconds);
    print(&format!(
        "EVERYTHING PASSES until {}; what would be dropped is counted as would_drop; to end it: \
         edge-filter bypass --end\n",
        humantime::format_rfc3339_seconds(until)
    ))
}
