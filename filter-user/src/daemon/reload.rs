//! A new policy takes the place of the one in force, or is turned down.

use super::Daemon;
use super::prepare::{self, Prepared, Rejection};
use super::shared::unix_now;
use super::start::report_warnings;
use crate::config::policy;
use crate::config::{self, Loaded, SourceFile};
use crate::control::Answer;
use crate::ids::Book;
use crate::in_force::InForce;
use crate::kernel::KernelError;
use crate::kernel::generations::Placement;
use crate::kernel::memory;
use crate::kernel::netlink::{self, Link};
use crate::last_good::{self, Kept};
use crate::report::LastReload;
use crate::watch::Fingerprint;
use anyhow::Context as _;
use sd_notify::NotifyState;
use std::sync::Arc;

impl Daemon {
    /// Loads the configuration and answers everybody who waits for that.
    pub(super) async fn reload(&mut self) {
        let _ = sd_notify::notify(&[NotifyState::Reloading, monotonic()]);
        let force = std::mem::take(&mut self.is_forced);
        let answer = match self.try_reload(force).await {
            Ok(warnings) => {
                let generation = self.kernel.state.active().generation();
                tracing::info!(generation, "reloaded");
                self.reloaded("applied", None);
                Answer::Reloaded {
                    generation,
                    warnings,
                }
            }
            Err(rejection) => {
                let generation = self.kernel.state.active().generation();
                tracing::error!(
                    generation,
                    "reload REJECTED; the policy in force stays:\n{rejection}"
                );
                if let Some(files) = rejection.files() {
                    self.files = files.to_vec();
                    self.loaded = Fingerprint::take(&self.files);
                }
                self.reloaded("rejected", Some(rejection.to_string()));
                Answer::Refused(rejection.refusal())
            }
        };
        memory::give_back();
        self.watch();
        for waiting in self.waiting.drain(..) {
            // Who no longer waits does not mind.
            let _ = waiting.send(answer.clone());
        }
        let _ = sd_notify::notify(&[NotifyState::Ready]);
    }

    fn reloaded(&self, outcome: &str, message: Option<String>) {
        let mut view = self.shared.view();
        view.is_file_different = message.is_some();
        match message {
            None => view.reloads.applied += 1,
            Some(_) => view.reloads.rejected += 1,
        }
        view.last_reload = Some(LastReload {
            at: unix_now(),
            outcome: outcome.into(),
            message,
        });
    }

    async fn try_reload(&mut self, force: bool) -> Result<Vec<String>, Rejection> {
        self.loaded = Fingerprint::take(&self.files);
        let links = netlink::links().await.map_err(failed)?;
        let before = self.before(&links, None).await.map_err(Rejection::Failed)?;
        let config = self.config.clone();
        // Beside the loop's thread: metrics and events go on meanwhile.
        let work = move || prepare::reload(&config, &before, force);
        let reload = tokio::task::spawn_blocking(work).await.map_err(failed)??;
        let prepared = reload.prepared;
        let mut warnings = warnings(&prepared.loaded);
        warnings.extend(self.report_findings(&reload.findings));
        let files = prepared.loaded.files();
        let needs_restart = needs_restart(&self.settings, &self.policy, &prepared.loaded.policy);
        let placement = if reload.is_renewed {
            Placement::Renewed
        } else {
            Placement::ForGood
        };
        self.put_in_force(prepared, placement, false, &links)
            .map_err(Rejection::Failed)?;
        warnings.extend(self.not_filtered());
        if files != self.files {
            self.files = files;
            self.loaded = Fingerprint::take(&self.files);
        }
        warnings.extend(self.report_restart(needs_restart));
        Ok(warnings)
    }

    /// A configured policy, or the last good one in its place. On an error the policy that was
    /// in force still is.
    pub(super) fn put_in_force(
        &mut self,
        prepared: Prepared,
        placement: Placement,
        is_fallback: bool,
        links: &[Link],
    ) -> anyhow::Result<()> {
        let number = self.kernel.state.active().next_generation();
        let sources = self.place(prepared, number, placement, is_fallback, links)?;
        self.interfaces
            .detach_others(&mut self.kernel, &self.policy.interfaces);
        if !is_fallback
            && let Err(error) =
                last_good::save(Kept::LastGood, &self.settings.state_directory, &sources)
        {
            tracing::error!(%error, "the policy is in force, but not kept for the next start");
        }
        self.follow_applied(placement);
        Ok(())
    }

    /// From here on the kernel has its say. On an error the policy that was in force still is.
    /// Returns the files that the policy was made of.
    pub(super) fn place(
        &mut self,
        prepared: Prepared,
        number: u32,
        placement: Placement,
        is_fallback: bool,
        links: &[Link],
    ) -> anyhow::Result<Vec<SourceFile>> {
        let Prepared {
            loaded,
            generation,
            book,
            ids,
        } = prepared;
        let has_placed = self.shared.view().in_force.generation != 0;
        if has_placed && self.kernel.is_unloaded() {
            return Err(KernelError::Overtaken.into());
        }
        self.clear_reused_numbers(&book)?;
        // Before the numbers are used: a daemon that dies here must not give them out otherwise.
        // With no new ones a disk that is full stands in nobody's way.
        let folder = &self.settings.state_directory;
        let written = Book::load(folder, &self.settings.pin_path).ok().flatten();
        if written.as_ref() != Some(&book) {
            book.save(folder)?;
        }
        let placed = self
            .kernel
            .place_as(number, &generation.fixed, &generation.pages, placement);
        if let (Err(_), Some(before)) = (&placed, &written)
            && let Err(error) = before.save(folder)
        {
            // Commands go by it: it has to name the numbers that are in force.
            tracing::error!(%error, "the state directory cannot be written to");
        }
        let placed = placed.context("the policy cannot be put in force")?;
        if let Some(error) = placed.leftover {
            let error = anyhow::Error::from(error);
            tracing::warn!(
                "the policy is in force; the memory of the one before is given back with the \
                 next: {error:#}"
            );
        }
        let mut in_force = InForce::new(&loaded.policy, &generation.summary);
        in_force.pin_path.clone_from(&self.settings.pin_path);
        in_force.generation = placed.generation;
        in_force.applied_at = unix_now();
        in_force.config.clone_from(&self.config);
        in_force.is_fallback = is_fallback;
        {
            let mut view = self.shared.view();
            view.book = book;
            in_force.scraper = view.scraper();
            view.in_force = in_force;
        }
        self.sync_exceptions();
        self.slots = ids.interfaces;
        // The tables are the kernel's now, and what they were made in is not kept beside them.
        drop(generation);
        let Loaded {
            policy, sources, ..
        } = loaded;
        self.policy = Arc::new(policy);
        self.take_links()?;
        self.interfaces.learn(self.kernel.folder.pinned_devices());
        self.sync(links);
        self.write_down();
        Ok(sources)
    }

    /// Attaches what is to be attached, and shows what came of it.
    pub(super) fn sync(&mut self, links: &[Link]) {
        let own = self.policy.interfaces.iter().cloned();
        let own = own.zip(self.slots.iter().copied());
        let (interfaces, slots): (Vec<_>, Vec<_>) = own.chain(self.kept.iter().cloned()).unzip();
        self.interfaces
            .sync(&mut self.kernel, links, &interfaces, &slots);
        let since = self.interfaces.attached_since();
        let is_changed = {
            let mut view = self.shared.view();
            view.problems.clone_from(self.interfaces.problems());
            let before = std::mem::replace(&mut view.in_force.attached_since, since.clone());
            before != since
        };
        if is_changed {
            self.write_down();
        }
    }

    /// Configured interfaces that nothing is attached to, for who asked for a policy.
    pub(super) fn not_filtered(&self) -> impl Iterator<Item = String> {
        let problems = self.interfaces.problems().iter();
        problems.map(|(device, problem)| format!("warning: {device}: NOT FILTERED: {problem}"))
    }

    /// Says which changed keys are not taken in: in the log, and for who asked.
    pub(super) fn report_restart(&self, needs_restart: Vec<String>) -> Option<String> {
        let keys = (!needs_restart.is_empty()).then(|| needs_restart.join(", "));
        self.shared.view().needs_restart = needs_restart;
        let said = format!("changed, but needs a restart of the daemon: {}", keys?);
        tracing::warn!("{said}");
        Some(format!("warning: {said}"))
    }

    /// Writes down who reads the metrics, where it is another than before.
    pub(super) fn keep_scraper(&self) {
        let is_new = {
            let mut view = self.shared.view();
            let scraper = view.scraper();
            std::mem::replace(&mut view.in_force.scraper, scraper) != scraper
        };
        if is_new {
            self.write_down();
        }
    }

    pub(super) fn write_down(&self) {
        let in_force = {
            let mut view = self.shared.view();
            view.applied.clone_from(&self.applied);
            view.in_force.clone()
        };
        if let Err(error) = in_force.save(&self.settings.state_directory) {
            tracing::error!(%error, "the state directory cannot be written to");
        }
    }
}

fn monotonic() -> NotifyState<'static> {
    NotifyState::monotonic_usec_now().unwrap_or(NotifyState::Status("reloading"))
}

fn failed(error: impl Into<anyhow::Error>) -> Rejection {
    Rejection::Failed(error.into())
}

/// Warnings of a configuration: in the log, and for who asked.
pub(super) fn warnings(loaded: &Loaded) -> Vec<String> {
    report_warnings(loaded);
    let render = |warning| config::render(std::slice::from_ref(warning), false);
    loaded.warnings.iter().map(render).collect()
}

/// Keys whose change is not taken in while the daemon runs.
pub(super) fn needs_restart(
    running: &policy::Daemon,
    before: &policy::Policy,
    after: &policy::Policy,
) -> Vec<String> {
    let wanted = &after.daemon;
    let keys = [
        (
            "metrics_listen",
            running.metrics_listen != wanted.metrics_listen,
        ),
        ("status_page", running.status_page != wanted.status_page),
        (
            "status_page_hosts",
            running.status_page_hosts != wanted.status_page_hosts,
        ),
        ("pin_path", running.pin_path != wanted.pin_path),
        (
            "state_directory",
            running.state_directory != wanted.state_directory,
        ),
        ("log_format", running.log_format != wanted.log_format),
        (
            "tracked_sources",
            running.tracked_sources != wanted.tracked_sources,
        ),
        (
            "events_per_second",
            running.events_per_second != wanted.events_per_second,
        ),
        (
            "control_socket",
            before.daemon.control_socket != wanted.control_socket,
        ),
    ];
    let changed = keys.iter().filter(|(_, is_changed)| *is_changed);
    let mut changed: Vec<_> = changed.map(|(key, _)| format!("[daemon] {key}")).collect();
    for interface in &after.interfaces {
        let was = before.interfaces.iter().find(|i| i.name == interface.name);
        if was.is_some_and(|was| was.attach_mode != interface.attach_mode) {
            let name = &interface.name;
            changed.push(format!(
                "attach_mode of {name} (and `edge-filter unload --device {name}` before it)"
            ));
        }
    }
    changed
}
