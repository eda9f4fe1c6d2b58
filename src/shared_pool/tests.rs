//! Every level of the pool keeps the same contract.

use std::boxed::Box;
use std::collections::HashSet;
use std::sync::Mutex;
use std::vec::Vec;

use super::lockfree::{AtomicBitmap, LifoLists};
use super::mutex::{MutexLists, MutexScan};
use super::stats::{Off, On};
use super::*;

fn pool<S1: Stage1, S2: Stage2, L: LockStats>() -> &'static SharedPool<S1, S2, L> {
    let region = Box::leak(Box::new(Region::new()));
    Box::leak(Box::new(SharedPool::new(region)))
}

const CLASS: Class = 20;

fn runs_are_distinct_and_marked<S1: Stage1, S2: Stage2, L: LockStats>() {
    let pool = pool::<S1, S2, L>();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let Acquired::Run(run) = pool.acquire(CLASS, None, 0) else { panic!("a fresh pool") };
        assert_eq!(pool.region().kind(pool.region().slab_address(run.first)), CLASS);
        assert!(seen.insert(run.first));
    }
}

fn magazines_come_back_last_in_first_out<S1: Stage1, S2: Stage2, L: LockStats>() {
    let pool = pool::<S1, S2, L>();
    pool.acquire(CLASS, None, 0);
    let mut magazines = Vec::new();
    for _ in 0..5 {
        let index = pool.take_empty().unwrap();
        // SAFETY: the magazine is ours; its one round is never looked at.
        unsafe {
            pool.region().magazine(index).set_len(1);
            pool.release(CLASS, index);
        }
        magazines.push(index);
    }
    for &index in magazines.iter().rev() {
        assert_eq!(pool.acquire(CLASS, None, 0), Acquired::Magazine(index));
    }
    assert!(matches!(pool.acquire(CLASS, None, 0), Acquired::Run(_)));
}

fn a_released_run_is_claimed_again<S1: Stage1, S2: Stage2, L: LockStats>() {
    let pool = pool::<S1, S2, L>();
    let runs: Vec<_> = (0..2).map(|_| pool.acquire_run(16).unwrap()).collect();
    pool.release_run(runs[0]);
    assert_eq!(pool.acquire_run(16), Some(runs[0]));
    assert!(pool.acquire_run(16).is_some_and(|run| !runs.contains(&run)));
}

fn threads_never_share<S1: Stage1, S2: Stage2, L: LockStats>() {
    let pool = pool::<S1, S2, L>();
    let held = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let held = &held;
            scope.spawn(move || {
                for round in 0..500u32 {
                    let slabs = 1 + (thread + round) % 16;
                    let run = pool.acquire_run(slabs).unwrap();
                    let slots = run.first..run.first + slabs;
                    assert!(slots.clone().all(|slab| held.lock().unwrap().insert(slab)));
                    let index = pool.take_empty().unwrap();
                    assert!(held.lock().unwrap().insert(u32::MAX - index));
                    std::thread::yield_now();
                    assert!(slots.clone().all(|slab| held.lock().unwrap().remove(&slab)));
                    pool.release_run(run);
                    assert!(held.lock().unwrap().remove(&(u32::MAX - index)));
                    pool.release_empty(index);
                }
            });
        }
    });
}

/// Cuts whole runs into magazines, and pushes those of every second run, then of all.
fn complete_runs_serve_other_classes<S1: Stage1, S2: Stage2, L: LockStats>() {
    let pool = pool::<S1, S2, L>();
    let (size, per_run) = (crate::class::size(CLASS), 65536 / crate::class::size(CLASS));
    let runs: Vec<_> = (0..256)
        .map(|_| match pool.acquire(CLASS, None, 0) {
            Acquired::Run(run) => run,
            other => panic!("a fresh pool gave {other:?}"),
        })
        .collect();
    // One block of each run in turn, so that no run is complete before the last round.
    let mut blocks: Vec<_> = (0..per_run)
        .flat_map(|block| runs.iter().map(move |run| (run, block * size)))
        .map(|(run, offset)| pool.region().slab_address(run.first).wrapping_add(offset))
        .collect();
    let last = blocks.pop().unwrap();
    let give = |blocks: &[*mut u8]| {
        let index = pool.take_empty().unwrap();
        let magazine = pool.region().magazine(index);
        // SAFETY: the magazine and the blocks are ours.
        unsafe {
            for (round, &block) in blocks.iter().enumerate() {
                *magazine.base().add(round) = block;
            }
            magazine.set_len(blocks.len());
            pool.release(CLASS, index);
        }
    };
    blocks.chunks(64).for_each(give);
    // Whatever was gathered on the way, the run whose last block is missing is not free.
    let missing = pool.region().slab_of(last);
    assert_eq!(pool.region().kind(last), CLASS);
    (0..200).for_each(|_| {
        // Empty pushes make the list long enough to be looked at again.
        if let Acquired::Magazine(index) = pool.acquire(CLASS, None, 0) {
            // SAFETY: as it came.
            unsafe { pool.release(CLASS, index) };
        }
    });
    assert_eq!(pool.region().kind(last), CLASS, "slab {missing}");
    let free = |runs: &[Run]| {
        runs.iter()
            .filter(|run| pool.region().kind(pool.region().slab_address(run.first)) == 0)
            .count()
    };
    assert!(free(&runs) >= 100, "{} of 256 runs were given back", free(&runs));
    let used = pool.region().used();
    for _ in 0..100 {
        assert!(pool.acquire_run(1).is_some());
    }
    assert_eq!(pool.region().used(), used, "the pool grew although runs were free");
}

/// Every level through one contract.
macro_rules! contract {
    ($($level:ident: $s1:ty, $s2:ty;)*) => {$(
        mod $level {
            use super::*;

            #[test]
            fn runs() {
                runs_are_distinct_and_marked::<$s1, $s2, Off>();
                a_released_run_is_claimed_again::<$s1, $s2, Off>();
            }

            #[test]
            fn magazines() {
                magazines_come_back_last_in_first_out::<$s1, $s2, Off>();
            }

            #[test]
            fn reclaim() {
                complete_runs_serve_other_classes::<$s1, $s2, Off>();
            }

            #[test]
            fn threads() {
                threads_never_share::<$s1, $s2, On>();
            }
        }
    )*};
}

contract! {
    mutex: MutexLists, MutexScan;
    lockfree_stage1: LifoLists, MutexScan;
    lockfree_stage2: LifoLists, AtomicBitmap;
}

#[test]
fn the_seed_takes_its_lock_once_a_trip_and_stage2_only_to_grow() {
    let seed = pool::<MutexLists, MutexScan, On>();
    let free = pool::<LifoLists, AtomicBitmap, On>();
    for _ in 0..32 {
        seed.acquire(CLASS, None, 0);
        free.acquire(CLASS, None, 0);
    }
    assert_eq!(seed.lock_stats(), [32, 0, 0]);
    assert_eq!(free.lock_stats(), [1, 0, 0]);
}

#[test]
fn overflow_gives_back_what_it_took() {
    let pool = pool::<LifoLists, AtomicBitmap, Off>();
    let Acquired::Run(run) = pool.acquire(CLASS, None, 0) else { panic!("a fresh pool") };
    let start = pool.region().slab_address(run.first);
    let index = pool.take_empty().unwrap();
    let magazine = pool.region().magazine(index);
    let blocks: Vec<_> = (0..10).map(|block| start.wrapping_add(block * 1024)).collect();
    // SAFETY: the magazine and the blocks are ours.
    unsafe {
        for (round, &block) in blocks.iter().enumerate() {
            *magazine.base().add(round) = block;
        }
        magazine.set_len(blocks.len());
        pool.overflow.take(pool.region(), CLASS, index);
        assert_eq!(magazine.len(), 0);
        assert!(!pool.overflow.refill(pool.region(), CLASS + 1, index));
        assert!(pool.overflow.refill(pool.region(), CLASS, index));
        let back: HashSet<_> =
            (0..magazine.len()).map(|round| *magazine.base().add(round)).collect();
        assert_eq!(back, blocks.iter().copied().collect());
    }
    assert!(!pool.overflow.refill(pool.region(), CLASS, index));
}
