//! Notes and durations, as operators write them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A line in a table must stay readable.
const LONGEST_NOTE: usize = 200;
/// Longer is what `deny` and `allow` of the configuration are for; and sums stay far from overflow.
const LONGEST: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Why somebody was banned or allowed: at most 200 bytes, shown escaped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Note(String);

/// A note that is too long.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a note has at most 200 bytes, this one {0}")]
pub struct NoteError(usize);

impl std::str::FromStr for Note {
    type Err = NoteError;

    fn from_str(text: &str) -> Result<Self, NoteError> {
        match text.len() {
            0..=LONGEST_NOTE => Ok(Self(text.to_owned())),
            length => Err(NoteError(length)),
        }
    }
}

impl Note {
    /// As it was written. For a terminal, use its `Display`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Nothing that a terminal would obey: notes come from logs, by way of fail2ban.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '"' | '\'' => write!(f, "{c}")?,
                c => write!(f, "{}", c.escape_debug())?,
            }
        }
        Ok(())
    }
}

/// A duration such as `10m`, `1h 30m` or `7days`: from 1 s to 10 years.
///
/// # Errors
/// What is wrong with it, in words.
pub fn duration(text: &str) -> Result<Duration, String> {
    let found = humantime::parse_duration(text)
        .map_err(|error| format!("{error}; write it as 90s, 10m, 1h or 7days"))?;
    if found < Duration::from_secs(1) {
        return Err("shorter than a second".into());
    }
    if found > LONGEST {
        return Err("longer than 10 years; without --for a ban has no end".into());
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_cannot_move_the_cursor() {
        let note: Note = "it's \u{1b}[2J \"x\"\n".parse().unwrap();
        assert_eq!(note.to_string(), "it's \\u{1b}[2J \"x\"\\n");
        assert_eq!("x".repeat(201).parse::<Note>(), Err(NoteError(201)));
    }

    #[test]
    fn durations_have_units_and_bounds() {
        assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(duration("600s"), Ok(Duration::from_secs(600)));
        for (text, expected) in [
            ("10", "10m"),
            ("-1s", "write it as"),
            ("0s", "shorter"),
            ("999ms", "shorter"),
            ("11years", "10 years"),
            ("99999999999999999999y", "write it as"),
        ] {
            let error = duration(text).expect_err(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
