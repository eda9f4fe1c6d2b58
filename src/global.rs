//! The allocator as functions: sizes are routed to the layer that serves them, pointers to the one
//! that made them.
//!
//! `free`, `realloc` and `usable_size` share one classifier, the page map: a kind below ACE's is a
//! class, the others name a layer, and what the map does not explain is a headered block or
//! foreign. Each fast path is a class and one magazine; everything else is behind one cold call
//! with one argument.

use core::ptr;
use core::sync::atomic::AtomicBool;

use crate::ace::Ace as _;
use crate::class;
use crate::cut::Cut as _;
use crate::heap::Event;
use crate::log::Log as _;
use crate::mid::{self, Slabs};
use crate::os;
use crate::region::{Kind, REGION, Region, kind};
use crate::shared_pool::stats::LOCK_NAMES;
use crate::strategy::{Cut, Heap, LOCK_STATS, Log, Pool, Shared};
use crate::superslab::Run;
use crate::sync::Ordering;
use crate::thread::{self, ACE, POOL};
use crate::{text, tiny};

impl Slabs for Shared {
    fn region(&self) -> &'static Region {
        Self::region(self)
    }

    fn acquire_run(&self, slabs: u32) -> Option<Run> {
        Self::acquire_run(self, slabs)
    }

    fn release_run(&self, run: Run) {
        Self::release_run(self, run);
    }
}

/// The class of blocks that threads cache for `size` B; 0 when another layer serves it.
#[inline(always)]
fn cached_class(size: usize) -> class::Class {
    if size <= tiny::MAX { tiny::class(size) } else { Pool::class(size) }
}

/// Allocates at least `size` B on a multiple of 16.
#[inline]
pub(crate) fn malloc(size: usize) -> *mut u8 {
    let class = cached_class(size);
    if class != 0 {
        // SAFETY: the current heap is this thread's or empty for ever.
        if let Some(block) = unsafe { Heap::pop(thread::current(), &REGION, class) } {
            return block.as_ptr();
        }
    }
    malloc_miss(size)
}

#[cold]
#[inline(never)]
fn malloc_miss(size: usize) -> *mut u8 {
    if LOCK_STATS {
        report_locks_at_exit();
    }
    match cached_class(size) {
        0 => malloc_uncached(size, 16),
        class => refill(class),
    }
}

/// Allocates a block of `class` after a miss.
fn refill(class: class::Class) -> *mut u8 {
    if let Some(block) = thread::with_heap(|heap| heap.refill(&POOL, class)) {
        return block.as_ptr();
    }
    Log::refill_failed(class);
    ptr::null_mut()
}

/// Allocates what no thread caches.
fn malloc_uncached(size: usize, align: usize) -> *mut u8 {
    let mid = size > mid::ABOVE && size <= mid::MAX && align <= class::SLAB;
    Log::rejected(size, if mid { "Mid" } else { "ACE" });
    thread::with_heap(|heap| heap.note(if mid { Event::MidAlloc } else { Event::AceAlloc }));
    if mid { mid::alloc(&POOL, size) } else { ACE.alloc(&POOL, size, align) }
}

/// Allocates at least `size` B on a multiple of `align`, a power of two.
#[inline]
pub(crate) fn aligned_alloc(size: usize, align: usize) -> *mut u8 {
    if align <= 16 { malloc(size) } else { aligned_miss(size, align) }
}

#[cold]
#[inline(never)]
fn aligned_miss(size: usize, align: usize) -> *mut u8 {
    let tiny = if size <= tiny::MAX { tiny::aligned_class(size, align) } else { 0 };
    let class = match tiny {
        0 => Pool::aligned_class::<Cut>(size.max(tiny::MAX + 1), align),
        class => class,
    };
    match class {
        0 => malloc_uncached(size, align),
        class => refill(class),
    }
}

/// Frees `p`; null is nothing, a foreign pointer goes to the C library.
///
/// # Safety
/// `p` is null, or an allocated block that nobody uses any more.
#[inline]
pub(crate) unsafe fn free(p: *mut u8) {
    let kind = REGION.kind(p);
    // Kind 0 would be class 0, whose slot has no magazine and misses.
    if kind < kind::ACE {
        // SAFETY: the map says what `p` is; the heap is this thread's or empty.
        if unsafe { Heap::push(thread::current(), &REGION, Cut::class(kind, p), p) } {
            return;
        }
    }
    // SAFETY: the caller's promise.
    unsafe { free_miss(p) };
}

#[cold]
#[inline(never)]
unsafe fn free_miss(p: *mut u8) {
    // SAFETY: in each arm the page map says which layer made the block, and the caller that it is
    // allocated and unused.
    unsafe {
        match REGION.kind(p) {
            kind::NONE | kind::HEADERED => free_unexplained(p),
            kind::MID => {
                Log::routed(p, "Mid");
                mid::free(&POOL, p);
            }
            kind::TAIL => text::abort("free() of a pointer into a block", p),
            kind if kind < kind::ACE => {
                let class = class_of(kind, p);
                thread::with_heap(|heap| heap.flush(&POOL, class, p));
            }
            kind => {
                Log::routed(p, "ACE");
                ACE.free(&POOL, p, kind);
            }
        }
    }
}

/// The class of a cached block, of which the page map says `kind`.
fn class_of(kind: Kind, p: *const u8) -> class::Class {
    // SAFETY: the callers have just read the map, and the kind is below ACE's.
    match unsafe { Cut::class(kind, p) } {
        0 => text::abort("a pointer that is no block", p),
        class => class,
    }
}

/// Frees what the page map does not explain: a headered block, or a foreign pointer.
unsafe fn free_unexplained(p: *mut u8) {
    if p.is_null() {
        return;
    }
    if headered(p).is_some() {
        Log::routed(p, "ACE, by its header");
        // SAFETY: the header was just found; the caller says that the block is unused.
        unsafe { ACE.free_headered(&REGION, p) };
        return;
    }
    if REGION.kind(p) == kind::HEADERED {
        text::abort("free() of a pointer that is no block", p);
    }
    Log::routed(p, "the C library");
    thread::with_heap(|heap| heap.note(Event::ForeignFree));
    // SAFETY: it is not ours, so it is the C library's or the program is wrong.
    unsafe { os::foreign_free(p) };
}

fn headered(p: *const u8) -> Option<usize> {
    thread::with_heap(|heap| ACE.headered(&REGION, p, &mut heap.page_cache))
}

/// Bytes of the block at `p`, or `None` for a foreign pointer.
fn own_size(p: *const u8) -> Option<usize> {
    match REGION.kind(p) {
        kind::NONE | kind::HEADERED => headered(p),
        kind::MID => Some(mid::usable_size(&REGION, p)),
        kind::TAIL => text::abort("a pointer into a block is no block", p),
        kind if kind < kind::ACE => Some(class::size(class_of(kind, p))),
        kind => Some(ACE.usable_size(&REGION, p, kind)),
    }
}

/// Bytes that may be used at `p`; 0 for null.
///
/// # Safety
/// `p` is null or an allocated block.
pub(crate) unsafe fn usable_size(p: *const u8) -> usize {
    if p.is_null() {
        return 0;
    }
    // SAFETY: what is not ours is the C library's, or the program is wrong.
    own_size(p).unwrap_or_else(|| unsafe { os::foreign_usable_size(p) })
}

/// Moves the block at `p` to one of at least `size` B on a multiple of `align`, unless it fits
/// where it is. Null leaves `p` as it was.
///
/// # Safety
/// `p` is null or an allocated block on a multiple of `align`, a power of two.
pub(crate) unsafe fn realloc(p: *mut u8, size: usize, align: usize) -> *mut u8 {
    if p.is_null() {
        return aligned_alloc(size, align);
    }
    let Some(held) = own_size(p) else {
        // SAFETY: it is not ours, so it is the C library's or the program is wrong.
        return unsafe { os::foreign_realloc(p, size) };
    };
    // A block that would waste more than half is moved.
    if size <= held && size >= held / 2 {
        return p;
    }
    let new = aligned_alloc(size, align);
    if !new.is_null() {
        // SAFETY: both blocks hold that many bytes and are distinct; `p` is not used any more.
        unsafe {
            ptr::copy_nonoverlapping(p, new, held.min(size));
            free(p);
        }
    }
    new
}

/// Allocates at least `size` zeroed bytes on a multiple of `align`, a power of two.
pub(crate) fn zeroed(size: usize, align: usize) -> *mut u8 {
    let p = aligned_alloc(size, align);
    if !p.is_null() && !fresh(REGION.kind(p), size) {
        // SAFETY: the block holds `size` bytes.
        unsafe { p.write_bytes(0, size) };
    }
    p
}

/// Gives memory back to the kernel that neither the program nor another thread's cache holds.
pub(crate) fn trim() {
    thread::with_heap(|heap| heap.give_back(&POOL));
    POOL.trim();
}

/// Whether a block just made is known to be zero: whole SuperSlabs come zeroed from the kernel.
fn fresh(kind: Kind, size: usize) -> bool {
    kind == kind::LARGE && size > mid::MAX
}

/// Has each lock counter printed as `hakmem: NAME N` when the process exits, if
/// `HAKMEM_SHARED_POOL_LOCK_STATS=1`. Decides at the first call.
fn report_locks_at_exit() {
    extern "C" fn report() {
        for (name, count) in LOCK_NAMES.iter().zip(POOL.lock_stats()) {
            text::Line::new().text(name).text(" ").number(count).say();
        }
    }
    static DECIDED: AtomicBool = AtomicBool::new(false);
    if !DECIDED.load(Ordering::Relaxed)
        && !DECIDED.swap(true, Ordering::Relaxed)
        && os::environment_says_yes(c"HAKMEM_SHARED_POOL_LOCK_STATS")
    {
        os::at_exit(report);
    }
}
