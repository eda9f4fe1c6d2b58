//! The allocator as functions: sizes are routed to the layer that serves them, pointers to the one
//! that made them.
//!
//! Each fast path is a class and one magazine; everything else is behind one cold call with one
//! argument, where `free`, `realloc` and `usable_size` ask the same classifier.

use core::ptr::{self, NonNull};

use crate::ace::Ace as _;
use crate::check;
use crate::class;
use crate::cut::Cut as _;
use crate::exit_report;
use crate::foreign::{self, Pointer};
use crate::heap::Event;
use crate::log::Log as _;
use crate::mid::{self, Slabs};
use crate::os;
use crate::ptr::units;
use crate::region::{Region, kind};
use crate::resize;
use crate::starter::Starter as _;
use crate::strategy::{Cut, Heap, Log, Pool, Shared};
use crate::superslab::{Fit, Run, pages};
use crate::thread::{self, ACE, POOL, STARTER};
use crate::tiny;

impl Slabs for Shared {
    const COLOURED: bool = Cut::COLOURED;

    fn region(&self) -> &Region {
        Self::region(self)
    }

    fn acquire_run(&self, slabs: u32, fit: Fit) -> Option<Run> {
        Self::acquire_run(self, slabs, fit)
    }

    unsafe fn release_run(&self, run: Run) {
        // SAFETY: the caller's promise.
        unsafe { Self::release_run(self, run) };
    }

    fn acquire_superslabs(&self, count: u32, align: u32) -> Option<u32> {
        Self::acquire_superslabs(self, count, align)
    }

    unsafe fn release_superslabs(&self, first: u32, count: u32) {
        // SAFETY: the caller's promise.
        unsafe { Self::release_superslabs(self, first, count) };
    }

    fn acquire_run_at(&self, run: Run) -> bool {
        Self::acquire_run_at(self, run)
    }

    fn acquire_superslabs_at(&self, first: u32, count: u32) -> bool {
        Self::acquire_superslabs_at(self, first, count)
    }

    fn fill_superslabs(&self, first: u32, count: u32, size: usize) {
        Self::fill_superslabs(self, first, count, size);
    }

    fn acquire_roomy(&self, count: u32) -> Option<u32> {
        Self::acquire_roomy(self, count)
    }

    unsafe fn move_superslabs(&self, from: u32, to: u32, count: u32) -> Option<bool> {
        // SAFETY: the caller's promise.
        unsafe { Self::move_superslabs(self, from, to, count) }
    }
}

/// The class of blocks that threads cache for `size` B; 0 when another layer serves it.
#[inline(always)]
fn cached_class(size: usize) -> class::Class {
    if size <= tiny::MAX { tiny::scaled(size).class() } else { Pool::class(size) }
}

/// Allocates at least `size` B on a multiple of 16. Without memory `errno` is ENOMEM.
#[inline]
pub(crate) fn malloc(size: usize) -> *mut u8 {
    if size <= tiny::MAX { hit(size, tiny::scaled(size)) } else { malloc_pool(size) }
}

/// A function of its own, so that the compiler does not merge its steps with those of the smaller
/// sizes, whose constants would then be looked up.
#[inline(never)]
fn malloc_pool(size: usize) -> *mut u8 {
    if Pool::serves(size) { hit(size, Pool::scaled(size)) } else { malloc_miss(size) }
}

/// Allocates a block of `class`, which is that of `size`.
#[inline(always)]
fn hit(size: usize, class: class::Scaled) -> *mut u8 {
    // SAFETY: the current heap is this thread's or empty for ever.
    match unsafe { Heap::pop(thread::current(), POOL.region(), class) } {
        Some(block) => block.as_ptr(),
        None => malloc_miss(size),
    }
}

#[cold]
#[inline(never)]
fn malloc_miss(size: usize) -> *mut u8 {
    exit_report::decide();
    let p = match cached_class(size) {
        0 => malloc_uncached(size, 16),
        class => STARTER.alloc(class).map_or_else(|| refill(class, true), NonNull::as_ptr),
    };
    or_no_memory(p)
}

/// `p`, and `errno` when it is null: set out here, where it costs the fast paths nothing.
fn or_no_memory(p: *mut u8) -> *mut u8 {
    if p.is_null() {
        os::no_memory();
    }
    p
}

/// Allocates a block of `class` after a miss, or if `larger` one that has room for it.
fn refill(class: class::Class, larger: bool) -> *mut u8 {
    let refill = || thread::with_heap(|heap| heap.refill(&POOL, class, larger));
    if let Some(block) = refill().or_else(|| if thread::give_idle() { refill() } else { None }) {
        return block.as_ptr();
    }
    Log::refill_failed(class);
    ptr::null_mut()
}

/// Allocates what no thread caches.
fn malloc_uncached(size: usize, align: usize) -> *mut u8 {
    uncached(size, align, mid::MAX, Fit::Tight)
}

/// Allocates a block of Mid up to `mid_max`, else one of ACE.
fn uncached(size: usize, align: usize, mid_max: usize, fit: Fit) -> *mut u8 {
    let mid = size > mid::ABOVE && size <= mid_max && align <= class::SLAB;
    Log::rejected(size, if mid { "Mid" } else { "ACE" });
    thread::with_heap(|heap| heap.note(if mid { Event::MidAlloc } else { Event::AceAlloc }));
    if mid { mid::alloc(&*POOL, size, align, fit) } else { ACE.alloc(&*POOL, size, align) }
}

/// Allocates at least `size` B on a multiple of `align`, a power of two. Without memory `errno` is
/// ENOMEM.
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
    or_no_memory(match class {
        0 => malloc_uncached(size, align),
        // Others lie on other multiples.
        class => refill(class, false),
    })
}

/// Frees `p`; null is nothing, a foreign pointer goes to the C library.
///
/// # Safety
/// `p` is null, or an allocated block that nobody uses any more.
#[inline]
pub(crate) unsafe fn free(p: *mut u8) {
    // SAFETY: the heap is this thread's or empty for ever; the rest is the caller's promise.
    unsafe {
        if !Heap::free(thread::current(), POOL.region(), p) {
            free_miss(p);
        }
    }
}

#[cold]
#[inline(never)]
unsafe fn free_miss(p: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe {
        match foreign::cached(p) {
            Some(class) => thread::with_heap(|heap| heap.flush(&POOL, class, p)),
            None => free_uncached(p),
        }
    }
}

/// Frees what no heap caches, or is null.
///
/// # Safety
/// As [`free`].
#[inline(never)]
unsafe fn free_uncached(p: *mut u8) {
    if p.is_null() {
        return;
    }
    // SAFETY: in each arm the classifier says which layer made the block, and the caller that it is
    // allocated and unused.
    unsafe {
        match foreign::classify(check::FREE, p) {
            Pointer::Cached(class) => thread::with_heap(|heap| heap.flush(&POOL, class, p)),
            Pointer::Starter => STARTER.free(p),
            Pointer::Mid => {
                Log::routed(p, "Mid");
                mid::free(&*POOL, p);
            }
            Pointer::Ace(kind) => {
                Log::routed(p, "ACE");
                ACE.free(&*POOL, p, kind);
            }
            Pointer::Headered(_) => {
                Log::routed(p, "ACE, by its header");
                ACE.free_headered(POOL.region(), p);
            }
            Pointer::Foreign => foreign::free(p),
        }
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
    let own = foreign::own_size("malloc_usable_size()", p);
    // SAFETY: the caller's promise.
    own.unwrap_or_else(|| unsafe { foreign::usable_size(p) })
}

/// Resizes the block at `p` to at least `size` B on a multiple of `align`: in place, by moving its
/// pages, or by a copy to another block. Null leaves `p` as it was, and `errno` is ENOMEM.
///
/// # Safety
/// `p` is null or an allocated block on a multiple of `align`, a power of two.
pub(crate) unsafe fn realloc(p: *mut u8, size: usize, align: usize) -> *mut u8 {
    if p.is_null() {
        return aligned_alloc(size, align);
    }
    let Some(held) = foreign::own_size("realloc()", p) else {
        // SAFETY: the caller's promise.
        return unsafe { foreign::realloc(p, size) };
    };
    // SAFETY: the caller's promise; the block holds so many bytes.
    let resized = unsafe { resize::without_copy(&*POOL, p, held, size, align) };
    if !resized.is_null() {
        return resized;
    }
    let new = if size > held && size > mid::ABOVE && Pool::class(size) == 0 {
        // What has grown may grow on.
        or_no_memory(uncached(size, align, mid::COPIED_MAX, Fit::Roomy))
    } else {
        aligned_alloc(size, align)
    };
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
    if !p.is_null() && !fresh(p) {
        // SAFETY: the block holds `size` bytes.
        unsafe { p.write_bytes(0, size) };
    }
    p
}

/// Gives memory back to the kernel that neither the program nor another thread's cache holds.
pub(crate) fn trim() {
    thread::with_heap(|heap| heap.give_back(&POOL));
    thread::give_idle();
    POOL.trim();
    STARTER.close();
}

/// Whether a block just made is known to be zero: its slabs came so from the kernel, and no block
/// lay in them since.
fn fresh(p: *const u8) -> bool {
    let bytes = match POOL.region().kind(p) {
        kind::MID => mid::usable_size(POOL.region(), p),
        kind::LARGE => ACE.usable_size(POOL.region(), p, kind::LARGE),
        _ => return false,
    };
    pages::read_as_zero(POOL.region(), POOL.region().slab_of(p), units(bytes, class::SLAB))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;
    use std::collections::HashSet;
    use std::vec::Vec;

    /// Names the layer to a child.
    const ASKED: &str = "HAKMEM_TEST_SECOND_FREE";

    /// Frees twice, as two threads do that found the same mark at the same moment; only as a child.
    #[test]
    fn child() {
        let Ok(asked) = std::env::var(ASKED) else { return };
        let mid = asked == "mid";
        let pool: &Shared = &POOL;
        let large = crate::ace::large::alloc;
        let p =
            if mid { mid::alloc(pool, 300_000, 16, Fit::Tight) } else { large(pool, 3 << 20, 1) };
        for _ in 0..2 {
            // SAFETY: none for the second; the child is expendable.
            unsafe {
                if mid {
                    mid::free(pool, p);
                } else {
                    crate::ace::large::free(pool, p);
                }
            }
        }
    }

    #[test]
    fn one_of_two_frees_of_a_whole_run_wins() {
        for layer in ["mid", "large"] {
            let mut command = std::process::Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "global::tests::child", "--nocapture"]).env(ASKED, layer);
            let output = command.output().unwrap();
            let said = std::string::String::from_utf8(output.stderr).unwrap();
            assert!(!output.status.success() && said.contains("double free: 0x"), "{said}");
        }
    }

    #[test]
    fn mid_blocks_begin_in_different_lines_unless_they_are_aligned() {
        let begin = |align| {
            // Two slabs each: sixteen SuperSlabs and more.
            let blocks: Vec<_> = (0..256).map(|_| aligned_alloc(100_000, align)).collect();
            for &p in &blocks {
                assert!(p.addr().is_multiple_of(align));
                assert_eq!(foreign::classify("a test", p), Pointer::Mid);
                assert!(
                    mid::begins(POOL.region(), p)
                        && !mid::begins(POOL.region(), p.wrapping_add(64))
                );
                // SAFETY: the block is allocated.
                assert!(unsafe { usable_size(p) } >= 100_000);
            }
            let lines: HashSet<_> = blocks.iter().map(|p| p.addr() % os::PAGE).collect();
            // SAFETY: just allocated, and not used.
            blocks.iter().for_each(|&p| unsafe { free(p) });
            lines.len()
        };
        let pool: &Shared = &POOL;
        let wanted = if coloured(pool) { 12.. } else { 1.. };
        assert!(wanted.contains(&begin(16)));
        assert_eq!(begin(os::PAGE), 1);
    }

    fn coloured<S: Slabs>(_: &S) -> bool {
        S::COLOURED
    }

    #[test]
    fn a_mid_block_grows_behind_its_lead_and_not_into_the_next_one() {
        let pool: &Shared = Box::leak(Box::new(Shared::new(Region::new())));
        let slab = class::SLAB;
        // In the first SuperSlab there is no lead.
        assert!(!mid::alloc(pool, mid::MAX, 16, Fit::Tight).is_null());
        let [first, next] = [(); 2].map(|()| mid::alloc(pool, slab + 1, 16, Fit::Tight));
        assert_eq!(coloured(pool), !first.addr().is_multiple_of(os::PAGE));
        let usable = |p| mid::usable_size(pool.region(), p);
        // SAFETY: it is allocated, and nothing is kept in it.
        let grows = |size| unsafe { mid::resize::in_place(pool, first, size) };
        for size in [slab + 1, slab + os::PAGE, 2 * slab - os::PAGE, 2 * slab, mid::MAX] {
            if grows(size) {
                assert!(usable(first) >= size && first.wrapping_add(usable(first)) <= next);
            }
        }
        // SAFETY: it is allocated and not used.
        unsafe { mid::free(pool, next) };
        assert!(grows(3 * slab) && usable(first) >= 3 * slab);
        assert!(!grows(mid::MAX + 1) && usable(first) < 4 * slab);
    }
}
