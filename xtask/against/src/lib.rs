//! The self-test's work in batches, which is what other tools time: one batch is one iteration of
//! theirs.
//!
//! A batch does what a slice of the engine's worker does: so many operations, and on top those that
//! the build says are done twice. In a build that crashes, the process dies of SIGSEGV some time
//! into `chain`, so that one sees what becomes of `lookups`, which is measured after it.

#![forbid(unsafe_code)]

use std::io;

use ab_selftest::truth::{EXTRA, FAULT_KIND, Fault};
use ab_selftest::{Work, extra};
use rustix::process::{Signal, getpid, kill_process, set_parent_process_death_signal};

/// Kinds of work, in the order in which they are measured.
pub const KINDS: [&str; 2] = ["chain", "lookups"];

/// Operations of a batch: enough that one in a hundred is a whole one.
const OPERATIONS: u64 = 100;
/// The batch in which a build that crashes does so.
const CRASH_AT: u64 = 5000;

/// Work that is done batch by batch.
#[derive(Debug)]
pub struct Batches {
    work: Work,
    seed: u64,
    /// Batches since the last draw.
    number: u64,
    /// Batches since the start.
    done: u64,
    carry: f64,
    per_thousand: f64,
    crash_at: Option<u64>,
}

impl Batches {
    /// Batches of work of `kind`, one of [`KINDS`].
    ///
    /// # Errors
    /// There is no such kind, or the system refuses what it needs.
    pub fn new(kind: &str) -> io::Result<Self> {
        let work = Work::new(kind)?.ok_or_else(|| io::Error::other(format!("no kind `{kind}`")))?;
        let per_thousand = EXTRA.parse().map_err(io::Error::other)?;
        let crashes = FAULT_KIND == Fault::Crash && kind == KINDS[0];
        let crash_at = crashes.then_some(CRASH_AT);
        Ok(Self { work, seed: 0, number: 0, done: 0, carry: 0.0, per_thousand, crash_at })
    }

    /// Draws the batches that follow from `seed`.
    pub fn draw_from(&mut self, seed: u64) {
        self.seed = seed;
        self.number = 0;
    }

    /// Does one batch.
    ///
    /// # Panics
    /// A read fails; no kind of [`KINDS`] reads.
    pub fn run(&mut self) -> u64 {
        self.number += 1;
        self.done += 1;
        if self.crash_at == Some(self.done) {
            crash();
        }
        let seed = self.seed ^ self.number;
        let beside = extra(OPERATIONS, self.per_thousand, &mut self.carry);
        let found = self.work.run(OPERATIONS, seed).expect("nothing is read");
        found ^ self.work.run(beside, !seed).expect("nothing is read")
    }
}

/// Ties the life of this process to its parent's: workers of a tool that is killed would spin for
/// ever.
///
/// # Errors
/// The kernel refuses.
pub fn end_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Dies as a program does that reads where nothing is.
fn crash() -> ! {
    loop {
        // The runtime's own handler may catch the first one; the next one ends the process.
        let _ = kill_process(getpid(), Signal::SEGV);
    }
}
