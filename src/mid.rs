//! Mid: blocks of up to 2 MiB as runs of whole slabs, without headers. The page map marks the first
//! slab, and a number beside it tells where in it the block begins and how many pages it has: what
//! lies behind them need not be copied when it moves.
//!
//! It caches nothing: each block is one trip to the shared pool.

pub(crate) mod resize;

use crate::check;
use crate::class::{SLAB, SMALL_MAX};
use crate::os::PAGE;
use crate::ptr::units;
use crate::region::extent::Extent;
use crate::region::{Region, SLABS, SUPERSLAB, kind};
use crate::superslab::{Fit, Run};

/// Sizes above this and up to [`MAX`] are Mid, B.
pub(crate) const ABOVE: usize = SMALL_MAX;
/// The largest Mid block, B.
pub(crate) const MAX: usize = SUPERSLAB;
/// The largest that `realloc` copies a growing block to: it may grow on, and pages of Large blocks
/// can be moved.
pub(crate) const COPIED_MAX: usize = 1 << 20;

/// Where runs of slabs come from: the shared pool.
pub(crate) trait Slabs: Sync {
    /// Whether the first lines of blocks are to fall into different sets of the caches.
    const COLOURED: bool;
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

/// A block of at least `size` ≤ [`MAX`] B on a multiple of `align` ≤ 64 KiB, at a place as `fit`
/// says; null when there is no memory.
pub(crate) fn alloc<S: Slabs>(slabs: &S, size: usize, align: usize, fit: Fit) -> *mut u8 {
    debug_assert!(size <= MAX && align <= SLAB);
    let size = size.max(1);
    let Some(run) = slabs.acquire_run(units(size, SLAB), fit) else {
        return core::ptr::null_mut();
    };
    let region = slabs.region();
    let room = run.bytes() - size;
    let lead = if S::COLOURED && align <= Extent::STEP { lead(run.first, room) } else { 0 };
    note(region, run.first, lead, size);
    region.set_kind(run.first, 1, kind::MID);
    region.set_kind(run.first + 1, run.slabs - 1, kind::TAIL);
    // SAFETY: the run has room for the lead, too.
    unsafe { region.slab_address(run.first).add(lead) }
}

/// Bytes in front of the block of the run that begins at slab `first`, no more than `room`: others
/// in each SuperSlab. Without it the first line of every block, and of every page of it, would fall
/// into one set of each cache. Were they others for each run, a page would show the blocks that
/// come and go there lines that are in no cache.
fn lead(first: u32, room: usize) -> usize {
    const COLOURS: usize = PAGE / Extent::STEP;
    /// 2³² divided by the golden ratio: neighbouring numbers are spread evenly (Knuth, The Art of
    /// Computer Programming, volume 3, section 6.4).
    const SPREAD: u32 = 0x9E37_79B9;
    let superslab = first / SLABS;
    let colour = (superslab.wrapping_mul(SPREAD) >> (u32::BITS - COLOURS.ilog2())) as usize;
    colour % COLOURS.min(room / Extent::STEP + 1) * Extent::STEP
}

/// Notes that the block behind `lead` in the run that begins at slab `first` is for `size` B.
fn note(region: &Region, first: u32, lead: usize, size: usize) {
    region.set_extent(first, Extent { lead, pages: units(lead + size, PAGE) as usize });
}

fn run_at(region: &Region, first: u32) -> Run {
    Run { first, slabs: units(region.extent(first).pages, SLAB / PAGE) }
}

/// Whether a block begins at `p`, whose kind is [`kind::MID`].
pub(crate) fn begins(region: &Region, p: *const u8) -> bool {
    region.extent(region.slab_of(p)).begins(p)
}

/// Bytes in the block at `p`, whose kind is [`kind::MID`].
pub(crate) fn usable_size(region: &Region, p: *const u8) -> usize {
    let Extent { lead, pages } = region.extent(region.slab_of(p));
    pages * PAGE - lead
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use std::vec::Vec;

    #[test]
    fn a_lead_takes_no_more_than_there_is_room_for() {
        for room in [0, 1, 63, 64, 128, PAGE - 1, PAGE, SLAB - 1] {
            let leads: HashSet<_> = (0..128).map(|index| lead(index * SLABS, room)).collect();
            assert!(leads.iter().all(|&lead| lead <= room && lead.is_multiple_of(Extent::STEP)));
            assert_eq!(leads.len(), (room / Extent::STEP + 1).min(PAGE / Extent::STEP), "{room}");
        }
    }

    #[test]
    fn all_runs_of_a_superslab_have_the_same_lead_and_neighbours_have_others() {
        let leads: Vec<_> = (0..9 * SLABS).map(|first| lead(first, SLAB)).collect();
        let (superslabs, _) = leads.as_chunks::<{ SLABS as usize }>();
        assert!(superslabs.iter().all(|leads| leads.iter().all(|lead| *lead == leads[0])));
        assert!(superslabs.windows(2).all(|pair| pair[0][0].abs_diff(pair[1][0]) > PAGE / 4));
    }
}
