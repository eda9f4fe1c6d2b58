//! The factor `mincore`: may `free()` read the header in front of this pointer?
//!
//! ACE's headered blocks carry their size in front of them, so `free()` must read there; a pointer
//! that came from elsewhere has nothing of ours in front of it and perhaps no memory at all. Each
//! level is one way to know. A level also provides the memory that headered blocks lie in, since
//! what it knows it learns there.
//!
//! Invariant: a headered block never begins in the first [`HEADER`] bytes of a page, so header and
//! block share a page, and a pointer that does begin there is foreign at a glance.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod bloom;
pub(crate) mod cache;
mod mapping;
pub(crate) mod off;
pub(crate) mod on;
pub(crate) mod range;
pub(crate) mod registry;

use core::ptr::NonNull;

use crate::lock::ForkSafe;
use crate::os::PAGE;
use crate::region::Region;
use cache::PageCache;

/// Bytes that a header takes in front of its block.
pub(crate) const HEADER: usize = 32;

/// Alignment and unit of the memory that headered blocks lie in, B.
pub(crate) const GRANULE: usize = 2 << 20;

/// One way to know whether a header may be read.
pub(crate) trait HeaderSafety: ForkSafe + Sync + 'static {
    /// A level that has mapped nothing.
    const NEW: Self;

    /// Maps `len` zeroed bytes, a multiple of [`GRANULE`], on a multiple of it, for headered blocks
    /// only. A mapping of its own, unless the level has a better place.
    fn map(&self, _region: &Region, len: usize) -> Option<NonNull<u8>> {
        mapping::map(len)
    }

    /// Takes it back.
    ///
    /// # Safety
    /// `base` and `len` are those of one [`HeaderSafety::map`]; nobody uses the memory any more.
    unsafe fn unmap(&self, _region: &Region, base: *mut u8, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { mapping::unmap(base, len) };
    }

    /// Whether `p` lies for certain in memory that only headered blocks lie in. A level that does
    /// not know says no.
    fn holds(&self, _region: &Region, _p: *const u8) -> bool {
        false
    }

    /// Whether the [`HEADER`] bytes in front of `p` may be read. True does not mean that they are a
    /// header. Every level but `off` answers any pointer whatsoever without a fault.
    fn may_read<const N: usize>(
        &self,
        region: &Region,
        p: *const u8,
        cache: &mut PageCache<N>,
    ) -> bool;
}

/// Where the header of `p` lies, if `p` can be a headered block at all.
pub(crate) fn header_of(p: *const u8) -> Option<*const u8> {
    (p.addr() % PAGE >= HEADER).then(|| p.wrapping_sub(HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::os;
    use std::boxed::Box;

    fn level<H: HeaderSafety>() -> (Box<H>, Region, PageCache<4>) {
        (Box::new(H::NEW), Region::new(), PageCache::new())
    }

    fn own_headers_may_be_read<H: HeaderSafety>() {
        let (safety, region, mut cache) = level::<H>();
        let base = safety.map(&region, 2 * GRANULE).unwrap().as_ptr();
        assert_eq!(base.addr() % GRANULE, 0);
        for offset in [HEADER, 4096 + 64, GRANULE + HEADER, 2 * GRANULE - 64] {
            assert!(safety.may_read(&region, base.wrapping_add(offset), &mut cache));
        }
        // SAFETY: the mapping is ours and all of it may be written.
        unsafe {
            base.write_bytes(1, 2 * GRANULE);
            safety.unmap(&region, base, 2 * GRANULE);
        }
    }

    fn foreign_pointers_may_not<H: HeaderSafety>() {
        let (safety, region, mut cache) = level::<H>();
        let base = safety.map(&region, GRANULE).unwrap().as_ptr();
        let guard = os::reserve(PAGE).unwrap().as_ptr();
        // The kernel's half: nothing that other tests map meanwhile can be there.
        let nowhere = core::ptr::without_provenance::<u8>(0xFFFF_8000_0000_0040);
        let lowest = core::ptr::without_provenance::<u8>(0x10_0040);
        for p in [guard.wrapping_add(64), nowhere, lowest, base, core::ptr::null()] {
            assert!(!safety.may_read(&region, p, &mut cache));
        }
        // SAFETY: ours and unused.
        unsafe {
            safety.unmap(&region, base, GRANULE);
            os::unreserve(guard, PAGE);
        }
    }

    /// What only we change is forgotten at once; the kernel may give the address to somebody else.
    fn unmapped_memory_is_foreign_again<H: HeaderSafety>() {
        let (safety, region, mut cache) = level::<H>();
        let base = safety.map(&region, GRANULE).unwrap().as_ptr();
        let block = base.wrapping_add(HEADER);
        assert!(safety.may_read(&region, block, &mut cache));
        cache.remember(block);
        // SAFETY: ours and unused.
        unsafe { safety.unmap(&region, base, GRANULE) };
        assert!(!cache.has(block));
        assert!(!safety.may_read(&region, block, &mut cache));
    }

    #[test]
    fn the_registry_is_certain_of_every_byte() {
        let (safety, region, _) = level::<registry::Registry>();
        let base = safety.map(&region, 2 * GRANULE).unwrap().as_ptr();
        for offset in [0, HEADER, GRANULE, 2 * GRANULE - 1] {
            assert!(safety.holds(&region, base.wrapping_add(offset)));
        }
        let local = 0;
        assert!(
            !safety.holds(&region, &raw const local) && !safety.holds(&region, core::ptr::null())
        );
        // SAFETY: ours and unused.
        unsafe { safety.unmap(&region, base, 2 * GRANULE) };
        assert!(!safety.holds(&region, base));
    }

    #[test]
    fn levels_without_the_kernel_forget() {
        unmapped_memory_is_foreign_again::<registry::Registry>();
        unmapped_memory_is_foreign_again::<bloom::Bloom>();
    }

    /// Every level through one contract.
    macro_rules! contract {
        ($($level:ident: $type:ty;)*) => {$(
            #[test]
            fn $level() {
                own_headers_may_be_read::<$type>();
                foreign_pointers_may_not::<$type>();
            }
        )*};
    }

    contract! {
        mincore_on: on::On;
        mincore_registry: registry::Registry;
        mincore_bloom: bloom::Bloom;
        mincore_range: range::Range;
    }

    #[test]
    fn mincore_off_believes_everything() {
        own_headers_may_be_read::<off::Off>();
        let (safety, region, mut cache) = level::<off::Off>();
        assert!(safety.may_read(&region, core::ptr::null(), &mut cache));
    }
}
