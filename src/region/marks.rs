//! A bit for each 16 B of the region, as plain numbers that somebody keeps who looks at many.
//!
//! Blocks that are large enough have a byte each instead, in the same table or, where they have a
//! KiB and more, in a denser one: else a page of marks would be touched for every few of them.

use core::marker::PhantomData;
use core::sync::atomic::AtomicU8;

use super::{BYTES_PER_BYTE, BYTES_PER_WORD, Region, WIDE};
use crate::class::SLAB;
use crate::ptr::distance;
use crate::sync::{AtomicU64, Ordering};

/// The tables, which end where these pointers point, what is for the beginning of the range last;
/// and where that begins.
#[derive(Clone, Copy)]
pub(crate) struct Marks<'region> {
    base: *const u8,
    words: *const AtomicU64,
    region: &'region Region,
}

/// A byte for each of a power of two in bytes.
#[derive(Clone, Copy)]
pub(crate) struct Bytes<'region> {
    base: *const u8,
    /// The end of the table.
    table: *const AtomicU8,
    shift: u32,
    region: PhantomData<&'region Region>,
}

/// Where in a table that goes down from its end an entry lies, of which there is one for each
/// 2^`shift` bytes from `base` on: entries from the end, below 0.
#[inline(always)]
fn down(base: *const u8, p: *const u8, shift: u32) -> isize {
    // The complement of the distance, which halves as numbers below 0 do.
    !distance(p, base).cast_signed() >> shift
}

impl Region {
    /// Its marks; it has memory.
    #[inline(always)]
    pub(crate) fn marks(&self) -> Marks<'_> {
        let (base, words) = (self.base.load(Ordering::Relaxed), self.bits.load(Ordering::Relaxed));
        Marks { base, words, region: self }
    }
}

impl<'region> Marks<'region> {
    /// The word that holds the bit of `p`, which lies in the range, and the bit's number in it.
    #[inline(always)]
    pub(crate) fn bit(&self, p: *const u8) -> (&'region AtomicU64, usize) {
        let index = down(self.base, p, BYTES_PER_WORD.ilog2());
        // SAFETY: the table has a word for each BYTES_PER_WORD of the range, and is never unmapped.
        let word = unsafe { &*self.words.offset(index) };
        // The range begins on a multiple of what a word is for.
        (word, p.addr() / 16 % 64)
    }

    /// Where blocks of `size` B that lie side by side have a byte each; `None` if they are too
    /// small. Nobody may use the bits of the same memory meanwhile.
    #[inline]
    pub(crate) fn bytes(&self, size: usize) -> Option<Bytes<'region>> {
        let (table, per_byte) = match size {
            ..BYTES_PER_BYTE => return None,
            BYTES_PER_BYTE..WIDE => (self.words.cast(), BYTES_PER_BYTE),
            WIDE.. => (self.wide().cast_const(), WIDE),
        };
        Some(Bytes { base: self.base, table, shift: per_byte.ilog2(), region: PhantomData })
    }

    /// The words of bits of a whole slab, in any order.
    pub(crate) fn of_slab(&self, slab: u32) -> &'region [AtomicU64; SLAB / BYTES_PER_WORD] {
        let end = self.words.cast::<[AtomicU64; SLAB / BYTES_PER_WORD]>();
        // SAFETY: as in `bit`.
        unsafe { &*end.sub(slab as usize + 1) }
    }

    /// A byte for each [`WIDE`]; few need it.
    fn wide(&self) -> *mut AtomicU8 {
        self.region.wide.load(Ordering::Relaxed)
    }

    /// The bytes of a whole slab, for blocks of [`WIDE`] and more, as words. Nobody may use the
    /// slab meanwhile. Their order is any.
    pub(crate) fn wide_of_slab(&self, slab: u32) -> &'region [AtomicU64; SLAB / WIDE / 8] {
        // SAFETY: the table has a byte for each WIDE of the range, and is never unmapped. What is
        // for a slab begins with a cache line.
        unsafe { &*self.wide().cast::<[AtomicU64; SLAB / WIDE / 8]>().sub(slab as usize + 1) }
    }
}

impl<'region> Bytes<'region> {
    /// The byte of `p`, which lies in the range.
    #[inline(always)]
    pub(crate) fn of(&self, p: *const u8) -> &'region AtomicU8 {
        // SAFETY: `Marks::bytes` took the table that has a byte for each of them.
        unsafe { &*self.table.offset(down(self.base, p, self.shift)) }
    }
}
