//! Level `bloom`: a counting Bloom filter over our granules says "not ours" without a system call;
//! "perhaps ours" goes on to the page cache and the kernel.
//!
//! The simple filter is a bit set: a granule sets the bits that its hashes name, and a pointer
//! whose granule misses one of them was never added (B. H. Bloom, CACM 13:7, 1970). Granules are
//! unmapped too, so bits are counters (L. Fan et al., SIGCOMM 1998, §V-C); one that is full stays
//! so, which costs a system call and never safety.
//!
//! The seed spoke of pages "definitely unmapped"; pages are mapped and unmapped behind our back, so
//! the filter holds what only we change.

use core::ptr::NonNull;
use core::sync::atomic::AtomicU8;

use super::cache::PageCache;
use super::on::kernel_allows;
use super::{GRANULE, HeaderSafety, mapping};
use crate::lock::ForkSafe;
use crate::region::Region;
use crate::sync::Ordering;

const COUNTERS: usize = 1 << 15;
const HASHES: usize = 2;

/// The filter.
pub(crate) struct Bloom {
    counters: [AtomicU8; COUNTERS],
}

/// The counters of a granule: halves of one product.
fn places(granule: usize) -> [usize; HASHES] {
    let product = (granule / GRANULE).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    [product >> (usize::BITS - 15), (product >> 20) % COUNTERS]
}

impl Bloom {
    fn change(&self, base: usize, len: usize, by: impl Fn(u8) -> Option<u8> + Copy) {
        for granule in 0..len / GRANULE {
            for place in places(base + granule * GRANULE) {
                // A full counter has lost count, so it stays.
                let _ = self.counters[place].fetch_update(
                    Ordering::AcqRel,
                    Ordering::Acquire,
                    |count| if count == u8::MAX { None } else { by(count) },
                );
            }
        }
    }

    fn perhaps(&self, p: *const u8) -> bool {
        places(p.addr() & !(GRANULE - 1))
            .iter()
            .all(|&place| self.counters[place].load(Ordering::Acquire) != 0)
    }
}

/// No locks.
impl ForkSafe for Bloom {
    fn hold(&self) {}

    unsafe fn let_go(&self) {}
}

impl HeaderSafety for Bloom {
    const NEW: Self = Self { counters: [const { AtomicU8::new(0) }; COUNTERS] };

    fn map(&self, _region: &Region, len: usize) -> Option<NonNull<u8>> {
        let base = mapping::map(len)?;
        self.change(base.as_ptr().addr(), len, |count| count.checked_add(1));
        Some(base)
    }

    unsafe fn unmap(&self, _region: &Region, base: *mut u8, len: usize) {
        self.change(base.addr(), len, |count| count.checked_sub(1));
        // SAFETY: the caller's promise.
        unsafe { mapping::unmap(base, len) };
    }

    fn may_read<const N: usize>(
        &self,
        _region: &Region,
        p: *const u8,
        cache: &mut PageCache<N>,
    ) -> bool {
        self.perhaps(p) && kernel_allows(p, cache)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn what_was_never_added_is_not_perhaps_ours() {
        let bloom = Box::new(Bloom::NEW);
        let region = Region::new();
        let base = bloom.map(&region, GRANULE).unwrap().as_ptr();
        let local = 0u64;
        assert!(bloom.perhaps(base) && !bloom.perhaps((&raw const local).cast()));
        // SAFETY: ours and unused.
        unsafe { bloom.unmap(&region, base, GRANULE) };
        assert!(!bloom.perhaps(base));
    }

    #[test]
    fn a_full_counter_stays_full() {
        let bloom = Box::new(Bloom::NEW);
        for _ in 0..300 {
            bloom.change(GRANULE, GRANULE, |count| count.checked_add(1));
        }
        for _ in 0..300 {
            bloom.change(GRANULE, GRANULE, |count| count.checked_sub(1));
        }
        assert!(bloom.perhaps(core::ptr::without_provenance(GRANULE)));
    }
}
