//! Sockets that are bound to a device: by `sock_diag` (sock_diag(7)), which `/proc/net` does not tell.

#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

use super::KernelError;
use netlink_packet_sock_diag::SockDiagMessage;
use netlink_packet_sock_diag::constants::{AF_INET, AF_INET6, IPPROTO_TCP, IPPROTO_UDP};
use netlink_packet_sock_diag::inet::{ExtensionFlags, InetRequest, SocketId, StateFlags};
use rtnetlink::packet_core::{
    NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload,
};
use rtnetlink::sys::protocols::NETLINK_SOCK_DIAG;
use rtnetlink::sys::{Socket, SocketAddr};
use std::net::IpAddr;

/// Large enough for what the kernel sends at once (`NLMSG_GOODSIZE` is at most a page of 32 KiB).
const BUFFER_BYTES: usize = 64 << 10;

/// A socket that hears one device only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BoundSocket {
    /// The device's index.
    pub device: u32,
    /// Its own address.
    pub address: IpAddr,
    /// Its own port.
    pub port: u16,
    /// TCP, else UDP.
    pub is_tcp: bool,
}

/// All of this network namespace.
///
/// # Errors
/// The kernel does not answer.
pub fn bound_to_devices() -> Result<Vec<BoundSocket>, KernelError> {
    let mut found = Vec::new();
    for (protocol, is_tcp) in [(IPPROTO_TCP, true), (IPPROTO_UDP, false)] {
        for (family, any) in [
            (AF_INET, SocketId::new_v4()),
            (AF_INET6, SocketId::new_v6()),
        ] {
            dump(family, protocol, any, |id| {
                if id.interface_id != 0 {
                    found.push(BoundSocket {
                        device: id.interface_id,
                        address: id.source_address,
                        port: id.source_port,
                        is_tcp,
                    });
                }
            })
            .map_err(|error| KernelError::Netlink {
                doing: "listing sockets",
                source: error.into(),
            })?;
        }
    }
    Ok(found)
}

fn dump(
    family: u8,
    protocol: u8,
    socket_id: SocketId,
    mut each: impl FnMut(SocketId),
) -> std::io::Result<()> {
    let mut socket = Socket::new(NETLINK_SOCK_DIAG)?;
    socket.bind_auto()?;
    socket.connect(&SocketAddr::new(0, 0))?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_REQUEST | NLM_F_DUMP;
    let request = InetRequest {
        family,
        protocol,
        extensions: ExtensionFlags::empty(),
        states: StateFlags::all(),
        socket_id,
    };
    let mut message = NetlinkMessage::new(header, SockDiagMessage::InetRequest(request).into());
    message.finalize();
    let mut bytes = vec![0; message.buffer_len()];
    message.serialize(&mut bytes);
    socket.send(&bytes, 0)?;
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let size = socket.recv(&mut &mut buffer[..], 0)?;
        let mut rest = buffer.get(..size).unwrap_or_default();
        while !rest.is_empty() {
            let message = NetlinkMessage::<SockDiagMessage>::deserialize(rest)
                .map_err(std::io::Error::other)?;
            match message.payload {
                NetlinkPayload::InnerMessage(SockDiagMessage::InetResponse(socket)) => {
                    each(socket.header.socket_id);
                }
                NetlinkPayload::Done(_) => return Ok(()),
                NetlinkPayload::Error(error) => return Err(error.to_io()),
                _ => {}
            }
            // Messages are aligned to 4 bytes.
            let length = (message.header.length as usize).next_multiple_of(4);
            rest = rest.get(length.max(4)..).unwrap_or_default();
        }
    }
}
