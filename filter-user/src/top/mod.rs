//! `top`, the live view in a terminal: what is shown, what keys do, how it is drawn.
//!
//! `App` is a pure model: readings, events and keys go in with the time, and what is to be done
//! comes out as an [`Effect`]. Drawing only looks at it. Nothing here bans or explains: the command
//! does, so that no key can do what the command line could not.

#![forbid(unsafe_code)]

mod app;
mod draw;
mod feed;
mod figures;
mod keys;
mod screen;
#[cfg(test)]
mod tests;

pub use app::{App, Mode};
pub use draw::{Look, draw, plain};
pub use feed::{Feed, News};
pub use keys::Effect;
pub use screen::Screen;
