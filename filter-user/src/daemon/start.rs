//! From nothing, or from what an earlier daemon left, to a policy in force.

use super::Daemon;
use super::first::First;
use super::interfaces::Interfaces;
use super::prepare::{prepare, text_hash};
use super::resume::{self, Resumed};
use super::shared::{Shared, View, unix_now};
use super::upgrade;
use crate::applied::Applied;
use crate::cli::{PathOptions, RunOptions};
use crate::commands::Failure;
use crate::config::{self, HostFacts, Loaded};
use crate::control::Server;
use crate::events::{Journal, collect};
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::counters::Counted;
use crate::kernel::events::{Budgets, Ring, set_limits};
use crate::kernel::generations::Placement;
use crate::kernel::pins::Seen;
use crate::kernel::{Kernel, Options, Pins, attach, capabilities, environment, netlink};
use crate::locations::Locations;
use crate::page::{self, Gate, Watch};
use crate::state_directory::{self, Lock};
use crate::watch::{Fingerprint, Schedule, Watcher};
use crate::{log, metrics};
use anyhow::{Context as _, anyhow};
use filter_common::event::Limits;
use filter_common::state::Active;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The packet program, built by `cargo xtask build`.
pub(super) static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("EDGE_FILTER_OBJECT"));
/// For configured interfaces to appear before systemd is told to go on: a NIC's driver takes
/// seconds at boot; much longer, and a host without that interface would not boot.
const INTERFACE_WAIT: Duration = Duration::from_secs(10);

/// Puts the configured policy in force, or the last good one.
///
/// # Errors
/// What is missing or refused; what was in force before still is.
pub async fn start(options: &RunOptions, paths: &PathOptions) -> Result<Daemon, Failure> {
    let locations = Locations::find(paths, None);
    log::start(locations.log_format, options.log_level, options.kernel_log);
    let warnings = environment::check(&locations.pin_path).map_err(anyhow::Error::from)?;
    attach::learn_names();
    capabilities::keep(capabilities::TO_LOAD).map_err(anyhow::Error::from)?;
    state_directory::create(&locations.state_directory).map_err(anyhow::Error::from)?;
    let mut lock =
        Lock::take(&locations.state_directory, &locations.pin_path).map_err(anyhow::Error::from)?;
    let config = std::path::absolute(&paths.config)
        .with_context(|| format!("{}: no such path", paths.config.display()))?;

    let host = HostFacts::read();
    let existing = Seen::look(&locations.pin_path).map_err(anyhow::Error::from)?;
    let is_adopted = existing.is_some();
    let other = upgrade::look(&locations.pin_path, is_adopted)?;
    let is_counting = is_adopted || other.is_some();
    let active = existing.as_ref().map(|seen| seen.active);
    let counted = match (existing, &other) {
        (Some(seen), _) => seen.counted,
        (None, Some(other)) => Some(other.counted().map_err(anyhow::Error::from)?),
        (None, None) => None,
    };
    let has_counted = counted.is_some();
    let counted = counted.unwrap_or_default();
    let (book, has_book) = book(&locations, has_counted, &counted);
    let active = active.unwrap_or(Active::from_word(0));
    let resumed = resume::applied(&locations, &book, active, &config);
    let first = match &resumed {
        Resumed::Pending { candidate, .. } => First::Pending(candidate.policy.clone()),
        Resumed::Settled(applied) => {
            let target = applied.as_ref().and_then(Applied::rollback_target);
            let beside = target.filter(|_| has_book);
            First::find(&config, &locations, &host, &|loaded| {
                let hash = text_hash(&loaded);
                let beside = beside.filter(|(_, sha256)| **sha256 == hash);
                prepare(loaded, book.clone(), beside.map(|(b, _)| b), &counted)
            })?
        }
    };

    let mut settings = first.policy().daemon.clone();
    settings
        .control_socket
        .clone_from(&locations.control_socket);
    if matches!(first, First::Pending(_)) {
        // What waits is judged where it was applied; other places are for who restarts once it is
        // confirmed.
        settings.pin_path.clone_from(&locations.pin_path);
        settings
            .state_directory
            .clone_from(&locations.state_directory);
    }
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    resumed.report();
    first.report(&config);

    lock.take_pins(&settings.pin_path)
        .map_err(anyhow::Error::from)?;
    let kernel = Kernel::open(
        OBJECT,
        &Options {
            pin_path: settings.pin_path.clone(),
            tracked_sources: settings.tracked_sources,
            log_level: options.kernel_log.map_or(0, |level| level.number()),
        },
    )
    .map_err(anyhow::Error::from)?;
    if let Some(other) = other.as_ref().filter(|_| !is_adopted) {
        upgrade::keep_bypass(other, &kernel);
    }
    capabilities::keep(capabilities::TO_RUN).map_err(anyhow::Error::from)?;
    let pins = Pins::open(&settings.pin_path)
        .map_err(anyhow::Error::from)?
        .ok_or_else(|| anyhow!("{}: nothing is pinned", settings.pin_path.display()))?;
    let written = InForce::recover(&settings.state_directory, &settings.pin_path);
    let written = written.unwrap_or_default();
    let since = Some(written.attached_since).filter(|_| is_adopted);
    let since = since.unwrap_or_default();

    let (requests, receiver) = mpsc::channel(1);
    let view = View {
        program: kernel.program_id(),
        book,
        config: config.clone(),
        started_at: unix_now(),
        is_file_different: !matches!(first, First::Configured(_)),
        in_force: InForce {
            scraper: written.scraper,
            ..InForce::default()
        },
        ..View::default()
    };
    let files = first.files(&config);
    let mut daemon = Daemon {
        kernel,
        shared: Arc::new(Shared::new(pins, view)),
        interfaces: Interfaces::new(options.force, &since),
        policy: Arc::new(first.policy().clone()),
        slots: Vec::new(),
        kept: Vec::new(),
        applied: None,
        candidate: None,
        is_deferred: false,
        other,
        settings,
        config,
        watcher: None,
        loaded: Fingerprint::take(&files),
        files,
        schedule: Schedule::default(),
        waiting: Vec::new(),
        is_forced: false,
        exceptions: super::exceptions::Exceptions::default(),
        requests: receiver,
        ready_until: Some(Instant::now() + INTERFACE_WAIT),
        pins_problem: None,
        _lock: lock,
    };
    if let Err(error) = daemon.first(first, resumed, has_book, &host).await {
        // What was not there before must not stay half done; what was stays in force.
        let links = daemon.kernel.folder.pinned_interfaces();
        let is_fresh = !is_adopted && links.is_empty();
        if (is_fresh || !is_counting)
            && let Err(error) = daemon.kernel.folder.unload_this()
        {
            tracing::error!(%error, "cannot undo the start");
        }
        return Err(error.into());
    }
    match Watcher::new() {
        Ok(watcher) => daemon.watcher = Some(watcher),
        Err(error) => tracing::error!(%error, "files are looked at every few seconds only"),
    }
    daemon.watch();

    let server = Server::bind(&daemon.settings.control_socket).with_context(|| {
        let path = daemon.settings.control_socket.display();
        format!("control socket {path}: cannot listen")
    })?;
    let journal = daemon.start_events();
    tokio::spawn(server.serve(requests, Arc::clone(&journal)));
    tokio::spawn(metrics::serve(
        daemon.settings.metrics_listen,
        Arc::clone(&daemon.shared),
        page::routes(
            Gate::new(&daemon.settings),
            Watch::new(
                Arc::clone(&daemon.shared),
                journal,
                daemon.settings.state_directory.clone(),
            ),
        ),
    ));
    if options.kernel_log.is_some() {
        daemon.log_kernel()?;
    }
    Ok(daemon)
}

impl Daemon {
    /// Reads events from now on. Without them the filter does its work too.
    fn start_events(&self) -> Arc<Journal> {
        let folder = &self.kernel.folder;
        let limits = Limits::new(self.settings.events_per_second);
        let opened = set_limits(folder, limits)
            .and_then(|()| Ok((Ring::open(folder)?, Budgets::open(folder)?)));
        match opened {
            Ok((ring, budgets)) => {
                let budgets = Arc::new(budgets);
                let journal = Arc::new(Journal::of(Arc::clone(&budgets)));
                let shared = Arc::clone(&self.shared);
                tokio::spawn(collect(ring, budgets, shared, Arc::clone(&journal)));
                journal
            }
            Err(error) => {
                tracing::error!("NO EVENTS: {:#}", anyhow!(error));
                Arc::new(Journal::default())
            }
        }
    }

    async fn first(
        &mut self,
        first: First,
        resumed: Resumed,
        has_book: bool,
        host: &HostFacts,
    ) -> anyhow::Result<()> {
        let ports = &host.ephemeral_ports;
        self.kernel
            .state
            .set_ephemeral_ports(*ports.start(), *ports.end());
        let links = netlink::links().await?;
        let (prepared, is_fallback) = match first {
            First::Pending(_) => {
                self.resume(resumed, &links);
                self.kernel.settle();
                return Ok(());
            }
            First::Configured(prepared) => (prepared, false),
            First::LastGood(prepared, _) => (prepared, true),
        };
        let Resumed::Settled(applied) = resumed else {
            return Err(anyhow!("a candidate waits that is not in force"));
        };
        let hash = text_hash(&prepared.loaded);
        self.applied = applied;
        let target = self.applied.as_ref().and_then(Applied::rollback_target);
        let placement = match target {
            // Without the numbers that it was made with, what a rollback would go back to is of no use.
            Some((_, sha256)) if *sha256 == hash && has_book => Placement::Renewed,
            _ => Placement::ForGood,
        };
        self.ask_guard_at_start(&prepared, &links).await;
        self.put_in_force(prepared, placement, is_fallback, &links)?;
        if self.interfaces.is_refused() {
            let problems = self.interfaces.problems().iter();
            let problems: Vec<_> = problems
                .map(|(name, why)| format!("{name}: {why}"))
                .collect();
            return Err(anyhow!("not started: {}", problems.join("; ")));
        }
        self.carry_over()?;
        // Links that run another program than this one are gone by now.
        self.kernel.settle();
        Ok(())
    }
}

/// Warnings of a configuration, in the log.
pub(super) fn report_warnings(loaded: &Loaded) {
    for warning in &loaded.warnings {
        let text = config::render(std::slice::from_ref(warning), false);
        tracing::warn!("{text}");
    }
}

/// Names of numbers, such that no counter is ever shown under another's name; and whether they are
/// those that the tables of earlier generations were made with.
fn book(locations: &Locations, is_adopted: bool, counted: &[Counted]) -> (Book, bool) {
    let found = Book::recover(&locations.state_directory, &locations.pin_path);
    let is_known = found.is_some();
    let mut book = found.unwrap_or_else(|| Book::new(&locations.pin_path));
    if !is_adopted {
        book.forget_bases();
    } else if !is_known {
        book.start_all_over(counted);
    }
    (book, is_known)
}
