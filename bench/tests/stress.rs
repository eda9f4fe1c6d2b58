//! Everything at once: every workload on gangs of threads of their own, all at the same time, with
//! every byte of every block written and checked. Gangs end and begin again with other seeds and
//! numbers of threads, so threads come and go while others are at work.
//!
//! It lasts `HAKMEM_STRESS_SECONDS`, 5 without; `cargo xtask test` sets 60, and the long run is
//!
//!     HAKMEM_STRESS_SECONDS=1800 cargo test --release -p hakmem-bench --test stress -- --nocapture
//!
//! It prints what was done and the peak of resident memory, and judges neither.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use ab_protocol::Slice;
use hakmem_bench::gang::Gang;
use hakmem_bench::measure::gauges;
use hakmem_bench::random::fold;
use hakmem_bench::subject::{Selected, Subject};
use hakmem_bench::workload::{Entry, all};
use serde_json::Value;

/// Operations of a slice, and of one whose blocks are large; a gang ends after a few slices.
const OPERATIONS: u64 = 500;
const LARGE_OPERATIONS: u64 = 10;
const SLICES: u64 = 32;

/// Gangs of each workload at the same time.
const GANGS: u64 = 2;

/// What a workload did.
struct Work {
    operations: u64,
    gangs: u64,
    complaints: Vec<String>,
}

fn duration() -> Duration {
    let seconds = std::env::var("HAKMEM_STRESS_SECONDS").ok();
    let seconds = seconds.map_or(Ok(5), |text| text.parse());
    Duration::from_secs(seconds.expect("HAKMEM_STRESS_SECONDS is a whole number of seconds"))
}

/// The parameters that have every byte checked, and blocks that do not live long, where there is a
/// choice.
fn thorough(entry: &Entry) -> BTreeMap<String, Value> {
    let few = if is_large(entry) { 4 } else { 256 };
    let mut numbers = vec![("working-set", few), ("writes", 10)];
    numbers.extend(["chunks", "window", "blocks", "life"].map(|name| (name, 256)));
    match entry.name {
        "malloc-large" => numbers.extend([("min-size", 1 << 20), ("max-size", 2 << 20)]),
        "realloc-growth" => numbers.push(("max-size", 100_000)),
        _ => {}
    }
    let numbers = numbers.into_iter().map(|(name, number)| (name, Value::from(number)));
    let choices = numbers.chain([("touch", Value::from("all"))]);
    let known = |name: &str| entry.params.iter().any(|param| param.name == name);
    let chosen = choices.filter(|(name, _)| known(name));
    chosen.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Whether filling its blocks takes so long that few must do.
fn is_large(entry: &Entry) -> bool {
    ["malloc-large", "large-churn"].contains(&entry.name)
}

/// Gangs of one workload, one after the other, until `end`.
fn work(entry: &Entry, seed: u64, end: Instant) -> Work {
    let mut work = Work { operations: 0, gangs: 0, complaints: Vec::new() };
    let operations = if is_large(entry) { LARGE_OPERATIONS } else { OPERATIONS };
    while Instant::now() < end {
        let seed = fold(seed, work.gangs);
        let threads = 1 + u32::try_from(seed % 4).unwrap_or(0);
        let workload = entry.make(&thorough(entry), threads).expect("parameters of the table");
        let mut gang = Gang::start(workload, threads, seed, 0).expect("threads can be started");
        for slice in 0..SLICES {
            let seed = fold(seed, slice) >> 11; // below 2^53, as the protocol wants it
            let slice = Slice { operations, warm_in: 0, seed };
            gang.run(&slice, || (), || ());
            work.operations += operations;
            if Instant::now() >= end {
                break;
            }
        }
        for tally in gang.finish() {
            let wrong = tally.first_wrong.map(|what| format!("{} wrong: {what}", tally.wrong));
            work.complaints.extend(wrong.into_iter().chain(tally.refused));
        }
        work.gangs += 1;
    }
    work
}

#[test]
fn all_workloads_at_once_find_every_block_as_they_left_it() {
    let end = Instant::now() + duration();
    let mut entries = all::<Selected>();
    // Built with a peer, it tests the peer.
    entries.retain(|entry| entry.name != "foreign-mix" || Selected::FREES_FOREIGN);
    let mut complaints = Vec::new();
    thread::scope(|scope| {
        let start = |(entry, gang): (_, u64)| scope.spawn(move || (entry, work(entry, gang, end)));
        let gangs = entries.iter().flat_map(|entry| (1..=GANGS).map(move |gang| (entry, gang)));
        let threads: Vec<_> = gangs.map(start).collect();
        for thread in threads {
            let (entry, work) = thread.join().expect("a gang's conductor does not panic");
            let Work { operations, gangs, .. } = work;
            println!("{:14} {operations:12} operations, {gangs:6} gangs", entry.name);
            assert!(operations > 0, "{} did nothing", entry.name);
            complaints.extend(work.complaints.iter().map(|what| format!("{}: {what}", entry.name)));
        }
    });
    let peak = gauges().get("peak_rss_bytes").copied().unwrap_or(0);
    println!("peak RSS       {:12} MiB", peak >> 20);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}
