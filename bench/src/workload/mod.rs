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

mod alloc_test;
mod cache;
mod churn;
mod circle;
mod clock;
mod foreign_mix;
mod glibc_simple;
mod glibc_thread;
mod held;
mod large_churn;
mod larson;
mod malloc_large;
mod mid_large_mt;
mod mstress;
mod params;
mod random_mixed;
mod realloc_growth;
mod replace;
mod ring;
mod rptest;
mod shbench;
mod sizes;
mod successor;
mod thread_churn;
mod xmalloc;

pub use params::{Kind, Param, Params};

/// A workload with its parameters, shared by the threads that run it.
pub trait Workload: Send + Sync {
    /// The share of thread number `lane`, made in that thread. `seed` is the set-up's.
    fn lane(&self, lane: u32, seed: u64) -> Box<dyn Lane>;
}

/// One thread's share of a workload. Its blocks stay from part to part.
pub trait Lane {
    /// Does a part of the work. Stops early when a block is refused, or when a lane that it works
    /// with has stopped.
    ///
    /// Lanes may wait for each other: all must be running the same parts in the same order.
    fn run(&mut self, part: Part);

    /// Checks and frees every block that is left, in all lanes at the same time.
    fn drain(&mut self);

    /// Operations after which the number of live blocks has found its level; the same for all
    /// lanes.
    fn settling(&self) -> u64;

    /// What the lane saw since it began.
    fn tally(&self) -> &Tally;
}

/// A part of a lane's work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// Operations that this lane does.
    pub operations: u64,
    /// Of these, the first ones that every lane does. Only by them lanes may count towards a
    /// meeting, or one would wait for another that has nothing left to do.
    pub common: u64,
    /// What they are drawn from.
    pub seed: u64,
}

impl Part {
    /// A part that is the same for all lanes.
    #[must_use]
    pub fn even(operations: u64, seed: u64) -> Self {
        Self { operations, common: operations, seed }
    }
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
    /// Makes the workload for `threads` lanes.
    ///
    /// # Errors
    /// One line about a parameter that is unknown or out of its range, or about what the subject
    /// can't do.
    pub fn make(
        &self,
        given: &BTreeMap<String, Value>,
        threads: u32,
    ) -> Result<Arc<dyn Workload>, String> {
        (self.make)(&Params::read(self.name, self.params, given, threads)?)
    }
}

/// Every workload, for the subject `S`.
#[must_use]
pub fn all<S: Subject>() -> Vec<Entry> {
    [house::<S>(), crossing::<S>(), apart::<S>()].concat()
}

/// Those described for this project, the seed's first.
fn house<S: Subject>() -> [Entry; 6] {
    [
        Entry {
            name: "mid-large-mt",
            about: "each operation fills an empty slot with 8 to 34 KiB or frees a full one",
            params: mid_large_mt::PARAMS,
            make: mid_large_mt::make::<S>,
        },
        Entry {
            name: "random-mixed",
            about: "the same as mid-large-mt with small blocks of uniform sizes",
            params: random_mixed::PARAMS,
            make: random_mixed::make::<S>,
        },
        Entry {
            name: "foreign-mix",
            about: "mid-large-mt with a share of blocks from the C library, freed by the subject",
            params: foreign_mix::PARAMS,
            make: foreign_mix::make::<S>,
        },
        Entry {
            name: "large-churn",
            about: "the same as mid-large-mt with 64 KiB to 2 MiB",
            params: large_churn::PARAMS,
            make: large_churn::make::<S>,
        },
        Entry {
            name: "realloc-growth",
            about: "vectors grow by half until they are large",
            params: realloc_growth::PARAMS,
            make: realloc_growth::make::<S>,
        },
        Entry {
            name: "thread-churn",
            about: "threads that live for some blocks and leave half of them behind",
            params: thread_churn::PARAMS,
            make: thread_churn::make::<S>,
        },
    ]
}

/// Others' in which blocks are freed by another thread than the one that asked for them.
fn crossing<S: Subject>() -> [Entry; 6] {
    [
        Entry {
            name: "larson",
            about: "blocks are replaced at random, and whole arrays of them go to the next thread",
            params: larson::PARAMS,
            make: larson::make::<S>,
        },
        Entry {
            name: "xmalloc",
            about: "one thread asks for blocks, another frees them",
            params: xmalloc::PARAMS,
            make: xmalloc::make::<S>,
        },
        Entry {
            name: "mstress",
            about: "blocks of very different sizes wander between threads that end and begin",
            params: mstress::PARAMS,
            make: mstress::make::<S>,
        },
        Entry {
            name: "sh8",
            about: "the same as sh6, but a third is freed by another thread",
            params: shbench::PARAMS,
            make: shbench::make_8::<S>,
        },
        Entry {
            name: "cache-scratch",
            about: "tiny blocks are written to often, after neighbours in a line were handed out",
            params: cache::SCRATCH,
            make: cache::make_scratch::<S>,
        },
        Entry {
            name: "rptest",
            about: "blocks of 8 to 16,000 bytes are replaced, and batches go to the next thread",
            params: rptest::PARAMS,
            make: rptest::make::<S>,
        },
    ]
}

/// Others' in which each thread keeps to its own blocks.
fn apart<S: Subject>() -> [Entry; 6] {
    [
        Entry {
            name: "sh6",
            about: "runs of equal blocks, freed in order and in reverse",
            params: shbench::PARAMS,
            make: shbench::make_6::<S>,
        },
        Entry {
            name: "cache-thrash",
            about: "tiny blocks are written to often",
            params: cache::THRASH,
            make: cache::make_thrash::<S>,
        },
        Entry {
            name: "alloc-test",
            about: "small blocks at places of which few are used all the time",
            params: alloc_test::PARAMS,
            make: alloc_test::make::<S>,
        },
        Entry {
            name: "glibc-simple",
            about: "up to 1600 blocks of one size, then all are freed",
            params: glibc_simple::PARAMS,
            make: glibc_simple::make::<S>,
        },
        Entry {
            name: "glibc-thread",
            about: "blocks of 4 bytes to 32 KiB are replaced, small ones the most",
            params: glibc_thread::PARAMS,
            make: glibc_thread::make::<S>,
        },
        Entry {
            name: "malloc-large",
            about: "blocks of 5 to 25 MiB are replaced",
            params: malloc_large::PARAMS,
            make: malloc_large::make::<S>,
        },
    ]
}

/// The workload called `name`.
///
/// # Errors
/// One line that lists the names that exist, or says why the subject can't be used here.
pub fn find<S: Subject>(name: &str) -> Result<Entry, String> {
    S::ready()?;
    let entries = all::<S>();
    entries.iter().copied().find(|entry| entry.name == name).ok_or_else(|| {
        let names = entries.iter().map(|entry| entry.name).collect::<Vec<_>>().join(", ");
        format!("unknown workload `{name}`; there are {names}")
    })
}

#[cfg(test)]
mod tests;
