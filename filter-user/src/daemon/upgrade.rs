//! The place of a daemon of another ABI is taken without a gap: its program judges until the new
//! one stands behind the same links, with a policy in force; its counters go on.

use super::Daemon;
use crate::kernel::clock;
use crate::kernel::upgrade::Other;
use crate::kernel::{Kernel, KernelError};
use anyhow::anyhow;
use std::path::Path;

/// The pins of another ABI, if that is what runs. Mere remains are removed.
///
/// # Errors
/// A candidate waits there for a confirmation that only its own daemon can take.
pub(super) fn look(pin_path: &Path, is_adopted: bool) -> anyhow::Result<Option<Other>> {
    let found = Other::find(pin_path);
    let (remains, others): (Vec<_>, Vec<_>) = found.into_iter().partition(Other::is_remains);
    for other in remains {
        match other.unload() {
            Ok(_) => tracing::warn!(abi = other.abi, "remains of another version are removed"),
            Err(error) => tracing::error!(%error, "remains of another version cannot be removed"),
        }
    }
    let Some(other) = others.into_iter().next() else {
        return Ok(None);
    };
    if is_adopted {
        // An upgrade was cut short: it is brought to its end.
        return Ok(Some(other));
    }
    let active = other.active()?;
    if active.is_pending() && !active.is_reverted(clock::boot_seconds()) {
        return Err(anyhow!(
            "an apply of the version before waits for its confirmation: confirm it with that \
             version, or `edge-filter rollback`, before the upgrade"
        ));
    }
    tracing::info!(abi = other.abi, "taking over from another version");
    Ok(Some(other))
}

/// Whoever lets everything pass for a while goes on doing so.
pub(super) fn keep_bypass(other: &Other, kernel: &Kernel) {
    match other.bypass_until_seconds() {
        Ok(until) => kernel.state.set_bypass_until(until),
        Err(error) => tracing::error!(%error, "whether it is bypassed cannot be read"),
    }
}

impl Daemon {
    /// Once the new policy is in force, and before anything is attached: the new program is put
    /// behind the old links.
    pub(super) fn take_links(&self) -> Result<(), KernelError> {
        match &self.other {
            Some(other) => other.move_links(&self.kernel.folder),
            None => Ok(()),
        }
    }

    /// Once every link runs the new program: what the old one counted is final.
    pub(super) fn carry_over(&mut self) -> anyhow::Result<()> {
        let Some(other) = self.other.take() else {
            return Ok(());
        };
        if !self.shared.view().book.is_carried_from(other.abi) {
            // Packets that the old program had begun with.
            self.kernel.wait_for_packets()?;
            let counted = other.counted()?;
            let book = {
                let mut view = self.shared.view();
                view.book.carry_over(other.abi, &counted);
                view.book.clone()
            };
            book.save(&self.settings.state_directory)?;
        }
        other.unload()?;
        tracing::info!(abi = other.abi, "upgraded: its program and maps are gone");
        Ok(())
    }
}
