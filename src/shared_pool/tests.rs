//! Every level of the pool keeps the same contract.

use std::boxed::Box;
use std::collections::HashSet;
use std::sync::Mutex;
use std::vec::Vec;

use super::lockfree::{AtomicBitmap, LifoLists};
use super::mutex::{MutexLists, MutexScan};
use super::stats::{Off, On};
use super::*;
use crate::check;
use crate::cut::Blocks;
use crate::cut::header::InHeader;
use crate::cut::map::InMap;
use crate::magazine::array::Array;
use crate::magazine::list::List;
use crate::magazine::rounds;
use crate::remote::ownerless::Ownerless;
use crate::retain::decay::Decay;
use crate::thp;

/// Levels under names.
macro_rules! levels {
    ($($name:ident: $s1:ty, $s2:ty, $stats:ty, $cut:ty, $rounds:ty, $written:literal;)*) => {$(
        struct $name;
        impl Config for $name {
            type Stage1 = $s1;
            type Stage2 = $s2;
            type LockStats = $stats;
            type Cut = $cut;
            type Rounds = $rounds;
            type Check = check::top::Top;
            type Retain = Decay;
            type Thp = thp::off::Off;
            type Remote = Ownerless;
            const WRITTEN_MAX: usize = $written;
            const WRITTEN_IF_NEEDED: bool = false;
            const FIRST_CLEAN: bool = true;
        }
    )*};
}

levels! {
    Locked: MutexLists, MutexScan, Off, Blocks<InMap, 0>, Array, 512;
    LockedCounted: MutexLists, MutexScan, On, Blocks<InMap, 0>, Array, 512;
    Stage1Free: LifoLists, MutexScan, Off, Blocks<InMap, 0>, Array, 512;
    Stage2Free: LifoLists, AtomicBitmap, Off, Blocks<InMap, 0>, Array, 512;
    Stage2Counted: LifoLists, AtomicBitmap, On, Blocks<InMap, 0>, Array, 512;
    Asking: LifoLists, AtomicBitmap, Off, Blocks<InMap, 0>, Array, 0;
    SeedCut: MutexLists, MutexScan, On, Blocks<InHeader, 0>, List, 512;
    Coloured: LifoLists, AtomicBitmap, On, Blocks<InMap, 64>, List, 512;
    ColouredHeaders: LifoLists, AtomicBitmap, Off, Blocks<InHeader, 64>, Array, 512;
}

fn pool<C: Config>() -> &'static SharedPool<C> {
    Box::leak(Box::new(SharedPool::new(Region::new())))
}

const TINY: Class = 20;
/// 16 KiB: coloured where blocks are, headered where pool blocks are.
const POOLED: Class = 33;

fn acquire<C: Config>(pool: &SharedPool<C>, class: Class) -> Acquired {
    pool.acquire(class, None, Start::ANYWHERE, false)
}

/// The blocks of a fresh run.
fn cut<C: Config>(pool: &SharedPool<C>, class: Class) -> Vec<*mut u8> {
    let Acquired::Run(run) = acquire(pool, class) else { panic!("a fresh pool") };
    let start = pool.region().slab_address(run.first).wrapping_add(C::Cut::lead(class));
    let blocks = (0..C::Cut::blocks(class) as usize)
        .map(|block| start.wrapping_add(block * C::Cut::stride(class)))
        .collect();
    for &block in &blocks {
        // SAFETY: the run is ours.
        unsafe { C::Cut::mark(block, class) };
    }
    blocks
}

/// A magazine at rest with these blocks.
fn magazine<C: Config>(pool: &SharedPool<C>, class: Class, blocks: &[*mut u8]) -> Index {
    let index = pool.take_empty().unwrap();
    let (magazine, max) = (pool.region().magazine(index), rounds(class));
    // SAFETY: the magazine and the blocks are ours.
    unsafe {
        magazine.clear();
        let mut loaded = C::Rounds::load(magazine, max);
        for &block in blocks {
            assert!(C::Rounds::push(&raw mut loaded, block));
        }
        C::Rounds::unload(&loaded, magazine, max);
    }
    index
}

fn runs_are_distinct_and_marked<C: Config>(class: Class) {
    let pool = pool::<C>();
    let mut seen = HashSet::new();
    for _ in 0..100 {
        let Acquired::Run(run) = acquire(pool, class) else { panic!("a fresh pool") };
        let kind = pool.region().kind(pool.region().slab_address(run.first));
        assert_eq!(kind, C::Cut::kind(class));
        assert!(seen.insert(run.first));
    }
}

fn magazines_come_back_last_in_first_out<C: Config>(class: Class) {
    let pool = pool::<C>();
    let blocks = cut(pool, class);
    let mut magazines = Vec::new();
    for &block in &blocks[..5] {
        let index = magazine(pool, class, &[block]);
        // SAFETY: the magazine is ours, its block is free.
        unsafe { pool.release(class, index) };
        magazines.push((index, block));
    }
    for &(index, block) in magazines.iter().rev() {
        assert_eq!(acquire(pool, class), Acquired::Magazine(index));
        // SAFETY: it was just taken.
        unsafe {
            C::Rounds::each(pool.region().magazine(index), 0..1, |some| assert_eq!(some, [block]));
        };
    }
    assert!(matches!(acquire(pool, class), Acquired::Run(_)));
}

/// The child of a fork may find bits of an earlier moment.
#[test]
fn a_run_to_cut_has_no_bits_left() {
    let pool = pool::<Stage2Free>();
    let run = pool.acquire_run(class::run_slabs(TINY), Fit::Aligned).unwrap();
    let (word, _) = pool.region().marks().bit(pool.region().slab_address(run.first));
    word.store(u64::MAX, crate::sync::Ordering::Relaxed);
    pool.region().note_torn();
    // SAFETY: the run is ours.
    unsafe { pool.release_run(run) };
    assert_eq!(acquire(pool, TINY), Acquired::Run(run));
    assert_eq!(word.load(crate::sync::Ordering::Relaxed), 0);
}

/// Slabs behind a run are had whole or not at all.
fn a_certain_run_is_claimed_where_nobody_has_it<C: Config>() {
    let pool = pool::<C>();
    let [one, two] = [(); 2].map(|()| pool.acquire_run(4, Fit::Aligned).unwrap());
    assert_eq!(two.first, one.first + 4);
    let behind = Run { first: two.first + 4, slabs: 3 };
    assert!(!pool.acquire_run_at(Run { first: one.first + 4, slabs: 2 }));
    assert!(!pool.acquire_run_at(Run { first: two.first + 3, slabs: 2 }));
    assert!(pool.acquire_run_at(behind) && !pool.acquire_run_at(behind));
    // SAFETY: the run is ours.
    unsafe { pool.release_run(behind) };
    assert_eq!(pool.acquire_run(4, Fit::Aligned).map(|run| run.first), Some(behind.first));
}

fn a_released_run_is_claimed_again<C: Config>() {
    let pool = pool::<C>();
    let runs: Vec<_> = (0..2).map(|_| pool.acquire_run(16, Fit::Aligned).unwrap()).collect();
    // SAFETY: the run is ours.
    unsafe { pool.release_run(runs[0]) };
    assert_eq!(pool.acquire_run(16, Fit::Aligned), Some(runs[0]));
    assert!(pool.acquire_run(16, Fit::Aligned).is_some_and(|run| !runs.contains(&run)));
}

fn threads_never_share<C: Config>() {
    let pool = pool::<C>();
    let held = Mutex::new(HashSet::new());
    std::thread::scope(|scope| {
        for thread in 0..4u32 {
            let held = &held;
            scope.spawn(move || {
                for round in 0..500u32 {
                    let slabs = 1 + (thread + round) % 16;
                    let run = pool.acquire_run(slabs, Fit::Aligned).unwrap();
                    let slots = run.first..run.first + slabs;
                    assert!(slots.clone().all(|slab| held.lock().unwrap().insert(slab)));
                    let index = pool.take_empty().unwrap();
                    assert!(held.lock().unwrap().insert(u32::MAX - index));
                    std::thread::yield_now();
                    assert!(slots.clone().all(|slab| held.lock().unwrap().remove(&slab)));
                    // SAFETY: the run is ours.
                    unsafe { pool.release_run(run) };
                    assert!(held.lock().unwrap().remove(&(u32::MAX - index)));
                    pool.release_empty(index);
                }
            });
        }
    });
}

/// Cuts whole runs into magazines and pushes all blocks but one, then the pool has nearly all of
/// the runs to give for something else.
fn complete_runs_serve_other_classes<C: Config>(class: Class) {
    let pool = pool::<C>();
    let runs: Vec<_> = (0..128).map(|_| cut(pool, class)).collect();
    // One block of each run in turn, so that no run is complete before the last round.
    let per_run = runs[0].len();
    let mut blocks: Vec<_> =
        (0..per_run).flat_map(|block| runs.iter().map(move |run| run[block])).collect();
    let last = blocks.pop().unwrap();
    for blocks in blocks.chunks(rounds(class)) {
        // SAFETY: the magazine is ours, its blocks are free.
        unsafe { pool.release(class, magazine(pool, class, blocks)) };
    }
    let marked = C::Cut::kind(class);
    assert_eq!(pool.region().kind(last), marked);
    pool.reclaim_all();
    // The run whose last block is missing is not free.
    assert_eq!(pool.region().kind(last), marked);
    let free = runs.iter().filter(|run| pool.region().kind(run[0]) == 0).count();
    assert_eq!(free, runs.len() - 1);
    let used = pool.region().used();
    for _ in 0..100 {
        assert!(pool.acquire_run(1, Fit::Aligned).is_some());
    }
    assert_eq!(pool.region().used(), used, "the pool grew although runs were free");
}

/// A list that grows long is gathered without being asked.
fn long_lists_are_gathered<C: Config>() {
    let pool = pool::<C>();
    let runs: Vec<_> = (0..512).map(|_| cut(pool, TINY)).collect();
    for run in runs {
        for blocks in run.chunks(rounds(TINY)) {
            // SAFETY: the magazine is ours, its blocks are free.
            unsafe { pool.release(TINY, magazine(pool, TINY, blocks)) };
        }
    }
    assert!(pool.stage1.len(TINY.into()) < 256, "{} magazines", pool.stage1.len(TINY.into()));
}

/// Every level through one contract.
macro_rules! contract {
    ($($name:ident: $level:ty;)*) => {$(
        mod $name {
            use super::*;

            #[test]
            fn runs() {
                runs_are_distinct_and_marked::<$level>(TINY);
                runs_are_distinct_and_marked::<$level>(POOLED);
                a_released_run_is_claimed_again::<$level>();
                a_certain_run_is_claimed_where_nobody_has_it::<$level>();
            }

            #[test]
            fn magazines() {
                magazines_come_back_last_in_first_out::<$level>(TINY);
                magazines_come_back_last_in_first_out::<$level>(POOLED);
            }

            #[test]
            fn reclaim() {
                complete_runs_serve_other_classes::<$level>(TINY);
                complete_runs_serve_other_classes::<$level>(POOLED);
                long_lists_are_gathered::<$level>();
            }

            #[test]
            fn threads() {
                threads_never_share::<$level>();
            }

            #[test]
            fn overflow() {
                overflow_gives_back_what_it_took::<$level>();
            }
        }
    )*};
}

contract! {
    mutex: Locked;
    lockfree_stage1: Stage1Free;
    lockfree_stage2: Stage2Free;
    seed_cut: SeedCut;
    coloured: Coloured;
    coloured_headers: ColouredHeaders;
}

/// As many runs as can be had at once.
fn fill(pool: &SharedPool<Stage2Free>, slabs: u32) -> Vec<Run> {
    core::iter::from_fn(|| pool.acquire_run(slabs, Fit::Tight)).collect()
}

#[test]
fn blocks_that_were_had_are_had_again() {
    let pool = SharedPool::new(Region::of(5));
    let mut runs = fill(&pool, 5);
    let most = 5 * SLABS / 5;
    assert_eq!(runs.len(), most as usize);
    // From the end, so that the last SuperSlabs are whole first; and from the beginning.
    for _ in 0..2 {
        for &run in runs.iter().rev() {
            // SAFETY: the run is ours.
            unsafe { pool.release_run(run) };
        }
        runs = fill(&pool, 5);
        assert_eq!(runs.len(), most as usize);
        runs.reverse();
    }
}

#[test]
fn scarce_memory_is_used_without_gaps() {
    const SUPERSLABS: u32 = 6;
    // One slab stays in use, near an edge or in the middle.
    for taken in [49, 77, 147, 191] {
        let pool = SharedPool::new(Region::of(SUPERSLABS));
        for run in fill(&pool, 1) {
            if run.first != taken {
                // SAFETY: the run is ours.
                unsafe { pool.release_run(run) };
            }
        }
        for slabs in 2..SLABS {
            let most = taken / slabs + (SUPERSLABS * SLABS - 1 - taken) / slabs;
            let runs = fill(&pool, slabs);
            assert_eq!(runs.len(), most as usize, "runs of {slabs} slabs around slab {taken}");
            for run in runs {
                // SAFETY: as above.
                unsafe { pool.release_run(run) };
            }
        }
    }
}

#[test]
fn the_seed_takes_its_lock_once_a_trip_and_stage2_only_to_grow() {
    let seed = pool::<LockedCounted>();
    let free = pool::<Stage2Counted>();
    for _ in 0..32 {
        acquire(seed, TINY);
        acquire(free, TINY);
    }
    assert_eq!(seed.lock_stats(), [32, 0, 0]);
    assert_eq!(free.lock_stats(), [1, 0, 0]);
}

fn overflow_gives_back_what_it_took<C: Config>() {
    let pool = pool::<C>();
    let blocks = &cut(pool, TINY)[..10];
    let index = magazine(pool, TINY, blocks);
    // SAFETY: the magazine and the blocks are ours.
    unsafe {
        pool.overflow.take::<C::Rounds>(&pool.chained, pool.region(), TINY, index);
        assert_eq!(pool.region().magazine(index).len(), 0);
        assert!(!pool.overflow.refill::<C::Rounds>(&pool.chained, pool.region(), TINY + 1, index));
        assert!(pool.overflow.refill::<C::Rounds>(&pool.chained, pool.region(), TINY, index));
        let mut back = HashSet::new();
        C::Rounds::each(pool.region().magazine(index), 0..10, |some| {
            some.iter().for_each(|&p| assert!(back.insert(p)));
        });
        assert_eq!(back, blocks.iter().copied().collect());
        pool.region().magazine(index).clear();
    }
    assert!(!pool.overflow.refill::<C::Rounds>(&pool.chained, pool.region(), TINY, index));
}

#[test]
fn small_blocks_are_written_to_when_they_are_given_for_good() {
    let pool = pool::<Stage2Free>();
    let first_of = |size: usize| class::all().find(|&class| class::size(class) >= size).unwrap();
    for (size, small) in [(16, true), (96, true), (512, true), (640, false)] {
        let class = first_of(size);
        let blocks = &cut(pool, class)[..6];
        // SAFETY: the blocks are ours.
        blocks.iter().for_each(|block| unsafe { block.write_bytes(7, size) });
        for (two, for_good) in blocks.chunks(2).zip([false, true, false]) {
            let index = magazine(pool, class, two);
            // SAFETY: the magazine is ours, its blocks are free.
            unsafe { pool.exchange(class, index, for_good) };
            let expected: Vec<u8> =
                (0..size).map(|at| if small && for_good && at < 8 { 0 } else { 7 }).collect();
            for &block in two {
                // SAFETY: nobody has them, and their memory stays.
                let held = unsafe { core::slice::from_raw_parts(block, size) };
                assert_eq!(held, expected, "{size} {for_good}");
            }
        }
    }
}

/// Rounds of a magazine that come within reach, time after time, and what is left marked.
fn reaches<C: Config>() -> Vec<usize> {
    let pool = pool::<C>();
    let blocks = &cut(pool, TINY)[..rounds(TINY)];
    let index = magazine(pool, TINY, blocks);
    // SAFETY: the magazine is ours, its blocks are free, and marked when the pool has seen them.
    unsafe {
        pool.release(TINY, index);
        assert_eq!(acquire(pool, TINY), Acquired::Magazine(index));
        let (mut left, mut reach) = (blocks.len(), 0);
        let mut next = || {
            let before = left;
            left = pool.unmark(TINY, index, [left; 2], &mut reach);
            before - left
        };
        (0..7).map(|_| next()).collect()
    }
}

#[test]
fn more_come_within_reach_where_they_are_not_asked_for_ahead() {
    assert_eq!(rounds(TINY), 64);
    assert_eq!(reaches::<Asking>(), [4, 8, 16, 16, 16, 4, 0]);
    assert_eq!(reaches::<Stage2Free>(), [4, 8, 16, 32, 4, 0, 0]);
    assert_eq!(reaches::<SeedCut>(), [64, 0, 0, 0, 0, 0, 0], "links can't leave any");
}
