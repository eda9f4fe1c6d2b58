//! What every workload must keep: the checksum is a function of seeds and operations, a wrong
//! block and a refused one are noticed, and nothing is left behind.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};

use serde_json::json;

use super::*;
use crate::random::Xorshift32;
use crate::subject::{Hakmem, System};

/// Two slices and the rest, in one lane.
fn run<S: Subject>(name: &str, given: &[(&str, Value)], lane: u32, seed: u64) -> Tally {
    let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let workload = find::<S>(name).unwrap().make(&given).unwrap();
    let mut lane = workload.lane(lane, seed);
    lane.run(3_000, seed + 1);
    lane.run(3_000, seed + 2);
    lane.drain();
    lane.tally().clone()
}

/// Small enough for every touch, large enough to settle.
fn small() -> [(&'static str, Value); 1] {
    [("working-set", json!(101))]
}

#[test]
fn every_allocator_reads_back_the_same() {
    for entry in all::<System>() {
        for touch in ["first", "pages", "all"] {
            let given = [small()[0].clone(), ("touch", json!(touch))];
            let system = run::<System>(entry.name, &given, 0, 42);
            assert_eq!((system.wrong, &system.refused), (0, &None), "{}", entry.name);
            let blind = ::hakmem::describe().any(|level| level == ("mincore", "off"));
            if !(blind && entry.name == "foreign-mix") {
                assert_eq!(run::<Hakmem>(entry.name, &given, 0, 42), system, "{}", entry.name);
            }
            #[cfg(feature = "allocator-mimalloc")]
            if entry.name != "foreign-mix" {
                let mimalloc = run::<crate::subject::Mimalloc>(entry.name, &given, 0, 42);
                assert_eq!(mimalloc, system, "{}", entry.name);
            }
        }
    }
}

#[test]
fn the_checksum_depends_on_seed_lane_touch_and_size() {
    for entry in all::<System>() {
        let base = run::<System>(entry.name, &small(), 0, 42).checksum;
        let others = [
            run::<System>(entry.name, &small(), 0, 43).checksum,
            run::<System>(entry.name, &small(), 1, 42).checksum,
            run::<System>(entry.name, &[("working-set", json!(102))], 0, 42).checksum,
        ];
        assert_eq!(base, run::<System>(entry.name, &small(), 0, 42).checksum);
        assert!(others.iter().all(|other| *other != base), "{}", entry.name);
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
    let workload = find::<Noting>("mid-large-mt").unwrap().make(&given).unwrap();
    let mut lane = workload.lane(0, seed);
    lane.run(operations, seed);
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

    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: as the caller vouches.
        unsafe { System::usable_size(block) }
    }
}

/// Spoils the first byte of every block that it gave out before, or refuses.
enum Broken<const REFUSES: bool> {}

static LAST: Mutex<usize> = Mutex::new(0);

// SAFETY: not kept, which is what is tested; memory is never given back, so nothing dangles.
unsafe impl<const REFUSES: bool> Subject for Broken<REFUSES> {
    const LEVEL: &'static str = "broken";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        "broken 1".to_owned()
    }

    fn malloc(size: usize) -> *mut u8 {
        if REFUSES {
            return std::ptr::null_mut();
        }
        let block = System::malloc(size);
        let mut last = LAST.lock().unwrap();
        if *last != 0 {
            let victim = std::ptr::with_exposed_provenance_mut::<u8>(*last);
            // SAFETY: blocks are never freed, and hold at least one byte.
            unsafe { victim.write(victim.read() ^ 1) };
        }
        *last = block.expose_provenance();
        block
    }

    unsafe fn free(_block: *mut u8) {}

    unsafe fn usable_size(_block: *const u8) -> usize {
        0
    }
}

#[test]
fn a_spoilt_block_is_counted_and_described() {
    let tally = run::<Broken<false>>("random-mixed", &small(), 0, 42);
    assert!(tally.wrong > 100, "{tally:?}");
    let words = tally.first_wrong.unwrap();
    assert!(words.contains("offset 0, not 0x"), "{words}");
}

#[test]
fn a_refused_block_ends_the_run() {
    let tally = run::<Broken<true>>("random-mixed", &small(), 0, 42);
    assert_eq!(tally.wrong, 0);
    assert!(tally.refused.is_some_and(|words| words.contains("refused")));
}

#[test]
fn bad_parameters_are_refused() {
    let refused = |name: &str, given: &[(&str, Value)]| {
        let given = given.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        find::<System>(name).and_then(|entry| entry.make(&given).map(|_| ())).unwrap_err()
    };
    assert!(refused("larsen", &[]).contains("mid-large-mt, random-mixed, foreign-mix"));
    assert!(refused("mid-large-mt", &[("working-set", json!(0))]).contains("working-set"));
    assert!(refused("mid-large-mt", &[("min-size", json!(9))]).contains("`max-size` is missing"));
    let sizes = [("min-size", json!(9)), ("max-size", json!(8))];
    assert!(refused("random-mixed", &sizes).contains("less than"));
}
