//! The other side of the wire: requests from chosen source addresses, and a flood.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use crate::demo::interrupt::Interrupt;

/// A dropped SYN is answered by silence; the first retransmission comes after a second.
const CONNECT_LIMIT: Duration = Duration::from_millis(900);
const ANSWER_LIMIT: Duration = Duration::from_secs(2);

/// What became of a request.
pub enum Outcome {
    /// The whole response, head and body.
    Served(String),
    /// Nothing came back.
    Refused,
}

/// Gets `/` over a connection from `source`. Call it in the client's namespace.
pub fn get(source: IpAddr, server: SocketAddr, path: &str) -> Result<Outcome> {
    let socket = bound(source)?;
    match socket.connect_timeout(&server.into(), CONNECT_LIMIT) {
        Ok(()) => {}
        Err(error) if is_silence(&error) => return Ok(Outcome::Refused),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot connect from {source} to {server}"));
        }
    }
    let mut stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n"
    )?;
    let mut response = Vec::new();
    stream
        .read_to_end(&mut response)
        .with_context(|| format!("connected from {source}, but {server} does not answer"))?;
    Ok(Outcome::Served(
        String::from_utf8_lossy(&response).into_owned(),
    ))
}

/// How a flood went.
pub struct Flood {
    /// Connections tried.
    pub attempts: usize,
    /// Connections that came about.
    pub established: usize,
    /// From the first SYN to the last.
    pub duration: Duration,
}

/// Opens a connection every `interval`, `attempts` times. Each gets one SYN: it is given up before
/// the kernel would send a second. Call it in the client's namespace.
pub fn flood(
    interrupt: &Interrupt,
    source: IpAddr,
    server: SocketAddr,
    attempts: usize,
    interval: Duration,
) -> Result<Flood> {
    let start = Instant::now();
    let mut open: VecDeque<(Instant, Socket)> = VecDeque::new();
    let mut established = 0;
    let mut last = start;
    let mut next = start;
    for _ in 0..attempts {
        interrupt.wait_until(next)?;
        next += interval;
        last = Instant::now();
        let socket = bound(source)?;
        socket.set_nonblocking(true)?;
        match socket.connect(&server.into()) {
            Ok(()) => {}
            Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
            Err(error) => return Err(error).context("a connection of the flood cannot be tried"),
        }
        open.push_back((last, socket));
        while open
            .front()
            .is_some_and(|(since, _)| since.elapsed() >= CONNECT_LIMIT / 2)
        {
            established += usize::from(open.pop_front().is_some_and(is_established));
        }
    }
    interrupt.wait_until(last + CONNECT_LIMIT / 2)?;
    established += open
        .into_iter()
        .map(is_established)
        .filter(|was| *was)
        .count();
    Ok(Flood {
        attempts,
        established,
        duration: last - start,
    })
}

/// Takes the socket and so closes it.
fn is_established((_, socket): (Instant, Socket)) -> bool {
    socket.peer_addr().is_ok()
}

fn bound(source: IpAddr) -> Result<Socket> {
    let source = SocketAddr::from((source, 0));
    let socket = Socket::new(Domain::for_address(source), Type::STREAM, None)
        .context("cannot make a socket")?;
    socket
        .bind(&source.into())
        .with_context(|| format!("the client has no address {source}"))?;
    Ok(socket)
}

fn is_silence(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{TimedOut, WouldBlock};
    matches!(error.kind(), TimedOut | WouldBlock)
}
