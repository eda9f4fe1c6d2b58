//! What the pages of a SuperSlab's slabs hold, in two words of bits.
//!
//! A slab that was never used reads as zero. Once it was, it holds leftovers until its pages were
//! purged: it is *touched*. A free slab with leftovers is *young*, and *old* when it has been free
//! for a whole period; pages that the kernel was merely offered are touched and neither.
//!
//! The bits of a slab are written by whoever holds the slab, and the free bit hands over what was
//! written, so every access may be relaxed. Only growing old is done to slabs of others; it changes
//! no slab from aged to ageless.
//!
//! The file gives nothing back itself and knows no address; tests/loom.rs includes it.

use crate::sync::{AtomicU32, AtomicU64, Ordering};

/// What the pages of 32 slabs hold.
pub(crate) struct Pages {
    /// Free slabs with leftovers: the young ones in the low half, the old ones in the high half.
    ages: AtomicU64,
    /// Slabs that may hold something else than zeroes.
    touched: AtomicU32,
}

/// `slabs` in both halves of the ages.
const fn both(slabs: u32) -> u64 {
    (slabs as u64) << 32 | slabs as u64
}

impl Pages {
    /// Slabs that were never used. The table in the region begins so, being zero.
    #[allow(dead_code, reason = "for tests/loom.rs, whose atomics are not made of zeroes")]
    pub(crate) fn new() -> Self {
        Self { ages: AtomicU64::new(0), touched: AtomicU32::new(0) }
    }

    fn age(&self, change: impl Fn(u64) -> u64) {
        // Never refused, since the change never is.
        let _ =
            self.ages.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |ages| Some(change(ages)));
    }

    /// Notes leftovers in slabs that become free now.
    pub(crate) fn leave(&self, slabs: u32) {
        // Only their holder changes these bits, and mostly they are set.
        if self.touched() & slabs != slabs {
            self.touched.fetch_or(slabs, Ordering::Relaxed);
        }
        self.age(|ages| ages & !both(slabs) | u64::from(slabs));
    }

    /// Notes that slabs are in use again.
    pub(crate) fn reuse(&self, slabs: u32) {
        if self.aged() & slabs != 0 {
            self.age(|ages| ages & !both(slabs));
        }
    }

    /// Notes that free slabs read as zero.
    pub(crate) fn clean(&self, slabs: u32) {
        self.touched.fetch_and(!slabs, Ordering::Relaxed);
        self.age(|ages| ages & !both(slabs));
    }

    /// Notes that the kernel takes the pages of free slabs when it likes, or refuses to.
    pub(crate) fn offer(&self, slabs: u32) {
        self.age(|ages| ages & !both(slabs));
    }

    /// A period has passed.
    pub(crate) fn grow_old(&self) {
        if self.aged() != 0 {
            self.age(|ages| ages << 32 | ages & u64::from(u32::MAX) << 32);
        }
    }

    /// Free slabs whose leftovers are old.
    pub(crate) fn old(&self) -> u32 {
        (self.ages.load(Ordering::Relaxed) >> 32) as u32
    }

    /// Free slabs with leftovers, young or old.
    #[expect(clippy::cast_possible_truncation, reason = "the low half")]
    pub(crate) fn aged(&self) -> u32 {
        let ages = self.ages.load(Ordering::Relaxed);
        (ages | ages >> 32) as u32
    }

    /// Slabs that do not surely read as zero: as they were when they were claimed, if in use.
    pub(crate) fn touched(&self) -> u32 {
        self.touched.load(Ordering::Relaxed)
    }

    /// Trusts no slab to read as zero.
    pub(crate) fn distrust(&self) {
        self.touched.store(u32::MAX, Ordering::Relaxed);
    }
}
