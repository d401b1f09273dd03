//! The place of a daemon of another ABI is taken without a gap: its program judges until the new
//! one stands behind the same links, with a policy in force; its counters go on.

use super::Daemon;
use crate::kernel::KernelError;
use crate::kernel::clock;
use crate::kernel::upgrade::Other;
use anyhow::anyhow;
use std::path::Path;

/// The pins of another ABI, if that is what runs.
///
/// # Errors
/// A candidate waits there for a confirmation that only its own daemon can take.
pub(super) fn look(pin_path: &Path, is_adopted: bool) -> anyhow::Result<Option<Other>> {
    let Some(other) = Other::find(pin_path).into_iter().next() else {
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
        // Packets that the old program had begun with.
        self.kernel.wait_for_packets()?;
        let counted = other.counted()?;
        let book = {
            let mut view = self.shared.view();
            view.book.carry_over(other.abi, &counted);
            view.book.clone()
        };
        book.save(&self.settings.state_directory)?;
        other.unload()?;
        tracing::info!(abi = other.abi, "upgraded: its program and maps are gone");
        Ok(())
    }
}
