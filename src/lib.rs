//! hakmem: a general-purpose memory allocator whose every design decision is a Cargo feature.
//!
//! ```
//! use hakmem::Hakmem;
//!
//! #[global_allocator]
//! static ALLOCATOR: Hakmem = Hakmem;
//!
//! let squares: Vec<u64> = (0..100).map(|n| n * n).collect();
//! assert_eq!(squares[99], 9801);
//! ```
//!
//! Small blocks come from magazines that a thread keeps for each size class; threads trade whole
//! magazines through a shared pool. All memory but that of headered blocks lies in one reserved
//! range, so that a pointer is known as ours, or not, by a subtraction. ARCHITECTURE.md has the
//! map.
//!
//! The features choose *levels* of *factors* for experiments. A library should not set them for its
//! users: they add up over a whole program, and then the safest level wins.

#![no_std]

#[cfg(any(test, miri, hakmem_mock_os))]
extern crate std;

mod ace;
mod check;
mod class;
mod counters;
mod cut;
mod exit_report;
mod foreign;
mod global;
mod heap;
mod lock;
mod log;
mod magazine;
mod mid;
mod mincore;
mod os;
mod pool_tls;
mod prefetch;
mod ptr;
mod region;
mod remote;
mod resize;
mod retain;
mod shared_pool;
mod starter;
mod strategy;
mod superslab;
mod sync;
mod text;
mod thp;
mod thread;
mod tiny;
mod usage;

use core::alloc::{GlobalAlloc, Layout};

pub use usage::Usage;

/// The allocator, for `#[global_allocator]`. It has no state of its own: all values are the same
/// allocator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hakmem;

// SAFETY: blocks hold the layout's size on its alignment, are distinct while allocated, and no
// method unwinds.
unsafe impl GlobalAlloc for Hakmem {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        global::aligned_alloc(layout.size(), layout.align())
    }

    #[inline]
    unsafe fn dealloc(&self, p: *mut u8, _layout: Layout) {
        // SAFETY: the caller passes a block of this allocator that it no longer uses.
        unsafe { global::free(p) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        global::zeroed(layout.size(), layout.align())
    }

    #[inline]
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller passes a block of this allocator with this layout.
        unsafe { global::realloc(p, new_size, layout.align()) }
    }
}

/// Allocates at least `size` bytes on a multiple of 16, or returns null and sets `errno` to ENOMEM.
/// `malloc(0)` is a block of its own.
#[inline]
#[must_use]
pub fn malloc(size: usize) -> *mut u8 {
    global::malloc(size)
}

/// Allocates at least `size` bytes on a multiple of `align`, a power of two, or returns null and
/// sets `errno` to ENOMEM.
#[inline]
#[must_use]
pub fn aligned_alloc(align: usize, size: usize) -> *mut u8 {
    global::aligned_alloc(size, align)
}

/// Allocates at least `size` zeroed bytes on a multiple of 16, or returns null and sets `errno` to
/// ENOMEM.
#[inline]
#[must_use]
pub fn zeroed(size: usize) -> *mut u8 {
    global::zeroed(size, 16)
}

/// Frees a block. Null is nothing; a block that is not this allocator's goes to the C library,
/// unless `HAKMEM_FOREIGN` in the environment says `ignore` or `abort`.
///
/// # Safety
/// `p` is null or an allocated block, of this allocator or of the C library, that nobody uses any
/// more.
#[inline]
pub unsafe fn free(p: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { global::free(p) };
}

/// Resizes a block, moving it where needed; null leaves it as it was, and `errno` tells why.
///
/// # Safety
/// `p` is null or an allocated block, of this allocator or of the C library.
#[must_use]
pub unsafe fn realloc(p: *mut u8, size: usize) -> *mut u8 {
    // SAFETY: the caller's promise.
    unsafe { global::realloc(p, size, 16) }
}

/// Bytes that may be used at `p`, at least those asked for; 0 for null.
///
/// # Safety
/// `p` is null or an allocated block, of this allocator or of the C library.
#[must_use]
pub unsafe fn usable_size(p: *const u8) -> usize {
    // SAFETY: the caller's promise.
    unsafe { global::usable_size(p) }
}

/// Gives memory back to the kernel before it returns, under every level of `retain`: free blocks of
/// this thread and of the shared pool, as far as they fill whole slabs, and what was kept of Large
/// blocks. What other threads cache stays.
pub fn trim() {
    global::trim();
}

/// Has requests for memory refused as if by the kernel: `skip` more are granted, the next `refuse`
/// are not, whatever thread makes them. `(0, 0)` ends it.
///
/// Returns how many were refused since the last call; `None`, and nothing is done, without the
/// instrument `faults`.
pub fn refuse_requests(skip: u64, refuse: u64) -> Option<u64> {
    <strategy::FaultInjection as os::faults::Faults>::arm(skip, refuse)
}

/// The level of every factor, and `on` or `off` for every instrument, as compiled.
pub fn describe() -> impl Iterator<Item = (&'static str, &'static str)> {
    strategy::LEVELS.into_iter()
}

/// What the allocator has counted since the process started: system calls, events off the fast
/// paths, blocks of the starter, fast paths (with the instrument `stats`; else 0), and lock
/// acquisitions (with the instrument `lock-stats`; else 0).
pub fn counters() -> impl Iterator<Item = (&'static str, u64)> {
    counters::all()
}

/// How much memory the process holds.
#[must_use]
pub fn usage() -> Usage {
    usage::now()
}

/// Reads from the environment which reports to print at exit: every counter and the memory held
/// with `HAKMEM_STATS=1`, the lock counters with `HAKMEM_SHARED_POOL_LOCK_STATS=1`. The first
/// allocation off the fast path does so too; only who may never come there has to call it.
pub fn heed_environment() {
    exit_report::decide();
}
