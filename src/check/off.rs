//! Level `off`: nothing is checked. A double free hands one block out twice.

use super::Check;
use crate::class::Class;
use crate::cut::Cut;
use crate::region::Region;

/// Checks nothing.
pub(crate) struct Off;

impl Check for Off {
    const TRADED: bool = false;

    fn fresh(_region: &Region, _first: u32, _slabs: u32) {}

    #[inline(always)]
    unsafe fn allocated(_region: &Region, _p: *mut u8) {}

    #[inline(always)]
    unsafe fn freed<C: Cut>(_region: &Region, _class: Class, _p: *mut u8, _newest: *mut u8) {}

    #[inline(always)]
    fn changed(_p: *mut u8, _newest: *mut u8) {}

    #[inline(always)]
    unsafe fn asked<C: Cut>(_call: &str, _region: &Region, _class: Class, _p: *const u8) {}

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
