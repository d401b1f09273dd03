//! Two namespaces and the wires between them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Namespace;
use super::sockets;
use super::wait;

/// A client and a server, joined by one or two veth pairs.
pub struct Net {
    /// Where the requests come from.
    pub client: Namespace,
    /// Where the services and the filter are.
    pub server: Namespace,
}

/// One veth pair: `s<N>` at the server, `c<N>` at the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wire(pub u8);

impl Net {
    /// One wire of MTU 1500.
    pub fn new() -> Self {
        Self::with(1, 1500)
    }

    /// So many wires, of this MTU.
    pub fn with(wires: u8, mtu: u16) -> Self {
        let net = Self {
            client: Namespace::new(),
            server: Namespace::new(),
        };
        for wire in (0..wires).map(Wire) {
            net.join(wire, mtu);
        }
        net
    }

    /// Makes a wire; also one that was cut.
    pub fn join(&self, wire: Wire, mtu: u16) {
        let (device, peer) = (wire.server_device(), wire.client_device());
        let [server_mac, client_mac] = [wire.server_mac(), wire.client_mac()].map(|mac| {
            let bytes = mac.map(|byte| format!("{byte:02x}"));
            bytes.join(":")
        });
        self.server.ip(&format!(
            "link add {device} mtu {mtu} address {server_mac} type veth \
             peer name {peer} mtu {mtu} address {client_mac} netns {}\n",
            self.client.path()
        ));
        self.set_up(wire);
        let mut client = String::new();
        for host in 10..16 {
            client += &format!(
                "address add {}/24 dev {peer}\naddress add {}/64 dev {peer} nodad\n",
                wire.client4(host),
                wire.client6(host)
            );
        }
        self.client.ip(&format!("{client}link set {peer} up\n"));
        self.wait_for_route(wire);
    }

    /// Takes a wire away, both ends.
    pub fn cut(&self, wire: Wire) {
        self.server
            .ip(&format!("link delete {}\n", wire.server_device()));
    }

    /// Moves the server's end of a wire to the client's namespace.
    pub fn take_away(&self, wire: Wire) {
        let device = wire.server_device();
        let to = self.client.path();
        self.server.ip(&format!("link set {device} netns {to}\n"));
    }

    /// Moves it back, with its addresses.
    pub fn bring_back(&self, wire: Wire) {
        let device = wire.server_device();
        let to = self.server.path();
        self.client.ip(&format!("link set {device} netns {to}\n"));
        self.set_up(wire);
        self.wait_for_route(wire);
    }

    fn set_up(&self, wire: Wire) {
        let device = wire.server_device();
        self.server.ip(&format!(
            "address add {}/24 dev {device}\naddress add {}/64 dev {device} nodad\n\
             link set {device} up\n",
            wire.server4(),
            wire.server6()
        ));
    }

    /// Routes appear a moment after a link is up.
    fn wait_for_route(&self, wire: Wire) {
        for (here, source, destination) in [
            (&self.client, wire.client(10, false), wire.server(false)),
            (&self.client, wire.client(10, true), wire.server(true)),
            (&self.server, wire.server(false), wire.client(10, false)),
            (&self.server, wire.server(true), wire.client(10, true)),
        ] {
            wait::until("a route over the wire", || {
                here.run(|| sockets::has_route(source, destination))
                    .then_some(())
            });
        }
    }
}

impl Default for Net {
    fn default() -> Self {
        Self::new()
    }
}

impl Wire {
    /// Its end at the server.
    pub fn server_device(self) -> String {
        format!("s{}", self.0)
    }

    /// Its end at the client.
    pub fn client_device(self) -> String {
        format!("c{}", self.0)
    }

    /// The server's hardware address.
    pub const fn server_mac(self) -> [u8; 6] {
        [2, 0, 0, 0, self.0, 1]
    }

    /// The client's hardware address.
    pub const fn client_mac(self) -> [u8; 6] {
        [2, 0, 0, 0, self.0, 2]
    }

    /// The server's address.
    pub const fn server(self, is_ipv6: bool) -> IpAddr {
        match is_ipv6 {
            true => IpAddr::V6(self.server6()),
            false => IpAddr::V4(self.server4()),
        }
    }

    /// An address of the client's: the hosts 10 to 15 are configured.
    pub const fn client(self, host: u8, is_ipv6: bool) -> IpAddr {
        match is_ipv6 {
            true => IpAddr::V6(self.client6(host)),
            false => IpAddr::V4(self.client4(host)),
        }
    }

    const fn server4(self) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.0, 1)
    }

    const fn server6(self) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, 0, 0, self.0 as u16, 0, 0, 0, 1)
    }

    const fn client4(self, host: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 77, self.0, host)
    }

    const fn client6(self, host: u8) -> Ipv6Addr {
        Ipv6Addr::new(0xfd77, 0, 0, self.0 as u16, 0, 0, 0, host as u16)
    }
}
