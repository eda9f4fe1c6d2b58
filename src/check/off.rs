//! Level `off`: nothing is checked. A double free hands one block out twice.

use super::Check;
use crate::class::Class;
use crate::region::Region;

/// Checks nothing.
pub(crate) struct Off;

impl Check for Off {
    #[inline(always)]
    unsafe fn allocated(_region: &Region, _p: *mut u8) {}

    #[inline(always)]
    unsafe fn freed(_region: &Region, _class: Class, _p: *mut u8, _newest: *mut u8) {}

    #[inline(always)]
    unsafe fn pooled(_region: &Region, _class: Class, _p: *mut u8) {}

    #[inline(always)]
    unsafe fn unpooled(_region: &Region, _p: *mut u8) {}
}
