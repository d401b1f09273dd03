//! From nothing, or from what an earlier daemon left, to a policy in force.

use super::Daemon;
use super::interfaces::Interfaces;
use super::prepare::{Prepared, beyond_capacity, prepare};
use super::shared::{Shared, View, unix_now};
use crate::cli::{PathOptions, RunOptions};
use crate::commands::Failure;
use crate::config::{self, Errors, HostFacts, Loaded};
use crate::control::Server;
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::counters::Counted;
use crate::kernel::{Kernel, Options, Pins, environment, netlink};
use crate::last_good;
use crate::locations::Locations;
use crate::state_directory::{self, Lock};
use crate::watch::{Fingerprint, Schedule, Watcher};
use crate::{log, metrics};
use anyhow::{Context as _, anyhow};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// The packet program, built by `cargo xtask build`.
static OBJECT: &[u8] = aya::include_bytes_aligned!(env!("EDGE_FILTER_OBJECT"));
/// For configured interfaces to appear before systemd is told to go on: a NIC's driver takes
/// seconds at boot; much longer, and a host without that interface would not boot.
const INTERFACE_WAIT: Duration = Duration::from_secs(10);

/// Puts the configured policy in force, or the last good one.
///
/// # Errors
/// What is missing or refused; what was in force before still is.
pub async fn start(options: &RunOptions, paths: &PathOptions) -> Result<Daemon, Failure> {
    let locations = Locations::find(paths, None);
    let warnings = environment::check(&locations.pin_path).map_err(anyhow::Error::from)?;
    state_directory::create(&locations.state_directory).map_err(anyhow::Error::from)?;
    let mut lock =
        Lock::take(&locations.state_directory, &locations.pin_path).map_err(anyhow::Error::from)?;
    let config = std::path::absolute(&paths.config)
        .with_context(|| format!("{}: no such path", paths.config.display()))?;

    let host = HostFacts::read();
    let existing = Pins::open(&locations.pin_path).map_err(anyhow::Error::from)?;
    let counted = match &existing {
        Some(pins) => pins.counters.read().map_err(anyhow::Error::from)?,
        None => Vec::new(),
    };
    let is_adopted = existing.is_some();
    drop(existing);
    let (first, rejected) = first_policy(&config, &locations, &host, &|loaded| {
        let book = book(&locations, is_adopted, &counted);
        prepare(loaded, book, &counted)
    })?;

    let mut settings = first.loaded.policy.daemon.clone();
    settings
        .control_socket
        .clone_from(&locations.control_socket);
    log::start(settings.log_format, options.log_level);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    if let Some(errors) = &rejected {
        tracing::error!(
            "{} is not valid; THE LAST GOOD POLICY IS USED INSTEAD:\n{errors}",
            config.display()
        );
    }
    report_warnings(&first.loaded);

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
    let pins = Pins::open(&settings.pin_path)
        .map_err(anyhow::Error::from)?
        .ok_or_else(|| anyhow!("{}: nothing is pinned", settings.pin_path.display()))?;
    let written = InForce::load(&settings.state_directory, &settings.pin_path);
    let since = written.ok().flatten().map(|found| found.attached_since);
    let since = since.filter(|_| is_adopted).unwrap_or_default();

    let (requests, receiver) = mpsc::channel(1);
    let view = View {
        book: first.book.clone(),
        config: config.clone(),
        started_at: unix_now(),
        is_file_different: rejected.is_some(),
        ..View::default()
    };
    let mut files = first.loaded.files();
    if let Some(errors) = &rejected {
        files = errors.files.clone();
    }
    let mut daemon = Daemon {
        kernel,
        shared: Arc::new(Shared::new(pins, view)),
        interfaces: Interfaces::new(options.force, &since),
        policy: Arc::new(first.loaded.policy.clone()),
        slots: Vec::new(),
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
        _lock: lock,
    };
    if let Err(error) = daemon.first(first, rejected.is_some(), &host).await {
        // What was not there before must not stay half done; what was stays in force.
        if !is_adopted && let Err(error) = daemon.kernel.folder.unload() {
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
    tokio::spawn(server.serve(requests));
    tokio::spawn(metrics::serve(
        daemon.settings.metrics_listen,
        Arc::clone(&daemon.shared),
    ));
    if options.kernel_log.is_some() {
        daemon.log_kernel()?;
    }
    Ok(daemon)
}

impl Daemon {
    async fn first(
        &mut self,
        first: Prepared,
        is_fallback: bool,
        host: &HostFacts,
    ) -> anyhow::Result<()> {
        let ports = &host.ephemeral_ports;
        self.kernel
            .state
            .set_ephemeral_ports(*ports.start(), *ports.end());
        let links = netlink::links().await?;
        self.put_in_force(first, is_fallback, &links)?;
        if self.interfaces.is_refused() {
            let problems = self.interfaces.problems().iter();
            let problems: Vec<_> = problems
                .map(|(name, why)| format!("{name}: {why}"))
                .collect();
            return Err(anyhow!("not started: {}", problems.join("; ")));
        }
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

/// The configured policy, else the last good one with what is wrong with the configured one.
fn first_policy(
    config: &Path,
    locations: &Locations,
    host: &HostFacts,
    prepare: &dyn Fn(Loaded) -> Result<Prepared, crate::compile::CompileError>,
) -> Result<(Prepared, Option<Errors>), Failure> {
    let errors = match config::load(config, host) {
        Ok(loaded) => {
            let files = loaded.files();
            match prepare(loaded) {
                Ok(prepared) => return Ok((prepared, None)),
                Err(error) => Errors {
                    // Its lists may be what is too much.
                    files,
                    ..beyond_capacity(config, &error)
                },
            }
        }
        Err(errors) => errors,
    };
    match last_good::load(&locations.state_directory, host) {
        Ok(Some(loaded)) => {
            let kept = prepare(loaded).context("the last good policy does not compile")?;
            // The running filter may be pinned only where it was configured to be.
            let pinned = &kept.loaded.policy.daemon.pin_path;
            if *pinned != locations.pin_path {
                return Err(Failure::InvalidConfig(errors));
            }
            Ok((kept, Some(errors)))
        }
        Ok(None) => Err(Failure::InvalidConfig(errors)),
        Err(error) => {
            eprintln!("edge-filter: the last good policy does not help: {error}");
            Err(Failure::InvalidConfig(errors))
        }
    }
}

/// Names of numbers, such that no counter is ever shown under another's name.
fn book(locations: &Locations, is_adopted: bool, counted: &[Counted]) -> Book {
    let found = Book::load(&locations.state_directory, &locations.pin_path);
    let (mut book, is_known) = match found {
        Ok(Some(book)) => (book, true),
        Ok(None) => (Book::new(&locations.pin_path), false),
        Err(error) => {
            tracing::error!(%error, "numbers of services are given out anew");
            (Book::new(&locations.pin_path), false)
        }
    };
    if !is_adopted {
        book.forget_bases();
    } else if !is_known {
        book.start_all_over(counted);
    }
    book
}
