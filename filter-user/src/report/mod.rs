//! What is attached and in force, put together from the pins, from netlink and from what was
//! written down; the daemon adds what only it knows.

#![forbid(unsafe_code)]

mod read;
mod text;

pub use read::from_pins;
pub(crate) use text::{mebibytes, time};

use crate::applied::{Applied, Stage};
use crate::compile;
use crate::config::policy::Policy;
use crate::exceptions;
use crate::ids::Book;
use crate::in_force::{InForce, ListInForce};
use crate::kernel::netlink::Link;
use crate::kernel::{Pins, clock};
use filter_common::gcra::Kind;
use filter_common::sources::WAYS;
use filter_common::verdict::COUNTERS;
use filter_common::version::ABI_VERSION;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// What `status` prints.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Of the program that answers.
    pub version: String,
    /// Of what daemon and packet program share.
    pub abi: u32,
    /// The daemon; `None` if none answered.
    pub daemon: Option<DaemonStatus>,
    /// The policy in force; `None` if nothing is.
    pub policy: Option<PolicyStatus>,
    /// Configured interfaces, and others that are still attached.
    pub interfaces: Vec<InterfaceStatus>,
    /// Sources of which a rate is remembered.
    pub sources: Option<SourcesStatus>,
    /// Bans and timed allows; `None` if they cannot be read.
    pub exceptions: Option<ExceptionsStatus>,
    /// Kernel memory.
    pub memory: Option<Memory>,
    /// The last apply, if there was one.
    #[serde(default)]
    pub apply: Option<ApplyStatus>,
    /// Seconds until which everything passes; `None` without a bypass.
    pub bypass_seconds_left: Option<u64>,
}

/// What only the daemon knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonStatus {
    /// Its process.
    pub pid: u32,
    /// Unix time, seconds.
    pub started_at: u64,
    /// How long it runs.
    pub uptime_seconds: u64,
    /// What it loads.
    pub config: PathBuf,
    /// The newest attempt to reload.
    pub last_reload: Option<LastReload>,
    /// Whether the configured file says something else than the policy in force.
    pub is_file_different: bool,
    /// Keys that were changed but need a restart.
    pub needs_restart: Vec<String>,
}

/// An attempt to reload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReload {
    /// Unix time, seconds.
    pub at: u64,
    /// `applied` or `rejected`.
    pub outcome: String,
    /// Why it was rejected.
    pub message: Option<String>,
}

/// The policy in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyStatus {
    /// Its number.
    pub generation: u32,
    /// Unix time, seconds, if it was written down.
    pub applied_at: Option<u64>,
    /// The configuration that it came from.
    pub config: Option<PathBuf>,
    /// Whether the last good policy stands in for an invalid file.
    pub is_fallback: bool,
    /// Prefixes after aggregation.
    pub lists: Vec<ListInForce>,
}

/// An apply, as it stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApplyStatus {
    /// The file that was applied.
    pub candidate: PathBuf,
    /// `pending`, `confirmed`, `reverted`, `rolled_back` or `superseded`.
    pub stage: String,
    /// Unix time, seconds: since when, or, while it is pending, until when.
    pub at: u64,
}

impl ApplyStatus {
    /// Of a record; the packet program may have reverted what is written down as pending.
    fn new(applied: &Applied, is_reverted: bool) -> Self {
        let (stage, at) = match applied.stage {
            Stage::Pending { deadline } if is_reverted => ("reverted", deadline),
            Stage::Pending { deadline } => ("pending", deadline),
            Stage::Confirmed { at } => ("confirmed", at),
            Stage::Reverted { at } => ("reverted", at),
            Stage::RolledBack { at } => ("rolled_back", at),
            Stage::Superseded { at } => ("superseded", at),
        };
        Self {
            candidate: applied.candidate.clone(),
            stage: stage.into(),
            at,
        }
    }
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InterfaceStatus {
    /// Its configured name.
    pub device: String,
    /// What it is called now, if it was renamed while attached.
    pub renamed_to: Option<String>,
    /// Whether the policy in force names it.
    pub is_configured: bool,
    /// Whether it exists.
    pub is_present: bool,
    /// `native`, `generic`, or `none`: not filtered.
    pub mode: String,
    /// Id of the packet program.
    pub program: Option<u32>,
    /// Unix time, seconds.
    pub attached_since: Option<u64>,
    /// Why it is not attached, as far as the daemon knows.
    pub problem: Option<String>,
}

/// Sources whose time has not come, and how many there is room for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourcesStatus {
    /// With a connection rate.
    pub connections: u64,
    /// With a packet rate.
    pub packets: u64,
    /// For each of both.
    pub capacity: u64,
}

/// What the operator said beside the policy, as far as it is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExceptionsStatus {
    /// Bans.
    pub bans: u64,
    /// Timed allows.
    pub allows: u64,
}

/// Bytes of kernel memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// The policy's tables.
    pub tables: u64,
    /// Both tables of sources.
    pub sources: u64,
    /// Counters of all CPUs.
    pub counters: u64,
}

impl Memory {
    /// For a policy's tables, a number of cells in each table of sources, and CPUs.
    pub const fn new(tables: u64, cells: u64, cpus: u64) -> Self {
        Self {
            tables,
            sources: 2 * cells * 8,
            counters: COUNTERS as u64 * 16 * cpus,
        }
    }

    /// Of a policy that is compiled, on this host.
    pub fn of(tables: &compile::Summary, policy: &Policy) -> Self {
        let sets = (u64::from(policy.daemon.tracked_sources) / WAYS as u64).max(1);
        let cells = sets.next_power_of_two() * WAYS as u64;
        Self::new(
            tables.bytes as u64,
            cells,
            aya::util::nr_cpus().unwrap_or(1) as u64,
        )
    }

    /// All of it.
    pub const fn total(&self) -> u64 {
        self.tables + self.sources + self.counters
    }
}

/// What a report is made of, beside the pins.
pub struct Known<'a> {
    /// Who has which slot.
    pub book: &'a Book,
    /// What was written down of the policy in force.
    pub in_force: Option<&'a InForce>,
    /// The last apply.
    pub applied: Option<&'a Applied>,
    /// Interfaces, as netlink tells them now.
    pub links: &'a [Link],
    /// The program of the daemon that asks, which runs behind links whose pins are gone too.
    pub program: Option<u32>,
    /// Why interfaces are not attached.
    pub problems: &'a BTreeMap<String, String>,
}

impl Status {
    /// Of a host that nothing was ever loaded on.
    pub fn nothing() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").into(),
            abi: ABI_VERSION,
            ..Self::default()
        }
    }

    /// Of what is pinned.
    pub fn new(pins: &Pins, known: &Known<'_>) -> Self {
        let active = pins.state.active();
        let is_reverted = active.is_reverted(clock::boot_seconds());
        let reverted = known.applied.filter(|_| is_reverted).map(|a| &a.previous);
        // Written down for another generation, it says nothing of this one but the names.
        let current = reverted.or(known
            .in_force
            .filter(|found| found.generation == active.generation()));
        let policy = active.is_set().then(|| PolicyStatus {
            generation: reverted.map_or(active.generation(), |before| before.generation),
            applied_at: current.map(|found| found.applied_at),
            config: current.map(|found| found.config.clone()),
            is_fallback: current.is_some_and(|found| found.is_fallback),
            lists: current.map(|found| found.lists.clone()).unwrap_or_default(),
        });
        let capacity = pins.sources.capacity(Kind::Connection) as u64;
        let tracked = |kind| pins.sources.tracked(kind).map(|sources| sources as u64);
        let tracked = (tracked(Kind::Connection).ok()).zip(tracked(Kind::Packet).ok());
        let left = pins
            .state
            .bypass_until_seconds()
            .saturating_sub(clock::boot_seconds());
        Self {
            policy,
            interfaces: interfaces(pins, known),
            sources: tracked.map(|(connections, packets)| SourcesStatus {
                connections,
                packets,
                capacity,
            }),
            exceptions: exceptions::count(pins)
                .ok()
                .map(|(bans, allows)| ExceptionsStatus { bans, allows }),
            memory: Some(Memory::new(
                current.map_or(0, |found| found.table_bytes),
                capacity,
                aya::util::nr_cpus().unwrap_or(1) as u64,
            )),
            apply: known.applied.map(|a| ApplyStatus::new(a, is_reverted)),
            bypass_seconds_left: (left > 0).then_some(left),
            ..Self::nothing()
        }
    }
}

/// Each interface of the policy in force, then those that are attached all the same.
pub fn interfaces(pins: &Pins, known: &Known<'_>) -> Vec<InterfaceStatus> {
    let mut names = match known.in_force {
        Some(found) => found.interfaces.clone(),
        None => Vec::new(),
    };
    let configured = names.len();
    for name in pins.folder.pinned_interfaces() {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let table = pins.state.interfaces();
    let status = |(n, device): (usize, &String)| {
        let link = find(device, known, &table);
        let ours = pins.folder.linked_program(device).or(known.program);
        let attached = link.and_then(|link| link.xdp);
        let attached = attached.filter(|(_, id)| Some(*id) == ours);
        let since = known
            .in_force
            .and_then(|found| found.attached_since.get(device).copied());
        InterfaceStatus {
            device: device.clone(),
            renamed_to: link.map(|l| l.name.clone()).filter(|name| name != device),
            is_configured: n < configured,
            is_present: link.is_some(),
            mode: attached.map_or("none", |(mode, _)| mode.label()).into(),
            program: attached.map(|(_, id)| id),
            attached_since: since.filter(|_| attached.is_some()),
            problem: known.problems.get(device).cloned(),
        }
    };
    names.iter().enumerate().map(status).collect()
}

/// By name, else by the index under which the packet program knows it: it was renamed.
fn find<'a>(device: &str, known: &Known<'a>, table: &[(u32, u32)]) -> Option<&'a Link> {
    let by_name = known.links.iter().find(|link| link.name == device);
    by_name.or_else(|| {
        let slot = u32::from(known.book.interfaces.number(device)?);
        let of_slot = |link: &&Link| table.contains(&(link.index, slot)) && link.xdp.is_some();
        known.links.iter().find(of_slot)
    })
}
