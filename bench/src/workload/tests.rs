//! What every workload must keep: the checksum is a function of seeds and operations, whatever the
//! allocator (here), the threads' speed (`threads`) and nothing is left behind; a wrong block and a
//! refused one are noticed (`broken`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use serde_json::json;

use super::*;
use crate::random::{Generator, Xorshift32};
use crate::subject::{Hakmem, Selected, System};

mod broken;
mod threads;

/// Two slices and the rest, in one lane.
fn run<S: Subject>(entry: &Entry, given: &[(&str, Value)], lane: u32, seed: u64) -> Tally {
    let workload = made::<S>(entry, given, 1);
    let mut lane = workload.lane(lane, seed);
    lane.run(Part::even(operations(entry), seed + 1));
    lane.run(Part::even(operations(entry), seed + 2));
    lane.drain();
    lane.tally().clone()
}

/// The workload for another subject than the entry is of, with small parameters and what is given.
fn made<S: Subject>(entry: &Entry, given: &[(&str, Value)], threads: u32) -> Arc<dyn Workload> {
    let mut params = small(entry);
    params.extend(given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    // Not `find`, which refuses a subject in an environment that a test can't give it.
    let entries = all::<S>();
    let same = entries.iter().find(|other| other.name == entry.name).unwrap();
    same.make(&params, threads).unwrap()
}

/// Small enough for every touch, large enough to settle.
fn small(entry: &Entry) -> BTreeMap<String, Value> {
    let few = if large(entry) { 5 } else { 101 };
    let sizes = [("working-set", few), ("size", 24), ("writes", 3), ("period", 7)];
    let numbers = [("window", few), ("chunks", few), ("blocks", few), ("life", few), ("batch", 16)];
    let mut chosen: BTreeMap<&str, u64> = sizes.into_iter().chain(numbers).collect();
    match entry.name {
        "malloc-large" => chosen.extend([("min-size", 100_000), ("max-size", 300_000)]),
        "realloc-growth" => chosen.extend([("max-size", 100_000)]),
        _ => {}
    }
    let known = |name: &str| entry.params.iter().any(|param| param.name == name);
    let chosen = chosen.into_iter().filter(|(name, _)| known(name));
    chosen.map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

/// Whether its blocks are so large that few of them will do.
fn large(entry: &Entry) -> bool {
    ["malloc-large", "large-churn", "realloc-growth"].contains(&entry.name)
}

/// Operations of a slice.
fn operations(entry: &Entry) -> u64 {
    match entry.name {
        "malloc-large" | "large-churn" => 40,
        "realloc-growth" => 100,
        _ => 1_500,
    }
}

#[test]
fn every_allocator_reads_back_the_same() {
    for entry in &all::<System>() {
        for touch in ["first", "pages", "all"] {
            let given = [("touch", json!(touch))];
            let system = run::<System>(entry, &given, 0, 42);
            assert_eq!((system.wrong, &system.refused), (0, &None), "{}", entry.name);
            let blind = ::hakmem::describe().any(|level| level == ("mincore", "off"));
            if !(blind && entry.name == "foreign-mix") {
                assert_eq!(run::<Hakmem>(entry, &given, 0, 42), system, "{}", entry.name);
            }
            let new = ![Hakmem::LEVEL, System::LEVEL].contains(&Selected::LEVEL);
            if new && (Selected::FREES_FOREIGN || entry.name != "foreign-mix") {
                let selected = run::<Selected>(entry, &given, 0, 42);
                assert_eq!(selected, system, "{}", entry.name);
            }
        }
    }
}

#[test]
fn the_checksum_depends_on_seed_lane_and_touch() {
    for entry in &all::<System>() {
        let base = run::<System>(entry, &[], 0, 42).checksum;
        let others = [
            run::<System>(entry, &[], 0, 43).checksum,
            run::<System>(entry, &[], 1, 42).checksum,
            run::<System>(entry, &[("touch", json!("all"))], 0, 42).checksum,
        ];
        assert_eq!(base, run::<System>(entry, &[], 0, 42).checksum);
        assert!(others.iter().all(|other| *other != base), "{}", entry.name);
    }
}

#[test]
fn the_checksum_depends_on_every_number() {
    for entry in &all::<System>() {
        let base = run::<System>(entry, &[], 0, 42).checksum;
        let small = small(entry);
        for param in entry.params {
            let Kind::Number { default, .. } = param.kind else { continue };
            let Some(now) =
                small.get(param.name).and_then(Value::as_u64).or(default.map(u64::from))
            else {
                continue;
            };
            // How many batches may wait, how often a block is written to and how long a thread
            // lives is no part of what a lane reads.
            let silent = [("xmalloc", "queue"), ("mstress", "life")];
            if silent.contains(&(entry.name, param.name)) || param.name == "writes" {
                continue;
            }
            let given = [(param.name, json!(other(param.name, now)))];
            let changed = run::<System>(entry, &given, 0, 42).checksum;
            assert_ne!(changed, base, "{}, {}", entry.name, param.name);
        }
    }
}

/// A number that makes a difference, and sense beside the others.
fn other(name: &str, now: u64) -> u64 {
    match name {
        "min-size" => now.div_ceil(2) + u64::from(now == 1) * 8,
        "max-size" => now * 4,
        _ => now + 7,
    }
}

#[test]
fn the_order_of_lanes_counts_in_the_checksum_of_all() {
    let tallies = [1, 2].map(|checksum| Tally { checksum, ..Tally::default() });
    assert_ne!(checksum(&tallies), checksum(tallies.iter().rev()));
    assert_eq!(checksum(&tallies).len(), 16);
}

/// What the loop must compute, told without an allocator: blocks are vectors.
#[test]
fn mid_large_mt_is_the_seeds_loop() {
    let (slots, seed, operations) = (64_u32, 7_u64, 2_000);
    let mut sizes = Vec::new();
    let mut full: HashMap<u32, u32> = HashMap::new();
    let mut random = Xorshift32::for_lane(seed, 0);
    for _ in 0..operations {
        let r = random.draw();
        if full.remove(&(r % slots)).is_none() {
            let size = (1 << (13 + r % 3)) + (r & 0x7ff);
            full.insert(r % slots, size);
            sizes.push(size as usize);
        }
    }
    let given = BTreeMap::from([("working-set".to_owned(), json!(slots))]);
    let workload = find::<Noting>("mid-large-mt").unwrap().make(&given, 1).unwrap();
    let mut lane = workload.lane(0, seed);
    lane.run(Part::even(operations, seed));
    assert_eq!(*NOTED.lock().unwrap(), sizes);
    assert_eq!(ALIVE.load(Relaxed), i64::try_from(full.len()).unwrap());
    lane.drain();
    assert_eq!(ALIVE.load(Relaxed), 0, "blocks were left behind");
}

static NOTED: Mutex<Vec<usize>> = Mutex::new(Vec::new());
static ALIVE: AtomicI64 = AtomicI64::new(0);

/// Notes the sizes that it is asked for.
enum Noting {}

// SAFETY: the C library's malloc.
unsafe impl Subject for Noting {
    const LEVEL: &'static str = "noting";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        "noting 1".to_owned()
    }

    fn malloc(size: usize) -> *mut u8 {
        NOTED.lock().unwrap().push(size);
        ALIVE.fetch_add(1, Relaxed);
        System::malloc(size)
    }

    unsafe fn free(block: *mut u8) {
        ALIVE.fetch_sub(1, Relaxed);
        // SAFETY: as the caller vouches.
        unsafe { System::free(block) };
    }

    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: as the caller vouches.
        unsafe { System::realloc(block, size) }
    }

    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { System::usable_size(block) }
    }
}

#[test]
fn bad_parameters_are_refused() {
    let refused = |name: &str, given: &[(&str, Value)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        find::<System>(name).and_then(|entry| entry.make(&given, 1).map(|_| ())).unwrap_err()
    };
    assert!(refused("larsen", &[]).contains("mid-large-mt, random-mixed, foreign-mix"));
    assert!(refused("mid-large-mt", &[("working-set", json!(0))]).contains("working-set"));
    assert!(refused("mid-large-mt", &[("min-size", json!(9))]).contains("`max-size` is missing"));
    let sizes = [("min-size", json!(9)), ("max-size", json!(8))];
    assert!(refused("random-mixed", &sizes).contains("less than"));
}
