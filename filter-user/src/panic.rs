//! A bug never reaches a user as a Rust panic: one line says what to report, and that the filter
//! stays as it is. Must not panic itself.

#![forbid(unsafe_code)]

use std::io::{self, Write as _};
use std::panic::{self, UnwindSafe};
use std::process::ExitCode;

/// Runs the program; a panic of its thread ends it with status 1. From now on any panic, of any
/// thread, is said in one line.
pub fn guarded(program: impl FnOnce() -> ExitCode + UnwindSafe) -> ExitCode {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        let text = line(info.payload_as_str(), place.as_deref());
        // Whoever closed stderr wants to know nothing.
        let _ = writeln!(io::stderr(), "{text}");
    }));
    panic::catch_unwind(program).unwrap_or(ExitCode::FAILURE)
}

fn line(message: Option<&str>, place: Option<&str>) -> String {
    let message: String = message
        .unwrap_or("no message")
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    format!(
        "edge-filter: this is a bug: {message} ({}, version {}); the filter in the kernel stays as it \
         is. Please report this line and what you did",
        place.unwrap_or("place unknown"),
        env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_one_line_that_says_what_to_report() {
        let said = line(Some("left\nright\u{1b}"), Some("src/a.rs:1:2"));
        assert_eq!(said.lines().count(), 1, "{said}");
        for part in ["left right", "src/a.rs:1:2", "version ", "report"] {
            assert!(said.contains(part), "{said}");
        }
        assert!(!said.contains('\u{1b}'), "{said:?}");
    }

    #[test]
    fn a_panic_is_exit_status_1() {
        let before = panic::take_hook();
        let status = guarded(|| panic!("on purpose"));
        panic::set_hook(before);
        assert_eq!(format!("{status:?}"), format!("{:?}", ExitCode::from(1)));
    }
}
