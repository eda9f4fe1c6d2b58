//! How much memory the process holds of us, read off the page map.
//!
//! No lock is taken, so figures of a moment in which other threads allocate are nearly right.
//! Blocks count by whole slabs: what threads cache, and what is left of a run that is being cut,
//! counts as in use. Headered blocks outside the region (`ace-header` with `mincore-on`,
//! `-registry`, `-bloom` or `-off`) are not seen.

use crate::class::SLAB;
use crate::region::{REGION, Region, SLABS, SUPERSLAB, kind};
use crate::sync::Ordering;

/// Memory, in bytes but for the one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Addresses that are reserved; most of them have never been touched.
    pub reserved: usize,
    /// SuperSlabs that have been handed out, whatever became of them.
    pub handed_out: usize,
    /// Of those, what went back to the kernel and waits to be handed out again.
    pub given_back: usize,
    /// Wholly free SuperSlabs that are kept; `trim` gives them back.
    pub kept: usize,
    /// Slabs that belong to blocks, those of large blocks included.
    pub in_use: usize,
    /// Blocks of whole SuperSlabs.
    pub large_blocks: usize,
    /// Their bytes.
    pub large: usize,
}

/// What `region` holds.
fn of(region: &Region) -> Usage {
    let used = region.used();
    let kept = region.whole().load(Ordering::Relaxed);
    let mut usage = Usage {
        reserved: region.len(),
        handed_out: bytes(used),
        given_back: bytes(used.saturating_sub(region.busy() + kept)),
        kept: bytes(kept),
        ..Usage::default()
    };
    for slab in 0..used * SLABS {
        let kind = region.kind(region.slab_address(slab));
        usage.in_use += if kind == kind::NONE { 0 } else { SLAB };
        if kind == kind::LARGE {
            usage.large_blocks += 1;
            usage.large += bytes(region.superslab(slab / SLABS).run.load(Ordering::Relaxed));
        }
    }
    usage
}

fn bytes(superslabs: u32) -> usize {
    superslabs as usize * SUPERSLAB
}

/// What the process holds.
pub(crate) fn now() -> Usage {
    of(&REGION)
}

/// Names and values for a report.
pub(crate) fn named() -> [(&'static str, u64); 7] {
    let usage = now();
    [
        ("reserved_bytes", usage.reserved as u64),
        ("handed_out_bytes", usage.handed_out as u64),
        ("given_back_bytes", usage.given_back as u64),
        ("kept_bytes", usage.kept as u64),
        ("in_use_bytes", usage.in_use as u64),
        ("large_blocks", usage.large_blocks as u64),
        ("large_bytes", usage.large as u64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ace::large;
    use crate::superslab::{self, Start};

    #[test]
    fn every_byte_is_found_where_it_is() {
        let region = Region::new();
        assert_eq!(of(&region), Usage::default());
        superslab::open(&region, region.take_run(1, 1).unwrap());
        let run = superslab::claim(&region, 4, Start::ANYWHERE).unwrap();
        region.set_kind(run.first, run.slabs, 1);
        let block = large::alloc(&region, SUPERSLAB + 1, 16);
        let usage = of(&region);
        assert_eq!((usage.large_blocks, usage.large), (1, 2 * SUPERSLAB));
        assert_eq!(usage.in_use, 4 * SLAB + 2 * SUPERSLAB);
        assert_eq!((usage.handed_out, usage.given_back, usage.kept), (3 * SUPERSLAB, 0, 0));
        // SAFETY: ours, and not used.
        unsafe { large::free(&region, block) };
        superslab::release(&region, run);
        let usage = of(&region);
        assert_eq!((usage.in_use, usage.large_blocks, usage.large), (0, 0, 0));
        assert_eq!((usage.given_back, usage.kept), (2 * SUPERSLAB, SUPERSLAB));
    }
}
