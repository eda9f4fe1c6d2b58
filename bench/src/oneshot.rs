//! The program: one workload, once, from a cold start.
//!
//! As in the seed's benchmark the clock runs while threads are created, while each does its
//! operations and frees what is left, and while they are joined. So page faults, thread start and
//! exit count as much as the fast paths; the engine's slices are the warm counterpart. The output
//! is for people; the line of the seed's program comes first.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use ab_protocol::Failure;
use ab_protocol::black_box::Phase;
use serde_json::Value;

use crate::black_box;
use crate::measure::{Snapshot, gauges};
use crate::serve::verify;
use crate::stack::shifted;
use crate::subject::{Subject, levels};
use crate::workload::{Entry, Part, Tally, Workload, checksum};

/// What to run.
pub struct Job {
    /// The workload.
    pub entry: Entry,
    /// Its parameters.
    pub params: BTreeMap<String, Value>,
    /// Threads, at least one.
    pub threads: u32,
    /// Operations of each thread.
    pub iterations: u64,
    /// Seed of everything.
    pub seed: u64,
    /// Bytes by which every thread's stack is shifted.
    pub stack_pad: u32,
}

/// Why there is no result.
pub enum Refusal {
    /// The job makes no sense: one line.
    Usage(String),
    /// The run failed.
    Failed(Failure),
}

/// Runs the job and returns its report, lines of a name and a value.
///
/// # Errors
/// A parameter that is unknown or out of range; wrong or refused blocks; no threads to be had.
pub fn run<S: Subject>(job: &Job) -> Result<String, Refusal> {
    let Job { threads, seed, stack_pad, .. } = *job;
    let workload = job.entry.make(&job.params, threads).map_err(Refusal::Usage)?;
    let crew = Crew { workload, threads, seed, stack_pad };
    let mut spent = crew.work::<S>(&|_| Part::even(job.iterations, seed))?;
    verify(&spent.tallies).map_err(Refusal::Failed)?;
    spent.counters.extend(gauges());
    Ok(describe::<S>(job, &spent))
}

/// Threads that come for one piece of work.
pub struct Crew {
    /// What they do.
    pub workload: Arc<dyn Workload>,
    /// How many they are.
    pub threads: u32,
    /// Seed of the set-up.
    pub seed: u64,
    /// Bytes by which every thread's stack is shifted.
    pub stack_pad: u32,
}

/// What a crew's work cost, and what it saw.
pub struct Spent {
    /// From the creation of the first thread to the end of the last.
    pub wall: Duration,
    /// CPU time of the process in it, ns.
    pub cpu_ns: u64,
    /// Events in it, by metric name: the allocator's, and faults and context switches of the
    /// process.
    pub counters: BTreeMap<String, u64>,
    /// What the lanes saw, in the order of their numbers.
    pub tallies: Vec<Tally>,
}

impl Crew {
    /// Every lane from its first operation to its last block, each in a new thread.
    ///
    /// # Errors
    /// No threads to be had.
    pub fn work<S: Subject>(&self, part: &(dyn Fn(u32) -> Part + Sync)) -> Result<Spent, Refusal> {
        let before = Snapshot::before::<S>();
        black_box::slice();
        black_box::phase(Phase::Measured);
        let start = Instant::now();
        let tallies = self.all_lanes(part).map_err(|error| {
            Refusal::Usage(format!("can't start {} threads: {error}", self.threads))
        })?;
        let wall = start.elapsed();
        let after = Snapshot::after::<S>();
        let mut counters = after.subject_since(&before);
        let usage = after.usage_since(&before);
        counters.extend(usage.metrics().map(|(name, count)| (name.to_owned(), count)));
        Ok(Spent { wall, cpu_ns: after.cpu_ns_since(&before), counters, tallies })
    }

    fn all_lanes(&self, part: &(dyn Fn(u32) -> Part + Sync)) -> std::io::Result<Vec<Tally>> {
        thread::scope(|scope| {
            let mut threads = Vec::new();
            for lane in 0..self.threads {
                let live = move || {
                    let mut tally = Tally::default();
                    shifted(self.stack_pad, &mut || {
                        black_box::enter(lane);
                        let mut own = self.workload.lane(lane, self.seed);
                        own.run(part(lane));
                        own.drain();
                        tally = own.tally().clone();
                    });
                    tally
                };
                threads.push(thread::Builder::new().spawn_scoped(scope, live)?);
            }
            let join = |thread: thread::ScopedJoinHandle<'_, Tally>| {
                thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            Ok(threads.into_iter().map(join).collect())
        })
    }
}

fn describe<S: Subject>(job: &Job, spent: &Spent) -> String {
    let Spent { wall, cpu_ns, counters, tallies } = spent;
    let seconds = wall.as_secs_f64();
    let Job { entry, threads, iterations, seed, .. } = job;
    let operations = u64::from(*threads) * iterations;
    let count = precise(operations);
    let levels = levels::<S>();
    let levels: Vec<String> =
        levels.iter().map(|(name, level)| format!("{name}={level}")).collect();
    let mut text = format!(
        "Throughput = {:9.0} ops/s [{} t={threads} iter={iterations} seed={seed}] \
         time={seconds:.3}s\n",
        count / seconds,
        entry.name,
    );
    let mut line = |name: &str, value: &dyn std::fmt::Display| {
        // Writing to a String can't fail.
        let _ = writeln!(text, "{name:24} {value}");
    };
    line("subject", &S::name());
    line("levels", &levels.join(" "));
    line("operations", &operations);
    line("wall_ns_per_op", &format_args!("{:.2}", seconds * 1e9 / count));
    line("cpu_ns_per_op", &format_args!("{:.2}", precise(*cpu_ns) / count));
    line("checksum", &checksum(tallies));
    for (name, value) in counters {
        line(name, value);
    }
    text
}

/// As a float; counts of a run are far below 2^53, where this is exact.
#[allow(clippy::cast_precision_loss)] // as the line above says
fn precise(number: u64) -> f64 {
    number as f64
}
