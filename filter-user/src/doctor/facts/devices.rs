//! One device: netlink, its driver, and what is attached.

use crate::config::policy::AttachMode;
use crate::kernel::netdev::{self, Channels, Offloads, XdpFeatures};
use crate::kernel::netlink::Link;
use crate::kernel::pins::Folder;
use std::fs;
use std::path::{Path, PathBuf};

/// What is known of it.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// As netlink tells.
    pub link: Link,
    /// As it is configured; `None` if it is not.
    pub mode: Option<AttachMode>,
    /// The kernel's name of its driver, or the kind of a virtual one.
    pub driver: Option<String>,
    /// Whether there is hardware behind it, or a hypervisor's idea of it.
    pub is_hardware: bool,
    /// `None` before Linux 6.3.
    pub xdp_features: Option<XdpFeatures>,
    /// `None` if the driver does not say.
    pub channels: Option<Channels>,
    /// `None` if the driver does not say.
    pub offloads: Option<Offloads>,
    /// Whether what is attached is this filter.
    pub is_ours: bool,
}

impl Device {
    /// Asks about it.
    pub async fn read(link: Link, mode: Option<AttachMode>, pin_path: &Path) -> Self {
        let device = PathBuf::from("/sys/class/net")
            .join(&link.name)
            .join("device");
        let driver = fs::read_link(device.join("driver")).ok();
        let driver = driver.and_then(|path| Some(path.file_name()?.to_str()?.to_owned()));
        let kind = Some(link.kind.clone()).filter(|kind| !kind.is_empty());
        Self {
            mode,
            driver: driver.or(kind),
            is_hardware: device.exists(),
            xdp_features: netdev::xdp_features(link.index).await,
            channels: netdev::channels(&link.name).await,
            offloads: netdev::offloads(&link.name).await,
            is_ours: link.xdp.is_some() && Folder::new(pin_path).link(&link.name).exists(),
            link,
        }
    }
}
