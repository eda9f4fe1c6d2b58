//! The clock that single calls are timed by: the processor's time stamp counter where it runs at
//! one rate, else the kernel's monotonic clock.
//!
//! A reading waits until everything before it is done, and nothing after it begins before it: a
//! call is timed by itself, and not what its neighbours left in the pipeline. Reading costs about
//! more than a fast `malloc`; what it costs between two readings is measured once ([`begin`]) and
//! subtracted from every time ([`since`]). Ticks are turned into picoseconds by a [`Rate`], over
//! all the time since the beginning. A counter may advance by many ticks at once (recent AMD
//! processors: every 10 ns), so its true resolution is measured, too.
//!
//! Only the pass that takes latencies reads this clock.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// Whether the time stamp counter is read. Both are written before the threads that read them
/// start to work.
static STAMPS: AtomicBool = AtomicBool::new(false);
/// Ticks between two readings with nothing in between.
static COST: AtomicU64 = AtomicU64::new(0);

/// Readings that the cost is the median of.
const TRIES: usize = 2001;
/// Ticks by which readings of a coarse counter may be rounded.
const ROUNDING: u64 = 2;
/// The least time to compare the two clocks over.
const LEAST: Duration = Duration::from_millis(2);

/// Now, in ticks since some moment.
#[inline(always)]
#[must_use]
pub fn now() -> u64 {
    #[cfg(target_arch = "x86_64")]
    if STAMPS.load(Relaxed) {
        return stamp();
    }
    monotonic_ns()
}

/// Ticks from `start` until now, without what reading costs.
#[inline(always)]
#[must_use]
pub fn since(start: u64) -> u64 {
    // A thread that was moved to a core with a later counter must not seem to take ages.
    now().saturating_sub(start).saturating_sub(COST.load(Relaxed))
}

/// A moment on both clocks.
#[derive(Debug)]
pub struct Start {
    ticks: u64,
    instant: Instant,
    cost: u64,
    resolution: u64,
}

/// Chooses the clock and learns what reading it costs.
#[must_use]
pub fn begin() -> Start {
    STAMPS.store(constant_stamps(), Relaxed);
    let cost = gaps(0)[TRIES / 2];
    COST.store(cost, Relaxed);
    let resolution = closest(gaps(512));
    Start { ticks: now(), instant: Instant::now(), cost, resolution }
}

/// Ticks between two readings with up to `most` steps of nothing in between, sorted.
fn gaps(most: usize) -> Vec<u64> {
    let gap = |number: usize| {
        let start = now();
        for step in 0..number % (most + 1) {
            std::hint::black_box(step);
        }
        now().saturating_sub(start)
    };
    let mut gaps: Vec<u64> = (0..TRIES).map(gap).collect();
    gaps.sort_unstable();
    gaps
}

/// The least difference between two of the sorted `gaps` that is more than rounding; where there is
/// none, a tick.
fn closest(mut gaps: Vec<u64>) -> u64 {
    gaps.dedup();
    let steps = gaps.windows(2).map(|pair| pair[1] - pair[0]);
    steps.filter(|step| *step > ROUNDING).min().unwrap_or(1)
}

/// What a tick is.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    picoseconds: f64,
    cost: u64,
    resolution: u64,
}

impl Start {
    /// What a tick has been since the start. Waits where that was too short a time ago.
    #[must_use]
    pub fn rate(&self) -> Rate {
        let due = LEAST.saturating_sub(self.instant.elapsed());
        if !due.is_zero() {
            std::thread::sleep(due);
        }
        let (ticks, time) = (now().saturating_sub(self.ticks).max(1), self.instant.elapsed());
        Rate {
            picoseconds: time.as_secs_f64() * 1e12 / float(ticks),
            cost: self.cost,
            resolution: self.resolution,
        }
    }
}

impl Rate {
    /// Ticks as picoseconds, rounded.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates, and is positive
    pub fn picoseconds(&self, ticks: u64) -> u64 {
        (float(ticks) * self.picoseconds).round() as u64
    }

    /// The least difference that the clock shows, ps.
    #[must_use]
    pub fn resolution_ps(&self) -> u64 {
        self.picoseconds(self.resolution)
    }

    /// What reading the clock costs, ps.
    #[must_use]
    pub fn cost_ps(&self) -> u64 {
        self.picoseconds(self.cost)
    }
}

/// The clock, for people.
#[must_use]
pub fn name() -> &'static str {
    if STAMPS.load(Relaxed) { "time stamp counter" } else { "CLOCK_MONOTONIC" }
}

/// Ticks of times that can be measured are far below 2^53, where this is exact.
#[allow(clippy::cast_precision_loss)] // as the line above says
fn float(ticks: u64) -> f64 {
    ticks as f64
}

/// The counter, behind everything before and in front of everything after.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn stamp() -> u64 {
    use core::arch::x86_64::{_mm_lfence, _rdtsc};
    // SAFETY: every x86-64 processor has SSE2 and a time stamp counter; neither touches memory.
    unsafe {
        _mm_lfence();
        let ticks = _rdtsc();
        _mm_lfence();
        ticks
    }
}

/// Whether the counter runs at one rate in every state of the processor (bit 8 of EDX of CPUID
/// 8000_0007h, "invariant TSC").
#[cfg(target_arch = "x86_64")]
fn constant_stamps() -> bool {
    use core::arch::x86_64::__cpuid;
    const POWER: u32 = 0x8000_0007;
    __cpuid(0x8000_0000).eax >= POWER && __cpuid(POWER).edx & (1 << 8) != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn constant_stamps() -> bool {
    false
}

/// The kernel's clock, ns. Kept out of the fast path of the counter.
#[cold]
#[inline(never)]
fn monotonic_ns() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: clock_gettime writes one `timespec` to a valid place; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time) };
    let part = |number: i64| u64::try_from(number).unwrap_or_default();
    part(time.tv_sec) * 1_000_000_000 + part(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_seen_at_its_length_and_nothing_as_almost_nothing() {
        let start = begin();
        let (before, clock) = (now(), Instant::now());
        std::thread::sleep(Duration::from_millis(30));
        let (ticks, most) = (since(before), clock.elapsed());
        let rate = start.rate();
        let seen = Duration::from_nanos(rate.picoseconds(ticks) / 1000);
        // The clocks are read one after the other, and may be told apart by a thousandth.
        assert!(seen >= Duration::from_micros(29_900) && seen <= most.mul_f64(1.001), "{seen:?}");
        let resolution = rate.resolution_ps();
        assert!(resolution >= 1 && resolution <= rate.picoseconds(ticks), "{resolution} ps");
        let mut nothing: Vec<u64> = (0..1001).map(|_| since(now())).collect();
        nothing.sort_unstable();
        let median = rate.picoseconds(nothing[500]);
        let least = rate.cost_ps().max(resolution);
        assert!(median <= least, "{median} ps beside {least} ps");
    }

    #[test]
    fn a_counter_that_jumps_is_seen_through() {
        // Every 24.45 ticks, rounded down; and one that counts every tick.
        let jumps = (0..400_u64).map(|number| (number % 7) * 2445 / 100).collect::<Vec<_>>();
        let mut jumps = [jumps, vec![10_000 * 2445 / 100]].concat();
        jumps.sort_unstable();
        assert_eq!(closest(jumps), 24);
        assert_eq!(closest((40..90).collect()), 1);
        assert_eq!(closest(vec![73; 9]), 1, "nothing is known");
    }

    #[test]
    fn the_monotonic_clock_serves_where_the_counter_does_not() {
        let before = monotonic_ns();
        std::thread::sleep(Duration::from_millis(2));
        let after = monotonic_ns();
        assert!(after - before >= 2_000_000, "{before} to {after}");
    }
}
