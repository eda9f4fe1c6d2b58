//! Blocks back into slabs: runs whose blocks all lie on a class's list of magazines are given back,
//! so that other classes and the kernel can have them. It is done when a list has grown long, and
//! for all lists before the pool grows.
//!
//! Short lists are looked at, too: a program that frees many blocks of one size often asks for
//! another size next, and what it just used is in the processor's caches. When much was given back
//! so, the program has gone on to something else, and a period ends: heaps give what they have not
//! used since.
//!
//! The thread that finds the list long takes all of it, counts the blocks of each run in the
//! region's tallies, takes those of complete runs out of the magazines, and pushes the rest back.
//! A run is complete when as many of its blocks are on the list as were ever cut: a thread that
//! still cuts from it has not cut them all. No user memory is read. Others may use the list
//! meanwhile; what they push is not looked at.
//!
//! A list, and the pool, may grow by a quarter before the next gathering, so each magazine is
//! looked at a bounded number of times on average. In a scattered order of frees hardly any run is
//! complete before the last one, which is why the pool looks again before it grows, and at idle
//! lists once in a while.

use super::stats::Path;
use super::{Config, EMPTY, Gate, SharedPool, Stage1, Stage2};
use crate::check::Check;
use crate::class::{self, Class, SLAB};
use crate::cut::Cut;
use crate::magazine::{self, Index, Rounds};
use crate::region::{Region, SLABS};
use crate::superslab::Run;
use crate::sync::Ordering;

/// Busy SuperSlabs below which the pool grows without a look.
const SMALL: u32 = 8;

/// Set in the tally of a run whose blocks all lie on the list.
const COMPLETE: u32 = 1 << 31;

/// Periods that an idle list waits for its next look, at most, where looks bring nothing; and times
/// that the pool grows without one.
const WAIT_MAX: u8 = 63;

/// Bytes of blocks that a list may hold before it is worth a look, and full magazines.
const SHORT: usize = 256 << 10;
const SHORT_MAGAZINES: usize = 2;
/// It, and the pool, may grow by their length over this before the next look.
const GROWTH_SHARE: u32 = 4;
/// Slabs that long lists give back in a period at most, or this part of the pool.
const PHASE: u32 = 16;
const PHASE_SHARE: u32 = 8;
/// The pool does not grow without a look while its bytes over this lie on lists; less often where
/// looks bring little.
const LISTED_SHARE: u32 = 4;

/// What was looked at, and when the next looks are due.
pub(super) struct Reclaimer {
    /// Bytes of blocks with which each class's list is long, by class; [`short`] at least.
    long: [usize; class::COUNT],
    /// Slabs that long lists have given back in this period.
    given: u32,
    /// Busy SuperSlabs at which growth is worth a look at all lists, [`SMALL`] at least.
    large: u32,
    /// How often the pool grows until the next look because much lies on lists.
    growth: Wait,
    /// Periods until each class's list is looked at because time has passed.
    waits: [Wait; class::COUNT],
}

/// How long a look is put off: longer after each that brought little.
#[derive(Clone, Copy)]
struct Wait {
    left: u8,
    last: u8,
}

impl Wait {
    /// At once.
    const NONE: Self = Self { left: 0, last: 0 };

    /// Whether it is over; a period has passed.
    fn is_over(&mut self) -> bool {
        let over = self.left == 0;
        self.left = self.left.saturating_sub(1);
        over
    }

    /// Begins anew, after a look that left `after` of `before`.
    fn begin(&mut self, before: u32, after: u32) {
        let little = after > before / 4 * 3;
        self.last = if little { (2 * self.last + 1).min(WAIT_MAX) } else { 0 };
        self.left = self.last;
    }
}

impl Reclaimer {
    /// Nothing has been looked at.
    pub(super) const fn new() -> Self {
        let waits = [Wait::NONE; class::COUNT];
        Self { long: [0; class::COUNT], given: 0, large: 0, growth: Wait::NONE, waits }
    }
}

/// Bytes of blocks that the list of `class` may hold before it is worth a look.
fn short(class: Class) -> usize {
    SHORT.max(SHORT_MAGAZINES * magazine::rounds(class) * class::size(class))
}

/// The first slab of the run of `class` that holds `block`.
fn run_of(region: &Region, class: Class, block: *const u8) -> u32 {
    region.slab_of(block) & !(class::run_slabs(class) - 1)
}

impl<C: Config> SharedPool<C> {
    /// Gathers the blocks of `class` if its list is long and nobody else gathers.
    pub(super) fn reclaim_if_long(&self, class: Class, gate: &mut Gate<'_, C::LockStats>) {
        if self.listed_bytes(class) < short(class) {
            return;
        }
        let Some(mut reclaimer) = self.reclaimer.try_lock() else { return };
        if self.listed_bytes(class) < reclaimer.long[usize::from(class)] {
            return;
        }
        reclaimer.given += self.reclaim(class, gate);
        self.set_long(&mut reclaimer, class);
        if reclaimer.given >= PHASE.max(self.region.busy() * SLABS / PHASE_SHARE) {
            reclaimer.given = 0;
            self.begin_period();
            self.look_at_idle(&mut reclaimer, gate);
        }
    }

    /// Bytes of the blocks on the list of `class`, nearly.
    fn listed_bytes(&self, class: Class) -> usize {
        self.stage1.rounds(usize::from(class)) as usize * class::size(class)
    }

    /// Notes when the list of `class`, which was just looked at, is worth a look again.
    fn set_long(&self, reclaimer: &mut Reclaimer, class: Class) {
        let left = self.listed_bytes(class);
        reclaimer.long[usize::from(class)] = left + short(class).max(left / GROWTH_SHARE as usize);
    }

    /// Gathers the blocks of every class, if the pool has grown enough since it was last done, or
    /// much of it lies on lists.
    pub(super) fn reclaim_before_growth(&self, gate: &mut Gate<'_, C::LockStats>) {
        let busy = self.region.busy();
        let listed = self.listed_slabs();
        if busy < SMALL && listed == 0 {
            return;
        }
        let Some(mut reclaimer) = self.reclaimer.try_lock() else { return };
        let large = busy >= reclaimer.large.max(SMALL);
        let much = listed >= busy * SLABS / LISTED_SHARE;
        if large || much && reclaimer.growth.is_over() {
            let given = self.gather(&mut reclaimer, gate);
            reclaimer.growth.begin(listed, listed.saturating_sub(given));
        }
        if large {
            // What threads keep and do not use holds runs back that the next gathering would free.
            self.begin_period();
        }
    }

    /// Slabs that the blocks on lists would fill.
    fn listed_slabs(&self) -> u32 {
        let bytes: usize = class::all().map(|class| self.listed_bytes(class)).sum();
        u32::try_from(bytes / SLAB).unwrap_or(u32::MAX)
    }

    /// Gathers the blocks of every class. The caller holds no lock.
    pub(super) fn reclaim_all(&self) {
        let mut reclaimer = self.reclaimer.lock();
        self.gather(&mut reclaimer, &mut self.gate(Path::Release));
    }

    /// Gathers the blocks of lists that have not been gathered since they were last long, or would
    /// never be: once in a period, less often where it brings little. Else what a burst left would
    /// lie on lists for ever.
    pub(super) fn reclaim_idle(&self) {
        let Some(mut reclaimer) = self.reclaimer.try_lock() else { return };
        self.look_at_idle(&mut reclaimer, &mut self.gate(Path::Release));
    }

    /// As [`SharedPool::reclaim_idle`], of lists whose wait is over.
    fn look_at_idle(&self, reclaimer: &mut Reclaimer, gate: &mut Gate<'_, C::LockStats>) {
        for class in class::all() {
            let list = usize::from(class);
            let before = self.stage1.len(list);
            if before == 0 || !reclaimer.waits[list].is_over() {
                continue;
            }
            self.reclaim(class, gate);
            reclaimer.waits[list].begin(before, self.stage1.len(list));
        }
    }

    /// Gathers the blocks of every class; the slabs that were given back.
    fn gather(&self, reclaimer: &mut Reclaimer, gate: &mut Gate<'_, C::LockStats>) -> u32 {
        let mut slabs = 0;
        for class in class::all() {
            slabs += self.reclaim(class, gate);
            self.set_long(reclaimer, class);
        }
        let busy = self.region.busy();
        reclaimer.large = busy + SMALL.max(busy / GROWTH_SHARE);
        slabs
    }

    /// Gathers the blocks of `class`; the slabs that were given back.
    fn reclaim(&self, class: Class, gate: &mut Gate<'_, C::LockStats>) -> u32 {
        let first = self.take_all(class, gate);
        let mut stretch = Stretch::none(class);
        self.each(first, |index| {
            let magazine = self.region.magazine(index);
            let see = |blocks: &[*mut u8]| self.count_all(class, &mut stretch, blocks);
            // SAFETY: this thread holds what it took from the list.
            unsafe { C::Rounds::each(magazine, 0..magazine.len(), see) };
        });
        self.count(class, stretch);
        let mut sieve = Sieve { stretch: Stretch::none(class), complete: false, slabs: 0 };
        self.each(first, |index| {
            let kept = self.keep_incomplete(class, index, &mut sieve, gate);
            let list = if kept == 0 { EMPTY } else { usize::from(class) };
            self.stage1.push(&self.region, list, index, gate);
        });
        self.give_if_last(class, &mut sieve, gate);
        sieve.slabs
    }

    /// Counts `blocks`, which follow those of `stretch`.
    #[inline(always)]
    fn count_all(&self, class: Class, stretch: &mut Stretch, blocks: &[*mut u8]) {
        for few in blocks.chunks(FEW) {
            if stretch.meets_all(few) {
                continue;
            }
            for &block in few {
                if !stretch.meets(block) {
                    self.count(class, *stretch);
                    *stretch = Stretch::from(class, block);
                }
            }
        }
    }

    /// Adds blocks to the tally of their run. Whoever gathers has all tallies to itself.
    fn count(&self, class: Class, seen: Stretch) {
        if seen.blocks != 0 {
            let tally = self.region.tally(run_of(&self.region, class, seen.block));
            tally.store(tally.load(Ordering::Relaxed) + seen.blocks, Ordering::Relaxed);
        }
    }

    /// Takes every magazine off the list of `class` and chains them; the first one plus one.
    fn take_all(&self, class: Class, gate: &mut Gate<'_, C::LockStats>) -> u32 {
        let mut first = 0;
        // As many as there are now: others may push as fast as this pops.
        for _ in 0..self.stage1.len(usize::from(class)) {
            let Some(index) = self.stage1.pop(&self.region, usize::from(class), gate) else {
                break;
            };
            self.region.magazine(index).next.store(first, Ordering::Relaxed);
            first = index + 1;
        }
        first
    }

    /// Calls `body` for each magazine of a chain; `body` may push it elsewhere.
    fn each(&self, first: u32, mut body: impl FnMut(Index)) {
        let mut next = first;
        while let Some(index) = next.checked_sub(1) {
            next = self.region.magazine(index).next.load(Ordering::Relaxed);
            body(index);
        }
    }

    /// Takes the blocks of complete runs out of a magazine; the rounds that are left.
    fn keep_incomplete(
        &self,
        class: Class,
        index: Index,
        sieve: &mut Sieve,
        gate: &mut Gate<'_, C::LockStats>,
    ) -> usize {
        let keep = |block: *mut u8| {
            if !sieve.stretch.meets(block) {
                self.give_if_last(class, sieve, gate);
                let run = run_of(&self.region, class, block);
                let count = self.region.tally(run).load(Ordering::Relaxed);
                sieve.complete = count == C::Cut::blocks(class) || count & COMPLETE != 0;
                sieve.stretch = Stretch::from(class, block);
            }
            !sieve.complete
        };
        // SAFETY: this thread holds what it took from the list; blocks of the runs that are given
        // back on the way have all been seen by then.
        unsafe { C::Rounds::retain(self.region.magazine(index), keep) }
    }

    /// Takes the blocks that were seen last off the tally of their run, and gives that back if it
    /// is complete and all of it has been seen. Every tally comes down to 0.
    fn give_if_last(&self, class: Class, sieve: &mut Sieve, gate: &mut Gate<'_, C::LockStats>) {
        let Stretch { block, blocks, .. } = sieve.stretch;
        if blocks == 0 {
            return;
        }
        let run = run_of(&self.region, class, block);
        let tally = self.region.tally(run);
        let left = (tally.load(Ordering::Relaxed) & !COMPLETE) - blocks;
        let mark = if sieve.complete && left != 0 { COMPLETE } else { 0 };
        tally.store(mark | left, Ordering::Relaxed);
        if sieve.complete && left == 0 {
            let run = Run { first: run, slabs: class::run_slabs(class) };
            C::Check::left(&self.region, class, run.first);
            // SAFETY: all of its blocks lay on the list.
            unsafe { self.keeper.freed(&self.region, run.first, run.slabs) };
            self.stage2.release(&self.region, run, gate);
            sieve.slabs += run.slabs;
        }
    }
}

/// Blocks that are compared at once.
const FEW: usize = 8;

/// Blocks of one run that follow each other on a list.
#[derive(Clone, Copy)]
struct Stretch {
    /// Any of them.
    block: *const u8,
    blocks: u32,
    /// Bytes of a run.
    bytes: usize,
}

impl Stretch {
    /// No blocks of `class`.
    fn none(class: Class) -> Self {
        let bytes = class::run_slabs(class) as usize * SLAB;
        Self { block: core::ptr::null(), blocks: 0, bytes }
    }

    /// One that begins with `block`.
    fn from(class: Class, block: *const u8) -> Self {
        Self { block, blocks: 1, ..Self::none(class) }
    }

    /// Takes all of `blocks` in, unless one lies in another run.
    #[inline(always)]
    fn meets_all(&mut self, blocks: &[*mut u8]) -> bool {
        let apart = |bits, block: &*mut u8| bits | (block.addr() ^ self.block.addr());
        let meets = blocks.iter().fold(0, apart) < self.bytes;
        #[expect(clippy::cast_possible_truncation, reason = "a magazine's rounds fit u16")]
        if meets {
            self.blocks += blocks.len() as u32;
        }
        meets
    }

    /// Takes `block` in, unless it lies in another run. They begin on multiples of their length.
    #[inline(always)]
    fn meets(&mut self, block: *const u8) -> bool {
        let meets = block.addr() ^ self.block.addr() < self.bytes;
        self.blocks += u32::from(meets);
        meets
    }
}

/// Parts blocks of complete runs from the others.
struct Sieve {
    /// What was seen last.
    stretch: Stretch,
    /// Whether its run is complete.
    complete: bool,
    /// Slabs given back so far.
    slabs: u32,
}
