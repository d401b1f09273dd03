//! A veth pair from the sender's namespace to one of the filter's own.

use std::process::Command;

use anyhow::{Context as _, Result};
use edge_filter_tests::netns::Namespace;
use filter_user::kernel::netlink;

use crate::run::output;
use crate::told;

/// At the filter.
pub const DEVICE: &str = "eth0";

/// The pair. Both ends go with the namespace.
pub struct Lane {
    filter: Namespace,
    /// Of the sender's end.
    pub index: u32,
}

impl Lane {
    /// Makes it, with the sender's end called `name`.
    ///
    /// # Errors
    /// The kernel's refusal.
    pub fn new(sender: &Namespace, name: &str) -> Result<Self> {
        let filter = Namespace::new();
        // The hardware address is that of the frames: netfilter sees no others.
        filter.ip(&format!(
            "link add {DEVICE} address 02:00:00:00:00:02 type veth \
             peer name {name} netns {}\nlink set {DEVICE} up\n",
            sender.path()
        ));
        sender.ip(&format!("link set {name} up\n"));
        let links = sender.run(netlink::links_now)?;
        let link = links.iter().find(|link| link.name == name);
        let lane = Self {
            filter,
            index: link.with_context(|| format!("no device {name}"))?.index,
        };
        // Frames are taken only where there is a NAPI, with XDP or GRO.
        lane.command(Command::new("ethtool").args(["--features", DEVICE, "gro", "on"]))?;
        Ok(lane)
    }

    /// Runs this at the filter.
    pub fn inside<T: Send>(&self, action: impl FnOnce() -> T + Send) -> T {
        self.filter.run(action)
    }

    /// Runs a command at the filter; what it prints.
    ///
    /// # Errors
    /// It fails.
    pub fn command(&self, command: &mut Command) -> Result<String> {
        self.inside(|| output(command))
    }

    /// One of the device's own counters.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let text = self.command(Command::new("ethtool").args(["--statistics", DEVICE]))?;
        told::device_counter(&text, name).with_context(|| format!("ethtool tells no {name}"))
    }

    /// Now, not some time after the namespace: another measurement follows.
    pub fn remove(self) {
        self.filter.ip(&format!("link delete {DEVICE}\n"));
    }
}
