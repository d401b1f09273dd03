//! What is asked of the loaded program without a packet that counts: answers, and its size.

use super::{LOOPBACK, Tested, Traces};
use anyhow::{Context as _, Result, ensure};
use filter_common::answer::Answer;
use filter_common::gcra::Kind;
use filter_common::verdict::Note;

impl Tested {
    /// Asks what would become of a frame.
    ///
    /// # Errors
    /// The kernel does not answer.
    pub fn ask(&mut self, frame: &[u8]) -> Result<Answer> {
        Ok(self.kernel.ask(frame, LOOPBACK)?)
    }

    /// The same, and sees to it that asking changed nothing: no counter, no note, no cell.
    ///
    /// # Errors
    /// It did.
    pub fn ask_without_a_trace(&mut self, frame: &[u8]) -> Result<Answer> {
        let before = self.traces()?;
        let answer = self.ask(frame)?;
        ensure!(self.traces()? == before, "asking left traces");
        Ok(answer)
    }

    fn traces(&self) -> Result<Traces> {
        let cells = |kind| self.kernel.sources.cells(kind);
        let note = |note| self.kernel.counters.note(note);
        Ok((
            self.kernel.counters.read()?,
            [note(Note::SourceEvicted)?, note(Note::RateContended)?],
            [cells(Kind::Connection)?, cells(Kind::Packet)?],
        ))
    }

    /// The kernel's own count of instructions it read of a program.
    ///
    /// # Errors
    /// It was not loaded, or the kernel does not tell.
    pub fn verified_instructions(&mut self, program: &str) -> Result<u32> {
        let program = self.kernel.ebpf().program(program).context("no program")?;
        program
            .info()?
            .verified_instruction_count()
            .context("this kernel does not tell")
    }

    /// Bytes of a program after the verifier has left out what cannot be reached.
    ///
    /// # Errors
    /// It was not loaded, or the kernel does not tell.
    pub fn size(&mut self, program: &str) -> Result<u32> {
        let program = self.kernel.ebpf().program(program).context("no program")?;
        let info = program.info()?;
        info.size_translated().context("this kernel does not tell")
    }
}
