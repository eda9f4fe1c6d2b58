//! One thread's heap: for each class a loaded and a previous magazine and the uncut rest of a run
//! of slabs.
//!
//! The fast paths are `pop` and `push` of the loaded magazine. A miss swaps it for the previous
//! one; when that does not help, it cuts blocks from the run, or goes to the shared pool.
//!
//! A heap belongs to one thread at a time, which alone calls its methods. Its counters are atomic
//! because anybody may read them; only the owner writes them, by load and store. The file does not
//! know which thread is running.

use core::ptr;

use crate::class::{self, Class};
use crate::magazine::{self, Index};
use crate::mincore::cache::PageCache;
use crate::shared_pool::Acquired;
use crate::strategy::{PAGE_CACHE, Shared};
use crate::sync::{AtomicU64, Ordering};

/// No magazine.
const NONE: Index = Index::MAX;

/// Events that a heap counts, in the order of [`EVENT_NAMES`].
#[derive(Clone, Copy)]
pub(crate) enum Event {
    AceAlloc,
    MidAlloc,
    ForeignFree,
    SlabsAcquired,
    BatchPopped,
    BatchPushed,
}

/// Counter names of [`Event`].
pub(crate) const EVENT_NAMES: [&str; 6] = [
    "ace_allocs",
    "mid_allocs",
    "foreign_frees",
    "slabs_acquired",
    "batches_popped",
    "batches_pushed",
];

/// One class of a heap.
#[repr(C)]
struct Slot {
    /// Behind the last round of the loaded magazine.
    top: *mut *mut u8,
    /// Its first round.
    base: *mut *mut u8,
    /// Behind its last place.
    end: *mut *mut u8,
    /// The rest of a run of slabs: next block and its end.
    next: *mut u8,
    limit: *mut u8,
    loaded: Index,
    previous: Index,
}

impl Slot {
    const EMPTY: Self = Self {
        top: ptr::null_mut(),
        base: ptr::null_mut(),
        end: ptr::null_mut(),
        next: ptr::null_mut(),
        limit: ptr::null_mut(),
        loaded: NONE,
        previous: NONE,
    };

    fn len(&self) -> usize {
        // SAFETY: both point into the loaded magazine, or are null both.
        unsafe { self.top.offset_from_unsigned(self.base) }
    }
}

/// One thread's heap.
#[repr(C)]
pub(crate) struct Heap {
    slots: [Slot; class::COUNT],
    /// Pages that were ours when mincore was last asked.
    pub(crate) page_cache: PageCache<PAGE_CACHE>,
    events: [AtomicU64; EVENT_NAMES.len()],
    /// Number of the heap: spreads heaps over SuperSlabs.
    pub(crate) number: u32,
    /// The next heap of the list of all.
    pub(crate) next: *mut Heap,
    /// The next heap without a thread.
    pub(crate) next_idle: *mut Heap,
}

impl Heap {
    /// A heap without memory. Every path of it misses.
    #[expect(clippy::declare_interior_mutable_const, reason = "copied into each new heap")]
    pub(crate) const EMPTY: Self = Self {
        slots: [const { Slot::EMPTY }; class::COUNT],
        page_cache: PageCache::new(),
        events: [const { AtomicU64::new(0) }; EVENT_NAMES.len()],
        number: 0,
        next: ptr::null_mut(),
        next_idle: ptr::null_mut(),
    };

    /// Takes a cached block of `class`; null on a miss.
    ///
    /// # Safety
    /// `heap` is valid, and this thread's or one that is empty for ever.
    #[inline(always)]
    pub(crate) unsafe fn pop(heap: *mut Self, class: Class) -> *mut u8 {
        debug_assert!((class as usize) < class::COUNT);
        // SAFETY: classes are below COUNT; rounds below `top` were written.
        unsafe {
            let slot = (&raw mut (*heap).slots).cast::<Slot>().add(usize::from(class));
            let top = (*slot).top;
            if top == (*slot).base {
                return ptr::null_mut();
            }
            let top = top.sub(1);
            (*slot).top = top;
            *top
        }
    }

    /// Caches a free block of `class`; false on a miss.
    ///
    /// # Safety
    /// As [`Heap::pop`]; `p` is a block of `class` that nobody uses any more.
    #[inline(always)]
    pub(crate) unsafe fn push(heap: *mut Self, class: Class, p: *mut u8) -> bool {
        debug_assert!((class as usize) < class::COUNT);
        // SAFETY: classes are below COUNT; `top` below `end` is a place of the loaded magazine.
        unsafe {
            let slot = (&raw mut (*heap).slots).cast::<Slot>().add(usize::from(class));
            let top = (*slot).top;
            if top == (*slot).end {
                return false;
            }
            *top = p;
            (*slot).top = top.add(1);
            true
        }
    }

    /// Notes an event.
    pub(crate) fn note(&self, event: Event) {
        let count = &self.events[event as usize];
        count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }

    /// Events so far, in the order of [`EVENT_NAMES`]. Anybody may ask.
    ///
    /// # Safety
    /// `heap` points to a heap.
    pub(crate) unsafe fn events_of(heap: *const Self) -> [u64; EVENT_NAMES.len()] {
        // SAFETY: the caller's promise; only the atomic counters are referred to.
        let events = unsafe { &(*heap).events };
        core::array::from_fn(|index| events[index].load(Ordering::Relaxed))
    }

    /// Takes a block of `class` after a miss; null when there is no memory.
    pub(crate) fn refill(&mut self, pool: &Shared, class: Class) -> *mut u8 {
        let heap = ptr::from_mut(self);
        // SAFETY: this heap is ours.
        let block = unsafe { Self::pop(heap, class) };
        if !block.is_null() {
            return block;
        }
        if self.swap_for_rounds(pool, class) || self.load_rounds(pool, class) {
            // SAFETY: as above.
            return unsafe { Self::pop(heap, class) };
        }
        ptr::null_mut()
    }

    /// Caches a free block of `class` after a miss.
    ///
    /// # Safety
    /// As [`Heap::push`].
    pub(crate) unsafe fn flush(&mut self, pool: &Shared, class: Class, p: *mut u8) {
        let heap = ptr::from_mut(self);
        // SAFETY: the caller's promise; this heap is ours.
        if unsafe { Self::push(heap, class, p) } {
            return;
        }
        self.make_place(pool, class);
        // SAFETY: as above.
        let pushed = unsafe { Self::push(heap, class, p) };
        debug_assert!(pushed, "a magazine was made for it");
    }

    fn slot(&mut self, class: Class) -> &mut Slot {
        &mut self.slots[usize::from(class)]
    }

    /// Loads magazine `index` with the rounds that it says it has.
    fn load(&mut self, pool: &Shared, class: Class, index: Index) {
        let magazine = pool.region().magazine(index);
        let slot = self.slot(class);
        slot.loaded = index;
        slot.base = magazine.base();
        // SAFETY: this thread holds the magazine; lengths and rounds stay within it.
        unsafe {
            slot.top = slot.base.add(magazine.len());
            slot.end = slot.base.add(magazine::rounds(class));
        }
    }

    /// Notes the loaded magazine's length, before another is loaded.
    fn unload(&mut self, pool: &Shared, class: Class) -> Index {
        let slot = self.slot(class);
        // SAFETY: this thread holds the loaded magazine.
        unsafe { pool.region().magazine(slot.loaded).set_len(slot.len()) };
        slot.loaded
    }

    /// Swaps the empty loaded magazine for the previous one, if that has rounds.
    fn swap_for_rounds(&mut self, pool: &Shared, class: Class) -> bool {
        let previous = self.slot(class).previous;
        // SAFETY: this thread holds the previous magazine.
        if previous == NONE || unsafe { pool.region().magazine(previous).len() } == 0 {
            return false;
        }
        let loaded = self.unload(pool, class);
        self.slot(class).previous = loaded;
        self.load(pool, class, previous);
        true
    }

    /// Brings rounds into the empty loaded magazine: cut from the run, or from the pool.
    fn load_rounds(&mut self, pool: &Shared, class: Class) -> bool {
        if self.cut(pool, class) {
            return true;
        }
        let start = self.number;
        let spare = match self.slot(class).loaded {
            NONE => None,
            _ => Some(self.unload(pool, class)),
        };
        match pool.acquire(class, spare, start) {
            Acquired::Magazine(index) => {
                if spare != Some(index) {
                    self.note(Event::BatchPopped);
                }
                self.load(pool, class, index);
                true
            }
            Acquired::Run(run) => {
                self.note(Event::SlabsAcquired);
                let start = pool.region().slab_address(run.first);
                let slot = self.slot(class);
                slot.next = start;
                // SAFETY: the end of a run is in the region or just behind it.
                slot.limit = unsafe { start.add(run.bytes()) };
                self.cut(pool, class)
            }
            Acquired::Nothing => false,
        }
    }

    /// Fills the empty loaded magazine with blocks cut from the run; they are not touched.
    fn cut(&mut self, pool: &Shared, class: Class) -> bool {
        let size = class::size(class);
        let slot = self.slot(class);
        let fitting = (slot.limit.addr() - slot.next.addr()) / size;
        if fitting == 0 {
            return false;
        }
        if slot.loaded == NONE {
            let Some(index) = pool.take_empty() else { return false };
            // SAFETY: the magazine was just taken.
            unsafe { pool.region().magazine(index).set_len(0) };
            self.load(pool, class, index);
        }
        let slot = self.slot(class);
        let count = fitting.min(magazine::rounds(class));
        // SAFETY: `count` blocks fit the run, and as many rounds the empty magazine. The lowest
        // address goes on top, so that blocks are used in ascending order.
        unsafe {
            for round in 0..count {
                *slot.base.add(round) = slot.next.add((count - 1 - round) * size);
            }
            slot.top = slot.base.add(count);
            slot.next = slot.next.add(count * size);
        }
        true
    }

    /// Makes room in the loaded magazine, which is full or missing.
    fn make_place(&mut self, pool: &Shared, class: Class) {
        let slot = self.slot(class);
        let (loaded, previous) = (slot.loaded, slot.previous);
        if loaded == NONE {
            self.load_place(pool, class);
            return;
        }
        self.unload(pool, class);
        let previous_len = (previous != NONE).then(|| {
            // SAFETY: this thread holds the previous magazine.
            unsafe { pool.region().magazine(previous).len() }
        });
        let empty = match previous_len {
            Some(0) => previous,
            Some(_) => {
                self.note(Event::BatchPushed);
                // SAFETY: this thread holds the previous magazine, which has rounds of this class.
                unsafe { pool.exchange(class, previous) }
            }
            None => match pool.take_empty() {
                Some(index) => index,
                None => {
                    self.note(Event::BatchPushed);
                    // SAFETY: as above, of the loaded magazine. It may come back emptied.
                    unsafe { pool.exchange(class, loaded) }
                }
            },
        };
        // SAFETY: this thread holds the magazine that came.
        unsafe { pool.region().magazine(empty).set_len(0) };
        self.slot(class).previous = if empty == loaded { NONE } else { loaded };
        self.load(pool, class, empty);
    }

    /// Loads an empty magazine where there was none.
    fn load_place(&mut self, pool: &Shared, class: Class) {
        let Some(index) = pool.take_empty() else {
            crate::os::abort("no magazine is left for a thread's first free", ptr::null());
        };
        // SAFETY: the magazine was just taken.
        unsafe { pool.region().magazine(index).set_len(0) };
        self.load(pool, class, index);
    }

    /// Gives every magazine back, so that the heap may wait for another thread. Runs stay: they
    /// are cut on by the next owner.
    pub(crate) fn give_back(&mut self, pool: &Shared) {
        for class in 1..class::COUNT {
            #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
            let class = class as Class;
            if self.slot(class).loaded != NONE {
                self.unload(pool, class);
            }
            let slot = self.slot(class);
            for index in [slot.loaded, slot.previous] {
                if index == NONE {
                    continue;
                }
                // SAFETY: this thread holds both magazines; what has rounds has them of this class.
                unsafe {
                    if pool.region().magazine(index).len() == 0 {
                        pool.release_empty(index);
                    } else {
                        pool.release(class, index);
                    }
                }
            }
            let (next, limit) = (slot.next, slot.limit);
            *slot = Slot { next, limit, ..Slot::EMPTY };
        }
    }
}
