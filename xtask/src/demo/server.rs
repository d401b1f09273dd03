//! A small HTTP server, as real as a filter of connections needs: it accepts, reads a request,
//! answers, closes.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::demo::network::Namespace;

/// What every request is answered with.
pub const BODY: &str = "hello from behind edge-filter\n";

/// How soon the server sees that it shall stop.
const STOP_CHECK: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 50_000_000,
};
/// A client that sends nothing is not waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// A running server; stops on drop.
pub struct Server {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on every address of the namespace, IPv4 too; connections are accepted on return.
    pub fn start(namespace: &Namespace, port: u16) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = namespace.inside(move || {
            let address = SocketAddr::from((Ipv6Addr::UNSPECIFIED, port));
            let listener = TcpListener::bind(address)
                .with_context(|| format!("the demo's server cannot listen on {address}"))?;
            listener.set_nonblocking(true)?;
            Ok(thread::spawn(move || serve(&listener, &stopped)))
        })?;
        Ok(Self {
            stop,
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            eprintln!("xtask: the demo's HTTP server panicked");
        }
    }
}

fn serve(listener: &TcpListener, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let mut waiting = [PollFd::from_borrowed_fd(listener.as_fd(), PollFlags::IN)];
        if poll(&mut waiting, Some(&STOP_CHECK)).is_err() {
            continue;
        }
        while let Ok((stream, _)) = listener.accept() {
            // A client that went away is no concern of the demo's.
            thread::spawn(move || answer(stream));
        }
    }
}

fn answer(stream: TcpStream) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut request = BufReader::new(&stream);
    let mut line = String::new();
    while request.read_line(&mut line)? > 2 {
        line.clear();
    }
    write!(
        &stream,
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{BODY}",
        BODY.len()
    )
}
