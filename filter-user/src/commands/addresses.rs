//! Addresses that a command is about: from its arguments, or one a line from standard input.

use super::Failure;
use crate::cli::Addressee;
use crate::exceptions::Target;
use anyhow::Context as _;
use std::collections::BTreeSet;
use std::io::Read as _;

/// A hundred thousand addresses take a few megabytes.
const MOST_BYTES: u64 = 64 << 20;

/// What was asked for.
#[derive(Debug, Default)]
pub(super) struct Addresses {
    /// Each once.
    pub(super) targets: BTreeSet<Target>,
    /// Lines that are no address, said already.
    pub(super) not_understood: usize,
}

impl Addresses {
    /// Reads them; complains about lines that are none, and goes on.
    pub(super) fn read(addressees: &[Addressee]) -> Result<Self, Failure> {
        let mut found = Self::default();
        for addressee in addressees {
            match addressee {
                Addressee::Target(target) => {
                    found.targets.insert(*target);
                }
                Addressee::Stdin => {
                    let mut bytes = Vec::new();
                    let mut input = std::io::stdin().lock().take(MOST_BYTES);
                    input
                        .read_to_end(&mut bytes)
                        .context("standard input cannot be read")?;
                    found.add_lines(&String::from_utf8_lossy(&bytes));
                }
            }
        }
        Ok(found)
    }

    /// Blank lines and `#` comments say nothing.
    fn add_lines(&mut self, text: &str) {
        for (n, line) in text.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if line.is_empty() {
                continue;
            }
            match line.parse() {
                Ok(target) => {
                    self.targets.insert(target);
                }
                Err(error) => {
                    eprintln!("edge-filter: standard input, line {}: {error}", n + 1);
                    self.not_understood += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_are_no_address_do_not_hide_others() {
        let mut found = Addresses::default();
        found.add_lines("192.0.2.1\r\n\n# all of these\n nonsense\n2001:db8::/64 # x\n192.0.2.1\n");
        let targets: Vec<_> = found.targets.iter().map(ToString::to_string).collect();
        assert_eq!(targets, ["192.0.2.1", "2001:db8::/64"]);
        assert_eq!(found.not_understood, 1);
    }
}
