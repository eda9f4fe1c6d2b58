//! What threads share: magazines of free blocks, and slabs.
//!
//! A thread that runs out of blocks of a class goes through three stages: (1) a magazine that
//! another thread filled, (2) a run of free slabs in a SuperSlab that exists, (3) a new SuperSlab.
//! The factor `shared-pool` says which stages need the lock. Stages ask a [`Gate`] for it: the lock
//! is taken at the first `enter` and held to the end of the trip, so the seed's level takes it once
//! for all three stages and a lock-free one takes it for stage 3 only.
//!
//! The pool knows no thread and no block; it never reads user memory but for [`overflow`].

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod grow;
pub(crate) mod lifo;
pub(crate) mod lockfree;
pub(crate) mod mutex;
pub(crate) mod overflow;
mod reclaim;
mod resize;
pub(crate) mod stats;
pub(crate) mod traded;

use crate::check::Check;
use core::ptr::NonNull;

use crate::class::{self, Class};
use crate::cut::Cut;
use crate::lock::{ForkSafe, Guard, Lock};
use crate::magazine::{self, Index, Rounds};
use crate::region::{Owner, Region, SLABS};
use crate::remote::Remote;
use crate::retain::{Keeper, Retain};
use crate::superslab::{self, Fit, Run, Start};
use crate::sync::{AtomicU32, Ordering};
use crate::thp::Thp;
use overflow::Overflow;
use reclaim::Reclaimer;
use stats::{LockStats, Path};

/// Lists of magazines: one for each class, and list 0 for empty ones.
pub(crate) const LISTS: usize = class::COUNT;
const EMPTY: usize = 0;

/// The levels that a pool is made of.
pub(crate) trait Config: 'static {
    /// How threads trade magazines.
    type Stage1: Stage1;
    /// How slabs are claimed.
    type Stage2: Stage2;
    /// What is noted about the lock.
    type LockStats: LockStats;
    /// How runs are cut into blocks.
    type Cut: Cut;
    /// What magazines hold.
    type Rounds: Rounds;
    /// What is done against wrong frees.
    type Check: Check;
    /// When memory goes back to the kernel.
    type Retain: Retain;
    /// Which SuperSlabs have huge pages.
    type Thp: Thp;
    /// Where a block goes that another heap cut.
    type Remote: Remote;
    /// The largest blocks that are written to when they are given for good, B; 0 for none, and then
    /// they are asked for ahead where they come. The level of the factor `handover`.
    const WRITTEN_MAX: usize;
    /// Whether they are not, where a shared line can be asked for ahead.
    const WRITTEN_IF_NEEDED: bool;
    /// Whether leftovers are cleared away where a heap's first blocks of a class will lie. The
    /// level of the factor `first-run`.
    const FIRST_CLEAN: bool;
}

/// How threads trade magazines.
pub(crate) trait Stage1: Sync + 'static {
    /// Empty lists.
    const NEW: Self;
    /// Puts the caller's magazine on a list.
    fn push<L: LockStats>(
        &self,
        region: &Region,
        list: usize,
        index: Index,
        gate: &mut Gate<'_, L>,
    );
    /// Takes a magazine from a list.
    fn pop<L: LockStats>(
        &self,
        region: &Region,
        list: usize,
        gate: &mut Gate<'_, L>,
    ) -> Option<Index>;
    /// Magazines on a list, nearly: others may be pushing and popping.
    fn len(&self, list: usize) -> u32;
    /// Rounds of the magazines on a list, as nearly; wrapping.
    fn rounds(&self, list: usize) -> u32;
    /// In the child of a fork: forgets what may be torn, because a fork copies page after page
    /// while the parent's other threads go on. What a lock guards is whole.
    fn forget_torn(&self) {}
}

/// How slabs are claimed from SuperSlabs that exist.
pub(crate) trait Stage2: Sync + 'static {
    /// The stage; its state lies in the region.
    const NEW: Self;
    /// Claims a run; the search begins at `start`.
    fn claim<L: LockStats>(
        &self,
        region: &Region,
        slabs: u32,
        start: Start,
        gate: &mut Gate<'_, L>,
    ) -> Option<Run>;
    /// Claims exactly `run`, which lies in one SuperSlab or two.
    fn claim_at<L: LockStats>(&self, region: &Region, run: Run, gate: &mut Gate<'_, L>) -> bool;
    /// Gives a claimed run back.
    fn release<L: LockStats>(&self, region: &Region, run: Run, gate: &mut Gate<'_, L>);
}

/// The lock on the way through the stages.
pub(crate) struct Gate<'pool, L: LockStats> {
    lock: &'pool Lock<()>,
    stats: &'pool L,
    path: Path,
    held: Option<Guard<'pool, ()>>,
}

impl<L: LockStats> Gate<'_, L> {
    /// Takes the lock, once.
    pub(crate) fn enter(&mut self) {
        if self.held.is_none() {
            let guard = self.lock.lock();
            self.stats.entered(self.path, guard.waited);
            self.held = Some(guard);
        }
    }
}

/// What a trip to the pool brought.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Acquired {
    /// A magazine with at least one round, all of which are marked: see [`SharedPool::unmark`].
    Magazine(Index),
    /// Fresh slabs to cut blocks from.
    Run(Run),
    /// No memory.
    Nothing,
}

/// The shared pool. What a small program has no use for comes first, and the rest is less than a
/// page.
#[repr(C)]
pub(crate) struct SharedPool<C: Config> {
    reclaimer: Lock<Reclaimer>,
    overflow: Overflow,
    stage1: C::Stage1,
    chained: overflow::Count,
    region: Region,
    lock: Lock<()>,
    stage2: C::Stage2,
    keeper: Keeper<C::Retain>,
    /// Periods so far, wrapping: see [`SharedPool::periods`].
    periods: AtomicU32,
    thp: C::Thp,
    stats: C::LockStats,
    remote: C::Remote,
}

impl<C: Config> SharedPool<C> {
    /// Where that rest begins, B: with the end of stage 1.
    pub(crate) const REST: usize = core::mem::offset_of!(Self, chained) - 128;

    /// A pool over `region` that holds nothing.
    pub(crate) const fn new(region: Region) -> Self {
        Self {
            region,
            lock: Lock::new(()),
            stage1: C::Stage1::NEW,
            stage2: C::Stage2::NEW,
            overflow: Overflow::new(),
            chained: overflow::Count::new(),
            reclaimer: Lock::new(Reclaimer::new()),
            keeper: Keeper::new(),
            periods: AtomicU32::new(0),
            thp: C::Thp::NEW,
            stats: C::LockStats::NEW,
            remote: C::Remote::NEW,
        }
    }

    /// The region that the pool's slabs lie in.
    #[inline(always)]
    pub(crate) const fn region(&self) -> &Region {
        &self.region
    }

    /// What is on its way from heap to heap.
    pub(crate) fn remote(&self) -> &C::Remote {
        &self.remote
    }

    /// Lock statistics, in the order of [`stats::LOCK_NAMES`].
    pub(crate) fn lock_stats(&self) -> [u64; 3] {
        self.stats.read()
    }

    fn gate(&self, path: Path) -> Gate<'_, C::LockStats> {
        Gate { lock: &self.lock, stats: &self.stats, path, held: None }
    }

    /// Brings blocks of `class`. `spare` is an empty magazine that the caller holds; when a
    /// magazine comes back, `spare` is taken for it. A run of fresh slabs is looked for from
    /// `start` on; `first` says that it is the caller's first of this class.
    pub(crate) fn acquire(
        &self,
        class: Class,
        spare: Option<Index>,
        start: Start,
        first: bool,
    ) -> Acquired {
        let mut gate = self.gate(Path::Acquire);
        let list = usize::from(class);
        if let Some(index) = self.stage1.pop(&self.region, list, &mut gate) {
            if let Some(spare) = spare {
                self.put_empty(spare, &mut gate);
            }
            return Acquired::Magazine(index);
        }
        let chained = |&index: &Index| {
            self.overflow.refill::<C::Rounds>(&self.chained, &self.region, class, index)
        };
        if let Some(index) = spare.filter(chained) {
            return Acquired::Magazine(index);
        }
        let slabs = class::run_slabs(class);
        let start = Start { cut: Some(class::size(class)), ..start };
        let claimed = self.claim(slabs, start, &mut gate);
        drop(gate);
        // In its first SuperSlab a program has little to give back, and sees to that when it frees.
        if self.region.used() > 1 {
            self.tick();
        }
        match claimed {
            Some(run) => {
                if C::FIRST_CLEAN && first {
                    // SAFETY: it was just claimed.
                    unsafe { self.keeper.begun(&self.region, run.first, run.slabs) };
                }
                C::Check::fresh(&self.region, run.first, run.slabs);
                self.region.set_kind(run.first, run.slabs, C::Cut::kind(class));
                Acquired::Run(run)
            }
            None => Acquired::Nothing,
        }
    }

    /// A magazine of `class` that somebody gave, as in [`Acquired::Magazine`]; `None` when there is
    /// none.
    pub(crate) fn take_magazine(&self, class: Class) -> Option<Index> {
        let list = usize::from(class);
        if self.stage1.len(list) == 0 {
            return None;
        }
        self.stage1.pop(&self.region, list, &mut self.gate(Path::Acquire))
    }

    /// Magazines of `class` that somebody gave, nearly.
    pub(crate) fn listed(&self, class: Class) -> u32 {
        self.stage1.len(usize::from(class))
    }

    /// Takes a full magazine of `class` and gives an empty one for it: possibly the same, emptied.
    /// `for_good` says that another thread will use its blocks next.
    ///
    /// # Safety
    /// The caller holds `full`, which is at rest, and its rounds are free blocks of `class`.
    pub(crate) unsafe fn exchange(&self, class: Class, full: Index, for_good: bool) -> Index {
        // SAFETY: the caller's promise.
        unsafe {
            self.comes(class, full);
            if for_good {
                self.leaves_for_good(class, full);
            }
        }
        let mut gate = self.gate(Path::Release);
        match self.empty(&mut gate) {
            Some(empty) => {
                self.stage1.push(&self.region, usize::from(class), full, &mut gate);
                self.reclaim_if_long(class, &mut gate);
                empty
            }
            None => {
                // SAFETY: the caller's promise.
                unsafe {
                    self.overflow.take::<C::Rounds>(&self.chained, &self.region, class, full);
                };
                full
            }
        }
    }

    /// Takes a magazine of `class`, full or partly so.
    ///
    /// # Safety
    /// As [`SharedPool::exchange`], and it has at least one round.
    pub(crate) unsafe fn release(&self, class: Class, index: Index) {
        // SAFETY: the caller's promise.
        unsafe { self.comes(class, index) };
        let mut gate = self.gate(Path::Release);
        self.stage1.push(&self.region, usize::from(class), index, &mut gate);
        self.reclaim_if_long(class, &mut gate);
    }

    /// Takes a magazine without rounds.
    pub(crate) fn release_empty(&self, index: Index) {
        self.put_empty(index, &mut self.gate(Path::Release));
    }

    fn put_empty(&self, index: Index, gate: &mut Gate<'_, C::LockStats>) {
        if !magazine::is_short(index) {
            self.stage1.push(&self.region, EMPTY, index, gate);
        }
    }

    /// An empty magazine; `None` when all are in use.
    pub(crate) fn take_empty(&self) -> Option<Index> {
        let mut gate = self.gate(Path::Acquire);
        self.empty(&mut gate)
    }

    /// Takes a free block that has no magazine.
    ///
    /// # Safety
    /// It is a block of `class` that nobody uses any more.
    pub(crate) unsafe fn put_stray(&self, class: Class, block: *mut u8) {
        // SAFETY: the caller's promise.
        unsafe { self.overflow.put(&self.chained, class, block) };
    }

    /// One of the free blocks that have no magazine; `None` when there is none of `class`.
    pub(crate) fn take_stray(&self, class: Class) -> Option<NonNull<u8>> {
        NonNull::new(self.overflow.pop(&self.chained, class))
    }

    fn empty(&self, gate: &mut Gate<'_, C::LockStats>) -> Option<Index> {
        self.stage1.pop(&self.region, EMPTY, gate).or_else(|| self.region.make_magazine())
    }

    /// Brings a run of slabs at a place as `fit` says; the caller marks it in the page map.
    pub(crate) fn acquire_run(&self, slabs: u32, fit: Fit) -> Option<Run> {
        self.claim(slabs, Start { fit, ..Start::ANYWHERE }, &mut self.gate(Path::Acquire))
    }

    /// Stages 2 and 3, and between them what can be gathered.
    fn claim(&self, slabs: u32, start: Start, gate: &mut Gate<'_, C::LockStats>) -> Option<Run> {
        if let Some(run) = self.stage2.claim(&self.region, slabs, start, gate) {
            return Some(run);
        }
        self.reclaim_before_growth(gate);
        let start = Start { fit: start.fit, cut: start.cut, ..Start::ANYWHERE };
        let grown = grow::claim(&self.region, &self.stage2, &self.thp, slabs, start, gate);
        if grown.is_some() {
            return grown;
        }
        // A visit may have held what is free. It asks for no lock that this thread has.
        self.keeper.settle();
        let grown = grow::claim(&self.region, &self.stage2, &self.thp, slabs, start, gate);
        if grown.is_some() || start.fit == Fit::Aligned {
            return grown;
        }
        loop {
            let run = superslab::find(&self.region, slabs)?;
            if self.stage2.claim_at(&self.region, run, gate) {
                return Some(run);
            }
        }
    }

    /// Brings `count` SuperSlabs in a row, the first on a multiple of `align`; the caller marks
    /// them in the page map.
    pub(crate) fn acquire_superslabs(&self, count: u32, align: u32) -> Option<u32> {
        let first = self.region.take_run(count, align).or_else(|| {
            self.keeper.settle();
            superslab::retire_all(&self.region);
            self.region.take_run(count, align)
        })?;
        self.reuse(first, count);
        Some(first)
    }

    /// Notes that SuperSlabs that were taken are used from here on.
    fn reuse(&self, first: u32, count: u32) {
        superslab::pages::reuse(&self.region, first * SLABS, count * SLABS);
    }

    /// Takes SuperSlabs back.
    ///
    /// # Safety
    /// [`SharedPool::acquire_superslabs`] brought them, and nobody uses them any more.
    pub(crate) unsafe fn release_superslabs(&self, first: u32, count: u32) {
        // SAFETY: the caller's promise.
        unsafe {
            self.keeper.freed(&self.region, first * SLABS, count * SLABS);
            self.region.give_run(first, count);
        }
        self.tick();
    }

    /// Gives back to the kernel what was free for a while, once in a while.
    pub(crate) fn tick(&self) {
        if self.keeper.tick(&self.region) {
            self.begin_period();
            self.reclaim_idle();
        }
    }

    /// Has every heap look for what it does not use, as soon as its thread comes along.
    fn begin_period(&self) {
        self.periods.fetch_add(1, Ordering::Relaxed);
    }

    /// Periods that have begun, wrapping: where memory ages, and when the pool has grown by a part.
    #[inline]
    pub(crate) fn periods(&self) -> u32 {
        self.periods.load(Ordering::Relaxed)
    }

    /// In the child of a fork, while its locks are held: puts right what threads without a lock may
    /// have torn. What was on lock-free lists is lost to the child. `own` is the number of the heap
    /// that the child goes on with.
    pub(crate) fn mend_after_fork(&self, own: Owner) {
        self.region.note_torn();
        self.stage1.forget_torn();
        self.remote.forget_torn(own);
        superslab::recount(&self.region);
    }

    /// Gathers all blocks that no thread holds, and gives the pages of all free slabs back, under
    /// every level. Waits for those who are doing either.
    pub(crate) fn trim(&self) {
        self.reclaim_all();
        self.keeper.trim(&self.region);
    }

    /// Takes a run of slabs back.
    ///
    /// # Safety
    /// Nobody uses it any more.
    pub(crate) unsafe fn release_run(&self, run: Run) {
        // SAFETY: the caller's promise.
        unsafe { self.keeper.freed(&self.region, run.first, run.slabs) };
        let mut gate = self.gate(Path::Release);
        self.stage2.release(&self.region, run, &mut gate);
        drop(gate);
        self.tick();
    }
}

impl<C: Config> ForkSafe for SharedPool<C> {
    fn hold(&self) {
        // Before the pool's lock, which a gatherer may enter; the other order only ever tries.
        self.reclaimer.hold();
        self.lock.hold();
        self.overflow.hold();
        self.keeper.hold();
        self.region.hold();
    }

    unsafe fn let_go(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            self.region.let_go();
            self.keeper.let_go();
            self.overflow.let_go();
            self.lock.let_go();
            self.reclaimer.let_go();
        }
    }
}

#[cfg(test)]
mod tests;
