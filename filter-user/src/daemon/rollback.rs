//! Back to the policy before an apply: because nobody confirmed it, or because somebody says so.
//! Also what the packet program, or a command without a daemon, has done already.

use super::Daemon;
use super::resume::numbers;
use super::shared::unix_now;
use crate::applied::{Applied, Stage, Undo};
use crate::config::HostFacts;
use crate::configured;
use crate::control::{Answer, Refusal, RefusalKind};
use crate::kernel::clock;
use crate::kernel::generations::Placement;
use crate::last_good::{self, Kept};
use crate::report::time;
use crate::watch::Fingerprint;
use anyhow::Context as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

impl Daemon {
    /// When the packet program reverts, to tidy up behind it.
    pub(super) fn reverts_at(&self, now: Instant) -> Option<Instant> {
        if !self.is_pending() {
            return None;
        }
        let deadline = u64::from(self.kernel.state.active().deadline_seconds());
        let left = deadline.saturating_sub(clock::boot_seconds());
        Some(now + Duration::from_secs(left).max(Duration::from_millis(100)))
    }

    /// Looks whether the kernel is still as this daemon left it, and follows if not.
    pub(super) async fn notice(&mut self) {
        let Some(applied) = &self.applied else {
            return;
        };
        let active = self.kernel.state.active();
        let stage = match applied.stage {
            Stage::Pending { deadline }
                if applied.is_pending(active) && active.is_reverted(clock::boot_seconds()) =>
            {
                Stage::Reverted { at: deadline }
            }
            Stage::Pending { .. } | Stage::Confirmed { .. }
                if active.is_set() && active.generation() != applied.generation =>
            {
                // By a command while this daemon did not answer.
                Stage::RolledBack { at: unix_now() }
            }
            _ => return,
        };
        if let Err(error) = self.go_back(stage).await {
            tracing::error!("going back to the policy before: {error:#}");
        }
    }

    pub(super) async fn rollback(&mut self) -> Answer {
        self.notice().await;
        let nothing =
            |message: String| Answer::Refused(Refusal::new(RefusalKind::Nothing, message));
        let has_previous = self.kernel.state.active().has_previous();
        match self.applied.as_ref().map(|applied| applied.stage) {
            Some(Stage::Pending { .. } | Stage::Confirmed { .. }) if has_previous => {}
            Some(Stage::Reverted { at }) => {
                return nothing(format!("reverted at {} already", time(at)));
            }
            Some(Stage::RolledBack { at }) => {
                return nothing(format!("rolled back at {} already", time(at)));
            }
            Some(Stage::Superseded { at }) => {
                let message = format!(
                    "the configuration was changed by other means since the last apply ({}): \
                     nothing to roll back",
                    time(at)
                );
                return nothing(message);
            }
            _ => return nothing("nothing was applied: nothing to roll back".into()),
        }
        let stage = Stage::RolledBack { at: unix_now() };
        match self.go_back(stage).await {
            Ok(restored) => Answer::RolledBack {
                generation: self.kernel.state.active().generation(),
                restored,
            },
            Err(error) => {
                tracing::error!("rollback: {error:#}");
                let message = format!("{error:#}");
                Answer::Refused(Refusal::new(RefusalKind::Failed, message))
            }
        }
    }

    /// The policy before the last apply is in force: kernel, file, state and interfaces follow.
    /// Returns the configured file if it was put back.
    async fn go_back(&mut self, stage: Stage) -> anyhow::Result<Option<PathBuf>> {
        let Some(mut applied) = self.applied.take() else {
            return Ok(None);
        };
        let folder = self.settings.state_directory.clone();
        let active = self.kernel.state.active();
        let is_done_already = active.generation() != applied.generation;
        if !is_done_already {
            self.kernel.state.swap_active(active, active.rolled_back());
        }
        // A command that did this without the daemon has put the files back too, and said so.
        let written = Applied::recover(&folder, &self.settings.pin_path);
        let is_restored = is_done_already && written.is_some_and(|w| w.stage != applied.stage);
        let undo = match is_restored {
            true => Undo::default(),
            false => applied.to_undo(&folder),
        };
        // The file first: with the candidate in its place, the next start would put that in force again.
        let restored = undo.config.then(|| configured::restore(&self.config));
        let restored = restored.transpose();
        applied.stage = stage;
        if let Err(error) = applied.save(&folder) {
            tracing::error!(%error, "the rollback is not written down");
        }
        let kept = if undo.last_good {
            Kept::Previous
        } else {
            Kept::LastGood
        };
        let previous = last_good::load(kept, &folder, &HostFacts::read());
        if undo.last_good
            && let Err(error) = last_good::rename(Kept::Previous, Kept::LastGood, &folder)
        {
            tracing::error!(%error, "the policy in force is not kept for the next start");
        }
        let generation = self.kernel.state.active().generation();
        {
            let mut view = self.shared.view();
            let since = std::mem::take(&mut view.in_force.attached_since);
            view.in_force = applied.previous.clone();
            view.in_force.generation = generation;
            view.in_force.applied_at = unix_now();
            view.in_force.attached_since = since;
            view.reloads.reverted += 1;
            view.is_file_different = self.is_deferred || restored.is_err();
        }
        self.candidate = None;
        self.kept.clear();
        self.applied = Some(applied);
        let is_known = match previous {
            Ok(Some(loaded)) => match numbers(&self.shared.view().book, &loaded.policy) {
                Some(slots) => {
                    self.slots = slots;
                    self.files = loaded.files();
                    self.policy = Arc::new(loaded.policy);
                    true
                }
                None => false,
            },
            Ok(None) => false,
            Err(error) => {
                tracing::error!("the policy before is in force, but its files are lost: {error}");
                false
            }
        };
        self.loaded = Fingerprint::take(&self.files);
        self.watch();
        tracing::warn!(generation, "BACK to the policy before the last apply");
        if is_known {
            self.interfaces
                .detach_others(&mut self.kernel, &self.policy.interfaces);
            self.look_at_links().await;
        }
        self.write_down();
        if std::mem::take(&mut self.is_deferred) || !is_known {
            self.request_reload();
        }
        restored.with_context(|| {
            let config = self.config.display();
            format!("the policy before is in force, but {config} cannot be put back")
        })
    }

    /// A reload has taken the place of what was applied.
    pub(super) fn follow_applied(&mut self, placement: Placement) {
        let active = self.kernel.state.active();
        let Some(applied) = &mut self.applied else {
            return;
        };
        match (applied.stage, placement) {
            (Stage::Confirmed { .. }, Placement::Renewed) if active.has_previous() => {
                applied.generation = active.generation();
            }
            (Stage::Confirmed { .. } | Stage::Pending { .. }, _) => {
                applied.stage = Stage::Superseded { at: unix_now() };
            }
            _ => return,
        }
        self.shared.view().applied = Some(applied.clone());
        if let Err(error) = applied.save(&self.settings.state_directory) {
            tracing::error!(%error, "the state directory cannot be written to");
        }
    }
}
