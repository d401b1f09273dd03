//! Real sockets of the host's own TCP and UDP. Everything here runs in the calling thread's
//! namespace, and everything has a deadline.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Socket, Type};

use super::Namespace;
use super::frames::checksum;
use super::wait::{self, PATIENCE};

/// How often a server looks whether it is to end.
const LOOK: Duration = Duration::from_millis(20);
const LARGEST_DATAGRAM: usize = 65_535;

/// What became of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It came back whole.
    Served,
    /// Nothing came back.
    Silence,
    /// The host itself refused: nobody listens.
    Closed,
}

/// Answers each connection, or each datagram, with what it got, until dropped.
pub struct Echo {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Echo {
    /// A TCP server; a connection ends with the client's end.
    pub fn tcp(namespace: &Namespace, address: (IpAddr, u16)) -> Self {
        let listener = namespace.run(|| when_free("listen", || TcpListener::bind(address)));
        listener.set_nonblocking(true).expect("it is a socket");
        Self::start(namespace, move || {
            if let Ok((stream, _)) = listener.accept() {
                thread::spawn(move || echo_stream(&stream));
            } else {
                thread::sleep(LOOK);
            }
        })
    }

    /// A UDP server.
    pub fn udp(namespace: &Namespace, address: (IpAddr, u16)) -> Self {
        let socket = namespace.run(|| when_free("bind", || UdpSocket::bind(address)));
        socket.set_read_timeout(Some(LOOK)).expect("not zero");
        let mut datagram = vec![0; LARGEST_DATAGRAM];
        Self::start(namespace, move || {
            if let Ok((length, from)) = socket.recv_from(&mut datagram) {
                // A client that has gone is its own affair.
                let _ = socket.send_to(&datagram[..length], from);
            }
        })
    }

    fn start(namespace: &Namespace, mut step: impl FnMut() + Send + 'static) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&stop);
        let thread = namespace.spawn(move || {
            while !seen.load(Ordering::Relaxed) {
                step();
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed; a second one here would abort.
            let _ = thread.join();
        }
    }
}

/// A port that a socket had which is closed can be held for a moment yet: by a child that another test
/// has forked and that has not come to its program, where it loses what it inherited.
fn when_free<T>(what: &str, mut ask: impl FnMut() -> io::Result<T>) -> T {
    wait::until("a port that nobody has", || match ask() {
        Ok(socket) => Some(socket),
        Err(error) if error.kind() == ErrorKind::AddrInUse => None,
        Err(error) => panic!("cannot {what}: {error}"),
    })
}

fn echo_stream(mut stream: &TcpStream) {
    // What it inherits from the listener varies; errors end this connection only.
    if stream.set_nonblocking(false).is_err() || stream.set_read_timeout(Some(PATIENCE)).is_err() {
        return;
    }
    let mut buffer = vec![0; 65_536];
    while let Ok(length) = stream.read(&mut buffer) {
        if length == 0 || stream.write_all(&buffer[..length]).is_err() {
            return;
        }
    }
}

/// A connection from this address; `Err` says what became of it.
///
/// # Errors
/// Never [`Answer::Served`].
pub fn connect(source: IpAddr, server: SocketAddr, wait: Duration) -> Result<TcpStream, Answer> {
    let socket = bound(Type::STREAM, source);
    match socket.connect_timeout(&server.into(), wait) {
        Ok(()) => Ok(socket.into()),
        Err(error) => Err(answer(&error)),
    }
}

/// Connects, sends `length` bytes and waits for them to come back.
///
/// # Panics
/// If a connection that came about does not serve.
pub fn ask_tcp(source: IpAddr, server: SocketAddr, length: usize, wait: Duration) -> Answer {
    let mut stream = match connect(source, server, wait) {
        Ok(stream) => stream,
        Err(answer) => return answer,
    };
    exchange(&mut stream, length);
    stream.shutdown(Shutdown::Write).expect("it is connected");
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the server ends it");
    assert!(rest.is_empty(), "more came back than was sent");
    Answer::Served
}

/// Sends `length` bytes over a connection and waits for them to come back.
///
/// # Panics
/// If they do not.
pub fn exchange(stream: &mut TcpStream, length: usize) {
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("the timeout is not zero");
    let sent = pattern(length);
    stream.write_all(&sent).expect("the connection stands");
    let mut received = vec![0; length];
    stream
        .read_exact(&mut received)
        .expect("what was sent comes back");
    assert!(sent == received, "other bytes came back");
}

/// Sends a datagram from a connected socket and waits for it to come back.
///
/// # Panics
/// If other bytes come back.
pub fn ask_udp(source: IpAddr, server: SocketAddr, length: usize, wait: Duration) -> Answer {
    let socket = UdpSocket::from(bound(Type::DGRAM, source));
    socket.connect(server).expect("there is a route");
    ask(&socket, length, wait, |socket, bytes| socket.send(bytes))
}

/// The same from a socket that is not connected.
///
/// # Panics
/// If other bytes come back.
pub fn ask_udp_unconnected(source: IpAddr, server: SocketAddr, wait: Duration) -> Answer {
    let socket = UdpSocket::from(bound(Type::DGRAM, source));
    ask(&socket, 64, wait, |socket, bytes| {
        socket.send_to(bytes, server)
    })
}

fn ask(
    socket: &UdpSocket,
    length: usize,
    wait: Duration,
    send: impl FnOnce(&UdpSocket, &[u8]) -> io::Result<usize>,
) -> Answer {
    let sent = pattern(length);
    socket.set_read_timeout(Some(wait)).expect("not zero");
    send(socket, &sent).expect("the datagram can be sent");
    let mut received = vec![0; LARGEST_DATAGRAM];
    match socket.recv(&mut received) {
        Ok(length) => {
            assert!(received[..length] == sent, "other bytes came back");
            Answer::Served
        }
        Err(error) => answer(&error),
    }
}

/// One echo request of ICMP or ICMPv6.
///
/// # Panics
/// If it cannot be sent.
pub fn ping(source: IpAddr, destination: IpAddr, wait: Duration) -> Answer {
    let (protocol, request, reply) = match source {
        IpAddr::V4(_) => (Protocol::ICMPV4, 8, 0),
        IpAddr::V6(_) => (Protocol::ICMPV6, 128, 129),
    };
    let domain = Domain::for_address((source, 0).into());
    let socket = Socket::new(domain, Type::RAW, Some(protocol)).expect("needs CAP_NET_RAW");
    socket
        .bind(&SocketAddr::from((source, 0)).into())
        .expect("the address is configured");
    let mut message = vec![request, 0, 0, 0];
    message.extend(b"edge-filter ping");
    // ICMPv6 sums over addresses too: the kernel does that itself.
    if source.is_ipv4() {
        let sum = checksum(&message).to_be_bytes();
        message[2..4].copy_from_slice(&sum);
    }
    socket
        .send_to(&message, &SocketAddr::from((destination, 0)).into())
        .expect("there is a route");
    socket.set_read_timeout(Some(wait)).expect("not zero");
    let mut received = vec![0; 1500];
    loop {
        match (&socket).read(&mut received) {
            Ok(length) => {
                // IPv4 raw sockets deliver the IP header too; neighbour discovery comes by as well.
                let header = if source.is_ipv4() { 20 } else { 0 };
                let got = &received[..length];
                if got.get(header) == Some(&reply) && got.ends_with(b"edge-filter ping") {
                    return Answer::Served;
                }
            }
            Err(error) => return answer(&error),
        }
    }
}

/// Whether the kernel knows a way from this address to that one.
pub(super) fn has_route(source: IpAddr, destination: IpAddr) -> bool {
    UdpSocket::bind((source, 0)).is_ok_and(|socket| socket.connect((destination, 9)).is_ok())
}

fn bound(kind: Type, source: IpAddr) -> Socket {
    let address = SocketAddr::from((source, 0));
    let socket = Socket::new(Domain::for_address(address), kind, None).expect("sockets are there");
    socket
        .bind(&address.into())
        .unwrap_or_else(|error| panic!("{source} is not an address here: {error}"));
    socket
}

fn answer(error: &io::Error) -> Answer {
    match (error.kind(), Errno::from_io_error(error)) {
        (ErrorKind::TimedOut | ErrorKind::WouldBlock, _) => Answer::Silence,
        (ErrorKind::ConnectionRefused, _) => Answer::Closed,
        _ => panic!("neither an answer nor silence: {error}"),
    }
}

fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}
