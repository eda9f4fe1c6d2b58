//! A bit for each 16 B of the region, as plain numbers that somebody keeps who looks at many.

use core::marker::PhantomData;
use core::sync::atomic::AtomicU8;

use super::{BYTES_PER_BYTE, BYTES_PER_WORD, Region};
use crate::class::SLAB;
use crate::ptr::distance;
use crate::sync::{AtomicU64, Ordering};

/// The bits, and where the range begins.
#[derive(Clone, Copy)]
pub(crate) struct Marks<'region> {
    base: *const u8,
    words: *const AtomicU64,
    region: PhantomData<&'region Region>,
}

impl Region {
    /// Its bits; it has memory.
    #[inline(always)]
    pub(crate) fn marks(&self) -> Marks<'_> {
        let (base, words) = (self.base.load(Ordering::Relaxed), self.bits.load(Ordering::Relaxed));
        Marks { base, words, region: PhantomData }
    }
}

impl<'region> Marks<'region> {
    /// The word that holds the bit of `p`, which lies in the range, and the bit's number in it.
    #[inline(always)]
    pub(crate) fn bit(&self, p: *const u8) -> (&'region AtomicU64, usize) {
        let offset = distance(p, self.base);
        // SAFETY: the table has a word for each BYTES_PER_WORD of the range, and is never unmapped.
        let word = unsafe { &*self.words.add(offset / BYTES_PER_WORD) };
        (word, offset / 16 % 64)
    }

    /// The same bits as bytes: the byte of `p` and its neighbours in [`BYTES_PER_BYTE`]. Nobody may
    /// use the word meanwhile.
    #[inline(always)]
    pub(crate) fn byte(&self, p: *const u8) -> &'region AtomicU8 {
        let offset = distance(p, self.base);
        // SAFETY: as in `bit`.
        unsafe { &*self.words.cast::<AtomicU8>().add(offset / BYTES_PER_BYTE) }
    }

    /// The words of a whole slab.
    pub(crate) fn slab(&self, slab: u32) -> &'region [AtomicU64; SLAB / BYTES_PER_WORD] {
        let slabs = self.words.cast::<[AtomicU64; SLAB / BYTES_PER_WORD]>();
        // SAFETY: as in `bit`.
        unsafe { &*slabs.add(slab as usize) }
    }
}
