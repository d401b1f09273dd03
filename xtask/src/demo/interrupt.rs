//! Ctrl-C as a question that waits ask, so that cleaning up is never skipped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Between two looks at something that another process does.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// Whether someone asked this process to end.
#[derive(Clone)]
pub struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// From here on the usual signals no longer end the process: [`Interrupt::check`] does.
    pub fn watch() -> Result<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .context("cannot watch for Ctrl-C")?;
        }
        Ok(Self(flag))
    }

    /// An error once someone asked to end.
    pub fn check(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            bail!("interrupted; everything is cleaned up");
        }
        Ok(())
    }

    /// Asks `look` again and again until it finds something; an error at the deadline.
    pub fn wait_for<T>(
        &self,
        what: &str,
        limit: Duration,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        let deadline = Instant::now() + limit;
        loop {
            self.check()?;
            if let Some(found) = look()? {
                return Ok(found);
            }
            if Instant::now() >= deadline {
                bail!("{what}: not within {} s", limit.as_secs());
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    /// Waits for a point in time, as a pace of packets needs; an error if interrupted.
    pub fn wait_until(&self, moment: Instant) -> Result<()> {
        loop {
            self.check()?;
            let left = moment.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            thread::sleep(left.min(LOOK_AGAIN));
        }
    }
}
