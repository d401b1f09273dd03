//! `apply` and `confirm`: a candidate in force, for good or until nobody confirms it. The revert is
//! the packet program's; the daemon tidies up behind it.

use super::Daemon;
use super::prepare::{self, Candidate, Prepared, Rejection};
use super::reload::{needs_restart, warnings};
use super::shared::unix_now;
use crate::applied::{Applied, Stage, boot_id};
use crate::configured::Beside;
use crate::control::{Answer, Refusal, RefusalKind};
use crate::guard::ssh_peer;
use crate::in_force::InForce;
use crate::kernel::clock;
use crate::kernel::generations::Placement;
use crate::kernel::netlink::{self, Link};
use crate::last_good::{self, Kept};
use crate::report::time;
use crate::watch::Fingerprint;
use anyhow::{Context as _, anyhow};
use std::path::PathBuf;

/// What `apply` was given beside the candidate.
pub(super) struct Terms {
    /// Seconds until it reverts.
    pub confirm_seconds: Option<u32>,
    /// The caller's `SSH_CONNECTION`.
    pub ssh_connection: Option<String>,
}

impl Daemon {
    /// Whether a candidate waits for its confirmation.
    pub(super) fn is_pending(&self) -> bool {
        let active = self.kernel.state.active();
        self.applied.as_ref().is_some_and(|a| a.is_pending(active))
    }

    /// Until when reloads are deferred, in words.
    pub(super) fn pending_words(&self) -> String {
        let deadline = self.applied.as_ref().and_then(Applied::deadline);
        let deadline = deadline.map_or_else(String::new, |at| format!(" until {}", time(at)));
        format!("an apply waits for its confirmation{deadline}: confirm or rollback")
    }

    pub(super) async fn apply(&mut self, candidate: Candidate, terms: Terms) -> Answer {
        match self.try_apply(candidate, terms).await {
            Ok(answer) => answer,
            Err(rejection) => {
                tracing::error!("apply REJECTED; the policy in force stays:\n{rejection}");
                Answer::Refused(rejection.refusal())
            }
        }
    }

    async fn try_apply(&mut self, candidate: Candidate, terms: Terms) -> Result<Answer, Rejection> {
        let failed = |error: anyhow::Error| Rejection::Failed(error);
        let links = netlink::links()
            .await
            .map_err(|error| failed(error.into()))?;
        let operator = terms.ssh_connection.as_deref().and_then(ssh_peer);
        let mut before = self.before(&links, operator).await.map_err(failed)?;
        let previous = self.last_confirmed();
        let hash = last_good::sha256(std::iter::once(candidate.text.as_bytes()));
        before.beside = Some((previous.clone(), hash.clone()));
        let config = self.config.clone();
        let work = move || {
            let done = prepare::candidate(&candidate, &config, &before);
            done.map(|(prepared, findings)| (candidate, prepared, findings))
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (candidate, prepared, findings) = done.map_err(|error| failed(error.into()))??;
        let mut said = warnings(&prepared.loaded);
        said.extend(self.report_findings(&findings));
        let restart = needs_restart(&self.settings, &self.policy, &prepared.loaded.policy);
        said.extend(self.report_restart(restart));

        let now = unix_now();
        let deadline = terms.confirm_seconds.map(|seconds| {
            // The clock's fraction of a second is the operator's.
            let boot = clock::boot_seconds() + u64::from(seconds) + 1;
            (boot as u32, clock::unix_seconds_at(boot))
        });
        let applied = Applied {
            pin_path: self.settings.pin_path.clone(),
            boot_id: boot_id(),
            generation: self.kernel.state.active().next_generation(),
            candidate: candidate.file.clone(),
            sha256: hash,
            config: self.config.clone(),
            applied_at: now,
            stage: match deadline {
                Some((_, deadline)) => Stage::Pending { deadline },
                None => Stage::Confirmed { at: now },
            },
            previous,
            replaced: None,
        };
        let kept = match deadline {
            Some((boot, _)) => self.apply_until(prepared, boot, applied, &links),
            None => self.apply_for_good(&candidate.text, prepared, applied, &links),
        };
        if let Err(half_done) = kept.map_err(failed)? {
            tracing::error!("{}", half_done.message);
            return Ok(Answer::Refused(half_done));
        }
        said.extend(self.not_filtered());
        let generation = self.kernel.state.active().generation();
        let reverts_at = deadline.map(|(_, at)| at);
        tracing::info!(
            generation,
            candidate = %candidate.file.display(),
            reverts_at = reverts_at.map_or_else(|| "never".into(), time),
            "applied"
        );
        Ok(Answer::Applied {
            generation,
            reverts_at,
            warnings: said,
        })
    }

    /// What a new candidate goes back to: never another candidate.
    fn last_confirmed(&self) -> InForce {
        match &self.applied {
            Some(applied) if self.is_pending() => applied.previous.clone(),
            _ => self.shared.view().in_force.clone(),
        }
    }

    fn apply_until(
        &mut self,
        prepared: Prepared,
        deadline: u32,
        applied: Applied,
        links: &[Link],
    ) -> anyhow::Result<Result<(), Refusal>> {
        let kept = self.interfaces_of(&applied.previous);
        let own = &prepared.loaded.policy.interfaces;
        let is_own = |name: &str| own.iter().any(|interface| interface.name == name);
        let kept = kept.into_iter().filter(|(kept, _)| !is_own(&kept.name));
        let kept_before = std::mem::replace(&mut self.kept, kept.collect());
        let placement = Placement::Until(deadline);
        if let Err(error) = self.place_applied(prepared, placement, applied, links) {
            self.kept = kept_before;
            return Err(error);
        }
        self.is_deferred |= self.schedule.cancel();
        self.shared.view().is_file_different = true;
        self.refuse_waiting();
        Ok(Ok(()))
    }

    /// In force, and the configured file: the inner result is for who gets only the first.
    fn apply_for_good(
        &mut self,
        text: &str,
        prepared: Prepared,
        applied: Applied,
        links: &[Link],
    ) -> anyhow::Result<Result<(), Refusal>> {
        let beside = Beside::write(&self.config, text)
            .with_context(|| format!("{}: cannot be replaced", self.config.display()))?;
        self.place_applied(prepared, Placement::Applied, applied, links)?;
        Ok(self
            .become_configured(beside)
            .map(drop)
            .map_err(in_force_only))
    }

    /// What is written down comes first: a daemon that dies behind it leaves a record of a
    /// generation that never was, which the next one recognises, beside all that was there before.
    fn place_applied(
        &mut self,
        prepared: Prepared,
        placement: Placement,
        mut applied: Applied,
        links: &[Link],
    ) -> anyhow::Result<()> {
        let folder = self.settings.state_directory.clone();
        let kept = Kept::Candidate(applied.generation);
        let files = prepared.loaded.files();
        applied.replaced = self.applied.clone().map(Box::new);
        let own = Some(applied.generation);
        let before = self.applied.as_ref().map(|applied| applied.generation);
        let placed = last_good::save(kept, &folder, &prepared.loaded.sources)
            .and_then(|()| applied.save(&folder))
            .map_err(anyhow::Error::from)
            .and_then(|()| {
                let number = applied.generation;
                let before = self.applied.replace(applied);
                let placed = self.place(prepared, number, placement, false, links);
                placed.inspect_err(|_| self.applied = before)
            });
        if let Err(error) = placed {
            // Also when nothing was applied before: then this record must not stay.
            if let Err(unsaved) = Applied::replace(self.applied.as_ref(), &folder) {
                tracing::error!(error = %unsaved, "the state directory cannot be written to");
            }
            last_good::forget_candidates(&folder, before);
            return Err(error);
        }
        if let Some(applied) = &mut self.applied {
            applied.replaced = None;
        }
        last_good::forget_candidates(&folder, own);
        self.candidate = Some((files.clone(), Fingerprint::take(&files[1..])));
        Ok(())
    }

    /// Interfaces of a policy that may come back, with their slots.
    fn interfaces_of(&self, previous: &InForce) -> Vec<(crate::config::policy::Interface, u8)> {
        let view = self.shared.view();
        let known = self.policy.interfaces.iter();
        let known = known.chain(self.kept.iter().map(|(interface, _)| interface));
        let known = known.filter(|interface| previous.interfaces.contains(&interface.name));
        known
            .filter_map(|i| Some((i.clone(), view.book.interfaces.number(&i.name)?)))
            .collect()
    }

    /// Keeps what was applied.
    pub(super) async fn confirm(&mut self) -> Answer {
        self.notice().await;
        match self.try_confirm() {
            Ok(answer) => answer,
            Err(refusal) => {
                tracing::error!("not confirmed: {}", refusal.message);
                // The deadline may have passed meanwhile.
                self.notice().await;
                Answer::Refused(refusal)
            }
        }
    }

    fn try_confirm(&mut self) -> Result<Answer, Refusal> {
        let nothing = |message: String| Refusal::new(RefusalKind::Nothing, message);
        let failed = |error: anyhow::Error| {
            let message = format!("{error:#}; it still waits for its confirmation");
            Refusal::new(RefusalKind::Failed, message)
        };
        let Some(applied) = self.applied.clone() else {
            return Err(nothing("nothing waits for a confirmation".into()));
        };
        match applied.stage {
            Stage::Pending { .. } => {}
            Stage::Reverted { at } => {
                let message = format!(
                    "reverted at {}: nobody had confirmed it; apply it again",
                    time(at)
                );
                return Err(nothing(message));
            }
            Stage::RolledBack { at } => {
                return Err(nothing(format!("rolled back at {}", time(at))));
            }
            Stage::Confirmed { at } | Stage::Superseded { at } => {
                let at = time(at);
                return Err(nothing(format!("nothing waits: settled since {at}")));
            }
        }
        let text = self.candidate_text(&applied).map_err(failed)?;
        let beside = Beside::write(&self.config, &text)
            .with_context(|| format!("{}: cannot be replaced", self.config.display()))
            .map_err(failed)?;
        let active = self.kernel.state.active();
        let late = || {
            let at = applied.deadline().map_or_else(String::new, time);
            nothing(format!("reverted at {at}: the confirmation came too late"))
        };
        if !applied.is_pending(active) {
            return Err(nothing("another policy is in force".into()));
        }
        if active.is_reverted(clock::boot_seconds())
            || !self.kernel.state.swap_active(active, active.confirmed())
        {
            return Err(late());
        }
        if active.is_reverted(clock::boot_seconds()) {
            // Between the look and the swap; packets have been judged by the old policy again.
            self.kernel.state.swap_active(active.confirmed(), active);
            return Err(late());
        }
        let at = unix_now();
        if let Some(applied) = &mut self.applied {
            applied.stage = Stage::Confirmed { at };
        }
        let kept = self.become_configured(beside).map_err(in_force_only)?;
        let generation = active.generation();
        tracing::info!(generation, config = %self.config.display(), "confirmed");
        Ok(Answer::Confirmed {
            generation,
            config: self.config.clone(),
            kept,
        })
    }

    /// The candidate's text, as it was applied.
    pub(super) fn candidate_text(&self, applied: &Applied) -> anyhow::Result<String> {
        let host = crate::config::HostFacts::read();
        let kept = Kept::Candidate(applied.generation);
        let loaded = last_good::load(kept, &self.settings.state_directory, &host)?
            .ok_or_else(|| anyhow!("the candidate is gone from the state directory"))?;
        if prepare::text_hash(&loaded) != applied.sha256 {
            return Err(anyhow!("the state directory holds another candidate"));
        }
        let config = loaded.sources.into_iter().next();
        Ok(config.map(|source| source.text).unwrap_or_default())
    }

    /// What was applied is the configured policy from now on: file, state, interfaces.
    pub(super) fn become_configured(&mut self, beside: Beside) -> anyhow::Result<Option<PathBuf>> {
        let folder = self.settings.state_directory.clone();
        let kept = beside
            .replace()
            .with_context(|| format!("{}: cannot be replaced", self.config.display()));
        // What follows is worth doing all the same.
        if let Err(error) = last_good::rename(Kept::LastGood, Kept::Previous, &folder) {
            tracing::error!(%error, "a rollback will not find the files from before");
        }
        let candidate = Kept::Candidate(self.kernel.state.active().generation());
        if let Err(error) = last_good::rename(candidate, Kept::LastGood, &folder) {
            tracing::error!(%error, "the policy is in force, but not kept for the next start");
        }
        if let Some(applied) = &self.applied
            && let Err(error) = applied.save(&folder)
        {
            tracing::error!(%error, "the confirmation is not written down");
        }
        self.kept.clear();
        self.interfaces
            .detach_others(&mut self.kernel, &self.policy.interfaces);
        let mut is_changed = std::mem::take(&mut self.is_deferred);
        if let Some((files, lists)) = self.candidate.take() {
            is_changed |= Fingerprint::take(&files[1..]) != lists;
            self.files = files;
        }
        self.loaded = Fingerprint::take(&self.files);
        self.watch();
        let mut view = self.shared.view();
        view.is_file_different = kept.is_err();
        view.reloads.applied += 1;
        drop(view);
        self.write_down();
        if is_changed {
            self.request_reload();
        }
        kept
    }
}

fn in_force_only(error: anyhow::Error) -> Refusal {
    let message = format!("the policy is in force for good, but: {error:#}");
    Refusal::new(RefusalKind::Failed, message)
}
