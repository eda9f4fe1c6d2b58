//! Mid blocks that change their size where they are: slabs behind a run are claimed when nobody has
//! them, and a tail that is not needed goes back as a freed run does.
//!
//! A block of another layer's size is not for this file.

use super::{MAX, Slabs, begins, note, run_at};
use crate::class::SLAB;
use crate::ptr::units;
use crate::region::{SLABS, kind};
use crate::superslab::Run;

/// Has the block at `p` hold `size` B and not a slab more, if it can where it is; false changes
/// nothing.
///
/// # Safety
/// Its kind is [`kind::MID`], it is allocated, and nobody uses what lies beyond `size`.
pub(crate) unsafe fn in_place(slabs: &impl Slabs, p: *mut u8, size: usize) -> bool {
    let region = slabs.region();
    let run = run_at(region, region.slab_of(p));
    debug_assert!(begins(region, p));
    let (size, lead) = (size.max(1), region.extent(run.first).lead);
    if size > MAX - lead {
        return false;
    }
    let wanted = units(lead + size, SLAB);
    let behind = |from: u32, to: u32| Run { first: run.first + from, slabs: to - from };
    if wanted > run.slabs {
        let more = behind(run.slabs, wanted);
        if run.first + wanted > region.used() * SLABS || !slabs.acquire_run_at(more) {
            return false;
        }
        region.set_kind(more.first, more.slabs, kind::TAIL);
    }
    note(region, run.first, lead, size);
    if wanted < run.slabs {
        // SAFETY: the tail belongs to no block any more, and the caller has no use for it.
        unsafe { slabs.release_run(behind(wanted, run.slabs)) };
    }
    true
}
