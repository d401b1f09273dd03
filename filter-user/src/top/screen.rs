//! The terminal: taken over, and given back however `top` ends: by a key, an error, a panic or
//! a signal. Only SIGKILL leaves it as it is (`reset` mends that).
//!
//! A terminal that goes away, as when SSH breaks off, ends `top` too. crossterm 0.29 does not notice:
//! it reads such a terminal again and again, for ever. So it is asked only while there is one.

use anyhow::{Context as _, bail};
use crossterm::event::{self, Event, KeyEvent};
use ratatui::DefaultTerminal;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::env;
use std::io::{self, IsTerminal as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// As a shell says of a process that SIGHUP has ended.
const HUNG_UP: i32 = 129;

/// The terminal while it is ours.
pub struct Screen {
    terminal: DefaultTerminal,
    is_ending: Arc<AtomicBool>,
}

impl Screen {
    /// Takes the terminal over. From now on it is given back on drop and on panic.
    ///
    /// # Errors
    /// There is none, or one that cannot move its cursor.
    pub fn open() -> anyhow::Result<Self> {
        let instead = "for one screen of plain text: edge-filter top --once";
        if !io::stdout().is_terminal() || !io::stdin().is_terminal() {
            bail!("top needs a terminal; {instead}");
        }
        match env::var("TERM").as_deref() {
            Ok("dumb" | "") | Err(_) => {
                bail!("the terminal cannot place text (TERM is dumb or not set); {instead}")
            }
            Ok(_) => {}
        }
        let is_ending = Arc::new(AtomicBool::new(false));
        watch(Arc::clone(&is_ending)).context("signals")?;
        Ok(Self {
            terminal: ratatui::try_init().context("the terminal cannot be taken over")?,
            is_ending,
        })
    }

    /// Whether a signal said that it is over.
    pub fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Relaxed)
    }

    /// Draws. A terminal that is gone ends the program.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn draw(&mut self, draw: impl FnOnce(Rect, &mut Buffer)) -> anyhow::Result<()> {
        let drawn = self
            .terminal
            .draw(|frame| draw(frame.area(), frame.buffer_mut()));
        if let Err(error) = &drawn
            && error.raw_os_error() == Some(Errno::IO.raw_os_error())
        {
            leave();
        }
        drawn.map(drop).context("the terminal")
    }

    /// Waits for a key at most `limit`. `None` also for a change of size, which the next drawing
    /// takes care of. A terminal that is gone ends the program.
    ///
    /// # Errors
    /// The terminal refuses.
    pub fn key(&self, limit: Duration) -> anyhow::Result<Option<KeyEvent>> {
        // What crossterm has read already does not wake anybody.
        wait(Duration::ZERO)?;
        if !event::poll(Duration::ZERO).context("the terminal")? {
            wait(limit)?;
            if !event::poll(Duration::ZERO).context("the terminal")? {
                return Ok(None);
            }
        }
        Ok(match event::read().context("the terminal")? {
            Event::Key(key) => Some(key),
            _ => None,
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // A terminal that is gone needs nothing.
        let _ = ratatui::try_restore();
    }
}

/// Waits until something was typed, at most `limit`.
fn wait(limit: Duration) -> anyhow::Result<()> {
    let stdin = io::stdin();
    let mut terminal = [PollFd::new(&stdin, PollFlags::IN)];
    let limit = Timespec::try_from(limit).context("the terminal")?;
    match poll(&mut terminal, Some(&limit)) {
        // A signal, such as that of a new size.
        Ok(_) | Err(Errno::INTR) => {}
        Err(error) => return Err(error).context("the terminal"),
    }
    let gone = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    if terminal[0].revents().intersects(gone) {
        leave();
    }
    Ok(())
}

/// The terminal is gone: nothing is to be given back, and nobody is there who would be told. ratatui
/// would try both, and abort: what it says in vain is a panic within a panic.
fn leave() -> ! {
    std::process::exit(HUNG_UP)
}

/// SIGTERM, SIGINT and SIGHUP end `top` in good order.
fn watch(is_ending: Arc<AtomicBool>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut terminate, mut interrupt, mut hangup) = {
        let _inside = runtime.enter();
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
            signal(SignalKind::hangup())?,
        )
    };
    thread::spawn(move || {
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
                _ = hangup.recv() => leave(),
            }
        });
        is_ending.store(true, Ordering::Relaxed);
    });
    Ok(())
}
