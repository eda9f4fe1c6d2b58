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
use std::time::Instant;

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
    let workload = job.entry.make(&job.params, job.threads).map_err(Refusal::Usage)?;
    let before = Snapshot::before::<S>();
    black_box::slice();
    black_box::phase(Phase::Measured);
    let start = Instant::now();
    let tallies = all_lanes(&workload, job)
        .map_err(|error| Refusal::Usage(format!("can't start {} threads: {error}", job.threads)))?;
    let wall = start.elapsed();
    let after = Snapshot::after::<S>();
    verify(&tallies).map_err(Refusal::Failed)?;
    let mut counters = after.subject_since(&before);
    let usage = after.usage_since(&before);
    counters.extend(usage.metrics().map(|(name, count)| (name.to_owned(), count)));
    counters.extend(gauges());
    let seconds = wall.as_secs_f64();
    Ok(describe::<S>(job, seconds, after.cpu_ns_since(&before), &checksum(&tallies), &counters))
}

/// Every lane from its first operation to its last block, each in a new thread.
fn all_lanes(workload: &Arc<dyn Workload>, job: &Job) -> std::io::Result<Vec<Tally>> {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for lane in 0..job.threads {
            let live = move || {
                let mut tally = Tally::default();
                shifted(job.stack_pad, &mut || {
                    black_box::enter(lane);
                    let mut lane = workload.lane(lane, job.seed);
                    lane.run(Part::even(job.iterations, job.seed));
                    lane.drain();
                    tally = lane.tally().clone();
                });
                tally
            };
            threads.push(thread::Builder::new().spawn_scoped(scope, live)?);
        }
        Ok(threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect())
    })
}

fn describe<S: Subject>(
    job: &Job,
    seconds: f64,
    cpu_ns: u64,
    checksum: &str,
    counters: &BTreeMap<String, u64>,
) -> String {
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
    line("cpu_ns_per_op", &format_args!("{:.2}", precise(cpu_ns) / count));
    line("checksum", &checksum);
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
