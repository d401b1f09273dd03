//! What a scrape shows, read from the kernel at that moment.

use super::encode::{Family, Sample, Value};
use super::process::process;
use super::table::{self, METRICS, Metric};
use crate::daemon::{Shared, View};
use crate::exceptions;
use crate::kernel::netlink::Link;
use crate::kernel::{KernelError, clock};
use crate::report::{Known, interfaces};
use crate::tally::{NO_SERVICE, Tally};
use filter_common::gcra::Kind;
use filter_common::verdict::{Action, Note, Outcome};
use filter_common::version::ABI_VERSION;

/// All families, in the order of the table.
///
/// # Errors
/// A map cannot be read: no scrape is better than a wrong one.
pub fn collect(shared: &Shared, links: &[Link]) -> Result<Vec<Family>, KernelError> {
    let view = shared.view().clone();
    let pins = &shared.pins;
    let mut scrape = Scrape::default();

    let mut tally = Tally::new(&pins.counters.read()?, &view.book);
    expect_zeros(&mut tally, &view);
    for row in tally.rows() {
        let labels = [
            &row.device,
            &row.service,
            &row.action.to_owned(),
            &row.reason.to_owned(),
        ];
        scrape.add(&table::PACKETS, &labels, row.packets);
        scrape.add(&table::BYTES, &labels, row.bytes);
    }
    let version = [&env!("CARGO_PKG_VERSION").into(), &ABI_VERSION.to_string()];
    scrape.add(&table::BUILD_INFO, &version, 1);

    let known = Known {
        book: &view.book,
        in_force: Some(&view.in_force),
        applied: None,
        links,
        program: Some(view.program),
        problems: &view.problems,
    };
    for interface in interfaces(pins, &known) {
        if interface.is_configured {
            let labels = [&interface.device, &interface.mode];
            scrape.add(&table::ATTACHED, &labels, interface.mode != "none");
        }
    }

    let active = pins.state.active();
    let boot_seconds = clock::boot_seconds();
    let deadline = u64::from(active.deadline_seconds());
    let is_bypassed = pins.state.bypass_until_seconds() > boot_seconds;
    scrape.add(&table::GENERATION, &[], u64::from(active.generation()));
    scrape.add(&table::APPLIED, &[], view.in_force.applied_at);
    scrape.add(&table::FALLBACK, &[], view.in_force.is_fallback);
    scrape.add(&table::FILE_DIFFERS, &[], view.is_file_different);
    let deadline_at = match deadline {
        0 => 0,
        deadline => clock::unix_seconds_at(deadline),
    };
    scrape.add(&table::APPLY_DEADLINE, &[], deadline_at);
    scrape.add(&table::BYPASS, &[], is_bypassed);
    scrape.add(&table::GUARD_FINDINGS, &[], view.guard_findings);
    for (outcome, count) in [
        ("applied", view.reloads.applied),
        ("rejected", view.reloads.rejected),
        ("reverted", view.reloads.reverted),
    ] {
        scrape.add(&table::RELOADS, &[&outcome.to_owned()], count);
    }
    for list in &view.in_force.lists {
        for (family, count) in [("ipv4", list.ipv4), ("ipv6", list.ipv6)] {
            scrape.add(&table::PREFIXES, &[&list.name, &family.to_owned()], count);
        }
    }

    let sources = &pins.sources;
    let tracked = sources.tracked(Kind::Connection);
    let tracked = tracked.max(sources.tracked(Kind::Packet));
    let capacity = sources.capacity(Kind::Connection);
    scrape.add(&table::SOURCES_TRACKED, &[], tracked as u64);
    scrape.add(&table::SOURCES_CAPACITY, &[], capacity as u64);
    let evictions = pins.counters.note(Note::SourceEvicted)?;
    scrape.add(&table::EVICTIONS, &[], evictions);
    let events = pins.budgets.read()?;
    scrape.add(&table::EVENTS, &[], events.sent);
    scrape.add(&table::EVENTS_LOST, &[], events.all_lost());
    let (bans, allows) = exceptions::count(pins)?;
    scrape.add(&table::BANS, &[], bans);
    scrape.add(&table::ALLOWS, &[], allows);
    for (metric, value) in process() {
        scrape.add(metric, &[], value);
    }
    Ok(scrape.families)
}

/// What a configured service can count stands at zero before it counts, so that the first drop
/// is seen as an increase.
fn expect_zeros(tally: &mut Tally, view: &View) {
    let outcomes = || (0..=u8::MAX).filter_map(Outcome::from_number);
    let outcomes = || outcomes().filter(|outcome| outcome.action() != Action::WouldDrop);
    for device in &view.in_force.interfaces {
        for outcome in outcomes().filter(|outcome| !outcome.has_service()) {
            tally.expect(device, NO_SERVICE, outcome.reason(), outcome.action());
        }
    }
    for service in &view.in_force.services {
        for device in &service.interfaces {
            for outcome in outcomes().filter(|outcome| outcome.has_service()) {
                tally.expect(device, &service.name, outcome.reason(), outcome.action());
            }
        }
    }
}

struct Scrape {
    families: Vec<Family>,
}

impl Default for Scrape {
    fn default() -> Self {
        let family = |metric| Family {
            metric,
            samples: Vec::new(),
        };
        Self {
            families: METRICS.iter().map(family).collect(),
        }
    }
}

impl Scrape {
    fn add(&mut self, metric: &Metric, labels: &[&String], value: impl Into<Value>) {
        debug_assert_eq!(metric.labels.len(), labels.len(), "{}", metric.name);
        let mut families = self.families.iter_mut();
        if let Some(family) = families.find(|family| family.metric == metric) {
            family.samples.push(Sample {
                labels: labels.iter().map(|label| (*label).clone()).collect(),
                value: value.into(),
            });
        }
    }
}
