//! `exceptions.jsonl` in the state directory: one line a change, appended and synced, so that a
//! ban costs the same whether it is the first or the hundred-thousandth. Rewritten with what is
//! left of it once it has doubled. A line that cannot be read never hides another.

use super::{Ledger, Now, Record};
use crate::state_directory::{self, StateError};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

const FILE: &str = "exceptions.jsonl";
/// Lines that could not be read are moved here.
const DAMAGED: &str = "exceptions.damaged";
/// Below this, rewriting saves nothing.
const SLACK_BYTES: u64 = 64 * 1024;

/// The file.
#[derive(Clone, Debug)]
pub struct Journal {
    path: PathBuf,
}

/// What it holds.
#[derive(Debug, Default)]
pub struct Content {
    /// What the good lines come to.
    pub ledger: Ledger,
    /// Lines that say nothing, by number.
    pub damaged: Vec<(usize, Vec<u8>)>,
}

/// Where it ended before something was appended.
#[derive(Debug)]
pub struct End(u64);

/// A failure at it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Reading or replacing it.
    #[error(transparent)]
    State(#[from] StateError),
    /// A line cannot be put as JSON: a bug.
    #[error("a change cannot be written down")]
    Line(#[source] serde_json::Error),
}

/// The first line after a rewrite.
#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    /// Bytes of the lines that follow, when it was written.
    bytes: u64,
}

impl Journal {
    /// That of a state directory.
    pub fn new(state_directory: &Path) -> Self {
        Self {
            path: state_directory.join(FILE),
        }
    }

    /// Reads all of it. What is damaged stays where it is.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(&self) -> Result<Content, JournalError> {
        let bytes = match fs::read(&self.path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Content::default()),
            Err(source) => return Err(StateError::file(&self.path, "reading", source).into()),
        };
        let mut content = Content::default();
        let lines = bytes.split(|byte| *byte == b'\n').enumerate();
        for (n, line) in lines.filter(|(_, line)| !line.is_empty()) {
            if n == 0 && serde_json::from_slice::<Header>(line).is_ok() {
                continue;
            }
            match serde_json::from_slice::<Record>(line) {
                Ok(record) => content.ledger.apply(record),
                Err(_) => content.damaged.push((n + 1, line.to_vec())),
            }
        }
        Ok(content)
    }

    /// Reads it, sets aside what is damaged, loudly, and gives ends that an earlier boot set their
    /// place on this boot's clock. What it says holds also if it cannot be written anew, as on a
    /// disk that is full. The caller holds the lock.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read_and_mend(&self, now: &Now) -> Result<Ledger, JournalError> {
        let Content {
            mut ledger,
            damaged,
        } = self.read()?;
        let is_shorter = ledger.forget(now);
        let is_anchored = ledger.anchor(now);
        if (is_shorter || is_anchored || !damaged.is_empty())
            && let Err(error) = self.replace(&ledger, &damaged)
        {
            tracing::error!(%error, "bans and allows are as written down, but cannot be tidied up");
        }
        ledger.expire(now);
        Ok(ledger)
    }

    fn replace(&self, ledger: &Ledger, damaged: &[(usize, Vec<u8>)]) -> Result<(), JournalError> {
        if !damaged.is_empty() {
            self.set_aside(damaged)?;
        }
        self.rewrite(ledger)
    }

    /// Appends lines and waits until they are on the disk. The caller holds the lock.
    ///
    /// # Errors
    /// They cannot be written; then none of them is.
    pub fn append(&self, records: &[Record]) -> Result<End, JournalError> {
        let mut text = Vec::new();
        for record in records {
            serde_json::to_writer(&mut text, record).map_err(JournalError::Line)?;
            text.push(b'\n');
        }
        let fail = |source| StateError::file(&self.path, "writing", source);
        let mut options = File::options();
        options.read(true).append(true).create(true).mode(0o600);
        let mut file = options.open(&self.path).map_err(fail)?;
        let end = file.metadata().map_err(fail)?.len();
        // After a torn line a new one begins.
        if end > 0 && last_byte(&mut file).map_err(fail)? != b'\n' {
            text.insert(0, b'\n');
        }
        let written = file.write_all(&text).and_then(|()| file.sync_data());
        if let Err(error) = written {
            // Whatever was written of it must not count.
            let _ = file.set_len(end);
            return Err(fail(error).into());
        }
        Ok(End(end))
    }

    /// Takes back what was appended last.
    ///
    /// # Errors
    /// It cannot be shortened.
    pub fn take_back(&self, end: &End) -> Result<(), JournalError> {
        let fail = |source| StateError::file(&self.path, "shortening", source);
        let file = File::options().write(true).open(&self.path).map_err(fail)?;
        file.set_len(end.0).map_err(fail)?;
        file.sync_data().map_err(fail)?;
        Ok(())
    }

    /// Rewrites it if it has doubled since it was rewritten last. The caller holds the lock.
    ///
    /// # Errors
    /// It cannot be read or rewritten; the old one is still there.
    pub fn compact_if_due(&self, now: &Now) -> Result<bool, JournalError> {
        let Ok(metadata) = fs::metadata(&self.path) else {
            return Ok(false);
        };
        if metadata.len() <= 2 * self.compacted_bytes() + SLACK_BYTES {
            return Ok(false);
        }
        self.compact(now)?;
        Ok(true)
    }

    /// Rewrites it with what is left of it. The caller holds the lock.
    ///
    /// # Errors
    /// It cannot be read or rewritten; the old one is still there.
    pub fn compact(&self, now: &Now) -> Result<(), JournalError> {
        let Content {
            mut ledger,
            damaged,
        } = self.read()?;
        ledger.forget(now);
        self.replace(&ledger, &damaged)
    }

    fn compacted_bytes(&self) -> u64 {
        let mut start = Vec::new();
        let read = File::open(&self.path).and_then(|file| file.take(128).read_to_end(&mut start));
        let line = start.split(|byte| *byte == b'\n').next();
        match (read, line.map(serde_json::from_slice::<Header>)) {
            (Ok(_), Some(Ok(header))) => header.bytes,
            _ => 0,
        }
    }

    fn rewrite(&self, ledger: &Ledger) -> Result<(), JournalError> {
        let mut lines = Vec::new();
        for record in ledger.records() {
            serde_json::to_writer(&mut lines, &record).map_err(JournalError::Line)?;
            lines.push(b'\n');
        }
        let header = Header {
            version: 1,
            bytes: lines.len() as u64,
        };
        let header = serde_json::to_vec(&header).map_err(JournalError::Line)?;
        state_directory::write(&self.path, &[&header, b"\n", &lines])?;
        Ok(())
    }

    fn set_aside(&self, damaged: &[(usize, Vec<u8>)]) -> Result<(), JournalError> {
        let path = self.path.with_file_name(DAMAGED);
        let mut options = File::options();
        options.append(true).create(true).mode(0o600);
        let write = || -> io::Result<()> {
            let mut file = options.open(&path)?;
            for (_, line) in damaged {
                file.write_all(line)?;
                file.write_all(b"\n")?;
            }
            file.sync_data()
        };
        write().map_err(|source| StateError::file(&path, "writing", source))?;
        for (number, _) in damaged {
            tracing::error!(
                "{}:{number}: this line of bans and allows cannot be read and does NOT COUNT; it \
                 was moved to {}",
                self.path.display(),
                path.display()
            );
        }
        Ok(())
    }
}

fn last_byte(file: &mut File) -> io::Result<u8> {
    let mut byte = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut byte)?;
    Ok(byte[0])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exceptions::{Kind, Op};

    fn record(op: Op, host: u32) -> Record {
        Record {
            op,
            kind: Kind::Ban,
            ip: std::net::Ipv4Addr::from_bits(0x0a00_0000 + host)
                .to_string()
                .parse()
                .unwrap(),
            service: None,
            until_unix: None,
            until_boot: None,
            note: "fail2ban sshd".parse().ok(),
            at: 1,
        }
    }

    #[test]
    fn what_is_appended_is_read_and_what_is_taken_back_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        assert!(journal.read().unwrap().ledger.is_empty());
        journal
            .append(&[record(Op::Set, 1), record(Op::Set, 2)])
            .unwrap();
        let end = journal.append(&[record(Op::Lift, 1)]).unwrap();
        assert_eq!(journal.read().unwrap().ledger.len(), 1);
        journal.take_back(&end).unwrap();
        assert_eq!(journal.read().unwrap().ledger.len(), 2);
    }

    #[test]
    fn a_torn_line_loses_no_other_and_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        journal
            .append(&[record(Op::Set, 1), record(Op::Set, 2)])
            .unwrap();
        let path = folder.path().join(FILE);
        let whole = fs::read(&path).unwrap();
        // Wherever the second line is torn, the first one and those behind it count.
        let first = whole.iter().position(|byte| *byte == b'\n').unwrap() + 1;
        for end in first + 1..whole.len() - 1 {
            fs::write(&path, &whole[..end]).unwrap();
            journal.append(&[record(Op::Set, 3)]).unwrap();
            let ledger = journal.read_and_mend(&Now::read()).unwrap();
            assert_eq!(ledger.len(), 2, "torn at {end}");
            assert!(journal.read().unwrap().damaged.is_empty());
        }
        let aside = fs::read(folder.path().join(DAMAGED)).unwrap();
        assert!(aside.starts_with(b"{\n{\"\n"), "each torn line was kept");
    }

    #[test]
    fn bytes_of_any_kind_are_no_reason_to_fail() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        let garbage = b"\xff\xfe\0\n{}\n[1,2]\n{\"op\":\"set\"}\n";
        fs::write(folder.path().join(FILE), garbage).unwrap();
        journal.append(&[record(Op::Set, 1)]).unwrap();
        assert_eq!(journal.read().unwrap().damaged.len(), 4);
        assert_eq!(journal.read_and_mend(&Now::read()).unwrap().len(), 1);
    }

    #[test]
    fn it_is_rewritten_once_it_has_doubled() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::new(folder.path());
        let bans: Vec<_> = (0..2000).map(|host| record(Op::Set, host)).collect();
        journal.append(&bans).unwrap();
        assert!(journal.compact_if_due(&Now::read()).unwrap());
        assert!(!journal.compact_if_due(&Now::read()).unwrap());
        let lifts: Vec<_> = (1..2000).map(|host| record(Op::Lift, host)).collect();
        while !journal.compact_if_due(&Now::read()).unwrap() {
            journal.append(&lifts).unwrap();
        }
        assert_eq!(journal.read().unwrap().ledger.len(), 1);
        assert!(fs::metadata(folder.path().join(FILE)).unwrap().len() < 200);
    }
}
