//! How a run of slabs is cut into blocks of one class, and how a block's class is found again.
//!
//! The factor `pool-class` says where the class of a pool block is kept: in the page map, or in two
//! bytes in front of the block. The factor `colour` puts a gap of so many bytes behind blocks of
//! more than a page, so that their first lines do not all fall into one set of the cache; or behind
//! those of just a page as well, which then lie in two. Tiny blocks are always cut without a gap
//! and explained by the page map.
//!
//! The file knows no list and no thread; what it says of a class never changes.

#![allow(dead_code, reason = "levels that are not chosen are compiled all the same")]

pub(crate) mod header;
pub(crate) mod map;

use core::marker::PhantomData;

use crate::class::{self, Class, SLAB, Scaled, TINY_MAX};
use crate::os::PAGE;
use crate::region::Kind;

/// Where the class of a pool block is kept: a level of the factor `pool-class`.
pub(crate) trait ClassKept: 'static {
    /// Bytes in front of each pool block, a multiple of 16.
    const LEAD: usize;
    /// What the page map says of a run that is cut into pool blocks of `class`.
    fn kind(class: Class) -> Kind;
    /// The class of the block at `p`, of which the page map says `kind`; 0 when it is no block. A
    /// kind of blocks that threads do not cache stays as it is.
    ///
    /// # Safety
    /// `kind` is what the page map says of `p`.
    unsafe fn class(kind: Kind, p: *const u8) -> Class;
    /// As [`ClassKept::class`].
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn scaled(kind: Scaled, p: *const u8) -> Scaled {
        // SAFETY: the caller's promise.
        Scaled::of(unsafe { Self::class(kind.class(), p) })
    }
    /// Marks the block at `p`, before it is used for the first time.
    ///
    /// # Safety
    /// The [`ClassKept::LEAD`] bytes in front of `p` may be written.
    unsafe fn mark(p: *mut u8, class: Class);
}

/// How the runs of one class are cut. From a table: a division costs as much as a look at several
/// blocks.
#[derive(Clone, Copy)]
pub(crate) struct Layout {
    lead: u32,
    stride: u32,
    blocks: u32,
    /// 2 to the power of [`Layout::SHIFT`] divided by the stride, rounded up.
    reciprocal: u64,
}

impl Layout {
    const NONE: Self = Self { lead: 0, stride: 0, blocks: 0, reciprocal: 0 };
    const SHIFT: u32 = 40;
    /// The largest stride for [`Layout::beginnings`], B.
    const NEAR: usize = 128;

    /// Of blocks of `class` with `lead` bytes in front and `gap` bytes behind.
    #[expect(clippy::cast_possible_truncation, reason = "a run has at most 2 MiB")]
    const fn of(class: Class, lead: usize, gap: usize) -> Self {
        let stride = lead + class::size(class) + gap;
        Self {
            lead: lead as u32,
            stride: stride as u32,
            blocks: (class::run_slabs(class) as usize * SLAB / stride) as u32,
            reciprocal: (1 << Self::SHIFT) / stride as u64 + 1,
        }
    }

    /// Whether a block begins `offset` bytes behind the beginning of a run.
    #[inline(always)]
    pub(crate) fn begins(&self, offset: usize) -> bool {
        let stride = u64::from(self.stride);
        // In the lead of the first block it becomes far too large.
        let offset = offset.wrapping_sub(self.lead as usize) as u64;
        // Below 2²¹ and for strides below 2¹⁹ the rounded quotient is off by less than a stride's
        // part, so its floor is exact.
        let block = || (offset * self.reciprocal) >> Self::SHIFT;
        offset < stride * u64::from(self.blocks) && block() * stride == offset
    }

    /// In which of the 64 times 16 bytes from `offset` on in a run a block begins, a bit each. For
    /// blocks without a lead whose stride is at most [`Layout::NEAR`].
    #[inline]
    pub(crate) fn beginnings(&self, offset: usize) -> u64 {
        /// A bit for each block of so many times 16 bytes, the first at the beginning.
        static BITS: [u64; Layout::NEAR / 16 + 1] = {
            let mut bits = [0; Layout::NEAR / 16 + 1];
            let mut granules = 1;
            while granules < bits.len() {
                let mut at = 0;
                while at < 64 {
                    bits[granules] |= 1 << at;
                    at += granules;
                }
                granules += 1;
            }
            bits
        };
        debug_assert!(self.lead == 0 && self.stride as usize <= Self::NEAR);
        let (stride, offset) = (u64::from(self.stride), offset as u64);
        let blocks_before = ((offset + stride - 1) * self.reciprocal) >> Self::SHIFT;
        let first = blocks_before * stride - offset;
        let bits = BITS[self.stride as usize / 16] << (first / 16);
        match (stride * u64::from(self.blocks)).saturating_sub(offset) / 16 {
            rest @ 0..64 => bits & ((1 << rest) - 1),
            _ => bits,
        }
    }
}

/// How blocks lie in a run.
pub(crate) trait Cut: 'static {
    /// By class; that of class 0 has no blocks.
    const LAYOUTS: &'static [Layout; class::COUNT];
    /// Whether the first lines of large blocks are to fall into different sets of the caches.
    const COLOURED: bool;
    /// Bytes in front of each block of `class`.
    #[inline]
    fn lead(class: Class) -> usize {
        Self::LAYOUTS[usize::from(class)].lead as usize
    }
    /// Bytes from one block of `class` to the next, those in front included.
    #[inline]
    fn stride(class: Class) -> usize {
        Self::LAYOUTS[usize::from(class)].stride as usize
    }
    /// Blocks that are cut from one run of `class`.
    #[inline]
    fn blocks(class: Class) -> u32 {
        Self::LAYOUTS[usize::from(class)].blocks
    }
    /// What the page map says of a run that is cut into blocks of `class`.
    fn kind(class: Class) -> Kind;
    /// The class of the block at `p`, of which the page map says `kind`; 0 when it is no block. A
    /// kind of blocks that threads do not cache stays as it is.
    ///
    /// # Safety
    /// `kind` is what the page map says of `p`.
    unsafe fn class(kind: Kind, p: *const u8) -> Class;
    /// As [`Cut::class`].
    ///
    /// # Safety
    /// As there.
    unsafe fn scaled(kind: Scaled, p: *const u8) -> Scaled;
    /// Marks the block at `p`, before it is used for the first time.
    ///
    /// # Safety
    /// `p` is a block of a run of `class` that nobody uses.
    unsafe fn mark(p: *mut u8, class: Class);

    /// The smallest class for blocks of `class` on multiples of `align`, a power of two, up to the
    /// class of `max` B; 0 if there is none.
    fn aligned(class: Class, align: usize, max: usize) -> Class {
        // A lead is a multiple of 16 only.
        class::aligned(class, align, max, |class| Self::stride(class) | Self::lead(class))
    }
}

/// Pool blocks whose class is kept by `K`, with `COLOUR` bytes behind those of more than `ABOVE` B.
pub(crate) struct Blocks<K, const COLOUR: usize, const ABOVE: usize = PAGE>(PhantomData<K>);

/// Blocks of a page are larger.
pub(crate) const BELOW_A_PAGE: usize = PAGE - 1;

impl<K: ClassKept, const COLOUR: usize, const ABOVE: usize> Cut for Blocks<K, COLOUR, ABOVE> {
    const LAYOUTS: &'static [Layout; class::COUNT] = &layouts(K::LEAD, COLOUR, ABOVE);
    const COLOURED: bool = COLOUR != 0;

    fn kind(class: Class) -> Kind {
        if class::size(class) > TINY_MAX { K::kind(class) } else { class }
    }

    #[inline(always)]
    unsafe fn class(kind: Kind, p: *const u8) -> Class {
        // SAFETY: the caller's promise.
        unsafe { K::class(kind, p) }
    }

    #[inline(always)]
    unsafe fn scaled(kind: Scaled, p: *const u8) -> Scaled {
        // SAFETY: the caller's promise.
        unsafe { K::scaled(kind, p) }
    }

    #[inline]
    unsafe fn mark(p: *mut u8, class: Class) {
        if Self::lead(class) != 0 {
            // SAFETY: the lead in front of a block belongs to it.
            unsafe { K::mark(p, class) };
        }
    }
}

/// Layouts with so many bytes in front of each pool block, and behind those of more than `above` B.
const fn layouts(lead: usize, colour: usize, above: usize) -> [Layout; class::COUNT] {
    assert!(lead.is_multiple_of(16) && colour.is_multiple_of(16));
    let mut layouts = [Layout::NONE; class::COUNT];
    let mut index = 1;
    while index < class::COUNT {
        #[expect(clippy::cast_possible_truncation, reason = "COUNT fits u8")]
        let class = index as Class;
        let size = class::size(class);
        let lead = if size > TINY_MAX { lead } else { 0 };
        layouts[index] = Layout::of(class, lead, if size > above { colour } else { 0 });
        index += 1;
    }
    layouts
}

#[cfg(test)]
mod tests {
    use super::header::InHeader;
    use super::map::InMap;
    use super::*;
    use crate::class::CLASS_MAX;

    /// A run's worth of memory on a multiple of a slab.
    fn run_of_two_megabytes() -> *mut u8 {
        let memory = crate::os::map(2 * (2 << 20)).unwrap().as_ptr();
        memory.map_addr(|address| crate::ptr::align_up(address, 2 << 20))
    }

    fn blocks_lie_in_their_run_apart_and_know_their_class<C: Cut>() {
        let run = run_of_two_megabytes();
        for class in class::all() {
            let (lead, stride, size) = (C::lead(class), C::stride(class), class::size(class));
            assert!(stride >= lead + size && lead.is_multiple_of(16) && stride.is_multiple_of(16));
            let blocks = C::blocks(class) as usize;
            assert!(blocks >= 7 && blocks * stride <= class::run_slabs(class) as usize * SLAB);
            for block in 0..blocks {
                let p = run.wrapping_add(block * stride + lead);
                // SAFETY: the run is ours and long enough for every block.
                unsafe {
                    C::mark(p, class);
                    p.write(0xB0);
                    p.add(size - 1).write(0xB0);
                }
            }
            for block in 0..blocks {
                let p = run.wrapping_add(block * stride + lead);
                // SAFETY: as above.
                assert_eq!(unsafe { C::class(C::kind(class), p) }, class);
            }
        }
    }

    fn aligned_classes_are_aligned<C: Cut>() {
        for class in class::all() {
            for shift in 4..=18 {
                let align = 1 << shift;
                let found = C::aligned(class, align, CLASS_MAX);
                assert!(found == 0 || found >= class);
                if found != 0 {
                    assert!(C::lead(found).is_multiple_of(align));
                    assert!(C::stride(found).is_multiple_of(align));
                }
            }
        }
        assert_ne!(C::aligned(1, 1024, CLASS_MAX), 0);
    }

    /// Every level through one contract.
    macro_rules! contract {
        ($($level:ident: $cut:ty;)*) => {$(
            #[test]
            fn $level() {
                blocks_lie_in_their_run_apart_and_know_their_class::<$cut>();
                aligned_classes_are_aligned::<$cut>();
            }
        )*};
    }

    contract! {
        pool_class_map: Blocks<InMap, 0>;
        pool_class_header: Blocks<InHeader, 0>;
        colour_64: Blocks<InMap, 64>;
        colour_64_with_headers: Blocks<InHeader, 64>;
        colour_64_page: Blocks<InMap, 64, BELOW_A_PAGE>;
    }

    #[test]
    fn only_blocks_of_more_than_a_page_are_coloured_or_of_one_as_well() {
        for class in class::all() {
            let size = class::size(class);
            let gap = Blocks::<InMap, 64>::stride(class) - size;
            assert_eq!(gap, if size > PAGE { 64 } else { 0 });
            let gap = Blocks::<InMap, 64, BELOW_A_PAGE>::stride(class) - size;
            assert_eq!(gap, if size >= PAGE { 64 } else { 0 });
        }
    }

    #[test]
    fn blocks_of_a_page_lie_on_pages_unless_they_have_a_gap() {
        fn on_pages<C: Cut>(size: usize) -> usize {
            let fits = |class: &Class| class::size(*class) >= size;
            class::size(C::aligned(class::all().find(fits).unwrap(), PAGE, CLASS_MAX))
        }
        assert_eq!([1, PAGE, PAGE + 1].map(on_pages::<Blocks<InMap, 64>>), [PAGE, PAGE, 0]);
        assert_eq!([1, PAGE].map(on_pages::<Blocks<InMap, 64, BELOW_A_PAGE>>), [0, 0]);
    }
}
