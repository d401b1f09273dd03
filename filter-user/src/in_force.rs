//! What is known of the policy in force beside the maps: kept in the state directory, so that
//! `status` and `counters` say it when the daemon is dead.

#![forbid(unsafe_code)]

use crate::compile;
use crate::config::policy::Policy;
use crate::state_directory::{self, StateError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

const FILE: &str = "in-force.json";

/// The policy in force, in brief.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InForce {
    /// Where its maps are pinned.
    pub pin_path: PathBuf,
    /// Its number.
    pub generation: u32,
    /// Unix time, seconds.
    pub applied_at: u64,
    /// The configuration that it came from.
    pub config: PathBuf,
    /// Whether it is the last good one, because the configured file is not valid.
    pub is_fallback: bool,
    /// Names of its interfaces.
    pub interfaces: Vec<String>,
    /// Its services.
    pub services: Vec<ServiceInForce>,
    /// Its lists.
    pub lists: Vec<ListInForce>,
    /// Bytes of its tables.
    pub table_bytes: u64,
    /// Unix time, seconds, since when each interface is attached.
    pub attached_since: BTreeMap<String, u64>,
    /// Who read the metrics last, of other hosts: not banned by mistake.
    #[serde(default)]
    pub scraper: Option<IpAddr>,
}

/// A service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceInForce {
    /// Its name.
    pub name: String,
    /// Names of the interfaces that it is for.
    pub interfaces: Vec<String>,
}

/// A prefix list; prefixes after aggregation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListInForce {
    /// Its name.
    pub name: String,
    /// IPv4 prefixes.
    pub ipv4: u64,
    /// IPv6 prefixes.
    pub ipv6: u64,
}

impl InForce {
    /// Of a policy and its tables; generation, times and origin are the caller's.
    pub fn new(policy: &Policy, summary: &compile::Summary) -> Self {
        let interfaces: Vec<_> = policy.interfaces.iter().map(|i| i.name.clone()).collect();
        let services = policy.services.iter().map(|service| ServiceInForce {
            name: service.name.clone(),
            interfaces: match &service.interfaces {
                Some(some) => some.iter().map(|i| interfaces[*i].clone()).collect(),
                None => interfaces.clone(),
            },
        });
        let lists = summary.lists.iter().map(|list| ListInForce {
            name: list.name.clone(),
            ipv4: list.aggregated_v4 as u64,
            ipv6: list.aggregated_v6 as u64,
        });
        Self {
            pin_path: policy.daemon.pin_path.clone(),
            services: services.collect(),
            lists: lists.collect(),
            table_bytes: summary.bytes as u64,
            interfaces,
            ..Self::default()
        }
    }

    /// The same for a daemon: what is damaged is set aside, and is as nothing.
    pub fn recover(state_directory: &Path, pin_path: &Path) -> Option<Self> {
        let found: Option<Self> = state_directory::recover_json(&state_directory.join(FILE));
        found.filter(|found| found.pin_path == pin_path)
    }

    /// What was written down for a pin path; `None` if nothing was.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn load(state_directory: &Path, pin_path: &Path) -> Result<Option<Self>, StateError> {
        let found: Option<Self> = state_directory::read_json(&state_directory.join(FILE))?;
        Ok(found.filter(|found| found.pin_path == pin_path))
    }

    /// Writes it down.
    ///
    /// # Errors
    /// The state directory cannot be written to.
    pub fn save(&self, state_directory: &Path) -> Result<(), StateError> {
        state_directory::write_json(&state_directory.join(FILE), self)
    }
}
