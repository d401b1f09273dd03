//! The loop: what happens on the host, and what follows from it.

use super::Daemon;
use super::apply::Terms;
use super::prepare::Candidate;
use super::start::OBJECT;
use crate::config::HostFacts;
use crate::control::{Answer, Asked, Refusal, RefusalKind, Request};
use crate::kernel::memory;
use crate::kernel::netlink::{self, Changes};
use crate::watch::{Fingerprint, Step, Watcher};
use anyhow::Context as _;
use filter_common::gcra::{Kind, SWEEP_SECONDS};
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::unix::AsyncFd;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval, sleep_until};

/// Between two looks at what is also told by events, in case one was lost.
const HOUSEKEEPING: Duration = Duration::from_secs(10);
/// Between two sweeps of the tables of sources.
const SWEEP: Duration = Duration::from_secs(SWEEP_SECONDS);

impl Daemon {
    /// Serves until a signal, or `unload`, ends it. The filter stays in force.
    ///
    /// # Errors
    /// The system refuses what the loop needs.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("SIGINT")?;
        let mut hangup = signal(SignalKind::hangup()).context("SIGHUP")?;
        let mut changes = listen();
        let files = match &self.watcher {
            Some(watcher) => watcher.changes(),
            None => Arc::new(Notify::new()),
        };
        let mut housekeeping = interval(HOUSEKEEPING);
        housekeeping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sweep = interval(SWEEP);
        // Interfaces may have come between the start and the first event that is heard.
        self.look_at_links().await;
        loop {
            if self.kernel.is_unloaded() {
                tracing::warn!(
                    "unloaded by a command that did not wait for the daemon: NOTHING IS FILTERED \
                     any more; the daemon stops"
                );
                let _ = sd_notify::notify(&[NotifyState::Stopping]);
                return Ok(());
            }
            let now = Instant::now();
            let step = self
                .schedule
                .step(now, self.has_moved_in(), || Fingerprint::take(&self.files));
            let wake = match step {
                Step::Reload => {
                    if let Some(watcher) = &self.watcher {
                        watcher.forget_moves();
                    }
                    self.reload().await;
                    continue;
                }
                Step::Wait(until) => until,
                Step::Idle => now + HOUSEKEEPING,
            };
            let wake = self.ready_until.map_or(wake, |until| wake.min(until));
            let wake = self.reverts_at(now).map_or(wake, |at| wake.min(at));
            tokio::select! {
                _ = terminate.recv() => break,
                _ = interrupt.recv() => break,
                _ = hangup.recv() => self.request_reload(),
                () = files.notified() => self.look_at_files(),
                Some(asked) = self.requests.recv() => {
                    if self.answer(asked).await.is_break() {
                        let _ = sd_notify::notify(&[NotifyState::Stopping]);
                        return Ok(());
                    }
                }
                changed = next(&mut changes) => {
                    if changed.is_none() {
                        changes = None;
                    }
                    self.look_at_links().await;
                }
                _ = housekeeping.tick() => {
                    if changes.is_none() {
                        changes = listen();
                    }
                    self.keep_house().await;
                }
                _ = sweep.tick() => self.sweep(),
                () = sleep_until(wake.into()) => {
                    self.look_whether_ready();
                    self.notice().await;
                }
            }
        }
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
        tracing::info!("the daemon stops; the filter stays as it is");
        Ok(())
    }

    /// Not while an apply waits: nothing else replaces the policy then.
    pub(super) fn request_reload(&mut self) {
        if self.is_pending() {
            self.defer();
            return;
        }
        let files = Fingerprint::take(&self.files);
        self.schedule.request(Instant::now(), files);
    }

    fn defer(&mut self) {
        if !std::mem::replace(&mut self.is_deferred, true) {
            let why = self.pending_words();
            tracing::warn!("reload DEFERRED: {why}");
        }
    }

    /// Whether what changed last was moved to its place, and so was finished before.
    fn has_moved_in(&self) -> bool {
        let watcher = self.watcher.as_ref();
        watcher.is_some_and(Watcher::has_moved_in)
    }

    fn look_at_files(&mut self) {
        let now = Fingerprint::take(&self.files);
        if now != self.loaded {
            if self.is_pending() {
                // Said once for each change.
                self.loaded = now;
            }
            self.request_reload();
        }
    }

    /// Watches the folders of all files again: one may have been replaced.
    pub(super) fn watch(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for (folder, error) in watcher.watch(&self.files) {
            tracing::warn!(folder = %folder.display(), %error, "cannot watch");
        }
    }

    pub(super) async fn look_at_links(&mut self) {
        if self.kernel.is_unloaded() {
            // The loop ends.
            return;
        }
        self.look_at_pins();
        match netlink::links().await {
            Ok(links) => self.sync(&links),
            Err(error) => {
                let error = anyhow::Error::from(error);
                tracing::error!("cannot look after interfaces: {error:#}");
            }
        }
        self.look_whether_ready();
    }

    /// Somebody may have removed the pins, by which commands work and the next daemon takes over.
    fn look_at_pins(&mut self) {
        let problem = match self.kernel.pin_again() {
            Ok(is_missing) => {
                if is_missing {
                    tracing::error!(
                        "pins were removed while the filter runs; it stayed in force, and they \
                         are made again. To take it away: edge-filter unload"
                    );
                }
                None
            }
            Err(error) => Some(format!("{:#}", anyhow::Error::from(error))),
        };
        // Said once, not at each look.
        if problem.is_some() && problem != self.pins_problem {
            let problem = problem.as_deref().unwrap_or_default();
            tracing::error!(
                "pins were removed and cannot be made again: the filter is in force only while \
                 this daemon lives, and commands do not find it: {problem}"
            );
        }
        self.pins_problem = problem;
    }

    /// Tells systemd, once: when everything is attached, or the wait for that has ended.
    fn look_whether_ready(&mut self) {
        let Some(until) = self.ready_until else {
            return;
        };
        let missing = self.interfaces.problems();
        if !missing.is_empty() {
            if Instant::now() < until {
                return;
            }
            let names: Vec<_> = missing.keys().map(String::as_str).collect();
            tracing::error!(
                interfaces = names.join(", "),
                "the wait for interfaces is over; NOT FILTERED until they appear"
            );
        }
        self.ready_until = None;
        memory::forget(OBJECT);
        memory::give_back();
        let generation = self.kernel.state.active().generation();
        tracing::info!(generation, "ready");
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    async fn keep_house(&mut self) {
        self.notice().await;
        let ports = HostFacts::read().ephemeral_ports;
        self.kernel
            .state
            .set_ephemeral_ports(*ports.start(), *ports.end());
        self.keep_exceptions();
        self.keep_scraper();
        self.watch();
        self.look_at_files();
        self.look_at_links().await;
    }

    fn sweep(&self) {
        let shared = Arc::clone(&self.shared);
        tokio::task::spawn_blocking(move || {
            for kind in [Kind::Connection, Kind::Packet] {
                match shared.pins.sources.sweep(kind) {
                    Ok(cleared) => tracing::debug!(?kind, cleared, "swept a table of sources"),
                    Err(error) => {
                        let error = anyhow::Error::from(error);
                        tracing::error!("a table of sources is not swept: {error:#}");
                    }
                }
            }
        });
    }

    async fn answer(&mut self, asked: Asked) -> std::ops::ControlFlow<()> {
        let Asked { request, answer } = asked;
        let mut flow = std::ops::ControlFlow::Continue(());
        let said = match request {
            Request::Reload { .. } if self.is_pending() => {
                self.defer();
                self.deferred()
            }
            Request::Apply {
                text,
                file,
                confirm_seconds,
                force,
                ssh_connection,
            } => {
                self.notice().await;
                let candidate = Candidate { text, file, force };
                let terms = Terms {
                    confirm_seconds,
                    ssh_connection,
                };
                self.apply(candidate, terms).await
            }
            Request::Confirm {} => self.confirm().await,
            Request::Rollback {} => self.rollback().await,
            Request::Reload { force } => {
                self.is_forced |= force;
                self.waiting.push(answer);
                let files = Fingerprint::take(&self.files);
                self.schedule.demand(Instant::now(), files);
                return flow;
            }
            Request::Status {} => match netlink::links().await {
                Ok(links) => Answer::Status(Box::new(self.shared.status(&links))),
                Err(error) => failed(&error.into()),
            },
            // Answered where it is asked: it never comes this far.
            Request::Events { .. } => failed(&anyhow::anyhow!("events are streamed")),
            Request::Unload { device: None } => match self.kernel.folder.unload() {
                Ok(interfaces) => {
                    tracing::warn!(
                        "unloaded on request: NOTHING IS FILTERED any more; the daemon stops"
                    );
                    flow = std::ops::ControlFlow::Break(());
                    Answer::Unloaded { interfaces }
                }
                Err(error) => failed(&error.into()),
            },
            Request::Unload {
                device: Some(device),
            } => self.release(device),
        };
        // Who no longer waits does not mind.
        let _ = answer.send(said);
        if flow.is_break() {
            // The answer is written by another task: let it.
            tokio::task::yield_now().await;
        }
        flow
    }

    /// Who waits for a reload waits for nothing any more.
    pub(super) fn refuse_waiting(&mut self) {
        let answer = self.deferred();
        for waiting in self.waiting.drain(..) {
            let _ = waiting.send(answer.clone());
        }
    }

    fn deferred(&self) -> Answer {
        let message = format!(
            "deferred: {}; the reload follows then",
            self.pending_words()
        );
        Answer::Refused(Refusal::new(RefusalKind::Pending, message))
    }

    fn release(&mut self, device: String) -> Answer {
        match self.kernel.detach(&device) {
            Ok(was_attached) => {
                let is_configured = self.policy.interfaces.iter().any(|i| i.name == device);
                if is_configured {
                    self.interfaces.release(&device);
                    let mut view = self.shared.view();
                    view.problems.clone_from(self.interfaces.problems());
                }
                tracing::warn!(device, "detached on request: NOT FILTERED until a restart");
                let interfaces = if was_attached { vec![device] } else { vec![] };
                Answer::Unloaded { interfaces }
            }
            Err(error) => failed(&error.into()),
        }
    }

    /// Passes on what the packet program logs.
    pub(super) fn log_kernel(&mut self) -> anyhow::Result<()> {
        let logger = aya_log::EbpfLogger::init(self.kernel.ebpf())
            .context("the packet program's log cannot be read")?;
        let interest = tokio::io::Interest::READABLE;
        #[expect(
            deprecated,
            reason = "the other constructor is unsafe; the logger owns the descriptor that it names"
        )]
        let logger = AsyncFd::with_interest(logger, interest);
        let mut logger = logger.context("the packet program's log cannot be waited for")?;
        tokio::spawn(async move {
            while let Ok(mut guard) = logger.readable_mut().await {
                guard.get_inner_mut().flush();
                guard.clear_ready();
            }
        });
        Ok(())
    }
}

fn failed(error: &anyhow::Error) -> Answer {
    Answer::Refused(Refusal::new(RefusalKind::Failed, format!("{error:#}")))
}

fn listen() -> Option<Changes> {
    Changes::listen()
        .inspect_err(|error| tracing::error!(%error, "interfaces are looked at now and then only"))
        .ok()
}

/// Never comes while nobody listens.
async fn next(changes: &mut Option<Changes>) -> Option<()> {
    match changes {
        Some(changes) => changes.next().await,
        None => std::future::pending().await,
    }
}
