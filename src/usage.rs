//! How much memory the process holds of us, read off the page map.
//!
//! No lock is taken, so figures of a moment in which other threads allocate are nearly right.
//! Blocks count by whole slabs: what threads cache, and what is left of a run that is being cut,
//! counts as in use. Headered blocks outside the region (`ace-header` with `mincore-on`,
//! `-registry`, `-bloom` or `-off`) are not seen.

use crate::class::SLAB;
use crate::region::{Region, SLABS, SUPERSLAB, kind};
use crate::starter::Starter as _;
use crate::superslab::pages;
use crate::sync::Ordering;
use crate::thread::{POOL, STARTER};

/// Memory, in bytes but for the one count.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Usage {
    /// Addresses that are reserved; most of them have never been touched.
    pub reserved: usize,
    /// SuperSlabs that have been handed out, whatever became of them.
    pub handed_out: usize,
    /// Free slabs of those whose pages went back to the kernel, or were never touched.
    pub given_back: usize,
    /// Free slabs that still have their pages, or may have; `trim` gives them back.
    pub kept: usize,
    /// Slabs that belong to blocks, those of large blocks included.
    pub in_use: usize,
    /// Blocks of whole SuperSlabs.
    pub large_blocks: usize,
    /// Their bytes.
    pub large: usize,
    /// Pages of our own that hold the first small blocks (factor `starter`).
    pub starter: usize,
}

/// What `region` holds.
fn of(region: &Region) -> Usage {
    let used = region.used();
    let mut usage = Usage { reserved: region.len(), handed_out: bytes(used), ..Usage::default() };
    for slab in 0..used * SLABS {
        let kind = region.kind(region.slab_address(slab));
        let place = if kind != kind::NONE {
            &mut usage.in_use
        } else if pages::read_as_zero(region, slab, 1) {
            &mut usage.given_back
        } else {
            &mut usage.kept
        };
        *place += SLAB;
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
    Usage { starter: STARTER.held(), ..of(POOL.region()) }
}

/// Names and values for a report.
pub(crate) fn named() -> [(&'static str, u64); 8] {
    let usage = now();
    [
        ("reserved_bytes", usage.reserved as u64),
        ("handed_out_bytes", usage.handed_out as u64),
        ("given_back_bytes", usage.given_back as u64),
        ("kept_bytes", usage.kept as u64),
        ("in_use_bytes", usage.in_use as u64),
        ("large_blocks", usage.large_blocks as u64),
        ("large_bytes", usage.large as u64),
        ("starter_bytes", usage.starter as u64),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ace::large;
    use crate::mid;
    use crate::strategy::Shared;
    use crate::superslab::Fit;
    use std::boxed::Box;

    #[test]
    fn every_byte_is_found_where_it_is() {
        let pool = Box::leak(Box::new(Shared::new(Region::new())));
        let region = pool.region();
        assert_eq!(of(region), Usage::default());
        let (mid, large) =
            (mid::alloc(pool, 4 * SLAB, 16, Fit::Tight), large::alloc(pool, SUPERSLAB + 1, 16));
        let usage = of(region);
        assert_eq!((usage.large_blocks, usage.large), (1, 2 * SUPERSLAB));
        assert_eq!(usage.in_use, 4 * SLAB + 2 * SUPERSLAB);
        assert_eq!((usage.handed_out, usage.kept), (3 * SUPERSLAB, 0));
        assert_eq!(usage.given_back, SUPERSLAB - 4 * SLAB);
        // SAFETY: ours, and not used.
        unsafe {
            large::free(pool, large);
            mid::free(pool, mid);
        }
        let usage = of(region);
        assert_eq!((usage.in_use, usage.large_blocks, usage.large), (0, 0, 0));
        assert_eq!(usage.given_back + usage.kept, 3 * SUPERSLAB);
        pool.trim();
        assert_eq!((of(region).given_back, of(region).kept), (3 * SUPERSLAB, 0));
    }
}
