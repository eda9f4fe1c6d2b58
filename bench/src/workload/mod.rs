//! What is done with an allocator: named, seeded programs of operations with parameters.
//!
//! A [`Workload`] is shared by its threads; each thread has a [`Lane`], which owns the blocks it
//! works on and draws its operations from the slice's seed and its own number. The sum of what a
//! lane read back depends on seeds and operations only: not on the allocator, and not on how the
//! threads were interleaved. [`all`] is the one table of what exists.
//!
//! Lanes do not measure, and they allocate nothing but the blocks of the workload.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::random::fold;
use crate::subject::Subject;

mod churn;
mod foreign_mix;
mod mid_large_mt;
mod params;
mod random_mixed;

pub use params::{Kind, Param, Params};

/// A workload with its parameters, shared by the threads that run it.
pub trait Workload: Send + Sync {
    /// The share of thread number `lane`, made in that thread. `seed` is the set-up's.
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane>;
}

/// One thread's share of a workload. Its blocks stay from slice to slice.
pub trait Lane {
    /// Does `operations` operations, drawn from `seed`. Stops early when a block is refused.
    fn run(&mut self, operations: u64, seed: u64);

    /// Checks and frees every block that is left.
    fn drain(&mut self);

    /// Operations after which the number of live blocks has found its level.
    fn settling(&self) -> u64;

    /// What the lane saw since it began.
    fn tally(&self) -> &Tally;
}

/// What a lane saw since it began.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Fold over everything that was asked for and read back.
    pub checksum: u64,
    /// Blocks that did not hold what was written to them, or were not what was asked for.
    pub wrong: u64,
    /// The first of them, in words.
    pub first_wrong: Option<String>,
    /// The request that was refused, in words.
    pub refused: Option<String>,
}

impl Tally {
    /// Counts a wrong block; the words of the first are kept.
    #[cold]
    #[inline(never)]
    pub fn note_wrong(&mut self, what: impl FnOnce() -> String) {
        self.wrong += 1;
        self.first_wrong.get_or_insert_with(what);
    }

    /// Notes that a block of `size` bytes was refused, which ends the lane's run.
    #[cold]
    #[inline(never)]
    pub fn note_refused(&mut self, size: u32) {
        self.refused = Some(format!("a block of {size} bytes was refused"));
    }
}

/// One checksum of all lanes, in the order of their numbers.
#[must_use]
pub fn checksum<'a>(tallies: impl IntoIterator<Item = &'a Tally>) -> String {
    format!("{:016x}", tallies.into_iter().fold(0, |sum, tally| fold(sum, tally.checksum)))
}

/// A workload as the table lists it.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Name in requests and arguments.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// Its parameters.
    pub params: &'static [Param],
    make: fn(&Params) -> Result<Arc<dyn Workload>, String>,
}

impl Entry {
    /// Makes the workload.
    ///
    /// # Errors
    /// One line about a parameter that is unknown or out of its range, or about what the subject
    /// can't do.
    pub fn make(&self, given: &BTreeMap<String, Value>) -> Result<Arc<dyn Workload>, String> {
        (self.make)(&Params::read(self.name, self.params, given)?)
    }
}

/// Every workload, for the subject `S`.
#[must_use]
pub fn all<S: Subject>() -> [Entry; 3] {
    [
        Entry {
            name: "mid-large-mt",
            about: "each operation fills an empty slot with 8 to 34 KiB or frees a full one",
            params: mid_large_mt::PARAMS,
            make: mid_large_mt::make::<S>,
        },
        Entry {
            name: "random-mixed",
            about: "the same with small blocks of uniform sizes",
            params: random_mixed::PARAMS,
            make: random_mixed::make::<S>,
        },
        Entry {
            name: "foreign-mix",
            about: "mid-large-mt with a share of blocks from the C library, freed by the subject",
            params: foreign_mix::PARAMS,
            make: foreign_mix::make::<S>,
        },
    ]
}

/// The workload called `name`.
///
/// # Errors
/// One line that lists the names that exist.
pub fn find<S: Subject>(name: &str) -> Result<Entry, String> {
    let entries = all::<S>();
    entries.iter().copied().find(|entry| entry.name == name).ok_or_else(|| {
        let names = entries.map(|entry| entry.name).join(", ");
        format!("unknown workload `{name}`; there are {names}")
    })
}

#[cfg(test)]
mod tests;
