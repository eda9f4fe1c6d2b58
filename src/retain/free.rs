//! Level `free`: as `decay`, but pages are offered to the kernel (MADV_FREE), which takes them when
//! it runs short. Until then the program looks as large as before, and what it uses again costs no
//! fault. Whether the content survived is not known, so such pages never count as zero.

use super::Retain;
use crate::region::Region;
use crate::superslab::pages;

/// After a while, if the kernel needs them.
pub(crate) struct Free;

impl Retain for Free {
    const AGES: bool = true;

    unsafe fn freed(region: &Region, first: u32, slabs: u32) {
        pages::leave(region, first, slabs);
    }

    unsafe fn expired(region: &Region, first: u32, slabs: u32) {
        // SAFETY: the caller's promise.
        unsafe { pages::offer(region, first, slabs) };
    }
}
