//! [`Timed`]: a subject whose every call is timed, for the pass that takes latencies.
//!
//! A thread's calls go into a [`Recorder`] of its own: counts by kind of call and bucket of ticks
//! (see `ab_protocol::latency`). It is made before the thread's first call is timed and passes to
//! another thread when this one ends, so that nothing is lost, and a workload that starts threads
//! all the time needs few. [`totals`] adds all of them up; the difference of two sums is what lay
//! between. Whoever takes sums lets no lane run meanwhile.
//!
//! The wrapper is a type, so a worker that is not asked for latencies runs code without it. Its
//! calls are functions and not inlined: three call sites of the subject are added to the program,
//! and not three for every workload. `usable_size` is not timed.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use ab_protocol::latency::{BUCKETS, Histogram, Latency, bucket, middle};

use super::Subject;
use crate::ticks::{self, Rate};

/// `S`, timed.
#[derive(Debug)]
pub struct Timed<S>(PhantomData<fn() -> S>);

/// Kinds of calls, in the order of a recorder's counts.
#[derive(Debug, Clone, Copy)]
enum Call {
    Malloc,
    Free,
    Realloc,
}

/// Every kind under its name.
const CALLS: [(Call, &str); 3] =
    [(Call::Malloc, "malloc"), (Call::Free, "free"), (Call::Realloc, "realloc")];

// SAFETY: what `S` promises, for its functions are called with the same arguments.
unsafe impl<S: Subject> Subject for Timed<S> {
    const LEVEL: &'static str = S::LEVEL;
    const FREES_FOREIGN: bool = S::FREES_FOREIGN;
    const ENVIRONMENT: &'static [(&'static str, &'static str)] = S::ENVIRONMENT;

    fn name() -> String {
        S::name()
    }

    fn ready() -> Result<(), String> {
        S::ready()
    }

    #[inline(never)]
    fn malloc(size: usize) -> *mut u8 {
        timed(Call::Malloc, || S::malloc(size))
    }

    #[inline(never)]
    unsafe fn free(block: *mut u8) {
        // SAFETY: the caller vouches for the block.
        timed(Call::Free, || unsafe { S::free(block) });
    }

    #[inline(never)]
    unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
        // SAFETY: the caller vouches for the block.
        timed(Call::Realloc, || unsafe { S::realloc(block, size) })
    }

    unsafe fn usable_size(block: *const u8) -> usize {
        // SAFETY: the caller vouches for the block.
        unsafe { S::usable_size(block) }
    }

    fn counters() -> Vec<(&'static str, u64)> {
        S::counters()
    }
}

/// Calls `work` and records how long it took. In a thread that is ending it is only called.
#[inline(always)]
fn timed<R>(call: Call, work: impl FnOnce() -> R) -> R {
    let Some(recorder) = MINE.get().or_else(enlist) else { return work() };
    let start = ticks::now();
    let result = work();
    recorder.note(call, ticks::since(start));
    result
}

/// Counts by kind of call and bucket.
struct Recorder(Box<[AtomicU64]>);

impl Recorder {
    /// Every page of it is touched here, so that none faults later.
    fn new() -> Self {
        Self((0..CALLS.len() * BUCKETS as usize).map(|_| AtomicU64::new(0)).collect())
    }

    #[inline(always)]
    fn note(&self, call: Call, ticks: u64) {
        let place = call as usize * BUCKETS as usize + bucket(ticks) as usize;
        let count = &self.0[place];
        // Only the thread that has the recorder writes to it.
        count.store(count.load(Relaxed) + 1, Relaxed);
    }
}

/// Every recorder there is, and those that no thread has.
struct Registry {
    all: Vec<&'static Recorder>,
    idle: Vec<&'static Recorder>,
}

static REGISTRY: Mutex<Registry> = Mutex::new(Registry { all: Vec::new(), idle: Vec::new() });

fn registry() -> MutexGuard<'static, Registry> {
    // Nothing that is done under the lock leaves it half done.
    REGISTRY.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A thread's right to a recorder.
struct Lease(&'static Recorder);

impl Lease {
    fn take() -> Self {
        let mut registry = registry();
        if let Some(recorder) = registry.idle.pop() {
            return Self(recorder);
        }
        let recorder: &'static Recorder = Box::leak(Box::new(Recorder::new()));
        registry.all.push(recorder);
        Self(recorder)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        MINE.set(None);
        registry().idle.push(self.0);
    }
}

thread_local! {
    /// This thread's recorder; none before its first call and in its end.
    static MINE: Cell<Option<&'static Recorder>> = const { Cell::new(None) };
    static LEASE: Lease = Lease::take();
}

/// Gives this thread a recorder; `None` in its end.
#[cold]
#[inline(never)]
fn enlist() -> Option<&'static Recorder> {
    let recorder = LEASE.try_with(|lease| lease.0).ok();
    MINE.set(recorder);
    recorder
}

/// What all threads have recorded since the process began.
#[derive(Debug)]
pub struct Totals(Vec<u64>);

/// Adds up all recorders.
#[must_use]
pub fn totals() -> Totals {
    let mut sums = vec![0_u64; CALLS.len() * BUCKETS as usize];
    for recorder in &registry().all {
        for (sum, count) in sums.iter_mut().zip(&recorder.0) {
            *sum += count.load(Relaxed);
        }
    }
    Totals(sums)
}

impl Totals {
    /// The calls between `earlier` and now, in the protocol's form.
    #[must_use]
    pub fn since(&self, earlier: &Self, rate: &Rate) -> Latency {
        let kind = |call: Call| {
            let all = call as usize * BUCKETS as usize..(call as usize + 1) * BUCKETS as usize;
            let mut histogram = Histogram::default();
            for (ticks, (now, past)) in (0..).zip(self.0[all.clone()].iter().zip(&earlier.0[all])) {
                if now != past {
                    histogram.add(bucket(rate.picoseconds(middle(ticks))), now - past);
                }
            }
            histogram
        };
        let kinds = CALLS.map(|(call, name)| (name.to_owned(), kind(call)));
        let calls: BTreeMap<String, Histogram> =
            kinds.into_iter().filter(|(_, histogram)| histogram.count() > 0).collect();
        Latency {
            clock: ticks::name().to_owned(),
            resolution_ps: rate.resolution_ps(),
            cost_ps: rate.cost_ps(),
            calls,
        }
    }
}

/// Sums are the process's: a test that looks at them, or makes calls that are timed, holds this.
#[cfg(test)]
pub(super) static ALONE: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::subject::System;

    /// Takes at least 200 µs to hand out a block, and 50 µs to take it back.
    enum Slow {}

    fn spin(time: Duration) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::hint::spin_loop();
        }
    }

    // SAFETY: the C library's functions.
    unsafe impl Subject for Slow {
        const LEVEL: &'static str = "slow";
        const FREES_FOREIGN: bool = true;
        fn name() -> String {
            "slow 1".to_owned()
        }
        fn malloc(size: usize) -> *mut u8 {
            spin(Duration::from_micros(200));
            System::malloc(size)
        }
        unsafe fn free(block: *mut u8) {
            spin(Duration::from_micros(50));
            // SAFETY: the caller vouches for the block.
            unsafe { System::free(block) };
        }
        unsafe fn realloc(block: *mut u8, size: usize) -> *mut u8 {
            // SAFETY: the caller vouches for the block.
            unsafe { System::realloc(block, size) }
        }
        unsafe fn usable_size(block: *const u8) -> usize {
            // SAFETY: the caller vouches for the block.
            unsafe { System::usable_size(block) }
        }
    }

    fn pairs(count: usize) {
        for _ in 0..count {
            let block = Timed::<Slow>::malloc(100);
            // SAFETY: the block is new and freed once.
            unsafe { Timed::<Slow>::free(block) };
        }
    }

    #[test]
    fn every_call_of_every_thread_is_recorded_with_its_kind_and_length() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let start = ticks::begin();
        let before = totals();
        pairs(3);
        let threads: Vec<_> = (0..3).map(|_| std::thread::spawn(|| pairs(2))).collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let made = registry().all.len();
        // One after the other: each takes over what the one before has left.
        for _ in 0..20 {
            std::thread::spawn(|| pairs(1)).join().unwrap();
        }
        assert_eq!(registry().all.len(), made, "recorders pass from thread to thread");
        let latency = totals().since(&before, &start.rate());
        let (malloc, free) = (&latency.calls["malloc"], &latency.calls["free"]);
        assert_eq!((malloc.count(), free.count()), (29, 29));
        // A bucket's middle may lie below a time by one part in 256, twice.
        for (histogram, least) in [(malloc, 200_000_000), (free, 50_000_000)] {
            let fastest = histogram.quantile(0.0).unwrap();
            assert!(fastest >= least - least / 100, "{fastest} ps");
        }
        assert!(free.quantile(0.0) < malloc.quantile(0.0), "the kinds are kept apart");
        let nothing = totals();
        assert!(nothing.since(&nothing, &start.rate()).calls.is_empty());
    }

    #[test]
    fn a_thread_that_is_ending_is_served() {
        let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        struct Late;
        impl Drop for Late {
            fn drop(&mut self) {
                pairs(1);
            }
        }
        thread_local! {
            static LATE: Late = const { Late };
        }
        // Whichever of the two destructors runs first, each order occurs.
        for late_first in [true, false] {
            std::thread::spawn(move || {
                if late_first {
                    LATE.with(|_| ());
                }
                pairs(1);
                LATE.with(|_| ());
            })
            .join()
            .unwrap();
        }
        let registry = registry();
        let (all, idle) = (registry.all.len(), registry.idle.len());
        assert!(idle > 0 && all <= idle + 8, "threads keep theirs: {idle} of {all} are idle");
    }
}
