//! Lanes that hand blocks to each other read the same, whoever is fast and whoever is slow.

use std::thread;
use std::time::Duration;

use super::*;

/// Blocks of [`Counting`] that are alive. One test uses it, one thing at a time.
static LEFT: AtomicI64 = AtomicI64::new(0);

/// The C library's malloc, counted.
enum Counting {}

// SAFETY: the C library's malloc.
unsafe impl Subject for Counting {
    const LEVEL: &'static str = "counting";
    const FREES_FOREIGN: bool = false;

    fn name() -> String {
        "counting 1".to_owned()
    }

    fn malloc(size: usize) -> *mut u8 {
        LEFT.fetch_add(1, Relaxed);
        System::malloc(size)
    }

    unsafe fn free(block: *mut u8) {
        LEFT.fetch_sub(1, Relaxed);
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

/// Four parts of a workload in threads of their own; the lanes of which `slow` is true begin each
/// part late. The first lanes do one operation more.
pub(super) fn play<S: Subject>(
    entry: &Entry,
    threads: u32,
    slow: impl Fn(u32) -> bool + Sync,
) -> Vec<Tally> {
    let workload = made::<S>(entry, &[], threads);
    let live = |lane: u32| {
        let mut own = workload.lane(lane, 42);
        for part in 0..4 {
            if slow(lane) {
                thread::sleep(Duration::from_millis(3));
            }
            let common = operations(entry) / 4 + part;
            let operations = common + u64::from(lane + 1 < threads);
            own.run(Part { operations, common, seed: part });
        }
        own.drain();
        own.tally().clone()
    };
    thread::scope(|scope| {
        let live = &live;
        let lanes: Vec<_> = (0..threads).map(|lane| scope.spawn(move || live(lane))).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).collect()
    })
}

#[test]
fn lanes_read_the_same_at_any_speed_and_leave_nothing() {
    for entry in all::<Counting>().iter().filter(|entry| entry.name != "foreign-mix") {
        for threads in [2, 3] {
            let first = play::<Counting>(entry, threads, |_| false);
            assert!(first.iter().all(|tally| tally.wrong == 0 && tally.refused.is_none()));
            for slow in 0..threads {
                let other = play::<Counting>(entry, threads, |lane| lane == slow);
                assert_eq!(other, first, "{}, lane {slow} of {threads} slow", entry.name);
            }
            assert_eq!(LEFT.load(Relaxed), 0, "{} left blocks behind", entry.name);
        }
    }
}

#[test]
fn blocks_change_hands_where_the_workload_says_so() {
    for (name, crosses) in [
        ("larson", true),
        ("xmalloc", true),
        ("mstress", true),
        ("sh8", true),
        ("cache-scratch", true),
        ("rptest", true),
        ("sh6", false),
        ("glibc-thread", false),
        ("random-mixed", false),
    ] {
        let entry = find::<System>(name).unwrap();
        // With another seed of its own, a lane reads other blocks only if it frees others' blocks.
        let last = |seed: u64| {
            let workload = made::<System>(&entry, &[], 2);
            let live = |lane: u32, seed: u64| {
                let mut own = workload.lane(lane, seed);
                own.run(Part::even(operations(&entry), 7));
                own.drain();
                own.tally().checksum
            };
            thread::scope(|scope| {
                let first = scope.spawn(|| live(0, seed));
                let last = scope.spawn(|| live(1, 42));
                first.join().unwrap();
                last.join().unwrap()
            })
        };
        assert_eq!(last(42) != last(43), crosses, "{name}");
    }
}
