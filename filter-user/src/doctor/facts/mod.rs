//! The host as it is: plain data, and the reading of it.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod boot;
mod devices;
mod host;
mod kernel;
mod nat;

pub use boot::Boot;
pub use devices::Device;
pub use host::Host;
pub use kernel::Kernel;
#[cfg(test)]
pub(super) use nat::proxy;
pub use nat::{Nat, PublishedPort};

use crate::cli::PathOptions;
use crate::config::policy::Policy;
use crate::config::{self, Diagnostic, HostFacts};
use crate::kernel::KernelError;
use crate::kernel::netlink::{self, Link};
use crate::kernel::sockets::{BoundSocket, bound_to_devices};
use crate::locations::Locations;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Everything that the checks look at.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The running kernel.
    pub kernel: Kernel,
    /// Privileges, places, limits.
    pub host: Host,
    /// The service manager.
    pub boot: Boot,
    /// Which file was read.
    pub config_path: PathBuf,
    /// What is to be said of it.
    pub config: Vec<Said>,
    /// What it says; `None` if it is not valid, or not there.
    pub policy: Option<Policy>,
    /// The devices that are asked about: the configured ones, or the one that was named.
    pub devices: Vec<Device>,
    /// Configured devices that are not there.
    pub absent: Vec<String>,
    /// Every device of the network namespace.
    pub links: Vec<Link>,
    /// Devices with an address, by index.
    pub addressed: BTreeSet<u32>,
    /// Sockets that are bound to a device.
    pub bound: Vec<BoundSocket>,
    /// Why nobody knows which are.
    pub bound_unknown: Option<String>,
    /// What the host translates.
    pub nat: Nat,
}

/// A word about the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// Whether the file is not valid because of it.
    pub is_error: bool,
    /// What and where.
    pub message: String,
    /// What to do.
    pub help: Option<String>,
}

impl Facts {
    /// Reads the host. Of `only`, if it is given, else of the configured devices.
    ///
    /// # Errors
    /// Netlink does not answer. What else cannot be read is as on a host where nothing is wrong.
    pub async fn read(paths: &PathOptions, only: Option<&str>) -> Result<Self, KernelError> {
        let locations = Locations::find(paths, None);
        let (policy, config) = configuration(paths, only.is_some());
        let links = netlink::links().await?;
        let addresses = netlink::addresses().await?;
        let bound = bound_to_devices();
        let bound_unknown = bound.as_ref().err().map(ToString::to_string);
        let mut facts = Self {
            kernel: Kernel::read(),
            host: Host::read(&locations, policy.as_ref()),
            boot: Boot::read(&locations),
            config_path: paths.config.clone(),
            config,
            links,
            addressed: addresses.into_iter().map(|(_, index)| index).collect(),
            bound: bound.unwrap_or_default(),
            bound_unknown,
            nat: Nat::read(),
            ..Self::default()
        };
        let configured = policy.iter().flat_map(|p| &p.interfaces);
        let asked: Vec<(String, _)> = match only {
            Some(name) => {
                let mode = configured
                    .clone()
                    .find(|i| i.name == name)
                    .map(|i| i.attach_mode);
                vec![(name.to_owned(), mode)]
            }
            None => configured
                .map(|i| (i.name.clone(), Some(i.attach_mode)))
                .collect(),
        };
        for (name, mode) in asked {
            match facts.links.iter().find(|link| link.name == name) {
                Some(link) => {
                    let device = Device::read(link.clone(), mode, &locations.pin_path).await;
                    facts.devices.push(device);
                }
                None => facts.absent.push(name),
            }
        }
        facts.policy = policy;
        Ok(facts)
    }

    /// Whether the configuration has an `[[interface]]` of this name.
    pub fn is_configured(&self, name: &str) -> bool {
        let mut interfaces = self.policy.iter().flat_map(|policy| &policy.interfaces);
        interfaces.any(|interface| interface.name == name)
    }
}

/// Without a file there is nothing to be valid, if the question is about a device alone.
fn configuration(paths: &PathOptions, may_be_missing: bool) -> (Option<Policy>, Vec<Said>) {
    if may_be_missing && !paths.config.exists() {
        return (None, Vec::new());
    }
    // Forwarding is a check of its own, which knows of containers.
    let host = HostFacts {
        forwarding: false,
        ..HostFacts::read()
    };
    match config::load(&paths.config, &host) {
        Ok(loaded) => {
            let said = loaded.warnings.iter().map(|warning| said(warning, false));
            (Some(loaded.policy), said.collect())
        }
        Err(errors) => {
            let said = errors.diagnostics.iter().map(|error| said(error, true));
            (None, said.collect())
        }
    }
}

fn said(diagnostic: &Diagnostic, is_error: bool) -> Said {
    let file = diagnostic.file.display();
    let message = match &diagnostic.place {
        Some(place) => format!("{file}:{}: {}", place.line, diagnostic.message),
        // Nothing but a file that cannot be read has no place, and names itself.
        None => diagnostic.message.clone(),
    };
    Said {
        is_error,
        message,
        help: diagnostic.help.clone(),
    }
}
