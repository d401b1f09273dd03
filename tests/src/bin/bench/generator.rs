//! Packets faster than any filter: test runs whose frames are live, each redirected into a veth with
//! another source. They are made, carried over and judged on one CPU, in one system call.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use aya::programs::{TestRun as _, TestRunAttrs, TestRunOptions};

use crate::peers::{Peers, Sources};
use crate::timing::{cpu_ns, median};
use crate::told;

/// A veth's queue has 256 places, and a poll takes 64.
const BATCH: u32 = 64;
const PROGRAM: &str = "generate";

/// Everything is sent.
pub const ALL: u32 = u32::MAX;

/// The program, and its frame.
pub struct Generator {
    peers: Peers,
    frame: Vec<u8>,
    /// Of the CPU's thread that goes on with packets when there are many.
    soft_interrupts: Option<String>,
    /// At the end of each call, for RCU.
    wait: Duration,
}

/// One call.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// Frames that were made.
    pub frames: u64,
    /// Without the wait.
    pub seconds: f64,
    /// CPU time for each frame: the caller's, and that of the CPU's soft interrupts.
    pub cpu_ns: f64,
}

impl Generator {
    /// Loads it. Everything else is to be called on `cpu` alone, in the sender's namespace.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn new(frame: Vec<u8>, cpu: usize) -> Result<Self> {
        Ok(Self {
            peers: Peers::load(&[PROGRAM])?,
            frame,
            soft_interrupts: thread_named(&format!("ksoftirqd/{cpu}"))?,
            wait: Duration::ZERO,
        })
    }

    /// Takes other sources, and learns how long a call waits; how many frames that took.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn spray(&mut self, sources: &Sources, device: u32) -> Result<u64> {
        self.peers.fill_spray(sources, device)?;
        self.wait = Duration::ZERO;
        let mut waits = Vec::new();
        let mut frames = 0;
        for _ in 0..5 {
            let sent = self.send(BATCH)?;
            waits.push(sent.seconds);
            frames += sent.frames;
        }
        self.wait = Duration::from_secs_f64(median(&mut waits));
        Ok(frames)
    }

    /// To which device, and how many of 2^32 batches.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn aim(&mut self, device: u32, share: u32) -> Result<()> {
        self.peers.aim(device, share)
    }

    /// Makes so many frames.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn send(&mut self, frames: u32) -> Result<Sent> {
        let made = self.peers.made()?;
        let (cpu, started) = (self.cpu_ns(), Instant::now());
        let options = TestRunOptions {
            data_in: Some(&self.frame),
            repeat: frames,
            attrs: TestRunAttrs::new().xdp_live_frames(BATCH),
            ..Default::default()
        };
        let program = self.peers.program(PROGRAM)?;
        program.test_run(options).context("live frames")?;
        let seconds = started.elapsed().saturating_sub(self.wait).as_secs_f64();
        let cpu = self.cpu_ns() - cpu;
        let made = self.peers.made()? - made;
        ensure!(made >= u64::from(frames), "{made} of {frames} frames made");
        Ok(Sent {
            frames: made,
            seconds,
            cpu_ns: cpu / made as f64,
        })
    }

    /// How many frames take so long.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn frames_in(&mut self, seconds: f64) -> Result<u32> {
        let mut frames = 1 << 13;
        loop {
            let cost = self.send(frames)?.cpu_ns / 1e9;
            let more = (seconds / cost).clamp(1e3, 4e9) as u32;
            // A first guess from too few of them is a bad one.
            if f64::from(frames) * cost > seconds / 20.0 {
                return Ok(more);
            }
            frames = more.min(frames * 16);
        }
    }

    fn cpu_ns(&self) -> f64 {
        let soft = self.soft_interrupts.as_ref().and_then(|path| {
            let text = fs::read_to_string(path).ok()?;
            told::run_ns(&text)
        });
        cpu_ns() + soft.unwrap_or(0.0)
    }
}

/// Where a kernel thread's run time stands.
fn thread_named(name: &str) -> Result<Option<String>> {
    for entry in fs::read_dir("/proc").context("/proc")? {
        let path = entry?.path();
        let comm = fs::read_to_string(path.join("comm")).unwrap_or_default();
        if comm.trim() == name {
            return Ok(Some(path.join("schedstat").to_string_lossy().into_owned()));
        }
    }
    Ok(None)
}
