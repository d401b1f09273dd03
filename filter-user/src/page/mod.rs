//! The status page: one HTML page without anything from elsewhere, and what it polls. It shows
//! what `top` shows.
//!
//! It never changes anything: there is no request but GET. Who asks is looked at first: a browser
//! on another site's behalf, and a connection that is not over loopback, get nothing unless the
//! configuration says so. The kernel is read at most once a second however many look, and not at
//! all while nobody does.

#![forbid(unsafe_code)]
#![cfg_attr(not(test), deny(clippy::indexing_slicing))]

mod answer;
mod board;
mod document;
mod gate;
mod routes;
mod watch;

pub use gate::Gate;
pub use routes::routes;
pub use watch::Watch;
