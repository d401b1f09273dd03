//! What keys do.

use super::app::{App, Mode};
use crate::exceptions;
use crate::live::Dropper;
use crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use std::net::IpAddr;
use std::time::Duration;

/// What a ban takes if nobody types another time.
const BAN: &str = "1h";
/// Longer is no name of a service and no duration.
const LONGEST_INPUT: usize = 63;

/// What the command is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// End.
    Quit,
    /// Ban from all services; the user has said yes.
    Ban {
        /// Whom.
        source: IpAddr,
        /// For how long.
        duration: Duration,
    },
    /// Ask what would become of such a packet as the source's newest one.
    Explain(Box<Dropper>),
}

/// What `?` shows.
const HELP: &str = "\
q         quit
p, space  hold the screen still; counting goes on
s         sort by rate, total or name
f, /      show only services with this in their name; Esc shows all
up, down  select a source (also k and j)
b         ban the selected source from all services; asks for how long, and again
e         explain what would become of such a packet now
?         this help

Rates are of the newest interval. A curve is of the last 60 intervals, as high
as its own highest. would_drop passes: monitor mode or a bypass spares it.

Sources come from sampled events, so their rates are at most the true ones;
they fade by half in 10 s. Events come from the daemon: without one there are
none, and everything else is read from the pinned maps.";

impl App {
    /// Takes in a key.
    pub fn key(&mut self, key: KeyEvent) -> Option<Effect> {
        if key.kind == KeyEventKind::Release {
            return None;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        if is_control {
            return (key.code == KeyCode::Char('c')).then_some(Effect::Quit);
        }
        match &mut self.mode {
            Mode::Normal => self.command(key.code),
            Mode::Filter => {
                match key.code {
                    KeyCode::Enter => self.mode = Mode::Normal,
                    KeyCode::Esc => {
                        self.filter.clear();
                        self.mode = Mode::Normal;
                    }
                    code => edit(&mut self.filter, code),
                }
                None
            }
            Mode::Duration { .. } => {
                self.duration(key.code);
                None
            }
            Mode::Confirm { source, duration } => {
                let (source, duration) = (*source, *duration);
                self.mode = Mode::Normal;
                match key.code {
                    KeyCode::Char('y' | 'Y') => Some(Effect::Ban { source, duration }),
                    _ => {
                        self.notice = Some(format!("{source} is not banned"));
                        None
                    }
                }
            }
            Mode::Text { lines, first, .. } => {
                match key.code {
                    KeyCode::Down | KeyCode::Char('j') => {
                        *first = (*first + 1).min(lines.len().saturating_sub(1));
                    }
                    KeyCode::Up | KeyCode::Char('k') => *first = first.saturating_sub(1),
                    _ => self.mode = Mode::Normal,
                }
                None
            }
        }
    }

    fn command(&mut self, code: KeyCode) -> Option<Effect> {
        self.notice = None;
        match code {
            KeyCode::Char('q') => return Some(Effect::Quit),
            KeyCode::Char('p' | ' ') => self.pause(),
            KeyCode::Char('s') => self.sort = self.sort.next(),
            KeyCode::Char('f' | '/') => {
                self.filter.clear();
                self.mode = Mode::Filter;
            }
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Down | KeyCode::Char('j') => self.select(1),
            KeyCode::Up | KeyCode::Char('k') => self.select(-1),
            KeyCode::Char('b') => match self.selected_source() {
                Some(dropper) => {
                    self.mode = Mode::Duration {
                        source: dropper.source,
                        text: BAN.to_owned(),
                        error: None,
                    };
                }
                None => self.nobody("ban"),
            },
            KeyCode::Char('e') => match self.selected_source() {
                Some(dropper) => return Some(Effect::Explain(Box::new(dropper.clone()))),
                None => self.nobody("explain"),
            },
            KeyCode::Char('?') => self.show("keys", HELP),
            _ => {}
        }
        None
    }

    fn nobody(&mut self, what: &str) {
        self.notice = Some(format!("there is no source to {what}"));
    }

    fn duration(&mut self, code: KeyCode) {
        let Mode::Duration {
            source,
            text,
            error,
        } = &mut self.mode
        else {
            return;
        };
        let source = *source;
        match code {
            KeyCode::Enter => match exceptions::duration(text) {
                Ok(duration) => self.mode = Mode::Confirm { source, duration },
                Err(wrong) => *error = Some(wrong),
            },
            KeyCode::Esc => {
                self.notice = Some(format!("{source} is not banned"));
                self.mode = Mode::Normal;
            }
            code => {
                *error = None;
                edit(text, code);
            }
        }
    }
}

fn edit(text: &mut String, code: KeyCode) {
    match code {
        KeyCode::Char(c) if text.len() < LONGEST_INPUT && c.is_ascii_graphic() => text.push(c),
        KeyCode::Backspace => {
            text.pop();
        }
        _ => {}
    }
}
