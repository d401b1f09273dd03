//! What a network device's driver can do and is set to do: by generic netlink, families `netdev`
//! (Documentation/netlink/specs/netdev.yaml) and `ethtool`.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use ethtool::{EthtoolAttr, EthtoolChannelAttr, EthtoolFeatureAttr};
use futures::{StreamExt as _, TryStreamExt as _};
use netlink_packet_generic::{GenlFamily, GenlHeader, GenlMessage};
use rtnetlink::packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload, Nla as _,
    NlasIterator, Parseable as _, ParseableParametrized, parse_u64,
};

/// `NETDEV_CMD_DEV_GET`.
const DEV_GET: u8 = 1;
/// `NETDEV_A_DEV_IFINDEX`.
const IFINDEX: u16 = 1;
/// `NETDEV_A_DEV_XDP_FEATURES`.
const XDP_FEATURES: u16 = 3;
/// `NETDEV_XDP_ACT_BASIC`: the driver runs XDP programs.
const BASIC: u64 = 1;
/// `NETDEV_XDP_ACT_RX_SG`: of frames in several buffers too.
const RX_SG: u64 = 1 << 5;

/// What the driver does with XDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XdpFeatures {
    /// Native mode is there.
    pub is_native: bool,
    /// For frames larger than a buffer too, so that the MTU does not matter.
    pub has_frags: bool,
}

/// Receive queues.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Channels {
    /// In use.
    pub count: u32,
    /// As many as the device has.
    pub max: u32,
}

/// Settings that change what XDP sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Offloads {
    /// Received segments are joined before anybody sees them.
    pub lro: bool,
    /// VLAN tags are taken off before anybody sees them.
    pub vlan: bool,
}

/// Asks the driver by way of the kernel; `None` before Linux 6.3.
pub async fn xdp_features(index: u32) -> Option<XdpFeatures> {
    let (connection, mut handle, _) = genetlink::new_connection().ok()?;
    let connection = tokio::spawn(connection);
    let mut message = NetlinkMessage::from(GenlMessage::from_payload(Netdev {
        attributes: vec![DefaultNla::new(IFINDEX, index.to_ne_bytes().to_vec())],
    }));
    message.header.flags = NLM_F_REQUEST;
    let answer = async {
        let mut answers = handle.request(message).await.ok()?;
        let answer = answers.next().await?.ok()?;
        let NetlinkPayload::InnerMessage(answer) = answer.payload else {
            return None;
        };
        let attributes = answer.payload.attributes;
        let word = attributes.iter().find(|a| a.kind() == XDP_FEATURES)?;
        let mut bytes = [0; 8];
        (word.value_len() == bytes.len()).then_some(())?;
        word.emit_value(&mut bytes);
        parse_u64(&bytes).ok()
    };
    let word = answer.await;
    connection.abort();
    word.map(|word| XdpFeatures {
        is_native: word & BASIC != 0,
        has_frags: word & RX_SG != 0,
    })
}

/// Receive queues of a device; `None` if its driver does not say.
pub async fn channels(name: &str) -> Option<Channels> {
    let attributes = ask(async |handle| {
        let answers = handle.channel().get(Some(name)).execute().await.ok()?;
        first(answers).await
    });
    let mut found = Channels::default();
    for attribute in attributes.await? {
        match attribute {
            EthtoolAttr::Channel(
                EthtoolChannelAttr::CombinedCount(n) | EthtoolChannelAttr::RxCount(n),
            ) => found.count += n,
            EthtoolAttr::Channel(
                EthtoolChannelAttr::CombinedMax(n) | EthtoolChannelAttr::RxMax(n),
            ) => found.max += n,
            _ => {}
        }
    }
    Some(found)
}

/// Offloads that are on; `None` if the driver does not say.
pub async fn offloads(name: &str) -> Option<Offloads> {
    let attributes = ask(async |handle| {
        let answers = handle.feature().get(Some(name)).execute().await.ok()?;
        first(answers).await
    });
    let active = attributes
        .await?
        .into_iter()
        .find_map(|attribute| match attribute {
            EthtoolAttr::Feature(EthtoolFeatureAttr::Active(bits)) => Some(bits),
            _ => None,
        })?;
    let is_on = |name: &str| active.iter().any(|bit| bit.name == name && bit.value);
    Some(Offloads {
        lro: is_on("rx-lro"),
        vlan: is_on("rx-vlan-hw-parse"),
    })
}

/// Over a connection of its own.
async fn ask<T>(question: impl AsyncFnOnce(&mut ethtool::EthtoolHandle) -> Option<T>) -> Option<T> {
    let (connection, mut handle, _) = ethtool::new_connection().ok()?;
    let connection = tokio::spawn(connection);
    let answer = question(&mut handle).await;
    connection.abort();
    answer
}

async fn first(
    answers: impl futures::Stream<
        Item = Result<GenlMessage<ethtool::EthtoolMessage>, ethtool::EthtoolError>,
    >,
) -> Option<Vec<EthtoolAttr>> {
    let mut answers = std::pin::pin!(answers);
    Some(answers.try_next().await.ok()??.payload.nlas)
}

/// A message of family `netdev`.
#[derive(Clone, Debug)]
struct Netdev {
    attributes: Vec<DefaultNla>,
}

impl GenlFamily for Netdev {
    fn family_name() -> &'static str {
        "netdev"
    }

    fn command(&self) -> u8 {
        DEV_GET
    }

    fn version(&self) -> u8 {
        1
    }
}

impl Emitable for Netdev {
    fn buffer_len(&self) -> usize {
        self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        self.attributes.as_slice().emit(buffer);
    }
}

impl ParseableParametrized<[u8], GenlHeader> for Netdev {
    fn parse_with_param(buffer: &[u8], _: GenlHeader) -> Result<Self, DecodeError> {
        let attributes = NlasIterator::new(buffer).map(|found| DefaultNla::parse(&found?));
        Ok(Self {
            attributes: attributes.collect::<Result<_, _>>()?,
        })
    }
}
