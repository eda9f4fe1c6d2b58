//! Level `bitmap`: every double, invalid, interior or misaligned free is found at once. The bit of
//! a block is set while the program has it; a free of what has no bit set ends the process.
//!
//! It costs an atomic read-modify-write for each allocation and each free. A block that was freed
//! and allocated again has its bit set again: the free of an old pointer to it is not found, that
//! of its new owner is then.

use super::{Check, FREE, bits, not_out};
use crate::class::Class;
use crate::cut::Cut;
use crate::region::Region;

/// Knows of each block whether the program has it.
pub(crate) struct Bitmap;

impl Check for Bitmap {
    const TRADED: bool = false;

    fn fresh(region: &Region, first: u32, slabs: u32) {
        bits::clear_slabs(region, first, slabs);
    }

    #[inline(always)]
    unsafe fn allocated(region: &Region, p: *mut u8) {
        bits::set(region, p);
    }

    #[inline(always)]
    unsafe fn freed<C: Cut>(region: &Region, class: Class, p: *mut u8, _newest: *mut u8) {
        if !bits::aligned(p) || !bits::clear(region, p) {
            not_out::<C>(FREE, region, class, p);
        }
    }

    #[inline(always)]
    fn changed(_p: *mut u8, _newest: *mut u8) {}

    unsafe fn asked<C: Cut>(call: &str, region: &Region, class: Class, p: *const u8) {
        if !bits::aligned(p) || !bits::is_set(region, p) {
            not_out::<C>(call, region, class, p);
        }
    }

    #[inline(always)]
    unsafe fn pooling<C: Cut>(_region: &Region, _class: Class) -> impl FnMut(&[*mut u8]) {
        |_: &[*mut u8]| ()
    }

    #[inline(always)]
    fn left(_region: &Region, _class: Class, _first: u32) {}

    #[inline(always)]
    unsafe fn unpooling(_region: &Region, _class: Class) -> impl FnMut(&[*mut u8]) {
        |_: &[*mut u8]| ()
    }
}
