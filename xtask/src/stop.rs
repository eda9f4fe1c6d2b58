//! Ctrl-C: a request to stop that wakes whoever sleeps in poll(2).
//!
//! The first SIGINT or SIGTERM makes [`Stop::fd`] readable for ever; the engine then drops the
//! launch under way, reports what it has and exits. The second one ends the process at once.
//!
//! Nothing is killed or printed here.

use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use miette::{Result, WrapErr};
use signal_hook::consts::{SIGINT, SIGTERM};

use crate::input::IntoDiagnostic;

/// Exit code of a run that was stopped by a signal.
pub const EXIT_CODE: u8 = 130;

/// Whether the user asked to stop.
#[derive(Debug)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    wake: UnixStream,
    /// Written to by the signal handlers; kept open, so that `wake` never sees an end of file.
    sender: UnixStream,
}

impl Stop {
    /// Listens to SIGINT and SIGTERM from now on.
    ///
    /// # Errors
    /// The handlers can't be installed.
    pub fn on_signals() -> Result<Self> {
        let stop = Self::never()?;
        for signal in [SIGINT, SIGTERM] {
            // Order matters: the exit looks at the flag before the next line's handler sets it.
            signal_hook::flag::register_conditional_shutdown(
                signal,
                i32::from(EXIT_CODE),
                Arc::clone(&stop.asked),
            )
            .into_diagnostic()?;
            signal_hook::flag::register(signal, Arc::clone(&stop.asked)).into_diagnostic()?;
            let sender = stop.sender.try_clone().into_diagnostic()?;
            signal_hook::low_level::pipe::register(signal, sender).into_diagnostic()?;
        }
        Ok(stop)
    }

    /// A stop that nobody asks for.
    ///
    /// # Errors
    /// The process is out of file descriptors.
    pub fn never() -> Result<Self> {
        let (wake, sender) =
            UnixStream::pair().into_diagnostic().wrap_err("cannot make a pair of sockets")?;
        Ok(Self { asked: Arc::default(), wake, sender })
    }

    /// Whether the user asked to stop.
    #[must_use]
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Readable as soon as the user asked to stop; nobody may read from it.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
