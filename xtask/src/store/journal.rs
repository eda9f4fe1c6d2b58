//! An append-only file of JSON lines that survives a kill.
//!
//! A line is written with one call and synced before the caller goes on. A kill in the middle of
//! that call leaves a last line without its end: it is ignored when reading and cut off before the
//! next line is appended. Any other line that can't be read is an error, because then something
//! else than a kill has changed the file.
//!
//! Lines are never changed or removed.

use std::fs::{File, TryLockError};
use std::io::Write;
use std::marker::PhantomData;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use miette::{Result, WrapErr, bail};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::input::IntoDiagnostic;

const TRIES: u32 = 50;
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// An open file of lines that are `T`.
#[derive(Debug)]
pub(crate) struct Journal<T> {
    path: Utf8PathBuf,
    file: File,
    lines: PhantomData<T>,
}

impl<T: Serialize + DeserializeOwned> Journal<T> {
    /// Opens the file, makes it where there is none, and locks it against other engines.
    pub(crate) fn open(path: &Utf8Path) -> Result<Self> {
        let file = File::options()
            .read(true)
            .append(true)
            .create(true)
            .open(path)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot open {path}"))?;
        lock(&file, path)?;
        let journal = Self { path: path.to_owned(), file, lines: PhantomData };
        let whole = whole_lines(&journal.bytes()?).len();
        journal
            .file
            .set_len(whole as u64)
            .and_then(|()| journal.file.sync_all())
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot write {path}"))?;
        Ok(journal)
    }

    /// Every line.
    pub(crate) fn read(&self) -> Result<Vec<T>> {
        let bytes = self.bytes()?;
        let lines = whole_lines(&bytes).split(|&byte| byte == b'\n');
        let read = |(number, line)| {
            serde_json::from_slice(line)
                .into_diagnostic()
                .wrap_err_with(|| format!("{}:{number} can't be read", self.path))
        };
        (1..).zip(lines).filter(|(_, line)| !line.is_empty()).map(read).collect()
    }

    /// Appends one line and syncs it.
    pub(crate) fn append(&mut self, item: &T) -> Result<()> {
        let mut line = serde_json::to_vec(item).into_diagnostic()?;
        line.push(b'\n');
        self.file
            .write_all(&line)
            .and_then(|()| self.file.sync_data())
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot write {}", self.path))
    }

    fn bytes(&self) -> Result<Vec<u8>> {
        std::fs::read(&self.path)
            .into_diagnostic()
            .wrap_err_with(|| format!("cannot read {}", self.path))
    }
}

/// Locks `file`, which ends with the process. A child that has been forked and not yet replaced
/// holds a copy of every lock for a moment, so a held one is tried again for a while.
fn lock(file: &File, path: &Utf8Path) -> Result<()> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(BETWEEN_TRIES),
            Err(TryLockError::Error(error)) => {
                return Err(error)
                    .into_diagnostic()
                    .wrap_err_with(|| format!("cannot lock {path}"));
            }
        }
    }
    bail!("another engine is writing to {path}: wait until it has ended")
}

/// `bytes` without a last line that has no end.
fn whole_lines(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |last| last + 1);
    &bytes[..end]
}
