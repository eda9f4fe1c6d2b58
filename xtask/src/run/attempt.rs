//! One worker by itself: prepared as the caller says, asked for the caller's slices, then ended.
//!
//! For questions beside a launch: does this little still fail, what does an operation cost one by
//! one, which system calls are made. It is no replicate of anything, and nothing here is timed.

use ab_protocol::{Prepare, Sample, Slice};
use miette::Result;

use super::Runner;
use super::launch::take_sample;
use super::worker::{Ending, Halt, Worker};

/// A layout that serves as well as any other.
const LAYOUT: u64 = 1;

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Attempt {
    /// Every slice was answered, and the worker ended as it was asked to.
    Sound(Vec<Sample>),
    /// It did not.
    Ended(Ending),
    /// The user asked to stop.
    Stopped,
}

impl Runner<'_> {
    /// Runs `slices` in a fresh worker of `variant`.
    ///
    /// # Errors
    /// No process can be started.
    pub fn attempt(&self, variant: usize, prepare: &Prepare, slices: &[Slice]) -> Result<Attempt> {
        let started = self.start(variant, LAYOUT, 0, None, prepare)?;
        Ok(match started.and_then(|worker| answers(worker, slices)) {
            Ok(samples) => Attempt::Sound(samples),
            Err(Halt::Ended(ending)) => Attempt::Ended(ending),
            Err(Halt::Stopped) => Attempt::Stopped,
        })
    }
}

fn answers(mut worker: Worker<'_>, slices: &[Slice]) -> Result<Vec<Sample>, Halt> {
    let asked = slices.iter().enumerate();
    let samples = asked
        .map(|(number, slice)| take_sample(&mut worker, *slice, &format!("slice {number}")))
        .collect::<Result<Vec<Sample>, Halt>>()?;
    worker.quit()?;
    Ok(samples)
}
