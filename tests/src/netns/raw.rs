//! Frames past the kernel's own protocols: sent as crafted, received as they come out behind XDP.

use std::io::{self, Read as _};
use std::mem;
use std::os::fd::AsRawFd as _;
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

const ETH_P_ALL: u16 = 0x0003;
const LARGEST_FRAME: usize = 70_000;
/// Some seconds of a flood, should the reader not get a CPU.
const RECEIVE_BUFFER: usize = 16 << 20;
/// Before a queue that stays full is an error.
const QUEUE_EMPTIES: Duration = Duration::from_secs(10);

/// An `AF_PACKET` socket bound to a device. It receives only what comes in.
pub struct PacketSocket {
    socket: Socket,
}

impl PacketSocket {
    /// Opens it in the calling thread's namespace.
    ///
    /// # Panics
    /// Without such a device.
    pub fn open(device: &str) -> Self {
        // Protocol 0 receives nothing until it is bound: no frame of another device.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None).expect("needs CAP_NET_RAW");
        let index = rustix::net::netdevice::name_to_index(&socket, device)
            .unwrap_or_else(|error| panic!("no device {device}: {error}"));
        ignore_outgoing(&socket).expect("Linux 4.20 and later");
        rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, RECEIVE_BUFFER)
            .expect("needs CAP_NET_ADMIN");
        bind(&socket, index).expect("the device is there");
        Self { socket }
    }

    /// Sends a frame as it is. While the queue of a veth's other end is full, which newer kernels
    /// say (`ENOBUFS`), other threads go first.
    ///
    /// # Panics
    /// If the kernel refuses it, or the queue does not empty.
    pub fn send(&self, frame: &[u8]) {
        let started = Instant::now();
        let sent = loop {
            match self.socket.send(frame) {
                Err(error)
                    if error.raw_os_error() == Some(libc::ENOBUFS)
                        && started.elapsed() < QUEUE_EMPTIES =>
                {
                    thread::yield_now();
                }
                sent => break sent.expect("the frame can be sent"),
            }
        };
        assert_eq!(sent, frame.len());
    }

    /// The next frame, without VLAN tags (the kernel keeps them apart); `None` after `wait`.
    ///
    /// # Panics
    /// If the device is gone.
    pub fn receive(&self, wait: Duration) -> Option<Vec<u8>> {
        self.socket
            .set_read_timeout(Some(wait))
            .expect("not zero, so valid");
        let mut frame = vec![0; LARGEST_FRAME];
        match (&self.socket).read(&mut frame) {
            Ok(length) => {
                frame.truncate(length);
                Some(frame)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => panic!("cannot receive frames: {error}"),
        }
    }
}

fn bind(socket: &Socket, index: u32) -> io::Result<()> {
    // All-zero is a valid value of it, but libc has no Default: each field is written out.
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: ETH_P_ALL.to_be(),
        sll_ifindex: index.cast_signed(),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let length = mem::size_of_val(&address) as libc::socklen_t;
    // SAFETY: the pointer and the length are those of a sockaddr_ll that outlives the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), (&raw const address).cast(), length) };
    succeed(result)
}

fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    let length = mem::size_of_val(&on) as libc::socklen_t;
    // SAFETY: the pointer and the length are those of an int that outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            length,
        )
    };
    succeed(result)
}

fn succeed(result: libc::c_int) -> io::Result<()> {
    match result {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}
