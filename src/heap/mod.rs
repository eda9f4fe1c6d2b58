//! One thread's heap: for each class a loaded and a previous magazine and the uncut rest of a run
//! of slabs.
//!
//! The fast paths are `pop` and `push` of the loaded magazine. A miss swaps it for the previous
//! one, of a row; when that does not help, it cuts blocks from the run, or goes to the shared pool.
//!
//! A heap belongs to one thread at a time, which alone calls its methods. Its counters are atomic
//! because anybody may read them; only the owner writes them, by load and store. The file does not
//! know which thread is running.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

mod borrow;
mod events;
mod fresh;
mod giving;
pub(crate) mod paths;
mod remote;
mod row;

use core::ptr::{self, NonNull};

use crate::check::Check;
use crate::class::{Class, Scaled};
use crate::cut::Cut;
use crate::magazine::{self, Index, Rounds};
use crate::mincore::cache::PageCache;
use crate::region::view::View;
use crate::region::{Owner, Region, kind};
use crate::remote::{NOBODY, Remote};
use crate::shared_pool::{self, SharedPool};
use crate::superslab::Start;
use crate::sync::AtomicU64;
pub(crate) use events::{EVENT_NAMES, Event};
use paths::{PATH_NAMES, PathStats};

/// The levels that a heap is made of.
pub(crate) trait Config: shared_pool::Config {
    /// What is counted on the fast paths.
    type PathStats: PathStats;
    /// Whether a heap claims its slabs from one SuperSlab as long as that has some.
    const BIND: bool;
    /// Whether a heap takes blocks of the next classes before fresh ones. The level of the factor
    /// `borrow`.
    const BORROWS: bool;
}

/// One full magazine in so many looks whether memory is due to go back.
const TICK_SHARE: u32 = 8;

/// Magazines that may become full between two trades of a class that show that it needs more.
const SOON: u32 = 8;

/// No magazine: their numbers begin with 1.
const NONE: Index = 0;

/// One class of a heap, a line of the cache each.
#[repr(C, align(64))]
struct Slot<R: Rounds> {
    /// The loaded magazine, as the fast paths want it.
    rounds: R::Loaded,
    /// The rest of a run of slabs: where the next block is cut, and the run's end.
    next: *mut u8,
    limit: *mut u8,
    loaded: Index,
    previous: Index,
    /// What tells the loaded magazine's newest round from others, as of the last period.
    newest: u32,
    /// Rounds of a magazine from the pool that are brought within reach at a time: see
    /// [`SharedPool::unmark`].
    reach: u16,
    /// Rounds that the loaded magazine may have, and that the next one may; 0 stands for the first
    /// that a class has.
    capacity: u16,
    allowed: u16,
    /// Magazines in the row that begins with the previous one, and how many there may be.
    row: u8,
    row_max: u8,
    /// When this class was last traded with the pool: twice the places made by then, and one if a
    /// magazine was given.
    traded: u32,
}

impl<R: Rounds> Slot<R> {
    const EMPTY: Self = Self {
        rounds: R::EMPTY,
        next: ptr::null_mut(),
        limit: ptr::null_mut(),
        loaded: NONE,
        previous: NONE,
        newest: 0,
        reach: 0,
        capacity: 0,
        allowed: 0,
        row: 0,
        row_max: 0,
        traded: 0,
    };
}

/// One thread's heap, which remembers `PAGES` pages.
#[repr(C)]
pub(crate) struct Heap<C: Config, const PAGES: usize> {
    /// The page map, for pointers that the program frees.
    view: View,
    /// Under which number it owns slabs.
    owner: Owner,
    paths: C::PathStats,
    /// Where this heap claims its slabs.
    start: Start,
    /// The next heap of the list of all.
    pub(crate) next: *mut Self,
    /// The next heap without a thread.
    pub(crate) next_idle: *mut Self,
    /// Bytes of blocks that it keeps meanwhile.
    pub(crate) kept_bytes: usize,
    /// Magazines that became full, wrapping.
    places_made: u32,
    /// The period of the pool in which it was last used, as far as it has noticed.
    pub(crate) period: u32,
    /// The processor that its last thread ended on; kept where the factor `idle` asks for it.
    pub(crate) processor: u32,
    events: [AtomicU64; EVENT_NAMES.len()],
    /// By kind, so that what no thread caches needs no test: its slot has no magazine and misses.
    /// They come behind what every miss needs: that and the slots of small blocks lie in one page,
    /// which is all that a short-lived fork copies.
    slots: [Slot<C::Rounds>; kind::COUNT],
    /// Pages that were ours when mincore was last asked; last, for its size is a level's.
    pub(crate) page_cache: PageCache<PAGES>,
}

impl<C: Config, const PAGES: usize> Heap<C, PAGES> {
    /// A heap without memory. Every path of it misses. It is made of zeroes: fresh memory is one.
    #[expect(clippy::declare_interior_mutable_const, reason = "copied into each new heap")]
    pub(crate) const EMPTY: Self = Self {
        view: View::NOWHERE,
        owner: NOBODY,
        paths: C::PathStats::NEW,
        events: [const { AtomicU64::new(0) }; EVENT_NAMES.len()],
        start: Start::ANYWHERE,
        next: ptr::null_mut(),
        next_idle: ptr::null_mut(),
        kept_bytes: 0,
        places_made: 0,
        period: 0,
        processor: 0,
        slots: [const { Slot::EMPTY }; kind::COUNT],
        page_cache: PageCache::new(),
    };

    /// Gives the heap its number, which spreads heaps over SuperSlabs and tells them apart.
    pub(crate) fn set_number(&mut self, number: u32) {
        self.start.number = number;
        self.owner = C::Remote::owner(number);
    }

    /// Takes a cached block of `class`; `None` on a miss.
    ///
    /// # Safety
    /// `heap` is valid, and this thread's or one that is empty for ever.
    #[inline(always)]
    pub(crate) unsafe fn pop(
        heap: *mut Self,
        region: &Region,
        class: Scaled,
    ) -> Option<NonNull<u8>> {
        // SAFETY: the slot's magazine is this heap's.
        unsafe {
            let block = C::Rounds::pop(Self::rounds(heap, class))?;
            C::Check::allocated(region, block.as_ptr());
            (*heap).paths.allocated(class.class());
            Some(block)
        }
    }

    /// The loaded magazine of a class or, which is none, of another kind.
    ///
    /// # Safety
    /// `heap` is valid.
    #[inline(always)]
    unsafe fn rounds(heap: *mut Self, kind: Scaled) -> *mut <C::Rounds as Rounds>::Loaded {
        const { assert!(size_of::<Slot<C::Rounds>>() == Scaled::STEP) };
        debug_assert!(usize::from(kind.class()) < kind::COUNT);
        // SAFETY: kinds are below COUNT, and each has a slot, in whose front the magazine is.
        unsafe {
            let slots = (&raw mut (*heap).slots).cast::<Slot<C::Rounds>>();
            &raw mut (*slots.byte_add(kind.bytes())).rounds
        }
    }

    /// Caches the block at `p`, whatever `p` is; false on a miss, as for what no heap caches.
    ///
    /// # Safety
    /// As [`Heap::pop`]; nobody uses `p` any more.
    #[inline(always)]
    pub(crate) unsafe fn free(heap: *mut Self, region: &Region, p: *mut u8) -> bool {
        // SAFETY: the caller's promise. What is no cached block has a class without a magazine.
        unsafe {
            let Some(kind) = (*heap).view.kind(p) else { return false };
            Self::push(heap, region, C::Cut::scaled(kind, p), p)
        }
    }

    /// Caches a free block of `class`; false on a miss.
    ///
    /// # Safety
    /// As [`Heap::pop`]; `p` is a block of `class` that nobody uses any more. A miss is all that
    /// comes of a kind that is no class.
    #[inline(always)]
    pub(crate) unsafe fn push(heap: *mut Self, region: &Region, class: Scaled, p: *mut u8) -> bool {
        // SAFETY: the slot's magazine is this heap's.
        unsafe {
            if C::Remote::elsewhere(region, class.class(), p, (*heap).owner) {
                return false;
            }
            // Once for each free: a miss comes back here.
            let look = |newest| C::Check::freed::<C::Cut>(region, class.class(), p, newest);
            if !C::Rounds::push_after(Self::rounds(heap, class), p, look) {
                return false;
            }
            (*heap).paths.freed();
            true
        }
    }

    /// What the fast paths counted, in the order of [`PATH_NAMES`]. Anybody may ask.
    ///
    /// # Safety
    /// `heap` points to a heap.
    pub(crate) unsafe fn paths_of(heap: *const Self) -> [u64; PATH_NAMES.len()] {
        // SAFETY: the caller's promise; only the atomic counters are referred to.
        unsafe { (*heap).paths.read() }
    }

    /// Takes a block of `class` after a miss, or if `larger` one that has room for it; `None` when
    /// there is no memory.
    pub(crate) fn refill(
        &mut self,
        pool: &SharedPool<C>,
        class: Class,
        larger: bool,
    ) -> Option<NonNull<u8>> {
        let block = self.take(pool, class);
        if block.is_some() {
            return block;
        }
        if self.reach_further(pool, class) {
            return self.take(pool, class);
        }
        if self.slot(class).loaded == NONE {
            let stray = pool.take_stray(class);
            if let Some(block) = stray {
                self.handed_out(pool, class, block);
                return stray;
            }
        }
        if !self.swap_for_rounds(pool, class) {
            self.take_sent(pool);
            let block = self.take(pool, class);
            if block.is_some() {
                return block;
            }
            if C::BORROWS && larger {
                if self.fetch(pool, class) {
                    return self.take(pool, class);
                }
                let lent = self.borrow(pool, class);
                if lent.is_some() {
                    return lent;
                }
            }
            if !self.load_rounds(pool, class) {
                return self.cut_one(pool, class);
            }
        }
        self.take(pool, class)
    }

    /// As [`Heap::pop`], of this heap.
    fn take(&mut self, pool: &SharedPool<C>, class: Class) -> Option<NonNull<u8>> {
        // SAFETY: this heap is ours.
        unsafe { Self::pop(ptr::from_mut(self), pool.region(), Scaled::of(class)) }
    }

    /// What [`Heap::pop`] does beside taking a block.
    fn handed_out(&mut self, pool: &SharedPool<C>, class: Class, block: NonNull<u8>) {
        // SAFETY: the block is the caller's, and nobody uses it yet.
        unsafe { C::Check::allocated(pool.region(), block.as_ptr()) };
        self.paths.allocated(class);
    }

    /// Caches a free block of `class` after a miss.
    ///
    /// # Safety
    /// As [`Heap::push`].
    pub(crate) unsafe fn flush(&mut self, pool: &SharedPool<C>, class: Class, p: *mut u8) {
        let heap = ptr::from_mut(self);
        // SAFETY: the caller's promise; this heap is ours.
        if unsafe { Self::push(heap, pool.region(), Scaled::of(class), p) } {
            return;
        }
        if C::Remote::elsewhere(pool.region(), class, p, self.owner) {
            // SAFETY: the caller's promise.
            return unsafe { self.send(pool, class, p) };
        }
        // SAFETY: this heap holds the magazine, if there is one.
        C::Check::changed(p, unsafe { C::Rounds::newest(&raw const self.slot(class).rounds) });
        self.make_place(pool, class);
        // SAFETY: as above. Without a magazine the block waits for one with everybody's.
        unsafe {
            if !Self::push(heap, pool.region(), Scaled::of(class), p) {
                C::Check::freed::<C::Cut>(pool.region(), class, p, ptr::null_mut());
                (*heap).paths.freed();
                pool.put_stray(class, p);
            }
        }
    }

    /// Loads blocks of each class before the program asks for one, as far as there is memory.
    pub(crate) fn prewarm(&mut self, pool: &SharedPool<C>, classes: impl Iterator<Item = Class>) {
        for class in classes {
            if self.slot(class).loaded == NONE {
                self.load_rounds(pool, class);
            }
        }
    }

    fn slot(&mut self, class: Class) -> &mut Slot<C::Rounds> {
        &mut self.slots[usize::from(class)]
    }

    /// Loads magazine `index`, which is at rest.
    fn load(&mut self, pool: &SharedPool<C>, class: Class, index: Index) {
        let magazine = pool.region().magazine(index);
        // The first magazine comes when there is a region.
        if self.view.is_nowhere() {
            self.view = pool.region().view();
        }
        let slot = self.slot(class);
        slot.loaded = index;
        if slot.allowed == 0 {
            slot.allowed = magazine::first_rounds(class);
        }
        // SAFETY: this thread holds the magazine.
        unsafe {
            let [len, marked] = [magazine.len(), magazine.marked()];
            if marked != 0 {
                if marked == len {
                    C::Rounds::expect(magazine, len);
                }
                let marked = self.unmark(pool, class, index, [len, marked]);
                magazine.set_marked(marked);
            }
            let capacity = self.room(class, index).max(magazine.rounds());
            let slot = self.slot(class);
            slot.capacity = capacity;
            slot.rounds = C::Rounds::load(magazine, capacity.into());
        }
    }

    /// Has the check forget the next few marked rounds of magazine `index`; see
    /// [`SharedPool::unmark`].
    ///
    /// # Safety
    /// As there.
    unsafe fn unmark(
        &mut self,
        pool: &SharedPool<C>,
        class: Class,
        index: Index,
        rounds: [usize; 2],
    ) -> usize {
        // SAFETY: the caller's promise.
        unsafe { pool.unmark(class, index, rounds, &mut self.slot(class).reach) }
    }

    /// Brings rounds of the loaded magazine within reach, which has none there.
    fn reach_further(&mut self, pool: &SharedPool<C>, class: Class) -> bool {
        let index = self.slot(class).loaded;
        if index == NONE {
            return false;
        }
        let magazine = pool.region().magazine(index);
        // SAFETY: this thread holds the loaded magazine.
        unsafe {
            let hidden = C::Rounds::hidden(&raw const self.slot(class).rounds, magazine);
            if hidden == 0 {
                return false;
            }
            let hidden = self.unmark(pool, class, index, [hidden; 2]);
            C::Rounds::reveal(&raw mut self.slot(class).rounds, magazine, hidden);
        }
        true
    }

    /// Puts the loaded magazine to rest, before another is loaded.
    fn unload(&mut self, pool: &SharedPool<C>, class: Class) -> Index {
        let slot = self.slot(class);
        let magazine = pool.region().magazine(slot.loaded);
        // SAFETY: this thread holds the loaded magazine.
        unsafe { C::Rounds::unload(&slot.rounds, magazine, slot.capacity.into()) };
        slot.loaded
    }
}

#[cfg(test)]
mod tests;
