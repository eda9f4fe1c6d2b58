//! One engine of a user at a time: two that measure at once would measure each other.
//!
//! The lock is a file for each user in the folder for temporary files, or the one that `AB_LOCK`
//! names. It ends with the process that holds it, however that ends.

use std::fs::{File, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use miette::{Result, WrapErr};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::input::IntoDiagnostic;
use crate::stop::Stop;

/// Environment variable with another file to lock.
pub const VARIABLE: &str = "AB_LOCK";

/// How often a lock that somebody holds is tried again.
const BETWEEN_TRIES: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// Fails on a link.
const O_NOFOLLOW: i32 = rustix::fs::OFlags::NOFOLLOW.bits().cast_signed();

/// Held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the user's lock; waits while another engine holds it, and says so. `None` when the
    /// user asked to stop.
    ///
    /// # Errors
    /// The file can't be made or locked.
    pub fn take(stop: &Stop) -> Result<Option<Self>> {
        let path = std::env::var_os(VARIABLE).map_or_else(of_user, PathBuf::from);
        take(&path, stop, &mut |words| eprintln!("{words}"))
            .wrap_err_with(|| format!("cannot lock {}: {VARIABLE} names another", path.display()))
    }
}

/// The user's file.
fn of_user() -> PathBuf {
    std::env::temp_dir().join(format!("ab-{}.lock", rustix::process::getuid().as_raw()))
}

/// The process that measures now, if one does.
pub(super) fn holder() -> Option<u32> {
    let path = std::env::var_os(VARIABLE).map_or_else(of_user, PathBuf::from);
    let mut file = File::open(path).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => {}
        _ => return None,
    }
    let mut text = String::new();
    file.read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

fn take(path: &Path, stop: &Stop, say: &mut dyn FnMut(&str)) -> Result<Option<Lock>> {
    let mut options = File::options();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    // Everybody may put a link into the folder, and this file is written to.
    options.custom_flags(O_NOFOLLOW);
    let mut file = options.open(path).into_diagnostic()?;
    let mut said = false;
    loop {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::Error(error)) => return Err(error).into_diagnostic(),
            Err(TryLockError::WouldBlock) if stop.asked() => return Ok(None),
            Err(TryLockError::WouldBlock) => {}
        }
        if !said {
            let mut holder = String::new();
            file.read_to_string(&mut holder).into_diagnostic()?;
            say(&format!("another ab is measuring (pid {}); waiting", holder.trim()));
            said = true;
        }
        let mut asked = [PollFd::from_borrowed_fd(stop.fd(), PollFlags::IN)];
        match poll(&mut asked, Some(&BETWEEN_TRIES)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error).into_diagnostic(),
        }
    }
    let note = |file: &mut File| {
        file.rewind()?;
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())
    };
    note(&mut file).into_diagnostic()?;
    Ok(Some(Lock { _file: file }))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_second_waits_for_the_first_and_says_so_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let stop = Stop::never().unwrap();
        let first = take(&path, &stop, &mut |words| panic!("{words}")).unwrap().unwrap();
        let (tell, told) = mpsc::channel();
        std::thread::scope(|scope| {
            let second = scope.spawn(|| {
                take(&path, &stop, &mut |words| tell.send(words.to_owned()).unwrap()).unwrap()
            });
            let words = told.recv().unwrap();
            let pid = std::process::id();
            assert_eq!(words, format!("another ab is measuring (pid {pid}); waiting"));
            assert!(
                told.recv_timeout(Duration::from_millis(300)).is_err() && !second.is_finished()
            );
            drop(first);
            assert!(second.join().unwrap().is_some());
        });
    }
}
