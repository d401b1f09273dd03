//! SYNs from strangers, made on a CPU of their own, as many a second as wanted.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread::JoinHandle;
use std::time::Instant;

use anyhow::{Context as _, Result, anyhow};
use edge_filter_tests::netns::Wire;
use edge_filter_tests::netns::frames::{Flow, Mark, SYN};
use edge_filter_tests::random::Random;
use filter_user::kernel::netlink;
use rustix::process::setpriority_process;

use super::world::{PORT, World};
use crate::generator::Generator;
use crate::peers::{SPRAYED, Sources};
use crate::timing;

/// Of one call; between two of them it waits some 20 ms.
const CALL_SECONDS: f64 = 0.5;
const PACING_FRAMES: u32 = 1 << 21;
/// No list has addresses that begin so.
const STRANGERS: u32 = 100 << 24;

/// One, until it is stopped or dropped.
pub struct Flood {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<Result<(f64, f64)>>>,
}

impl Flood {
    /// Returns when it has found its pace.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn start(world: &World, cpu: usize, a_second: f64) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (tell, told) = mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = world.net.client.spawn(move || {
            let mut stream = Stream::new(cpu)?;
            stream.pace(a_second)?;
            // Who no longer listens does not mind.
            let _ = tell.send(());
            stream.run(&stopped)
        });
        let flood = Self {
            stop,
            thread: Some(thread),
        };
        flood.wait(&told)
    }

    /// Or why it has not.
    fn wait(self, told: &Receiver<()>) -> Result<Self> {
        match told.recv() {
            Ok(()) => Ok(self),
            Err(_) => Err(self.stop().err().unwrap_or_else(|| anyhow!("no flood"))),
        }
    }

    /// Frames sent in all, and a second.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn stop(mut self) -> Result<(f64, f64)> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it is stopped once")?;
        thread.join().map_err(|_| anyhow!("the flood panicked"))?
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Whoever dropped it has failed already.
            let _ = thread.join();
        }
    }
}

struct Stream {
    generator: Generator,
    device: u32,
    /// Of the frames that are made: sent.
    share: f64,
    /// A second, those that are not sent too.
    made: f64,
    /// A second, those that are.
    wanted: f64,
    sent: f64,
}

impl Stream {
    fn new(cpu: usize) -> Result<Self> {
        timing::pin(cpu)?;
        // A flood with gaps in it is none: what else wants this CPU has to wait.
        setpriority_process(None, -20).context("before others")?;
        let wire = Wire(0);
        let name = wire.client_device();
        let links = netlink::links_now()?;
        let link = links.iter().find(|link| link.name == name);
        let device = link.with_context(|| format!("no device {name}"))?.index;
        let stranger = [100, 0, 0, 1].into();
        let flow = Flow::new((stranger, 40_000), (wire.server(false), PORT));
        let mark = Mark { flow: 0, number: 0 };
        let mut generator = Generator::new(flow.tcp(SYN, mark), cpu)?;
        let mut random = Random::new(13);
        let strangers = (0..SPRAYED).map(|_| STRANGERS | random.next() as u32 >> 8);
        let sent = generator.spray(&Sources::v4(&strangers.collect::<Vec<_>>()), device)?;
        Ok(Self {
            generator,
            device,
            share: 0.1,
            made: 0.0,
            wanted: 0.0,
            sent: sent as f64,
        })
    }

    /// Finds the share that makes so many a second, or all if that is too few.
    fn pace(&mut self, a_second: f64) -> Result<()> {
        self.wanted = a_second;
        for _ in 0..4 {
            self.send(PACING_FRAMES)?;
        }
        Ok(())
    }

    fn send(&mut self, frames: u32) -> Result<()> {
        let share = (self.share * f64::from(u32::MAX)) as u32;
        self.generator.aim(self.device, share)?;
        // With the wait at its end, in which nothing is sent.
        let started = Instant::now();
        let sent = self.generator.send(frames)?;
        self.made = sent.frames as f64 / started.elapsed().as_secs_f64();
        self.sent += sent.frames as f64 * self.share;
        self.share = (self.wanted / self.made).min(1.0);
        Ok(())
    }

    fn run(mut self, stop: &AtomicBool) -> Result<(f64, f64)> {
        let (started, before) = (Instant::now(), self.sent);
        while !stop.load(Ordering::Relaxed) {
            self.send((self.made * CALL_SECONDS) as u32)?;
        }
        let a_second = (self.sent - before) / started.elapsed().as_secs_f64();
        Ok((self.sent, a_second))
    }
}
