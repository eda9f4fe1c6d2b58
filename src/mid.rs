//! Mid: blocks of up to 2 MiB as runs of whole slabs, without headers. The page map marks the first
//! slab, and a number beside it tells how many pages the block has: what lies behind them need not
//! be copied when it moves.
//!
//! It caches nothing: each block is one trip to the shared pool.

pub(crate) mod resize;

use crate::check;
use crate::class::{SLAB, SMALL_MAX};
use crate::os::PAGE;
use crate::ptr::units;
use crate::region::{Region, SUPERSLAB, kind};
use crate::superslab::{Fit, Run};
use crate::sync::Ordering;

/// Sizes above this and up to [`MAX`] are Mid, B.
pub(crate) const ABOVE: usize = SMALL_MAX;
/// The largest Mid block, B.
pub(crate) const MAX: usize = SUPERSLAB;
/// The largest that `realloc` copies a growing block to: it may grow on, and pages of Large blocks
/// can be moved.
pub(crate) const COPIED_MAX: usize = 1 << 20;

/// Where runs of slabs come from: the shared pool.
pub(crate) trait Slabs: Sync {
    /// The region that they lie in.
    fn region(&self) -> &Region;
    /// A run of 1 to 32 slabs that the page map does not mark yet, looked for as `fit` says.
    fn acquire_run(&self, slabs: u32, fit: Fit) -> Option<Run>;
    /// Takes a run back.
    ///
    /// # Safety
    /// Nobody uses it any more.
    unsafe fn release_run(&self, run: Run);
    /// The first of `count` SuperSlabs in a row, on a multiple of `align` SuperSlabs, that the page
    /// map does not mark yet.
    fn acquire_superslabs(&self, count: u32, align: u32) -> Option<u32>;
    /// Takes SuperSlabs back.
    ///
    /// # Safety
    /// Nobody uses them any more.
    unsafe fn release_superslabs(&self, first: u32, count: u32);
    /// Brings exactly `run`, which is not marked yet; false when somebody has a part of it.
    fn acquire_run_at(&self, run: Run) -> bool;
    /// Brings exactly the `count` SuperSlabs from `first` on, which are not marked yet; false when
    /// one is not to be had.
    fn acquire_superslabs_at(&self, first: u32, count: u32) -> bool;
    /// The first of `count` SuperSlabs in a row, with room behind them where there is some; else as
    /// [`Slabs::acquire_superslabs`].
    fn acquire_roomy(&self, count: u32) -> Option<u32>;
    /// Notes that `count` SuperSlabs from `first` on, just brought, are for a block of `size` B.
    fn fill_superslabs(&self, first: u32, count: u32, size: usize);
    /// Has what the SuperSlabs from `from` on hold lie in those from `to` on, `count` of them,
    /// without a copy; those from `from` on read as zero then, and are given back. False when
    /// nothing was moved, and `to` is the caller's as before; `None` when it is lost.
    ///
    /// # Safety
    /// The caller holds both, and uses only what `from` holds.
    unsafe fn move_superslabs(&self, from: u32, to: u32, count: u32) -> Option<bool>;
}

/// A block of at least `size` ≤ [`MAX`] B on a multiple of 64 KiB, at a place as `fit` says; null
/// when there is no memory.
pub(crate) fn alloc(slabs: &impl Slabs, size: usize, fit: Fit) -> *mut u8 {
    let size = size.max(1);
    let Some(run) = slabs.acquire_run(units(size, SLAB), fit) else {
        return core::ptr::null_mut();
    };
    let region = slabs.region();
    note(region, run.first, size);
    region.set_kind(run.first, 1, kind::MID);
    region.set_kind(run.first + 1, run.slabs - 1, kind::TAIL);
    region.slab_address(run.first)
}

/// Notes that the block that begins at slab `first` is for `size` B.
fn note(region: &Region, first: u32, size: usize) {
    #[expect(clippy::cast_possible_truncation, reason = "a block has at most 512 pages")]
    region.run_length(first).store(units(size, PAGE) as u16, Ordering::Relaxed);
}

fn pages_at(region: &Region, first: u32) -> usize {
    usize::from(region.run_length(first).load(Ordering::Relaxed))
}

fn run_at(region: &Region, first: u32) -> Run {
    Run { first, slabs: units(pages_at(region, first), SLAB / PAGE) }
}

/// Bytes in the block at `p`, whose kind is [`kind::MID`].
pub(crate) fn usable_size(region: &Region, p: *const u8) -> usize {
    pages_at(region, region.slab_of(p)) * PAGE
}

/// Frees the block at `p`. Of several frees of one block, one wins and another ends the process.
///
/// # Safety
/// Its kind is [`kind::MID`], it is allocated, and nobody uses it any more.
pub(crate) unsafe fn free(slabs: &impl Slabs, p: *mut u8) {
    let region = slabs.region();
    let first = region.slab_of(p);
    if !region.take_kind(first, kind::MID) {
        check::double_free(p);
    }
    // SAFETY: the run is the block's, which nobody uses any more.
    unsafe { slabs.release_run(run_at(region, first)) };
}
