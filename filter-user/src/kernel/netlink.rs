//! Interfaces as the kernel tells them: who is there, what runs on them, what changes.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::KernelError;
use futures::channel::mpsc::UnboundedReceiver;
use futures::{StreamExt as _, TryStream, TryStreamExt as _};
use rtnetlink::packet_core::{NetlinkMessage, NetlinkPayload};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::address::{AddressAttribute, AddressMessage};
use rtnetlink::packet_route::link::{
    InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached,
};
use rtnetlink::{Handle, MulticastGroup, new_connection, new_multicast_connection};
use std::net::IpAddr;

/// How a program runs on an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum XdpMode {
    /// In the driver.
    Native,
    /// After the kernel has allocated for the packet.
    Generic,
    /// In the NIC, or several at once: not ours.
    Other,
}

impl XdpMode {
    /// The value of the label `mode`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Generic => "generic",
            Self::Other => "other",
        }
    }
}

/// One interface.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Whether frames have an Ethernet header.
    pub is_ethernet: bool,
    /// Whether it is the loopback interface, whose frames have an Ethernet header too.
    pub is_loopback: bool,
    /// Whether it carries no packets, only addresses.
    pub is_dummy: bool,
    /// What kind of virtual device it is, as `ip link add type` spells it; empty for hardware.
    pub kind: String,
    /// Whether it is set up.
    pub is_up: bool,
    /// Largest packet, without the Ethernet header.
    pub mtu: u32,
    /// Index of the bond or bridge that it belongs to.
    pub master: Option<u32>,
    /// Index of the device that carries it, as a VLAN has.
    pub lower: Option<u32>,
    /// What XDP program runs on it, by id.
    pub xdp: Option<(XdpMode, u32)>,
}

/// All interfaces of this network namespace.
///
/// # Errors
/// Netlink does not answer. Needs a tokio runtime.
pub async fn links() -> Result<Vec<Link>, KernelError> {
    let found = all("listing interfaces", |handle| handle.link().get().execute()).await?;
    Ok(found.iter().map(link).collect())
}

/// The same, for commands that have no runtime of their own.
///
/// # Errors
/// Netlink does not answer.
pub fn links_now() -> Result<Vec<Link>, KernelError> {
    now(links())
}

/// The host's addresses, with the index of the interface that has them; those that reach beyond
/// the link first.
///
/// # Errors
/// Netlink does not answer. Needs a tokio runtime.
pub async fn addresses() -> Result<Vec<(IpAddr, u32)>, KernelError> {
    let asked = |handle: Handle| handle.address().get().execute();
    let mut found = all("listing addresses", asked).await?;
    found.sort_by_key(|message| u8::from(message.header.scope));
    let address = |message: &AddressMessage| Some((own_address(message)?, message.header.index));
    Ok(found.iter().filter_map(address).collect())
}

/// The same for one interface, for commands that have no runtime of their own.
///
/// # Errors
/// Netlink does not answer.
pub fn addresses_now(interface: u32) -> Result<Vec<IpAddr>, KernelError> {
    let found = now(addresses())?.into_iter();
    let found = found.filter(|(_, index)| *index == interface);
    Ok(found.map(|(address, _)| address).collect())
}

/// IPv4 has the host's own as the local one, beside that of the peer.
fn own_address(message: &AddressMessage) -> Option<IpAddr> {
    let find = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| {
        message.attributes.iter().find_map(wanted)
    };
    let local = find(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    local.or_else(|| {
        find(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    })
}

/// Every message that answers a request.
async fn all<S>(
    doing: &'static str,
    request: impl FnOnce(Handle) -> S,
) -> Result<Vec<S::Ok>, KernelError>
where
    S: TryStream<Error = rtnetlink::Error>,
{
    let fail =
        |source: Box<dyn std::error::Error + Send + Sync>| KernelError::Netlink { doing, source };
    let (connection, handle, _) = new_connection().map_err(|error| fail(error.into()))?;
    let connection = tokio::spawn(connection);
    // The connection ends with its last handle, answered or not: one is held meanwhile.
    let messages = request(handle.clone()).try_collect::<Vec<_>>().await;
    drop(handle);
    connection.abort();
    messages.map_err(|error| fail(error.into()))
}

/// On a runtime made for it.
fn now<T>(work: impl Future<Output = Result<T, KernelError>>) -> Result<T, KernelError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()
        .map_err(|source| KernelError::Netlink {
            doing: "starting a runtime",
            source: source.into(),
        })?;
    runtime.block_on(work)
}

/// Tells whenever some interface appeared, changed or went.
pub struct Changes {
    messages: UnboundedReceiver<(
        NetlinkMessage<RouteNetlinkMessage>,
        rtnetlink::sys::SocketAddr,
    )>,
    connection: tokio::task::JoinHandle<()>,
}

impl Changes {
    /// Listens from now on. Needs a tokio runtime.
    ///
    /// # Errors
    /// Netlink refuses.
    pub fn listen() -> Result<Self, KernelError> {
        let (connection, _, messages) =
            new_multicast_connection(&[MulticastGroup::Link]).map_err(|source| {
                KernelError::Netlink {
                    doing: "listening for changes",
                    source: source.into(),
                }
            })?;
        Ok(Self {
            messages,
            connection: tokio::spawn(connection),
        })
    }

    /// Waits for a change; `None` when netlink has gone away.
    pub async fn next(&mut self) -> Option<()> {
        loop {
            let (message, _) = self.messages.next().await?;
            if let NetlinkPayload::InnerMessage(
                RouteNetlinkMessage::NewLink(_) | RouteNetlinkMessage::DelLink(_),
            ) = message.payload
            {
                return Some(());
            }
        }
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

fn link(message: &LinkMessage) -> Link {
    let kind = message.header.link_layer_type;
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        is_ethernet: kind == LinkLayerType::Ether,
        is_loopback: kind == LinkLayerType::Loopback,
        is_up: message.header.flags.contains(LinkFlags::Up),
        ..Link::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name.clone_from(name),
            LinkAttribute::Controller(index) => link.master = Some(*index),
            LinkAttribute::Link(index) => link.lower = Some(*index),
            LinkAttribute::LinkInfo(infos) => {
                let kind = infos.iter().find_map(|info| match info {
                    LinkInfo::Kind(kind) => Some(kind),
                    _ => None,
                });
                link.is_dummy = kind == Some(&InfoKind::Dummy);
                link.kind = kind.map(ToString::to_string).unwrap_or_default();
            }
            LinkAttribute::Mtu(mtu) => link.mtu = *mtu,
            LinkAttribute::Xdp(attributes) => link.xdp = xdp(attributes),
            _ => {}
        }
    }
    link
}

fn xdp(attributes: &[LinkXdp]) -> Option<(XdpMode, u32)> {
    let mode = attributes.iter().find_map(|attribute| match attribute {
        LinkXdp::Attached(XdpAttached::Driver) => Some(XdpMode::Native),
        LinkXdp::Attached(XdpAttached::SocketBuffer) => Some(XdpMode::Generic),
        LinkXdp::Attached(XdpAttached::Hardware | XdpAttached::Multiple) => Some(XdpMode::Other),
        _ => None,
    })?;
    let id = attributes.iter().find_map(|attribute| match attribute {
        LinkXdp::ProgId(id) => Some(*id),
        _ => None,
    });
    Some((mode, id.unwrap_or(0)))
}
