//! What the guard is asked with, and what becomes of its findings.

use super::Daemon;
use super::prepare::{Before, Prepared, guarded};
use crate::config::HostFacts;
use crate::guard::{self, Finding, Host, Peer};
use crate::kernel::netlink::Link;
use std::sync::Arc;

impl Daemon {
    /// The policy in force and the peers that matter now, for a policy that takes its place.
    pub(super) async fn before(
        &self,
        links: &[Link],
        operator: Option<Peer>,
    ) -> anyhow::Result<Before> {
        let counted = self.shared.pins.counters.read()?;
        let (book, scraper) = {
            let view = self.shared.view();
            (view.book.clone(), view.scraper)
        };
        let kept = self.kept.iter().map(|(interface, _)| interface);
        let interfaces: Vec<_> = self.policy.interfaces.iter().chain(kept).cloned().collect();
        let ephemeral = *HostFacts::read().ephemeral_ports.start();
        Ok(Before {
            policy: Arc::clone(&self.policy),
            book,
            counted,
            beside: self.rollback_target(),
            host: Host::read(&interfaces, links, ephemeral, operator, scraper).await?,
        })
    }

    /// What the next policy may have to give way to, if it does not supersede it.
    fn rollback_target(&self) -> Option<(crate::in_force::InForce, String)> {
        let (previous, sha256) = self.applied.as_ref()?.rollback_target()?;
        let has_previous = self.kernel.state.active().has_previous();
        has_previous.then(|| (previous.clone(), sha256.clone()))
    }

    /// At a start there is no policy in force that anything could be compared with, or it is the
    /// same: everything that is dropped counts. Never an error.
    pub(super) async fn ask_guard_at_start(&self, prepared: &Prepared, links: &[Link]) {
        let interfaces = &prepared.loaded.policy.interfaces;
        let ephemeral = *HostFacts::read().ephemeral_ports.start();
        let (loaded, generation, ids) = (&prepared.loaded, &prepared.generation, &prepared.ids);
        match Host::read(interfaces, links, ephemeral, None, None).await {
            Ok(host) => match guard::ask(loaded, generation, ids, None, &host) {
                Ok(findings) => drop(self.report_findings(&findings)),
                Err(error) => tracing::error!(%error, "the guard cannot be asked"),
            },
            Err(error) => tracing::error!(%error, "the guard cannot be asked"),
        }
    }

    /// In the log and in the metric; returned for who asked.
    pub(super) fn report_findings(&self, findings: &[Finding]) -> Option<String> {
        self.shared.view().guard_findings = findings.len() as u64;
        if findings.is_empty() {
            return None;
        }
        let text = guarded(findings);
        tracing::warn!(
            findings = findings.len(),
            "the guard: peers that matter lose something under the new policy:\n{text}"
        );
        Some(format!("warning: the guard: under the new policy\n{text}"))
    }
}
