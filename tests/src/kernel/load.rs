//! For tests that run the program by the million.

use super::Tested;
use anyhow::{Context as _, Result};
use aya::programs::Xdp;
use aya_obj::programs::XdpAttachType;
use filter_common::verdict::Note;
use filter_user::kernel::counters::Counted;
use filter_user::kernel::state::StateMap;

impl Tested {
    /// Whether the program lets a frame pass; how it is counted is not looked at.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn passes(&mut self, frame: &[u8]) -> Result<bool> {
        Ok(self.returned(frame)? == 2)
    }

    /// Everything counted so far.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn counters(&self) -> Result<Vec<Counted>> {
        Ok(self.kernel.counters.read()?)
    }

    /// Sources that had to make room for others before their time.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn evictions(&self) -> Result<u64> {
        Ok(self.kernel.counters.note(Note::SourceEvicted)?)
    }

    /// Words shared with the program.
    pub fn state(&self) -> &StateMap {
        &self.kernel.state
    }

    /// Names of all programs of the object that are loaded.
    pub fn loaded_programs(&mut self) -> Vec<String> {
        let programs = self.kernel.ebpf().programs();
        let loaded = programs.filter(|(_, program)| program.info().is_ok());
        loaded.map(|(name, _)| name.to_owned()).collect()
    }

    /// The loaded program once more, for another thread.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn another_hand(&mut self) -> Result<Xdp> {
        let path = self._pins.0.path().join("hand");
        let program = self.kernel.ebpf().program_mut("edge_filter");
        let program: &mut Xdp = program.context("no program")?.try_into()?;
        program.pin(&path)?;
        Ok(Xdp::from_pin(&path, XdpAttachType::Interface)?)
    }
}
